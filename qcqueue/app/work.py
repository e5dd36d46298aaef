"""`work`: one session on this machine, wired, driven on the real clock, and stopped by signals.

Always true: whatever asks it to leave is named in the story, and of a terminal that has gone nothing depends.
"""

import errno
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import FrameType

from qcqueue.app.context import QueueContext
from qcqueue.app.profile import live_quota, provider_here
from qcqueue.app.session_log import logging_to
from qcqueue.app.sweep import sweep_cache
from qcqueue.catalog.models import KERAS_TF
from qcqueue.clock import SystemClock
from qcqueue.code.trust import Trust
from qcqueue.core.goodput import Part, Seconds
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.signals import FOR_THE_SESSION, asked_by
from qcqueue.disk import NO_ROOM
from qcqueue.errors import QcqueueError, SettingInvalid
from qcqueue.providers.base import Profile, Provider
from qcqueue.stores.files import of_this_machine
from qcqueue.stores.names import is_digest
from qcqueue.text.humanize import by
from qcqueue.text.suggest import shown
from qcqueue.worker.budget import Limits
from qcqueue.worker.machine import can_train, out_of_memory_kills, process_age_s, this_machine
from qcqueue.worker.process import TrainerProcess
from qcqueue.worker.session import Session
from qcqueue.worker.session_deps import SessionDeps
from qcqueue.worker.session_locks import SESSIONS, SessionLocks

# The study is played out while the trainer loads its libraries, in less time than that takes.
WORLDS = 100

# What writing to a terminal raises that was closed, or to whoever has stopped reading. Saving goes on all the same.
NOBODY_READS = (OSError, ValueError)

log = logging.getLogger(__name__)


def new_session(
    context: QueueContext,
    limits: Limits,
    *,
    profile: Profile,
    narrate: Callable[[str], None],
    before: Seconds | None = None,
    machine_age_s: float | None = None,
) -> Session:
    """Wire a session.

    profile: what its machine's provider allows. before: what its machine's time went into until now; None where all of
    this process's was boot. machine_age_s: how old the machine is, None where that is all. Where nobody has promised
    how long it lasts, its provider may know.

    Raises: SettingInvalid: no usable cache. OlderSession: it would end one that works on this queue.
    """
    if whose := context.greet():
        narrate(whose)
    context.ask_to_write()  # a queue that cannot be worked on is refused before this machine leaves a trace of itself
    try:
        machine = this_machine(context.cache, context.ids)
    except OSError as exc:
        if exc.errno in (*NO_ROOM, errno.EIO):
            raise of_this_machine(context.cache, exc) from exc
        raise SettingInvalid(
            f"the cache {context.cache} cannot be used: {exc.strerror}", hint="set QCQUEUE_CACHE to a folder"
        ) from exc
    sweep_cache(context.cache, now_s=context.clock.now_s())
    trainer = TrainerProcess(context.cache)

    def told(text: str) -> None:
        log.info(text, extra={"action": "narrated"})
        with suppress(*NOBODY_READS):
            narrate(text)

    place, now_s = provider_here(), context.clock.now_s()
    ends_at_s = place.deadline_s(os.environ)
    if (age_s := _age_s(place, profile, now_s=now_s)) is not None:
        machine_age_s = age_s
        if profile.session and ends_at_s is None:
            ends_at_s, said = now_s - age_s + profile.session.p50_s, profile.session.said
            if now_s < ends_at_s and limits.promised_minutes is None:
                basis = f"as sessions of {profile.name} live {said} ({profile.session.basis})"
                told(f"leaves by {by(ends_at_s, now_s)}, {basis}")
    limits = until_the_end(limits, ends_at_s, now_s=now_s)
    deps = SessionDeps(
        database=context.database,
        store=context.store,
        trainer=trainer,
        clock=context.clock,
        locks=SessionLocks(context.cache / SESSIONS),
        machine=machine,
        cache=context.cache,
        lease=context.lease,
        profile=profile,
        worlds=WORLDS,
        machine_age_s=machine_age_s,
        owner=context.owner(),
        live=live_quota(profile, now_s=now_s) if machine.has_gpu else None,
        check_weights=trainer.check_weights,
        memory_kills=out_of_memory_kills,
        not_installed=frozenset() if can_train() else frozenset({KERAS_TF}),
        check_code=partial(why_not_run, context),
        narrate=told,
        before={Part.BOOT: process_age_s() or 0.0} if before is None else before,
    )
    return Session(context.ids.new(), deps, limits)


def why_not_run(context: QueueContext, sha256: str) -> str | None:
    """Return why a person's code, an archive of this digest, may not run in sessions here; None where it may."""
    if context.sees_all():
        return "its code never runs where this machine's sign-in opens a whole Drive: qcqueue login makes a smaller one"
    if not Trust(context.cache, context.clock).has(sha256):
        return f"nobody has approved its code on this machine, whose digest is {sha256}"
    return None


def trust_code(cache: Path, typed: Sequence[str]) -> None:
    """Let code run on this machine from now on, named by whole digests. Raises: SettingInvalid: one is no digest."""
    for sha256 in typed:
        if not is_digest(sha256):
            raise SettingInvalid(
                f"{shown(sha256)} is no digest of code, which has 64 of 0-9 and a-f",
                hint="qcqueue why JOB, which says the whole digest",
            )
    for sha256 in typed:
        Trust(cache, SystemClock()).approve(sha256)


def _age_s(place: Provider, profile: Profile, *, now_s: float) -> float | None:
    """Return how old a machine is whose provider ends sessions by that, None where it is not known.

    What is older than a session can be is something else.
    """
    began_at_s = place.began_at_s(os.environ)
    age_s = None if began_at_s is None else now_s - began_at_s
    return age_s if age_s is not None and 0 <= age_s < (profile.ceiling_s or math.inf) else None


