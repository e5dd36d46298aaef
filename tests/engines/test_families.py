"""Exact resume of one model of each family that Keras has, each life in a process of its own."""

from pathlib import Path

import pytest

from tests.engines.families import in_a_process, smallest_of_each

pytestmark = [pytest.mark.tensorflow(in_a_child=True), pytest.mark.long]


@pytest.mark.parametrize("model", smallest_of_each().values())
def test_a_model_of_each_family_goes_on_within_an_epoch_to_the_same_bits(model: str, tmp_path: Path) -> None:
    whole = in_a_process(model, tmp_path)
    assert whole["rehearsed"] == [""]
    assert in_a_process(model, tmp_path)["end"] == whole["end"]
