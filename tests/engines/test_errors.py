"""TensorFlow's exceptions arrive as ours, or as themselves; a person is told which operation it was, and where."""

import pytest

from qcqueue.core.outcomes import Trouble, cause_of
from qcqueue.errors import DeterminismRefused, DiskFull, DriverFailed, OutOfMemory

pytestmark = pytest.mark.tensorflow


def raised(exception: Exception) -> Exception:
    from qcqueue.engines.keras_tf.errors import translated

    with pytest.raises(Exception) as caught, translated():  # noqa: PT011 (the type is what is asked)
        raise exception
    assert caught.value is exception or caught.value.__cause__ is exception
    return caught.value


STACK = """Graph execution error:

Detected at node vgg16/block1/Conv2D defined at (most recent call last):
  File "/deterministic.py", line 10, in deterministic
    deterministic()

<stack traces unavailable>
"""


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("OOM when allocating tensor with shape[9] and type float\nmore", "OOM when allocating tensor with shape[9]"),
        (
            f"{STACK}OOM when allocating tensor with shape[32,64,75,75] and type float on /job:localhost/device:GPU:0 "
            "by allocator GPU_0_bfc\n\t [[{{node vgg16/block1/Conv2D}}]]\nHint: ...",
            "Conv2D in vgg16/block1 needs a tensor of shape [32,64,75,75]",
        ),
        ("Ran out of GPU memory when allocating 9 bytes\n\t [[{{node a/Relu}}]]", "Relu in a"),
        (
            f"{STACK}2 root error(s) found.\n  (0) OOM when\n\t [[{{{{node a/b}}}}]]\n  (1) [[{{{{node c/d}}}}]]",
            "b in a",
        ),
        (STACK, "it does not say for what"),
    ],
)
def test_out_of_memory(message: str, what: str) -> None:
    import tensorflow as tf

    error = raised(tf.errors.ResourceExhaustedError(None, None, message))
    assert isinstance(error, OutOfMemory)
    assert f" ran out of memory: {what}" in str(error)


def test_a_machine_that_has_no_memory_left_is_no_gpu_that_has_none() -> None:
    assert cause_of(raised(MemoryError())) is Trouble.MEMORY


def test_a_full_disk_is_no_want_of_memory() -> None:
    import tensorflow as tf

    error = raised(tf.errors.ResourceExhaustedError(None, None, "/tmp/x; No space left on device"))
    assert isinstance(error, DiskFull)


NODE = "gradient_tape/xception/block2/separable_conv2d/DepthwiseConv2dNativeBackpropFilter"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("A deterministic GPU implementation of DepthwiseConvBackpropFilter is not available.", "DepthwiseConvB"),
        ("Determinism is not yet supported in GPU implementation of SparseTensorDenseMatMulOp.", "SparseTensorDense"),
        (
            "A deterministic GPU implementation of Scatter is not currently available. [[{{node x/Scatter}}]]",
            "Scatter in x",
        ),
        ("Determinism is wanted here. [[{{node resize/Grad}}]]", "Grad in resize has"),
        (
            "{{function_node __wrapped__AdjustContrastv2_device_/job:localhost/replica:0/task:0/device:GPU:0}} A "
            "deterministic GPU implementation of AdjustContrast is not currently available. [Op:AdjustContrastv2]",
            "AdjustContrastv2 has",
        ),
        (
            f"{STACK}A deterministic GPU implementation of DepthwiseConvBackpropFilter is not available with "
            f"this version of cuDNN.\n\t [[{{{{node {NODE}}}}}]] [Op:__inference__train_1]",
            "DepthwiseConv2dNativeBackpropFilter in gradient_tape/xception/block2/separable_conv2d has no",
        ),
        (f"{STACK}Nothing deterministic here\nat all", "Nothing deterministic here"),
    ],
)
def test_a_refused_operation_is_named(message: str, name: str) -> None:
    import tensorflow as tf

    for kind in (tf.errors.UnimplementedError, tf.errors.FailedPreconditionError, tf.errors.InvalidArgumentError):
        error = raised(kind(None, None, message))
        assert isinstance(error, DeterminismRefused)
        assert str(error).startswith(name)
        assert "has no deterministic implementation on " in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "Failed to get convolution algorithm. This is probably because cuDNN failed to initialize",
        f"{STACK}DNN library is not found.\n\t [[{{{{node vgg16/block1/Conv2D}}}}]] [Op:__inference__train_1]",
        "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
        "Blas GEMM launch failed : a.shape=(32, 512)",
        "GPU sync failed",
        "failed call to cuInit: UNKNOWN ERROR (303)",
        "Failed to create cuSolverDN instance.",
        "No DNN in stream executor",
    ],
)
def test_a_gpu_or_a_driver_that_fails_is_the_machines_trouble(message: str) -> None:
    import tensorflow as tf

    for kind in (tf.errors.InternalError, tf.errors.UnknownError, tf.errors.FailedPreconditionError):
        error = raised(kind(None, None, message))
        assert isinstance(error, DriverFailed)
        assert cause_of(error) is Trouble.DRIVER
        assert "deterministic.py" not in str(error)
    assert isinstance(raised(RuntimeError(f"CUDA runtime implicit initialization failed. {message}")), DriverFailed)


def test_anything_else_is_unexplained_and_stays_what_it_is() -> None:
    import tensorflow as tf

    for kind in (
        tf.errors.UnimplementedError,
        tf.errors.InvalidArgumentError,
        tf.errors.FailedPreconditionError,
        tf.errors.InternalError,
    ):
        assert cause_of(raised(kind(None, None, f"{STACK}no such kernel"))) is Trouble.UNEXPLAINED
    assert cause_of(raised(ValueError("x"))) is Trouble.UNEXPLAINED
    assert cause_of(raised(RuntimeError("it is not built"))) is Trouble.UNEXPLAINED
