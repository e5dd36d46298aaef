"""Pretrained weights into a model: those of ImageNet through Keras, or from a file that a person gave.

A file is known by its first bytes, not its name, because it arrives as a blob named by its digest. Accepted are
HDF5 as Keras writes it (`save_weights`, or a download without the top) and safetensors with the base's tensors
in order of their keys; a state file of qcqueue is one such, of which the base's part is taken. Always true: whatever a
file holds, it is refused in one sentence that calls it as its owner does, or every variable has a value of it.
"""

import socket
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from qcqueue.catalog.models import imagenet_file
from qcqueue.clock import SystemClock
from qcqueue.engines.keras_tf.hdf5 import Unfit, check_hdf5, is_real
from qcqueue.engines.keras_tf.pretrained import STALLED_S, WAYS_OUT, have
from qcqueue.engines.keras_tf.weights_file import HDF5, flaw_throughout
from qcqueue.errors import WeightsUnavailable
from qcqueue.text.humanize import count
from qcqueue.text.suggest import clipped, printable

_LONGEST = 160


def with_imagenet(make: Callable[[str | None], Any], model: str, image_size: tuple[int, int]) -> Any:
    """Return `make("imagenet")`, with the weights of `model` whole on this machine.

    Raises: WeightsUnavailable: they cannot be had, or what is here is not what Keras expects.
    """
    path = have(imagenet_file(model, image_size), clock=SystemClock())
    before_s = socket.getdefaulttimeout()
    # A Keras that asks for another file sets none: a network that swallows packets would hang for ever.
    socket.setdefaulttimeout(STALLED_S)
    try:
        return make("imagenet")
    except MemoryError:
        raise
    except Exception as exc:  # Keras raises bare Exception for a failed download
        if type(exc).__module__.startswith("tensorflow"):  # it is the model that did not succeed
            raise
        raise WeightsUnavailable(
            f"the ImageNet weights of {model} in {path} cannot be loaded ({_short(exc)}): delete that file; {WAYS_OUT}"
        ) from exc
    finally:
        socket.setdefaulttimeout(before_s)


def load_weights(base: Any, path: Path, *, model: str, title: str = "") -> None:
    """Load a weights file into the base of `model`. title: what its owner called it, "" where that is not known.

    Raises: WeightsUnavailable: it cannot be read or does not fit.
    """
    name = clipped(title) if title else "the weights file"
    if flaw := flaw_throughout(path):
        raise WeightsUnavailable(f"{name} {flaw}")
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(len(HDF5)) == HDF5
        if is_hdf5:
            _load_hdf5(base, path)
        else:
            _load_safetensors(base, path)
    except Unfit as exc:
        raise WeightsUnavailable(f"{name} does not fit {model} without its top: {exc}") from exc
    except MemoryError as exc:
        raise WeightsUnavailable(f"{name} needs more memory than this machine has") from exc
    except Exception as exc:  # whatever two libraries say of a file that may hold anything
        raise WeightsUnavailable(f"{name} cannot be read as weights of {model}: {_short(exc)}") from exc


def _load_hdf5(base: Any, path: Path) -> None:
    # Keras chooses the reader by the ending of the name, and the two HDF5 layouts have different ones.
    ending = check_hdf5(path, base)
    # Of a file with other names Keras may only warn and leave some variables as they were: no value survives unseen.
    variables = [variable for variable in base.variables if is_real(variable)]
    for variable in variables:
        variable.assign(np.full(variable.shape, np.nan, variable.dtype))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = Path(folder) / f"file{ending}"
        named.symlink_to(path.resolve())
        try:
            base.load_weights(named)
        except ValueError as exc:  # of a layer it does not find it says so in thousands of words
            raise Unfit(f"its layers are not the model's ({_short(exc)})") from exc
    if missing := [variable.path for variable in variables if np.isnan(variable.numpy()).any()]:
        raise Unfit(f"it has no values for {len(missing)} of {len(variables)} variables, {missing[0]} first")


def _load_safetensors(base: Any, path: Path) -> None:
    with safe_open(path, framework="numpy") as file:
        keys = sorted(file.keys())
        if state := [key for key in keys if key.startswith("m/")]:
            keys = state[: len(base.variables)]
        # The state of seeds is a job's own, and whoever writes weights need not write it.
        variables = base.weights if len(keys) == len(base.weights) else base.variables
        if len(keys) != len(variables):
            raise Unfit(f"it holds {count(len(keys), 'tensor')}, the model {len(base.weights)}")
        for key, variable in zip(keys, variables, strict=True):
            about = file.get_slice(key)
            shape = tuple(about.get_shape())
            if shape != tuple(variable.shape):
                raise Unfit(
                    f"its tensor {clipped(key)} is {shape}, the model's {variable.path} {tuple(variable.shape)}"
                )
            if not is_real(variable):
                continue
            if about.get_dtype() not in ("F16", "F32", "F64"):
                raise Unfit(f"its tensor {clipped(key)} is of type {about.get_dtype()}; save it as float32")
            value = file.get_tensor(key)
            if not np.isfinite(value).all():
                raise Unfit(f"its tensor {clipped(key)} holds values that are not numbers, or infinite")
            variable.assign(value)


def _short(exc: BaseException) -> str:
    """Return what a library says in a few words: a page of it helps nobody."""
    text = printable(" ".join(str(exc).split())) or type(exc).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
