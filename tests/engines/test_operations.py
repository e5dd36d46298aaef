"""How many operations a step has: each is launched for itself, and that is what a small step's time goes to."""

import pytest

from tests.engines.test_program import a_program

pytestmark = [pytest.mark.tensorflow, pytest.mark.long]

FUSED_MOST = 0.6


def test_a_fused_step_of_mobilenet_has_far_fewer_operations() -> None:
    graph, fused = (a_program(model="MobileNetV2", step=step)[0].operations() for step in ("graph", "fused"))
    assert fused.total() / graph.total() <= FUSED_MOST, (fused.total(), graph.total())
    assert fused["ResourceApplyAdam"] > 100
    assert not graph["ResourceApplyAdam"]
