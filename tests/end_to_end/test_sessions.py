"""How a session ends: at a limit, by Ctrl-C, by a signal, by the plug, by a failure, by another hand."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from qcqueue.engines.toy import VARIABLE
from tests.end_to_end.machines import (
    STUDY,
    TOY,
    TOY_JOB,
    a_house,
    at_work,
    children,
    command,
    environment_of,
    is_alive,
    job,
    outcomes,
    wait_until,
    wait_until_training,
    working,
)

pytestmark = pytest.mark.racing

SOON_S = 30  # a lease ends after 120
STEPS = 160


def test_a_job_survives_a_limit_a_sigterm_and_ctrl_c_without_losing_a_step(tmp_path: Path) -> None:
    # One image a step, so that an epoch is long enough to be in the middle of it.
    house = a_house(tmp_path / "house", STUDY.replace("batch_size = 8", "batch_size = 1") + TOY, images=STEPS)
    at_once = environment_of(house) | {VARIABLE: ""}

    limited = command(house, "work", "--max-epochs", "1", environment=at_once)
    assert limited.returncode == 20
    assert job(house, TOY_JOB)["epochs_done"] == 1
    assert "next: qcqueue work" in limited.stdout

    with working(house) as session:
        wait_until_training(house, epoch=2, step=1)
        session.terminate()
        assert session.ended() == 20
    terminated = job(house, TOY_JOB)
    assert terminated["state"] == "queued"
    saved = newest(terminated)
    assert (1, 0) < saved < (2, STEPS)

    with working(house) as session:
        wait_until_training(house, epoch=saved[0] + 1, step=saved[1] + 1)
        session.interrupt()
        assert session.ended() == 130
        assert f"goes on after epoch {saved[0]}{f' and {saved[1]} steps' if saved[1] else ''}" in session.said
        assert "saving and leaving" in session.said
    assert newest(job(house, TOY_JOB)) > saved

    assert command(house, "work", environment=at_once).returncode == 0
    finished = job(house, TOY_JOB)
    assert finished["state"] == "done"
    assert [epoch["epoch"] for epoch in finished["epochs"]] == [1, 2, 3]
    assert finished["interruptions"] == 0
    assert outcomes(house, TOY_JOB) == ["stopped", "stopped", "stopped", "finished"]

    idle = command(house, "work")
    assert idle.returncode == 7
    assert "nothing to do" in idle.stdout


def test_a_job_that_refuses_another_lineage_waits_for_a_machine_like_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = a_house(tmp_path / "house", STUDY + 'lineage = "refuse"\n' + TOY)
    assert command(house, "work", "--max-epochs", "1").returncode == 20

    with monkeypatch.context() as patch:
        patch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")  # other kernels, and so other bits
        elsewhere = command(house, "work")
    assert elsewhere.returncode == 8
    assert "no job can start here: small/toy waits for a machine like the one before, by lineage" in elsewhere.stdout
    assert 'its spec says lineage = "refuse", and this machine has ' in command(house, "why", "toy").stdout
    waiting = job(house, TOY_JOB)
    assert (waiting["state"], waiting["epochs_done"], waiting["interruptions"]) == ("queued", 1, 0)
    answer = command(house, "why", "toy").stdout
    assert "waits for a session on a machine exactly like that of before" in answer
    assert "this machine has instruction set" in answer
    assert 'with lineage = "any"' in answer
    assert "small/toy goes on only on a machine exactly like that of before" in command(house, "status").stdout

    assert command(house, "work").returncode == 0
    assert outcomes(house, TOY_JOB) == ["stopped", "stopped", "finished"]
    assert {checkpoint["lineage"] for checkpoint in job(house, TOY_JOB)["checkpoints"]} == {1}


def newest(shown: dict[str, Any]) -> tuple[int, int]:
    """Return the epochs, and the steps of the next one, that the newest checkpoint of a job holds."""
    return shown["checkpoints"][-1]["epochs_done"], shown["checkpoints"][-1]["steps_done"]


def test_a_job_whose_loss_is_no_number_fails_for_good_and_why_gives_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = a_house(tmp_path / "house", STUDY + TOY)
    monkeypatch.setenv(VARIABLE, "nan=1")

    assert command(house, "work").returncode == 3
    failed = job(house, TOY_JOB)
    assert failed["state"] == "failed"
    assert failed["failure"]["cause"] == "not_finite"
    assert failed["interruptions"] == 0
    answer = command(house, "why", "toy")
    assert "small/toy failed, not finite: the loss became nan in epoch 1, step 1" in answer.stdout
    assert "smaller learning_rate" in answer.stdout
    assert command(house, "work").returncode == 7


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the trainer through /proc")
def test_a_trainer_does_not_outlive_its_session(tmp_path: Path) -> None:
    house = a_house(tmp_path / "house", STUDY.replace("epochs = 3", "epochs = 300") + TOY)
    with working(house, name="victim") as session:
        wait_until(lambda: any(progress.phase in ("building", "training") for progress in at_work(house)))
        trainers = children(session.process.pid)
        assert len(trainers) == 1
        os.kill(session.process.pid, signal.SIGKILL)
        assert session.ended() == -signal.SIGKILL
        wait_until(lambda: not any(map(is_alive, trainers)), limit_s=SOON_S)
    # The same machine can prove that the session is gone, so nobody waits for its lease.
    with working(house) as session:
        wait_until(lambda: "attempt 2" in session.said, limit_s=SOON_S)
        assert job(house, TOY_JOB)["interruptions"] == 1
        session.terminate()
        assert session.ended() == 20
    assert outcomes(house, TOY_JOB) == ["interrupted", "stopped"]


def test_two_sessions_take_two_jobs_and_a_third_is_told_who_holds_them(tmp_path: Path) -> None:
    study = STUDY.replace("epochs = 3", "epochs = 300")  # none is done before it is asked to leave
    house = a_house(tmp_path / "house", study + TOY + TOY + 'name = "again"\n')
    with ExitStack() as sessions:
        both = [sessions.enter_context(working(house, name=name)) for name in ("first", "second")]
        wait_until(lambda: all("attempt 1" in session.said for session in both))
        held = {name: job(house, name)["session"] for name in ("small/toy", "small/again")}
        assert len(set(held.values())) == 2

        third = command(house, "work")
        assert third.returncode == 7
        for name, session_id in held.items():
            assert f"{name} is held by session {session_id}" in third.stdout

        for session in both:
            session.terminate()
        assert [session.ended() for session in both] == [20, 20]
    assert [outcomes(house, name) for name in held] == [["stopped"], ["stopped"]]


def test_a_session_leaves_a_job_that_is_held_and_a_release_goes_on_with_it(tmp_path: Path) -> None:
    house = a_house(tmp_path / "house", STUDY.replace("epochs = 3", "epochs = 300") + TOY)
    with working(house) as session:
        wait_until(lambda: "epoch 1 of 300 is saved" in session.said)
        assert command(house, "hold", "toy").returncode == 0
        assert session.ended() == 20
        assert "attempt 1 of small/toy has ended: held by" in session.said
        assert "left, because its job was held or cancelled by a person" in session.said
    held = job(house, TOY_JOB)
    assert held["state"] == "held"
    assert held["epochs_done"] >= 1
    assert command(house, "work").returncode == 7

    assert command(house, "release", "toy").returncode == 0
    with working(house) as session:
        wait_until(lambda: f"attempt 2: goes on after epoch {held['epochs_done']}" in session.said)
        session.terminate()
        assert session.ended() == 20
    assert outcomes(house, TOY_JOB) == ["stopped", "stopped"]
    assert len(job(house, TOY_JOB)["epochs"]) == held["epochs_done"]
