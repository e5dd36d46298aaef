"""What every command answers when all is well: on the terminal, as JSON, twice, and in rehearsal."""

import contextlib
import inspect
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
from safetensors.numpy import save

from qcqueue.app.gc import ask_needs
from qcqueue.app.settings import load_settings
from qcqueue.cli import shared
from qcqueue.cli.main import application, run
from qcqueue.core.states import State
from qcqueue.core.study import parse_study
from qcqueue.drill.certificate import write_certificates
from qcqueue.queue.job_detail import job_detail
from tests.cli.queues import (
    DATASET,
    EPOCHS,
    JOB,
    STUDY,
    House,
    a_job,
    an_empty_house,
    apply,
    interrupt,
    leave,
    note_time,
    put,
    stop,
    take,
    train,
)
from tests.datasets.pictures import folder_of, three_classes
from tests.drill.test_certificate import a_certificate
from tests.reports.pages import draw_small

Answer = Callable[..., str]

WEIGHTS = save({"kernel": np.ones((3, 2), np.float32)})


@pytest.fixture
def answer(capfd: pytest.CaptureFixture[str]) -> Answer:
    """Run a command that must succeed and say nothing on stderr; return what it says on stdout."""

    def ask(*typed: str, code: int = 0) -> str:
        capfd.readouterr()
        found = run([word for words in typed for word in words.split()])
        out, err = capfd.readouterr()
        assert (found, err) == (code, "")
        return out

    return ask


def document(out: str) -> dict[str, Any]:
    """Return the one JSON object that is all of `out`."""
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["schema_version"] == 1
    return found


def states(house: House, answer: Answer) -> dict[str, str]:
    return {job["name"]: job["state"] for job in document(answer("status --json"))["jobs"]}


@pytest.mark.parametrize(
    "typed",
    [
        *("--store {url} status --json", "--store={url} status --json", "status --store {url} --json", "--store {url}"),
        *("--store {url} store usage --json", "store --store {url} usage", "store usage --store {url}"),
        *("--store folder:nowhere --store {url} log one", "--store folder:nowhere log one --store {url}"),
    ],
)
def test_the_store_stands_before_or_after_the_command(typed: str, house: House, answer: Answer, tmp_path: Path) -> None:
    """Where it is named twice, the last one counts."""
    another = an_empty_house(tmp_path / "another")
    put(another.queue, a_job("one", study="other"))
    url = f"folder:{another.store}"
    said = answer(typed.format(url=url))
    assert url in said or "other/one" in said or "enqueued" in said
    assert "tiny/" not in said


