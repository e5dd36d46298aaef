"""Three lines of Python that load fetched weights and name what is in a photograph.

For safetensors they ask qcqueue, which prepares an image exactly as the dataset was prepared. For HDF5 they are plain
Keras, so that they work where nobody has heard of qcqueue; there an image of 8 bits a sample is taken as it is stored,
without the turning that a camera asks for. Names and paths come from outside and are written as Python literals.
"""

from qcqueue.core.models import MODELS
from qcqueue.exports.weights import SUFFIX, Weights

PHOTOGRAPH = "photo.jpg"


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
    head = f"keras.layers.Dense({len(weights.classes)}, activation='softmax')"
    image = f"keras.utils.load_img({PHOTOGRAPH!r}, target_size=({height}, {width}), interpolation='lanczos')"
    answer = f"model(preprocess_input(keras.utils.img_to_array({image}))[None])[0].numpy().tolist()"
    return (
        f"import keras; from keras.applications.{MODELS[spec.model].module} import {spec.model}, preprocess_input",
        f"model = keras.Sequential([{base}, {head}]); model.load_weights({file!r})",
        f"print(dict(zip({list(weights.classes)!r}, {answer})))",
    )
