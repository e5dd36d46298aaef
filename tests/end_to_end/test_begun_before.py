"""A run that the released version 0.5.1 has begun goes on under today's: same digests, same lineage, its own losses."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, VGG16, command, job
from tests.end_to_end.released import Before

pytestmark = [pytest.mark.tensorflow, pytest.mark.long]

JOBS = STUDY.replace("image_size = [32, 32]", "image_size = [75, 75]") + 'lineage = "refuse"\n' + VGG16
"""Refusing another lineage: a difference between the versions would leave the job where it is."""


def a_queue_of_before(before: Before, folder: Path) -> House:
    house = House(folder=folder)
    house.write("study.toml", JOBS)
    house.write("qcqueue.toml", 'store = "folder:queue"\ncache = "cache"\n')
    for line in ("init", "data sample --images 60 --name noise", "enqueue study.toml"):
        before.types(house, line)
    return house


def what_came_out(house: House) -> dict[str, Any]:
    result = job(house)["result"]
    digests = {key: value for key, value in result.items() if key.endswith("sha256")}
    return digests | {key: result[key] for key in ("validation", "test", "best")}


def test_a_run_in_mid_course_goes_on_with_the_bits_of_before(tmp_path: Path, before: Before) -> None:
    undisturbed = a_queue_of_before(before, tmp_path / "undisturbed")
    before.types(undisturbed, "work")

    house = a_queue_of_before(before, tmp_path / "house")
    before.types(house, "work --max-epochs 1", code=20)
    went_on = command(house, "work")
    assert went_on.returncode == 0, went_on.stderr
    finished = job(house)
    assert [epoch["attempt"] for epoch in finished["epochs"]] == [1, 2, 2]
    assert {epoch["lineage"] for epoch in finished["epochs"]} == {1}
    assert finished["result"]["loss_rule"] == "clipped"
    assert what_came_out(house) == what_came_out(undisturbed)
