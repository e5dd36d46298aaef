"""Figures and bits are those of plain Keras; `scripts/bench parity` asks the same of all seven models.

With `--long` VGG16 and MobileNetV2 are asked too; a small base, in place of VGG16's, has batch statistics as well.
"""

from typing import Any

import pytest

from tests.engines.parity import OFF_MOST, SURE, in_a_process


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("VGG16", {"is_small": True}),
        pytest.param("VGG16", {}, marks=pytest.mark.long),
        pytest.param("MobileNetV2", {}, marks=pytest.mark.long),
    ],
    ids=["a small base", "VGG16", "MobileNetV2"],
)
def test_a_run_has_the_bits_and_the_losses_of_plain_fit_and_evaluate(model: str, how: dict[str, Any]) -> None:
    found = in_a_process(model, **how)
    assert found["tensors"] > (20 if how else 80)
    assert found["differing"] == 0
    assert found["accuracies"]
    assert {name: off for name, off in found.items() if name.endswith("off") and off > OFF_MOST} == {}
    assert found["heads"]["1"] < SURE < found["heads"]["1000"], "a head that is never sure tests nothing"
    assert max(found["steep"]) > SURE, "a run that is never sure tests nothing"
    ours, theirs = found["best"]
    assert ours == theirs
