"""Files and folders that are there whole or not at all, whoever looks and whenever their writer dies."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qcqueue.text.canonical_json import canonical_json


def write_json(path: Path, value: Any) -> None:
    """Write a file whole or not at all, and leave nothing else behind."""
    place = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        place.write_text(canonical_json(value), encoding="utf-8")
        place.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
        raise


def link_files(files: Iterable[Path], target: Path) -> None:
    """Let the folder `target` hold these files; nothing is copied where the file system knows hard links.

    Without a file there is no folder. Raises: FileNotFoundError: one of them has just been removed.
    """
    place = unfinished(target)
    shutil.rmtree(place, ignore_errors=True)
    for path in files:
        place.mkdir(exist_ok=True)
        try:
            (place / path.name).hardlink_to(path)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without hard links
            shutil.copyfile(path, place / path.name)
    if place.exists():
        remove_folder(target)
        place.rename(target)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that nobody sees half of it; of several who try, one does."""
    trash = folder.with_name(f"{folder.name}.trash")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(trash, ignore_errors=True)
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def unfinished(path: Path) -> Path:
    """Return the name of what is not whole yet."""
    return path.with_name(path.name + ".tmp")


def listed(folder: Path) -> list[Path]:
    """Return what is whole in a folder, sorted; nothing where it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in folder.iterdir() if path.suffix not in (".tmp", ".trash"))
    return []
