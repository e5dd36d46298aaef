"""Times that were measured on different processors, beside what they might have been on one of them. Pure.

Each segment has a probe: the seconds its processor took for one small step of convolutions that is the same everywhere.
A normalised time is the measured one times the probe of the reference processor over the segment's own.

What this can say: roughly how the times of two segments would compare had both run on the reference processor. What it
cannot: a convolution step is a proxy. Another network is bound by memory or by the launch of its many small kernels
where this one is bound by arithmetic, a GPU that is hot is slower for hours than in the second of its probe, and a
probe says nothing of images that are read too slowly. So normalised times are never shown without the measured ones.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from qcqueue.queue.values import AttemptLine, EpochLine, JobDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Seconds as measured and as normalised; None where they were not measured, or cannot be normalised."""

    raw_s: float | None
    normalised_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTimes:
    """The times of one attempt. probe_s is None where it made no probe, such as under an older qcqueue.

    step and epoch are medians over `epochs`: the official ones that were trained in this attempt from their first step
    to their last. epoch is training plus validation; both are without the first step of the segment, which compiles.
    """

    attempt: int
    processor: str
    probe_s: float | None
    epochs: tuple[int, ...]
    step: Pair
    epoch: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTimes:
    """The times of one job: medians over the epochs of all its segments, each epoch normalised by its own segment.

    Nothing is normalised where a segment that counts has no probe: the median of the others is another quantity.
    """

    name: str
    segments: tuple[SegmentTimes, ...]
    step: Pair
    epoch: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The times of a study whose segments ran on different processors.

    reference is the processor on which most of its official epochs ran, reference_probe_s the median of the probes made
    there: None where there was none, and then nothing is normalised.
    """

    reference: str
    reference_probe_s: float | None
    models: tuple[ModelTimes, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    name: str
    line: AttemptLine
    processor: str
    epochs: tuple[EpochLine, ...]
    whole: tuple[EpochLine, ...]


def normalised_of(details: Sequence[JobDetail]) -> Normalised | None:
    """Return the times of all jobs that have epochs, in the order given; None where all ran on one processor."""
    segments = [segment for detail in details for segment in _segments(detail)]
    if len({segment.processor for segment in segments}) < 2:
        return None
    reference = _reference(segments)
    probes = [it.line.probe_s for it in segments if it.processor == reference and it.line.probe_s is not None]
    probe_s = median(probes) if probes else None
    names = dict.fromkeys(segment.name for segment in segments)
    return Normalised(
        reference=reference,
        reference_probe_s=probe_s,
        models=tuple(_model(name, [it for it in segments if it.name == name], probe_s) for name in names),
    )


def _segments(detail: JobDetail) -> list[_Segment]:
    brought = defaultdict[int, list[EpochLine]](list)
    for epoch in detail.official_epochs():
        brought[epoch.attempt].append(epoch)
    return [
        _Segment(
            name=detail.line.name,
            line=line,
            processor=epochs[0].identity.processor,
            epochs=tuple(epochs),
            whole=tuple(epoch for epoch in epochs if not _was_begun_before(epoch, detail)),
        )
        for line in detail.attempts
        if (epochs := brought[line.number])
    ]


def _was_begun_before(epoch: EpochLine, detail: JobDetail) -> bool:
    """Return whether an earlier attempt may have trained some steps of an epoch: its times are then of both."""
    return any(
        saved.epochs_done == epoch.metrics.epoch - 1
        and saved.steps_done > 0
        and saved.attempt < epoch.attempt
        and saved.status != "damaged"
        for saved in detail.checkpoints
    )


def _reference(segments: Sequence[_Segment]) -> str:
    """Return the processor with the most epochs; of equals the one that comes first in the study."""
    epochs = dict.fromkeys((segment.processor for segment in segments), 0)
    for segment in segments:
        epochs[segment.processor] += len(segment.epochs)
    return max(epochs, key=lambda processor: epochs[processor])


def _model(name: str, segments: Sequence[_Segment], reference_s: float | None) -> ModelTimes:
    return ModelTimes(
        name=name,
        segments=tuple(_times(segment, reference_s) for segment in segments),
        step=_pair(segments, _step_s, reference_s),
        epoch=_pair(segments, _epoch_s, reference_s),
    )


def _times(segment: _Segment, reference_s: float | None) -> SegmentTimes:
    return SegmentTimes(
        attempt=segment.line.number,
        processor=segment.processor,
        probe_s=segment.line.probe_s,
        epochs=tuple(epoch.metrics.epoch for epoch in segment.whole),
        step=_pair([segment], _step_s, reference_s),
        epoch=_pair([segment], _epoch_s, reference_s),
    )


def _pair(
    segments: Sequence[_Segment], seconds_of: Callable[[EpochLine], float | None], reference_s: float | None
) -> Pair:
    measured = [
        (seconds, _factor(segment, reference_s))
        for segment in segments
        for epoch in segment.whole
        if (seconds := seconds_of(epoch)) is not None
    ]
    scaled = [seconds * factor for seconds, factor in measured if factor is not None]
    return Pair(
        raw_s=median(seconds for seconds, _ in measured) if measured else None,
        normalised_s=median(scaled) if scaled and len(scaled) == len(measured) else None,
    )


def _factor(segment: _Segment, reference_s: float | None) -> float | None:
    """Return how many times faster the reference processor is; None where one of the two has no probe."""
    own_s = segment.line.probe_s
    return reference_s / own_s if reference_s and own_s else None


def _step_s(epoch: EpochLine) -> float | None:
    return epoch.timing.step_s_p50


def _epoch_s(epoch: EpochLine) -> float | None:
    """Return training and validation; None where the only step is the one that compiles, as nothing would be left."""
    return None if epoch.timing.step_s_p50 is None else epoch.timing.steps_s + epoch.timing.val_s
