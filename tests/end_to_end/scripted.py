"""A trainer without TensorFlow in a real process, and real sessions that start it: for signals, words and sudden ends.

It plays the trainer of the simulated worlds in real time, after it has printed whatever a test wants. A session is
`qcqueue work` in a process group of its own; only the Python that it starts its trainer with is another one.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcqueue.clock import SystemClock, seeded
from tests.cli.queues import House
from tests.end_to_end.machines import LIMIT_S, STUDY, VGG16, Worker, _environment, a_house, at_work, wait_until
from tests.support.chance import Faults
from tests.support.trainer import FakeTrainer

PRINTS, ENDS = "SCRIPTED_PRINTS", "SCRIPTED_ENDS"
STEP_S = 0.05
ROOT = Path(__file__).parents[2]
LONG = STUDY.replace("epochs = 3", "epochs = 900") + VGG16

# What a session's process runs; {before} is done in it first. Who begins the tests
# may have SIGHUP ignored, by `nohup`, or SIGINT, behind another program.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGHUP, signal.{hangup})
signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
sys.executable = sys.argv.pop(1)
from qcqueue.__main__ import main
main()
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
) -> Iterator[Worker]:
    """Start `qcqueue work` with a scripted trainer; whatever is left of its group at the end is killed.

    prints: what the trainer prints; ends: the status it ends with then, None to train. before: Python that the session
    runs first. ignored: it begins with SIGHUP ignored, as under `nohup`.
    """
    trainer = house.folder / "trainer"
    write_trainer(trainer)
    written = {PRINTS: prints, ENDS: "" if ends is None else str(ends)}
    log = house.folder / "work.log"
    hangup = signal.SIG_IGN if ignored else signal.SIG_DFL
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program(before, hangup=hangup), str(trainer), "work", *arguments],
            cwd=house.folder,
            env={**_environment(house), **written, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Worker(process=process, log=log)
    finally:
        kill_group(process)


def program(before: str = "", *, hangup: signal.Handlers = signal.SIG_DFL) -> str:
    """Return what the process of a session runs. hangup: how it answers SIGHUP when it begins."""
    return PROGRAM.format(before=before, hangup=hangup.name)


def write_trainer(path: Path) -> None:
    """Make a program that a session starts as its Python. It stands anywhere, and finds these tests all the same."""
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {sys.executable} -m tests.end_to_end.scripted "$@"\n')
    path.chmod(0o755)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, 9)
    process.wait(LIMIT_S)


def wait_until_it_trains(house: House) -> None:
    wait_until(lambda: any(progress.phase == "training" for progress in at_work(house)))


def log_lines(house: House) -> list[dict[str, Any]]:
    """Return what the sessions of a machine have logged, each session in its order."""
    files = sorted((house.cache / "logs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def main() -> int:
    print(os.environ[PRINTS], flush=True)
    if ends := os.environ[ENDS]:
        sys.stdin.readline()
        return int(ends)
    folder, clock, chance = Path(json.loads(sys.stdin.readline())), SystemClock(), seeded("a script")
    trainer = FakeTrainer(
        processor="a script",
        step_s=STEP_S,
        chance=chance,
        faults=Faults(chance, {}, lambda fault: None),
        on_end=lambda job, cause: None,
        on_start=lambda spool: None,
        on_take_up=lambda spool: None,
    )
    trainer.start(folder)
    while (delay_s := trainer.advance()) is not None:
        clock.sleep(delay_s)
    return trainer.exit_code() or 0


if __name__ == "__main__":
    sys.exit(main())
