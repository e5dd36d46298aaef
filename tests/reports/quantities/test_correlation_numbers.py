"""Correlations equal SciPy's, and are not there where they would say nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy  # type: ignore[import-untyped]  # its parts come when they are asked for
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.states import State
from qcqueue.reports.quantities.correlation import CorrelationMatrix, Cost, correlation_of
from qcqueue.reports.quantities.models import ModelFigures, figures_of
from tests.reports.studies import a_job, a_spec, epochs_of


def some_models(parameters: Sequence[int], *, state: State = State.DONE) -> list[ModelFigures]:
    """Models that differ in their size and, by their seeds, in their times."""
    details = [
        a_job(a_spec(f"Model{place}"), epochs_of(5 + place % 3, seed=place * place % 5), state=state)
        for place in range(len(parameters))
    ]
    return [
        replace(model, parameters=count, trainable_parameters=count // 2 + 7 * (place % 2))
        if state is State.DONE
        else model
        for place, (model, count) in enumerate(zip(figures_of(details), parameters, strict=True))
    ]


def known(model: ModelFigures) -> dict[Cost, Any]:
    return {
        Cost.PARAMETERS: model.parameters,
        Cost.TRAINABLE_PARAMETERS: model.trainable_parameters,
        Cost.STEP_TIME: model.times.step_s_p50,
        Cost.EPOCH_TIME: model.times.epoch_s_p50,
        Cost.TRAINING_TIME: sum(
            epoch.timing.train_s + epoch.timing.val_s + epoch.timing.checkpoint_s for epoch in model.epochs
        ),
        Cost.ACCURACY: model.result.best.test.accuracy if model.result else None,
        Cost.MACRO_F1: np.mean([it.f1 for it in model.result.best.test.per_class.values()]) if model.result else None,
    }


def cell(matrix: CorrelationMatrix, row: Cost, column: Cost) -> tuple[float | None, int]:
    found = matrix.rows[list(Cost).index(row)][list(Cost).index(column)]
    assert (found.row, found.column) == (row, column)
    return found.coefficient, found.models


def test_every_cell_equals_scipys_over_all_models() -> None:
    models = some_models([8_062_504, 138_357_544, 25_613_800, 23_851_784, 55_873_736, 22_910_480])
    matrix = correlation_of(models)
    for row in Cost:
        for column in Cost:
            expected = scipy.stats.pearsonr(
                [known(model)[row] for model in models], [known(model)[column] for model in models]
            ).statistic
            coefficient, number = cell(matrix, row, column)
            assert coefficient == pytest.approx(expected)
            assert number == 6
            assert cell(matrix, row, column) == cell(matrix, column, row)
        assert cell(matrix, row, row) == (1, 6)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_fewer_than_three_models_correlate_with_nothing(number: int) -> None:
    matrix = correlation_of(some_models([1000, 2000, 3000][:number]))
    assert {(it.coefficient, it.models) for row in matrix.rows for it in row} == {(None, number)}


def test_what_is_the_same_for_all_models_correlates_with_nothing() -> None:
    matrix = correlation_of(some_models([1000] * 4))
    assert cell(matrix, Cost.PARAMETERS, Cost.STEP_TIME) == (None, 4)
    assert cell(matrix, Cost.PARAMETERS, Cost.PARAMETERS) == (None, 4)
    assert cell(matrix, Cost.STEP_TIME, Cost.EPOCH_TIME)[0] is not None


def test_a_difference_that_is_only_rounding_is_none() -> None:
    models = some_models([1000, 2000, 3000])
    alike = [
        replace(model, times=replace(model.times, step_s_p50=value))
        for model, value in zip(models, (0.3, 0.1 + 0.2, 0.3), strict=True)
    ]
    assert cell(correlation_of(alike), Cost.STEP_TIME, Cost.PARAMETERS) == (None, 3)


def test_what_is_not_known_of_a_model_leaves_it_out_of_those_cells_only() -> None:
    models = some_models([1000, 2000, 4000, 9000])
    models[1] = replace(models[1], parameters=None)
    matrix = correlation_of(models)
    assert cell(matrix, Cost.PARAMETERS, Cost.STEP_TIME)[1] == 3
    assert cell(matrix, Cost.EPOCH_TIME, Cost.STEP_TIME)[1] == 4


def test_an_unfinished_job_has_a_time_per_step_but_no_total_time() -> None:
    matrix = correlation_of(some_models([0] * 4, state=State.RUNNING))
    assert cell(matrix, Cost.STEP_TIME, Cost.EPOCH_TIME)[1] == 4
    assert cell(matrix, Cost.TRAINING_TIME, Cost.STEP_TIME) == (None, 0)


@given(st.lists(st.integers(0, 10**18), min_size=3, max_size=12))
def test_a_coefficient_is_none_or_within_its_range(parameters: list[int]) -> None:
    for row in correlation_of(some_models(parameters)).rows:
        for found in row:
            assert found.coefficient is None or -1 <= found.coefficient <= 1
