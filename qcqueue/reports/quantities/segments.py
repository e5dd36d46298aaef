"""A run in its segments: on what machine each attempt trained, what it brought, and how fast it was. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from qcqueue.core.outcomes import Outcome
from qcqueue.core.records import Identity
from qcqueue.queue.values import AttemptLine, EpochLine
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.quantities.stats import Percentiles, percentiles_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One attempt of one job and the official epochs it brought.

    identity is what it trained on, and on what versions; None where it brought no epoch. lineages are those of its
    epochs. step_s is over the medians of its epochs and step_s_p95 the median of their 95th percentiles, both without
    first steps, which are summed in first_steps_s; an epoch that was cut in the middle has those of both its attempts.
    epoch_s is over training plus validation, first steps included. All in seconds, None where nothing was measured.
    """

    job: str
    label: str
    attempt: int
    host: str
    outcome: Outcome | None
    identity: Identity | None
    lineages: tuple[int, ...]
    epochs: tuple[int, ...]
    step_s: Percentiles | None
    step_s_p95: float | None
    first_steps_s: float | None
    epoch_s: Percentiles | None
    train_s: float
    val_s: float
    checkpoint_s: float


def segments_of(models: Sequence[ModelFigures]) -> tuple[Segment, ...]:
    """Return the segments of all models, in the order of the models and of their attempts."""
    return tuple(
        _segment(model, attempt.line, [epoch for epoch in model.epochs if epoch.attempt == attempt.line.number])
        for model in models
        for attempt in model.attempts
    )


def _segment(model: ModelFigures, line: AttemptLine, epochs: Sequence[EpochLine]) -> Segment:
    timings = [epoch.timing for epoch in epochs]
    first = [timing.first_step_s for timing in timings if timing.first_step_s is not None]
    slow = percentiles_of(timing.step_s_p95 for timing in timings)
    return Segment(
        job=model.name,
        label=model.label,
        attempt=line.number,
        host=line.host,
        outcome=line.outcome,
        identity=epochs[0].identity if epochs else None,
        lineages=tuple(dict.fromkeys(epoch.lineage for epoch in epochs)),
        epochs=tuple(epoch.metrics.epoch for epoch in epochs),
        step_s=percentiles_of(timing.step_s_p50 for timing in timings),
        step_s_p95=slow.p50 if slow else None,
        first_steps_s=sum(first) if first else None,
        epoch_s=percentiles_of(timing.train_s + timing.val_s for timing in timings),
        train_s=sum(timing.train_s for timing in timings),
        val_s=sum(timing.val_s for timing in timings),
        checkpoint_s=sum(timing.checkpoint_s for timing in timings),
    )
