"""Ray: each session a task, started again where it ended with 20 or its node was lost, until nothing is left to do.

The only place that knows `ray`, an extra. A task runs the session as a process of its own, so what Ray does to its
worker reaches it as a signal: it saves and leaves. Always true: a session that was lost is started again only while the
queue moves on, so that a cluster which kills every task is not asked for ever.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcqueue.app.per_gpu import PROGRAM, exit_code_of
from qcqueue.app.settings import load_settings
from qcqueue.clock import Clock
from qcqueue.errors import CANNOT_START, NOTHING_TO_DO, RESUMABLE, ExtraMissing, MachineError
from qcqueue.launchers.base import Launch
from qcqueue.text.humanize import count

LOOK_EVERY_S = 2.0
LEAVES_WITHIN_S = 180.0
"""How long sessions that were asked to leave may take to save."""

LOST_MAX = 5
"""How often sessions may be lost, or find nothing to do, while the queue stands still."""

LAST_LINES = 5

HOST_AND_PORT = re.compile(r"(?:ray://)?(?P<host>[^:/\s]+):(?P<port>[0-9]{1,5})", re.ASCII)
REACHED_WITHIN_S = 10.0

IS_IT_THERE = "ray status, there; a cluster that wants a token is given it by RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueProgress:
    """How far a queue is. done, jobs, epochs: how many there are; waiting: jobs that a session could take now.

    Whatever two looks differ in has moved on.
    """

    done: int
    jobs: int
    epochs: int
    waiting: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTask:
    """How the session of a task ended. exit_code: None where its worker or its node was lost; said: its last lines."""

    number: int
    exit_code: int | None
    said: str = ""


def run_on_ray(
    launch: Launch,
    *,
    address: str | None,
    look: Callable[[], QueueProgress],
    is_stopping: Callable[[], bool],
    tell: Callable[[str], None],
    clock: Clock,
) -> list[int]:
    """Run sessions on a cluster until nothing is left to do; return with what each ended at last.

    address: of the cluster, None for one of this machine. look: asked how far the queue is. is_stopping: whether to ask
    all sessions to save and leave. Raises: ExtraMissing. MachineError: there is no such cluster, or it was lost.
    """
    with _connected(address) as ray:
        return _Driver(ray, launch, look=look, is_stopping=is_stopping, tell=tell, clock=clock).run()


class _Driver:
    def __init__(
        self,
        ray: Any,
        launch: Launch,
        *,
        look: Callable[[], QueueProgress],
        is_stopping: Callable[[], bool],
        tell: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._ray = ray
        self._launch = launch
        self._look = look
        self._is_stopping = is_stopping
        self._tell = tell
        self._clock = clock
        self._task = ray.remote(num_gpus=launch.gpus, num_cpus=1, max_retries=0)(run_session)
        self._running: dict[Any, int] = {}
        self._codes: dict[int, int] = {}
        self._progress: QueueProgress | None = None
        self._in_vain = 0

    def run(self) -> list[int]:
        gpus = self._launch.gpus
        if gpus > self._ray.cluster_resources().get("GPU", 0):
            self._tell(f"no node of this cluster has {count(gpus, 'GPU')}; waiting for one (--gpus 0 asks for none)")
        for number in range(1, self._launch.sessions + 1):
            self._start(number)
        while self._running and not self._is_stopping():
            ended, _ = self._ray.wait([*self._running], num_returns=1, timeout=LOOK_EVERY_S)
            self._see()
            for ref in ended:
                self._answer(self._end_of(ref))
            if not self._running:
                self._start_the_idle()
        if self._running:
            self._stop()
        return [self._codes.get(number, RESUMABLE) for number in range(1, self._launch.sessions + 1)]

    def _start(self, number: int) -> None:
        self._codes.pop(number, None)
        ref = self._task.remote(number, self._launch.words, dict(self._launch.environment))
        self._running[ref] = number

    def _end_of(self, ref: Any) -> SessionTask:
        number = self._running.pop(ref)
        try:
            exit_code, said = self._ray.get(ref)
        except self._ray.exceptions.RayError as exc:
            return SessionTask(number=number, exit_code=None, said=type(exc).__name__)
        return SessionTask(number=number, exit_code=exit_code, said=said)

    def _answer(self, end: SessionTask) -> None:
        """Start a session again that would go on; note the end of any other."""
        if end.exit_code is None:
            self._in_vain += 1
            if self._in_vain > LOST_MAX:
                self._tell(f"session {end.number} was lost ({end.said}), and so were those before: not started again")
                self._codes[end.number] = MachineError.exit_code
                return
            self._tell(f"session {end.number} was lost ({end.said}); starting it again")
            self._start(end.number)
        elif end.exit_code == RESUMABLE:
            self._tell(f"session {end.number} has saved and left; starting it again")
            self._start(end.number)
        else:
            self._codes[end.number] = end.exit_code
            why = f": {end.said}" if end.said and end.exit_code not in (0, NOTHING_TO_DO) else ""
            self._tell(f"session {end.number} has ended ({end.exit_code}){why}")

    def _start_the_idle(self) -> None:
        """Start sessions again that found nothing to do, where one that was lost has left a job behind since."""
        idle = [number for number, code in self._codes.items() if code in (0, NOTHING_TO_DO, CANNOT_START)]
        progress = self._look()
        left = progress.waiting + progress.running  # one that is running has no session here any more
        if left and idle and self._in_vain <= LOST_MAX:
            self._in_vain += 1
            self._clock.sleep(LOOK_EVERY_S * self._in_vain)
            for number in idle[:left]:
                self._start(number)

    def _see(self) -> None:
        progress = self._look()
        if progress == self._progress:
            return
        if self._progress and progress.epochs > self._progress.epochs:
            self._in_vain = 0
        self._progress = progress
        at_work = f"{progress.running} running, {progress.waiting} waiting"
        self._tell(f"{progress.done} of {progress.jobs} jobs done, {progress.epochs} epochs saved; {at_work}")

    def _stop(self) -> None:
        """Ask all sessions to save and leave, and wait for them."""
        for ref in self._running:
            self._ray.cancel(ref, force=False)
        waiting = [*self._running]
        ended, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=LEAVES_WITHIN_S)
        for ref in ended:
            end = self._end_of(ref)
            self._codes[end.number] = RESUMABLE if end.exit_code is None else end.exit_code


def run_session(number: int, words: tuple[str, ...], environment: dict[str, str]) -> tuple[int, str]:
    """Run one session on the node that Ray has chosen; return its exit code and the last lines that it said.

    Each number has a cache of its own on its node, so that to the queue it is a machine.
    """
    cache = load_settings(environment={**os.environ, **environment}).cache / f"ray-{number}"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, **environment, "QCQUEUE_CACHE": os.fspath(cache), "PYTHONIOENCODING": "utf-8"},
        cwd=Path.home(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )
    try:
        _, said = process.communicate()
    except BaseException:  # Ray interrupts a task that is cancelled
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    return exit_code_of(process.returncode), " / ".join(said.splitlines()[-LAST_LINES:])


def _check_reachable(address: str | None) -> None:
    """See that somebody listens there: Ray itself asks for ten minutes. Raises: MachineError."""
    found = HOST_AND_PORT.fullmatch(address or "")
    if not found:  # none, or one in words, such as auto
        return
    try:
        socket.create_connection((found["host"], int(found["port"])), timeout=REACHED_WITHIN_S).close()
    except (OSError, OverflowError) as exc:
        raise MachineError(f"there is no Ray cluster at {address}: {exc}", hint=IS_IT_THERE) from exc


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Yield `ray`, connected. Its own lines are left out: what matters is told by us."""
    _check_reachable(address)
    try:
        import ray
    except ImportError as exc:
        raise ExtraMissing("Ray is not installed here", hint='pip install "qcqueue[ray]"') from exc
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
        where = f"at {address}" if address else "on this machine"
        raise MachineError(f"there is no Ray cluster {where}: {exc}", hint=IS_IT_THERE) from exc
    try:
        yield ray
    except ray.exceptions.RayError as exc:
        raise MachineError(f"the Ray cluster was lost: {exc}", hint="ray status; then the same again") from exc
    finally:
        with suppress(Exception):
            ray.shutdown()