def until_the_end(limits: Limits, ends_at_s: float | None, *, now_s: float) -> Limits:
    """Return limits that know when the machine ends, in seconds since the epoch, unless a person has said so.

    An end that has passed was none: the machine is still here.
    """
    if limits.promised_minutes is not None or ends_at_s is None or ends_at_s <= now_s:
        return limits
    return replace(limits, promised_minutes=(ends_at_s - now_s) / 60)


def checked_limits(
    *, max_minutes: float | None, promised_minutes: float | None, max_epochs: int | None, jobs: int | None
) -> Limits:
    """Return the limits of a session, None for no limit. Raises: SettingInvalid: one of them allows nothing."""
    for name, minutes, better in (("max_minutes", max_minutes, 110), ("promised_minutes", promised_minutes, 250)):
        if minutes is not None and not 0 < minutes < float("inf"):
            raise _no_limit(name, f"{minutes:g}", "a number of minutes above 0", better)
    for name, value in (("max_epochs", max_epochs), ("jobs", jobs)):
        if value is not None and value < 1:
            raise _no_limit(name, str(value), "at least 1", 1)
    return Limits(max_minutes=max_minutes, promised_minutes=promised_minutes, max_epochs=max_epochs, jobs=jobs)


def flags_of(limits: Limits, *, now: bool) -> list[str]:
    """Return the flags of `work` that give a session these limits, of which a command knows no end of jobs."""
    given = {
        "--max-minutes": limits.max_minutes,
        "--promised-minutes": limits.promised_minutes,
        "--max-epochs": limits.max_epochs,
        "--jobs": sys.maxsize if limits.jobs is None else limits.jobs,
    }
    named = [word for flag, value in given.items() if value is not None for word in (flag, f"{value}")]
    return [*named, *(["--now"] if now else [])]


def _no_limit(name: str, value: str, wanted: str, better: int) -> SettingInvalid:
    flag = f"--{name.replace('_', '-')}"
    return SettingInvalid(
        f"{flag}, or {name} in a notebook, is {value} and not {wanted}", hint=f"{flag} {better}, or {name}={better}"
    )


def drive(context: QueueContext, session: Session, *, show: Callable[[Session], None]) -> None:
    """Run a session to its end, showing it after every step, and while bytes move; its log is written meanwhile."""

    def shown() -> None:
        with suppress(*NOBODY_READS):
            show(session)

    session.on_transfer = shown
    with logging_to(context.cache, session.id, context.clock):
        about = {"store": context.store.url, **asdict(session.machine)}
        log.info("session began", extra={"action": "session_began", **about})
        try:
            while (delay_s := session.step()) is not None:
                shown()
                context.clock.sleep(delay_s)
        except BaseException as exc:
            # A notebook's process outlives its session: no trainer may go on there, and no lock stay held.
            if isinstance(exc, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing makes it quicker from here
            session.abandon(_why_abandoned(exc))
            log.warning(_why_abandoned(exc), extra={"action": "session_abandoned"})
            raise
        log.info("session ended", extra={"action": "session_ended", "how": session.asked_why or session.ending})


def _why_abandoned(exc: BaseException) -> str:
    match exc:
        case KeyboardInterrupt():
            return f"its session was {exc}" if str(exc) else "its session was interrupted"
        case QcqueueError():
            return f"its session ended by an error: {exc}"
    return f"its session ended by a bug of qcqueue: {type(exc).__name__}: {exc}"


@contextmanager
def leaving_without_a_session(say: Callable[[str], None], *, exit_code: int) -> Iterator[None]:
    """Answer signals that come before there is a session: the process leaves, and nothing was begun."""

    def leave(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError, *NOBODY_READS):
            say(f"{asked_by(number, interrupt='')}; nothing was begun")
        raise SystemExit(exit_code)

    with answering(leave, FOR_THE_SESSION - {signal.SIGINT}):
        yield


@contextmanager
def stopping_on_signals(
    session: Session, say: Callable[[str], None], *, again: str, interrupt: str = "Ctrl-C"
) -> Iterator[Callable[[], bool]]:
    """The first interrupt, and any other signal to leave, saves and leaves; a second interrupt leaves at once.

    Yields how to ask whether a person has interrupted. A limit is nobody's interrupt: who wants to leave while the
    session saves and leaves on its own account is told how to leave at once, before it happens. interrupt: what one is
    called here, and again: what a second one is. A signal that was ignored from the start, as `nohup` has it for a
    closed terminal, stays ignored.
    """
    interrupts = 0

    def tell(text: str) -> None:
        with suppress(RuntimeError, *NOBODY_READS):  # it may come in the midst of another line
            say(text)

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        if session.ending:  # it has left already
            return
        why = asked_by(number, interrupt=interrupt)
        log.info(why, extra={"action": "asked_to_stop", "signal": signal.Signals(number).name})
        if number != signal.SIGINT:
            session.ask_to_stop(SessionEnd.LIMIT, why=why)
            tell(f"{why}; saving and leaving")
            return
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt(f"left at once, by {again}")
        already = " already" if session.stopping else ""
        session.ask_to_stop(SessionEnd.ASKED, why=why)
        tell(f"saving and leaving{already}; {again} leaves at once")

    with answering(stop, FOR_THE_SESSION):
        yield lambda: interrupts > 0


@contextmanager
def answering(answer: Callable[[int, FrameType | None], None], numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Have signals answered within, but for those that were ignored from the start."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other one may answer signals
        before = {number: signal.signal(number, answer) for number in numbers if _is_answered(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _is_answered(number: signal.Signals) -> bool:
    return number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is not signal.SIG_IGN
