"""Walking through an HDF5 file in a process of its own, before anybody else opens it.

The library that reads HDF5 trusts what it reads: one wrong byte can make it crash, or look for an end for ever. So who
has been given such a file lets a child go through all that it holds, bounded in time and memory, and learns no more
than whether that came to an end. Always true: nothing of the file gets into the process that asks.
"""

import importlib.util
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from qcqueue.stores.registry import without_secrets

_CPU_S = 4
_WAIT_S = 60
_DATA_BYTES = 256 << 20
_MOST_PARTS = 100_000
_DEEPEST = 20
_ATTRIBUTE_BYTES = 16 << 20

_DAMAGED = "is HDF5 that is damaged"


def flaw_inside(path: Path) -> str | None:
    """Return what is wrong with an HDF5 file, to be said after its name; None for nothing, or where nobody can tell."""
    if importlib.util.find_spec("h5py") is None:
        return None
    try:
        # -P: what lies in the folder one stands in is no part of Python.
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, os.fspath(path.absolute())],
            env=without_secrets(os.environ) | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_WAIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{_DAMAGED}: to read it would take without end"
    except OSError:  # this machine can start no process now, and the trainer will find out
        return None
    return None if done.returncode == 0 else _DAMAGED


def _bound_this_process() -> None:
    """Bound it by the kernel; on Windows by the time alone that whoever asks waits for it."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))


def _walk(group: Any, left: list[int], depth: int) -> None:
    """Look at everything below a group, reached by no link to elsewhere. left: how many parts may still come."""
    import h5py

    _look_at_attributes(group)
    for name in islice(group, left[0] + 1):
        left[0] -= 1
        if left[0] < 0 or depth > _DEEPEST:
            raise ValueError("it has too many parts")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        part = group[name]
        if isinstance(part, h5py.Group):
            _walk(part, left, depth + 1)
        elif isinstance(part, h5py.Dataset):
            _look_at_attributes(part)
            _ = (part.shape, part.dtype, part.chunks, part.external, part.is_virtual)


def _look_at_attributes(part: Any) -> None:
    for name in islice(part.attrs, _MOST_PARTS):
        about = part.attrs.get_id(name)
        # Not by its storage size, which h5py takes for an error where it is 0: a layer without weights has such names.
        if about.get_space().get_simple_extent_npoints() * about.dtype.itemsize <= _ATTRIBUTE_BYTES:
            _ = part.attrs[name]


def _main() -> None:
    _bound_this_process()
    import h5py

    try:
        with h5py.File(sys.argv[1], "r") as file:
            _walk(file, [_MOST_PARTS], 0)
    except Exception:  # a library in C, which says what it likes of a file that may hold anything
        sys.exit(1)


if __name__ == "__main__":
    _main()
