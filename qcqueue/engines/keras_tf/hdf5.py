"""What an HDF5 file of weights holds, looked at before anything of it is believed.

Keras writes two layouts: the older names its layers in an attribute, the newer has a group a layer. Either way the
arrays are compared with the model's before one is read, so a file that is not the model's ends in one sentence and a
hostile one costs no more time and memory than the model's own would. Links out of the file are never followed.
"""

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from qcqueue.engines.keras_tf.weights_file import flaw_throughout
from qcqueue.errors import CheckpointDamaged
from qcqueue.text.humanize import count
from qcqueue.text.suggest import clipped

ABOUT = "qcqueue"
"""The attribute of a file that `fetch` wrote in which stands what it is."""

_LAYERS = ("layers", "_layer_checkpoint_dependencies")  # the second is what Keras 2.13 called them
_MOST_LAYERS = 20_000
_NAMES_BYTES = 16 << 20
_PIECE_BYTES = 256 << 20
_MOST_PARTS = 1000
_DEEPEST = 20

Shape = tuple[int, ...]
Kind = tuple[Shape, bool]
"""A shape, and whether it is of real numbers: counts and the state of seeds are whole ones."""


class Unfit(ValueError):
    """The file does not hold the model's weights; the message says why, after "it does not fit: "."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a file, and its arrays."""

    name: str
    arrays: Sequence[Any]


def about_h5(path: Path) -> dict[str, Any]:
    """Return the JSON object that `trained.write_h5` has put into a file, nothing where there is none.

    Raises: CheckpointDamaged: the file is none that Keras writes.
    """
    if flaw := flaw_throughout(path):
        raise CheckpointDamaged(f"{path.name} {flaw}", hint="qcqueue fetch JOB")
    with contextlib.suppress(OSError, KeyError, TypeError, ValueError, RecursionError), h5py.File(path) as file:
        about = json.loads(file.attrs[ABOUT])
        return about if isinstance(about, dict) else {}
    return {}


def check_hdf5(path: Path, base: Any) -> str:
    """Compare a file with the variables of a model; return the ending of a name by which Keras knows its layout.

    Raises: Unfit: its layers, shapes or values are not such as the model's can be. OSError: it cannot be read.
    """
    with h5py.File(path, "r") as file:
        names_of = _older(file)
        is_older = names_of is not None
        found = [layer for layer in (_older_layers(names_of) if is_older else _newer_layers(file)) if layer.arrays]
        wanted = [layer for layer in base.layers if layer.weights]
        if len(found) != len(wanted):
            raise Unfit(f"it has {count(len(found), 'layer')} with weights, the model {len(wanted)}")
        for layer in found:
            for array in layer.arrays:
                _check_array(array, layer.name)
        if is_older:  # layers count by their order
            for one, other in zip(found, wanted, strict=True):
                _compare(one, other)
        else:
            _compare_all(found, base)
        for layer in found:
            for array in layer.arrays:
                if not np.isfinite(array[()]).all():
                    raise Unfit(f"its layer {clipped(layer.name)} holds values that are not numbers, or infinite")
    return ".h5" if is_older else ".weights.h5"


def check_nested(path: Path, variables: Sequence[Any]) -> None:
    """See to it that a file with models within models has no more, and no other arrays than these variables.

    Raises: Unfit. OSError: it cannot be read.
    """
    left = Counter(map(_kind_of, variables))
    with h5py.File(path, "r") as file:
        _check_below(file, left, depth=0)


def _check_below(group: Any, left: Counter[Kind], *, depth: int) -> None:
    if depth > _DEEPEST or len(group) > _MOST_LAYERS:
        raise Unfit("it has too many parts")
    for name in group:
        part = _member(group, name)
        if isinstance(part, h5py.Group):
            _check_below(part, left, depth=depth + 1)
            continue
        _check_array(part, name)
        left[_kind_within(part)] -= 1
        if left[_kind_within(part)] < 0:
            raise Unfit(f"its part {clipped(name)} has {_by(tuple(part.shape))} numbers, and the model no such layer")


def _older(file: Any) -> Any | None:
    """Return the group that names the layers of the older layout, None for a file of the newer."""
    if _names(file, "layer_names"):
        return file
    return _group(file, "model_weights") if "model_weights" in file else None


def _older_layers(group: Any) -> Iterator[Layer]:
    for name in _names(group, "layer_names"):
        layer = _group(group, name)
        yield Layer(name, [_member(layer, weight) for weight in _names(layer, "weight_names")])


