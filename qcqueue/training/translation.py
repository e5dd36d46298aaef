"""Foreign exceptions become ours here, most specific first, with the original as the cause."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from qcqueue.errors import DeterminismRefused, OutOfMemory

_OPERATION = re.compile(r"implementation of (\w+)|{{node ([^}]+)}}")


@contextmanager
def translated() -> Iterator[None]:
    """Raises: OutOfMemory, DeterminismRefused: in place of what TensorFlow raised. Anything else passes."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as exc:
        raise OutOfMemory(f"the device ran out of memory: {_first_line(exc)}") from exc
    except MemoryError as exc:
        raise OutOfMemory("this machine ran out of memory") from exc
    except tf.errors.UnimplementedError as exc:
        if "determinis" not in exc.message.lower():
            raise
        raise DeterminismRefused(f"{_operation(exc)} has no deterministic implementation on this device") from exc


def _operation(exc: tf.errors.OpError) -> str:
    if exc.op is not None:
        return str(exc.op.type)
    found = _OPERATION.search(exc.message)
    return next(filter(None, found.groups())) if found else _first_line(exc)


def _first_line(exc: tf.errors.OpError) -> str:
    return str(exc.message).strip().partition("\n")[0]
