"""What an epoch will take on a processor, what a session takes to begin, and how late a save is safe.

Pure: what was measured goes in; seconds come out, with where they come from, in words too. Always true: a measured
time is preferred to a scaled one and that to an estimate, and no estimate calls itself measured.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from qcqueue.catalog.models import KNOWN_MODELS
from qcqueue.core.goodput import Part, PartGroup, Seconds
from qcqueue.core.lineage import is_same_kind
from qcqueue.core.spec import Trainable
from qcqueue.planning.cadence import ASSUMED_LAG_S

# Estimates, none of them measured: seconds of an epoch on a Tesla T4 with its validation, for 2,200 images of 75 x 75
# of which every weight is trained.
ESTIMATED_EPOCH_S: Mapping[str, float] = {
    "VGG16": 15.0,
    "ResNet50V2": 20.0,
    "InceptionV3": 23.0,
    "Xception": 25.0,
    "DenseNet121": 30.0,
    "InceptionResNetV2": 50.0,
}
ESTIMATED_ON = "Tesla T4"
ESTIMATED_SAMPLES = 2200
ESTIMATED_PIXELS = 75 * 75
# The line of least squares through those six by their parameters. DenseNet121 takes 1.7 times what it says, VGG16 0.7.
LEAST_EPOCH_S = 13.1
EPOCH_S_PER_MILLION = 0.593
# The one model that is known on both: Xception took about 35,000 s for 100 epochs on Colab's CPU, 350 s for each,
# where 25 s are estimated for its GPU.
CPU_TIMES_GPU = 14.0
# A training step is the pass forward, the gradients of its activations and those of its weights, each about as dear;
# where only the head is trained the base takes part in the first alone.
HEAD_SHARE = 1 / 3
# Estimated as 60 to 90 s.
ESTIMATED_START_S = 75.0


class Known(StrEnum):
    """How a duration is known, the surest first."""

    MEASURED = "measured"
    SCALED = "measured on another processor"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What computes: the name that its driver or TensorFlow gives it, and whether that is a GPU."""

    name: str
    is_gpu: bool


UNSURE: Mapping[Known, float] = {Known.MEASURED: 0.2, Known.SCALED: 0.5, Known.ESTIMATED: 0.7}
"""How far the truth usually lies from a duration that is known so: the standard deviation of its logarithm."""
# The same of starts and saves, also where they were measured: what one start takes is not what the next one does, for
# caches, networks, what else a machine has to do, and an attempt that is interrupted now and then and starts once more.
UNSURE_START = 0.7