def _newer_layers(file: Any) -> Iterator[Layer]:
    layers = next((_group(file, name) for name in _LAYERS if name in file), None)
    for number, name in enumerate(layers if layers is not None else ()):
        if number >= _MOST_LAYERS:
            raise Unfit(f"it has more than {_MOST_LAYERS:,} layers")
        yield Layer(name, list(_newer_arrays(_group(layers, name), name)))


def _newer_arrays(layer: Any, name: str) -> Iterator[Any]:
    """Yield the arrays of a layer, and of the layers within it where it is a model itself."""
    kept = _group(layer, "vars") if "vars" in layer else {}
    if len(kept) > _MOST_LAYERS:
        raise Unfit(f"its layer {clipped(name)} has {len(kept):,} arrays")
    yield from (_member(kept, key) for key in kept)
    for part in _group(layer, "layers") if "layers" in layer else ():
        yield from _newer_arrays(_group(_group(layer, "layers"), part), name)


def _names(group: Any, attribute: str) -> list[str]:
    """Return the names in an attribute, which is cut into numbered ones where it is long."""
    parts = [attribute] if attribute in group.attrs else []
    while len(parts) < _MOST_PARTS and (not parts or parts[0] != attribute):
        if (part := f"{attribute}{len(parts)}") not in group.attrs:
            break
        parts.append(part)
    names: list[str] = []
    for part in parts:
        about = group.attrs.get_id(part)
        if math.prod(about.shape) * about.dtype.itemsize > _NAMES_BYTES:
            raise Unfit("its list of names is too long")
        value = np.asarray(group.attrs[part]).ravel().tolist()
        names += [it.decode("utf-8", "replace") if isinstance(it, bytes) else str(it) for it in value]
        if len(names) > _MOST_LAYERS:
            raise Unfit(f"it names more than {_MOST_LAYERS:,} layers or arrays")
    return names


def _group(parent: Any, name: str) -> Any:
    found = _member(parent, name)
    if not isinstance(found, h5py.Group):
        raise Unfit(f"{clipped(name)} in it is no group")
    return found


def _member(parent: Any, name: str) -> Any:
    """Return what lies below a group, reached by no link to elsewhere."""
    found, parts = parent, [part for part in name.split("/") if part]
    if not parts or len(parts) > _DEEPEST:
        raise Unfit(f"it names a part {clipped(name)!r}")
    for part in parts:
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            raise Unfit(f"it names {clipped(name)} and does not have it")
        if not isinstance(link, h5py.HardLink):
            raise Unfit(f"{clipped(name)} in it is a link to another place")
        found = found[part]
    return found


def _check_array(array: Any, layer: str) -> None:
    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise Unfit(f"its layer {clipped(layer)} holds something that is no array of numbers")
    if array.is_virtual or array.external:
        raise Unfit(f"its layer {clipped(layer)} keeps its numbers in another file")
    if math.prod(array.chunks or ()) * array.dtype.itemsize > _PIECE_BYTES:
        raise Unfit(f"its layer {clipped(layer)} is stored in pieces that are too large")


def _compare(one: Layer, other: Any) -> None:
    """Compare two layers that stand at the same place. Older files have what is trained first."""
    found = [_kind_within(array) for array in one.arrays]
    wanted = [_kind_of(it) for it in (*other.trainable_weights, *other.non_trainable_weights)]
    if len(found) != len(wanted):
        raise Unfit(
            f"its layer {clipped(one.name)} has {count(len(found), 'array')}, the model's {other.name} {len(wanted)}"
        )
    for (mine, has_reals), (theirs, needs_reals) in zip(found, wanted, strict=True):
        if mine != theirs:
            raise Unfit(f"its layer {clipped(one.name)} is {_by(mine)}, the model's {other.name} {_by(theirs)}")
        if needs_reals and not has_reals:  # a count was once kept as a real number
            raise Unfit(f"its layer {clipped(one.name)} is of whole numbers, the model's {other.name} is not")


def _compare_all(found: Sequence[Layer], base: Any) -> None:
    """Compare shapes whatever their layers are called: by which name Keras finds a layer is its own affair."""
    theirs = Counter(map(_kind_of, base.variables))
    for layer in found:
        for array in layer.arrays:
            kind = _kind_within(array)
            theirs[kind] -= 1
            if theirs[kind] < 0:
                raise Unfit(f"its layer {clipped(layer.name)} has {_by(kind[0])} numbers, and the model no such layer")


def is_real(variable: Any) -> bool:
    """Return whether a variable is of real numbers, and no count or state of a seed."""
    return str(variable.dtype).startswith("float")


def _kind_of(variable: Any) -> Kind:
    return tuple(variable.shape), is_real(variable)


def _kind_within(array: Any) -> Kind:
    return tuple(array.shape), array.dtype.kind == "f"


def _by(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"
