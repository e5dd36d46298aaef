"""The validated description of one job, and all that is to be said of each of its keys.

A `JobSpec` is what a study file becomes after `study.parse_study` has found no fault in it, and the only thing
a trainer is told about what to train. A key of a study is a field here: what it may be, what it is when nobody says,
the line that explains it, whether it decides bits. Two specs with the same digest are the same job.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from qcqueue.catalog.augmentations import AUGMENTATIONS
from qcqueue.catalog.models import KNOWN_MODELS, MODELS
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.core.shaped import shaped
from qcqueue.text.canonical_json import digest_of
from qcqueue.text.fields import (
    OWN_MODEL,
    InvalidValue,
    Key,
    key,
    keys_of,
    old_key,
    one_of,
    read_deadline,
    read_image_size,
    read_name,
    read_params,
    read_requires,
    read_visible,
    read_weights,
    real_number,
    true_or_false,
    whole_number,
)
from qcqueue.text.humanize import listed

Trainable = Literal["all", "head"]
Determinism = Literal["exact", "relaxed"]
Device = Literal["gpu", "cpu", "any"]
Lineage = Literal["any", "same", "refuse"]
Step = Literal["graph", "fused", "xla"]
StepWanted = Literal["auto", "graph", "fused", "xla"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

WEIGHTS = "weights"
"""The role of a weights file among the attachments of a job."""

CODE = "code"
"""The role of an archive with a person's code among the attachments of a job."""

# Far beyond what a study file may say, and small enough for whoever counts epochs or pixels one by one.
_MOST = 10_000_000
_MOST_PIXELS = 65_536
_MOST_S = 1e12


def _stored_size(value: tuple[int, int]) -> tuple[int, int]:
    if not all(0 < side <= _MOST_PIXELS for side in value):
        raise InvalidValue(list(value), f"are from 1 to {_MOST_PIXELS} pixels")
    return value


def _stored_deadline(value: float | None) -> float | None:
    if value is not None and not abs(value) <= _MOST_S:
        raise InvalidValue(value, "is a date")
    return value


