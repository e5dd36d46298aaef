"""From the first line of the cell to the machine's return, without a trainer: what keeps a machine, what does not."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import qcqueue
from qcqueue.app.context import QueueContext
from qcqueue.app.work import drive, new_session
from qcqueue.clock import SystemClock
from qcqueue.core.outcomes import SessionEnd
from qcqueue.database.schema import FORMAT
from qcqueue.errors import DigestMismatch, DiskFailed, SettingInvalid, StoreAway, StoreBusy, StoreDenied
from qcqueue.notebook import cell
from qcqueue.notebook.cell import ATTENDED_S, COUNTDOWN_S, _outwait, visit
from qcqueue.providers.base import Provider
from qcqueue.providers.registry import profile
from qcqueue.queue.claim import begin_session, claim
from qcqueue.queue.values import Pick
from qcqueue.spool.reader import Spool
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from qcqueue.worker.session_locks import SessionLocks
from tests.cli.queues import House, a_job, an_empty_house, put, take
from tests.database.golden import lower
from tests.notebook.paper import Paper


class QuickClock(SystemClock):
    """Nobody waits; what was to be waited for is written down, and can be interrupted. later_s: what has passed."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.interrupt_after: int | None = None
        self.later_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.later_s

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        if len(self.slept) == self.interrupt_after:
            raise KeyboardInterrupt


class Owner(Provider):
    """Who lent the machine."""

    can_release = True
    release_help = "the owner did not come: bring it back"

    def __init__(self) -> None:
        self.got_it_back = False
        self.takes = True

    def release(self) -> bool:
        self.got_it_back = True
        return self.takes


@pytest.fixture
def clock() -> QuickClock:
    return QuickClock()


@pytest.fixture
def place(tmp_path: Path, clock: QuickClock) -> QueueContext:
    return replace(an_empty_house(tmp_path).queue, clock=clock)


def visited(place: QueueContext, lender: Provider | None) -> tuple[SessionEnd, list[str]]:
    paper = Paper()
    return visit(place, Limits(), paper, profile=profile("local"), lender=lender), paper.lines


def test_with_nothing_to_do_a_borrowed_machine_goes_back_after_a_countdown(
    place: QueueContext, clock: QuickClock
) -> None:
    owner = Owner()
    ending, said = visited(place, owner)
    assert ending is SessionEnd.NOTHING_TO_DO
    assert owner.got_it_back
    assert clock.slept == [1] * COUNTDOWN_S
    assert said[-1] == "this machine is given back"


def test_a_machine_that_is_not_borrowed_or_shall_be_kept_is_not_counted_down(
    place: QueueContext, clock: QuickClock
) -> None:
    _, said = visited(place, None)
    assert clock.slept == []
    assert "given back" not in " ".join(said)


def test_an_interrupt_in_the_countdown_keeps_the_machine(place: QueueContext, clock: QuickClock) -> None:
    owner, clock.interrupt_after = Owner(), 3
    _, said = visited(place, owner)
    assert not owner.got_it_back
    assert said[-1].startswith("this machine is kept")


def test_where_it_is_not_taken_a_person_is_told_what_to_do(place: QueueContext) -> None:
    owner = Owner()
    owner.takes = False
    _, said = visited(place, owner)
    assert said[-1] == owner.release_help


def test_work_on_the_disk_that_is_not_confirmed_keeps_the_machine(place: QueueContext) -> None:
    SessionLocks(place.cache / "sessions").announce("another")
    spool = Spool(place.cache / "spool" / "another-1")
    spool.entries_folder.mkdir(parents=True)
    (spool.entries_folder / "000001.state").write_bytes(b"an epoch")
    owner = Owner()
    _, said = visited(place, owner)
    assert not owner.got_it_back
    assert said[-1] == "this machine is kept, because work on its disk is not confirmed yet; run this cell again"


