"""The worker notebook on Kaggle, executed: its secret signs in every session and is shown nowhere."""

import json
import os

import pytest

from tests.end_to_end.machines import wait_until
from tests.notebook.conftest import Desk
from tests.notebook.kernels import Kaggle, opened
from tests.support.drive.accounts import CANARY

pytestmark = pytest.mark.racing

TWO = '[[job]]\nmodel = "Toy"\nepochs = 1\n[[job]]\nname = "second"\nmodel = "Toy"\nepochs = 1\nseed = 2\n'
LONG = '[[job]]\nmodel = "Toy"\nepochs = 200\n[[job]]\nname = "second"\nmodel = "Toy"\nepochs = 200\nseed = 2\n'


@pytest.fixture
def kaggle(desk: Desk) -> Kaggle:
    """A machine of Kaggle with two GPUs, whose secrets hold a sign-in of its own."""
    return Kaggle(desk.folder / "kaggle", {"QCQUEUE_TOKEN": desk.new_token("kaggle")}, gpus=2)


def test_with_the_secret_each_gpu_works_on_drive_and_nothing_of_it_is_shown(desk: Desk, kaggle: Kaggle) -> None:
    desk.enqueue(TWO)
    with opened(kaggle, kaggle.notebook(desk.url, from_index=True)) as cell:
        shown = cell.ended()
    assert desk.states() == ["done", "done"]
    assert "gpu 0: the session finished its jobs; everything is saved" in shown
    assert "gpu 1: the session finished its jobs; everything is saved" in shown
    assert CANARY not in json.dumps(cell.outputs)
    (block,) = cell.outputs
    assert len(json.dumps(block)) < 8000


@pytest.mark.long
def test_an_interrupt_of_the_cell_saves_on_every_gpu(desk: Desk, kaggle: Kaggle) -> None:
    desk.enqueue(LONG)
    with opened(kaggle, kaggle.notebook(desk.url, from_index=True)) as cell:
        wait_until(lambda: all(desk.job(f"small/{name}")[1] for name in ("toy", "second")))
        cell.interrupt()
        shown = cell.ended()
    assert "gpu 1: the session was interrupted; everything is saved" in shown, cell.was_shown
    assert [desk.job(f"small/{name}")[2] for name in ("toy", "second")] == [["stopped"], ["stopped"]]


def test_without_the_secret_it_says_where_kaggle_keeps_one(desk: Desk, kaggle: Kaggle) -> None:
    kaggle.secrets.clear()
    with opened(kaggle, kaggle.notebook(desk.url, from_index=True)) as cell:
        shown = cell.ended()
    assert "Kaggle's secret QCQUEUE_TOKEN (Add-ons > Secrets" in shown
    assert "key at the left" not in shown
    assert "Traceback" not in shown


def test_with_nothing_to_do_it_ends_at_once(desk: Desk, kaggle: Kaggle) -> None:
    kaggle = Kaggle(desk.folder / "bare", kaggle.secrets)
    with opened(kaggle, kaggle.notebook(desk.url, from_index=True)) as cell:
        shown = cell.ended()
    assert "there is nothing to do for this machine" in shown
    assert "stop this session" in shown
    assert os.fspath(kaggle.folder) not in shown