Work = tuple[str, int, int, str]
"""Model, images an epoch, pixels an image, and what of the model is trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What decides the length of a job's epoch, beside the processor.

    image_pixels: of one image, height times width. parameters: those of a model that this version does not know.
    """

    job: str
    model: str
    train_samples: int
    image_pixels: int
    trainable: Trainable = "all"
    parameters: int | None = None

    @property
    def work(self) -> Work:
        """Return what two tasks have in common whose epochs are the same work."""
        return self.model, self.train_samples, self.image_pixels, self.trainable


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochSeen:
    """One epoch that was trained, or the mean of some: its seconds with validation and without compiling."""

    task: Task
    processor: Processor
    seconds: float

    def __post_init__(self) -> None:
        assert self.seconds > 0, f"an epoch without work: {self}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCost:
    """Seconds of one epoch. said: where they come from, such as "measured on Tesla T4"."""

    seconds: float
    basis: Known
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Seconds that are no training, and whether they were measured."""

    seconds: float
    basis: Known


class Measurements:
    """The epochs that were trained, sorted by job and by work: a queue may have thousands of jobs to be asked about."""

    def __init__(self, seen: Iterable[EpochSeen]) -> None:
        self._of_jobs = defaultdict[str, list[EpochSeen]](list)
        self._of_works = defaultdict[Work, list[EpochSeen]](list)
        self._ratios: dict[tuple[Processor, Processor], float] = {}
        self._costs_of_works: dict[tuple[Work, Processor], EpochCost | None] = {}
        for epoch in seen:
            self._of_jobs[epoch.task.job].append(epoch)
            self._of_works[epoch.task.work].append(epoch)

    def epoch_cost(self, task: Task, processor: Processor) -> EpochCost | None:
        """Return what an epoch takes, from the best there is; None for a model of which nothing at all is known.

        In this order: the median of this job's epochs on this processor; that of other jobs with the same work; the
        same two on another processor, scaled as `_ratio` says; and the estimate for the model or its parameters.
        """
        ours = self._of_jobs.get(task.job, [])
        if here := _on(processor, ours):
            return EpochCost(seconds=_median_s(here), basis=Known.MEASURED, said="measured")
        alike = self._cost_of_work(task.work, processor)
        if ours and (alike is None or alike.basis is not Known.MEASURED):
            return self._scaled(ours, processor)
        return alike or _estimate(task, processor)

    def _cost_of_work(self, work: Work, processor: Processor) -> EpochCost | None:
        """Return what an epoch of this work takes by all jobs that have trained some; the same for all that ask."""
        if (work, processor) not in self._costs_of_works:
            cost, alike = None, self._of_works.get(work, [])
            if here := _on(processor, alike):
                said = f"measured in {here[-1].task.job}"
                cost = EpochCost(seconds=_median_s(here), basis=Known.MEASURED, said=said)
            elif alike:
                cost = self._scaled(alike, processor)
            self._costs_of_works[work, processor] = cost
        return self._costs_of_works[work, processor]

    def _scaled(self, there: Sequence[EpochSeen], processor: Processor) -> EpochCost:
        """Return what was measured on another processor, in seconds of this one."""
        other = _nearest(processor, there)
        seconds = _median_s(_on(other, there)) * self._ratio(other, processor)
        return EpochCost(seconds=seconds, basis=Known.SCALED, said=f"measured on {other.name}")

    def _ratio(self, source: Processor, target: Processor) -> float:
        """Return how many times as long an epoch takes on target as on source.

        Whatever work this queue has measured on both says it, by the median. If none has, a CPU takes CPU_TIMES_GPU
        times as long as a GPU, and two GPUs or two CPUs are taken to be as fast as each other: what is known of one is
        nearer than an estimate that was never measured at all.
        """
        if (source, target) not in self._ratios:
            both = [(_on(source, those), _on(target, those)) for those in self._of_works.values()]
            ratios = [_median_s(after) / _median_s(before) for before, after in both if before and after]
            self._ratios[source, target] = median(ratios) if ratios else _slowness(target) / _slowness(source)
        return self._ratios[source, target]


def start_cost(ledgers: Iterable[Seconds]) -> Overhead:
    """Return what lies before the first step of a session: the median of those that trained something and saved it.

    ledgers: one for each session, of its own time and that of its first attempt together.
    """
    parts = PartGroup.RESTART.parts
    took = [sum(it.get(part, 0.0) for part in parts) for it in ledgers if it.get(Part.TRAIN)]
    return _overhead(took, otherwise_s=ESTIMATED_START_S)


def lag_cost(lags_s: Iterable[float]) -> Overhead:
    """Return what lies between a save and its safety in the store: the median of what attempts have measured."""
    return _overhead(list(lags_s), otherwise_s=ASSUMED_LAG_S)


def _overhead(measured_s: Sequence[float], *, otherwise_s: float) -> Overhead:
    if measured_s:
        return Overhead(seconds=median(measured_s), basis=Known.MEASURED)
    return Overhead(seconds=otherwise_s, basis=Known.ESTIMATED)


def _on(processor: Processor, epochs: Iterable[EpochSeen]) -> tuple[EpochSeen, ...]:
    return tuple(it for it in epochs if _is_same(it.processor, processor))


def _is_same(one: Processor, other: Processor) -> bool:
    return one.is_gpu == other.is_gpu and is_same_kind(one.name, other.name)


def _median_s(epochs: Iterable[EpochSeen]) -> float:
    return median(epoch.seconds for epoch in epochs)


def _nearest(processor: Processor, epochs: Sequence[EpochSeen]) -> Processor:
    """Return where these were measured last, on a GPU for a GPU and on a CPU for a CPU if on any."""
    kin = [epoch.processor for epoch in epochs if epoch.processor.is_gpu == processor.is_gpu]
    return kin[-1] if kin else epochs[-1].processor


def _slowness(processor: Processor) -> float:
    return 1.0 if processor.is_gpu else CPU_TIMES_GPU


def _estimate(task: Task, processor: Processor) -> EpochCost | None:
    facts = KNOWN_MODELS.get(task.model)
    parameters = facts.base_parameters if facts else task.parameters
    if parameters is None:
        return None
    likely_s = ESTIMATED_EPOCH_S.get(task.model, LEAST_EPOCH_S + EPOCH_S_PER_MILLION * parameters / 1e6)
    size = task.train_samples * task.image_pixels / (ESTIMATED_SAMPLES * ESTIMATED_PIXELS)
    share = HEAD_SHARE if task.trainable == "head" else 1.0
    where = ESTIMATED_ON if processor.is_gpu else "a CPU"
    return EpochCost(
        seconds=likely_s * size * share * _slowness(processor),
        basis=Known.ESTIMATED,
        said=f"estimated from {parameters / 1e6:.1f} M parameters on {where}",
    )
