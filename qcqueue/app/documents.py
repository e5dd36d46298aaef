"""What a script or a program reads of a queue: field names are promises (see docs/settings-and-exit-codes.md)."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from qcqueue.core.records import FIRST_STEP
from qcqueue.text.humanize import iso

if TYPE_CHECKING:
    from qcqueue.app.status import QueueStatus
    from qcqueue.core.evaluation import Appraisal, Result
    from qcqueue.core.goodput import Goodput
    from qcqueue.queue.job_lines import JobLine
    from qcqueue.queue.obstacles import KnownObstacle
    from qcqueue.queue.values import DatasetLine, EpochLine, JobDetail


def status_document(status: "QueueStatus") -> dict[str, Any]:
    """All jobs as in `status --json`; what the time went into, by job, by study and in all; and what was foreseen."""
    lines, accounts = status.lines, status.accounts
    return {
        "jobs": [{**line_document(line), "goodput": goodput_document(accounts.jobs.get(line.name))} for line in lines],
        "studies": [
            {"study": study, "goodput": goodput_document(accounts.studies.get(study))}
            for study in dict.fromkeys(line.study for line in lines)
        ],
        "goodput": goodput_document(accounts.whole),
        "forecasts": [
            {
                "study": it.study,
                "session": it.session_id,
                "made_at": iso(it.made_at_s),
                "done_by": {"p10": iso(it.low_s), "p50": iso(it.likely_s), "p90": iso(it.high_s)},
            }
            for it in status.foreseen
        ],
    }


def goodput_document(goodput: "Goodput | None") -> dict[str, Any] | None:
    """What held time went into, in seconds by part; None where nothing is known of it."""
    return goodput.to_json() if goodput and goodput.held_s else None


def obstacle_document(obstacle: "KnownObstacle") -> dict[str, Any]:
    """What was found to keep a job from running, where, and since when."""
    return {
        "kind": obstacle.kind,
        "says": obstacle.says,
        "since": iso(obstacle.since_s),
        "session": obstacle.session_id,
        "host": obstacle.host,
    }


def line_document(line: "JobLine") -> dict[str, Any]:
    """One job on its own, without its time."""
    return {
        "name": line.name,
        "study": line.study,
        "model": line.model,
        "state": line.state,
        "epochs_done": line.epochs_done,
        "epochs": line.epochs,
        "attempts": line.attempts,
        "interruptions": line.interruptions,
        "session": line.session,
        "owner": line.owner,
        "updated_at": iso(line.updated_at_s),
        **({"left_by": line.left_by} if line.left_by else {}),
        **({"obstacle": obstacle_document(line.obstacle)} if line.obstacle else {}),
        "failure": {"cause": line.failure_cause, "message": line.failure_message} if line.failure_cause else None,
    }


def detail_document(detail: "JobDetail", goodput: "Goodput | None") -> dict[str, Any]:
    """One job as in `show --json`; `epochs` becomes the list of official epochs, `epochs_total` their number."""
    return {
        **line_document(detail.line),
        "goodput": goodput_document(goodput),
        "epochs_total": detail.line.epochs,
        "spec": detail.spec.to_json(),
        "dataset_sha256": detail.dataset_sha256,
        "step": step_document(detail),
        "epochs": epoch_documents(detail),
        "segments": [
            {
                **asdict(attempt),
                "started_at": iso(attempt.started_at_s),
                "ended_at": None if attempt.ended_at_s is None else iso(attempt.ended_at_s),
            }
            for attempt in detail.attempts
        ],
        "checkpoints": [
            {**asdict(checkpoint), "recorded_at": iso(checkpoint.recorded_at_s)} for checkpoint in detail.checkpoints
        ],
        "history": history_document(detail),
        "result": _result(detail.result) if detail.result else None,
        "predictions_blob": detail.predictions_sha256,
    }


def step_document(detail: "JobDetail") -> dict[str, Any] | None:
    """How the steps of a job are computed, as in `show --json` and `why --json`; null where none was chosen yet."""
    choice = detail.step_choice
    if choice is None:
        return None
    found = {"gain": choice.gain, "determinism_factor": choice.determinism_factor, "says": choice.sentence}
    return choice.to_json() | found


def epoch_documents(detail: "JobDetail") -> list[dict[str, Any]]:
    """The epochs that count, in their order."""
    return [_epoch(epoch) for epoch in detail.official_epochs()]


def dataset_document(line: "DatasetLine") -> dict[str, Any]:
    """One dataset as in `data show --json`."""
    return {
        "name": line.name,
        "sha256": line.blob.sha256,
        **line.summary.to_json(),
        "size_bytes": line.blob.size_bytes,
        "added_at": iso(line.added_at_s),
    }


def history_document(detail: "JobDetail") -> list[dict[str, Any]]:
    """The story of a job, oldest first."""
    return [
        {"at": iso(line.at_s), "who": line.who, "what": line.what, "attempt": line.attempt, "why": line.why}
        for line in detail.history
    ]


def _epoch(line: "EpochLine") -> dict[str, Any]:
    return {
        **asdict(line.metrics),
        **asdict(line.timing),
        "attempt": line.attempt,
        "processor": line.identity.processor,
        "versions": line.identity.versions,
        "step": line.identity.step or FIRST_STEP,
        "lineage": line.lineage,
    }


def _result(result: "Result") -> dict[str, Any]:
    """The digests and figures of the last epoch, which cover the whole run, and those of the best one beside."""
    return {
        **_appraisal(result.last),
        "history_sha256": result.history_sha256,
        "loss_rule": result.loss_rule,
        "best": _appraisal(result.best),
        "parameters": result.parameters,
        "trainable_parameters": result.trainable_parameters,
    }


def _appraisal(appraisal: "Appraisal") -> dict[str, Any]:
    """One set of weights; precision is null for a class that was never predicted."""
    document = asdict(appraisal)
    for split, evaluation in (("validation", appraisal.validation), ("test", appraisal.test)):
        for name in evaluation.never_predicted:
            document[split]["per_class"][name]["precision"] = None
    return document