def test_before_a_fresh_machine_is_given_back_it_waits_for_the_heartbeat_of_who_holds_the_job(
    place: QueueContext, clock: QuickClock
) -> None:
    put(place, a_job("only"))
    heartbeat = place.store.new_heartbeat("5e55")
    place.store.beat(heartbeat)
    now_s = clock.now_s()
    place.transact(
        lambda tx: begin_session(
            tx, "5e55", machine="m1", host="colab-7", processor="Tesla T4", heartbeat=heartbeat, now_s=now_s
        )
    )
    place.transact(lambda tx: claim(tx, "5e55", gone={}, choose=lambda jobs: Pick("tiny/only"), now_s=now_s))
    owner = Owner()
    ending, said = visited(place, owner)
    assert clock.slept == [place.lease.beat_every_s] + [1] * COUNTDOWN_S
    assert "tiny/only is held by session 5e55 on colab-7" in said
    assert said.count(place.store.url) == 2  # it looked again
    assert ending is SessionEnd.NOTHING_TO_DO
    assert owner.got_it_back


def test_who_vanished_is_waited_for_until_the_lease_has_ended(place: QueueContext, clock: QuickClock) -> None:
    beat_s = place.lease.beat_every_s
    ages = iter([80.0, 80 + beat_s, 80 + 2 * beat_s, place.lease.ttl_s + 1])
    store = SimpleNamespace(heartbeat_age_s=lambda name: next(ages))
    held = SimpleNamespace(job_name="tiny/only", session_id="5e55", host="colab-7", heartbeat="h")
    session: Any = SimpleNamespace(obstacles={}, busy=(held,))
    _outwait(session, Paper(), replace(place, store=store))
    assert clock.slept == [beat_s] * 3


def test_a_store_that_does_not_answer_is_waited_for_as_long_as_a_lease_lives(
    place: QueueContext, clock: QuickClock
) -> None:
    def away(name: str) -> float:
        raise StoreAway

    held = SimpleNamespace(job_name="tiny/only", session_id="5e55", host="colab-7", heartbeat="h")
    session: Any = SimpleNamespace(obstacles={}, busy=(held,))
    store: Any = SimpleNamespace(heartbeat_age_s=away)
    _outwait(session, Paper(), replace(place, store=store))
    assert place.lease.ttl_s < sum(clock.slept) <= place.lease.ttl_s + 2 * place.lease.beat_every_s


def test_one_answer_that_is_lost_does_not_end_the_wait(place: QueueContext, clock: QuickClock) -> None:
    beat_s = place.lease.beat_every_s
    answers: Any = iter([80.0, StoreAway(), 80 + 2 * beat_s, place.lease.ttl_s + 1])

    def age_s(name: str) -> float:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return float(answer)

    held = SimpleNamespace(job_name="tiny/only", session_id="5e55", host="colab-7", heartbeat="h")
    session: Any = SimpleNamespace(obstacles={}, busy=(held,))
    store: Any = SimpleNamespace(heartbeat_age_s=age_s)
    _outwait(session, Paper(), replace(place, store=store))
    assert clock.slept == [beat_s] * 3


