"""Which rule a run follows is written down with it, and a run that has begun keeps its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcqueue.core.evaluation import Result
from qcqueue.core.records import LossRule, Snapshot
from qcqueue.datasets.format import Split
from qcqueue.engines.metrics import Predictions, mean_loss
from tests.engines.worlds import Memory, a_dataset, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]

STEEP = {"learning_rate": 5.0, "dropout": 0.0}
"""A model that is soon sure of itself, and wrong about some of the images."""


def trained(dataset_path: Path, resume_from: Snapshot | None = None) -> tuple[Memory, Result]:
    memory = run(an_assignment(dataset_path, spec=a_spec(**STEEP), resume_from=resume_from), Memory())
    assert memory.result is not None
    return memory, memory.result


@pytest.fixture(scope="module")
def new_run(dataset_path: Path) -> tuple[Memory, Result]:
    return trained(dataset_path)


def stored(memory: Memory, name: str) -> Predictions:
    return Predictions(softmax=memory.predictions[name], logits=memory.predictions[f"{name}/logits"])


def test_a_new_run_follows_the_logits_and_says_so(new_run: tuple[Memory, Result]) -> None:
    memory, result = new_run
    assert result.loss_rule == memory.records[-1].loss_rule == "logits"
    losses = [row.val_loss for row in memory.records[-1].history]
    assert max(losses) > 16.12, "a run that is never sure tests nothing"
    assert result.last.validation.loss == losses[-1]


def test_every_loss_can_be_computed_again_from_what_is_stored(new_run: tuple[Memory, Result]) -> None:
    memory, result = new_run
    dataset = a_dataset()
    for weights, appraisal in (("last", result.last), ("best", result.best)):
        for split in (Split.VALIDATION, Split.TEST):
            name = split.name.lower()
            labels = dataset.part(split)[1]
            said = stored(memory, f"{weights}/{name}")
            assert said.logits.dtype == np.float32
            assert mean_loss(said, labels, "logits") == getattr(appraisal, name).loss


@pytest.mark.parametrize("rule", ["clipped", "logits"])
def test_a_run_that_has_begun_keeps_its_rule_to_its_last_figure(
    rule: LossRule, dataset_path: Path, new_run: tuple[Memory, Result]
) -> None:
    begun, _ = new_run
    start = begun.snapshots[0]
    memory, result = trained(dataset_path, replace(start, record=replace(start.record, loss_rule=rule)))
    labels = a_dataset().part(Split.VALIDATION)[1]
    assert {record.loss_rule for record in memory.records} == {rule}
    assert result.loss_rule == rule
    assert result.last.validation.loss == mean_loss(stored(memory, "last/validation"), labels, rule)
    assert result.last.weights_sha256 == begun.result.last.weights_sha256 if begun.result else False
    assert "loss_rule" in result.to_json() or rule == "clipped"
