"""TensorFlow's exceptions arrive as ours, or as themselves."""

import pytest

from qcqueue.core.outcomes import Cause, cause_of
from qcqueue.errors import DeterminismRefused, OutOfMemory

pytestmark = pytest.mark.tensorflow


def raised(exception: Exception) -> Exception:
    from qcqueue.training.translation import translated

    with pytest.raises(Exception) as caught, translated():  # noqa: PT011 (the type is what is asked)
        raise exception
    assert caught.value is exception or caught.value.__cause__ is exception
    return caught.value


def test_out_of_memory() -> None:
    import tensorflow as tf

    error = raised(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9]\nmore"))
    assert isinstance(error, OutOfMemory)
    assert str(error) == "the device ran out of memory: OOM when allocating tensor with shape[9]"
    assert isinstance(raised(MemoryError()), OutOfMemory)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("A deterministic GPU implementation of DepthwiseConvBackpropFilter is not available.", "DepthwiseConv"),
        ("Determinism is not yet supported in GPU implementation of SparseTensorDenseMatMulOp.", "SparseTensorDense"),
        ("A deterministic GPU implementation of Scatter is not currently available. [[{{node x/Scatter}}]]", "Scatter"),
        ("Determinism is wanted here. [[{{node resize/Grad}}]]", "resize/Grad"),
    ],
)
def test_a_refused_operation_is_named(message: str, name: str) -> None:
    import tensorflow as tf

    error = raised(tf.errors.UnimplementedError(None, None, message))
    assert isinstance(error, DeterminismRefused)
    assert str(error).startswith(name)


def test_anything_else_is_a_code_error() -> None:
    import tensorflow as tf

    assert cause_of(raised(tf.errors.UnimplementedError(None, None, "no such kernel"))) is Cause.CODE_ERROR
    assert cause_of(raised(ValueError("x"))) is Cause.CODE_ERROR
