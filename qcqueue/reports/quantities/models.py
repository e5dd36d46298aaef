"""From what the queue has stored to the quantities of the study, one `ModelFigures` a job. Pure.

Nothing is estimated: a quantity that was not measured is None. Only official epochs count, so an epoch that was
trained twice is counted once; what was trained again is kept apart. Times are those of the machine that trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from qcqueue.core.evaluation import Result
from qcqueue.core.records import EpochMetrics, Identity, best_epoch
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.queue.values import AttemptLine, EpochLine, HistoryLine, JobDetail
from qcqueue.reports.quantities.stats import Percentiles, percentiles_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds over the official epochs.

    step_s_p50 and step_s_p95 are medians over epochs of what each epoch recorded, without the first steps of a
    segment, which compile: those are summed in first_steps_s over first_steps_epochs epochs. step_medians_s tells how
    the medians of single epochs differ. epoch_s_p50 is the median of training plus validation, first steps included;
    nine of ten epochs took between epoch_s_p5 and epoch_s_p95. The checkpoints are our own cost and stand apart.
    """

    step_s_p50: float | None
    step_s_p95: float | None
    step_medians_s: Percentiles | None
    first_steps_s: float | None
    first_steps_epochs: int
    epoch_s_p5: float | None
    epoch_s_p50: float | None
    epoch_s_p95: float | None
    train_s: float
    val_s: float
    checkpoint_s: float

    @property
    def total_s(self) -> float:
        return self.train_s + self.val_s + self.checkpoint_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracies:
    """Shares of 0..1. Validation is known from the first epoch on, test only once the job is done."""

    validation_best: float | None
    validation_last: float | None
    test_best: float | None
    test_last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """An attempt that went on where another had been: `epoch` is the first it brought."""

    epoch: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageChange:
    """From this epoch on the bits are those of another machine. before is None where that was the first epoch."""

    epoch: int
    before: Identity | None
    after: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFigures:
    """One attempt with the epochs that count, those that were trained again later, and those that were not so far."""

    line: AttemptLine
    official: tuple[int, ...]
    redone: tuple[int, ...]
    withdrawn: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """Everything the report says of one job. label is short and unique in the report; epochs are those that count.

    An epoch is withdrawn when its checkpoint is found damaged, and redone once it has been trained again; replaced_s is
    what the rows that do not count took."""

    name: str
    label: str
    spec: JobSpec
    state: State
    failure: str | None
    dataset_sha256: str
    processors: tuple[str, ...]
    identities: tuple[Identity, ...]
    lineage_changes: tuple[LineageChange, ...]
    times: Times
    parameters: int | None
    trainable_parameters: int | None
    epochs_done: int
    best_epoch: int | None
    accuracies: Accuracies
    attempts: tuple[AttemptFigures, ...]
    attempt_count: int
    interruption_count: int
    redone_epochs: tuple[int, ...]
    withdrawn_epochs: tuple[int, ...]
    replaced_s: float
    epochs: tuple[EpochLine, ...]
    curve: tuple[EpochMetrics, ...]
    takeovers: tuple[Takeover, ...]
    result: Result | None
    history: tuple[HistoryLine, ...]

    @property
    def is_done(self) -> bool:
        return self.state is State.DONE

    @property
    def epochs_shown(self) -> int:
        """How far an axis reaches: the epochs planned, or those trained where early stopping ended the run."""
        return self.epochs_done if self.is_done else max(self.spec.epochs, self.epochs_done)


def figures_of(details: Sequence[JobDetail]) -> tuple[ModelFigures, ...]:
    """Return the quantities of all jobs, in the order given."""
    labels = _labels([detail.spec for detail in details])
    return tuple(_model(detail, label) for detail, label in zip(details, labels, strict=True))


