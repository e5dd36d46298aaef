"""Real sessions choose a step where a run begins, go on with it and share what they measured: a long job, cut short."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, a_house, at_work, command, environment_of, job, wait_until, working

pytestmark = [pytest.mark.long, pytest.mark.tensorflow]

# So many epochs that a minute of measuring is worth it; one of them is trained.
LONG = STUDY.replace("epochs = 3", "epochs = 100000")
TWO = LONG + '[[job]]\nmodel = "VGG16"\n[[job]]\nmodel = "VGG16"\nname = "other"\nseed = 2\n'
AT_A_LIMIT = 20


def trials_of(house: House) -> set[int]:
    """Return the processes on this machine that try a step for a job of this house."""
    found = set[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_trial = b"qcqueue.engines.keras_tf.trial" in (folder / "cmdline").read_bytes()
            if is_trial and (folder / "cwd").resolve().is_relative_to(house.folder):
                found.add(int(folder.name))
    return found


def measuring_trainers(house: House) -> bool:
    return any(progress.phase == "measuring" for progress in at_work(house))


def test_a_run_measures_once_goes_on_with_its_step_and_shares_it(tmp_path: Path) -> None:
    house = a_house(tmp_path, TWO)
    assert command(house, "work", "--max-epochs", "1", limit_s=240).returncode == AT_A_LIMIT
    first = job(house)
    step = first["step"]
    assert step["origin"] == "measured"
    assert {trial["candidate"] for trial in step["trials"]} == {"graph", "fused"}, "on a CPU"
    assert all(trial["step_s"] or trial["reason"] for trial in step["trials"])
    assert first["epochs"][0]["step"] == step["step"]

    assert command(house, "work", "--max-epochs", "1").returncode == AT_A_LIMIT
    resumed = job(house)
    assert [segment["step_choice"] is None for segment in resumed["segments"]] == [False, True]
    assert [epoch["lineage"] for epoch in resumed["epochs"]] == [1, 1]
    assert [epoch["step"] for epoch in resumed["epochs"]] == [step["step"]] * 2

    assert command(house, "move", "other", "first").returncode == 0
    assert command(house, "hold", "vgg16").returncode == 0
    assert command(house, "work", "--max-epochs", "1").returncode == AT_A_LIMIT
    other = job(house, "small/other")
    if any(trial["is_cut"] for trial in step["trials"]):  # a machine under load: what was cut is shared with nobody
        assert other["step"]["origin"] == "measured"
        return
    assert (other["step"]["origin"], other["step"]["step"]) == ("shared", step["step"])
    assert other["step"]["trials"] == step["trials"]
    said = command(house, "why", "other")
    assert f"its steps: step {step['step']}, as measured before on such a machine" in said.stdout


def test_a_measuring_that_was_cut_is_begun_again(tmp_path: Path) -> None:
    house = a_house(tmp_path, LONG + '[[job]]\nmodel = "VGG16"\n')
    with working(house, "--max-epochs", "1", name="cut") as session:
        wait_until(lambda: bool(trials_of(house)))
        os.killpg(session.process.pid, signal.SIGKILL)
        wait_until(lambda: not trials_of(house), limit_s=5)
    assert command(house, "work", "--max-epochs", "1", limit_s=240).returncode == AT_A_LIMIT
    assert [segment["step_choice"] is None for segment in job(house)["segments"]] == [True, False]


def test_whoever_presses_ctrl_c_while_it_measures_need_not_wait(tmp_path: Path) -> None:
    house = a_house(tmp_path, LONG + '[[job]]\nmodel = "VGG16"\n')
    with working(house) as session:
        wait_until(lambda: measuring_trainers(house))
        session.interrupt()
        assert session.ended() in (AT_A_LIMIT, 130)
    assert job(house)["step"] is None


@pytest.mark.parametrize("step", ["fused", "xla"])
def test_a_drill_is_equal_with_the_step_that_its_spec_says(step: str, tmp_path: Path) -> None:
    house = a_house(tmp_path, STUDY + f'[[job]]\nmodel = "VGG16"\nstep = "{step}"\n')
    done = command(house, "drill", "study.toml", "--kills", "3", "--seed", "3", "--json", limit_s=600)
    assert done.returncode == 0, done.stderr
    (certificate,) = json.loads(done.stdout)["certificates"]
    assert certificate["equal"]
    assert certificate["identity"]["step"] == step


XLA = STUDY + '[[job]]\nmodel = "VGG16"\nstep = "xla"\n'
FAST_MATH = {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}


def test_a_second_process_finds_what_the_first_has_compiled(tmp_path: Path) -> None:
    house = a_house(tmp_path, XLA)
    assert command(house, "work", "--max-epochs", "1", limit_s=240).returncode == AT_A_LIMIT
    kept = programs_of(house)
    assert kept
    assert command(house, "work", "--max-epochs", "1", limit_s=240).returncode == AT_A_LIMIT
    assert programs_of(house) == kept, "a program that was not found would be written again, by another name"
    assert [epoch["lineage"] for epoch in job(house)["epochs"]] == [1, 1]


@pytest.mark.parametrize("lineage", ["any", "refuse"])
def test_another_flag_of_the_compiler_opens_a_lineage_or_is_refused(lineage: str, tmp_path: Path) -> None:
    house = a_house(tmp_path, XLA + f'lineage = "{lineage}"\n')
    assert command(house, "work", "--max-epochs", "1", limit_s=240).returncode == AT_A_LIMIT
    flags = environment_of(house) | FAST_MATH
    again = command(house, "work", "--max-epochs", "1", environment=flags, limit_s=240)
    lineages = [epoch["lineage"] for epoch in job(house)["epochs"]]
    if lineage == "any":
        assert (again.returncode, lineages) == (AT_A_LIMIT, [1, 2])
    else:
        assert lineages == [1]
        assert "steps that end in other bits" in command(house, "why", "vgg16").stdout


def programs_of(house: House) -> dict[str, int]:
    """Return every compiled program on this machine, with the moment it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (house.cache / "programs").glob("*/*.pb")}
