"""From the first line of the cell to the machine's return, without a trainer: what keeps a machine, what does not."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import qcqueue
from qcqueue.app.work import drive, new_session
from qcqueue.app.workplace import Workplace
from qcqueue.checkpoints.spool import Spool
from qcqueue.clock import SystemClock
from qcqueue.errors import SettingInvalid, StoreBusy
from qcqueue.notebook.cell import COUNTDOWN_S, _outwait, visit
from qcqueue.queue.claim import begin_session, claim
from qcqueue.worker.session import Ending, Limits
from tests.cli.queues import a_job, an_empty_house, put
from tests.notebook.paper import Paper


class QuickClock(SystemClock):
    """Nobody waits; what was to be waited for is written down, and can be interrupted."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.interrupt_after: int | None = None

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        if len(self.slept) == self.interrupt_after:
            raise KeyboardInterrupt


class Owner:
    """Who lent the machine."""

    def __init__(self) -> None:
        self.got_it_back = False
        self.takes = True

    def __call__(self) -> bool:
        self.got_it_back = True
        return self.takes


@pytest.fixture
def clock() -> QuickClock:
    return QuickClock()


@pytest.fixture
def place(tmp_path: Path, clock: QuickClock) -> Workplace:
    return replace(an_empty_house(tmp_path).queue, clock=clock)


def visited(place: Workplace, give_back: Callable[[], bool] | None) -> tuple[Ending, list[str]]:
    paper = Paper()
    return visit(place, Limits(), paper, give_back=give_back), paper.lines


def test_with_nothing_to_do_a_borrowed_machine_goes_back_after_a_countdown(place: Workplace, clock: QuickClock) -> None:
    owner = Owner()
    ending, said = visited(place, owner)
    assert ending is Ending.NOTHING_TO_DO
    assert owner.got_it_back
    assert clock.slept == [1] * COUNTDOWN_S
    assert said[-1] == "this machine is given back"


def test_a_machine_that_is_not_borrowed_or_shall_be_kept_is_not_counted_down(
    place: Workplace, clock: QuickClock
) -> None:
    _, said = visited(place, None)
    assert clock.slept == []
    assert "given back" not in " ".join(said)


def test_an_interrupt_in_the_countdown_keeps_the_machine(place: Workplace, clock: QuickClock) -> None:
    owner, clock.interrupt_after = Owner(), 3
    _, said = visited(place, owner)
    assert not owner.got_it_back
    assert said[-1].startswith("this machine is kept")


def test_where_colab_does_not_take_it_a_person_is_asked_to(place: Workplace) -> None:
    owner = Owner()
    owner.takes = False
    _, said = visited(place, owner)
    assert said[-1].endswith("choose Runtime > Disconnect and delete runtime")


def test_work_on_the_disk_that_is_not_confirmed_keeps_the_machine(place: Workplace) -> None:
    spool = Spool(place.cache / "spool" / "another-1")
    spool.entries_folder.mkdir(parents=True)
    (spool.entries_folder / "000001.state").write_bytes(b"an epoch")
    owner = Owner()
    _, said = visited(place, owner)
    assert not owner.got_it_back
    assert said[-1] == "this machine is kept, because work on its disk is not confirmed yet; run this cell again"


def test_before_a_fresh_machine_is_given_back_it_waits_for_the_heartbeat_of_who_holds_the_job(
    place: Workplace, clock: QuickClock
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
    place.transact(lambda tx: claim(tx, "5e55", gone={}, choose=lambda jobs: "tiny/only", now_s=now_s))
    owner = Owner()
    ending, said = visited(place, owner)
    assert clock.slept == [place.lease.beat_every_s] + [1] * COUNTDOWN_S
    assert "tiny/only is held by session 5e55 on colab-7" in said
    assert said.count(place.store.url) == 2  # it looked again
    assert ending is Ending.NOTHING_TO_DO
    assert owner.got_it_back


def test_who_vanished_is_waited_for_until_the_lease_has_ended(place: Workplace, clock: QuickClock) -> None:
    beat_s = place.lease.beat_every_s
    ages = iter([80.0, 80 + beat_s, 80 + 2 * beat_s, place.lease.ttl_s + 1])
    store = SimpleNamespace(heartbeat_age_s=lambda name: next(ages))
    held = SimpleNamespace(job_name="tiny/only", session_id="5e55", host="colab-7", heartbeat="h")
    session: Any = SimpleNamespace(obstacles={}, busy=(held,))
    _outwait(session, Paper(), replace(place, store=store))
    assert clock.slept == [beat_s] * 3


def test_an_error_leaves_no_trainer_and_no_lock_behind(place: Workplace) -> None:
    class Away:
        def transact(self, action: object) -> None:
            raise StoreBusy

    session = new_session(place, Limits(), narrate=lambda line: None)
    session._tools = replace(session._tools, database=Away())  # type: ignore[arg-type]
    with pytest.raises(StoreBusy):
        drive(place, session, show=lambda it: None)
    assert session.id in session._tools.presence.inherit()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_minutes": -5}, "max_minutes=-5 is not a number of minutes above 0"),
        ({"max_epochs": 0}, "max_epochs=0 is not at least 1"),
        ({"jobs": 0}, "jobs=0 is not at least 1"),
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
