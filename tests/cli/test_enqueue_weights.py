"""`enqueue` and weights: what a file is instead, all of it at once, and ImageNet weights that are to be kept."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from qcqueue.cli.main import run
from qcqueue.core.outcomes import Cause
from tests.cli.queues import STUDY, House, fail, put, take
from tests.cli.queues import a_job as queued

WHOLE = save({"kernel": np.ones((3, 2), np.float32)})


def a_job(name: str, weights: str) -> str:
    return f'[[job]]\nmodel = "VGG16"\nname = "{name}"\nweights = "{weights}"\n'


def blobs(house: House) -> list[Path]:
    return sorted((house.store / "blobs").iterdir())


def test_every_weights_file_that_is_none_is_named_at_once_and_nothing_changes(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("empty.h5", b"")
    empty_house.write("page.h5", "<!doctype html><title>Sign in</title>")
    empty_house.write("cut.h5", b"\x89HDF\r\n\x1a\n")
    empty_house.write("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\n")
    empty_house.write("whole.safetensors", WHOLE)
    (empty_house.folder / "saved.h5").mkdir()
    names = ("empty.h5", "page.h5", "cut.h5", "lfs.safetensors", "whole.safetensors", "saved.h5", "gone.h5")
    jobs = [a_job(name.partition(".")[0], name) for name in names]
    empty_house.write("one.toml", STUDY + "".join(jobs[:4]))
    empty_house.write("two.toml", STUDY.replace('"tiny"', '"other"') + "".join(jobs[4:]))
    before = empty_house.fingerprint()
    assert run(["enqueue", "one.toml", "two.toml"]) == 2
    said = capfd.readouterr().err
    for line in (
        "tiny/empty: the weights file empty.h5 is empty",
        'tiny/page: the weights file page.h5 is a web page ("Sign in")',
        "tiny/cut: the weights file cut.h5 is HDF5 that was cut short: it has 8 bytes",
        "tiny/lfs: the weights file lfs.safetensors is a Git LFS pointer",
        "other/saved: the weights file saved.h5 is a folder",
        "other/gone: the weights file gone.h5 does not exist",
    ):
        assert line in said
    assert "whole.safetensors" not in said
    assert empty_house.fingerprint() == before


def test_a_fault_of_another_study_and_of_the_data_is_told_with_those_of_weights(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("page.h5", "<html>")
    empty_house.write("one.toml", STUDY.replace("dataset = ", "dataset = 'elsewhere' # ") + a_job("one", "page.h5"))
    empty_house.write("two.toml", STUDY + '[[job]]\nmodel = "VGG61"\n')
    assert run(["enqueue", "one.toml", "two.toml"]) == 2
    said = capfd.readouterr().err
    for words in ("page.h5 is a web page", "there is no dataset 'elsewhere'", "two.toml:"):
        assert words in said


def test_a_weights_file_is_remembered_by_its_name(empty_house: House) -> None:
    empty_house.write("my best.safetensors", WHOLE)
    empty_house.write("study.toml", STUDY + a_job("one", "my best.safetensors"))
    assert run(["enqueue", "study.toml"]) == 0
    with empty_house.queue.read() as tx:
        titles = tx.exec_driver_sql("SELECT title FROM blobs WHERE kind = 'weights'").scalars().all()
    assert titles == ["my best.safetensors"]


def test_keeping_weights_can_be_asked_for_at_once_and_later(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("study.toml", STUDY + a_job("one", "imagenet") + a_job("two", "none"))
    before = empty_house.fingerprint()
    assert run(["enqueue", "study.toml", "--keep-weights", "--dry-run"]) == 0
    assert empty_house.fingerprint() == before
    assert run(["enqueue", "study.toml"]) == 0
    capfd.readouterr()
    assert run(["enqueue", "study.toml", "--keep-weights"]) == 0
    said = capfd.readouterr().out
    assert "already there  tiny/one, with its ImageNet weights kept in the store from now on\n" in said
    assert "already there  tiny/two\n" in said
    assert run(["log", "one"]) == 0
    assert "its ImageNet weights are to be kept in the store" in capfd.readouterr().out
    assert run(["enqueue", "study.toml", "--keep-weights", "--json", "--set", "study=again"]) == 0
    assert json.loads(capfd.readouterr().out)["keeping"] == ["again/one"]


def test_keeping_weights_where_no_job_begins_with_any_is_said(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("study.toml", STUDY + a_job("two", "none"))
    assert run(["enqueue", "study.toml", "--keep-weights"]) == 0
    assert "no weights to keep: none of these jobs begins with ImageNet weights" in capfd.readouterr().err


@pytest.mark.parametrize("wrong", ["epochs = 0", "learning_rate = -1", "batchsize = 4", 'image_size = "big"'])
def test_a_fault_of_a_setting_is_told_with_those_of_weights_of_the_same_study(
    empty_house: House, capfd: pytest.CaptureFixture[str], wrong: str
) -> None:
    empty_house.write("empty.h5", b"")
    empty_house.write("one.toml", STUDY + a_job("one", "empty.h5") + f"{wrong}\n")
    assert run(["enqueue", "one.toml"]) == 2
    said = capfd.readouterr().err
    assert "tiny/one: the weights file empty.h5 is empty" in said
    assert wrong.partition(" ")[0] in said


# retry --weights


ANOTHER = save({"kernel": np.zeros((3, 2), np.float32)})


def jobs_of(house: House, capfd: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capfd.readouterr()
    shown = {}
    assert run(["status", "--json"]) == 0
    for job in json.loads(capfd.readouterr().out)["jobs"]:
        assert run(["show", job["name"], "--json"]) == 0
        shown[job["name"]] = json.loads(capfd.readouterr().out)
    return shown


def test_a_job_that_failed_for_its_weights_file_goes_on_with_another_in_its_place(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("wrong.safetensors", WHOLE)
    empty_house.write("right.safetensors", ANOTHER)
    empty_house.write("study.toml", STUDY + a_job("one", "wrong.safetensors") + a_job("two", "none"))
    assert run(["enqueue", "study.toml"]) == 0
    wrong = hashlib.sha256(WHOLE).hexdigest()
    assert wrong in str(blobs(empty_house))
    fail(empty_house.queue, take(empty_house.queue, "tiny/one"), Cause.WEIGHTS_UNAVAILABLE, "does not fit VGG16")
    assert run(["why", "one"]) == 0
    assert "next: qcqueue retry tiny/one --weights FILE" in capfd.readouterr().out

    before = empty_house.fingerprint()
    assert run(["retry", "one", "--weights", "right.safetensors", "--dry-run"]) == 0
    assert empty_house.fingerprint() == before
    assert run(["retry", "one", "--weights", "right.safetensors"]) == 0
    assert "tiny/one is queued now, to begin with right.safetensors\nnext: qcqueue work\n" in capfd.readouterr().out
    jobs = jobs_of(empty_house, capfd)
    assert list(jobs) == ["tiny/one", "tiny/two"]
    assert (jobs["tiny/one"]["state"], jobs["tiny/one"]["failure"]) == ("queued", None)
    assert jobs["tiny/one"]["spec"]["weights_sha256"] == hashlib.sha256(ANOTHER).hexdigest()
    assert wrong not in str(blobs(empty_house))
    assert take(empty_house.queue, "tiny/one").attempt == 2


def test_a_file_that_a_failed_job_has_already_is_retried_as_it_is(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("mine.safetensors", WHOLE)
    empty_house.write("study.toml", STUDY + a_job("one", "mine.safetensors"))
    assert run(["enqueue", "study.toml"]) == 0
    fail(empty_house.queue, take(empty_house.queue, "tiny/one"), Cause.CODE_ERROR, "an accident")
    assert run(["retry", "one", "--weights", "mine.safetensors"]) == 0
    job = jobs_of(empty_house, capfd)["tiny/one"]
    assert (job["state"], job["attempts"]) == ("queued", 1)


def test_all_jobs_of_a_study_that_can_begin_with_a_weights_file(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    """Those that wait, are held, cancelled or failed before anything was saved, and no other."""
    house.write("mine.safetensors", WHOLE)
    before = jobs_of(house, capfd)
    assert run(["retry", "tiny/", "--weights", "mine.safetensors"]) == 0
    after = jobs_of(house, capfd)
    assert list(after) == list(before)
    changed = {name for name in after if after[name]["spec"] != before[name]["spec"]}
    assert changed == {"tiny/queued", "tiny/held", "tiny/cancelled", "tiny/failed"}
    assert {after[name]["state"] for name in changed} == {"queued"}


@pytest.mark.parametrize(
    ("typed", "said", "hint"),
    [
        ("retry done --weights mine.safetensors", "tiny/done has begun", "qcqueue why tiny/done"),
        ("retry running --weights mine.safetensors", "tiny/running has begun", "qcqueue why tiny/running"),
        ("retry failed --weights page.h5", 'page.h5 is a web page ("Sign in")', "qcqueue retry failed --weights"),
        ("retry failed --weights gone.h5", "gone.h5 does not exist", "qcqueue retry failed --weights"),
        ("retry toy --weights mine.safetensors", "tiny/toy is a Toy, which begins with no", "qcqueue why tiny/toy"),
    ],
)
def test_what_cannot_begin_with_a_file_is_refused_and_nothing_changes(
    typed: str, said: str, hint: str, house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    put(house.queue, queued("toy", model="Toy"))
    house.write("mine.safetensors", WHOLE)
    house.write("page.h5", "<!doctype html><title>Sign in</title>")
    before = house.fingerprint()
    assert run(typed.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert f"next: {hint}" in err
    assert house.fingerprint() == before
