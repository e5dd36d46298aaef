"""Small campaigns for tests: windows written by hand, the study of the six models, and one way to play."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import pytest
from hypothesis import strategies as st

from qcqueue.planning.cadence import Measured, choose_cadence
from qcqueue.planning.estimates import ESTIMATED_EPOCH_S
from qcqueue.planning.sim_run import OURS, Costs, Strategy, Work
from qcqueue.planning.simulator import Campaign, play
from qcqueue.planning.survival import Life
from qcqueue.planning.windows import Window
from qcqueue.text.humanize import DAY_S, HOUR_S

TWO_HOURS_S = 2.0 * HOUR_S
COSTS = Costs()


def six_models(epochs: int = 100) -> list[Work]:
    return [Work(name=model, epochs=epochs, epoch_s=epoch_s) for model, epoch_s in sorted(ESTIMATED_EPOCH_S.items())]


def daily(lengths_s: Iterable[float], *, promised: bool = False) -> Iterator[Window]:
    """One window a day of these lengths; the end of each comes without warning, unless it is promised."""
    for day, held_s in enumerate(lengths_s):
        yield Window(begins_s=day * DAY_S, held_s=held_s, promised_s=held_s if promised else None)


def always(length_s: float, *, promised: bool = False) -> Iterator[Window]:
    return daily((length_s for _ in count()), promised=promised)


def played(
    windows: Iterator[Window],
    *works: Work,
    strategy: Strategy = OURS,
    costs: Costs = COSTS,
    mean_session_s: float = TWO_HOURS_S,
    life: Life | None = None,
) -> Campaign:
    return play(works, windows, strategy, costs, mean_session_s=mean_session_s, life=life)


def one(epochs: int, epoch_s: float) -> Work:
    return Work(name="one", epochs=epochs, epoch_s=epoch_s)


def interval_s(work: Work, costs: Costs) -> float:
    """Return how much is trained between two saves."""
    cadence = choose_cadence(
        Measured(epoch_s=work.epoch_s, stall_s=costs.stall_s, lag_s=costs.lag_s, mean_session_s=TWO_HOURS_S)
    )
    return work.epoch_s * cadence.epochs_per_save / cadence.saves_per_epoch


some_costs = st.builds(
    Costs,
    start_s=st.integers(0, 300),
    switch_s=st.integers(0, 60),
    stall_s=st.sampled_from([0.0, 0.05, 0.2, 2.0]),
    lag_s=st.sampled_from([0.0, 1.0, 8.0, 65.0]),
)
some_works = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 900)), min_size=1, max_size=5).map(
    lambda drawn: [
        Work(name=str(number), epochs=epochs, epoch_s=epoch_s) for number, (epochs, epoch_s) in enumerate(drawn)
    ]
)
lives_s = st.lists(st.integers(0, 20_000), min_size=1, max_size=30)


def assert_books_balance(found: Campaign, works: Sequence[Work], lengths_s: Sequence[float]) -> None:
    """Time that is held, saved and lost adds up, and what is done is all that was to do."""
    assert found.saved_s + found.lost_s <= found.held_s + 1e-6
    assert found.held_s <= sum(lengths_s) + 1e-6
    assert found.sessions <= len(lengths_s)
    assert found.is_done == (len(found.done_s) == len(works))
    if found.is_done:
        assert found.saved_s == pytest.approx(sum(work.left_s for work in works))
        assert max(found.done_s.values()) == pytest.approx(found.ended_s)
