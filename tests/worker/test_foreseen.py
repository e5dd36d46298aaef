"""What a session foresees when it takes a job: from this moment on, and of nothing that it only assumes."""

from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.core.goodput import Part
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from tests.cli.queues import House, a_job, an_empty_house, pretend_images, put
from tests.worker.machines import Machine, detail, trains


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


def foreseen(house: House, *, boot_s: float, train_images: int = 2200) -> list[ForecastLine]:
    pretend_images(house.queue, train_images)
    put(house.queue, a_job("a", epochs=50))
    session = Machine(house=house, name="m1").session(trains())
    session = Session(session.id, replace(session.deps, worlds=20, before={Part.BOOT: boot_s}), session.budget.limits)
    while session.job is None or not session.job.has_begun:
        assert session.step() is not None
    lines = session.job.committer.foreseen
    session.abandon()
    return lines


def test_what_of_its_start_lies_behind_a_session_is_not_counted_again(house: House, tmp_path: Path) -> None:
    (fresh,) = foreseen(house, boot_s=0.0)
    (late,) = foreseen(an_empty_house(tmp_path / "other"), boot_s=60.0)
    assert (fresh.likely_s - fresh.made_at_s) - (late.likely_s - late.made_at_s) == pytest.approx(60.0, abs=1.0)


def test_a_study_that_is_mostly_assumed_starts_is_not_foreseen(house: House) -> None:
    assert foreseen(house, boot_s=0.0, train_images=3) == []


def test_an_attempt_of_a_moment_writes_down_how_long_its_save_took_to_be_safe(house: House) -> None:
    put(house.queue, a_job("a", epochs=5))
    Machine(house=house, name="m1").works(trains(1), limits=Limits(max_epochs=1))
    assert "lag_s" in detail(house, "a").attempts[-1].pace
