"""A cache with no room left: the job stays in the queue, saving waits, and with room again everything goes on."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from tests.support.faults.commands import ROOT, Commands, Ran
from tests.support.faults.preload import NoCompilerError, Preload, Trouble, build
from tests.support.faults.scenes import Place, history

pytestmark = pytest.mark.racing

LIMIT_S = 120.0
SIZE = "45m"

# What a session writes until its trainer saves for the first time: the dataset, and little else.
ENOUGH_BYTES = 32_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that counts what is written."""
    try:
        return build(tmp_path_factory.mktemp("built"))
    except NoCompilerError as exc:
        pytest.skip(f"NO FULL CACHE WAS TESTED: {exc}")


@pytest.fixture(scope="module")
def commands(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    commands = Commands(built, tmp_path_factory.mktemp("scratch"))
    yield commands
    commands.close()


@pytest.fixture
def place(tmp_path: Path, commands: Commands) -> Place:
    """A queue with one job."""
    place = Place(tmp_path / "place", commands)
    place.furnish()
    for arguments in history("folder")[:3]:
        assert place.types(*arguments).code == 0
    return place


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Have a disk of 45 MB at `folder`, where this machine lets us."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"NO SMALL DISK WAS TESTED: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, *, but_bytes: int = 0) -> Path:
    """Leave so many bytes free; return the file that takes the rest."""
    filler = folder / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), b"x" * 4096)
    os.truncate(filler, max(0, filler.stat().st_size - but_bytes))
    return filler


@pytest.mark.skipif(os.geteuid() != 0, reason="NO SMALL DISK WAS TESTED: only root can mount one")
@pytest.mark.parametrize(
    "free_bytes",
    [0, pytest.param(4096, marks=pytest.mark.long), 16384, pytest.param(65536, marks=pytest.mark.long)],
)
def test_a_full_cache_fails_no_job_and_with_room_again_it_is_trained(place: Place, free_bytes: int) -> None:
    with small_disk(place.cache):
        filler = fill(place.cache, but_bytes=free_bytes)
        full = _work_until_it_says(place, "No space left on device", "takes no more")
        assert full.code not in (1, 3), full.said
        assert "this is a bug" not in full.said
        seen = place.look()
        assert seen is not None
        assert seen.state in ("queued", "running")  # running: it was ended while it waited
        filler.unlink()
        again = place.types("work")
        assert again.code == 0, again.said
        seen = place.look()
        assert seen is not None
        assert (seen.state, seen.epochs) == ("done", (1, 2))


def test_saving_waits_for_a_full_cache_and_goes_on_once_there_is_room(
    place: Place, built: Path, tmp_path: Path
) -> None:
    (tmp_path / "counts").mkdir()
    preload = Preload(built, tmp_path / "counts", roots=[place.cache])
    environment = preload.environment(Trouble.ENOSPC, kinds=(), full_after=ENOUGH_BYTES)
    with (tmp_path / "said").open("wb") as said:
        working = _begin(place, environment, said.fileno())
    try:
        _wait_for(tmp_path / "said", "saving waits", working=working)
        assert working.poll() is None
        seen = place.look()
        assert seen is not None
        assert seen.state == "running"
        preload.make_room()
        assert working.wait(LIMIT_S) == 0
    finally:
        working.kill()
        working.wait()
    told = (tmp_path / "said").read_text()
    assert "epoch 2 of 2 is saved" in told
    seen = place.look()
    assert seen is not None
    assert (seen.state, seen.epochs) == ("done", (1, 2))


def _begin(place: Place, environment: dict[str, str], said: int) -> "subprocess.Popen[bytes]":
    bare = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.support.faults.program", "work"],
        cwd=place.here,
        env=bare | environment | {"QCQUEUE_CACHE": str(place.cache), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
    )


def _work_until_it_says(place: Place, *words: str) -> Ran:
    """Let a session work until it ends, or says these words and waits; end it then as a lost machine would."""
    path = place.root / "said"
    with path.open("wb") as said:
        working = _begin(place, {}, said.fileno())
    try:
        _wait_for(path, *words, working=working)
        with contextlib.suppress(subprocess.TimeoutExpired):
            working.wait(2.0)
    finally:
        working.kill()
    return Ran(code=working.wait(), said=path.read_text())


def _wait_for(path: Path, *words: str, working: "subprocess.Popen[bytes]") -> None:
    """Wait until one of these is said, or nothing can be said any more."""
    clock = SystemClock()
    until_s = clock.monotonic_s() + LIMIT_S
    while not any(one in path.read_text() for one in words) and working.poll() is None:
        assert clock.monotonic_s() < until_s, path.read_text()[:2000]
        clock.sleep(0.05)
    assert any(one in path.read_text() for one in words), path.read_text()[:2000]
