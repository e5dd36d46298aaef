"""Pretrained weights: from Keras's own download, or from a file that a person gave.

A file is known by its first bytes, not its name, because it arrives as a blob named by its digest. Accepted are
HDF5 as Keras writes it (`save_weights`, or a download without the top) and safetensors with the base's tensors
in order of their keys; a state file of qcqueue is one such, of which the base's part is taken. A `.keras`
archive can carry code and is refused. Every refusal names the file and says what would fit.
"""

import socket
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

from qcqueue.core.models import MODELS
from qcqueue.errors import WeightsUnavailable

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_STALLED_S = 30.0


def with_imagenet(make: Callable[[str | None], Any], model: str) -> Any:
    """Return `make("imagenet")`, downloading the weights if this machine does not have them yet.

    Raises: WeightsUnavailable: no network and no copy, or a download that is not what Keras expects.
    """
    before_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALLED_S)  # Keras sets none: a network that swallows packets would hang for ever
    try:
        return make("imagenet")
    except Exception as exc:  # Keras raises bare Exception for a failed download
        raise WeightsUnavailable(
            f"the ImageNet weights of {model} could not be downloaded ({_one_line(exc)}): connect this machine to the "
            'network once, or give a file with weights = "FILE.h5", or set weights = "none"'
        ) from exc
    finally:
        socket.setdefaulttimeout(before_s)


def load_weights(base: Any, path: Path, *, model: str) -> None:
    """Load a weights file into the base of `model`. Raises: WeightsUnavailable: it cannot be read or does not fit."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(_ZIP):
            raise ValueError("it is a .keras archive, which can carry code; save it again with model.save_weights()")
        if start == _HDF5:
            _load_hdf5(base, path)
        else:
            _load_safetensors(base, path)
    except (OSError, ValueError, KeyError, SafetensorError) as exc:
        raise WeightsUnavailable(
            f"the weights file {path.name} does not fit {model} without its top: {_one_line(exc)}"
        ) from exc


def _load_hdf5(base: Any, path: Path) -> None:
    # Keras chooses the reader by the ending of the name, and the two HDF5 layouts have different ones.
    with h5py.File(path, "r") as file:
        older = "layer_names" in file.attrs or "model_weights" in file
    # For a file of another model Keras may only warn and leave some variables as they were: no value survives unseen.
    for variable in base.variables:
        variable.assign(np.full(variable.shape, np.nan, variable.dtype))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = Path(folder) / ("file.h5" if older else "file.weights.h5")
        named.symlink_to(path.resolve())
        base.load_weights(named)
    if missing := [variable.path for variable in base.variables if np.isnan(variable.numpy()).any()]:
        raise ValueError(f"it has no values for {len(missing)} of {len(base.variables)} variables, {missing[0]} first")


def _load_safetensors(base: Any, path: Path) -> None:
    with safe_open(path, framework="numpy") as file:
        keys = sorted(file.keys())
        if state := [key for key in keys if key.startswith("m/")]:
            keys = state[: len(base.variables)]
        if len(keys) != len(base.variables):
            raise ValueError(f"it holds {len(keys)} tensors and the model has {len(base.variables)}")
        for key, variable in zip(keys, base.variables, strict=True):
            value = file.get_tensor(key)
            if value.shape != tuple(variable.shape):
                raise ValueError(f"tensor {key} is {value.shape} and {variable.path} is {tuple(variable.shape)}")
            variable.assign(value)


def ensure_imagenet(model: str) -> None:
    """Have the ImageNet weights of `model` on this machine. Raises: WeightsUnavailable: they cannot be had."""
    from qcqueue.training.models import build_base

    side_px = MODELS[model].minimum_side_px
    build_base(model, (side_px, side_px), imagenet=True)


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())
