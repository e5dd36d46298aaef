"""Whose jobs are, how many of an owner run, and whose turn it is: all of it in the transactions of the queue."""

from collections.abc import Sequence
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import Connection

from qcqueue.conformance.processes import race
from qcqueue.core.rules import Policy, QueueRules
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.errors import SettingInvalid, UnknownName
from qcqueue.planning.policies import ChoiceContext, Job, fair
from qcqueue.queue.attempts import stop
from qcqueue.queue.claim import claim, crowded
from qcqueue.queue.enqueue import Enqueued, enqueue
from qcqueue.queue.rules import read_rules, rule_lines, running_by_owner, settle, turns_of_owners
from qcqueue.queue.values import Candidate, Claim, Pick
from tests.queue.desk import Desk, open_at, spec

ADA, BOB = "ada@example.org", "bob@example.org"
ROUNDS = 12
SOON_S = 60.0


def put(desk: Desk, owner: str | None, *specs: JobSpec | str, replace: bool = False) -> Enqueued:
    listed = [spec(each) if isinstance(each, str) else each for each in specs]
    return desk.do(enqueue, listed, attached={}, replace=replace, owner=owner, who="user")


def owner(desk: Desk, name: str) -> str | None:
    return desk.line(name).owner


def settled(desk: Desk, name: str, value: str) -> None:
    desk.do(settle, name, value, who="user")


# Whose a job is.


def test_a_job_belongs_to_whoever_has_enqueued_it(desk: Desk) -> None:
    put(desk, ADA, "a")
    put(desk, None, "b")
    assert (owner(desk, "a"), owner(desk, "b")) == (ADA, None)


def test_the_same_spec_enqueued_by_another_person_is_the_same_job_and_keeps_its_owner(desk: Desk) -> None:
    put(desk, ADA, "a")
    put(desk, None, "free")
    before = desk.digest()
    again = put(desk, BOB, "a", "free")
    assert (again.new, again.known, again.of_others) == ((), ("study/a", "study/free"), {"study/a": ADA})
    assert desk.digest() == before
    assert put(desk, ADA, "a").of_others == {}


def test_what_replaces_a_job_keeps_its_owner_and_what_was_anybodys_gets_one(desk: Desk) -> None:
    put(desk, ADA, "a")
    put(desk, None, "free")
    put(desk, BOB, spec("a", seed=7), spec("free", seed=7), replace=True)
    assert (owner(desk, "a"), owner(desk, "free")) == (ADA, BOB)
    put(desk, None, spec("a", seed=9), replace=True)
    assert owner(desk, "a") == ADA


def test_a_job_keeps_its_owner_whatever_becomes_of_it(desk: Desk) -> None:
    put(desk, ADA, "a")
    held = desk.must_claim()
    desk.do(stop, held, why="limit")
    for action in ("hold", "release", "cancel", "retry"):
        desk.control(action, "a")
        assert owner(desk, "a") == ADA


# How many run.


def test_an_owner_has_no_more_running_than_the_rule_says_and_others_go_on(desk: Desk) -> None:
    put(desk, ADA, "a", "b", "c")
    put(desk, BOB, "d")
    settled(desk, "max_running", "2")
    assert [desk.must_claim(session).job_name for session in ("s1", "s2", "s3")] == ["study/a", "study/b", "study/d"]
    before = desk.digest()
    assert desk.claim("s1") is None
    assert desk.claim("s1", job="c") is None, "nor is it taken by a policy that names it"
    assert desk.digest() == before
    assert desk.ask(crowded, [ADA, BOB]) == {ADA: 2}


def test_a_place_is_free_again_once_a_job_ends_or_its_session_is_buried(desk: Desk) -> None:
    put(desk, ADA, "a", "b")
    settled(desk, "max_running", "1")
    held = desk.must_claim("s1")
    assert desk.claim("s2") is None
    taken = desk.must_claim("s2", job="b", gone={("study/a", held.attempt): "no heartbeat"})
    assert taken.job_name == "study/b"
    assert desk.claim("s3") is None
    desk.do(stop, taken, why="limit")
    assert desk.must_claim("s3").job_name == "study/a"


def test_jobs_without_an_owner_count_together(desk: Desk) -> None:
    put(desk, None, "a", "b")
    put(desk, ADA, "c")
    settled(desk, "max_running", "1")
    assert [desk.must_claim(session).job_name for session in ("s1", "s2")] == ["study/a", "study/c"]
    assert desk.claim("s3") is None
    assert desk.ask(running_by_owner) == {None: 1, ADA: 1}


def test_a_limit_that_is_lowered_ends_nothing_and_one_that_is_raised_counts_at_once(desk: Desk) -> None:
    put(desk, ADA, "a", "b", "c")
    desk.must_claim("s1")
    desk.must_claim("s2")
    settled(desk, "max_running", "1")
    assert [desk.line(name).state for name in "abc"] == [State.RUNNING, State.RUNNING, State.QUEUED]
    assert desk.claim("s3") is None
    settled(desk, "max_running", "3")
    assert desk.must_claim("s3").job_name == "study/c"


def test_of_sessions_that_claim_at_the_same_instant_only_as_many_win_as_the_rule_says(desk: Desk) -> None:
    put(desk, ADA, *(f"a{number}" for number in range(6)))
    settled(desk, "max_running", "2")
    race(claim_all_at_once, [(desk.where, session) for session in ("s1", "s2", "s3")])
    attempts = [line for number in range(6) for line in desk.detail(f"a{number}").attempts]
    assert len(attempts) == 2 * ROUNDS