def _choice(rows: Mapping[str, Any]) -> str:
    """Return the names of rows as a person is offered them, with what is noted of each."""
    return listed([f'"{name}"' + (f" ({row.note})" if row.note else "") for name, row in rows.items()], last="or")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One model, one dataset, one set of hyperparameters.

    image_size is (height, width) in pixels. weights is "imagenet", "none" or "file"; for "file" weights_sha256
    names the blob with the tensors, so that the path on one laptop is no part of the job. early_stopping is a
    patience in epochs, 0 = off. dropout is the share dropped before the classifier head, 0 = no such layer. lineage
    says where a run that has begun may go on: on any machine, as a new lineage where that changes its bits; on the
    same kind of processor only; or only where nothing that decides its bits has changed. deadline_s is when somebody
    wants it done, in seconds since 1970 UTC: it decides when the job is taken, and no bit of what it trains.
    A model "mine.py:build" is what the function `build` in a person's file makes of params, a JSON object as canonical
    text; code_sha256 names the archive with that file and all local ones that it imports, requires the packages.
    wants it done, in seconds since 1970 UTC: it decides when the job is taken, and no bit of what it trains. step is
    how a step is computed: "auto" is whichever is measured to be done soonest on the machine where the run begins.
    precision is what most layers compute in; the weights, the softmax and the loss are float32 always. tf32: whether a
    GPU that can may round what it multiplies to the 10 bits of TensorFloat-32.
    """

    study: str = old_key(read_name, help="the first half of every job's name", is_text=True, stored=read_visible)
    name: str = old_key(
        read_name,
        help="the second half of a job's name, its model where nobody says",
        is_text=True,
        stored=read_visible,
    )
    model: str = old_key(
        one_of(MODELS, also=KNOWN_MODELS, like=OWN_MODEL, written="FILE.py:FUNCTION"),
        help="keras.applications name, or a function of yours that builds one: mine.py:build",
        also=("architecture",),
        is_text=True,
        stored=read_visible,
    )
    dataset: str = old_key(
        read_name,
        help="what `qcqueue data add --name` called the images",
        also=("data",),
        is_text=True,
        stored=read_visible,
    )
    epochs: int = old_key(
        whole_number(1, 100_000), default=100, help="passes over the training images", stored=whole_number(0, _MOST)
    )
    batch_size: int = old_key(
        whole_number(1, 65_536), default=32, help="images a step", also=("batch",), stored=whole_number(0, _MOST)
    )
    learning_rate: float = old_key(
        real_number("above 0 and up to 10", lambda x: 0 < x <= 10),
        default=1e-4,
        help="of the optimizer, for the whole run",
        example="1e-4",
        also=("lr",),
        stored=real_number("that is finite", math.isfinite),
    )
    optimizer: str = old_key(one_of(OPTIMIZERS), default="adam", help=_choice(OPTIMIZERS), is_text=True)
    image_size: tuple[int, int] = old_key(
        read_image_size,
        default=(75, 75),
        help="height, width in pixels, or one number for a square, as the dataset has them",
        also=("size", "input_shape"),
        stored=_stored_size,
    )
    weights: Literal["imagenet", "none", "file"] = old_key(
        read_weights,
        default="imagenet",
        help='"imagenet", "none", or a weights file (.h5, .safetensors)',
        is_text=True,
        stored=one_of(("imagenet", "none", "file")),
    )
    weights_sha256: str | None
    trainable: Trainable = old_key(one_of(get_args(Trainable)), default="all", help='"all" or "head"', is_text=True)
    augment: str = old_key(
        one_of(AUGMENTATIONS), default="none", help=_choice(AUGMENTATIONS), also=("augmentation",), is_text=True
    )
    dropout: float = old_key(
        real_number("from 0 up to, but not, 1", lambda x: 0 <= x < 1),
        default=0.0,
        help="before the classifier",
        stored=real_number("from 0 to 1", lambda x: 0 <= x <= 1),
    )
    determinism: Determinism = old_key(
        one_of(get_args(Determinism)),
        default="exact",
        help='"exact", or "relaxed" (recorded, shown in the report)',
        is_text=True,
    )
    device: Device = old_key(one_of(get_args(Device)), default="any", help='"gpu", "cpu" or "any"', is_text=True)
    seed: int = old_key(
        whole_number(0, 2**32 - 1),
        default=1,
        help="of the first weights, the order of images, dropout and augmentation",
        also=("random_state",),
        stored=whole_number(0, 1 << 53),
    )
    early_stopping: int = old_key(
        whole_number(0, 100_000),
        default=0,
        help="patience in epochs, 0 = off",
        also=("patience",),
        stored=whole_number(0, _MOST),
    )
    lineage: Lineage = key(
        one_of(get_args(Lineage)),
        default="any",
        help='a run goes on on "any" machine, on the "same" GPU, or "refuse": only as exactly as it began',
        is_text=True,
    )
    deadline_s: float | None = key(
        read_deadline,
        name="deadline",
        help="by the end of that day in UTC, or by a moment: 2026-12-24T18:00:00+01:00; it may be changed",
        example="2026-12-24",
        decides_bits=False,
        also=("due",),
        stored=_stored_deadline,
    )
    step: StepWanted = key(
        one_of(get_args(StepWanted)),
        default="auto",
        help='"auto" measures once what is fastest where a run begins; or "graph", "fused", "xla"',
        also=("jit_compile",),
        is_text=True,
    )
    precision: Precision = key(
        one_of(get_args(Precision)),
        default="float32",
        help='"float32", "mixed_float16", or "mixed_bfloat16" (GPUs of compute capability 8.0 and newer)',
        also=("dtype", "mixed_precision"),
        is_text=True,
    )
    tf32: bool = key(
        true_or_false, default=True, help="whether a GPU that can may multiply in TensorFloat-32, as TensorFlow does"
    )

    params: str = key(
        read_params,
        default="{}",
        help="what a function of yours gets as job.params",
        example="{ width = 8 }",
    )
    requires: tuple[str, ...] = key(
        read_requires,
        default=(),
        help="packages that code of yours needs, which a machine must have before it takes the job",
        example='["keras-hub"]',
    )
    code_sha256: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether a function of a person builds its model: code that a machine must have been told to trust."""
        return OWN_MODEL.fullmatch(self.model) is not None

    @property
    def full_name(self) -> str:
        """The name of the job in the whole queue, such as `six-models/vgg16`."""
        return f"{self.study}/{self.name}"

    @property
    def digest(self) -> str:
        """What tells one training from another: a deadline may be moved, and it stays the same job."""
        return digest_of({name: value for name, value in self.to_json().items() if name not in _DECIDES_NO_BITS})

    @property
    def unusual(self) -> Mapping[str, Any]:
        """What it says beside what every job says: keys that are left out of JSON at their default, and decide bits.

        How a step is computed is left out: `core.lineage.computation` says that of every job.
        """
        told_elsewhere = _DECIDES_NO_BITS | {"step", "precision", "tf32"}
        added = (it for it in fields(self) if it.default is not MISSING and it.name not in told_elsewhere)
        return {it.name: value for it in added if (value := getattr(self, it.name)) != it.default}

    @property
    def attachments(self) -> Mapping[str, str]:
        """The digests of the files that belong to the job, by their role."""
        given = {WEIGHTS: self.weights_sha256, CODE: self.code_sha256}
        return {role: sha256 for role, sha256 in given.items() if sha256}

    @property
    def takes_weights(self) -> bool:
        """Return whether its model can begin with trained weights; of one that this version does not know it can."""
        return not self.is_own and (self.model in MODELS or self.model not in KNOWN_MODELS)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON. What has its default is left out, so that a key which is new changes no job of before."""
        values = {it.name: (getattr(self, it.name), it.default) for it in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in values.items()
            if default is MISSING or value != default
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "JobSpec":
        """Rebuild a spec that `to_json` wrote; the database and work orders hold it in this form.

        Raises ValueError: nobody could train what it says.
        """
        spec = shaped(cls, value)
        for name, it in KEYS.items():
            try:
                it.stored(getattr(spec, it.field))
            except InvalidValue as refused:
                raise ValueError(f"{name}: {refused}") from refused
        if spec.weights != "none" and not spec.takes_weights:
            raise ValueError(f"{spec.model} begins with no weights")
        if spec.is_own != (spec.code_sha256 is not None):
            raise ValueError(
                f"{spec.model} is a model of a person's own code, and there is none"
                if spec.is_own
                else f"{spec.model} needs no code, and there is some"
            )
        return spec


KEYS: Mapping[str, Key] = keys_of(JobSpec)
"""What a study file may say of a job, by what the file calls it."""

_DECIDES_NO_BITS = frozenset(it.field for it in KEYS.values() if not it.decides_bits)
