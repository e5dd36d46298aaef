"""The line of a campaign names whom the policy would rank first, whatever has become of its jobs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.core.rules import Policy
from qcqueue.planning.laws import LAWS
from qcqueue.planning.line import FairLine, Line, WaitingLine
from qcqueue.planning.policies import MOST_WAITS, POLICIES, ChoiceContext, Job, to_be_hurried
from qcqueue.planning.sim_run import OURS, Costs, Work
from qcqueue.planning.simulator import play
from qcqueue.text.humanize import DAY_S

# Few different lengths and dates, so that there are ties.
some_s = st.sampled_from([0.5, 1.0, 2.0, 3.0, 10.0, 40.0]).map(lambda hours: hours * 3600)
a_queue = st.lists(
    st.builds(
        Job,
        name=st.just(""),
        left_s=some_s,
        first_save_s=st.integers(1, 1000).map(float),
        begun=st.booleans(),
        pinned=st.sampled_from([False, False, False, True]),
        waits=st.integers(0, 2 * MOST_WAITS),
        deadline_s=st.one_of(st.none(), st.integers(-2, 30).map(lambda days: days * DAY_S / 2)),
        owner=st.sampled_from([None, "ada", "bob"]),
    ),
    min_size=1,
    max_size=12,
).map(lambda jobs: [replace(job, name=f"job-{number}") for number, job in enumerate(jobs)])
a_context = st.builds(
    ChoiceContext,
    now_s=st.integers(0, 20).map(lambda days: days * DAY_S / 2),
    left_s=st.one_of(st.none(), st.integers(0, 1000).map(float)),
    is_first=st.booleans(),
    share=st.sampled_from([1.0, 0.5, 2 / 24]),
)
turns = st.lists(st.tuples(a_context, st.sampled_from(["done", "further", "nothing"]), st.booleans()), max_size=40)


TURNS: Mapping[str | None, int] = {"ada": 5, None: 3}
LINES: Mapping[Policy, Callable[[Sequence[Job]], WaitingLine]] = {
    Policy.SHORTEST: Line,
    Policy.FAIR: partial(FairLine, turns=TURNS),
}


class Asked:
    """A line that asks a policy about all jobs each time."""

    def __init__(self, jobs: Sequence[Job], policy: Policy) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._policy = POLICIES[policy]
        self._turns = dict(TURNS)

    def __len__(self) -> int:
        return len(self._jobs)

    def first(self, context: ChoiceContext) -> str | None:
        context = replace(context, turns=self._turns)
        return next((choice.job.name for choice in self._policy([*self._jobs.values()], context)), None)

    def waits(self, name: str) -> int:
        return self._jobs[name].waits

    def put(self, job: Job) -> None:
        self._jobs[job.name] = job
        self._count_turn(job)

    def remove(self, name: str) -> None:
        self._count_turn(self._jobs.pop(name))

    def _count_turn(self, job: Job) -> None:
        self._turns[job.owner] = max(self._turns.values()) + 1

    def session_over(self, worked_on: Collection[str]) -> None:
        for name, job in self._jobs.items():
            self._jobs[name] = replace(job, waits=0 if name in worked_on else job.waits + 1)


@pytest.mark.parametrize("policy", Policy)
@given(jobs=a_queue, turns=turns)
def test_a_line_names_whom_the_policy_would_rank_first(
    policy: Policy, jobs: list[Job], turns: list[tuple[ChoiceContext, str, bool]]
) -> None:
    line, asked = LINES[policy](jobs), Asked(jobs, policy)
    waiting, worked_on = {job.name: job for job in jobs}, set[str]()
    for context, what, session_ends in turns:
        name = line.first(context)
        assert name == asked.first(context)
        if name is not None:
            worked_on.add(name)
        if name is not None and what == "done":
            del waiting[name]
            line.remove(name)
            asked.remove(name)
        if name is not None and what == "further":
            left_s = (waiting[name].left_s or 0.0) / 2
            waits = line.waits(name)
            assert waits == asked.waits(name)
            waiting[name] = replace(waiting[name], left_s=left_s, begun=True, first_save_s=left_s / 100, waits=waits)
            line.put(waiting[name])
            asked.put(waiting[name])
        if session_ends:
            line.session_over(worked_on)
            asked.session_over(worked_on)
            worked_on = set()
        assert len(line) == len(asked) == len(waiting)


@pytest.mark.parametrize("policy", Policy)
@given(
    drawn=st.lists(
        st.tuples(st.integers(1, 20), st.integers(1, 4000), st.booleans(), st.booleans()), min_size=1, max_size=9
    ),
    days=st.sampled_from([None, 5.0, 30.0]),
    name=st.sampled_from([*LAWS]),
    jobs=st.sampled_from([1, 2, None]),
    seed=st.integers(0, 99),
)
def test_a_campaign_is_the_same_as_if_the_policy_were_asked_about_all_jobs_each_time(
    policy: Policy, drawn: list[tuple[int, int, bool, bool]], days: float | None, name: str, jobs: int | None, seed: int
) -> None:
    law = LAWS[name]
    works = [
        Work(
            name=str(number),
            epochs=epochs,
            epoch_s=float(epoch_s),
            begun=begun,
            pinned=pinned and number % 2 == 1,
            deadline_s=None if days is None or number % 3 else days * DAY_S / (number + 1),
            owner=("ada", None, "bob", "ada")[epochs % 4],
        )
        for number, (epochs, epoch_s, begun, pinned) in enumerate(drawn)
    ]
    strategy = replace(OURS, jobs=jobs)
    found = [
        play(works, law.windows(seeded(seed)), it, Costs(), mean_session_s=law.mean_s, life=law.life, comes_back=True)
        for it in (replace(strategy, line=LINES[policy]), replace(strategy, line=partial(Asked, policy=policy)))
    ]
    assert found[0] == found[1]


def test_where_a_moved_job_is_done_those_before_and_after_it_are_one_queue() -> None:
    jobs = [
        Job(name="before", left_s=9.0, first_save_s=5.0),
        Job(name="moved", left_s=5.0, first_save_s=1.0, pinned=True),
        Job(name="after", left_s=2.0, first_save_s=5.0),
    ]
    line = Line(jobs)
    assert line.first(ChoiceContext(now_s=0.0)) == "before"
    assert line.first(ChoiceContext(now_s=0.0, left_s=3.0, is_first=False)) == "moved"
    line.remove("moved")
    assert line.first(ChoiceContext(now_s=0.0)) == "after"


# Who goes first where the order would miss a deadline.


def hurried_slowly(due_s: Sequence[float], needs_s: Sequence[float], begins_s: float) -> list[int]:
    """Moore and Hodgson's rule as it is written down: among all that are due, the longest is looked for each time."""
    kept: list[int] = []
    done_s = begins_s
    for number in sorted((it for it, due in enumerate(due_s) if due < inf), key=lambda it: due_s[it]):
        kept.append(number)
        done_s += needs_s[number]
        if done_s > due_s[number]:
            longest = max(kept, key=lambda it: needs_s[it])
            kept.remove(longest)
            done_s -= needs_s[longest]
    done = [*accumulate(needs_s, initial=begins_s)][1:]
    return kept if any(done[it] > due_s[it] for it in kept) else []


@given(
    st.lists(
        st.tuples(st.one_of(st.just(inf), st.integers(0, 50).map(float)), st.integers(1, 9).map(float)), max_size=15
    ),
    st.integers(0, 20).map(float),
)
def test_whoever_can_be_in_time_goes_first_and_the_longest_is_given_up(
    dated: list[tuple[float, float]], begins_s: float
) -> None:
    due_s, needs_s = [due for due, _ in dated], [needs for _, needs in dated]
    assert to_be_hurried(due_s, needs_s, begins_s) == hurried_slowly(due_s, needs_s, begins_s)
