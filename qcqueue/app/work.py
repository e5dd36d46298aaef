"""`work`: one session on this machine, wired, driven on the real clock, and stopped by signals."""

import errno
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from qcqueue.app.workplace import Workplace
from qcqueue.core.goodput import Part, Seconds
from qcqueue.errors import ExtraMissing, SettingInvalid
from qcqueue.scheduling.profiles.base import Profile
from qcqueue.storage.files import NO_ROOM, of_this_machine
from qcqueue.worker.machine import can_train, out_of_memory_kills, process_age_s, this_machine
from qcqueue.worker.presence import Presence
from qcqueue.worker.process import TrainerProcess
from qcqueue.worker.session import Session
from qcqueue.worker.tools import Tools
from qcqueue.worker.view import Ending, Limits

# The study is played out while the trainer loads its libraries, in less time than that takes.
WORLDS = 100


def new_session(
    workplace: Workplace,
    limits: Limits,
    *,
    profile: Profile,
    narrate: Callable[[str], None],
    before: Seconds | None = None,
    machine_age_s: float | None = None,
) -> Session:
    """Wire a session.

    profile: what its machine's provider allows. before: what its machine's time went into until now; None where all of
    this process's was boot. machine_age_s: how old the machine is, None where that is all.

    Raises: ExtraMissing: this machine has no TensorFlow. SettingInvalid: no usable cache. OlderSession: it would end
    one that works on this queue.
    """
    if not can_train():
        raise ExtraMissing("this machine has no TensorFlow to train with", hint='pip install "qcqueue[train]"')
    if whose := workplace.greet():
        narrate(whose)
    workplace.ask_to_write()  # a queue that cannot be worked on is refused before this machine leaves a trace of itself
    try:
        machine = this_machine(workplace.cache, workplace.ids)
    except OSError as exc:
        if exc.errno in (*NO_ROOM, errno.EIO):
            raise of_this_machine(workplace.cache, exc) from exc
        raise SettingInvalid(
            f"the cache {workplace.cache} cannot be used: {exc.strerror}", hint="set QCQUEUE_CACHE to a folder"
        ) from exc
    trainer = TrainerProcess(workplace.cache)
    tools = Tools(
        database=workplace.database,
        store=workplace.store,
        trainer=trainer,
        clock=workplace.clock,
        presence=Presence(workplace.cache / "sessions"),
        machine=machine,
        cache=workplace.cache,
        lease=workplace.lease,
        profile=profile,
        worlds=WORLDS,
        machine_age_s=machine_age_s,
        check_weights=trainer.check_weights,
        memory_kills=out_of_memory_kills,
        narrate=narrate,
        before={Part.BOOT: process_age_s() or 0.0} if before is None else before,
    )
    return Session(workplace.ids.new(), tools, limits)


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


def _no_limit(name: str, value: str, wanted: str, better: int) -> SettingInvalid:
    flag = f"--{name.replace('_', '-')}"
    return SettingInvalid(
        f"{flag}, or {name} in a notebook, is {value} and not {wanted}", hint=f"{flag} {better}, or {name}={better}"
    )


def drive(workplace: Workplace, session: Session, *, show: Callable[[Session], None]) -> None:
    """Run a session to its end, showing it after every step, and while bytes move."""
    session.on_transfer = lambda: show(session)
    try:
        while (delay_s := session.step()) is not None:
            show(session)
            workplace.clock.sleep(delay_s)
    except BaseException:
        # A notebook's process outlives its session: no trainer may go on there, and no lock stay held.
        session.abandon()
        raise


@contextmanager
def stopping_on_signals(session: Session, say: Callable[[str], None], *, again: str) -> Iterator[Callable[[], bool]]:
    """The first interrupt and SIGTERM save and leave; a second interrupt, called `again`, leaves at once.

    Yields how to ask whether a person has interrupted. A limit is nobody's interrupt: who wants to leave while the
    session saves and leaves on its own account is told how to leave at once, before it happens.
    """
    interrupts = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        if number == signal.SIGTERM:
            say("saving and leaving")
            session.ask_to_stop(Ending.LIMIT)
            return
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt
        say(f"saving and leaving{' already' if session.stopping else ''}; {again} leaves at once")
        session.ask_to_stop(Ending.ASKED)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: interrupts > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
