"""What decides the bits beside the spec: a clock must not, and a GPU says what it is."""

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

DEADLINES = '''
import sys
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from qcqueue.engines.keras_tf import device
from tests.engines.worlds import a_spec

def have_a_deadline(ms):
    settings = tf.compat.v1.ConfigProto()
    settings.graph_options.rewrite_options.meta_optimizer_timeout_ms = ms
    tf.config.list_physical_devices()
    context.context()._config = settings
    tf.config.optimizer.set_experimental_options({})

def bits():
    """Of a graph that is worth rewriting: a factor that stands in two sums can be taken out of them."""
    first, second, third = (np.sin(np.arange(at, at + 2000, dtype=np.float32)) for at in (1, 7, 13))
    def graph(first, second, third):
        for _ in range(150):
            first = tf.add_n([first * second, first * third]) + first
        return first
    return tf.function(graph, autograph=False)(first, second, third).numpy().tobytes().hex()[:4000]

have_a_deadline(1)
device.settle(a_spec(), threads=1)
settled = bits()
have_a_deadline(-1)
assert bits() == settled, "other bits than without a deadline"
have_a_deadline(0)
assert bits() == settled, "other bits than those of before there was a choice"
have_a_deadline(1)
assert bits() != settled, "a deadline that changes nothing tests nothing"
'''


@pytest.mark.tensorflow(in_a_child=True)
@pytest.mark.long
def test_bits_do_not_depend_on_how_long_rewriting_a_graph_may_take() -> None:
    root = Path(__file__).parents[2]
    child = subprocess.run([sys.executable, "-c", DEADLINES], cwd=root, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-3000:]


class Library(SimpleNamespace):
    """A library as ctypes shows one: what it lacks is an AttributeError."""


def counting(count: int, *, failing: bool = False) -> Any:
    def attribute(place: Any, which: int, device: Any) -> int:
        assert which == 16
        place._obj.value = count
        return int(failing)

    return lambda name: Library(
        cuInit=lambda flags: 0, cuDeviceGet=lambda place, number: 0, cuDeviceGetAttribute=attribute
    )


def missing(name: str) -> ctypes.CDLL:
    raise OSError(f"{name}: cannot open shared object file")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("number", "version"), [(8907, "8.9.7"), (8000, "8.0.0"), (90300, "9.3.0"), (91002, "9.10.2"), (100001, "10.0.1")]
)
def test_a_version_of_cudnn_is_read_as_it_is_written(number: int, version: str, tmp_path: Path) -> None:
    from qcqueue.engines.keras_tf import cuda

    maps = tmp_path / "maps"
    maps.write_text(
        "7f00-7f01 r-xp 00000000 08:01 12 /usr/lib/libc.so.6\n"
        "7f02-7f03 r-xp 00000000 08:01 13 /opt/a folder/libcudnn.so.9\n"
        "7f04-7f05 rw-p 00000000 00:00 0\n"
    )
    opened: list[str] = []

    def open_it(path: str) -> Any:
        opened.append(path)

        def asked() -> int:
            return number

        return Library(cudnnGetVersion=asked)

    assert cuda.cudnn_version(maps, open_it) == version
    assert opened == ["/opt/a folder/libcudnn.so.9"]


@pytest.mark.tensorflow
def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    from qcqueue.engines.keras_tf import cuda

    maps = tmp_path / "maps"
    maps.write_text("7f02-7f03 r-xp 00000000 08:01 13 /opt/libcudnn.so.9\n")
    assert cuda.cudnn_version(tmp_path / "none") is None
    assert cuda.cudnn_version(maps, missing) is None
    assert cuda.cudnn_version(maps, lambda path: Library()) is None  # type: ignore[arg-type, return-value]
    assert cuda.multiprocessors(missing) is None
    assert cuda.multiprocessors(counting(40, failing=True)) is None
    assert cuda.driver_version(tmp_path / "none") is None


@pytest.mark.tensorflow
def test_a_gpu_says_how_many_multiprocessors_it_has() -> None:
    from qcqueue.engines.keras_tf import cuda

    assert cuda.multiprocessors(counting(40)) == 40


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "said",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\n",
    ],
)
def test_a_driver_says_its_version(said: str, tmp_path: Path) -> None:
    from qcqueue.engines.keras_tf import cuda

    (tmp_path / "version").write_text(said)
    assert cuda.driver_version(tmp_path / "version") == "550.54.15"


@pytest.mark.tensorflow
def test_a_run_on_a_cpu_says_nothing_of_a_gpu() -> None:
    from qcqueue.engines.keras_tf import device
    from tests.engines.worlds import a_spec

    device.settle(a_spec(), threads=2)
    assert set(device.identity(a_spec(), threads=2).to_json()).isdisjoint(
        {"cudnn_loaded", "compute_capability", "multiprocessors", "driver"}
    )
