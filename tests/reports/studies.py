"""Made-up studies: jobs in every state, with measurements that follow a formula, so that tests can recompute them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity, best_epoch
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.queue.job_lines import JobLine
from qcqueue.queue.sessions import SessionAttempt, SessionLine
from qcqueue.queue.values import AttemptLine, DatasetLine, EpochLine, HistoryLine, JobDetail
from qcqueue.reports.study import Proof, ReportInput
from qcqueue.stores.base import Blob

START_S = 1_763_700_000.0
AS_OF_S = START_S + 3 * 86_400
CLASSES = ("good", "fair", "reject")
T4 = Identity(
    processor="Tesla T4",
    instruction_set="avx512",
    threads=2,
    deterministic=True,
    python="3.12.1",
    framework="tensorflow",
    framework_version="2.19.0",
    library="keras",
    library_version="3.10.0",
    numpy="2.0.2",
    cuda="12.5",
    cudnn="9.3",
)
SIX = ("DenseNet121", "VGG16", "ResNet50V2", "InceptionV3", "Xception", "InceptionResNetV2")


def a_spec(model: str = "VGG16", **changes: Any) -> JobSpec:
    spec = JobSpec(
        study="six-models",
        name=model.lower(),
        model=model,
        dataset="qc-images",
        epochs=100,
        batch_size=32,
        learning_rate=1e-4,
        optimizer="adam",
        image_size=(75, 75),
        weights="imagenet",
        weights_sha256=None,
        trainable="all",
        augment="none",
        dropout=0.0,
        determinism="exact",
        device="any",
        seed=1,
        early_stopping=0,
    )
    return replace(spec, **changes)


def a_dataset(**changes: Any) -> DatasetLine:
    summary = DatasetSummary(
        classes=CLASSES,
        image_size=(75, 75),
        train=2200,
        validation=550,
        test=486,
        source="sample",
        note="synthetic degradations, not clinical data",
        attribution="photographs bundled with scikit-image and scikit-learn",
    )
    line = DatasetLine(
        name="qc-images",
        blob=Blob(sha256="d" * 64, size_bytes=54_000_000),
        summary=replace(summary, **changes),
        added_at_s=START_S - 3600,
    )
    return line


def an_epoch(number: int, *, attempt: int = 1, seed: int = 0, first: bool = False, **changes: Any) -> EpochLine:
    """One epoch of a run that learns fast, then overfits; `seed` sets models apart."""
    wobble = math.sin(number * 2.3 + seed) * 0.015
    learned = 1 - math.exp(-number / (6 + 3 * seed))
    line = EpochLine(
        metrics=EpochMetrics(
            epoch=number,
            loss=1.1 * math.exp(-number / (7 + 2 * seed)) + 0.01,
            accuracy=min(1.0, 0.4 + 0.59 * learned),
            val_loss=0.5 + 0.7 * math.exp(-number / (5 + seed)) + 0.0015 * number + wobble,
            val_accuracy=min(0.99, 0.45 + (0.4 + 0.02 * seed) * learned + wobble),
            learning_rate=1e-4,
        ),
        timing=EpochTiming(
            train_s=(21.5 if first else 0.0) + 3.0 + seed + 0.1 * math.cos(number),
            val_s=0.4 + 0.05 * seed,
            checkpoint_s=0.12,
            first_step_s=21.5 if first else None,
            step_s_p50=0.041 + 0.01 * seed + 0.0001 * (number % 5),
            step_s_p95=0.049 + 0.01 * seed,
            step_count=69,
        ),
        attempt=attempt,
        official=True,
        identity=T4,
        lineage=1,
        recorded_at_s=START_S + 60.0 * number,
    )
    return replace(line, **changes)


def epochs_of(count: int, *, cuts: Sequence[int] = (), seed: int = 0) -> tuple[EpochLine, ...]:
    """Epochs 1..count; after each epoch in `cuts` the next attempt goes on."""
    return tuple(
        an_epoch(
            number,
            seed=seed,
            attempt=1 + sum(cut < number for cut in cuts),
            first=number == 1 or number - 1 in cuts,
        )
        for number in range(1, count + 1)
    )


def a_job(
    spec: JobSpec, epochs: Sequence[EpochLine] = (), *, state: State = State.DONE, classes: Sequence[str] = CLASSES
) -> JobDetail:
    """A job that has trained `epochs`; every attempt but the last was interrupted."""
    official = [epoch for epoch in epochs if epoch.official]
    attempts = _attempts(epochs, state)
    interruptions = sum(attempt.outcome is Outcome.INTERRUPTED for attempt in attempts)
    failed = state is State.FAILED
    return JobDetail(
        line=JobLine(
            name=spec.full_name,
            study=spec.study,
            model=spec.model,
            state=state,
            epochs_done=len(official),
            epochs=spec.epochs,
            attempts=len(attempts),
            interruptions=interruptions,
            session=attempts[-1].session_id if attempts and state is State.RUNNING else None,
            failure_cause=Cause.NOT_FINITE if failed else None,
            failure_message=f"the loss of epoch {len(official) + 1} is no longer a number" if failed else None,
            updated_at_s=START_S,
        ),
        spec=spec,
        dataset_sha256="d" * 64,
        epochs=tuple(epochs),
        attempts=attempts,
        checkpoints=(),
        history=(HistoryLine(at_s=START_S, who="laptop", what="enqueued", attempt=None, why="as asked"),),
        result=a_result([epoch.metrics for epoch in official], classes) if state is State.DONE else None,
        predictions_sha256="b" * 64 if state is State.DONE else None,
    )


def a_result(history: Sequence[EpochMetrics], classes: Sequence[str] = CLASSES) -> Result:
    best = best_epoch(history)
    assert best is not None
    return Result(
        last=_appraisal(history[-1], classes),
        best=_appraisal(history[best - 1], classes),
        history_sha256="c" * 64,
        parameters=14_716_227,
        trainable_parameters=14_700_000,
        loss_rule="logits",
    )


def a_study() -> list[JobDetail]:
    """Six models: done, done after one epoch, unfinished on two processors, failed, queued, early stopped."""
    done = a_job(a_spec("DenseNet121"), epochs_of(100, cuts=(17, 41, 42, 80)))
    single = a_job(a_spec("VGG16", epochs=1), epochs_of(1, seed=1))
    other = replace(T4, processor="NVIDIA L4", deterministic=False)
    moved = [
        replace(epoch, identity=other, lineage=2) if epoch.metrics.epoch > 30 else epoch
        for epoch in epochs_of(44, cuts=(30,), seed=2)
    ]
    again = replace(an_epoch(30, seed=2), official=False)
    running = a_job(a_spec("ResNet50V2", determinism="relaxed"), [*moved, again], state=State.RUNNING)
    failed = a_job(a_spec("InceptionV3"), epochs_of(7, seed=3), state=State.FAILED)
    queued = a_job(a_spec("Xception"), state=State.QUEUED)
    early = a_job(a_spec("InceptionResNetV2", early_stopping=20), epochs_of(61, cuts=(20, 40), seed=4))
    return [done, single, running, failed, queued, early]


def the_study(details: Sequence[JobDetail] | None = None, **changes: Any) -> ReportInput:
    """Return what a report is made of; without details those of `a_study`."""
    return ReportInput(details=tuple(a_study() if details is None else details), as_of_s=AS_OF_S, **changes)


def some_sessions() -> list[SessionLine]:
    """One session that left by itself, after which one was killed in its first minutes, on the first of the study."""
    return [
        _session(
            "left", {"boot": 60.0, "release": 60.0}, {"compile": 120.0, "train": 2460.0, "validate": 180.0}, False
        ),
        _session("killed", {"boot": 60.0}, {"import": 30.0, "compile": 90.0}, True),
    ]


def _session(name: str, own: Mapping[str, float], worked: Mapping[str, float], was_killed: bool) -> SessionLine:
    attempt = SessionAttempt(
        job_name="six-models/densenet121", number=1, started_at_s=START_S, ended_at_s=START_S + 3600.0, seconds=worked
    )
    return SessionLine(
        id=name,
        host="colab",
        processor="Tesla T4",
        started_at_s=START_S,
        ended_at_s=None if was_killed else START_S + 3600.0,
        seen_at_s=START_S + 360.0,
        ended_how=None if was_killed else "reached its limit",
        seconds=own,
        attempts=(attempt,),
    )


def a_proof(**changes: Any) -> Proof:
    digests = {"weights": "1" * 64, "history": "2" * 64, "predictions": "3" * 64}
    proof = Proof(
        job="six-models/densenet121",
        is_equal=True,
        ran_on="Tesla T4, TensorFlow 2.19.0",
        kills=("between steps, after 12.1 s", "inside a checkpoint, after 31.0 s"),
        undisturbed=digests,
        cut=digests,
    )
    return replace(proof, **changes)


def _attempts(epochs: Sequence[EpochLine], state: State) -> tuple[AttemptLine, ...]:
    numbers = sorted({epoch.attempt for epoch in epochs})
    ends = {State.DONE: Outcome.FINISHED, State.FAILED: Outcome.FAILED, State.RUNNING: None}
    return tuple(
        AttemptLine(
            number=number,
            session_id=f"session-{number}",
            host="colab",
            started_at_s=START_S + 10_000 * number,
            ended_at_s=None if last and state is State.RUNNING else START_S + 10_000 * number + 7200,
            outcome=ends.get(state, Outcome.STOPPED) if last else Outcome.INTERRUPTED,
            reason=_reason(state) if last else "no heartbeat for 120 s, and the process is gone",
            epochs=tuple(epoch.metrics.epoch for epoch in epochs if epoch.attempt == number),
            seconds={},
            seen_at_s=None,
        )
        for number in numbers
        for last in [number == numbers[-1]]
    )


def _reason(state: State) -> str | None:
    return {State.RUNNING: None, State.DONE: "the final evaluation is committed"}.get(state, "the loss is not finite")


def _appraisal(metrics: EpochMetrics, classes: Sequence[str]) -> Appraisal:
    return Appraisal(
        epoch=metrics.epoch,
        weights_sha256="a" * 64,
        predictions_sha256="b" * 64,
        validation=_evaluation(metrics.val_loss, metrics.val_accuracy, classes, images=183),
        test=_evaluation(metrics.val_loss + 0.05, metrics.val_accuracy - 0.02, classes, images=162),
    )


def _evaluation(loss: float, accuracy: float, classes: Sequence[str], *, images: int) -> Evaluation:
    right = round(accuracy * images)
    spill = images - right
    rows = tuple(
        tuple(right if row == column else spill if column == (row + 1) % len(classes) else 0 for column in order)
        for order in [range(len(classes))]
        for row in order
    )
    scores = {
        name: ClassScore(precision=accuracy, recall=right / images, f1=accuracy - 0.01 * place, support=images)
        for place, name in enumerate(classes)
    }
    return Evaluation(loss=loss, accuracy=accuracy, per_class=scores, confusion_matrix=rows)
