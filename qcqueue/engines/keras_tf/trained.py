"""A trained model in memory, from its variables alone: asked for predictions, or written as Keras writes weights.

It computes as the trainer does when it validates: the same network with its preprocessing inside, the same kind of
graph, batches of the size the job was trained with. So on the same kind of machine its answers on a whole split are
those that were stored, to the bit; an image asked for alone is computed in a batch of one, which may differ in the last
bits.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.core.records import MODEL, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.decode import read_picture
from qcqueue.datasets.deep import DEEPEST_BITS, white_of
from qcqueue.datasets.limits import FILE_SIZE_BYTES_MAX
from qcqueue.datasets.picture import check_white_is_known, pixels_of
from qcqueue.engines.keras_tf.hdf5 import ABOUT, about_h5, check_nested, is_real
from qcqueue.engines.keras_tf.models import build_model
from qcqueue.engines.metrics import weights_sha256
from qcqueue.errors import CheckpointDamaged, UserError
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.canonical_json import canonical_json

SUFFIX = ".weights.h5"
"""What Keras asks the name of such a file to end with."""


class TrainedModel:
    """A model to be asked. classes: their names in the order of the outputs. keras: the network, uint8 images in."""

    def __init__(
        self, spec: JobSpec, classes: Sequence[str], weights: Tensors | Path, *, deep_white: int | None = None
    ) -> None:
        """weights: the variables, or a file that `write_h5` wrote. deep_white: the value that became 255 in deep
        pictures; None for the most that each file can hold.

        Raises: CheckpointDamaged: the weights are not those of this model. UserError: Keras uses another backend.
        """
        self.classes = tuple(classes)
        self.keras = _built(spec, len(self.classes), weights)
        self._spec = spec
        self._deep_white = deep_white
        images = tf.TensorSpec((None, *spec.image_size, 3), tf.uint8)
        self._step = tf.function(self._predict, [images], autograph=False, jit_compile=False)

    def predict(self, photograph: str | Path, *, depth: int | None = None) -> dict[str, float]:
        """Return the probability of each class for one image file, prepared as the images of its dataset were.

        depth: bits of a photograph of more than 8, where it is not that of the dataset, as in `data add --depth`.
        Raises: UserError: there is no such file. DatasetInvalid: it is not an image, or which of its values is white
        is not known.
        """
        if depth is not None and not 8 <= depth <= DEEPEST_BITS:
            raise UserError(f"depth={depth} is not 8 to {DEEPEST_BITS} bits")
        path = Path(photograph)
        try:
            content = read_regular(path, bytes_max=FILE_SIZE_BYTES_MAX)
        except NotRegularError as exc:
            raise UserError(f"{path} {exc}, and no photograph") from exc
        except OSError as exc:
            raise UserError(f"{path} cannot be read: {exc.strerror}") from exc
        picture, white = read_picture(content, named=path.name), self._deep_white if depth is None else white_of(depth)
        check_white_is_known(picture, white)
        image = pixels_of(picture, image_size=self._spec.image_size, white=white)
        return dict(zip(self.classes, self.probabilities(image[None])[0].tolist(), strict=True))

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return float32 [image, class] for uint8 [image, height, width, 3] in the size the model was trained with.

        Raises: UserError: they are of another type or shape.
        """
        wanted = (*self._spec.image_size, 3)
        if images.dtype != np.uint8 or images.shape[1:] != wanted or not len(images):
            raise UserError(f"the images are {images.dtype} {list(images.shape)}, not uint8 [image, {wanted}]")
        starts = range(0, len(images), self._spec.batch_size)
        return np.concatenate([self._step(images[at : at + self._spec.batch_size]).numpy() for at in starts])

    def weights_sha256(self) -> str:
        """Return the digest of the contract, over all variables."""
        return weights_sha256({f"{MODEL}{at:05d}": it.numpy() for at, it in enumerate(self.keras.variables)})

    def _predict(self, images: Any) -> Any:
        return self.keras(images, training=False)


def write_h5(path: Path, model: Any, about: dict[str, Any]) -> None:
    """Write the variables of a Keras model as `model.save_weights` does, with a JSON object as the attribute "qcqueue",
    which Keras leaves alone. Equal weights are equal bytes. The name of the file must end with `SUFFIX`.

    Keras leaves out the state of seeds; the JSON has it as "seeds", by the places of these variables in the model.
    """
    model.save_weights(path)
    seeds = {str(at): variable.numpy().tolist() for at, variable in _seeds(model)}
    with h5py.File(path, "r+") as file:
        file.attrs[ABOUT] = canonical_json(about | ({"seeds": seeds} if seeds else {}))


def without_gpu() -> None:
    """Leave the GPU to whoever trains: for a process that only writes weights. Call before anything is computed."""
    with contextlib.suppress(RuntimeError):  # somebody computes in this process already, and has the GPU
        tf.config.set_visible_devices([], "GPU")


def _seeds(model: Any) -> Iterator[tuple[int, Any]]:
    """Yield the variables of a model that are no numbers to compute with, each with its place among all."""
    for at, variable in enumerate(model.variables):
        if not is_real(variable):
            yield at, variable


def _load(model: Any, path: Path) -> None:
    if not path.name.endswith(SUFFIX):
        raise UserError(
            f"the name of {path.name} does not end with {SUFFIX}, by which Keras knows such a file", hint="rename it"
        )
    try:
        check_nested(path, model.variables)
        model.load_weights(path)
        seeds = about_h5(path).get("seeds", {})
        for at, variable in _seeds(model):
            variable.assign(np.array(seeds[str(at)], variable.dtype))
    except MemoryError:
        raise
    except Exception as exc:  # whatever two libraries say of a file that may hold anything
        raise CheckpointDamaged(
            f"{path.name} is not a whole weights file as qcqueue writes it", hint="qcqueue fetch JOB"
        ) from exc


def _built(spec: JobSpec, classes: int, weights: Tensors | Path) -> Any:
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on {keras.backend.backend()} in this process, and this needs TensorFlow",
            hint="set KERAS_BACKEND=tensorflow before Python starts",
        )
    # A person's keras.json may say otherwise, and the variables would not fit.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    model = build_model(spec, classes=classes, weights_path=None, fresh=False)
    if isinstance(weights, Path):
        _load(model, weights)
        return model
    found = [weights[key] for key in sorted(weights)]
    wanted = [(tuple(variable.shape), variable.dtype) for variable in model.variables]
    if [(tensor.shape, str(tensor.dtype)) for tensor in found] != wanted:
        raise CheckpointDamaged(f"these are not the weights of {spec.model} with {classes} classes")
    for variable, tensor in zip(model.variables, found, strict=True):
        variable.assign(tensor)
    return model
