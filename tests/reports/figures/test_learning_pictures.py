"""The curves of a run whose loss is not always a number are drawn as far as they are known, and say what is missing."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from qcqueue.core.states import State
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.figures.registry import pictures_of
from qcqueue.reports.quantities.findings import findings_of
from tests.reports.charts.parsed import parse, plotted
from tests.reports.studies import a_job, a_spec, an_epoch, the_study


def pictures(val_losses: Sequence[float]) -> dict[str, Picture]:
    """The pictures of one run with these losses in validation, and the same in training."""
    epochs = [an_epoch(number) for number in range(1, len(val_losses) + 1)]
    changed = [
        replace(line, metrics=replace(line.metrics, loss=loss, val_loss=loss))
        for line, loss in zip(epochs, val_losses, strict=True)
    ]
    study = the_study([a_job(a_spec(epochs=100), changed, state=State.FAILED)])
    return {picture.key: picture for picture in pictures_of(findings_of(study))}


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_breaks_the_curve_and_is_counted(missing: float) -> None:
    found = pictures([2.0, 1.0, missing, 0.5])
    for key in ("loss-by-epoch", "model-01-loss"):
        curve = [path for path in plotted(parse(found[key]), "path") if path.attrib["class"] == "curve"][-1]
        assert curve.attrib["d"].count("M") == 1, "two epochs, and one that stands alone"
        assert curve.attrib["d"].count("L") == 1
    assert "Validation goes from 2 to 0.5; 1 epoch without a finite number." in found["model-01-loss"].svg


@pytest.mark.parametrize("losses", [[math.nan], [math.inf, math.nan, -math.inf]])
def test_a_run_without_any_finite_loss_still_has_its_pictures(losses: list[float]) -> None:
    found = pictures(losses)
    assert "No epoch has a finite number in validation." in found["model-01-loss"].svg
    assert "nan" not in found["model-01-loss"].svg
    assert "inf" not in found["loss-by-epoch"].svg
    assert "Validation goes from" in found["model-01-accuracy"].svg
