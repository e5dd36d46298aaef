"""`fetch`: the trained weights of a job as one file, and `load_model`, which uses it.

Which weights they are, and whether they are whole, is `trained_weights`' affair. Always true: a file that is there
already is never replaced by another one, and of a new one nothing is seen before it is whole, except that a file system
without links shows it empty for a moment.
"""

import filecmp
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext
from qcqueue.app.trained_weights import Which, weights_of
from qcqueue.catalog.models import MODELS
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.errors import ExtraMissing, UserError
from qcqueue.exports.run import plain_name
from qcqueue.exports.weights import (
    SUFFIX,
    Weights,
    another_than_it_names,
    described,
    read_weights,
    snippet,
    write_weights,
)
from qcqueue.stores.base import Moved, silently
from qcqueue.stores.files import scratch

if TYPE_CHECKING:
    from qcqueue.engines.keras_tf.trained import TrainedModel

H5_SUFFIX = ".h5"
INSTALL = 'pip install "qcqueue[train]"'


class WeightsFormat(StrEnum):
    """How the weights are written: for any program, or as Keras's `load_weights` wants them."""

    SAFETENSORS = "safetensors"
    H5 = "h5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was brought. is_new: false where the same file was there already. sha256: of the file.

    weights: what is in it. val_accuracy: of its epoch, of 0..1. lines: three of Python that use it.
    """

    path: Path
    kind: WeightsFormat
    is_new: bool
    size_bytes: int
    sha256: str
    weights: Weights
    val_accuracy: float | None
    state: State
    lines: tuple[str, str, str]


def usual_kind() -> tuple[WeightsFormat, str]:
    """Return the format for who asks for none, and why it is this one."""
    if has_keras():
        return WeightsFormat.H5, "Keras is installed here; --format safetensors is for programs without it"
    return WeightsFormat.SAFETENSORS, "TensorFlow is not installed here, which --format h5 needs"


def has_keras() -> bool:
    """Return whether Keras and TensorFlow can be had, without importing them."""
    return all(importlib.util.find_spec(name) for name in ("tensorflow", "keras"))


def fetch_weights(
    context: QueueContext, typed: str, *, folder: Path, which: Which, kind: WeightsFormat, moved: Moved = silently
) -> Fetched:
    """Write the weights of a job into `folder`, under a name made from the job's.

    moved is told of the bytes of all that is brought. Raises: UnknownName. UserError: nothing of the job is kept, or
    there is another file of that name. ExtraMissing: the format needs what is not installed. CorruptionError: the store
    has damaged them. BlobMissing, StoreError.
    """
    if kind is WeightsFormat.H5 and not has_keras():
        raise ExtraMissing(
            "the format h5 is written by Keras, and TensorFlow or Keras is not installed",
            hint=f"--format safetensors, or {INSTALL}",
        )
    asked, weights = weights_of(context, typed, which, moved=moved)
    if asked.detail.spec.model not in MODELS:
        raise UserError(
            f"{asked.detail.line.name} is of {asked.detail.spec.model}, whose weights no other program can use",
            hint=f"qcqueue show {typed}, for its figures",
        )
    epochs = {line.metrics.epoch: line.metrics for line in asked.detail.official_epochs()}
    target = folder / file_name(asked.detail.spec, which, kind, is_alone=asked.is_alone)
    with _told_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Below a folder of its own, so that whoever looks into this one never sees half a file.
        with scratch(folder, prefix=".fetching-") as within:
            written = within / target.name
            _write(written, kind, weights)
            is_new = _given_its_name(written, target)
            if not is_new and not (target.is_file() and filecmp.cmp(written, target, shallow=False)):
                raise UserError(
                    f"{target} is there already and holds something else; it is left as it is",
                    hint="--out ANOTHER_FOLDER, or move that file away",
                )
        with target.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = target.stat().st_size
    return Fetched(
        path=target,
        kind=kind,
        is_new=is_new,
        size_bytes=size_bytes,
        sha256=sha256,
        weights=weights,
        val_accuracy=epochs[weights.epoch].val_accuracy if weights.epoch in epochs else None,
        state=asked.detail.line.state,
        lines=snippet(weights, str(target)),
    )


def file_name(spec: JobSpec, which: Which, kind: WeightsFormat, *, is_alone: bool) -> str:
    """Return a name that is only a name, whatever the job is called; with its study where another has a job so named.

    No plain name holds a dot, so what stands before one is the study and nothing else.
    """
    ending = SUFFIX if kind is WeightsFormat.SAFETENSORS else ".weights.h5"
    study = "" if is_alone else f"{plain_name(spec.study)}."
    return f"{study}{plain_name(spec.name)}{'' if which is Which.BEST else '-last'}{ending}"


def load_model(path: str | Path) -> "TrainedModel":
    """Return the model in a file that `fetch` wrote, ready to be asked.

    Raises: UserError: there is no such file or it is another one. CorruptionError: it is damaged. ExtraMissing.
    """
    path = Path(path)
    is_h5 = path.suffix == H5_SUFFIX and path.is_file()
    weights = None if is_h5 else read_weights(path)
    if not has_keras():
        raise ExtraMissing("a model is run by TensorFlow and Keras, which are not installed", hint=INSTALL)
    _prepare_keras()
    if weights is None:
        return _load_h5(path)
    from qcqueue.engines.keras_tf.trained import TrainedModel

    return TrainedModel(weights.spec, weights.classes, weights.tensors, deep_white=weights.deep_white)


def _load_h5(path: Path) -> "TrainedModel":
    from qcqueue.engines.keras_tf.hdf5 import about_h5

    about = described(about_h5(path), file=path.name)
    from qcqueue.engines.keras_tf.trained import TrainedModel

    model = TrainedModel(about.spec, about.classes, path, deep_white=about.deep_white)
    if model.weights_sha256() != about.sha256:
        raise another_than_it_names(path.name)
    return model


def _given_its_name(written: Path, target: Path) -> bool:
    """Give a whole file its name if nothing has it, whoever else tries that at this moment; return whether it has."""
    try:
        target.hardlink_to(written)
    except FileExistsError:
        return False
    except OSError:
        return _moved_to(written, target)
    return True


def _moved_to(written: Path, target: Path) -> bool:
    """Do the same where the file system has no links: the name is taken with an empty file, which gives way at once."""
    try:
        target.touch(exist_ok=False)
    except FileExistsError:
        return False
    try:
        written.replace(target)
    except OSError:
        target.unlink()
        raise
    return True


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise UserError(f"{folder} cannot be written: {exc.strerror or exc}", hint="--out ANOTHER_FOLDER") from exc


def _write(path: Path, kind: WeightsFormat, weights: Weights) -> None:
    if kind is WeightsFormat.SAFETENSORS:
        write_weights(path, weights)
        return
    _prepare_keras()
    from qcqueue.engines.keras_tf.trained import TrainedModel, without_gpu, write_h5

    without_gpu()
    model = TrainedModel(weights.spec, weights.classes, weights.tensors)
    write_h5(path, model.keras, weights.about())


def _prepare_keras() -> None:
    """Choose the backend where nobody has, and silence what TensorFlow says of itself; before the first import."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
