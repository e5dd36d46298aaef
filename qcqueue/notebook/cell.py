"""The worker cell from its first line to the machine's return: the order of events, and what happens when it is cut.

A session is run, what it left is said, and a machine that Colab lent is given back once nothing is unsaved. Always
true: an interrupt at any instant loses nothing that was handed over; an error, or a person's interrupt, keeps the
machine, because somebody is there who wants it; and no trainer goes on behind a cell that has ended.
"""

import os
from collections.abc import Callable

from qcqueue.app.settings import load_settings
from qcqueue.app.telling import reasons
from qcqueue.app.work import drive, new_session, stopping_on_signals
from qcqueue.app.workplace import Workplace, open_workplace
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.lease import has_ended
from qcqueue.core.words import duration
from qcqueue.errors import QcqueueError, SettingInvalid, StoreError
from qcqueue.notebook.closing import AGAIN, Left, closing
from qcqueue.notebook.screen import Screen, screen_here
from qcqueue.notebook.signin import signed_in
from qcqueue.worker.colab import in_colab, release_machine
from qcqueue.worker.session import Ending, Limits, Session

COUNTDOWN_S = 10
LEFT_AT_ONCE = (
    "left at once; what was confirmed is safe, and what only this disk holds is saved when the cell runs again"
)


def work(store: str | None, *, max_minutes: float | None, max_epochs: int | None, jobs: int, release: bool) -> str:
    """Run one session here and return how it ended, in words. Raises: QcqueueError, where no person reads a screen."""
    clock = SystemClock()
    screen = screen_here(clock)
    give_back = release_machine if release and in_colab(os.environ) else None
    try:
        limits = _limits(max_minutes, max_epochs, jobs)
        settings = signed_in(load_settings(store=store), os.environ, screen, clock)
        return str(visit(open_workplace(settings, persistent=True), limits, screen, give_back=give_back))
    except KeyboardInterrupt:
        if not screen.has_reader:
            raise
        screen.close(LEFT_AT_ONCE)
        return LEFT_AT_ONCE
    except QcqueueError as exc:
        if not screen.has_reader:
            raise
        screen.close(str(exc), *([f"next: {exc.hint}"] if exc.hint else []))
        return str(exc)


def visit(place: Workplace, limits: Limits, screen: Screen, *, give_back: Callable[[], bool] | None) -> Ending:
    """Run a session to its end and say what is left; give_back returns a borrowed machine, None where it is kept."""
    session = _run(place, limits, screen)
    if give_back and session.ending is Ending.NOTHING_TO_DO and session.busy:
        # The usual reason is a machine that vanished a minute ago: a fresh one is not given away for that.
        _outwait(session, screen, place)
        session = _run(place, limits, screen)
    ending = session.ending
    assert ending is not None, "drive runs a session to its end"
    try:
        screen.close(*closing(ending, _left(place, session)))
    finally:  # whatever could not be said: an idle machine eats its user's quota
        if give_back:
            _part_with_machine(session, screen, place.clock, give_back)
    return ending


def _run(place: Workplace, limits: Limits, screen: Screen) -> Session:
    session = new_session(place, limits, narrate=screen.say)
    screen.begin(place.store.url, session.machine)
    with stopping_on_signals(session, screen.say, again="another interrupt"):
        drive(place, session, show=screen.show)
    return session


def _outwait(session: Session, screen: Screen, place: Workplace) -> None:
    """Wait until one of the sessions that hold jobs has lost its own, or all of them have shown that they live."""
    lease, alive = place.lease, set[str]()
    ages = _ages(session, place)
    while alive != set(ages) and not any(has_ended(age_s, lease) for age_s in ages.values()):
        longest = f"at most {duration(lease.ttl_s + lease.beat_every_s)}"
        screen.ask(
            *reasons(session), f"a machine that is gone loses its job in {longest}; waiting to see whether it is"
        )
        place.clock.sleep(lease.beat_every_s)
        before, ages = ages, _ages(session, place)
        # Whoever has aged by less than the time that passed has beaten meanwhile.
        alive |= {name for name, age_s in ages.items() if (age_s or 0) < (before[name] or 0) + lease.beat_every_s / 2}
    screen.ask()


def _ages(session: Session, place: Workplace) -> dict[str, float | None]:
    return {held.heartbeat: place.store.heartbeat_age_s(held.heartbeat) for held in session.busy}


def _left(place: Workplace, session: Session) -> Left | None:
    from qcqueue.queue.overview import job_lines
    from qcqueue.queue.queries import job_detail

    try:
        with place.read() as tx:
            states = [line.state for line in job_lines(tx)]
            wanted = {job_detail(tx, name).spec.device for name in session.obstacles}
    except StoreError:
        return None
    wants_gpu = "gpu" in wanted and not session.machine.has_gpu
    return Left(states=states, reasons=tuple(reasons(session)), wants_gpu=wants_gpu)


def _part_with_machine(session: Session, screen: Screen, clock: Clock, give_back: Callable[[], bool]) -> None:
    if session.ending in (Ending.ASKED, Ending.UNSAVED):
        return
    if session.has_unsaved:
        screen.ask(f"this machine is kept, because work on its disk is not confirmed yet; {AGAIN}")
        return
    try:
        for left_s in range(COUNTDOWN_S, 0, -1):
            screen.ask(f"this machine is given back in {left_s} s, to spare your quota; interrupt to keep it")
            clock.sleep(1)
    except KeyboardInterrupt:
        screen.ask("this machine is kept; it counts against your quota as long as you hold it")
        return
    screen.ask("this machine is given back")
    if not give_back():
        screen.ask("Colab did not take this machine back: choose Runtime > Disconnect and delete runtime")


def _limits(max_minutes: float | None, max_epochs: int | None, jobs: int) -> Limits:
    if max_minutes is not None and not 0 < max_minutes < float("inf"):
        raise SettingInvalid(f"max_minutes={max_minutes:g} is not a number of minutes above 0", hint="max_minutes=110")
    for name, value in (("max_epochs", max_epochs), ("jobs", jobs)):
        if value is not None and value < 1:
            raise SettingInvalid(f"{name}={value} is not at least 1", hint=f"{name}=1")
    return Limits(max_minutes=max_minutes, max_epochs=max_epochs, jobs=jobs)
