"""Tries the candidates for a step, each in a process of its own, within a time that is given.

Compiling takes longest, so some processes do it at once; when all that will be ready in time are, they are timed one
after the other, with the machine to themselves. What is not ready, dies, or makes other bits in a second process falls
out with its reason. How a process is asked stands here; what it computes is its own affair, so no framework is known
here. Always true: no process is left when this one goes on, or ends.
"""

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from qcqueue.clock import Clock
from qcqueue.core.shaped import shaped
from qcqueue.core.spec import Step
from qcqueue.core.step_choice import StepTrial
from qcqueue.engines.programs import without_place
from qcqueue.stores.registry import without_secrets
from qcqueue.text.canonical_json import parse_json
from qcqueue.text.humanize import duration

READY = "ready"
"""The key of the line that a process writes when it has compiled; it goes on when it is written a line."""

SHARE_OF_COMPILING = 0.75
"""The part of the time after which whatever is not compiled falls out: the rest is for timing."""

LOOK_EVERY_S = 0.02
LONGEST_LINE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProgram:
    """What tries one candidate: a command, what it is told in JSON, and what its environment has beside this one's.

    It reads one line: what it is told, the `candidate`, and whether it `is_timed`. One that is timed writes a line with
    the key `ready` when it has compiled, and waits for a line; each writes a `StepTrial` as its last line.
    """

    command: Sequence[str]
    told: Mapping[str, Any]
    environment: Mapping[str, str]


def try_all(
    candidates: Sequence[Step],
    program: TrialProgram,
    *,
    at_once: int,
    budget_s: float,
    worth_s: Callable[[float], float],
    clock: Clock,
    should_stop: Callable[[], bool],
) -> Generator[None, None, tuple[StepTrial, ...] | None]:
    """Try the candidates, the first of which is the one of before; return what they showed, None when asked to stop.

    at_once: how many compile at a time. budget_s: what all of it may take; worth_s: the same, by the seconds of a step
    of the first candidate, once they are known.
    """
    timed = [_Process(candidate, is_timed=True) for candidate in candidates]
    second = {it.candidate: _Process(it.candidate, is_timed=False) for it in timed[1:]}
    all_of_them = [*timed, *second.values()]
    began_s = clock.monotonic_s()

    def waited_for(is_over: Callable[[], bool], until_s: float) -> Generator[None, None, bool]:
        """Wait until it is over or the time is; return False when asked to stop."""
        while not is_over() and clock.monotonic_s() - began_s < until_s:
            if should_stop():
                return False
            waiting = [it for it in all_of_them if not it.has_begun]
            for it in waiting[: max(0, at_once - sum(it.compiles for it in all_of_them))]:
                it.begin(program)
            clock.sleep(LOOK_EVERY_S)
            yield
            for it in all_of_them:
                it.look()
            for it in timed:
                if it.has_shown() and it.candidate in second and not second[it.candidate].has_shown():
                    second[it.candidate].end("the first one fell out")
        return True

    try:
        compile_s = budget_s * SHARE_OF_COMPILING
        if not (yield from waited_for(lambda: all(it.is_compiled for it in all_of_them), compile_s)):
            return None
        for it in all_of_them:
            if not it.is_compiled:
                it.end(f"it was not compiled after {duration(compile_s)}")
        late = f"its steps were not timed after {duration(budget_s)}"
        for it in timed:
            if not it.has_shown():
                it.go_on()
                if not (yield from waited_for(it.has_shown, budget_s)):
                    return None
                it.end(late)
            step_s = it.shown.step_s if it is timed[0] and it.shown else None
            if step_s is not None and worth_s(step_s) < budget_s:
                budget_s, late = worth_s(step_s), "too little is left of the work to time it"
        shown = [it.shown for it in timed if it.shown is not None]
        return tuple(_confirmed(it, second[it.candidate].shown if it.candidate in second else it) for it in shown)
    finally:
        for it in all_of_them:
            it.end("it was left")


def _confirmed(trial: StepTrial, again: StepTrial | None) -> StepTrial:
    """Return what a candidate showed, fallen out where a second process did not end its steps in the same bits."""
    if trial.reason or again is trial:
        return trial
    if again is None or again.is_cut:
        return replace(trial, reason="there was no time to try it in a second process", is_cut=True)
    if again.reason:
        return replace(trial, reason=f"in a second process: {again.reason}")
    if again.fingerprint != trial.fingerprint:
        return replace(trial, reason="a second process ended the same steps in other bits")
    return trial


class _Process:
    """One process with one candidate. shown: what came of it, None before."""

    def __init__(self, candidate: Step, *, is_timed: bool) -> None:
        self.candidate = candidate
        self.shown: StepTrial | None = None
        self._is_timed = is_timed
        self._is_ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._said: deque[bytes] = deque()
        self._listening: threading.Thread | None = None

    @property
    def has_begun(self) -> bool:
        return self._process is not None or self.shown is not None

    @property
    def is_compiled(self) -> bool:
        return self._is_ready or self.shown is not None

    @property
    def compiles(self) -> bool:
        return self.has_begun and not self.is_compiled

    def begin(self, program: TrialProgram) -> None:
        told = {**program.told, "candidate": self.candidate, "is_timed": self._is_timed}
        try:
            self._process = subprocess.Popen(
                program.command,
                # Another process's programs would say nothing of what this one makes.
                env={**without_place(without_secrets(os.environ)), **program.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        except OSError as exc:
            self._falls_out(f"no process can be begun for it: {exc}")
            return
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        self._tell(json.dumps(told))

    def look(self) -> None:
        """Take what it has said since the last time, or that it has ended without a word."""
        has_ended = self._listening is not None and not self._listening.is_alive()
        while self._said and self.shown is None:
            self._hear(self._said.popleft())
        if has_ended and self.shown is None and self._process and (code := self._process.poll()) is not None:
            self._falls_out(f"its process ended {_how(code)}")

    def has_shown(self) -> bool:
        return self.shown is not None

    def go_on(self) -> None:
        """Let it take the time of its steps."""
        self._tell("go")

    def end(self, why: str) -> None:
        """End it at once, if it has not ended; why: the reason why it falls out, if it has shown nothing."""
        self.look()
        if self.shown is None:
            self._falls_out(why)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with suppress(BrokenPipeError):
                self._process.stdin.close()  # type: ignore[union-attr]
            if self._listening is not None:
                self._listening.join()
            self._process = None

    def _falls_out(self, why: str) -> None:
        self.shown = StepTrial(candidate=self.candidate, reason=why, is_cut=True)

    def _tell(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, as will be seen
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as said:
            while line := said.readline(LONGEST_LINE):
                self._said.append(line)

    def _hear(self, line: bytes) -> None:
        """Take one line. Libraries write to the same place, and what is none of ours is theirs."""
        with suppress(ValueError):
            value = parse_json(line)
            if type(value) is dict and READY in value:
                self._is_ready = True
            elif type(value) is dict and value.get("candidate") == self.candidate:
                self.shown = shaped(StepTrial, value)


def _how(code: int) -> str:
    if code >= 0:
        return f"with {code} and showed nothing"
    with suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"
