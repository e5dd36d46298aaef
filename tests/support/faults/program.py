"""`qcqueue` as a person types it, with the scripted trainer in place of the one that needs TensorFlow.

Nothing else is another one, but that a session which waits for a disk asks again sooner: thousands are played. With
`--serve` it has imported everything and forks a process for each command it is told, which spares each of them that.
"""

import ctypes
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import typer.main

import qcqueue.app
import qcqueue.exports
import qcqueue.reports
from qcqueue.app import work
from qcqueue.worker import job_states, look_states, process
from tests.support.faults import trainer
from tests.support.faults.children import Children, end

RETRY_S = 0.3

# By name, as `python -m` does it: nothing here but the start of a process is above the commands.
COMMANDS = "qcqueue.cli"
command_line = importlib.import_module(f"{COMMANDS}.main")
run: Callable[[list[str]], int] = command_line.run


def main(arguments: list[str]) -> int:
    process.PROGRAM = "tests.support.faults.trainer"
    for states in (job_states, look_states):
        setattr(states, "RETRY_S", RETRY_S)  # noqa: B010 (what they import is none of their own names)
    setattr(work, "can_train", lambda: True)  # noqa: B010 (what it imports is none of its own names)
    if arguments != ["--serve"]:
        return run(arguments)
    for package in (importlib.import_module(COMMANDS), qcqueue.app, qcqueue.reports, qcqueue.exports):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    setattr(command_line, "application", functools.cache(command_line.application))  # noqa: B010
    typer.main.get_command = functools.cache(typer.main.get_command)
    _warm_up()
    gc.freeze()
    return _serve()


def _warm_up() -> None:
    """Have imported what commands import on their way, by letting some of them run on a queue of nobody's."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, io.StringIO() as said, redirect_stdout(said), redirect_stderr(said):
        os.chdir(folder)
        os.environ["QCQUEUE_CACHE"] = folder
        for arguments in ("init --store shared:queue", "status", "show NONE", "work", "store gc --yes", "report"):
            run(arguments.split())
    os.chdir(before)


def _serve() -> int:
    """Run each command that a line of JSON describes; answer with its exit status, minus the signal that ended it."""
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            end(functools.partial(_become, asked))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return 0


def _become(asked: dict[str, Any]) -> int:
    """Be the process of a command, as if it had been started for it."""
    os.setsid()
    signal.alarm(asked["limit_s"])
    os.chdir(asked["folder"])
    os.environ.update(asked["environment"])
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number, descriptor in enumerate((nothing, said, said)):
        os.dup2(descriptor, number)
    if asked["library"]:
        ctypes.CDLL(asked["library"]).qcqueue_fault_begin()
    setattr(process, "subprocess", Children(trainer.main))  # noqa: B010 (what it imports is none of its own names)
    return run(asked["arguments"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
