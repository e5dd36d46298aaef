"""Real sessions as a person starts them: `qcqueue work` in a process group of its own, with a real trainer inside.

The study is one small model on a few images of 32x32; where mechanics are proved and no bits of TensorFlow, the model
is the toy. Nearly all of a session's time is its start, so its process is forked from one that has imported qcqueue,
unless a test wants a fresh one. Whoever asks what a session is doing looks at the spool and at `status`, as anybody
can; nothing in it knows of the test.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from qcqueue.app.context import create_store
from qcqueue.app.datasets import keep
from qcqueue.clock import SystemClock
from qcqueue.datasets.format import Split
from qcqueue.engines.toy import VARIABLE
from qcqueue.spool.files import TrainerProgress
from qcqueue.spool.reader import Spool
from tests.cli.queues import House
from tests.engines.worlds import a_dataset
from tests.support import forks
from tests.support.forks import Process

LIMIT_S = 120
"""How long one session may take on a machine that has much else to do; alone it takes about six seconds."""

LOOK_EVERY_S = 0.02
STUDY = """
study = "small"
dataset = "noise"
[defaults]
epochs = 3
batch_size = 8
image_size = [32, 32]
weights = "none"
trainable = "head"
augment = "flips"
dropout = 0.2
"""
VGG16 = '[[job]]\nmodel = "VGG16"\n'
TOY = '[[job]]\nmodel = "Toy"\n'
TOY_JOB = "small/toy"
A_STEP = {VARIABLE: "step_s=0.02"}
"""As long as a step of the toy lasts, unless a test says otherwise: long enough to be in the middle of an epoch."""


def a_house(folder: Path, study: str = STUDY + VGG16, *, images: int = 40) -> House:
    """A queue with the dataset, and a study file with its jobs in it; images: to train on."""
    house = House(folder=folder)
    house.store.mkdir(parents=True)
    create_store(house.store)
    counts = {Split.TRAIN: images, Split.VALIDATION: 9, Split.TEST: 9}
    keep(house.queue, "noise", a_dataset(counts=counts), dry_run=False)
    house.write("qcqueue.toml", 'store = "folder:queue"\ncache = "cache"\n')
    if study:
        house.write("study.toml", study)
        answer = command(house, "enqueue", "study.toml")
        assert answer.returncode == 0, answer.stderr
    return house


def command(
    house: House,
    *arguments: str,
    limit_s: float = LIMIT_S,
    environment: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end.

    environment: another than a house has of itself. fresh: in a process that imports what its environment names.
    """
    environment = environment or environment_of(house)
    if not fresh:
        return forks.run(arguments, folder=house.folder, environment=environment, limit_s=limit_s)
    return subprocess.run(
        [sys.executable, "-m", "qcqueue", *arguments],
        cwd=house.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A running `qcqueue work`."""

    process: Process
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def ended(self) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(LIMIT_S)

    def interrupt(self) -> None:
        """Press Ctrl-C: a terminal tells the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Shut down as a machine does: the whole group is told."""
        os.killpg(self.process.pid, signal.SIGTERM)


@contextmanager
def working(
    house: House,
    *arguments: str,
    name: str = "work",
    environment: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Iterator[Worker]:
    """Start a session; whatever is left of its group at the end is killed. environment, fresh: as `command` has it."""
    log = house.folder / f"{name}.log"
    begin = started if fresh else forks.fork
    with log.open("wb") as file:
        process = begin(
            ["work", *arguments], folder=house.folder, environment=environment or environment_of(house), said=file
        )
    try:
        yield Worker(process=process, log=log)
    finally:
        kill_group(process)


def started(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], said: IO[bytes], first: str = ""
) -> Process:
    """As `forks.fork`, in a process that has imported nothing."""
    program = f"{first}\nfrom qcqueue.__main__ import main\nmain()\n"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def kill_group(process: Process) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(LIMIT_S)


def wait_until(happened: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
    clock = SystemClock()
    end_s = clock.monotonic_s() + limit_s
    while not happened():
        assert clock.monotonic_s() < end_s, f"this did not happen within {limit_s} s"
        clock.sleep(LOOK_EVERY_S)


def wait_until_training(house: House, *, epoch: int, step: int) -> None:
    """Wait until some trainer is in the middle of an epoch, this one or a later."""

    def there(progress: TrainerProgress) -> bool:
        return progress.phase == "training" and (progress.epoch, progress.step) >= (epoch, step)

    wait_until(lambda: any(there(progress) for progress in at_work(house)))


def at_work(house: House) -> list[TrainerProgress]:
    """Return what each trainer of this machine says it is doing."""
    found = [Spool(folder).progress.read() for folder in (house.cache / "spool").glob("*")]
    return [progress for progress in found if progress is not None]


def job(house: House, name: str = "small/vgg16") -> dict[str, Any]:
    """Return what `show` knows of a job."""
    answer = command(house, "show", name, "--json")
    assert answer.returncode == 0, answer.stderr
    shown: dict[str, Any] = json.loads(answer.stdout)
    return shown


def outcomes(house: House, name: str = "small/vgg16") -> list[str | None]:
    return [segment["outcome"] for segment in job(house, name)["segments"]]


def children(pid: int) -> set[int]:
    """Return the processes that this one has started and that still live."""
    return {child for child in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(child) == pid}  # noqa: PTH208


def is_alive(pid: int) -> bool:
    """Return whether the process still runs; one that only waits to be buried does not."""
    return _parent(pid) is not None


def _parent(pid: int) -> int | None:
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)


def environment_of(house: House) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
    return A_STEP | kept | {"QCQUEUE_CACHE": str(house.cache)}
