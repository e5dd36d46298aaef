"""What training leaves behind: epochs, cursors, identities, and the snapshot of a run. Plain values, exact as JSON.

The exact part (`EpochMetrics`) is hashed and must be the same however often a run was cut. The timing part
(`EpochTiming`) is what this machine measured and is never part of a digest. `TrainingRecord` travels inside
every checkpoint and is, with the tensors of the `Snapshot`, all that is needed to go on as if nothing had happened.
Epochs are numbered from 1; "epochs_done = 3" means that epoch 4 is next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from qcqueue.core.shaped import shaped
from qcqueue.text.canonical_json import digest_of

if TYPE_CHECKING:
    import numpy.typing as npt  # records are read where nothing trains

_NEUTRAL = ("framework", "library")
_KERAS = ("tensorflow", "keras")

Tensors = Mapping[str, "npt.NDArray[Any]"]

MODEL = "m/"
"""What the keys of a model's own tensors begin with: all that is needed to evaluate it."""

FIRST_STEP = "graph"
"""How a step was computed before there was a choice: as TensorFlow runs the graph that Keras writes."""

LossRule = Literal["clipped", "logits"]
"""How the loss of a validation or test set is computed; a run keeps the rule it began with.

clipped: from the softmax, kept 1e-7 away from 0 and 1, as qcqueue did up to 0.5.1: a sure mistake counts 16.1 at most.
logits: as the log-softmax of what the softmax was taken of, as the training loss is, and as Keras's `evaluate` does.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics:
    """The exact part of one epoch: floats that must agree bit for bit with an uninterrupted run."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTiming:
    """What one epoch cost, in seconds, summed over the segments that contributed steps to it.

    first_step_s holds the first step of a segment, which includes tracing and compiling, and is None where the
    epoch had no such step; the percentiles are over the other steps. step_count counts all steps of the epoch.
    """

    train_s: float
    val_s: float
    checkpoint_s: float
    first_step_s: float | None
    step_s_p50: float | None
    step_s_p95: float | None
    step_count: int

    @property
    def steps_s(self) -> float:
        """What its steps took without those that were compiled."""
        return self.train_s - (self.first_step_s or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialEpoch:
    """The part of the current epoch that is already trained; sums are exact, seconds are measured.

    loss_sum is the sum over samples of the loss, correct and seen count samples, step_times_s leaves out
    first_steps_s (the compiling step of each segment).
    """

    steps_done: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    train_s: float = 0.0
    checkpoint_s: float = 0.0
    first_steps_s: tuple[float, ...] = ()
    step_times_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Everything that decides the bits beside the spec. A change between segments starts a new lineage.

    framework is what computes, such as tensorflow, and library what the model is written with on top of it, such as
    keras, "" for nothing. cuda and cudnn are the versions the framework was built with, "" on a CPU. What stands below
    them is known only since 0.6, and only on a GPU: the cuDNN that is loaded, the compute capability of the GPU
    ("7.5"), the number of its multiprocessors, and its driver, which is kept for people and never compared.

    step is how a step is computed; a run that does not say is of a time when there was "graph" alone. step_fingerprint
    is the digest of what two such steps make of fixed weights and batches: it sees what no version tells. tf32 is
    whether TensorFlow may use it. memory_limit is how many bytes of the GPU the process may take, for people: what it
    changes, the fingerprint shows.
    """

    processor: str
    instruction_set: str
    threads: int
    deterministic: bool
    python: str
    framework: str
    framework_version: str
    numpy: str
    library: str = ""
    library_version: str = ""
    cuda: str = ""
    cudnn: str = ""
    cudnn_loaded: str | None = None
    compute_capability: str | None = None
    multiprocessors: int | None = None
    driver: str | None = None
    step: str | None = None
    step_fingerprint: str | None = None
    tf32: bool | None = None
    memory_limit: int | None = None

    def differences(self, other: "Identity") -> tuple[str, ...]:
        """Return the names of the fields that decide bits and differ, as far as both know them.

        The versions of Python, of numpy and of the driver do not decide, nor does the limit of memory.
        """
        ignored = {"python", "numpy", "driver", "memory_limit"}
        mine, theirs = ({**asdict(it), "step": it.step or FIRST_STEP} for it in (self, other))
        known = [key for key in mine if key not in ignored and mine[key] is not None and theirs[key] is not None]
        return tuple(key for key in known if mine[key] != theirs[key])

    @property
    def versions(self) -> dict[str, str]:
        """Return the versions of the framework and of the library, by their names."""
        versions = {self.framework: self.framework_version}
        return versions | ({self.library: self.library_version} if self.library else {})

    def to_json(self) -> dict[str, Any]:
        """Return what is known, so that what was written before there was more to know stays as it is."""
        return {key: value for key, value in _fields(self).items() if value is not None}

    def to_document(self) -> dict[str, Any]:
        """Return it in the words that certificates and reports promise: those of Keras on TensorFlow are the older."""
        said = self.to_json()
        if tuple(self.versions) != _KERAS:
            return said
        return {name: it for name, it in said.items() if not name.startswith(_NEUTRAL)} | self.versions

    @classmethod
    def from_json(cls, value: Any) -> "Identity":
        """Return the identity of a record or a document of any version. Raises ValueError: it is none."""
        return shaped(cls, _neutral(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """The JSON half of a checkpoint: where the run stands and all it has seen.

    lineage counts from 1 and rises when the identity changed between segments. stopped_early says that early
    stopping has decided, so that a run cut between the decision and the end does not train one epoch more. loss_rule is
    that of every validation loss in the history; a record that does not say is of a time when there was one.
    """

    spec_sha256: str
    epochs_done: int
    partial: PartialEpoch
    history: tuple[EpochMetrics, ...]
    identity: Identity
    lineage: int
    stopped_early: bool = False
    loss_rule: LossRule = "clipped"

    @property
    def best_epoch(self) -> int | None:
        return best_epoch(self.history)

    def to_json(self) -> dict[str, Any]:
        # One level at a time: `asdict` copies every float of a long history, in every commit.
        value = _fields(self) | {
            "partial": _fields(self.partial),
            "history": [_fields(row) for row in self.history],
            "identity": self.identity.to_json(),
        }
        if self.loss_rule == "clipped":  # as it was written before there was a choice
            del value["loss_rule"]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TrainingRecord":
        """Raises ValueError: it is no record."""
        if type(value) is dict and "identity" in value:
            value = value | {"identity": _neutral(value["identity"])}
        return shaped(cls, value)

    def with_epoch(self, metrics: EpochMetrics, *, patience: int) -> "TrainingRecord":
        """Return the record after one more finished epoch; early stopping is decided here, from history alone."""
        history = (*self.history, metrics)
        return replace(
            self,
            epochs_done=metrics.epoch,
            partial=PartialEpoch(),
            history=history,
            stopped_early=should_stop_early(history, patience=patience),
        )


def _neutral(value: Any) -> Any:
    """Return the JSON of an identity with a framework and a library, where it is of a time when these had no names."""
    if type(value) is not dict or "framework" in value or not value.keys() >= {*_KERAS}:
        return value
    rest = {name: it for name, it in value.items() if name not in _KERAS}
    for kind, name in zip(_NEUTRAL, _KERAS, strict=True):
        rest |= {kind: name, f"{kind}_version": value[name]}
    return rest


def _fields(value: "TrainingRecord | PartialEpoch | EpochMetrics | Identity") -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def best_epoch(history: Sequence[EpochMetrics]) -> int | None:
    """Return the epoch with the lowest validation loss, the earliest of equals, or None for no epochs."""
    return min(history, key=lambda row: (row.val_loss, row.epoch)).epoch if history else None


def should_stop_early(history: Sequence[EpochMetrics], *, patience: int) -> bool:
    """Return whether `patience` epochs in a row brought no lower validation loss. A patience of 0 never stops."""
    best = best_epoch(history)
    return patience > 0 and best is not None and history[-1].epoch - best >= patience


def history_sha256(history: Sequence[EpochMetrics]) -> str:
    """Return the digest of the contract: canonical JSON of the per-epoch metrics, without any timing."""
    return digest_of([asdict(row) for row in history])


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Tensors by key (m/00000.. for model.variables, o/00000.. for optimizer.variables), the record that belongs
    to them, the variable path of each key as a cross-check, and the keys of those that training cannot change."""

    tensors: Tensors
    record: TrainingRecord
    paths: Mapping[str, str]
    fixed: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """differs: in a few words what was not the same the second time, "" for nothing. seconds: what finding out took."""

    processor: str
    differs: str
    seconds: float

    @property
    def is_exact(self) -> bool:
        return not self.differs

    @property
    def sentence(self) -> str:
        """Say it, such as "resume rehearsed on Tesla T4: exact"."""
        return f"resume rehearsed on {self.processor}: {'exact' if self.is_exact else f'not exact, {self.differs}'}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Rehearsal":
        """Raises ValueError: it is none."""
        return shaped(cls, value)
