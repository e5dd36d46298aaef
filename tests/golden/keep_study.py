"""Keep a finished study for the tests: its queue, and of its store the answers and the images, without any weights.

    python -m tests.golden.keep_study qcqueue-demo/queue

writes six-models.zip beside this file. Where sessions ran is nobody's business, so hosts and machines get other names.
"""

import hashlib
import sqlite3
import sys
import tempfile
import zipfile
from pathlib import Path

TARGET = Path(__file__).with_name("six-models.zip")
DATABASE = "queue.sqlite"
KEPT = "SELECT predictions_sha256 FROM results UNION SELECT sha256 FROM datasets"
EARLIEST = (1980, 1, 1, 0, 0, 0)


def keep(queue: Path) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / DATABASE
        digests = _copied(queue / DATABASE, database)
        files = {DATABASE: database}
        files |= {
            str(path.relative_to(queue)): path
            for path in sorted(queue.rglob("*"))
            if path.is_file() and any(path.name.startswith(digest) for digest in digests)
        }
        with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_LZMA) as archive:
            for name, path in files.items():
                about = zipfile.ZipInfo(f"queue/{name}", EARLIEST)
                about.compress_type = zipfile.ZIP_LZMA
                archive.writestr(about, path.read_bytes())
    return TARGET


def _copied(source: Path, target: Path) -> set[str]:
    """Copy the database without names of machines; return the digests of the blobs to keep."""
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
        new.create_function("renamed", 1, lambda name: hashlib.sha256(name.encode()).hexdigest()[:12])
        new.execute("UPDATE sessions SET host = 'laptop', machine = renamed(machine)")
        new.execute("UPDATE history SET who = 'somebody' WHERE who LIKE '%@%'")
        found = {digest for (digest,) in new.execute(KEPT)}
    new.execute("VACUUM")
    new.close()
    old.close()
    return found


if __name__ == "__main__":
    print(keep(Path(sys.argv[1])))
