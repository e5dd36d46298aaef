"""What nobody can do better: the fewest sessions and the earliest results on given luck, and the best goodput.

The clairvoyant knows how long each session will live. So nobody needs fewer sessions, and nobody has k jobs done
earlier, whatever the strategy. The goodput is that of the closed form in `core.goodput`, for sessions that end at a
constant rate and work without end; a campaign has an end, and `best_of_campaign` says what that costs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from qcqueue.core.goodput import best_interval_s, expected_goodput
from qcqueue.planning.sim_run import Costs, Strategy, Work
from qcqueue.planning.simulator import MOST_SESSIONS
from qcqueue.planning.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What the clairvoyant does. sessions: the fewest; done_s: the earliest instants by which 1, 2, ... jobs are done.

    Where MOST_SESSIONS are not enough, done_s is shorter than the row of jobs, and ended_s is when that is known.
    """

    sessions: int
    done_s: tuple[float, ...]
    ended_s: float


def clairvoyant(works: Sequence[Work], windows: Iterable[Window], costs: Costs) -> Bound:
    """Return the bound on given windows.

    A session gives at most what is left of it after its start and before the lag of a last save, so n sessions are
    enough for nobody where sum max(0, T - S - L) < W. On that axis of useful time the shortest first, without a stall
    or a switch, has each k-th job done earliest.
    """
    goals = _sums(sorted(work.left_s for work in works if work.epochs))
    goal_s = next(goals, None)
    done_s: list[float] = []
    useful_s, ended_s, sessions = 0.0, 0.0, 0
    for window in windows:
        if goal_s is None or sessions == MOST_SESSIONS:
            break
        sessions += 1
        ended_s = window.begins_s + window.held_s
        before_s, useful_s = useful_s, useful_s + max(0.0, window.held_s - costs.start_s - costs.lag_s)
        while goal_s is not None and goal_s <= useful_s:
            done_s.append(window.begins_s + costs.start_s + goal_s - before_s + costs.lag_s)
            goal_s = next(goals, None)
    return Bound(sessions=sessions, done_s=tuple(done_s), ended_s=ended_s)


def best_goodput(costs: Costs, *, mean_session_s: float) -> float:
    """Return the optimum of the closed form: about 1 - (S + L)/mu - sqrt(2 delta/mu)."""
    return expected_goodput(
        mean_session_s=mean_session_s,
        # Where a save costs nothing the best interval is none, and goodput nears its limit with it.
        interval_s=best_interval_s(mean_session_s, costs.stall_s) or 1e-3,
        stall_s=costs.stall_s,
        lag_s=costs.lag_s,
        start_s=costs.start_s,
    )


def best_of_campaign(works: Sequence[Work], strategy: Strategy, costs: Costs, *, mean_session_s: float) -> float:
    """Return what work that ends leaves of the optimum, for a strategy that loads each job once.

    The closed form charges a start to every session that dies. A campaign has one more, of the session that lives to
    the end and waits for its last save; and each job but the last is handed over, which takes a lag and a switch, or
    another start where a session works on one job.
    """
    work_s = sum(work.left_s for work in works)
    handovers = max(0, sum(work.epochs > 0 for work in works) - 1)
    best = best_goodput(costs, mean_session_s=mean_session_s)
    if not work_s or not best:
        return best
    load_s = costs.start_s if strategy.jobs == 1 else costs.switch_s
    return work_s / (work_s / best + costs.start_s + costs.lag_s + handovers * (load_s + costs.lag_s))


def _sums(lengths_s: Iterable[float]) -> Iterator[float]:
    total_s = 0.0
    for length_s in lengths_s:
        total_s += length_s
        yield total_s
