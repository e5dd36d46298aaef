"""Reading a folder or zip of images without trusting it: list first, refuse by name, then read one file at a time.

Owns the folder and the choice between folder and zip; `archive` owns the zip, `layout` what the paths mean.
Nothing is ever extracted or written, no link is followed, and no file is larger in memory than the limits say.
"""

import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from qcqueue.datasets.archive import UNPACK_IT, ZipTree
from qcqueue.datasets.limits import FILE_SIZE_BYTES_MAX, FILES_MAX, reason, shown
from qcqueue.datasets.litter import is_litter
from qcqueue.datasets.outline import Listing, check_path
from qcqueue.errors import DatasetInvalid
from qcqueue.stores.regular import NotRegularError, opened

ZIP_END_BYTES_MAX = 22 + 0xFFFF
"""The record at the end of a zip, with the longest comment."""


class Tree(Protocol):
    """Somebody's files: what is there, and the bytes of one of them."""

    def listing(self) -> Listing: ...

    def read(self, path: str) -> bytes: ...


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Open a folder or a zip for reading. Raises: DatasetInvalid: it is neither, or it cannot be read."""
    if path.is_dir():
        yield FolderTree(path)
        return
    where = shown(path.name or str(path))
    with _opened_zip(path, where) as archive:
        yield ZipTree(archive, where=where, size_bytes=path.stat().st_size)


def _opened_zip(path: Path, where: str) -> zipfile.ZipFile:
    if not os.path.lexists(path):
        raise DatasetInvalid(f"there is no folder, zip or CSV {shown(str(path))}", hint="check the path")
    try:
        # Asked first: opening a pipe or a device to see what it holds could wait for ever.
        if path.is_file():
            if _is_part_of_zip(path):
                raise DatasetInvalid(f"{where} is one part of a zip that was split into several", hint=UNPACK_IT)
            if zipfile.is_zipfile(path):
                return zipfile.ZipFile(path)
            if _looks_like_zip(path):
                raise DatasetInvalid(f"the zip {where} is damaged or cut short", hint="copy or download it again")
    except UnicodeDecodeError as exc:
        raise DatasetInvalid(
            f"the zip {where} holds a name that is not the UTF-8 it is said to be", hint=UNPACK_IT
        ) from exc
    except NotImplementedError as exc:
        raise DatasetInvalid(
            f"the zip {where} is packed in a way qcqueue cannot read: {reason(exc)}", hint=UNPACK_IT
        ) from exc
    except (zipfile.BadZipFile, ValueError, struct.error, EOFError, OverflowError) as exc:
        raise DatasetInvalid(f"the zip {where} is damaged: {reason(exc)}", hint="copy or download it again") from exc
    except OSError as exc:
        raise _unreadable(where, exc) from exc
    raise DatasetInvalid(
        f"{where} is neither a folder nor a zip",
        hint="unpack it, pack its folder as a zip, or list its images in a file that ends in .csv",
    )


def _unreadable(named: str, exc: OSError) -> DatasetInvalid:
    return DatasetInvalid(f"{named} cannot be read: {exc.strerror or reason(exc)}", hint="check its permissions")


def _looks_like_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.casefold() == ".zip" or file.read(4) == b"PK\x03\x04"


def _is_part_of_zip(path: Path) -> bool:
    """Return whether a file is one of several that make up one zip: the first says so, the last counts the disks."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x07\x08":
            return True
        file.seek(max(0, path.stat().st_size - ZIP_END_BYTES_MAX))
        _, found, end = file.read(ZIP_END_BYTES_MAX).rpartition(b"PK\x05\x06")
    return bool(found) and len(end) >= 4 and struct.unpack("<HH", end[:4]) not in ((0, 0), (0xFFFF, 0xFFFF))


class FolderTree:
    """A folder on disk. Links and devices are refused, so what is imported is what lies inside."""

    def __init__(self, root: Path, *, where: str | None = None) -> None:
        self._root = root
        self._where = where or shown(root.name or str(root))

    def listing(self) -> Listing:
        files: list[str] = []
        folders: list[str] = []
        try:
            for path, is_folder in self._walk(self._root, ""):
                (folders if is_folder else files).append(path)
                if len(files) + len(folders) > FILES_MAX:
                    raise DatasetInvalid(f"{self._where} holds more than {FILES_MAX} files", hint="import fewer")
        except OSError as exc:
            raise _unreadable(shown(exc.filename or self._where), exc) from exc
        return Listing(files=tuple(sorted(files)), folders=tuple(sorted(folders)))

    def read(self, path: str) -> bytes:
        try:
            with opened(self._root / path, follow=False) as (file, _):
                content = file.read(FILE_SIZE_BYTES_MAX + 1)
        except NotRegularError as exc:
            raise DatasetInvalid(f"{shown(path)} in {self._where} {exc}", hint="take it out") from exc
        except OSError as exc:
            raise _unreadable(f"{shown(path)} in {self._where}", exc) from exc
        if len(content) > FILE_SIZE_BYTES_MAX:
            raise DatasetInvalid(
                f"{shown(path)} in {self._where} is larger than {FILE_SIZE_BYTES_MAX // 1024**2} MiB",
                hint="save it as an ordinary PNG or JPEG",
            )
        return content

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, bool]]:
        """Yield (path from the top, is it a folder), folders before what is in them."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_litter(entry.name):
                    continue
                path = f"{prefix}{entry.name}"
                check_path(path, where=self._where)
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    raise DatasetInvalid(f"{shown(path)} in {self._where} is a link", hint="put the file itself there")
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise DatasetInvalid(f"{shown(path)} in {self._where} is not an ordinary file", hint="remove it")
                yield path, stat.S_ISDIR(mode)
                if stat.S_ISDIR(mode):
                    # check_path bounds the depth: what is too deep is refused, never silently left out.
                    yield from self._walk(folder / entry.name, f"{path}/")