def _model(detail: JobDetail, label: str) -> ModelFigures:
    epochs = detail.official_epochs()
    replaced = [epoch for epoch in detail.epochs if not epoch.official]
    counting = {epoch.metrics.epoch for epoch in epochs}
    replaced_epochs = {epoch.metrics.epoch for epoch in replaced}
    curve = tuple(epoch.metrics for epoch in epochs)
    result = detail.result
    return ModelFigures(
        name=detail.line.name,
        label=label,
        spec=detail.spec,
        state=detail.line.state,
        failure=detail.line.failure_message,
        dataset_sha256=detail.dataset_sha256,
        processors=tuple(dict.fromkeys(epoch.identity.processor for epoch in epochs)),
        identities=tuple(dict.fromkeys(epoch.identity for epoch in epochs)),
        lineage_changes=_lineage_changes(epochs),
        times=_times(epochs),
        parameters=result.parameters if result else None,
        trainable_parameters=result.trainable_parameters if result else None,
        epochs_done=len(epochs),
        best_epoch=result.best.epoch if result else best_epoch(curve),
        accuracies=_accuracies(curve, result),
        attempts=_attempts(detail),
        attempt_count=detail.line.attempts,
        interruption_count=detail.line.interruptions,
        redone_epochs=tuple(sorted(replaced_epochs & counting)),
        withdrawn_epochs=tuple(sorted(replaced_epochs - counting)),
        replaced_s=sum(_seconds(epoch) for epoch in replaced),
        epochs=epochs,
        curve=curve,
        takeovers=_takeovers(epochs),
        result=result,
        history=detail.history,
    )


def _times(epochs: Sequence[EpochLine]) -> Times:
    timings = [epoch.timing for epoch in epochs]
    first = [timing.first_step_s for timing in timings if timing.first_step_s is not None]
    whole = percentiles_of(timing.train_s + timing.val_s for timing in timings)
    return Times(
        step_s_p50=_median([timing.step_s_p50 for timing in timings]),
        step_s_p95=_median([timing.step_s_p95 for timing in timings]),
        step_medians_s=percentiles_of(timing.step_s_p50 for timing in timings),
        first_steps_s=sum(first) if first else None,
        first_steps_epochs=len(first),
        epoch_s_p5=whole.p5 if whole else None,
        epoch_s_p50=whole.p50 if whole else None,
        epoch_s_p95=whole.p95 if whole else None,
        train_s=sum(timing.train_s for timing in timings),
        val_s=sum(timing.val_s for timing in timings),
        checkpoint_s=sum(timing.checkpoint_s for timing in timings),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _seconds(epoch: EpochLine) -> float:
    return epoch.timing.train_s + epoch.timing.val_s + epoch.timing.checkpoint_s


def _accuracies(curve: Sequence[EpochMetrics], result: Result | None) -> Accuracies:
    if result:
        return Accuracies(
            validation_best=result.best.validation.accuracy,
            validation_last=result.last.validation.accuracy,
            test_best=result.best.test.accuracy,
            test_last=result.last.test.accuracy,
        )
    best = best_epoch(curve)
    so_far = {row.epoch: row.val_accuracy for row in curve}
    return Accuracies(
        validation_best=None if best is None else so_far[best],
        validation_last=curve[-1].val_accuracy if curve else None,
        test_best=None,
        test_last=None,
    )


def _attempts(detail: JobDetail) -> tuple[AttemptFigures, ...]:
    counting = {epoch.metrics.epoch for epoch in detail.epochs if epoch.official}

    def figures(line: AttemptLine) -> AttemptFigures:
        brought = [epoch for epoch in detail.epochs if epoch.attempt == line.number]
        replaced = [epoch.metrics.epoch for epoch in brought if not epoch.official]
        return AttemptFigures(
            line=line,
            official=tuple(epoch.metrics.epoch for epoch in brought if epoch.official),
            redone=tuple(epoch for epoch in replaced if epoch in counting),
            withdrawn=tuple(epoch for epoch in replaced if epoch not in counting),
        )

    return tuple(map(figures, detail.attempts))


def _takeovers(epochs: Sequence[EpochLine]) -> tuple[Takeover, ...]:
    return tuple(
        Takeover(epoch=after.metrics.epoch, attempt=after.attempt)
        for before, after in pairwise(epochs)
        if before.attempt != after.attempt
    )


def _lineage_changes(epochs: Sequence[EpochLine]) -> tuple[LineageChange, ...]:
    # A change within the first epoch leaves no row of the lineage before it.
    changes = [
        LineageChange(epoch=first.metrics.epoch, before=None, after=first.identity)
        for first in epochs[:1]
        if first.lineage > 1
    ]
    changes += [
        LineageChange(epoch=after.metrics.epoch, before=before.identity, after=after.identity)
        for before, after in pairwise(epochs)
        if before.lineage != after.lineage
    ]
    return tuple(changes)


def _labels(specs: Sequence[JobSpec]) -> list[str]:
    """Return for each job the shortest of model, job and full name that no other job of the report shares."""
    choices = [[getattr(spec, key) for spec in specs] for key in ("model", "name", "full_name")]
    return [
        next((names[index] for names in choices if names.count(names[index]) == 1), specs[index].full_name)
        for index in range(len(specs))
    ]
