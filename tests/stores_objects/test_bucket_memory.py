"""The state of a large model goes into a bucket and back in bounded memory, whatever its size."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers.running import bucket_server, shared_bucket

pytestmark = pytest.mark.servers

STATE_BYTES = 650_000_000
MOST_BYTES = 150_000_000

PROGRAM = """
import sys
import threading
from pathlib import Path
from tests.support.servers.buckets import BucketServer
from tests.support.servers.places import StoreInBucket
from qcqueue.clock import SystemClock

scheme, endpoint, bucket, source = sys.argv[1:5]
server = BucketServer(scheme=scheme, endpoint=endpoint, environment=dict(pair.split("=", 1) for pair in sys.argv[5:]))
source = Path(source)
store = StoreInBucket(scheme, server, bucket).open(source.parent, SystemClock())

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))

found, done = [], threading.Event()

def look():
    while not done.wait(0.005):
        found.append(anonymous())

looking = threading.Thread(target=look)
looking.start()
blob = store.put(source)
store.fetch(blob, source.with_name("target"))
store.delete(blob)
done.set()
looking.join()
print(blob.size_bytes, max(found))
"""


@pytest.mark.parametrize("scheme", ["s3", pytest.param("az", marks=pytest.mark.long)])
def test_650_mb_go_up_and_come_down_in_less_than_150_mb_of_memory(scheme: str, tmp_path: Path) -> None:
    server = bucket_server(scheme)
    source = tmp_path / "source"
    piece = bytes(range(256)) * 4096
    with source.open("wb") as file:
        for number in range(STATE_BYTES // len(piece)):
            file.write(number.to_bytes(8) + piece[8:])
    environment = [f"{name}={value}" for name, value in server.environment.items()]
    command = [sys.executable, "-c", PROGRAM, scheme, server.endpoint, shared_bucket(scheme), str(source), *environment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    stored_bytes, most_bytes = map(int, done.stdout.split())
    print(f"{most_bytes / 1e6:.0f} MB")
    assert (tmp_path / "target").stat().st_size == stored_bytes == source.stat().st_size
    assert most_bytes < MOST_BYTES
    source.unlink()
    (tmp_path / "target").unlink()
