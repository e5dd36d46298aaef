"""Runs in a real MLflow database: whole, once, and completed by the next export however the last one ended.

MLflow is too large for everybody who tests this; `pip install "qcqueue[mlflow]"` and these tests run.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.states import State
from qcqueue.errors import ExtraMissing, UserError
from qcqueue.exports import mlflow as exporting
from qcqueue.exports.mlflow import without_password, write_runs
from qcqueue.exports.run import TrackedRun, runs_of
from tests.reports.studies import a_job, a_spec, epochs_of

HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None
with_mlflow = pytest.mark.skipif(
    not HAS_MLFLOW, reason='NOT TESTED HERE: MLflow; pip install "qcqueue[mlflow]" and again'
)
# The database is opened by MLflow, which closes it when it likes; its own dependencies warn of each other.
calmly = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path}/mlflow.db"


def a_run(epochs: int = 5, *, state: State = State.RUNNING, seed: int = 0, **spec: Any) -> TrackedRun:
    (run,) = runs_of([a_job(a_spec(**spec), epochs_of(epochs, cuts=(2,), seed=seed), state=state)])
    return run


def runs_in(uri: str, study: str = "six-models") -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    return list(client.search_runs([client.get_experiment_by_name(study).experiment_id]))


def history(uri: str, run_id: str, name: str) -> list[tuple[int, int, float]]:
    from mlflow.tracking import MlflowClient

    found = MlflowClient(tracking_uri=uri).get_metric_history(run_id, name)
    return sorted((it.step, it.timestamp, it.value) for it in found)


@with_mlflow
@calmly
def test_every_epoch_is_there_once_with_params_and_digests(uri: str) -> None:
    run = a_run(state=State.DONE, epochs=5)
    (outcome,) = write_runs(uri, [run])
    assert (outcome.what, outcome.epochs) == ("written", 5)
    (found,) = runs_in(uri)
    assert found.info.run_id == outcome.where
    assert (found.info.run_name, found.info.status) == ("vgg16", "FINISHED")
    assert found.data.params == run.settings
    assert found.data.params["batch_size"] == "32"
    assert found.data.params["image_size"] == "75x75"
    assert (run.identity.items() | run.facts.items()) <= found.data.tags.items()
    assert found.data.tags["qcqueue.weights_sha256"] == "a" * 64
    for name in run.steps[0].values:
        expected = [(step.epoch, round(1000 * step.at_s), step.values[name]) for step in run.steps]
        assert history(uri, found.info.run_id, name) == expected


@with_mlflow
@calmly
def test_a_second_export_adds_nothing_and_a_later_one_only_what_is_new(uri: str) -> None:
    (first,) = write_runs(uri, [a_run(3)])
    (again,) = write_runs(uri, [a_run(3)])
    assert (again.what, again.where) == ("there already", first.where)
    assert runs_in(uri)[0].info.status == "RUNNING"
    (later,) = write_runs(uri, [a_run(5, state=State.DONE)])
    assert (later.what, later.where) == ("added to", first.where)
    (found,) = runs_in(uri)
    assert found.info.status == "FINISHED"
    assert found.data.tags["qcqueue.epochs"] == "5"
    assert [step for step, _, _ in history(uri, first.where, "accuracy/validation")] == [1, 2, 3, 4, 5]


@with_mlflow
@calmly
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_export_that_was_cut_is_completed(at: int, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    whole, calls = MlflowClient.log_batch, []

    def cut(client: Any, run_id: str, **what: Any) -> Any:
        calls.append(run_id)
        if len(calls) == at:
            raise OSError("the plug was pulled")
        return whole(client, run_id, **what)

    monkeypatch.setattr(exporting, "STEPS_A_BATCH", 2)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", cut)
        with pytest.raises(UserError, match="the plug was pulled"):
            write_runs(uri, [a_run(5)])
    (half,) = runs_in(uri)
    assert len(history(uri, half.info.run_id, "loss/train")) == (2 if at == 3 else 0)
    (outcome,) = write_runs(uri, [a_run(5)])
    assert (outcome.what, outcome.where) == ("added to", half.info.run_id)
    assert [step for step, _, _ in history(uri, half.info.run_id, "loss/train")] == [1, 2, 3, 4, 5]
    assert runs_in(uri)[0].data.params == a_run().settings


@with_mlflow
@calmly
def test_a_run_with_other_epochs_stands_beside_the_old_one(uri: str) -> None:
    (old,) = write_runs(uri, [a_run(4)])
    (new,) = write_runs(uri, [a_run(4, seed=1)])
    assert old.where != new.where
    assert len(history(uri, old.where, "loss/train")) == 4
    assert {outcome.where for outcome in write_runs(uri, [a_run(4), a_run(4, seed=1)])} == {old.where, new.where}


@with_mlflow
@calmly
def test_jobs_of_one_study_with_other_specs_are_other_runs(uri: str) -> None:
    write_runs(uri, [a_run(2), a_run(2, model="Xception"), a_run(2, batch_size=8)])
    assert len(runs_in(uri)) == 3


@with_mlflow
@calmly
def test_what_does_not_answer_is_one_sentence_without_the_password(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError) as told:
        write_runs("http://ada:geheim@127.0.0.1:9", [a_run(1)])
    assert "MLflow at http://ada:***@127.0.0.1:9 did not take the runs" in str(told.value)
    assert "geheim" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.skipif(HAS_MLFLOW, reason="MLflow is installed here")
def test_without_mlflow_the_sentence_says_what_to_install(uri: str) -> None:
    with pytest.raises(ExtraMissing, match="needs mlflow, which is not installed") as told:
        write_runs(uri, [a_run(1)])
    assert told.value.hint == 'pip install "qcqueue[mlflow]"'


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://host:5000/a", "http://host:5000/a"),
        ("https://ada@host/", "https://ada@host/"),
        ("https://ada:pass@host:1/x", "https://ada:***@host:1/x"),
        ("postgresql://ada:p@ss:w@host/db", "postgresql://ada:***@host/db"),
        ("http://[broken", "the given URI"),
    ],
)
def test_a_password_in_a_uri_is_not_shown(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


def test_a_deadline_that_was_moved_does_not_make_another_run() -> None:
    moved = a_run(2, deadline_s=1_800_000_000.0)
    assert moved.identity == a_run(2).identity
    assert moved.settings == a_run(2).settings
    assert replace(moved, facts={}) == replace(a_run(2), facts={})
