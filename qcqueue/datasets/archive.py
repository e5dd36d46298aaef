"""Reading a zip in memory: every member's entry is judged before the first byte of any is unpacked.

Owns what is particular to zips: names, links, encryption, copies of a name, sizes and their ratio; `layout` owns
what the names mean. Members are never extracted to disk, so a name can lie but cannot write.
"""

import stat
import zipfile
import zlib

from qcqueue.datasets.layout import Listing, check_path
from qcqueue.datasets.limits import (
    FILE_SIZE_BYTES_MAX,
    FILES_MAX,
    TREE_SIZE_BYTES_MAX,
    ZIP_RATIO_FREE_BYTES,
    ZIP_RATIO_MAX,
    reason,
    shown,
)
from qcqueue.errors import DatasetInvalid

ENCRYPTED_FLAGS = 0x1 | 0x40


class ZipTree:
    """An open zip. size_bytes: of the file as it lies on disk, which overlapping members cannot pretend away."""

    def __init__(self, archive: zipfile.ZipFile, *, where: str, size_bytes: int) -> None:
        self._archive = archive
        self._where = where
        self._size_bytes = size_bytes

    def listing(self) -> Listing:
        entries = self._archive.infolist()
        self._check_sizes(entries)
        seen: set[str] = set()
        for entry in entries:
            self._check_entry(entry)
            if entry.filename in seen:
                raise DatasetInvalid(
                    f"{shown(entry.filename)} stands twice in {self._where}", hint="pack the zip again"
                )
            seen.add(entry.filename)
        return Listing(
            files=tuple(sorted(entry.filename for entry in entries if not entry.is_dir())),
            folders=tuple(sorted(entry.filename.removesuffix("/") for entry in entries if entry.is_dir())),
        )

    def read(self, path: str) -> bytes:
        """Return the bytes of a member; never more than its entry declares. Raises: DatasetInvalid."""
        try:
            return self._archive.read(path)
        except NotImplementedError as exc:
            raise DatasetInvalid(
                f"{shown(path)} in {self._where} is packed in a way qcqueue cannot read", hint="pack an ordinary zip"
            ) from exc
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as exc:
            raise DatasetInvalid(
                f"{shown(path)} in {self._where} is damaged: {reason(exc)}", hint="copy or download the zip again"
            ) from exc

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > FILES_MAX:
            raise DatasetInvalid(f"{self._where} holds more than {FILES_MAX} files", hint="import a smaller zip")
        total_bytes = sum(entry.file_size for entry in entries)
        if total_bytes > TREE_SIZE_BYTES_MAX:
            raise DatasetInvalid(
                f"{self._where} would unpack to {total_bytes / 1024**3:.0f} GiB; "
                f"{TREE_SIZE_BYTES_MAX // 1024**3} GiB is the most",
                hint="import a smaller zip",
            )
        if total_bytes > ZIP_RATIO_FREE_BYTES and total_bytes > ZIP_RATIO_MAX * self._size_bytes:
            raise DatasetInvalid(
                f"{self._where} would unpack to {total_bytes // self._size_bytes} times its size, "
                "which no zip of photographs does",
                hint="if you trust it, unpack it and import the folder",
            )

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        # The name as it stands in the file: zipfile itself cuts names at a NUL byte.
        check_path(entry.orig_filename, where=self._where)
        named = f"{shown(entry.filename)} in {self._where}"
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind == stat.S_IFLNK:
            raise DatasetInvalid(f"{named} is a link", hint="pack the file itself")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DatasetInvalid(f"{named} is not an ordinary file", hint="pack the zip without it")
        if entry.flag_bits & ENCRYPTED_FLAGS:
            raise DatasetInvalid(f"{named} is encrypted", hint="unpack it with its password and import the folder")
        if entry.file_size > FILE_SIZE_BYTES_MAX:
            raise DatasetInvalid(
                f"{named} would unpack to more than {FILE_SIZE_BYTES_MAX // 1024**2} MiB",
                hint="save it as an ordinary PNG or JPEG",
            )
