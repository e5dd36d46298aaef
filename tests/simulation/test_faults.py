"""Some of the campaign of `scripts/simulate faults`: real processes, real libc, one call that fails or kills."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults.campaign import Play, Stage
from tests.support.faults.commands import Ran
from tests.support.faults.preload import Call, NoCompilerError, Trouble, build
from tests.support.faults.scenes import Place, Seen, scenes

# By what is called and on what, because numbers of calls change with every version. The n-th of such calls.
SAMPLE = (
    ("folder", "init", Trouble.EIO, "fsync", "here", 1),
    ("folder", "init", Trouble.KILL, "write", "queue.sqlite", 3),
    ("folder", "data-add", Trouble.EIO, "read", "queue.sqlite", 2),
    ("folder", "enqueue", Trouble.EIO, "fsync", "queue", 2),
    ("shared", "enqueue", Trouble.KILL, "fsync", "slots", 1),
    ("folder", "work", Trouble.ENOSPC, "write", "m000.safetensors", 1),
    ("shared", "work", Trouble.EIO, "rename", "000001.state", 1),
    ("folder", "gc", Trouble.EACCES, "unlink", "incoming-litter", 1),
    ("folder", "fetch", Trouble.ENOSPC, "write", "vgg16.safetensors", 1),
)

MORE = (
    ("folder", "init", Trouble.KILL, "link", "qcqueue.toml", 1),
    ("shared", "init", Trouble.EIO, "fsync", "slots", 2),
    ("shared", "enqueue", Trouble.EIO, "fsync", "slots", 1),
    ("shared", "enqueue", Trouble.ENOSPC, "link", "", 1),
    ("folder", "work", Trouble.EACCES, "create", "stored.json", 1),
    ("shared", "work", Trouble.KILL, "rename", "000001", 1),
    ("folder", "report", Trouble.ENOSPC, "write", "report.html", 1),
)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stage]]:
    root = tmp_path_factory.mktemp("faults")
    try:
        library = build(root)
    except NoCompilerError as exc:
        pytest.skip(f"NO FAULT OF A DISK WAS TESTED: {exc}")
    made = {store: Stage(library, root / store, store) for store in ("folder", "shared")}
    yield made
    for stage in made.values():
        stage.close()


def of_that_kind(calls: list[Call], name: str, begins: str, nth: int) -> int:
    """Return the number of the n-th such call; of fewer, of the last."""
    found = [call.number for call in calls if call.name == name and call.path.name.startswith(begins)]
    assert found, f"there is no {name} of {begins!r} any more: choose another call"
    return found[min(nth, len(found)) - 1]


@pytest.mark.parametrize(
    ("store", "command", "trouble", "name", "begins", "nth"),
    [*SAMPLE, *(pytest.param(*fault, marks=pytest.mark.long) for fault in MORE)],
)
def test_a_disk_that_fails_once_is_told_and_costs_nothing(
    stages: dict[str, Stage], store: str, command: str, trouble: Trouble, name: str, begins: str, nth: int
) -> None:
    stage = stages[store]
    played: Play = stage.play(command, trouble, of_that_kind(stage.count(command, trouble), name, begins, nth))
    assert played.call is not None, "the call was not reached"
    assert played.wrong == (), played.ran.said


# What the campaign itself would miss.

NOBODY = Seen(datasets=(), state=None, epochs=(), weights_sha256=None)


@pytest.mark.parametrize(
    ("command", "ran", "seen", "wrong"),
    [
        ("enqueue", Ran(code=0, said="enqueued"), NOBODY, "not there"),
        ("enqueue", Ran(code=4, said="no room"), Seen(("noise",), "queued", (), None), "it is there"),
        ("data-add", Ran(code=0, said="added"), NOBODY, "not there"),
        ("work", Ran(code=4, said="epoch 2 of 2 is saved: loss"), Seen((), "queued", (1,), None), "epoch 2 is saved"),
        ("work", Ran(code=3, said=""), Seen((), "failed", (), None), "has failed"),
        ("work", Ran(code=0, said=""), Seen((), "queued", (1,), None), "said that the job is done"),
        ("init", Ran(code=0, said="made"), None, "there is none"),
    ],
)
def test_what_is_said_falsely_is_found(command: str, ran: Ran, seen: Seen | None, wrong: str) -> None:
    found = list(scenes("folder")[command].judge(_NOWHERE, ran, seen))
    assert len(found) == 1
    assert wrong in found[0]


def test_an_answer_that_may_be_lost_is_no_refusal() -> None:
    ran = Ran(code=4, said="version 3 may or may not have been saved")
    assert list(scenes("folder")["enqueue"].judge(_NOWHERE, ran, Seen(("noise",), "queued", (), None))) == []


CHILDREN = """
import os, sys
from tests.support.faults.children import Children

def main():
    os.write(1, os.read(0, 20) + os.environ["WHOSE"].encode())
    return 5 if os.getppid() == int(os.environ["ASKER"]) else 6

children = Children(main)
for data, code in ((b"one", 5), (b"two", 5), (None, -9)):
    with open(sys.argv[1], "ab") as log:
        env = {"WHOSE": " mine ", "ASKER": str(os.getpid())}
        child = children.Popen([], env=env, stdin=children.PIPE, stdout=log, stderr=children.STDOUT)
    if data:
        child.stdin.write(data)
        child.stdin.flush()
    else:
        assert child.poll() is None
        child.kill()
    assert child.wait() == child.poll() == code, (data, child.poll())
"""


def test_a_trainer_that_is_forked_is_told_waited_for_and_killed_as_one_that_is_started(tmp_path: Path) -> None:
    said = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", CHILDREN, str(said)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert said.read_text() == "one mine two mine "


def test_a_place_is_the_same_by_all_that_a_second_try_can_see(tmp_path: Path) -> None:
    place = Place(tmp_path, None)  # type: ignore[arg-type]
    for folder in (place.here, place.cache / "logs"):
        folder.mkdir(parents=True)
    found = [place.digest()]
    (place.cache / "logs" / "1.jsonl").write_text("said")
    assert place.digest() == found[0]
    for change in (
        lambda: (place.here / "a").write_text("1"),
        lambda: (place.here / "a").write_text("2"),
        lambda: (place.here / "a").chmod(0o400),
        lambda: (place.here / "a").rename(place.here / "b"),
    ):
        change()
        assert place.digest() not in found
        found.append(place.digest())


_NOWHERE = Place(Path("nowhere"), None)  # type: ignore[arg-type]
