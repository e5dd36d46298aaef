"""The worker notebook, executed: each test opens it in a kernel of its own and reads what a person would read."""

import json

import pytest

from tests.end_to_end.machines import wait_until
from tests.notebook.conftest import Desk
from tests.notebook.kernels import Colab, running
from tests.support.drive.accounts import CANARY

pytestmark = pytest.mark.racing

TWO = '[[job]]\nmodel = "Toy"\nepochs = 1\n[[job]]\nname = "second"\nmodel = "Toy"\nepochs = 1\nseed = 2\n'
LONG = '[[job]]\nmodel = "Toy"\nepochs = 12\n'
MB = 1_000_000
GPU_ONLY = '[[job]]\nmodel = "Toy"\ndevice = "gpu"\n'


def test_a_first_run_trains_job_after_job_in_one_block_of_output_and_gives_the_machine_back(
    desk: Desk, colab: Colab
) -> None:
    desk.enqueue(TWO)
    with running(colab, desk.url) as cell:
        cell.wait_for("at risk")
        shown = cell.ended()
    assert desk.states() == ["done", "done"]
    assert "the session finished its jobs; everything is saved" in shown
    assert "no job waits" in shown
    assert colab.was_released
    assert CANARY not in json.dumps(cell.outputs)
    (block,) = cell.outputs
    assert set(block["data"]) == {"text/html", "text/plain"}
    assert len(json.dumps(block)) < 8000


def test_a_killed_kernel_loses_no_saved_epoch(desk: Desk, colab: Colab) -> None:
    desk.enqueue(LONG)
    with running(colab, desk.url) as cell:
        wait_until(desk.has_saved)
        cell.kill()
    with running(colab, desk.url, release=False) as cell:
        cell.wait_for("attempt 2, goes on after epoch")
        cell.ended()
    assert desk.job() == ("done", 12, ["interrupted", "finished"])
    assert not colab.was_released


def test_an_interrupt_saves_everything_and_keeps_the_machine_for_the_next_run_of_the_cell(
    desk: Desk, colab: Colab
) -> None:
    desk.enqueue(LONG)
    with running(colab, desk.url, desk.url) as cell:
        wait_until(desk.has_saved)
        cell.interrupt()
        cell.wait_for("the session was interrupted; everything is saved")
        assert "run this cell again" in cell.shown
        cell.wait_for("attempt 2, goes on after epoch")
        assert desk.job()[1] >= 1
        assert not colab.was_released
        cell.ended()
    assert desk.job() == ("done", 12, ["stopped", "finished"])
    assert colab.was_released


def test_without_the_gpu_a_job_wants_it_says_where_to_choose_one_and_gives_the_machine_back(
    desk: Desk, colab: Colab
) -> None:
    desk.enqueue(GPU_ONLY)
    with running(colab, desk.url) as cell:
        shown = cell.ended()
    assert 'small/toy cannot run here: its spec says device = "gpu"' in shown
    assert "Runtime > Change runtime type" in shown
    assert colab.was_released
    assert desk.job() == ("queued", 0, [])


def test_an_error_is_two_lines_and_without_a_secret_a_code_on_the_screen_signs_in(desk: Desk, colab: Colab) -> None:
    colab.secrets.clear()
    with running(colab, "nonsense:elsewhere", desk.url, client=desk.new_client(), release=False) as cell:
        cell.wait_for(" and type ")
        assert "the store 'nonsense:elsewhere'" in cell.shown
        assert "next: qcqueue init" in cell.shown
        desk.emulator.signing_in.approve(cell.was_shown.split(" and type ")[1].split()[0], desk.ada)
        shown = cell.ended()
    assert "Traceback" not in shown
    assert "Google Drive of ada@example.com" in shown
    assert "there is nothing to do for this machine" in shown
    assert "the queue is empty" in shown
    assert not colab.was_released
    assert CANARY not in json.dumps(cell.outputs)


def test_while_drive_is_full_training_goes_on_and_nothing_is_lost(desk: Desk, colab: Colab) -> None:
    desk.enqueue(LONG)
    with running(colab, desk.url) as cell:
        wait_until(desk.has_saved)
        desk.account.leave_free(0)
        cell.wait_for("saving waits")
        cell.wait_for("final evaluation")
        cell.wait_for("Drive is full")
        cell.wait_for("not yet confirmed on Drive")
        desk.account.leave_free(1000 * MB)
        cell.ended()
    assert desk.job() == ("done", 12, ["finished"])
    assert colab.was_released
