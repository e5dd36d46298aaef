"""Worlds in which several people share a queue under rules of their own: nothing wrong happens, and all is done."""

import pytest

from tests.support.options import draw_lab
from tests.support.simulate import live

SEEDS = 6
SEEDS_OF_A_LONG_RUN = 150


@pytest.mark.parametrize("seed", range(SEEDS))
def test_in_a_lab_nobody_has_too_many_running_and_every_job_is_done(seed: int) -> None:
    report = live(seed, draw=draw_lab)
    assert report.checked["no_owner_has_too_many_running"]


@pytest.mark.long
def test_nor_in_many_labs() -> None:
    for seed in range(SEEDS, SEEDS_OF_A_LONG_RUN):
        live(seed, draw=draw_lab)