@pytest.fixture
def fail_after(place: QueueContext, clock: QuickClock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the session end by an error after so many seconds; before it, a person may interrupt."""
    damaged = DigestMismatch("a state is damaged", hint="qcqueue doctor")

    def set_up(after_s: float, *, interrupted: bool = False, error: Exception = damaged) -> None:
        def failing(*_: object, **__: object) -> None:
            clock.later_s += after_s
            if interrupted:
                signal.raise_signal(signal.SIGINT)
            raise error

        monkeypatch.setattr(cell, "drive", failing)

    return set_up


def failed(place: QueueContext, owner: Owner) -> list[str]:
    paper = Paper()
    with pytest.raises(DigestMismatch):
        visit(place, Limits(), paper, profile=profile("local"), lender=owner)
    return paper.lines


def test_an_error_hours_later_is_shown_and_gives_the_machine_back(
    place: QueueContext, clock: QuickClock, fail_after: Callable[..., None]
) -> None:
    owner = Owner()
    fail_after(2 * ATTENDED_S)
    said = failed(place, owner)
    assert owner.got_it_back
    assert clock.slept == [1] * COUNTDOWN_S
    assert said.index("a state is damaged") < said.index("this machine is given back")
    assert "next: qcqueue doctor" in said


def test_a_bug_is_named_before_the_machine_goes_back(place: QueueContext, fail_after: Callable[..., None]) -> None:
    owner, paper = Owner(), Paper()
    fail_after(2 * ATTENDED_S, error=ValueError("no such thing"))
    with pytest.raises(ValueError, match="no such thing"):
        visit(place, Limits(), paper, profile=profile("local"), lender=owner)
    assert owner.got_it_back
    assert paper.lines.index("a bug of ours: ValueError: no such thing") < paper.lines.index(
        "this machine is given back"
    )


def test_an_error_at_the_start_is_for_the_person_who_is_there(
    place: QueueContext, fail_after: Callable[..., None]
) -> None:
    owner = Owner()
    fail_after(ATTENDED_S / 2)
    assert "a state is damaged" in failed(place, owner)
    assert not owner.got_it_back


def test_an_error_after_an_interrupt_keeps_the_machine(place: QueueContext, fail_after: Callable[..., None]) -> None:
    owner = Owner()
    fail_after(2 * ATTENDED_S, interrupted=True)
    failed(place, owner)
    assert not owner.got_it_back


def test_an_error_keeps_a_machine_whose_disk_holds_what_is_not_confirmed(
    place: QueueContext, fail_after: Callable[..., None]
) -> None:
    spool = Spool(place.cache / "spool" / "another-1")
    spool.entries_folder.mkdir(parents=True)
    (spool.entries_folder / "000001.state").write_bytes(b"an epoch")
    owner = Owner()
    fail_after(2 * ATTENDED_S)
    assert "this machine is kept" in failed(place, owner)[-1]
    assert not owner.got_it_back


def test_a_machine_whose_own_disk_cannot_be_read_is_kept_in_words(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreadable:
        @property
        def has_unsaved(self) -> bool:
            raise DiskFailed("the spool cannot be read: input/output error", hint="qcqueue doctor")

    def its_disk_fails(place: QueueContext, session: Session, **_: object) -> None:
        drive(place, session, show=lambda it: None)
        monkeypatch.setattr(session, "salvage", Unreadable())

    monkeypatch.setattr(cell, "drive", its_disk_fails)
    owner = Owner()
    _, said = visited(place, owner)
    assert not owner.got_it_back
    assert "this machine is kept, because work on its disk is not confirmed yet" in said[-1]


@pytest.mark.parametrize("is_lent", [True, False])
def test_a_lent_machine_whose_hour_is_over_goes_back_and_names_the_epochs_that_go_with_it(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch, is_lent: bool
) -> None:
    def leaves_unsaved(place: QueueContext, session: Session, **_: object) -> None:
        session.step()
        session.step()
        spool = Spool(place.cache / "spool" / f"{session.id}-1")
        spool.entries_folder.mkdir(parents=True)
        (spool.entries_folder / "000001.state").write_bytes(b"an epoch")
        session.ending, session.left_behind = SessionEnd.NOTHING_SAVED, "epochs 12 to 14 of tiny/only"
        session.gave_up_on = StoreDenied("the store refused access", hint="qcqueue login")

    monkeypatch.setattr(cell, "drive", leaves_unsaved)
    owner, paper = Owner(), Paper()
    kind = profile("colab-free" if is_lent else "local")
    assert visit(place, Limits(), paper, profile=kind, lender=owner) is SessionEnd.NOTHING_SAVED
    assert owner.got_it_back is is_lent
    said = "\n".join(paper.lines)
    assert "the store, or this disk, has taken nothing for too long" in said
    assert "the store refused access" in said
    assert ("epochs 12 to 14 of tiny/only go with this machine" in said) is is_lent
    assert ("this machine is kept, because work on its disk is not confirmed" in said) is not is_lent


@pytest.mark.parametrize("has_unsaved", [True, False])
def test_a_queue_that_a_newer_qcqueue_has_raised_keeps_the_machine_where_that_holds_unsaved_work(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch, has_unsaved: bool
) -> None:
    house = House(folder=place.cache.parent)

    def raised_meanwhile(place: QueueContext, session: Session, **_: object) -> None:
        session.step()
        set_format(house, FORMAT + 1)
        if has_unsaved:
            spool = Spool(place.cache / "spool" / f"{session.id}-1")
            spool.entries_folder.mkdir(parents=True)
            (spool.entries_folder / "000001.state").write_bytes(b"an epoch")
        drive(place, session, show=lambda it: None)

    monkeypatch.setattr(cell, "drive", raised_meanwhile)
    owner = Owner()
    ending, said = visited(place, owner)
    assert ending is SessionEnd.NEWER_QUEUE
    assert owner.got_it_back is not has_unsaved
    assert f"the queue was raised to format {FORMAT + 1} by a newer qcqueue" in " ".join(said)
    upgrade = (
        "write a newer notebook on your laptop, with qcqueue notebook, put its cell here, restart the session, and"
    )
    assert f"next: {upgrade} run this cell again" in said
    kept = f"this machine is kept, because work on its disk is not confirmed yet; {upgrade} run this cell again"
    assert said[-1] == (kept if has_unsaved else "this machine is given back")


def test_while_a_session_of_an_older_qcqueue_works_the_cell_says_how_to_begin_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house, paper = an_empty_house(tmp_path), Paper()
    put(house.queue, a_job("only"))
    held = take(house.queue, "tiny/only")
    house.queue.store.beat(held.session_id)
    lower(house.database)
    monkeypatch.setenv("QCQUEUE_CACHE", os.fspath(house.cache))
    monkeypatch.setattr(cell, "screen_here", lambda clock: paper)
    said = qcqueue.work(f"folder:{house.store}")
    assert said.startswith(f"a session of an older qcqueue works on this queue ({held.session_id} on colab-7, heard of")
    assert paper.lines[0] == said
    assert paper.lines[1].startswith("next: wait until it has left, or ")
    assert "now=True" in paper.lines[1]
    assert qcqueue.work(f"folder:{house.store}", now=True) == "nothing to do"
    assert any("; its sessions at work may stop, and" in line for line in paper.lines)


def set_format(house: House, number: int) -> None:
    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        connection.execute("UPDATE meta SET format = ?", (number,))


def test_an_error_leaves_no_trainer_and_no_lock_behind(place: QueueContext) -> None:
    class Away:
        def transact(self, action: object) -> None:
            raise StoreBusy

    session = new_session(place, Limits(), profile=profile("local"), narrate=lambda line: None)
    session.deps = replace(session.deps, database=Away())  # type: ignore[arg-type]
    with pytest.raises(StoreBusy):
        drive(place, session, show=lambda it: None)
    assert session.id in session.deps.locks.inherit()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_minutes": -5}, "max_minutes in a notebook, is -5 and not a number of minutes above 0"),
        ({"max_epochs": 0}, "max_epochs in a notebook, is 0 and not at least 1"),
        ({"jobs": 0}, "jobs in a notebook, is 0 and not at least 1"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_its_name(limits: dict[str, int], words: str) -> None:
    with pytest.raises(SettingInvalid, match=words):
        qcqueue.work("folder:queue", **limits)  # type: ignore[arg-type]


def test_a_program_gets_the_error_and_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house = an_empty_house(tmp_path)
    monkeypatch.setenv("QCQUEUE_CACHE", os.fspath(house.cache))
    with pytest.raises(SettingInvalid):
        qcqueue.work("nonsense:elsewhere")
    assert qcqueue.work(f"folder:{house.store}") == "nothing to do"
    assert "the queue is empty" in capsys.readouterr().out
