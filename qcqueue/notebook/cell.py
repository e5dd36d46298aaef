"""The worker cell from its first line to the machine's return: the order of events, and what happens when it is cut.

A session is run, what it left is said, and a machine that was lent is given back once nothing is unsaved. Always
true: an interrupt at any instant loses nothing that was handed over; a person's interrupt, or an error at the very
start, keeps the machine, because somebody is there who wants it; and no trainer goes on behind a cell that has ended.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from qcqueue.app.context import QueueContext, open_context
from qcqueue.app.profile import profile_here, provider_here
from qcqueue.app.session_log import log_behind
from qcqueue.app.settings import load_settings
from qcqueue.app.upgrade import Consent
from qcqueue.app.work import checked_limits, drive, new_session, stopping_on_signals, trust_code
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.goodput import Part, Seconds
from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import NOTHING_CAN_BE_SAVED, MachineError, NewerQueue, QcqueueError, StoreError
from qcqueue.notebook.block import AGAIN, NEWER, ClosingFacts, closing
from qcqueue.notebook.per_gpu import visit_each
from qcqueue.notebook.screen import Screen, screen_here
from qcqueue.notebook.sign_in import signed_in
from qcqueue.providers.base import Profile, Provider
from qcqueue.stores.base import has_ended
from qcqueue.text.humanize import duration
from qcqueue.worker.budget import Limits
from qcqueue.worker.machine import process_age_s, visible_gpus
from qcqueue.worker.progress_text import ending_lines, left_behind, reasons
from qcqueue.worker.session import Session

COUNTDOWN_S = 10

# Whoever pressed the button is still there to mend what goes wrong so early.
ATTENDED_S = 300.0

LEFT_AT_ONCE = (
    "left at once; what was confirmed is safe, and what only this disk holds is saved when the cell runs again"
)


def work(
    store: str | None,
    wanted: Mapping[str, Any],
    *,
    release: bool,
    now: bool = False,
    per_gpu: bool = False,
    trust: Sequence[str] = (),
) -> str:
    """Run one session here and return how it ended, in words. wanted: its limits, as `checked_limits` takes them.

    now: raise an older queue to today's format, though sessions of an older qcqueue end. per_gpu: one on each GPU of
    this machine, where there are several. trust: digests of a person's code that may run here from now on.

    Raises: QcqueueError, where no person reads a screen.
    """
    clock = SystemClock()
    screen = screen_here(clock)
    provider = provider_here()
    lender = provider if release and provider.can_release else None
    try:
        with _telling(screen):
            limits = checked_limits(**wanted)
            settings = load_settings(store=store)
            trust_code(settings.cache, trust)
            settings = signed_in(settings, os.environ, screen, clock)
            gpus = visible_gpus(os.environ)
            if per_gpu and len(gpus) > 1:
                return visit_each(gpus, settings, limits, screen, now=now)
            profile = profile_here(settings)
            context = open_context(settings, persistent=True, consent=Consent(now=now, say=screen.say))
        return str(visit(context, limits, screen, profile=profile, lender=lender))
    except KeyboardInterrupt:
        if not screen.has_reader:
            raise
        screen.close(LEFT_AT_ONCE)
        return LEFT_AT_ONCE
    except QcqueueError as exc:
        if not screen.has_reader:
            raise
        return str(exc)


def visit(
    context: QueueContext, limits: Limits, screen: Screen, *, profile: Profile, lender: Provider | None
) -> SessionEnd:
    """Run a session to its end and say what is left.

    profile: what the machine's provider allows; lender: to whom it is given back, None where it is kept.
    """
    visitor = _Visitor(context, limits, screen, profile)
    try:
        with _telling(screen):
            session = visitor.run_session()
            if lender and session.found_nothing and session.busy:
                # The usual reason is a machine that vanished a minute ago: a fresh one is not given away for that.
                _outwait(session, screen, context)
                session = visitor.run_session()
            ending = session.ending
            assert ending is not None, "drive runs a session to its end"
            left = _left(context, session)
            how, *following = closing(ending, left, has_trained=session.has_trained)
            screen.close(how, *(() if left else ending_lines(session)), *following)
        return ending
    except KeyboardInterrupt:
        lender = None
        raise
    finally:  # whatever went wrong: an idle machine eats its user's quota
        if lender and visitor.session and visitor.is_over:
            _part_with_machine(visitor.session, screen, context, lender)


class KernelHistory:
    """How this kernel has spent its time outside sessions: Colab counts the machine from the kernel's start."""

    def __init__(self) -> None:
        self._ended_s: float | None = None

    def until_now(self, clock: Clock) -> Seconds:
        """Return what lies before a session that begins now: the kernel's start, or the time since the last session."""
        if self._ended_s is not None:
            return {Part.IDLE: max(0.0, clock.monotonic_s() - self._ended_s)}
        age_s = process_age_s() or 0.0
        install_s = min(age_s, _seconds(os.environ.get("QCQUEUE_INSTALL_S", "")))
        return {Part.BOOT: age_s - install_s, Part.INSTALL: install_s}

    def session_ended(self, clock: Clock) -> None:
        self._ended_s = clock.monotonic_s()


HELD = KernelHistory()
"""A kernel outlives its visits, and only it knows what lay between them."""


def _seconds(text: str) -> float:
    with suppress(ValueError):
        seconds = float(text)
        return seconds if 0 <= seconds < float("inf") else 0.0
    return 0.0


