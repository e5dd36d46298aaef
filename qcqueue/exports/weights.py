"""Trained weights as one safetensors file that says everything needed to use it, for people and for `load_model`.

    "block1_conv1/kernel" ..   the model's variables by their Keras paths, in the types and shapes they were trained in;
                               a path that stands twice has a number behind it the second time
    metadata                   one key "qcqueue": canonical JSON {format, kind, job, study, model, weights, epoch,
                               epochs, classes, image_size, preprocessing, weights_sha256, variables, spec}

"variables" lists the tensors in the order of `model.variables`, which the file itself does not keep. weights_sha256 is
the digest of the contract, over all of them: `read_weights` compares it. Equal weights of a job are equal bytes,
whenever they are fetched, so nothing is said here of what may still change: its state and its deadline. The other
format, HDF5 for Keras, is `engines.keras_tf.trained`'s, because only Keras writes it; it carries the same JSON.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qcqueue.catalog.models import MODELS
from qcqueue.checkpoints.format import read_tensors, write_tensors
from qcqueue.core.records import MODEL, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.engines.metrics import weights_sha256
from qcqueue.errors import CheckpointDamaged, DigestMismatch, UnknownFormat, UserError

FORMAT = 1
KIND = "weights"
SUFFIX = ".safetensors"
PHOTOGRAPH = "photo.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a file of weights says of them, as far as it takes to build their model.

    which: "best" or "last", of the epochs that were saved by then. sha256: the weights_sha256 of the contract, over the
    tensors. deep_white: of the dataset, which says what it is; the file says nothing of it where it is None.
    """

    spec: JobSpec
    which: str
    epoch: int
    classes: tuple[str, ...]
    sha256: str
    deep_white: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights(Description):
    """A trained model: the variables of one epoch, by position as in a state (m/00000 ..), and how they are to be used.

    paths: what Keras calls each variable.
    """

    tensors: Tensors
    paths: Mapping[str, str]

    def about(self) -> dict[str, Any]:
        """Return what the file says of itself beside its tensors."""
        return {
            "format": FORMAT,
            "kind": KIND,
            "job": self.spec.full_name,
            "study": self.spec.study,
            "model": self.spec.model,
            "weights": self.which,
            "epoch": self.epoch,
            "epochs": self.spec.epochs,
            "classes": list(self.classes),
            "image_size": list(self.spec.image_size),
            "preprocessing": {
                "images": "uint8 RGB, 0 to 255, [image, height, width, 3], resized with a Lanczos filter",
                "function": f"keras.applications.{MODELS[self.spec.model].module}.preprocess_input",
                **({} if self.deep_white is None else {"deep_white": self.deep_white}),
            },
            "weights_sha256": self.sha256,
            "variables": readable_names(self.tensors, self.paths),
            "spec": replace(self.spec, deadline_s=None).to_json(),
        }


def readable_names(tensors: Tensors, paths: Mapping[str, str]) -> list[str]:
    """Return one name for each tensor, in the order of the keys: its Keras path, made unique; its key where it has
    none."""
    given: Counter[str] = Counter()
    names: list[str] = []
    for key in sorted(tensors):
        wanted = name = paths.get(key) or key
        while given[name]:
            given[wanted] += 1
            name = f"{wanted}_{given[wanted]}"
        given[name] += 1
        names.append(name)
    return names


def write_weights(path: Path, weights: Weights) -> None:
    """Write one file; what was at `path` is replaced."""
    about = weights.about()
    named = {name: weights.tensors[key] for name, key in zip(about["variables"], sorted(weights.tensors), strict=True)}
    write_tensors(path, named, about)


