"""Which checkpoints stay: enough that one damaged blob never costs more than the state before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from qcqueue.checkpoints.retention import keep_last_two_and_best
from qcqueue.core.records import EpochMetrics, best_epoch


@dataclass(frozen=True)
class Row:
    id: int
    state_sha256: str
    epochs_done: int
    steps_done: int = 0


def history(val_losses: Sequence[float]) -> tuple[EpochMetrics, ...]:
    return tuple(
        EpochMetrics(epoch=epoch, loss=0.0, accuracy=0.0, val_loss=loss, val_accuracy=0.0, learning_rate=0.0)
        for epoch, loss in enumerate(val_losses, start=1)
    )


def kept_after(val_losses: Sequence[float]) -> list[Row]:
    """Return what is kept, newest first, after these epochs, each with its state before and after validation."""
    kept: list[Row] = []
    for epoch in range(1, len(val_losses) + 1):
        trained = Row(id=2 * epoch, state_sha256=f"state {epoch}", epochs_done=epoch - 1, steps_done=10)
        finished = Row(id=2 * epoch + 1, state_sha256=f"state {epoch}", epochs_done=epoch)
        kept = [finished, trained, *kept]
        wanted = keep_last_two_and_best(kept, history(val_losses[:epoch]))
        kept = [row for row in kept if row.id in wanted]
    return kept


def can_be_finished(row: Row, kept: Sequence[Row], val_losses: Sequence[float]) -> bool:
    """A state is of use only with that of its best epoch, whose weights are evaluated at the end."""
    best = best_epoch(history(val_losses)[: row.epochs_done])
    return best is None or any(it.epochs_done == best and it.steps_done == 0 for it in kept)


losses = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=12)


def test_nothing_kept_is_nothing_wanted() -> None:
    assert keep_last_two_and_best([], history([])) == set()


def test_the_last_two_and_the_best_stay() -> None:
    assert [row.epochs_done for row in kept_after([0.3, 0.1, 0.4, 0.2, 0.2]) if not row.steps_done] == [5, 4, 2]


def test_the_first_of_equal_epochs_is_the_best() -> None:
    assert [row.epochs_done for row in kept_after([0.1, 0.1, 0.1, 0.1]) if not row.steps_done] == [4, 3, 1]


def test_the_best_of_the_older_state_stays_when_the_newest_is_better() -> None:
    assert [row.epochs_done for row in kept_after([0.2, 0.3, 0.4, 0.1]) if not row.steps_done] == [4, 3, 1]


@given(losses)
def test_the_two_newest_states_are_always_kept(val_losses: list[float]) -> None:
    newest = list(dict.fromkeys(row.state_sha256 for row in kept_after(val_losses)))[:2]
    assert newest == [f"state {epoch}" for epoch in range(len(val_losses), 0, -1)][:2]


@given(losses)
def test_both_newest_states_can_be_finished_from(val_losses: list[float]) -> None:
    kept = kept_after(val_losses)
    newest = [row for row in kept if row.steps_done == 0][:2]
    assert all(can_be_finished(row, kept, val_losses) for row in newest)


@given(losses)
def test_no_more_is_kept_than_the_last_two_and_the_best_of_each(val_losses: list[float]) -> None:
    assert len({row.state_sha256 for row in kept_after(val_losses)}) <= 4