def test_what_comes_next_is_for_the_store_that_was_typed(
    empty_house: House, answer: Answer, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    another = an_empty_house(tmp_path / "an other")
    another_url = f"folder:{another.store}"
    empty_house.write("study.toml", STUDY + JOB)
    assert run(["enqueue", "study.toml", "--store", another_url]) == 0
    assert capfd.readouterr().out.endswith(f"next: qcqueue --store '{another_url}' work\n")
    assert run(["--store", another_url, "hold", "nobody"]) == 2
    assert capfd.readouterr().err.endswith(f"next: qcqueue --store '{another_url}' status\n")
    assert run(["--store", another_url, "move"]) == 2
    assert capfd.readouterr().err.endswith("next: qcqueue move -h\n")
    assert "next: qcqueue work\n" in answer("enqueue study.toml")


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("qcqueue", "qcqueue --store '{url}'"),
        ("next: qcqueue", "next: qcqueue --store '{url}'"),
        (
            "qcqueue status, then qcqueue why JOB",
            "qcqueue --store '{url}' status, then qcqueue --store '{url}' why JOB",
        ),
        ("pip install --upgrade qcqueue", "pip install --upgrade qcqueue"),
        ("upgrade qcqueue, then qcqueue work", "upgrade qcqueue, then qcqueue --store '{url}' work"),
        ("qcqueue init", "qcqueue init"),
        ("edit qcqueue.toml with what qcqueue says", "edit qcqueue.toml with what qcqueue says"),
    ],
)
def test_the_store_that_was_typed_stands_in_each_command_that_asks_for_a_queue(
    hint: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = r"folder:C:\1 and $HOME"
    monkeypatch.setattr(shared, "typed_store", [url])
    assert shared.for_the_same_queue(hint) == said.format(url=url)


@pytest.mark.parametrize(
    ("hint", "on_windows"),
    [
        ("qcqueue work", "qcqueue notebook"),
        ("next: qcqueue work", "next: qcqueue notebook"),
        ("qcqueue work, on a machine with a GPU", "qcqueue work, on a machine with a GPU"),
        ("qcqueue status", "qcqueue status"),
    ],
)
def test_on_windows_a_notebook_stands_for_a_session(
    hint: str, on_windows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shared.next_here(hint) == hint
    monkeypatch.setattr(sys, "platform", "win32")
    assert shared.next_here(hint) == on_windows


# init


def test_init_makes_a_queue_and_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))

    rehearsed = answer("init --dry-run")
    assert f"would be made: a queue in folder:{tmp_path}/queue" in rehearsed
    assert list(tmp_path.iterdir()) == []

    made = answer("init")
    assert made.splitlines() == [
        f"made: a queue in folder:{tmp_path}/queue",
        f"written: {tmp_path}/qcqueue.toml",
        "next: qcqueue data sample",
    ]
    before = House(folder=tmp_path).fingerprint()
    again = answer("init")
    assert again.splitlines() == [f"there is a queue in folder:{tmp_path}/queue already", "next: qcqueue data sample"]
    assert House(folder=tmp_path).fingerprint() == before
    assert "The queue is empty." in answer("status")


def test_init_remembers_any_folder_name_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    assert run(["init", "--store", 'folder:my "own" \\ queue é']) == 0
    assert load_settings().store == f'folder:{tmp_path}/my "own" \\ queue é'
    assert run(["status"]) == 0
    assert capfd.readouterr().err == ""


def test_init_in_a_rehearsal_refuses_what_it_would_refuse(house: House) -> None:
    assert run(["init", "--store", "folder:qcqueue.toml", "--dry-run"]) == 2


# enqueue


def test_enqueue_twice_is_enqueue_once(empty_house: House, answer: Answer) -> None:
    empty_house.write("study.toml", STUDY + JOB + JOB + 'name = "again"\n')
    first = answer("enqueue study.toml")
    assert first.splitlines() == [
        "enqueued  tiny/vgg16",
        "enqueued  tiny/again",
        "2 new jobs",
        "next: qcqueue work",
    ]
    before = empty_house.fingerprint()
    second = answer("enqueue study.toml")
    assert "already there  tiny/vgg16" in second
    assert "0 new jobs, 2 already there" in second
    assert empty_house.fingerprint() == before


@pytest.mark.parametrize(("study", "jobs"), [("six-models", 6), ("tiny", 6), ("toys", 3)])
def test_a_study_that_ships_is_that_of_the_repository_and_can_be_enqueued(
    study: str, jobs: int, empty_house: House, answer: Answer
) -> None:
    text = answer(f"new {study}")
    assert text == (Path(__file__).parents[2] / "jobs" / f"{study}.toml").read_text(encoding="utf-8")
    told = answer(f"new {study} --out mine.toml")
    assert told == "written: mine.toml\nnext: qcqueue enqueue mine.toml\n"
    assert (empty_house.folder / "mine.toml").read_text(encoding="utf-8") == text
    found = parse_study(text, file="mine.toml", overrides=[])
    assert len(found.jobs) == jobs


