"""Whatever the queue holds, a policy ranks it once, the same way each time, and for a ground that can be said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, permutations, starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.rules import Policy
from qcqueue.planning.policies import (
    MOST_WAITS,
    POLICIES,
    Choice,
    ChoiceContext,
    Ground,
    Job,
    fair,
    first_clear,
    in_sequence,
    ours,
)
from qcqueue.text.humanize import DAY_S, HOUR_S, date

NOW = ChoiceContext(now_s=0.0)
ALL_DAY = ChoiceContext(now_s=0.0, share=1.0)

lengths_s = st.one_of(st.none(), st.integers(1, 500_000).map(float))
a_queue = st.lists(
    st.builds(
        Job,
        name=st.just(""),
        left_s=lengths_s,
        first_save_s=st.integers(1, 1000).map(float),
        begun=st.booleans(),
        epochs_done=st.integers(0, 100),
        same_bits=st.booleans(),
        pinned=st.booleans(),
        waits=st.integers(0, 2 * MOST_WAITS),
        deadline_s=st.one_of(st.none(), st.integers(1, 5_000_000).map(float)),
        owner=st.sampled_from([None, "ada", "bob"]),
    ),
    max_size=8,
).map(lambda jobs: [replace(job, name=f"job-{number}") for number, job in enumerate(jobs)])


def job(name: str, hours: float | None = 1.0, **more: object) -> Job:
    return Job(name=name, left_s=None if hours is None else hours * HOUR_S, **more)  # type: ignore[arg-type]


def names(ranked: Sequence[Choice]) -> list[str]:
    return [choice.job.name for choice in ranked]


def grounds(ranked: Sequence[Choice]) -> dict[str, Ground]:
    return {choice.job.name: choice.ground for choice in ranked}


def test_every_policy_that_can_be_settled_is_there() -> None:
    assert set(POLICIES) == set(Policy)


@pytest.mark.parametrize("policy", Policy)
@given(jobs=a_queue)
def test_every_job_is_ranked_once_and_the_same_way_each_time(policy: Policy, jobs: list[Job]) -> None:
    ranked = POLICIES[policy](jobs, NOW)
    assert sorted(names(ranked)) == sorted(job.name for job in jobs)
    assert POLICIES[policy](jobs, NOW) == ranked
    assert all(choice.why for choice in ranked)


@pytest.mark.parametrize("policy", Policy)
@given(jobs=a_queue, left_s=st.integers(0, 1000))
def test_the_rest_of_a_session_is_offered_exactly_what_can_be_saved_in_it(
    policy: Policy, jobs: list[Job], left_s: int
) -> None:
    ranked = POLICIES[policy](jobs, replace(NOW, left_s=float(left_s), is_first=False))
    assert sorted(names(ranked)) == sorted(job.name for job in jobs if job.first_save_s <= left_s)


def test_a_session_that_has_nothing_to_lose_takes_what_there_is() -> None:
    assert names(ours([job("long", first_save_s=600.0)], replace(NOW, left_s=60.0))) == ["long"]


def test_what_is_begun_goes_on_and_then_comes_the_shortest() -> None:
    ranked = ours([job("long", 3), job("short", 1), job("begun", 2, begun=True), job("middle", 2)], NOW)
    assert names(ranked) == ["begun", "short", "middle", "long"]
    assert [choice.ground for choice in ranked] == [Ground.BEGUN, *[Ground.SHORTEST] * 3]


def test_of_two_that_are_begun_the_one_with_less_left_goes_first() -> None:
    assert names(ours([job("much", 3, begun=True), job("little", 0.5, begun=True)], NOW)) == ["little", "much"]


def test_jobs_as_long_as_each_other_and_of_unknown_length_keep_the_order_of_the_queue() -> None:
    assert names(ours([job("x", None), job("b"), job("y", None), job("a")], NOW)) == ["b", "a", "x", "y"]


def test_a_run_that_another_kind_of_machine_has_begun_waits_for_what_loses_nothing_here() -> None:
    ranked = ours([job("elsewhere", 0.1, begun=True, same_bits=False), job("fresh", 9)], NOW)
    assert names(ranked) == ["fresh", "elsewhere"]
    assert ranked[-1].ground is Ground.ELSEWHERE


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_no_other_order_has_any_kth_result_earlier(lengths: list[int]) -> None:
    jobs = [job(str(number), length) for number, length in enumerate(lengths)]
    done = list(accumulate(choice.job.left_s or 0 for choice in ours(jobs, NOW)))
    for order in permutations(lengths):
        other = sorted(accumulate(length * HOUR_S for length in order))
        assert all(ours_s <= other_s for ours_s, other_s in zip(done, other, strict=True))


# What a person moved by hand.


@pytest.mark.parametrize("policy", Policy)
@given(jobs=a_queue)
def test_a_job_that_was_moved_keeps_its_place_and_nothing_crosses_it(policy: Policy, jobs: list[Job]) -> None:
    places = {name: place for place, name in enumerate(names(POLICIES[policy](jobs, NOW)))}
    for place, one in enumerate(jobs):
        if one.pinned:
            assert places[one.name] == place
            assert all(places[other.name] < place for other in jobs[:place])


def test_moved_first_is_first_whatever_is_begun_or_late() -> None:
    waiting = job("waited", waits=50)
    ranked = ours([job("moved", 90, pinned=True), job("begun", begun=True), waiting, job("due", deadline_s=1.0)], NOW)
    assert names(ranked)[0] == "moved"
    assert ranked[0].ground is Ground.MOVED


def test_moved_last_is_last_however_short() -> None:
    assert names(ours([job("long", 9), job("short", 1), job("moved", 0.1, pinned=True)], NOW))[-1] == "moved"


# Waiting.


def test_who_has_waited_long_enough_comes_before_all_that_is_not_begun() -> None:
    ranked = ours([job("short", 1), job("old", 9, waits=MOST_WAITS), job("begun", 2, begun=True)], NOW)
    assert names(ranked) == ["begun", "old", "short"]
    assert ranked[1].why == f"it has waited for {MOST_WAITS} sessions"


def test_who_has_waited_long_enough_comes_before_what_is_begun_if_it_is_shorter() -> None:
    assert names(ours([job("begun", 20, begun=True), job("old", 1, waits=MOST_WAITS)], NOW)) == ["old", "begun"]


def test_of_those_who_have_waited_the_one_that_waited_longest_goes_first() -> None:
    assert names(ours([job("a", 1, waits=MOST_WAITS), job("b", 9, waits=MOST_WAITS + 1)], NOW)) == ["b", "a"]


def test_a_long_job_is_begun_although_shorter_ones_keep_coming() -> None:
    """One job a session, and a new short one after each: without an end to waiting the long one never has its turn."""
    waits = {"long": 0, "short-0": 0}
    for session in range(MOST_WAITS + 1):
        queue = [job(name, 9 if name == "long" else 1, waits=times) for name, times in waits.items()]
        taken = names(ours(queue, NOW))[0]
        if taken == "long":
            break
        del waits[taken]
        waits = {name: times + 1 for name, times in waits.items()} | {f"short-{session + 1}": 0}
    assert taken == "long"


# Deadlines.


def test_a_deadline_that_is_met_anyway_changes_nothing() -> None:
    ranked = ours([job("due", 2, deadline_s=10 * HOUR_S), job("short", 1)], ALL_DAY)
    assert names(ranked) == ["short", "due"]


def test_a_deadline_that_would_be_missed_goes_first() -> None:
    ranked = ours([job("due", 2, deadline_s=2.5 * HOUR_S), job("short", 1)], ALL_DAY)
    assert names(ranked) == ["due", "short"]
    assert ranked[0].ground is Ground.DEADLINE


def test_a_deadline_that_nobody_can_meet_does_not_hold_up_the_others() -> None:
    assert names(ours([job("lost", 2, deadline_s=1 * HOUR_S), job("short", 1)], ALL_DAY)) == ["short", "lost"]


def test_a_deadline_is_met_in_calendar_time_of_which_only_a_part_is_training() -> None:
    queue = [job("due", 2, deadline_s=20 * HOUR_S), job("short", 1)]
    assert names(ours(queue, replace(ALL_DAY, share=0.5))) == ["short", "due"]
    assert names(ours(queue, replace(ALL_DAY, share=0.125))) == ["due", "short"]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.one_of(st.none(), st.integers(1, 60))), min_size=1, max_size=5),
    st.sampled_from([1.0, 0.5]),
)
def test_where_some_order_meets_all_deadlines_ours_does(drawn: list[tuple[int, int | None]], share: float) -> None:
    jobs = [
        job(str(number), hours, deadline_s=None if due is None else due * HOUR_S)
        for number, (hours, due) in enumerate(drawn)
    ]

    def missed(order: Sequence[Job]) -> int:
        done_s = accumulate((one.left_s or 0.0) / share for one in order)
        return sum(starmap(_is_late, zip(done_s, order, strict=True)))

    found = missed([choice.job for choice in ours(jobs, ChoiceContext(now_s=0.0, share=share))])
    if any(missed(order) == 0 for order in permutations(jobs)):
        assert found == 0


def _is_late(done_s: float, one: Job) -> bool:
    return one.deadline_s is not None and done_s > one.deadline_s


# Turns between owners.


def of(owner: str | None, *jobs: Job) -> list[Job]:
    return [replace(job, owner=owner) for job in jobs]


@given(a_queue)
def test_where_all_jobs_have_one_owner_turns_change_nothing(jobs: list[Job]) -> None:
    mine = of("ada", *jobs)
    assert fair(mine, replace(NOW, turns={"bob": 7, "ada": 9})) == ours(mine, NOW)


@given(a_queue, st.permutations([None, "ada", "bob"]))
def test_of_each_owner_jobs_stand_as_the_default_policy_ranks_them(jobs: list[Job], order: list[str | None]) -> None:
    plain = [replace(job, pinned=False, deadline_s=None) for job in jobs]
    ranked = fair(plain, replace(NOW, turns={owner: turn for turn, owner in enumerate(order, start=1)}))
    assert [*dict.fromkeys(choice.job.owner for choice in ranked)] == [
        owner for owner in order if owner in {job.owner for job in plain}
    ]
    for owner in order:
        theirs = [job for job in plain if job.owner == owner]
        assert [name for name in names(ranked) if name in names(ours(theirs, NOW))] == names(ours(theirs, NOW))


arrivals = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from([None, "ada", "bob", "eve"]), st.integers(1, 9), st.booleans()), max_size=3),
        st.sampled_from(["done", "cut", "cut at once"]),
        st.sets(st.integers(0, 40), max_size=6),
    ),
    max_size=40,
)


@given(arrivals)
def test_between_owners_who_have_something_to_do_turns_differ_by_one_at_most(
    sessions: list[tuple[list[tuple[str | None, int, bool]], str, set[int]]],
) -> None:
    """Jobs come, sessions take one each and finish or are cut, and machines cannot run some of the jobs."""
    queue, turns, number = dict[str, Job](), dict[str | None, int](), 0
    story: list[tuple[frozenset[str | None], str | None]] = []
    for at, (new, ending, barred) in enumerate(sessions, start=1):
        for owner, hours, begun in new:
            queue[f"job-{number}"] = job(f"job-{number}", hours, owner=owner, begun=begun)
            number += 1
        clear = {name: "no GPU" if int(name[4:]) in barred else None for name in queue}
        choice = first_clear(fair([*queue.values()], replace(NOW, turns=turns)), clear)
        # Who has nothing that this machine runs has nothing to do here, and is no rival of this moment.
        able = frozenset(queue[name].owner for name, why in clear.items() if why is None)
        assert (choice is None) == (not able)
        if choice is None:
            continue
        story.append((able, choice.job.owner))
        turns[choice.job.owner] = at
        if ending == "done":
            del queue[choice.job.name]
        elif ending == "cut":
            queue[choice.job.name] = replace(choice.job, begun=True, left_s=(choice.job.left_s or 0.0) / 2)
    for begins in range(len(story)):
        counts, always = Counter[str | None](), {None, "ada", "bob", "eve"}
        for able, owner in story[begins:]:
            always &= able
            counts[owner] += 1
            served = [counts[one] for one in always]
            assert not served or max(served) - min(served) <= 1, (story, begins)


@pytest.mark.parametrize("policy", Policy)
@given(jobs=a_queue)
def test_a_sequence_is_the_order_in_which_jobs_are_taken_one_after_the_other(policy: Policy, jobs: list[Job]) -> None:
    """Where no deadline has a say in it, and no moved job, which is a turn of its owner out of the order."""
    queue = [replace(job, deadline_s=None, begun=False, waits=0) for job in jobs]
    foreseen = [choice.job.name for choice in in_sequence(POLICIES[policy](queue, NOW))]
    turns, taken = dict[str | None, int](), list[str]()
    while queue:
        first = POLICIES[policy](queue, replace(NOW, turns=turns))[0].job
        taken.append(first.name)
        queue.remove(first)
        turns[first.owner] = len(taken)
    assert sorted(foreseen) == sorted(taken)
    if not any(job.pinned for job in jobs):
        assert foreseen == taken


def test_who_comes_late_has_a_turn_at_once_and_makes_up_for_nothing() -> None:
    queue = [*of("ada", *(job(f"a{number}") for number in range(9))), *of("bob", job("b0"), job("b1"), job("b2"))]
    turns: dict[str | None, int] = {"ada": 40}
    taken = []
    for at in range(41, 47):
        choice = fair(queue, replace(NOW, turns=turns))[0]
        taken.append(choice.job.name)
        turns[choice.job.owner] = at
        queue.remove(choice.job)
    assert taken == ["b0", "a0", "b1", "a1", "b2", "a2"]


def test_a_begun_job_waits_for_the_turn_of_its_owner() -> None:
    queue = [*of("ada", job("fresh", 1), job("begun", 5, begun=True)), *of("bob", job("his", 9))]
    assert names(fair(queue, replace(NOW, turns={"ada": 2, "bob": 1}))) == ["his", "begun", "fresh"]
    assert names(fair(queue, replace(NOW, turns={"ada": 1, "bob": 2}))) == ["begun", "fresh", "his"]


def test_a_deadline_hurries_the_jobs_of_its_owner_and_nobody_elses() -> None:
    due = [*of("ada", job("due", 2, deadline_s=2.5 * HOUR_S), job("short", 1)), *of("bob", job("his", 9))]
    assert names(fair(due, replace(ALL_DAY, turns={"ada": 2, "bob": 1}))) == ["his", "short", "due"]
    calm = [*of("ada", job("due", 2, deadline_s=6 * HOUR_S), job("short", 1)), *of("bob", job("his", 9))]
    assert names(fair(calm, replace(ALL_DAY, turns={"ada": 2, "bob": 1}))) == ["his", "short", "due"]
    # Half of the calendar is ada's, so that five hours are not enough for both.
    tight = [*of("ada", job("due", 2, deadline_s=5 * HOUR_S), job("short", 1)), *of("bob", job("his", 9))]
    assert names(fair(tight, replace(ALL_DAY, turns={"ada": 2, "bob": 1}))) == ["his", "due", "short"]


def test_what_is_anybodys_takes_turns_as_one_person_does() -> None:
    queue = [*of(None, job("x", 1), job("y", 2)), *of("ada", job("hers", 9))]
    first = fair(queue, replace(NOW, turns={None: 3, "ada": 4}))[0]
    assert first.why == "the shortest, about 1 h 00 min left, and it is the turn of what is anybody's"
    assert fair(queue, replace(NOW, turns={None: 5, "ada": 4}))[0].why.endswith("and it is the turn of ada")


# The others, and what a session does with a ranking.


def test_the_best_with_nothing_in_its_way_is_taken() -> None:
    ranked = ours([job("short", 1), job("middle", 2), job("long", 3)], NOW)
    assert first_clear(ranked, {"short": "no GPU", "middle": None}) == ranked[1]
    assert first_clear(ranked, {"short": "no GPU", "middle": "no GPU"}) is None  # the long one was not checked


def test_nobody_takes_a_turn_that_has_passed_to_somebody_whose_job_was_not_checked() -> None:
    jobs = [Job(name="ada's", left_s=1.0, owner="ada"), Job(name="bob's", left_s=2.0, owner="bob")]
    ranked = fair(jobs, replace(NOW, turns={"ada": 2, "bob": 1}))
    assert [choice.job.name for choice in ranked] == ["bob's", "ada's"]
    assert first_clear(ranked, {"ada's": None}) is None
    assert first_clear(ranked, {"ada's": None, "bob's": "no GPU"}) == ranked[1]
    assert first_clear(ranked, {"bob's": None}) == ranked[0]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([job("a", 1.25, begun=True)], "begun, about 1 h 15 min left"),
        ([job("a", 1.25)], "the shortest, about 1 h 15 min left"),
        ([job("a", None)], "the next in the queue"),
        ([job("a", None, begun=True)], "begun"),
        ([job("a", pinned=True)], "a person moved it to this place"),
        ([job("a", begun=True, same_bits=False)], "begun on another kind of machine, and nothing else is left"),
    ],
)
def test_a_choice_says_why(jobs: list[Job], said: str) -> None:
    assert ours(jobs, NOW)[0].why == said


def test_a_deadline_is_named_in_the_reason() -> None:
    soon_s = 100 * DAY_S
    first = ours([job("due", 2, deadline_s=soon_s), job("x", 5_000, begun=True)], ALL_DAY)[0]
    assert first.why == f"it would miss its deadline, {date(soon_s)}, in its turn"
