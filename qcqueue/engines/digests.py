"""The digests of a finished run that are over tensors; that of its history is `core.records.history_sha256`.

weights_sha256       for each of model.variables in order: the ASCII line "DTYPE D0,D1,..\\n" (a scalar has no
                     dimensions: "int64 \\n"), then its elements in row-major order, little-endian
predictions_sha256   float32 [sample, class] on the validation set in dataset order: row-major, little-endian
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.snapshot import Tensors


def weights_sha256(tensors: Tensors) -> str:
    """Return the digest of the model's part (keys m/00000 ..) of a state; other tensors do not count."""
    digest = hashlib.sha256()
    for key in sorted(key for key in tensors if key.startswith("m/")):
        value = tensors[key]
        digest.update(f"{value.dtype.name} {','.join(map(str, value.shape))}\n".encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def predictions_sha256(predictions: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(_bytes(predictions)).hexdigest()


def _bytes(value: npt.NDArray[Any]) -> bytes:
    return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
