"""The validated description of one job.

A `JobSpec` is what a study file becomes after `study.parse_study` has found no fault in it, and the only thing
a trainer is told about what to train. Two specs with the same digest are the same job.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from qcqueue.catalog.models import KNOWN_MODELS, MODELS
from qcqueue.core.shaped import shaped
from qcqueue.text.canonical_json import digest_of

Optimizer = Literal["adam", "sgd", "rmsprop"]
Trainable = Literal["all", "head"]
Augment = Literal["none", "flips"]
Determinism = Literal["exact", "relaxed"]
Device = Literal["gpu", "cpu", "any"]
Lineage = Literal["any", "same", "refuse"]

# Far beyond what a study file may say, and small enough for whoever counts epochs or pixels one by one.
_MOST = {"epochs": 10_000_000, "batch_size": 10_000_000, "early_stopping": 10_000_000, "seed": 1 << 53, "dropout": 1}
_MOST_PIXELS = 65_536
_MOST_S = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One model, one dataset, one set of hyperparameters.

    image_size is (height, width) in pixels. weights is "imagenet", "none" or "file"; for "file" weights_sha256
    names the blob with the tensors, so that the path on one laptop is no part of the job. early_stopping is a
    patience in epochs, 0 = off. dropout is the share dropped before the classifier head, 0 = no such layer. lineage
    says where a run that has begun may go on: on any machine, as a new lineage where that changes its bits; on the
    same kind of processor only; or only where nothing that decides its bits has changed. deadline_s is when somebody
    wants it done, in seconds since 1970 UTC: it decides when the job is taken, and no bit of what it trains.
    """

    study: str
    name: str
    model: str
    dataset: str
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Optimizer
    image_size: tuple[int, int]
    weights: Literal["imagenet", "none", "file"]
    weights_sha256: str | None
    trainable: Trainable
    augment: Augment
    dropout: float
    determinism: Determinism
    device: Device
    seed: int
    early_stopping: int
    lineage: Lineage = "any"
    deadline_s: float | None = None

    @property
    def full_name(self) -> str:
        """The name of the job in the whole queue, such as `six-models/vgg16`."""
        return f"{self.study}/{self.name}"

    @property
    def digest(self) -> str:
        """What tells one training from another: a deadline may be moved, and it stays the same job."""
        return digest_of(replace(self, deadline_s=None).to_json())

    def to_json(self) -> dict[str, Any]:
        value = asdict(self) | {"image_size": list(self.image_size)}
        if self.lineage == "any":  # as it was before there was a choice, so that those jobs keep their digests
            del value["lineage"]
        if self.deadline_s is None:
            del value["deadline_s"]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "JobSpec":
        """Rebuild a spec that `to_json` wrote; the database and work orders hold it in this form.

        Raises ValueError: nobody could train what it says.
        """
        spec = shaped(cls, value)
        for name, most in _MOST.items():
            if not 0 <= getattr(spec, name) <= most:
                raise ValueError(f"{name} is not a number from 0 to {most}")
        if not all(it.isprintable() for it in (spec.study, spec.name, spec.model, spec.dataset)):
            raise ValueError("a name in it holds what nobody can see")
        if not all(0 < side <= _MOST_PIXELS for side in spec.image_size):
            raise ValueError(f"image_size is not from 1 to {_MOST_PIXELS} pixels")
        if spec.weights != "none" and spec.model in KNOWN_MODELS and spec.model not in MODELS:
            raise ValueError(f"{spec.model} begins with no weights")
        if spec.deadline_s is not None and not abs(spec.deadline_s) <= _MOST_S:
            raise ValueError("its deadline is no date")
        return spec