def test_a_study_file_is_never_written_over_and_an_unknown_one_is_told_with_the_nearest(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_house.write("mine.toml", "mine")
    assert run(["new", "tiny", "--out", "mine.toml"]) == 2
    assert capfd.readouterr().err == (
        "qcqueue: mine.toml is there already\nnext: qcqueue enqueue mine.toml, or --out with another name\n"
    )
    assert (empty_house.folder / "mine.toml").read_text(encoding="utf-8") == "mine"
    assert run(["new", "tini"]) == 2
    assert "did you mean tiny?" in capfd.readouterr().err
    assert run(["new", "tiny", "--out", "nowhere/tiny.toml"]) == 2
    assert "cannot be written: No such file or directory" in capfd.readouterr().err


def test_enqueue_in_a_rehearsal_changes_nothing(empty_house: House, answer: Answer) -> None:
    empty_house.write("study.toml", STUDY + JOB)
    empty_house.write("mine.safetensors", WEIGHTS)
    before = empty_house.fingerprint()
    assert "would be enqueued  tiny/vgg16" in answer("enqueue study.toml --dry-run")
    assert "tiny/vgg16" in answer("enqueue study.toml --set weights=mine.safetensors --dry-run")
    assert empty_house.fingerprint() == before


def test_enqueue_keeps_a_weights_file_with_the_queue(empty_house: House, answer: Answer) -> None:
    empty_house.write("study.toml", STUDY + JOB)
    weights = empty_house.write("mine.safetensors", WEIGHTS)
    answer("enqueue study.toml --set weights=mine.safetensors")
    spec = document(answer("show vgg16 --json"))["spec"]
    assert spec["weights"] == "file"
    (kept,) = (empty_house.store / "blobs").glob(f"{spec['weights_sha256']}.*")
    assert kept.read_bytes() == weights.read_bytes()


def test_set_changes_every_job_and_beats_the_file(empty_house: House, answer: Answer) -> None:
    empty_house.write("study.toml", STUDY + JOB + JOB + 'name = "again"\nepochs = 7\n')
    answer("enqueue study.toml --set epochs=9 --set study=other --set optimizer=sgd")
    for name in ("other/vgg16", "other/again"):
        spec = document(answer(f"show {name} --json"))["spec"]
        assert (spec["epochs"], spec["optimizer"]) == (9, "sgd")


def test_show_names_a_setting_that_few_jobs_have(empty_house: House, answer: Answer) -> None:
    empty_house.write("study.toml", STUDY + JOB)
    answer("enqueue study.toml --set lineage=same")
    assert answer("show vgg16").splitlines()[1].endswith("seed 1, lineage same")


def test_enqueue_as_json_names_what_is_new_and_what_is_known(empty_house: House, answer: Answer) -> None:
    empty_house.write("study.toml", STUDY + JOB)
    empty_house.write("more.toml", STUDY.replace("tiny", "more", 1) + JOB)
    answer("enqueue study.toml")
    said = document(answer("enqueue study.toml more.toml --json"))
    assert said == {
        "schema_version": 1,
        "store": f"folder:{empty_house.store}",
        "new": ["more/vgg16"],
        "known": ["tiny/vgg16"],
        "due": [],
        "dry_run": False,
    }


# status, show, log, why


def test_status_has_one_line_a_job_and_sums_up(house: House, answer: Answer) -> None:
    lines = answer("status").splitlines()
    for state in State:
        (line,) = (line for line in lines if line.startswith(f"tiny/{state} "))
        assert f" {state} " in line
    assert lines[-1] == ("6 jobs: 1 queued, 1 running, 1 held, 1 done, 1 failed and 1 cancelled. 4 of 18 epochs saved.")


def test_status_as_json_has_the_promised_fields(house: House, answer: Answer) -> None:
    said = document(answer("status --json"))
    assert set(said) == {"schema_version", "store", "as_of", "jobs", "studies", "goodput", "forecasts"}
    assert said["store"] == f"folder:{house.store}"
    assert is_a_moment(said["as_of"])
    for job in said["jobs"]:
        assert set(job) == STATUS_FIELDS | {"goodput"}
        assert is_a_moment(job["updated_at"])
    jobs = {job["name"]: job for job in said["jobs"]}
    assert list(jobs) == [f"tiny/{state}" for state in State]
    assert {job["state"] for job in jobs.values()} == set(State)
    assert jobs["tiny/running"]["session"] == "5e55a0a0a0a0"
    assert jobs["tiny/done"]["epochs_done"] == jobs["tiny/done"]["epochs"] == EPOCHS
    assert jobs["tiny/queued"]["session"] is None
    assert jobs["tiny/failed"]["failure"] == {
        "cause": "not_finite",
        "message": "the loss of epoch 1, step 4 is nan",
    }


def test_where_the_time_went_is_told_only_where_it_is_known(house: House, answer: Answer) -> None:
    assert "saved training" not in answer("status")
    assert "where the time went" not in answer("show running")
    said = document(answer("status --json"))
    assert said["goodput"] is None
    assert said["studies"] == [{"study": "tiny", "goodput": None}]
    assert {job["goodput"] for job in said["jobs"]} == {None}
    assert document(answer("show running --json"))["goodput"] is None


def test_where_the_time_went_is_told_by_job_by_study_and_in_all(empty_house: House, answer: Answer) -> None:
    place = empty_house.queue
    put(place, a_job("vgg16"))
    held = take(place, "tiny/vgg16")
    note_time(place, held, attempt={"compile": 24.0, "train": 60.0, "validate": 4.0}, session={"boot": 12.0})
    status = answer("status").splitlines()
    assert status[-2].startswith("1 job: 1 running.")
    assert status[-1] == ("64 % of 1 min 40 s saved training; the rest: compile 24.0 s and boot 12.0 s.")
    said = document(answer("status --json"))
    assert [job["goodput"]["held_s"] for job in said["jobs"]] == [88.0]
    assert (said["goodput"]["held_s"], said["goodput"]["goodput"]) == (100.0, 0.64)
    assert said["studies"] == [{"study": "tiny", "goodput": said["goodput"]}]
    shown = answer("show vgg16").splitlines()
    at = shown.index("where the time went")
    assert [line.split() for line in shown[at + 1 : at + 6]] == [
        ["held", "1", "min", "28", "s"],
        ["goodput", "1", "min", "04", "s", "73", "%"],
        ["train", "1", "min", "00", "s", "68", "%"],
        ["compile", "24.0", "s", "27", "%"],
        ["validate", "4.0", "s", "5", "%"],
    ]
    detail = document(answer("show vgg16 --json"))
    assert detail["goodput"] == said["jobs"][0]["goodput"]
    assert sum(detail["goodput"]["seconds"].values()) == detail["goodput"]["held_s"]
    assert detail["segments"][0]["seconds"] == {"compile": 24.0, "train": 60.0, "validate": 4.0}


def test_what_several_states_share_takes_space_once(empty_house: House, answer: Answer) -> None:
    put(empty_house.queue, a_job("vgg16"))
    train(empty_house.queue, take(empty_house.queue, "tiny/vgg16"), 1, 2)
    # Two heads, and the model of the best epoch, which both name; each of 84 MB.
    models = set(_packs_of(empty_house))
    assert f"2 states kept, {84 * (2 + len(models))} MB" in answer("show vgg16")


def _packs_of(house: House) -> list[str]:
    with contextlib.closing(sqlite3.connect(house.database)) as connection:
        return [sha256 for (sha256,) in connection.execute("SELECT sha256 FROM packs")]


def test_the_everyday_status_is_the_same_as_the_one_with_options(house: House, answer: Answer) -> None:
    assert answer("status") == answer(f"status --store folder:{house.store}")
    quick, full = (
        document(answer(typed)) for typed in ("status --json", f"status --json --store folder:{house.store}")
    )
    assert quick | {"as_of": ""} == full | {"as_of": ""}


STATUS_FIELDS = {
    "name",
    "owner",
    "study",
    "model",
    "state",
    "epochs_done",
    "epochs",
    "attempts",
    "interruptions",
    "session",
    "updated_at",
    "failure",
}
EPOCH_FIELDS = {
    "epoch",
    "attempt",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "train_s",
    "val_s",
    "checkpoint_s",
    "step_s_p50",
    "step_s_p95",
    "processor",
}


def test_show_as_json_has_the_promised_fields(house: House, answer: Answer) -> None:
    said = document(answer("show done --json"))
    promised = {"store", "as_of", "spec", "epochs", "segments", "checkpoints", "history", "result"}
    assert promised | STATUS_FIELDS <= set(said)
    assert said["state"] == "done"
    assert [epoch["epoch"] for epoch in said["epochs"]] == [1, 2, 3]
    assert all(set(epoch) >= EPOCH_FIELDS for epoch in said["epochs"])
    assert said["epochs"][0]["processor"] == "Tesla T4"
    result = said["result"]
    assert {"weights_sha256", "history_sha256", "predictions_sha256", "validation", "test"} <= set(result)
    assert all(re.fullmatch("[0-9a-f]{64}", result[name]) for name in result if name.endswith("_sha256"))
    for split in ("validation", "test"):
        assert {"accuracy", "per_class", "confusion_matrix"} <= set(result[split])
        assert set(result[split]["per_class"]) == {"good", "fair", "reject"}
    assert [segment["outcome"] for segment in said["segments"]] == ["finished"]
    assert [line["what"] for line in said["history"]] == ["enqueued", "claimed", "finished"]
    assert all(is_a_moment(line["at"]) for line in said["history"])


@pytest.mark.parametrize("state", [state for state in State if state is not State.DONE])
def test_show_as_json_has_a_result_only_when_done(state: State, house: House, answer: Answer) -> None:
    said = document(answer(f"show {state} --json"))
    assert said["state"] == state
    assert said["result"] is None


@pytest.mark.parametrize("state", State)
def test_show_log_and_why_have_something_to_say_of_every_state(state: State, house: House, answer: Answer) -> None:
    shown = answer(f"show {state}")
    assert shown.startswith(f"tiny/{state}  {state}, ")
    assert "VGG16 on qc-tiny, batch 8" in shown
    story = answer(f"log {state}").splitlines()
    assert " enqueued " in story[0]
    explained = answer(f"why {state}").splitlines()
    assert len(explained) == 2
    assert explained[0].startswith(f"tiny/{state} ")
    assert explained[1].startswith("next: ")


def test_a_job_is_found_by_its_short_name_in_any_case(house: House, answer: Answer) -> None:
    assert answer("show done") == answer("show tiny/done") == answer("show DONE")


def test_show_tells_of_interruptions_and_epochs(empty_house: House, answer: Answer) -> None:
    place = empty_house.queue
    put(place, a_job("vgg16"))
    first = take(place, "tiny/vgg16")
    train(place, first, 1)
    interrupt(place, first)
    second = take(place, "tiny/vgg16")
    train(place, second, 2)
    stop(place, second)
    leave(place, second)
    shown = answer("show vgg16")
    assert "tiny/vgg16  queued, 2 of 3 epochs saved, 2 attempts, 1 interruption" in shown
    assert "interrupted: no heartbeat for 130 s" in shown
    assert "stopped: reached its limit" in shown
    assert re.search(r"^ +2 +0\.5000 +75\.0 % .* #2$", shown, re.MULTILINE)
    told = answer("log vgg16")
    assert [line.split("  ")[1].strip() for line in told.splitlines()] == [
        "enqueued",
        "claimed",
        "interrupted",
        "claimed",
        "stopped",
    ]
    assert "which costs no retry" not in answer("why vgg16"), "the last attempt was not the interrupted one"


def test_log_and_why_as_json(house: House, answer: Answer) -> None:
    told = document(answer("log failed --json"))
    assert set(told) == {"schema_version", "name", "history"}
    assert told["history"][-1]["what"] == "failed"
    assert set(told["history"][-1]) == {"at", "who", "what", "attempt", "why"}
    explained = document(answer("why failed --json"))
    assert set(explained) == {"schema_version", "name", "state", "why", "next"}
    assert (explained["name"], explained["state"]) == ("tiny/failed", "failed")


# hold, release, cancel, retry, move


@pytest.mark.parametrize(
    ("action", "job", "state"),
    [
        ("hold", "queued", "held"),
        ("hold", "running", "held"),
        ("release", "held", "queued"),
        ("cancel", "queued", "cancelled"),
        ("cancel", "running", "cancelled"),
        ("cancel", "held", "cancelled"),
        ("cancel", "failed", "cancelled"),
        ("retry", "failed", "queued"),
        ("retry", "cancelled", "queued"),
    ],
)
def test_every_legal_change_can_be_rehearsed_and_made(
    action: str, job: str, state: str, house: House, answer: Answer
) -> None:
    before = house.fingerprint()
    assert answer(f"{action} {job} --dry-run").startswith(f"tiny/{job} would be {state} now\n")
    assert house.fingerprint() == before
    assert answer(f"{action} {job}").startswith(f"tiny/{job} is {state} now\nnext: qcqueue ")
    assert states(house, answer)[f"tiny/{job}"] == state


def test_a_job_that_is_held_while_it_runs_keeps_its_epochs(house: House, answer: Answer) -> None:
    answer("hold running")
    answer("release running")
    said = document(answer("show running --json"))
    assert (said["state"], said["epochs_done"], said["interruptions"], said["session"]) == ("queued", 1, 0, None)
    assert said["segments"][0]["outcome"] == "stopped"


def test_a_job_is_removed_only_when_asked_twice_and_then_with_its_files(house: House, answer: Answer) -> None:
    before = house.fingerprint()
    said = answer("remove done")
    assert said.startswith("would be removed  tiny/done\n3 saved epochs; would be given back: ")
    assert said.endswith("nothing was removed\nnext: qcqueue remove done --yes\n")
    assert answer("remove done --yes --dry-run") == said
    assert house.fingerprint() == before
    assert answer("remove done --yes").startswith("removed  tiny/done\n3 saved epochs; given back: ")
    assert "tiny/done" not in answer("status")
    needed = {it.blob.sha256 for it in ask_needs(house.queue).blobs}
    assert {it.blob.sha256 for it in house.queue.store.list_blobs()} <= needed


def test_a_study_is_removed_as_a_whole_once_nothing_of_it_runs(house: House, answer: Answer) -> None:
    assert run(["remove", "tiny/", "--yes"]) == 2
    answer("cancel running")
    told = document(answer("remove tiny/ --yes --json"))
    assert told["removed"] == [f"tiny/{state}" for state in State]
    assert (told["epochs"], told["dry_run"]) == (4, False)
    assert document(answer("status --json"))["jobs"] == []


def test_a_study_is_held_and_released_as_one(house: House, answer: Answer) -> None:
    assert answer("hold tiny/").splitlines() == [
        "tiny/queued is held now",
        "tiny/running is held now",
        "next: qcqueue release tiny/",
    ]
    assert set(states(house, answer).values()) == {"held", "done", "failed", "cancelled"}
    assert answer("release tiny/").count("is queued now") == 3


def test_a_study_that_was_enqueued_wrongly_is_mended_as_long_as_nothing_is_saved(
    empty_house: House, answer: Answer, capfd: pytest.CaptureFixture[str]
) -> None:
    file = empty_house.write("tiny.toml", STUDY + JOB)
    answer(f"enqueue {file}")
    before = empty_house.fingerprint()
    assert run(["enqueue", str(file), "--set", "epochs=7"]) == 2
    err = capfd.readouterr().err
    assert "exists with other settings: epochs " in err
    assert err.endswith("next: the same command with --replace: nothing of them is saved yet\n")
    assert empty_house.fingerprint() == before
    said = answer(f"enqueue {file} --set epochs=7 --replace")
    assert "in place of the one with other settings" in said
    assert document(answer(f"enqueue {file} --set epochs=7 --replace --json"))["replaced"] == []
    assert {job["epochs"] for job in document(answer("status --json"))["jobs"]} == {7}


def test_moving_changes_the_order_and_nothing_else(empty_house: House, answer: Answer) -> None:
    put(empty_house.queue, *(a_job(name) for name in "abcd"))

    def order() -> str:
        return "".join(job["name"][-1] for job in document(answer("status --json"))["jobs"])

    before = empty_house.fingerprint()
    assert "tiny/d would be moved first" in answer("move d first --dry-run")
    assert empty_house.fingerprint() == before
    assert "tiny/d moved first" in answer("move d first")
    assert order() == "dabc"
    assert "tiny/a moved last" in answer("move a last")
    assert order() == "dbca"
    assert "tiny/c moved before d" in answer("move c before d")
    assert order() == "cdba"
    assert "2 jobs will be taken before it" in answer("why b")


# data


def test_data_is_listed_and_shown(house: House, answer: Answer) -> None:
    assert re.search(rf"^{DATASET} +15 +75x75 +good, fair, reject +9/3/3", answer("data list"), re.MULTILINE)
    (listed,) = document(answer("data list --json"))["datasets"]
    shown = document(answer(f"data show {DATASET} --json"))
    assert listed | {"schema_version": 1} == shown
    assert (shown["train"], shown["validation"], shown["test"]) == (9, 3, 3)
    assert f"sha256 {shown['sha256']}" in answer(f"data show {DATASET}")


def test_a_folder_becomes_a_dataset_once(house: House, answer: Answer) -> None:
    folder_of(house.folder / "pictures", three_classes())
    typed = "data add pictures --name mine --image-size 16x12 --split 9,3,3 --seed 4"
    before = house.fingerprint()
    assert "nothing was stored" in answer(typed, "--dry-run")
    assert house.fingerprint() == before
    assert re.search(r"^mine +15 +16x12 +fair, good, reject +9/3/3", answer(typed), re.MULTILINE)
    before = house.fingerprint()
    assert "it was there already" in answer(typed)
    assert house.fingerprint() == before
    assert document(answer(typed, "--json"))["new"] is False


def test_a_queue_without_datasets_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    answer("init")
    assert "next: qcqueue data sample" in answer("data list")
    assert document(answer("data list --json"))["datasets"] == []


# The one screen


def test_alone_it_says_how_far_it_is_and_what_to_look_at_first(house: House, answer: Answer) -> None:
    said = answer("")
    assert "6 jobs: 1 queued" in said
    assert "tiny/running is running: 1 of 3 epochs saved." in said
    assert "Next is tiny/queued, 0 of 3 epochs saved: the shortest, about " in said
    assert "All is likely done by " in said
    assert "tiny/failed failed: the loss of epoch 1, step 4 is nan" in said
    assert said.endswith("next: qcqueue why tiny/failed\n")


def test_alone_it_leads_from_an_empty_queue_to_the_end(empty_house: House, answer: Answer) -> None:
    assert "is empty.\nnext: qcqueue new tiny --out tiny.toml\n" in answer("")
    put(empty_house.queue, a_job("vgg16"))
    assert answer("").endswith("next: qcqueue work\n")
    held = take(empty_house.queue, "tiny/vgg16")
    assert answer("").endswith("next: qcqueue status --watch\n")
    stop(empty_house.queue, held)
    apply(empty_house.queue, "vgg16", "cancel")
    assert answer("").endswith("next: qcqueue report\n")


def test_alone_without_a_queue_it_shows_the_first_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    assert "qcqueue demo" in answer("")
    assert list(tmp_path.iterdir()) == []


# Colour, help, the end of a pipe


def test_colour_is_for_terminals_or_for_who_asks(house: House, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    def status() -> str:
        """All that it says, without how long ago that was."""
        return re.sub(r"(just now|\d+ min ago)", "", answer("status"))

    plain = status()
    assert "\033[" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    painted = status()
    assert "\033[32m" in painted
    assert re.sub(r"\033\[\d*m", "", painted) == plain
    assert "\033[" not in answer("status --json")
    monkeypatch.setenv("NO_COLOR", "1")
    assert status() == plain


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the words that lead to every command, and the command."""
    yield path.strip(), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(application())))


def test_a_report_shows_the_certificates_of_drills_and_says_of_what_job_one_is(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_small(monkeypatch)
    with house.queue.read() as tx:
        done = job_detail(tx, "tiny/done")
    assert done.result is not None
    mine = a_certificate(job="tiny/done", spec_sha256=done.spec.digest, dataset_sha256=done.dataset_sha256)
    write_certificates(house.folder / "mine.json", [mine])
    write_certificates(house.folder / "other.json", [a_certificate(job="<b>other</b>", spec_sha256="0" * 64)])
    assert run(["report", "--certificate", "mine.json"]) == 0
    page = (house.folder / "report" / "report.html").read_text()
    assert "Proof of exact resume" in page
    assert mine.cut["weights_sha256"] in page
    assert "another job" not in page
    assert run(["report", "--certificate", "mine.json", "--certificate", "other.json"]) == 0
    page = (house.folder / "report" / "report.html").read_text()
    assert "&lt;b&gt;other" in page
    assert "another job than those of this report" in page


def test_a_report_is_on_what_was_asked_for_and_chooses_by_what_was_asked_for(
    house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    draw_small(monkeypatch)
    assert run(["report", "--by", "macro-f1", "--jobs", "done,held"]) == 0
    document = json.loads((house.folder / "report" / "report.json").read_text())
    assert [row["job"] for row in document["tables"]["models"]["rows"]] == ["tiny/held", "tiny/done"]
    assert [row["by"] for row in document["tables"]["choice"]["rows"]] == ["macro-f1"]
    capfd.readouterr()
    assert run(["report", "--by", "f1"]) == 2
    assert "--by 'f1' is neither accuracy nor macro-f1" in capfd.readouterr().err
    assert run(["report", "--study", "tny"]) == 2
    assert "did you mean tiny/?" in capfd.readouterr().err
    assert run(["report", "--watch", "--json"]) == 2


def test_a_certificate_that_was_changed_is_corruption(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    path = house.folder / "certificate.json"
    write_certificates(path, [a_certificate()])
    path.write_text(path.read_text().replace('"seed": 7', '"seed": 8'))
    assert run(["report", "--certificate", "certificate.json"]) == 5
    assert "was changed after it was made" in capfd.readouterr().err
    assert not (house.folder / "report").exists()


@pytest.mark.parametrize("path", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_every_command_names_every_option(path: str, flag: str, answer: Answer) -> None:
    said = answer(path, flag)
    assert said.startswith(f"Usage: qcqueue {path}".rstrip())
    for parameter in COMMANDS[path].params:
        for option in parameter.opts if parameter.opts[0].startswith("-") else (parameter.metavar,):
            assert option in said
        assert parameter.help or "-h" in parameter.opts


def test_every_promised_command_that_this_version_has_is_there() -> None:
    promised = (
        "init new login colab-token doctor notebook enqueue status show log why hold release cancel retry move "
        "remove work plan quota demo drill report data|sample data|add data|list data|show"
    )
    assert {words.replace("|", " ") for words in promised.split()} <= set(COMMANDS)


def test_whatever_changes_the_queue_can_be_rehearsed() -> None:
    changing = ("init", "enqueue", "hold", "release", "cancel", "retry", "move", "remove", "data add", "data sample")
    for path in changing:
        assert any("--dry-run" in parameter.opts for parameter in COMMANDS[path].params), path


def test_every_command_has_a_docstring_that_is_its_help() -> None:
    for path, command in COMMANDS.items():
        assert inspect.cleandoc(command.help or ""), path


def is_a_moment(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) is not None
