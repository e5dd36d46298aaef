"""What accuracy costs equals a running sum over the epochs, and the groups of held time add up to it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.goodput import Part, PartGroup, goodput_of
from qcqueue.core.states import State
from qcqueue.queue.sessions import accounts_of
from qcqueue.reports.quantities.cost import spending_of
from qcqueue.reports.quantities.models import figures_of
from tests.reports.studies import a_job, a_spec, a_study, epochs_of, some_sessions


def test_minutes_add_up_over_official_epochs() -> None:
    details = a_study()
    for detail, spending in zip(details, spending_of(figures_of(details), None), strict=True):
        rows = [row for row in detail.epochs if row.official]
        seconds = np.cumsum([it.timing.train_s + it.timing.val_s + it.timing.checkpoint_s for it in rows])
        assert [point.minutes for point in spending.curve] == pytest.approx(seconds / 60)
        assert [point.val_accuracy for point in spending.curve] == [row.metrics.val_accuracy for row in rows]
        assert [point.epoch for point in spending.curve] == [row.metrics.epoch for row in rows]
        assert (spending.job, spending.held_s, spending.seconds) == (detail.line.name, None, None)


def test_held_time_is_split_by_what_it_was_for() -> None:
    models = figures_of([a_job(a_spec("DenseNet121"), epochs_of(3)), a_job(a_spec("VGG16"), state=State.QUEUED)])
    worked, waiting = spending_of(models, accounts_of(some_sessions()))
    assert worked.held_s == 2460 + 180 + 120 + 30 + 90 + 240
    assert worked.seconds == {
        PartGroup.USEFUL: 2460,
        PartGroup.VALIDATE: 180,
        PartGroup.STALL: 0,
        PartGroup.RESTART: 120 + 30 + 90,
        # The killed session was seen for 360 s, of which it had written down 120.
        PartGroup.LOST: 240,
        PartGroup.WAITING: 0,
    }
    assert (waiting.held_s, waiting.seconds) == (None, None)


def test_every_part_has_one_group() -> None:
    assert sorted(part for group in PartGroup for part in group.parts) == sorted(Part)


@given(st.dictionaries(st.sampled_from([part.value for part in Part]), st.floats(0, 1e6)))
def test_groups_add_up_to_the_time_held(ledger: dict[str, float]) -> None:
    goodput = goodput_of([ledger])
    found = goodput.by_group()
    assert list(found) == list(PartGroup)
    assert math.fsum(found.values()) == pytest.approx(goodput.held_s)
    assert found[PartGroup.USEFUL] + found[PartGroup.VALIDATE] == pytest.approx(goodput.productive_s)
