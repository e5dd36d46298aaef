"""The trainer as a child process of the session.

It is started in the session's own process group, so a signal to the group reaches both, and with a pipe
as its standard input: when the session dies, the pipe closes and the child goes too. Over the pipe it is told its
folder; all other talk goes through the spool. So it can load its libraries before there is a job for it, and is asked
meanwhile to have the ImageNet weights that the job begins with.
It has no business with Drive and is given none of its secrets. No signal that is meant for the session ends it, not
even before it has had time to say so itself.
"""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from qcqueue.catalog.models import KERAS_TF
from qcqueue.core.signals import FOR_THE_SESSION
from qcqueue.engines.programs import environment_in
from qcqueue.spool.trainer_output import last_line_in, words_in
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.stores.files import on_this_machine
from qcqueue.stores.registry import without_secrets
from qcqueue.stores.scratch import hold
from qcqueue.text.canonical_json import parse_json
from qcqueue.worker.trainer_exit import how_it_ended

PROGRAM = "qcqueue.trainer.main"
"""The module that a trainer process runs; a campaign of faults has one that needs no TensorFlow."""

# What a person's code has no business with, whether or not each of them is a secret.
_NOT_FOR_TRAINERS = re.compile(
    r"(?:QCQUEUE|AWS|AZURE|GOOGLE|KAGGLE)_|PG[A-Z]|SSH_AUTH_SOCK|DATABASE_URL"
    r"|.*(?:TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|WEBHOOK|_PAT$)"
)

log = logging.getLogger(__name__)


def environment_of_trainer(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a trainer is given: none that leads to a store, a server or an account."""
    return {name: it for name, it in without_secrets(environ).items() if not _NOT_FOR_TRAINERS.match(name)}


class Trainer(Protocol):
    """What a session needs of whoever trains in its spool folder."""

    def get_ready(self, engine: str) -> None:
        """Load what jobs of an engine need, so that the next `start` takes less; one that is ready is left alone.

        Whichever engine it is ready for, it carries out any order. This and `start` raise MachineError where no process
        can be begun, or its log not written.
        """

    def start(self, folder: Path) -> None:
        """Begin work on the order in `folder`."""

    def exit_code(self) -> int | None:
        """Return None while it runs, else its exit status; minus the signal's number if a signal ended it.

        One that is only ready does not run.
        """
        ...

    def end(self) -> None:
        """End the one that runs at once, and leave alone one that is only ready; ending what has ended is fine."""

    def kill(self) -> None:
        """End all at once, running or ready."""


class TrainerProcess:
    """`python -m qcqueue.trainer.main`. cache: on the disk of the spools, for what it prints before it has one."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._log = cache / f"trainer-{os.getpid()}.log"
        self._answer = cache / f"trainer-{os.getpid()}-0.answer"
        self._asks = 0
        self._ready: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: WantedWeights | None = None
        self._engine = KERAS_TF
        """What the next one is to load at once: what was asked for last."""
        self._writing: IO[bytes] | None = None
        """The log of the one that gets ready, held open: its lock says that it is somebody's."""

    def get_ready(self, engine: str = KERAS_TF) -> None:
        self._engine = engine
        self._ready = self._ready or self._spawned()

    def start(self, folder: Path) -> None:
        process = self._ready = self._ready or self._spawned()
        with on_this_machine(self._log):
            self._log.replace(folder / "trainer.log")
        self._let_go_of_log()
        self._ready = self._asked = None
        _tell(process, str(folder))
        self._process = process
        log.info("trainer started", extra={"action": "trainer_started", "pid": process.pid, "folder": str(folder)})

    def check_weights(self, wanted: WantedWeights) -> FoundWeights | None:
        """Have the trainer that gets ready look for weights; None while it does. Asking the same again asks nothing."""
        self.get_ready()
        assert self._ready is not None, "it has just been started"
        if wanted != self._asked:
            self._asked, self._asks = wanted, self._asks + 1
            # A name of its own: an earlier trainer that was never waited for may still answer.
            self._answer = self._answer.with_name(f"trainer-{os.getpid()}-{self._asks}.answer")
            _tell(self._ready, wanted.to_json() | {"answer": str(self._answer)})
        # Whether it lives is asked first: one that answers and ends has answered.
        code = self._ready.poll()
        with suppress(ValueError), on_this_machine(self._answer), suppress(FileNotFoundError):
            return self._take_answer(wanted)
        return None if code is None else self._mourned(wanted, code)

    def _take_answer(self, wanted: WantedWeights) -> FoundWeights:
        answer = parse_json(self._answer.read_bytes())
        self._asked = None
        with suppress(OSError):
            self._answer.unlink()
        return FoundWeights.from_json(answer)

    def _mourned(self, wanted: WantedWeights, code: int) -> FoundWeights:
        """Say that the trainer has ended before it answered: that is no fault of the job."""
        words, all_words = last_line_in(self._log), words_in(self._log)
        log.warning("trainer ended before it had a job", extra={"action": "trainer_ended", "words": all_words})
        self.kill()
        looked = f"the trainer ended ({how_it_ended(code)}) while it looked for the ImageNet weights of {wanted.model}"
        return FoundWeights(obstacle=f"{looked}: {words}")

    def exit_code(self) -> int | None:
        if self._process is None:
            return 0
        code = self._process.poll()
        if code is not None:
            _close(self._process)
        return code

    def end(self) -> None:
        if self._process:
            _end(self._process)

    def kill(self) -> None:
        if self._ready:
            _end(self._ready)
            self._ready = self._asked = None
            self._let_go_of_log()
            for path in (self._log, self._answer):
                with suppress(OSError):  # the next session sweeps what stays
                    path.unlink(missing_ok=True)
        self.end()

    def _spawned(self) -> subprocess.Popen[bytes]:
        self._let_go_of_log()
        environ = environment_of_trainer(os.environ)
        with on_this_machine(self._log):
            self._writing = self._log.open("wb")
            hold(self._writing.fileno())
        with on_this_machine(self._log), _nothing_ends_it():
            return subprocess.Popen(
                [sys.executable, "-m", PROGRAM, self._engine],
                env={**environ, **environment_in(self._cache, f"trainer-{os.getpid()}", environ)},
                stdin=subprocess.PIPE,
                stdout=self._writing,
                stderr=subprocess.STDOUT,
            )

    def _let_go_of_log(self) -> None:
        if self._writing:
            self._writing.close()
            self._writing = None


@contextmanager
def _nothing_ends_it() -> Iterator[None]:
    """A child that is started within begins with these signals held back; once it ignores them they are gone.

    Those that come for this process meanwhile are answered a moment later.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_SESSION)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tell(process: subprocess.Popen[bytes], message: Any) -> None:
    assert process.stdin is not None, "it was started with a pipe"
    with suppress(BrokenPipeError):  # it has ended while it got ready, as its exit status will tell
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close our end of the pipe: a notebook's kernel outlives many trainers."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
