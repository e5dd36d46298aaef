"""Foreign exceptions become ours here, most specific first, with the original as the cause.

The text is read for a person: which operation it was, and where in the network. TensorFlow says that in several ways,
after a stack of the program's own lines.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from qcqueue.engines.keras_tf import device
from qcqueue.errors import DeterminismRefused, DiskFull, DriverFailed, OutOfMemory

# Best first. The name of a node says where in the network it is: gradient_tape/functional/block2/Conv2DBackpropFilter.
_PLACES = (
    re.compile(r"\{\{node ([^}]+)\}\}"),
    re.compile(r"\{\{function_node __wrapped__(\w+?)_device_"),
    re.compile(r"implementation of (\w+)"),
)
_TENSOR = re.compile(r"tensor with shape ?(\[[\d,]*\])")

# What begins the lines of a stack, which may hold any word; `    ` begins a line of a program.
_STACK = ("Graph execution error:", "Detected at node", "<stack traces", '  File "', "    ")


# What TensorFlow and the libraries of a GPU say when that does not answer: CUDA_ERROR_LAUNCH_FAILED, "cuDNN failed to
# initialize", "Blas GEMM launch failed", "GPU sync failed", "No DNN in stream executor".
_OF_A_DRIVER = re.compile(
    r"cuda|cudnn|cublas|cusolver|cufft|curand|cusparse|nccl|nvidia|libdevice|ptxas|cuinit|stream executor|\bxid\b"
    r"|\b(?:dnn|blas|gpu)\b.*\b(?:failed|library|not found|driver|lost)\b|gpu driver",
    re.IGNORECASE,
)
_MAY_BE_A_DRIVERS = (
    tf.errors.InternalError,
    tf.errors.UnknownError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnimplementedError,
    tf.errors.UnavailableError,
    tf.errors.NotFoundError,
    tf.errors.AbortedError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raises: OutOfMemory, DeterminismRefused, DriverFailed, DiskFull: in place of what TensorFlow raised.

    Anything else passes.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as exc:
        if "space left on device" in exc.message.lower():
            raise DiskFull(next(iter(said(exc)), None)) from exc
        raise OutOfMemory(f"{device.processor()} ran out of memory: {_what_was_too_large(exc)}") from exc
    except tf.errors.InvalidArgumentError as exc:
        if (refused := _refused(exc)) is None:
            raise
        raise refused from exc
    except _MAY_BE_A_DRIVERS as exc:
        # All of them are also raised for other reasons, and only the text tells.
        if (refused := _refused(exc)) is not None:
            raise refused from exc
        if (line := next((it for it in said(exc) if _OF_A_DRIVER.search(it)), None)) is None:
            raise
        raise DriverFailed(f"the GPU or its driver failed: {line}") from exc
    except RuntimeError as exc:  # what a device says before there is a graph
        if not _OF_A_DRIVER.search(str(exc)):
            raise
        raise DriverFailed(f"the GPU or its driver failed: {exc}") from exc


def _refused(exc: tf.errors.OpError) -> DeterminismRefused | None:
    """Return what is to be raised instead where an operation has no deterministic form, else None."""
    if "determinis" not in "\n".join(said(exc)).lower():
        return None
    place = _place(exc) or said(exc)[0]
    return DeterminismRefused(f"{place} has no deterministic implementation on {device.processor()}")


def _what_was_too_large(exc: tf.errors.OpError) -> str:
    place, tensor = _place(exc), _TENSOR.search(exc.message)
    if place is None or tensor is None:
        return place or next(iter(said(exc)), "it does not say for what")
    return f"{place} needs a tensor of shape {tensor.group(1)}"


def _place(exc: tf.errors.OpError) -> str | None:
    """Return the operation and where it is, None where TensorFlow does not say."""
    text = "\n".join(said(exc))
    found = next((it for place in _PLACES if (it := place.search(text))), None)
    if found is None:
        return None
    within, _, name = found.group(1).rpartition("/")
    return f"{name} in {within}" if within else name


def said(exc: tf.errors.OpError) -> list[str]:
    """Return the lines of a message without the stack."""
    return [line.strip() for line in exc.message.splitlines() if line.strip() and not line.startswith(_STACK)]
