"""`enqueue` takes every model of Keras, and says of which images are too small for one."""

import json

import pytest

from qcqueue.catalog.models import MODELS
from qcqueue.cli.main import run
from tests.cli.queues import SIDE_PX, STUDY, House

ALL = STUDY + "".join(f'[[job]]\nmodel = "{model}"\n' for model in MODELS)


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_every_model_is_enqueued(empty_house: House, capfd: pytest.CaptureFixture[str], weights: str) -> None:
    empty_house.write("all.toml", ALL)
    assert run(["enqueue", "all.toml", "--set", f"weights={weights}"]) == 0
    capfd.readouterr()
    assert run(["status", "--json"]) == 0
    jobs = json.loads(capfd.readouterr().out)["jobs"]
    assert [job["model"] for job in jobs] == list(MODELS)
    assert {job["state"] for job in jobs} == {"queued"}


def test_an_image_too_small_for_some_is_told_of_each_of_them(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("all.toml", ALL)
    assert run(["enqueue", "all.toml", "--set", f"image_size={SIDE_PX - 1}"]) == 2
    said = capfd.readouterr().err
    for model, facts in MODELS.items():
        assert (f"allowed for {model} is at least" in said) is (facts.minimum_side_px == SIDE_PX)


def test_a_name_of_no_model_is_refused_with_the_nearest(empty_house: House, capfd: pytest.CaptureFixture[str]) -> None:
    empty_house.write("one.toml", STUDY + '[[job]]\nmodel = "efficientnet-b3"\n')
    assert run(["enqueue", "one.toml"]) == 2
    assert 'did you mean "EfficientNetB3"?' in capfd.readouterr().err
