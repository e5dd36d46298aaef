"""A forecast rests on as many worlds as can be played while somebody waits, and says on how many."""

import pytest

from qcqueue.clock import seeded
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.campaigns.coming import Account
from qcqueue.planning.campaigns.forecast import FEWEST_WITH_DEADLINES, FEWEST_WORLDS, WORLDS, Forecast, forecast
from qcqueue.planning.campaigns.play import Costs, Work
from qcqueue.planning.campaigns.strategies import STRATEGIES
from qcqueue.planning.survival import learnt_life
from qcqueue.text.humanize import DAY_S, HOUR_S

TWO_HOURS = learnt_life([], profile=Quantiles(p10_s=HOUR_S, p50_s=2 * HOUR_S, p90_s=3 * HOUR_S, basis=Basis.PROFILE))
FREE = Account(life=TWO_HOURS, cool_off=Quantiles(p10_s=DAY_S / 2, p50_s=DAY_S, p90_s=2 * DAY_S, basis=Basis.PROFILE))


def foreseen(jobs: int, *, due: int = 0, worlds: int = WORLDS) -> Forecast:
    works = [
        Work(name=f"study/{number}", epochs=10, epoch_s=60.0, deadline_s=9 * DAY_S if number < due else None)
        for number in range(jobs)
    ]
    return forecast(works, FREE, STRATEGIES["one-job"], Costs(), share=0.1, rng=seeded("luck"), worlds=worlds)


@pytest.mark.parametrize(
    ("jobs", "due", "worlds"),
    [(1, 1, WORLDS), (10, 0, 100), (60, 60, FEWEST_WORLDS), (300, 300, 13), (1200, 1200, FEWEST_WITH_DEADLINES)],
)
def test_the_longer_a_queue_and_the_more_of_it_is_due_the_fewer_worlds_are_played(
    jobs: int, due: int, worlds: int
) -> None:
    assert foreseen(jobs, due=due).worlds == worlds


def test_nobody_gets_more_worlds_than_he_asks_for() -> None:
    assert foreseen(1, worlds=7).worlds == 7


def test_the_same_luck_gives_the_same_dates() -> None:
    assert foreseen(30, due=10) == foreseen(30, due=10)


def test_in_a_queue_of_a_thousand_jobs_the_first_are_foreseen() -> None:
    found = foreseen(1000)
    assert found.all is None
    assert 0 < len(found.jobs) < 1000
    ends_s = [finish.p50_s for finish in found.jobs.values()]
    assert ends_s == sorted(ends_s)
