"""Settles what decides the bits beside the spec (device, threads, determinism, seeds, time), and names it.

`settle` comes before any TensorFlow operation; threads and determinism can be set once in the life of a process,
which is one reason why a trainer runs one job. `identity` then says what the bits depend on: a checkpoint
carries it, and a run that goes on under another identity starts a new lineage.
"""

import platform
import sys

import keras
import numpy as np
import tensorflow as tf

from qcqueue.core.records import Identity
from qcqueue.core.spec import JobSpec
from qcqueue.engines.keras_tf import cuda
from qcqueue.engines.processor import cpu_name, instruction_set
from qcqueue.errors import ExtraMissing, PrecisionRefused

MEMORY_SHARE = 0.9
"""The part of a GPU's memory that a process may take: the rest is for what its libraries keep beside TensorFlow."""
MIB = 1 << 20
BFLOAT16_SINCE = (8, 0)
"""The compute capability of the first GPUs that have bfloat16."""


def settle(spec: JobSpec, *, threads: int, on_cpu: bool = False) -> None:
    """Prepare this process for one job. on_cpu: where its spec leaves the choice, compute on the CPU.

    Raises: ExtraMissing: the job wants a GPU that TensorFlow does not see. PrecisionRefused: the GPU has not what its
        precision needs.
    """
    assert not (on_cpu and spec.device == "gpu"), "what a spec does not allow is not done"
    # A person's keras.json may say otherwise, and the job must not depend on whose machine it lands on.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    if spec.device == "cpu" or on_cpu:
        tf.config.set_visible_devices([], "GPU")
    elif spec.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise ExtraMissing("the job wants a GPU and TensorFlow sees none", hint="pip install 'tensorflow[and-cuda]'")
    keras.config.set_dtype_policy(spec.precision)
    tf.config.experimental.enable_tensor_float_32_execution(spec.tf32)
    for gpu in tf.config.get_visible_devices("GPU"):
        _refuse_unless_computing_in(spec.precision, gpu)
        _limit_memory(gpu)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(spec.seed)
    if spec.determinism == "exact":
        tf.config.experimental.enable_op_determinism()
    _give_rewriting_all_its_time()


def _refuse_unless_computing_in(precision: str, gpu: object) -> None:
    capability = cuda.compute_capability(gpu)
    if precision == "mixed_bfloat16" and capability and tuple(map(int, capability.split("."))) < BFLOAT16_SINCE:
        raise PrecisionRefused(
            f"{_a_gpu(gpu, capability)} cannot compute in bfloat16, which needs "
            f"{'.'.join(map(str, BFLOAT16_SINCE))} or more",
            hint='write precision = "mixed_float16" in the study',
        )


def _a_gpu(gpu: object, capability: str) -> str:
    return f"{_gpu_name(gpu)} (compute capability {capability})"


def _limit_memory(gpu: object) -> None:
    """Let this process take a fixed part of a GPU's memory.

    TensorFlow would take what is free at that moment, and some algorithms are chosen by what memory there is.
    """
    total = cuda.memory_bytes()
    if total is not None:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(total * MEMORY_SHARE) // MIB)
        tf.config.set_logical_device_configuration(gpu, [limit])


def _memory_limit(gpu: object) -> int | None:
    configured = tf.config.get_logical_device_configuration(gpu)
    limit = configured[0].memory_limit if configured else None
    return None if limit is None else int(limit) * MIB


def _give_rewriting_all_its_time() -> None:
    """Let TensorFlow rewrite a graph for as long as it takes.

    It stops after five minutes by the clock and computes the graph as it was written, which gives other bits: a run
    would depend on how busy the machine was while it compiled. No public option says otherwise. Where a TensorFlow has
    no such place any more, its deadline stays what it is.
    """
    try:
        from tensorflow.python.eager import context

        settings = tf.compat.v1.ConfigProto()
        settings.graph_options.rewrite_options.meta_optimizer_timeout_ms = -1
        tf.config.list_physical_devices()  # it must know its devices by itself, not from these settings
        context.context()._config = settings
    except (ImportError, AttributeError) as exc:
        print(f"the deadline of TensorFlow's graph rewriting cannot be lifted: {exc}", file=sys.stderr)
        return
    tf.config.optimizer.set_experimental_options({})  # makes it look at its settings again


def identity(spec: JobSpec, *, threads: int) -> Identity:
    """Return the identity of a run in this process; call after `settle`."""
    gpus = tf.config.get_visible_devices("GPU")
    build = tf.sysconfig.get_build_info() if gpus else {}
    return Identity(
        processor=processor(),
        instruction_set=instruction_set(),
        threads=threads,
        deterministic=spec.determinism == "exact",
        python=platform.python_version(),
        framework="tensorflow",
        framework_version=tf.__version__,
        library="keras",
        library_version=keras.__version__,
        numpy=np.__version__,
        cuda=str(build.get("cuda_version", "")),
        cudnn=str(build.get("cudnn_version", "")),
        cudnn_loaded=cuda.cudnn_version() if gpus else None,
        compute_capability=cuda.compute_capability(gpus[0]) if gpus else None,
        multiprocessors=cuda.multiprocessors() if gpus else None,
        driver=cuda.driver_version() if gpus else None,
        tf32=spec.tf32 if gpus else None,
        memory_limit=_memory_limit(gpus[0]) if gpus else None,
    )


def processor() -> str:
    """Return the name of what this process computes on."""
    gpus = tf.config.get_visible_devices("GPU")
    return _gpu_name(gpus[0]) if gpus else cpu_name()


def has_gpu() -> bool:
    """Return whether this process computes on a GPU."""
    return bool(tf.config.get_visible_devices("GPU"))


def memory_bytes() -> int | None:
    """Return how much memory the GPU that this process computes on has, None on a CPU."""
    return cuda.memory_bytes() if has_gpu() else None


def _gpu_name(gpu: object) -> str:
    name: str = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return name
