"""Compiled programs, kept so that a second process on this machine need not compile: where they lie, and for whom.

TensorFlow's name for such a program holds neither versions nor flags nor the kind of the GPU, so each folder is named
by a digest of those and of the job. Where to look TensorFlow reads when it is imported, before there is a job: it is
told a link, which leads to a folder once the job is known. Always true: a folder is its owner's alone, and nothing of
it gets into a store, for whoever can write such a program can run code here.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from qcqueue.text.canonical_json import digest_of

PROGRAMS = "programs"
"""The folder in a machine's cache."""

_XLA_FLAGS = "TF_XLA_FLAGS"
_PLACE = "--tf_xla_persistent_cache_directory="

# What the driver itself compiles for a GPU that is newer than TensorFlow; its default holds a part of that.
_CUDA_BYTES = 4 << 30


def environment_in(cache: Path, name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the environment of a process, so that it can keep programs. name: of its link."""
    folder = cache / PROGRAMS
    place = f"{_PLACE}{folder / name}"
    if place.split() != [place]:  # TensorFlow would read it as several flags
        return {}
    flags = " ".join([*_flags(environ), place])
    cuda = {"CUDA_CACHE_PATH": str(folder / "cuda"), "CUDA_CACHE_MAXSIZE": str(_CUDA_BYTES)}
    return {_XLA_FLAGS: flags} | {name: it for name, it in cuda.items() if name not in environ}


def without_place(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no programs are kept, and none that were kept are found."""
    rest = {name: value for name, value in environ.items() if name != _XLA_FLAGS}
    return rest | ({_XLA_FLAGS: " ".join(flags)} if (flags := _flags(environ)) else {})


def keep(about: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Path | None:
    """Have this process find and keep its programs among those of its like; return the folder.

    None where it was given no place, or the place is not its owner's alone: it compiles what it needs.
    """
    if sys.platform == "win32":  # where nothing is trained
        return None
    given = [flag for flag in environ.get(_XLA_FLAGS, "").split() if flag.startswith(_PLACE)]
    if not given:
        return None
    link = Path(given[-1].removeprefix(_PLACE))
    folder = link.parent / digest_of(dict(about))
    with suppress(OSError):
        for made in (link.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            return None
        os.utime(folder)  # what was used last is swept last
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        return folder
    return None


def _flags(environ: Mapping[str, str]) -> list[str]:
    return [flag for flag in environ.get(_XLA_FLAGS, "").split() if not flag.startswith(_PLACE)]
