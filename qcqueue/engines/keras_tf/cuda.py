"""What the GPU's own libraries say of themselves in this process: versions and sizes that decide bits.

TensorFlow tells what it was built with; these are asked what is loaded and what it runs on. Every answer is None where
the library is not there or does not say, and nothing here computes anything of a job.
"""

import contextlib
import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

_MAPS = Path("/proc/self/maps")
_DRIVER = Path("/proc/driver/nvidia/version")
_MULTIPROCESSOR_COUNT = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT


def cudnn_version(maps: Path = _MAPS, opened: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> str | None:
    """Return the version of the cuDNN that this process has loaded, such as "9.3.0"."""
    path = _loaded(maps, "libcudnn.so")
    if path is None:
        _load_cudnn()
        path = _loaded(maps, "libcudnn.so")
    if path is None:
        return None
    try:
        asked = opened(path).cudnnGetVersion
    except (OSError, AttributeError):
        return None
    asked.restype = ctypes.c_size_t
    return cudnn_spelt(int(asked()))


def cudnn_spelt(number: int) -> str:
    """Return the version that cuDNN writes as one number: 8907 is 8.9.7, and since 9 it has two more digits: 90300."""
    major, rest = divmod(number, 10_000 if number >= 90_000 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def multiprocessors(opened: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> int | None:
    """Return how many multiprocessors the first GPU of this process has, or the part of it that it may use."""
    device, count = ctypes.c_int(), ctypes.c_int()
    try:
        driver = opened("libcuda.so.1")
        answers = (
            driver.cuInit(0),
            driver.cuDeviceGet(ctypes.byref(device), 0),
            driver.cuDeviceGetAttribute(ctypes.byref(count), _MULTIPROCESSOR_COUNT, device),
        )
    except (OSError, AttributeError):
        return None
    return None if any(answers) else count.value


def memory_bytes(opened: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> int | None:
    """Return how much memory the first GPU of this process has, or the part of it that it may use."""
    device, size = ctypes.c_int(), ctypes.c_size_t()
    try:
        driver = opened("libcuda.so.1")
        answers = (
            driver.cuInit(0),
            driver.cuDeviceGet(ctypes.byref(device), 0),
            driver.cuDeviceTotalMem_v2(ctypes.byref(size), device),
        )
    except (OSError, AttributeError):
        return None
    return None if any(answers) else size.value


def driver_version(path: Path = _DRIVER) -> str | None:
    """Return the version of the driver, such as "550.54.15"."""
    try:
        said = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\b\d+(?:\.\d+)+\b", said)
    return found.group() if found else None


def compute_capability(gpu: object) -> str | None:
    """Return the compute capability of a GPU that TensorFlow has listed, such as "7.5"."""
    known = tf.config.experimental.get_device_details(gpu).get("compute_capability")
    return ".".join(map(str, known)) if known else None


def _loaded(maps: Path, name: str) -> str | None:
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    # address perms offset device inode path
    paths = [line.split(maxsplit=5)[-1] for line in lines if f"/{name}" in line]
    return paths[0] if paths else None


def _load_cudnn() -> None:
    """Have TensorFlow load the cuDNN it computes with, which it does not before the first convolution."""
    with contextlib.suppress(tf.errors.OpError):  # whoever trains is told better
        tf.nn.conv2d(tf.zeros((1, 4, 4, 1)), tf.zeros((1, 1, 1, 1)), 1, "SAME")