def read_weights(path: Path) -> Weights:
    """Read a file that `write_weights` has written.

    Raises: UserError: there is no such file, or it is another kind of file. CorruptionError: it is damaged, or was
        written by a newer qcqueue.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}", hint="qcqueue fetch JOB")
    with _whole(path.name):
        named, about = read_tensors(path)
        described_by = _described(about, path.name)
        variables: Sequence[str] = about["variables"]
        if sorted(variables) != sorted(named):
            raise ValueError("it lists other tensors than it holds")
        keys = [f"{MODEL}{index:05d}" for index in range(len(variables))]
    tensors = {key: named[name] for key, name in zip(keys, variables, strict=True)}
    if weights_sha256(tensors) != described_by.sha256:
        raise another_than_it_names(path.name)
    return Weights(
        spec=described_by.spec,
        which=described_by.which,
        epoch=described_by.epoch,
        classes=described_by.classes,
        tensors=tensors,
        paths=dict(zip(keys, variables, strict=True)),
        sha256=described_by.sha256,
        deep_white=described_by.deep_white,
    )


def described(about: Mapping[str, Any], *, file: str) -> Description:
    """Return what a file says of its weights. file: its name. Raises as `read_weights` does."""
    with _whole(file):
        return _described(about, file)


def another_than_it_names(file: str) -> DigestMismatch:
    return DigestMismatch(f"{file} is damaged: its weights are not those it names", hint="qcqueue fetch JOB")


@contextmanager
def _whole(file: str) -> Iterator[None]:
    try:
        yield
    except (CheckpointDamaged, KeyError, TypeError, ValueError) as exc:
        raise CheckpointDamaged(
            f"{file} is not a whole weights file as qcqueue writes it", hint="qcqueue fetch JOB"
        ) from exc


def _described(about: Mapping[str, Any], file: str) -> Description:
    if about.get("kind") != KIND:
        raise UserError(f"{file} holds no weights that qcqueue has fetched", hint="qcqueue fetch JOB")
    if type(about["format"]) is not int or about["format"] < 1:
        raise ValueError("its format is no number")
    if about["format"] > FORMAT:
        raise UnknownFormat(f"{file} was written by a newer qcqueue; upgrade qcqueue")
    spec = JobSpec.from_json(about["spec"])
    if spec.model not in MODELS:  # what is named is built later, so it must be one of ours
        raise ValueError(f"it is of an unknown model {spec.model!r}")
    if about["weights"] not in ("best", "last") or type(about["epoch"]) is not int:
        raise ValueError("it does not say of which epoch it is")
    classes = about["classes"]
    if type(classes) is not list or not all(type(it) is str for it in classes) or len({*classes}) < len(classes):
        raise ValueError("its classes have no names")
    if spec.batch_size < 1 or min(spec.image_size) < MODELS[spec.model].minimum_side_px:
        raise ValueError("no model can be of such a job")
    return Description(
        spec=spec,
        which=about["weights"],
        epoch=about["epoch"],
        classes=tuple(classes),
        sha256=about["weights_sha256"],
        deep_white=_deep_white(about["preprocessing"]),
    )


def _deep_white(preprocessing: Any) -> int | None:
    found = preprocessing.get("deep_white") if isinstance(preprocessing, dict) else 0
    if found is None or (type(found) is int and 0 < found < 1 << 32):
        return found
    raise ValueError("it does not say how images are prepared")


def snippet(weights: Weights, file: str) -> tuple[str, str, str]:
    """Return the lines. file: the weights, as seen from the folder in which Python is started."""
    return _with_qcqueue(file) if file.endswith(SUFFIX) else _with_keras(weights, file)


def _with_qcqueue(file: str) -> tuple[str, str, str]:
    return (
        "import qcqueue",
        f"model = qcqueue.load_model({file!r})",
        f"print(model.predict({PHOTOGRAPH!r}))",
    )


def _with_keras(weights: Weights, file: str) -> tuple[str, str, str]:
    spec = weights.spec
    height, width = spec.image_size
    base = f"{spec.model}(include_top=False, weights=None, input_shape=({height}, {width}, 3), pooling='avg')"
    if spec.weights == "imagenet" and (scale := MODELS[spec.model].imagenet_scale):
        base = _with_scale(base, scale)
    head = f"keras.layers.Dense({len(weights.classes)}, activation='softmax')"
    image = f"keras.utils.load_img({PHOTOGRAPH!r}, target_size=({height}, {width}), interpolation='lanczos')"
    answer = f"model(preprocess_input(keras.utils.img_to_array({image}))[None])[0].numpy().tolist()"
    return (
        f"import keras; from keras.applications import {spec.model}; "
        f"from keras.applications.{MODELS[spec.model].module} import preprocess_input",
        f"model = keras.Sequential([{base}, {head}]); model.load_weights({file!r})",
        f"print(dict(zip({list(weights.classes)!r}, {answer})))",
    )


def _with_scale(base: str, scale: Sequence[float]) -> str:
    """Return what builds the graph of ImageNet weights: Keras does so itself only while it loads them."""
    scaled = f"keras.layers.Rescaling({list(scale)})(it(*x, **y))"
    call = f"{scaled} if isinstance(it, keras.layers.Normalization) else it(*x, **y)"
    return f"keras.models.clone_model({base}, call_function=lambda it, *x, **y: {call})"
