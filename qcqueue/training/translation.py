"""Foreign exceptions become ours here, most specific first, with the original as the cause.

The text is read for a person: which operation it was, and where in the network. TensorFlow says that in several ways,
after a stack of the program's own lines.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from qcqueue.errors import DeterminismRefused, OutOfMemory
from qcqueue.training import device

# Best first. The name of a node says where in the network it is: gradient_tape/functional/block2/Conv2DBackpropFilter.
_PLACES = (
    re.compile(r"\{\{node ([^}]+)\}\}"),
    re.compile(r"\{\{function_node __wrapped__(\w+?)_device_"),
    re.compile(r"implementation of (\w+)"),
)
_TENSOR = re.compile(r"tensor with shape ?(\[[\d,]*\])")

# What begins the lines of a stack, which may hold any word; `    ` begins a line of a program.
_STACK = ("Graph execution error:", "Detected at node", "<stack traces", '  File "', "    ")


@contextmanager
def translated() -> Iterator[None]:
    """Raises: OutOfMemory, DeterminismRefused: in place of what TensorFlow raised. Anything else passes."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as exc:
        raise OutOfMemory(f"{device.processor()} ran out of memory: {_what_was_too_large(exc)}") from exc
    except MemoryError as exc:
        raise OutOfMemory("this machine ran out of memory") from exc
    except (tf.errors.UnimplementedError, tf.errors.FailedPreconditionError, tf.errors.InvalidArgumentError) as exc:
        # All three are also raised for other reasons, and only the text tells.
        if "determinis" not in "\n".join(_said(exc)).lower():
            raise
        place = _place(exc) or _said(exc)[0]
        raise DeterminismRefused(f"{place} has no deterministic implementation on {device.processor()}") from exc


def _what_was_too_large(exc: tf.errors.OpError) -> str:
    place, tensor = _place(exc), _TENSOR.search(exc.message)
    if place is None or tensor is None:
        return place or next(iter(_said(exc)), "it does not say for what")
    return f"{place} needs a tensor of shape {tensor.group(1)}"


def _place(exc: tf.errors.OpError) -> str | None:
    """Return the operation and where it is, None where TensorFlow does not say."""
    said = "\n".join(_said(exc))
    found = next((it for place in _PLACES if (it := place.search(said))), None)
    if found is None:
        return None
    within, _, name = found.group(1).rpartition("/")
    return f"{name} in {within}" if within else name


def _said(exc: tf.errors.OpError) -> list[str]:
    """Return the lines of a message without the stack."""
    return [line.strip() for line in exc.message.splitlines() if line.strip() and not line.startswith(_STACK)]
