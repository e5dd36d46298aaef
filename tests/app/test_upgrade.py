"""Which sessions keep an older queue from being raised: by their heartbeats, by their locks, by what nobody knows."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.upgrade import SEEN_WITHIN_S, Consent, NoOlderSession
from qcqueue.conformance.clocks import DAY_ZERO_S, MachineClock, WorldTime
from qcqueue.database.schema import FORMAT
from qcqueue.errors import OlderSession, StoreAway
from qcqueue.queue.claim import begin_session, end_session, note_seen
from qcqueue.stores.base import LeaseRules
from qcqueue.worker.session_locks import SessionLocks
from tests.queue.desk import Desk

LEASE = LeaseRules()
NOW_S = DAY_ZERO_S


class Ages(dict[str, float | None]):
    """A store in which heartbeats have these ages, and that does not answer about any other."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def heartbeat_age_s(self, name: str) -> float | None:
        self.asked.append(name)
        if name not in self:
            raise StoreAway("the disk is not mounted")
        return self[name]


class Gate:
    """A queue of today's tables, and who guards its way to a newer format."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.desk.sql("DELETE FROM sessions")
        self.ages = Ages()
        self.cache = folder / "cache"
        self.said: list[str] = []

    def comes(self, name: str, *, ago_s: float = 60.0, age_s: float | None = 10.0) -> None:
        arrived: dict[str, Any] = {
            "machine": "m",
            "host": "colab-7",
            "processor": "Tesla T4",
            "heartbeat": f"beat-{name}",
        }
        self.desk.database.transact(lambda tx: begin_session(tx, name, **arrived, now_s=NOW_S - ago_s))
        self.ages[f"beat-{name}"] = age_s

    def asks(self, *, now: bool = False) -> NoOlderSession:
        clock = MachineClock(WorldTime())
        consent = Consent(now=now, say=self.said.append)
        guard = NoOlderSession(self.ages, clock=clock, cache=self.cache, consent=consent, lease=LEASE)
        with self.desk.database.read() as tx:
            guard.look(tx)()
        return guard

    def refusal(self) -> OlderSession:
        with pytest.raises(OlderSession) as caught:
            self.asks()
        assert caught.value.exit_code == 6
        return caught.value


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.desk.database.close()


def test_a_session_that_beats_is_named_with_where_it_is_and_when_it_was_heard_of(gate: Gate) -> None:
    gate.comes("5e55", age_s=12.0)
    refusal = gate.refusal()
    assert str(refusal) == (
        "a session of an older qcqueue works on this queue (5e55 on colab-7, heard of 12 s ago), "
        "and would end with unsaved work"
    )
    assert refusal.hint == "wait until it has left, or type the same command with --now (in a notebook: now=True)"


def test_nobody_keeps_it_who_never_came_said_goodbye_or_is_silent_for_a_lease(gate: Gate) -> None:
    gate.asks()
    gate.comes("left")
    gate.desk.database.transact(lambda tx: end_session(tx, "left", how="finished", now_s=NOW_S))
    gate.comes("silent", age_s=LEASE.ttl_s + 1)
    gate.comes("unheard", age_s=None)
    gate.asks()
    assert "beat-left" not in gate.ages.asked


def test_a_beat_within_the_lease_counts_whatever_the_clocks_say(gate: Gate) -> None:
    gate.comes("slow", ago_s=-5000.0, age_s=LEASE.ttl_s)
    assert "(slow on colab-7, heard of 120 s ago)" in str(gate.refusal())


def test_whoever_was_seen_last_is_asked_first_and_the_first_who_lives_is_enough(gate: Gate) -> None:
    for name, ago_s in (("old", 3000.0), ("young", 100.0), ("busy", 4000.0)):
        gate.comes(name, ago_s=ago_s)
    gate.desk.database.transact(lambda tx: note_seen(tx, "busy", NOW_S - 5))
    gate.ages["beat-busy"] = None
    assert "(young on" in str(gate.refusal())
    assert gate.ages.asked == ["beat-busy", "beat-young"]


def test_of_all_that_vanished_long_ago_only_those_are_asked_that_hold_a_job(gate: Gate) -> None:
    gate.comes("vanished", ago_s=SEEN_WITHIN_S + 1)
    gate.asks()
    assert gate.ages.asked == []
    gate.desk.enqueue("a")
    gate.desk.must_claim("vanished")
    assert "(vanished on" in str(gate.refusal())


def test_where_the_store_does_not_answer_it_may_live(gate: Gate) -> None:
    gate.comes("5e55")
    gate.ages.clear()
    refusal = gate.refusal()
    assert str(refusal) == (
        "whether a session of an older qcqueue (5e55 on colab-7) still works on this queue cannot be known: "
        "the disk is not mounted"
    )
    assert refusal.hint is not None
    assert "--now" in refusal.hint
    gate.asks(now=True)


def test_on_this_machine_the_lock_tells_and_not_the_heartbeat(gate: Gate) -> None:
    session = SessionLocks(gate.cache / "sessions")
    session.announce("here")
    gate.comes("here", age_s=LEASE.ttl_s + 1)  # it slept with its machine, and goes on
    assert "(here on colab-7, a process of this machine)" in str(gate.refusal())
    session.let_go()
    gate.ages["beat-here"] = 1.0  # it was killed a second ago
    gate.asks()
    assert gate.ages.asked == []
    assert SessionLocks(gate.cache / "sessions").inherit() == {"here"}  # to ask takes nothing over


def test_a_lock_that_the_next_session_has_tidied_away_proves_nothing(gate: Gate) -> None:
    (gate.cache / "sessions").mkdir(parents=True)
    gate.comes("elsewhere")
    assert "heard of 10 s ago" in str(gate.refusal())
    assert os.listdir(gate.cache / "sessions") == []  # noqa: PTH208


def test_whoever_wants_it_now_asks_nobody_and_is_told_what_that_means(gate: Gate) -> None:
    gate.comes("5e55")
    gate.asks(now=True).raised()
    gate.desk.database.transact(lambda tx: end_session(tx, "5e55", how="finished", now_s=NOW_S))
    gate.asks().raised()
    raised = f"the queue was raised to format {FORMAT}, which an older qcqueue cannot read"
    ends = "; its sessions at work may stop, and what they have not saved waits on their machines"
    assert gate.said == [raised + ends, raised]
    assert gate.ages.asked == []