def claim_all_at_once(where: Path | str, session: str, together: Barrier) -> None:
    database = open_at(where)
    for _ in range(ROUNDS):
        together.wait(SOON_S)
        held = database.transact(lambda tx: claim(tx, session, gone={}, choose=first, now_s=1.0))
        together.wait(SOON_S)
        if held is not None:
            database.transact(partial(stop, held=held, why="limit", now_s=2.0))


def first(jobs: Sequence[Candidate]) -> Pick | None:
    return Pick(jobs[0].name) if jobs else None


# Whose turn it is.


def test_a_turn_is_an_attempt_on_a_job_of_an_owner(desk: Desk) -> None:
    put(desk, ADA, "a")
    put(desk, BOB, "b")
    put(desk, None, "free")
    assert desk.ask(turns_of_owners) == {}
    for name in ("b", "free", "a", "b"):
        held = desk.must_claim(job=name)
        desk.do(stop, held, why="limit")
    turns = desk.ask(turns_of_owners)
    assert sorted(turns, key=lambda owner: turns[owner]) == [None, ADA, BOB]


def test_sessions_that_race_give_every_owner_a_fair_turn_within_one_job(desk: Desk) -> None:
    owners = (ADA, BOB, None)
    for at, whose in enumerate(owners):
        put(desk, whose, *(f"j{at}{number}" for number in range(6)))
    settled(desk, "policy", "fair")
    race(claim_in_turn, [(desk.where, session) for session in ("s1", "s2", "s3")])
    taken = [
        row[0] for row in desk.sql("SELECT owner FROM attempts JOIN jobs ON jobs.id = job_id ORDER BY attempts.id")
    ]
    assert len(taken) == 3 * ROUNDS
    for begin in range(len(taken)):
        for end in range(begin, len(taken)):
            counts = [taken[begin : end + 1].count(whose) for whose in owners]
            assert max(counts) - min(counts) <= 1, taken


def claim_in_turn(where: Path | str, session: str, together: Barrier) -> None:
    database = open_at(where)

    def take(tx: Connection) -> Claim | None:
        context = ChoiceContext(now_s=1.0, turns=turns_of_owners(tx))

        def choose(jobs: Sequence[Candidate]) -> Pick | None:
            ranked = fair([Job(name=job.name, left_s=60.0, owner=job.owner) for job in jobs], context)
            return Pick(ranked[0].job.name, why=ranked[0].why)

        return claim(tx, session, gone={}, choose=choose, now_s=1.0)

    together.wait()
    for _ in range(ROUNDS):
        held = database.transact(take)
        assert held is not None
        database.transact(partial(stop, held=held, why="limit", now_s=2.0))


# What is settled.


def test_what_is_settled_stands_in_the_queue_and_in_its_history(desk: Desk) -> None:
    assert desk.ask(read_rules) == QueueRules()
    settled(desk, "policy", "fair")
    settled(desk, "max_running", "3")
    assert desk.ask(read_rules) == QueueRules(policy=Policy.FAIR, max_running=3)
    lines = {line.name: (line.value, line.by, line.at_s) for line in desk.ask(rule_lines)}
    assert lines == {"policy": ("fair", "user", 1.0), "max_running": ("3", "user", 2.0)}
    told = "SELECT what, why FROM history WHERE job_id IS NULL AND what LIKE ? ORDER BY id"
    assert desk.sql(told, "settled%") == [
        ("settled policy", "fair, was shortest"),
        ("settled max_running", "3, was none"),
    ]


def test_settling_what_is_settled_changes_nothing_and_the_usual_leaves_no_row(desk: Desk) -> None:
    settled(desk, "max_running", "3")
    before = desk.digest()
    settled(desk, "max_running", "3")
    settled(desk, "policy", "shortest")
    assert desk.digest() == before
    settled(desk, "max_running", "none")
    assert desk.sql("SELECT * FROM settings") == []


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("polcy", "fair", UnknownName), ("policy", "fiar", SettingInvalid), ("max_running", "0", SettingInvalid)],
)
def test_what_cannot_be_settled_is_refused_and_changes_nothing(
    desk: Desk, name: str, value: str, error: type[Exception]
) -> None:
    before = desk.digest()
    with pytest.raises(error):
        settled(desk, name, value)
    assert desk.digest() == before


def test_what_others_keep_among_the_settings_is_none_of_the_rules(desk: Desk) -> None:
    desk.sql("INSERT INTO settings (name, value) VALUES ('moved_to', 's3://elsewhere')")
    assert desk.ask(read_rules) == QueueRules()
    settled(desk, "policy", "fair")
    assert desk.sql("SELECT value FROM settings WHERE name = 'moved_to'") == [("s3://elsewhere",)]


def test_a_rule_of_a_later_qcqueue_is_refused_with_a_way_out(desk: Desk) -> None:
    put(desk, ADA, "a")
    desk.sql("INSERT INTO settings (name, value) VALUES ('policy', 'auction')")
    with pytest.raises(SettingInvalid, match=r'policy of this queue .* found "auction"') as caught:
        desk.claim()
    assert caught.value.hint == "pip install --upgrade qcqueue; or qcqueue store set policy shortest"
    settled(desk, "policy", "shortest")
    assert desk.must_claim().job_name == "study/a"
