"""Runs in MLflow: one experiment a study, one run a job. The only home of the library `mlflow`.

A run is found again by the digests of its spec and its dataset, and by its epochs being those of the job so far; then
only what is missing is added. One whose epochs are others, because a study was begun again elsewhere, is left alone
and a new run stands beside it. Which epochs are there is asked of MLflow itself, so an export that was cut is completed
by the next. MLflow's own reports on its use are switched off unless somebody has decided about them.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from qcqueue.core.states import State
from qcqueue.errors import ExtraMissing, UserError
from qcqueue.exports.run import Step, TrackedOutcome, TrackedRun

STEPS_A_BATCH = 100
"""MLflow takes 1000 numbers at a time; a step has fewer than ten."""

LONGEST_TAG = 5000
_FIRST = "loss/train"
_ENDED = {State.DONE: "FINISHED", State.FAILED: "FAILED", State.CANCELLED: "KILLED"}


def write_runs(uri: str, runs: Sequence[TrackedRun]) -> tuple[TrackedOutcome, ...]:
    """Write runs to the server or database at `uri`.

    Raises: ExtraMissing: mlflow is not installed. UserError: what is there cannot be reached or refuses.
    """
    with _translated(uri):
        client = _client(uri)
        return tuple(_write(client, run) for run in runs)


def without_password(uri: str) -> str:
    """Return a URI as it may be shown."""
    try:
        netloc = urlsplit(uri).netloc
    except ValueError:
        return "the given URI"
    who, _, where = netloc.rpartition("@")
    return uri.replace(netloc, f"{who.partition(':')[0]}:***@{where}", 1) if ":" in who else uri


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own choice is minutes of silence
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it sets its own when it is imported
    return MlflowClient(tracking_uri=uri)


def _write(client: Any, run: TrackedRun) -> TrackedOutcome:
    experiment = client.get_experiment_by_name(run.study)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(run.study)
    known = _known(client, experiment_id, run)
    if known is None:
        tags = {**run.identity, **_short(run.facts)}
        known = client.create_run(experiment_id, start_time=_ms(run.began_s), run_name=run.name, tags=tags)
        missing, what = run.steps, "written"
    else:
        missing = run.steps[len(_history(client, known.info.run_id)) :]
        what = "added to" if missing else "there already"
    run_id = known.info.run_id
    if not known.data.params:
        client.log_batch(run_id, params=_settings(run))
    steps = iter(missing)
    while batch := list(islice(steps, STEPS_A_BATCH)):
        client.log_batch(run_id, metrics=[number for step in batch for number in _numbers(step)])
    _bring_up_to_date(client, run_id, run)
    return TrackedOutcome(job=run.job, epochs=len(run.steps), what=what, where=run_id)


def _known(client: Any, experiment_id: str, run: TrackedRun) -> Any | None:
    """Return the run that holds the first epochs of this one and no others."""
    is_it = " and ".join(f"tags.`{key}` = '{digest}'" for key, digest in run.identity.items())
    values = [(step.epoch, step.values[_FIRST]) for step in run.steps]
    for found in client.search_runs([experiment_id], filter_string=is_it, order_by=["attributes.start_time ASC"]):
        there = _history(client, found.info.run_id)
        if there == values[: len(there)]:
            return found
    return None


def _history(client: Any, run_id: str) -> list[tuple[int, float]]:
    return sorted((it.step, it.value) for it in client.get_metric_history(run_id, _FIRST))


def _bring_up_to_date(client: Any, run_id: str, run: TrackedRun) -> None:
    known = client.get_run(run_id)
    for key, value in _short(run.facts).items():
        if known.data.tags.get(key) != value:
            client.set_tag(run_id, key, value)
    status = _ENDED.get(run.state, "RUNNING")
    if known.info.status != status:
        if run.state in _ENDED:
            client.set_terminated(run_id, status, end_time=_ms(run.steps[-1].at_s))
        else:  # it was ended, and a person has had it tried again
            client.update_run(run_id, status=status)


def _settings(run: TrackedRun) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, value) for key, value in run.settings.items()]


def _numbers(step: Step) -> Iterator[Any]:
    from mlflow.entities import Metric

    for name, value in step.values.items():
        yield Metric(name, value, _ms(step.at_s), step.epoch)


def _short(facts: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:LONGEST_TAG] for key, value in facts.items()}


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    shown = without_password(uri)
    try:
        yield
    except ModuleNotFoundError as exc:
        raise ExtraMissing(
            f"the export to MLflow needs {exc.name}, which is not installed", hint='pip install "qcqueue[mlflow]"'
        ) from exc
    except Exception as exc:  # mlflow lets those of its database and network libraries through
        said = " ".join(str(exc).replace(uri, shown).split()) or type(exc).__name__
        raise UserError(
            f"MLflow at {shown} did not take the runs: {said}", hint="--tracking-uri sqlite:///mlflow.db"
        ) from exc
