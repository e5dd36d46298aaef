"""The fingerprint of a step: what two steps make of weights and batches that never change.

The weights are integer functions and the batches the first and the last of a job's first epoch, one of each size. So
what comes out tells, for one job, of the step alone: of the algorithms a library chose, of a driver, of what a compiler
wrote. Two machines whose every version is the same and whose fingerprints are not would end a run in different bits.
The values must only be such that a step moves every tensor and none overflows.
"""

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.records import MODEL
from qcqueue.engines.batches import splitmix64

if TYPE_CHECKING:
    from qcqueue.engines.keras_tf.program import KerasProgram

_SMALL = 2.0**-10


def step_fingerprint(program: "KerasProgram") -> str:
    """Return the SHA-256 of all state after two steps from fixed weights.

    The state is put back, so it needs the memory of one more.
    """
    before = program.tensors()
    paths = program.paths()
    program.restore({key: _fixed_value(index, key, paths[key], it) for index, (key, it) in enumerate(before.items())})
    for step in (0, program.data.steps - 1):
        (made,) = program.train([next(program.data.batches(1, first_step=step))])
        float(made.loss)
    digest = hashlib.sha256()
    for key, value in program.tensors().items():
        digest.update(f"{key} {value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    program.restore(before)
    return digest.hexdigest()


def _fixed_value(index: int, key: str, path: str, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the value of a tensor to begin with: a kernel by its fan-in and of both signs, all else positive.

    Statistics and what an optimizer keeps of squares must be, and a bias or a mean may be.
    """
    if like.dtype.kind != "f":
        return np.zeros_like(like)
    if like.ndim == 0:
        # A rate, or the scale of a loss, with which nothing may overflow.
        return np.asarray(1.0 if path.endswith("dynamic_scale") else _SMALL, like.dtype)
    shares = _shares(index, like.size).reshape(like.shape)
    if not key.startswith(MODEL):
        value = _SMALL * (0.5 + shares)
    elif like.ndim > 1:
        value = (2 * shares - 1) * math.sqrt(6 / math.prod(like.shape[:-1]))
    else:
        value = 0.5 + shares
    return value.astype(like.dtype)


def _shares(index: int, size: int) -> npt.NDArray[np.float64]:
    """Return numbers from 0 up to 1, others for each tensor."""
    drawn = splitmix64(np.arange(size, dtype=np.uint64) + np.uint64((index + 1) << 40))
    return (drawn >> np.uint64(40)).astype(np.float64) / 2**24
