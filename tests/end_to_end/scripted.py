"""Real sessions that start a scripted trainer: for signals, words and sudden ends.

A session is `qcqueue work` in a process group of its own; only the Python that it starts its trainer with is another
one, which runs `scripted_trainer`. Who proves what happens while a session's libraries load starts a fresh process;
else it is forked from one that has them.
"""

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.queues import House
from tests.end_to_end.machines import (
    STUDY,
    VGG16,
    Worker,
    a_house,
    at_work,
    environment_of,
    kill_group,
    started,
    wait_until,
)
from tests.end_to_end.scripted_trainer import ENDS, PRINTS
from tests.support import forks

PROGRAM = "tests.end_to_end.scripted_trainer"
ROOT = Path(__file__).parents[2]
LONG = STUDY.replace("epochs = 3", "epochs = 900") + VGG16

# What a session's process does first. Who begins the tests may have SIGHUP ignored, by `nohup`, or SIGINT, behind
# another program.
FIRST = """
import signal, sys
signal.signal(signal.SIGHUP, signal.{hangup})
signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
sys.executable = {trainer!r}
"""


def a_scripted_house(folder: Path, study: str = LONG) -> House:
    return a_house(folder, study)


@contextmanager
def a_session(
    house: House,
    *arguments: str,
    prints: str = "",
    ends: int | None = None,
    before: str = "",
    environment: Mapping[str, str] = {},
    ignored: bool = False,
    fresh: bool = False,
) -> Iterator[Worker]:
    """Start `qcqueue work` with a scripted trainer; whatever is left of its group at the end is killed.

    prints: what the trainer prints; ends: the status it ends with then, None to train. before: Python that the session
    runs first. ignored: it begins with SIGHUP ignored, as under `nohup`. fresh: in a process that has imported nothing.
    """
    first = begins_with(house, before, hangup=signal.SIG_IGN if ignored else signal.SIG_DFL)
    own = environment_of(house) | trainer_does(prints, ends) | dict(environment)
    log = house.folder / "work.log"
    with log.open("wb") as file:
        begin = started if fresh else forks.fork
        process = begin(["work", *arguments], folder=house.folder, environment=own, said=file, first=first)
    try:
        yield Worker(process=process, log=log)
    finally:
        kill_group(process)


def begins_with(house: House, before: str = "", *, hangup: signal.Handlers = signal.SIG_DFL) -> str:
    """Return what the process of a session runs first. hangup: how it answers SIGHUP when it begins."""
    return FIRST.format(before=before, hangup=hangup.name, trainer=a_trainer(house))


def trainer_does(prints: str = "", ends: int | None = None) -> dict[str, str]:
    """Return what tells the trainers of a session what to do: print this, and train or end with this status."""
    return {PRINTS: prints, ENDS: "" if ends is None else str(ends)}


def a_trainer(house: House) -> str:
    """Make a program that a session starts as its Python. It stands anywhere, and finds these tests all the same."""
    path = house.write("trainer", f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {sys.executable} -m {PROGRAM} "$@"\n')
    path.chmod(0o755)
    return str(path)


def wait_until_it_trains(house: House) -> None:
    wait_until(lambda: any(progress.phase == "training" for progress in at_work(house)))


def log_lines(house: House) -> list[dict[str, Any]]:
    """Return what the sessions of a machine have logged, each session in its order."""
    files = sorted((house.cache / "logs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]