class _Visitor:
    """Who runs the sessions of one visit, one after the other. session is the newest."""

    def __init__(self, context: QueueContext, limits: Limits, screen: Screen, profile: Profile) -> None:
        self.session: Session | None = None
        self._context = context
        self._profile = profile
        self._limits = limits
        self._screen = screen
        self._begun_s = context.clock.monotonic_s()
        self._was_interrupted = False

    def run_session(self) -> Session:
        """Run one session to its end."""
        before = HELD.until_now(self._context.clock)
        session = self.session = new_session(
            self._context,
            self._limits,
            profile=self._profile,
            narrate=self._screen.say,
            before=before,
            machine_age_s=process_age_s(),
        )
        self._screen.begin(self._context.store.url, session.machine)
        with stopping_on_signals(
            session, self._screen.say, again="another interrupt", interrupt="an interrupt"
        ) as was_interrupted:
            try:
                drive(self._context, session, show=self._screen.show)
            finally:
                self._was_interrupted = was_interrupted()
                HELD.session_ended(self._context.clock)
        return session

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for this machine: a session came to its end, or an error ended it unattended."""
        if self.session and self.session.ending:
            return True
        return not self._was_interrupted and self._context.clock.monotonic_s() - self._begun_s >= ATTENDED_S


@contextmanager
def _telling(screen: Screen) -> Iterator[None]:
    """Show an error where a person reads it; whoever called gets it in any case."""
    try:
        yield
    except Exception as exc:
        if screen.has_reader:
            screen.close(*_told(exc))
        raise


def _told(exc: Exception) -> list[str]:
    if isinstance(exc, NewerQueue):  # no code is taken from a queue: it may be anybody's
        return [str(exc), f"next: {NEWER} {AGAIN}"]
    if isinstance(exc, QcqueueError):
        return [str(exc), f"next: {exc.next_step}"]
    log = log_behind(exc)
    more = [f"what it did before stands in {log}"] if log else []
    return [f"a bug of ours: {type(exc).__name__}: {exc}", *more]  # its traceback may come too late to be shown


def _outwait(session: Session, screen: Screen, context: QueueContext) -> None:
    """Wait until one of the sessions that hold jobs has lost its own, or all of them have shown that they live.

    A store that does not answer has shown neither, and is asked again; for no longer than a lease lives.
    """
    lease, alive, waited_s = context.lease, set[str](), 0.0
    longest_s = lease.ttl_s + lease.beat_every_s
    before: dict[str, float | None] = {}
    while waited_s < longest_s:
        ages = _ages(session, context)
        # Whoever has aged by less than the time that passed has beaten meanwhile.
        young_s = {name: (age_s or 0) + lease.beat_every_s / 2 for name, age_s in before.items()}
        alive |= {name for name, age_s in ages.items() if name in before and (age_s or 0) < young_s[name]}
        if ages and (alive == set(ages) or any(has_ended(age_s, lease) for age_s in ages.values())):
            break
        screen.ask(
            *reasons(session),
            f"waiting at most {duration(longest_s)} to see whether that machine is gone, and its job free",
        )
        context.clock.sleep(lease.beat_every_s)
        waited_s += lease.beat_every_s
        before = ages or before
    screen.ask()


def _ages(session: Session, context: QueueContext) -> dict[str, float | None]:
    """Return how old each heartbeat is, nothing where the store does not answer."""
    try:
        return {held.heartbeat: context.store.heartbeat_age_s(held.heartbeat) for held in session.busy}
    except StoreError:
        return {}


def _left(context: QueueContext, session: Session) -> ClosingFacts | None:
    from qcqueue.queue.job_detail import job_detail
    from qcqueue.queue.job_lines import job_lines

    try:
        with context.read() as tx:
            states = [line.state for line in job_lines(tx)]
            wanted = {job_detail(tx, name).spec.device for name in session.obstacles}
    except (StoreError, *NOTHING_CAN_BE_SAVED):
        return None
    wants_gpu = "gpu" in wanted and not session.machine.has_gpu
    place = provider_here()
    return ClosingFacts(
        states=states,
        reasons=tuple(ending_lines(session)),
        gpu_help=place.gpu_help if wants_gpu else None,
        idle_help=place.idle_help,
    )


def _part_with_machine(session: Session, screen: Screen, context: QueueContext, lender: Provider) -> None:
    if session.ending in (SessionEnd.ASKED, SessionEnd.UNSAVED):
        return
    has_waited = session.ending is SessionEnd.NOTHING_SAVED and session.is_lent
    if _may_have_unsaved(session) and not has_waited:
        again = f"{NEWER} {AGAIN}" if session.ending is SessionEnd.NEWER_QUEUE else AGAIN
        screen.ask(f"this machine is kept, because work on its disk is not confirmed yet; {again}")
        return
    lost = (left_behind(session.left_behind, is_lost=True),) if session.left_behind else ()
    try:
        for left_s in range(COUNTDOWN_S, 0, -1):
            screen.ask(*lost, f"this machine is given back in {left_s} s, to spare your quota; interrupt to keep it")
            context.clock.sleep(1)
    except KeyboardInterrupt:
        screen.ask("this machine is kept; it counts against your quota as long as you hold it")
        return
    screen.ask(*lost, "this machine is given back")
    if not lender.release():
        screen.ask(lender.release_help)


def _may_have_unsaved(session: Session) -> bool:
    """Return whether work may be left on the disk of this machine: of one that cannot be read nobody knows."""
    try:
        return session.has_unsaved
    except MachineError:
        return True
