"""What is not ours: other orders, and people with a plain script, in the simulator that plays ours too."""

import pytest
from campaigns.strategies import STRATEGIES, Ranked, first_in_first_out, script, strategies_for
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.errors import UnknownName
from qcqueue.planning.policies import ChoiceContext, Job
from qcqueue.planning.sim_run import Costs, Strategy, Work
from qcqueue.planning.simulator import MOST_SESSIONS
from qcqueue.text.humanize import DAY_S
from tests.planning.plays import (
    TWO_HOURS_S,
    always,
    assert_books_balance,
    daily,
    lives_s,
    one,
    played,
    six_models,
    some_costs,
    some_works,
)

PLAIN = STRATEGIES["day-restart"]
any_strategy = st.sampled_from([*STRATEGIES.values(), script(3)])
QUEUE = (
    Job(name="a", left_s=20.0, epochs_done=5),
    Job(name="b", left_s=30.0, epochs_done=1),
    Job(name="c", left_s=40.0, epochs_done=2, begun=True),
)


@pytest.mark.parametrize(("name", "order"), [("fifo", "abc"), ("longest", "cba"), ("round-robin", "bca")])
def test_a_rival_takes_the_jobs_in_its_own_order(name: str, order: str) -> None:
    line = STRATEGIES[name].line(QUEUE)
    for job in order:
        assert line.first(ChoiceContext(now_s=0.0)) == job
        line.remove(job)
    assert line.first(ChoiceContext(now_s=0.0)) is None


def test_whoever_has_no_room_is_passed_over_and_waits() -> None:
    line = Ranked(first_in_first_out, [Job(name="long", left_s=9.0, first_save_s=5.0), Job(name="short", left_s=1.0)])
    assert line.first(ChoiceContext(now_s=0.0, left_s=3.0, is_first=False)) == "short"
    line.session_over({"short"})
    assert (line.waits("long"), line.waits("short")) == (1, 0)


def test_taking_turns_loads_a_model_for_every_epoch() -> None:
    found = played(always(1e6), *six_models(5), strategy=STRATEGIES["round-robin"])
    assert found.switches == 6 * 5 - 1
    last = played(always(1e6), one(5, 60.0), strategy=STRATEGIES["round-robin"])
    assert last.switches == 0


def test_a_plain_script_starts_a_model_over_and_keeps_those_it_has_finished() -> None:
    works = [Work(name="a", epochs=10, epoch_s=100.0), Work(name="b", epochs=10, epoch_s=200.0)]
    found = played(always(2500.0), *works, strategy=PLAIN)
    assert found.sessions == 2
    assert found.done_s["b"] == pytest.approx(DAY_S + 90 + 2000 + 8.2)
    assert found.lost_s == pytest.approx(2500 - (90 + 1000 + 8.2 + 20))


def test_a_plain_script_never_finishes_what_no_session_is_long_enough_for() -> None:
    found = played(always(TWO_HOURS_S), one(100, 100.0), strategy=PLAIN)
    assert (found.is_done, found.sessions, found.saved_s) == (False, MOST_SESSIONS, 0)
    assert played(always(TWO_HOURS_S), one(100, 100.0), strategy=script(10)).is_done


@given(some_works, lives_s, some_costs, any_strategy, st.booleans())
def test_the_books_balance_whatever_happens(
    works: list[Work], lengths_s: list[int], costs: Costs, strategy: Strategy, promised: bool
) -> None:
    found = played(daily(map(float, lengths_s), promised=promised), *works, strategy=strategy, costs=costs)
    assert_books_balance(found, works, lengths_s)


def test_strategies_are_asked_for_by_name_and_all_where_none_is() -> None:
    assert [it.name for it in strategies_for(["fifo", "script-3", "fifo"])] == ["fifo", "script-3"]
    assert [it.name for it in strategies_for([])] == [*STRATEGIES]


@pytest.mark.parametrize("name", ["roundrobin", "script-0", "script-²", "script-999999", "script-"])
def test_a_strategy_that_is_none_is_named(name: str) -> None:
    with pytest.raises(UnknownName, match=f"there is no policy '{name}'"):
        strategies_for([name])
