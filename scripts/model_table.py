"""Write qcqueue/catalog/keras_models.py from the Keras that is installed: what it says of each of its applications.

A model is built at its smallest size, its variables zeros, once as it is and once as it is with weights of ImageNet,
whose file Keras names and does not get. So nothing is downloaded, and nothing is typed by hand.
"""

import importlib
import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

PAGE = Path(__file__).parents[1] / "qcqueue" / "catalog" / "keras_models.py"
ADDRESS = "https://storage.googleapis.com/"
SIDES_PX = (96, 128, 160, 192, 224, 256)
"""Sides of square images for which Keras may have a file of its own; the name of such a file says the side."""
MOST_COMMON_PX = 224
NOTHING = "-"

_HEAD = '''\
"""The models of `keras.applications`, one a line. Written by scripts/models from Keras: change nothing here.

In a line: the name; the submodule with `preprocess_input`; the smallest side in pixels; parameters without the top, and
those of them that are trained; features; what the channels are multiplied with after they were normalized, in the graph
of ImageNet weights alone; the MD5 or SHA-256 that Keras compares its file with; the sides in pixels that have a file of
their own; the address of the file, and its name in Keras's cache where that is another one. A dash is nothing.
"""

TABLE = """\\
'''
_TAIL = '"""\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class WithImageNet:
    """A model as Keras builds it for weights of ImageNet, and the file that it asks for."""

    base: Any
    name: str
    address: str
    digest: str | None


def page(lines: Iterable[str]) -> str:
    """Return the module with these lines for a table."""
    return _HEAD + "".join(f"{it}\n" for it in lines) + _TAIL


def names() -> list[str]:
    """Return the names of all applications."""
    import keras

    return sorted(
        name
        for name, it in vars(keras.applications).items()
        if inspect.isfunction(it) and "include_top" in inspect.signature(it).parameters
    )


def line(name: str) -> str:
    """Return what the table says of a model."""
    import keras

    create = getattr(keras.applications, name)
    module = create.__module__.rpartition(".")[2]
    assert callable(importlib.import_module(f"keras.applications.{module}").preprocess_input)
    side_px = _smallest_side_px(create)
    base = built(name, side_px)
    file = with_imagenet(name, side_px)
    path, cached, sides_px = file.address.removeprefix(ADDRESS), file.name, _sides_px(name, file)
    if sides_px:
        path, cached = (it.replace(str(MOST_COMMON_PX), "{}") for it in (path, cached))
    cells = (
        name,
        module,
        side_px,
        base.count_params(),
        trained(base),
        base.output_shape[-1],
        ",".join(map(repr, scale(base, file.base))) or NOTHING,
        file.digest or NOTHING,
        ",".join(map(str, sides_px)) or NOTHING,
        path,
        *([] if path.endswith(f"/{cached}") else [cached]),
    )
    return " ".join(map(str, cells))


def trained(base: Any) -> int:
    """Return how many parameters of a model an optimizer moves."""
    return sum(math.prod(it.shape) for it in base.trainable_variables)


def built(name: str, side_px: int, *, weights: str | None = None) -> Any:
    """Return a model without its top for square images, all its variables zeros."""
    import keras

    with zeros():
        create = getattr(keras.applications, name)
        return create(include_top=False, weights=weights, input_shape=(side_px, side_px, 3), pooling="avg")


def with_imagenet(name: str, side_px: int) -> WithImageNet:
    """Return the model that weights of ImageNet belong to, without them."""
    import keras
    from keras.src.utils import file_utils

    asked = list[tuple[str, str, str | None]]()

    def get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str | None = None) -> str:
        assert cache_subdir == "models"
        asked.append((fname, origin, file_hash))
        return fname

    with (
        mock.patch.object(file_utils, "get_file", get_file),
        mock.patch.object(keras.Model, "load_weights", return_value=None),
    ):
        base = built(name, side_px, weights="imagenet")
    [(file, address, digest)] = asked
    return WithImageNet(base=base, name=file, address=address, digest=digest)


def scale(base: Any, imagenet: Any) -> tuple[float, ...]:
    """Return what the graph of ImageNet weights multiplies the channels with and the other one does not."""
    kinds, others = ([type(it).__name__ for it in model.layers] for model in (base, imagenet))
    if kinds == others:
        return ()
    added = imagenet.layers[3]
    assert others == [*kinds[:3], "Rescaling", *kinds[3:]], f"Keras builds another graph of {imagenet.name}"
    assert kinds[2] == "Normalization"
    assert added.offset == 0
    return tuple(map(float, added.scale))


def _smallest_side_px(create: Callable[..., Any]) -> int:
    """Return what Keras says where an image is too small."""
    try:
        create(include_top=False, weights=None, input_shape=(1, 1, 3))
    except ValueError as exc:
        if said := re.search(r"at least (\d+)", str(exc)):
            return int(said.group(1))
        raise
    raise ValueError(f"{create.__name__} takes any image")


def _sides_px(name: str, file: WithImageNet) -> tuple[int, ...]:
    """Return for which sides of square images there are files, none where the one serves for all."""
    if str(MOST_COMMON_PX) not in file.name:
        return ()
    asked = {side_px: with_imagenet(name, side_px).name for side_px in SIDES_PX}
    found = tuple(it for it, other in asked.items() if other == file.name.replace(str(MOST_COMMON_PX), str(it)))
    return found if len(found) > 1 else ()


@contextmanager
def zeros() -> Iterator[None]:
    """Let all variables begin with zeros: to draw 350 million numbers takes a minute, and nobody looks at them."""
    import keras

    add_weight = keras.Layer.add_weight

    def zeros(layer: Any, *args: Any, **about: Any) -> Any:
        return add_weight(layer, *args, **(about | {"initializer": "zeros"}))

    with mock.patch.object(keras.Layer, "add_weight", zeros):
        yield


if __name__ == "__main__":
    PAGE.write_text(page(map(line, names())), encoding="utf-8")
