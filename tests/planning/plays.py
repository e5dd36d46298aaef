"""Small campaigns for tests: windows written by hand, the study of the six models, and one way to play."""

from collections.abc import Iterable, Iterator
from itertools import count

from qcqueue.planning.campaigns.laws import Window
from qcqueue.planning.campaigns.play import Campaign, Costs, Work, play
from qcqueue.planning.campaigns.strategies import STRATEGIES, Strategy
from qcqueue.planning.estimates import ESTIMATED_EPOCH_S
from qcqueue.planning.survival import Life
from qcqueue.text.humanize import DAY_S, HOUR_S

TWO_HOURS_S = 2.0 * HOUR_S
COSTS = Costs()
QCQUEUE = STRATEGIES["qcqueue"]


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
    strategy: Strategy = QCQUEUE,
    costs: Costs = COSTS,
    mean_session_s: float = TWO_HOURS_S,
    life: Life | None = None,
) -> Campaign:
    return play(works, windows, strategy, costs, mean_session_s=mean_session_s, life=life)
