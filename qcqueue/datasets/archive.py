"""Reading a zip in memory: every member's entry is judged before the first byte of any is unpacked.

Owns what is particular to zips: names as other programs write them, links, encryption, ways of packing, copies of a
name, sizes and their ratio; `layout` owns what the names mean. Members are never extracted to disk, so a name can lie
but cannot write; a member is read by its entry, never by its name.
"""

import binascii
import copy
import stat
import struct
import zipfile
import zlib

from qcqueue.datasets.limits import (
    FILE_SIZE_BYTES_MAX,
    FILES_MAX,
    TREE_SIZE_BYTES_MAX,
    ZIP_RATIO_FREE_BYTES,
    ZIP_RATIO_MAX,
    reason,
    shown,
)
from qcqueue.datasets.litter import is_litter
from qcqueue.datasets.outline import Listing, check_path, composed, leads_out
from qcqueue.errors import DatasetInvalid

ENCRYPTED_FLAGS = 0x1 | 0x40
UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075
"""The extra field in which Info-ZIP and others repeat a name in UTF-8, with the CRC of the name it repeats."""

READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
READABLE |= {93} if hasattr(zipfile, "ZIP_ZSTANDARD") else set()  # from Python 3.14 on
WAYS = {1: "Shrink", 2: "Reduce", 3: "Reduce", 4: "Reduce", 5: "Reduce", 6: "Implode", 9: "Deflate64", 10: "Implode"}
WAYS |= {12: "bzip2", 14: "LZMA", 20: "Zstandard", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd"}
LOCAL_HEADER_BYTES = 30
LOCAL_ENCODINGS = ("utf-8", "cp437", "cp850", "cp1252", "cp866", "cp1251", "shift_jis", "gbk")
UNPACK_IT = "unpack it and import the folder"


class ZipTree:
    """An open zip. size_bytes: of the file as it lies on disk, which overlapping members cannot pretend away."""

    def __init__(self, archive: zipfile.ZipFile, *, where: str, size_bytes: int) -> None:
        self._archive = archive
        self._where = where
        self._size_bytes = size_bytes
        self._entries: dict[str, zipfile.ZipInfo] = {}

    def listing(self) -> Listing:
        entries = self._archive.infolist()
        self._check_sizes(entries)
        self._entries.clear()
        folders: set[str] = set()
        for entry in entries:
            name = self._checked_name(entry)
            if name is None:
                continue
            path = name.removesuffix("/")
            if path in self._entries or (path in folders and not name.endswith("/")):
                raise DatasetInvalid(f"{shown(path)} stands twice in {self._where}", hint="pack the zip again")
            self._check_entry(entry, path)
            if name.endswith("/"):
                folders.add(path)
            else:
                self._entries[path] = entry
        return Listing(files=tuple(sorted(self._entries)), folders=tuple(sorted(folders)))

    def read(self, path: str) -> bytes:
        """Return the bytes of a listed member; never more than its entry declares. Raises: DatasetInvalid."""
        try:
            return self._archive.read(self._as_written(self._entries[path], path))
        except NotImplementedError as exc:
            raise DatasetInvalid(
                f"{shown(path)} in {self._where} is packed in a way qcqueue cannot read", hint=UNPACK_IT
            ) from exc
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as exc:
            raise DatasetInvalid(
                f"{shown(path)} in {self._where} is damaged: {reason(exc)}", hint="copy or download the zip again"
            ) from exc

    def _as_written(self, entry: zipfile.ZipInfo, path: str) -> zipfile.ZipInfo:
        """Return an entry under the name before its bytes, where that is another way to write the same name.

        zipfile reads no member whose two names differ in a byte; some programs write one with a backslash or in the
        code page of their country.
        """
        file = self._archive.fp
        assert file is not None
        file.seek(entry.header_offset)
        header = file.read(LOCAL_HEADER_BYTES)
        if len(header) < LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
            return entry
        written = file.read(struct.unpack("<H", header[26:28])[0])
        if written == entry.orig_filename.encode("utf-8" if entry.flag_bits & UTF8_FLAG else "cp437"):
            return entry
        if not any(_path_meant(written, encoding) == composed(path) for encoding in LOCAL_ENCODINGS):
            raise DatasetInvalid(
                f"{shown(path)} in {self._where} has another name before its bytes: {shown(written.decode('cp437'))}",
                hint=UNPACK_IT,
            )
        same = copy.copy(entry)
        same.flag_bits &= ~UTF8_FLAG
        same.orig_filename = written.decode("cp437")
        return same

    def _checked_name(self, entry: zipfile.ZipInfo) -> str | None:
        """Return the name an entry means, a folder's with a slash at its end; None for what is not there: litter."""
        # The name as it stands in the file: zipfile itself cuts names at a NUL byte.
        written = entry.orig_filename.replace("\\", "/")
        name = _decoded(entry)
        if leads_out(written) or (name is not None and leads_out(name)):
            raise DatasetInvalid(
                f"{self._where} holds {shown(entry.orig_filename)}, a name that points outside its folder",
                hint="rename it and pack again",
            )
        if is_litter(written if name is None else name):
            return None
        if name is None:
            raise DatasetInvalid(
                f"{self._where} holds {shown(entry.orig_filename)}, a name in an encoding that it does not tell",
                hint=UNPACK_IT,
            )
        is_folder = name.endswith("/")
        path = "/".join(part for part in name.removesuffix("/").split("/") if part != ".")
        if not path:
            return None
        check_path(path, where=self._where)
        return f"{path}/" if is_folder else path

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

    def _check_entry(self, entry: zipfile.ZipInfo, path: str) -> None:
        named = f"{shown(path)} in {self._where}"
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind == stat.S_IFLNK:
            raise DatasetInvalid(f"{named} is a link", hint="pack the file itself")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DatasetInvalid(f"{named} is not an ordinary file", hint="pack the zip without it")
        if entry.flag_bits & ENCRYPTED_FLAGS:
            raise DatasetInvalid(f"{named} is encrypted", hint="unpack it with its password and import the folder")
        if entry.compress_type not in READABLE:
            way = WAYS.get(entry.compress_type, f"method {entry.compress_type}")
            raise DatasetInvalid(f"{named} is packed in a way qcqueue cannot read: {way}", hint=UNPACK_IT)
        if entry.file_size > FILE_SIZE_BYTES_MAX:
            raise DatasetInvalid(
                f"{named} would unpack to more than {FILE_SIZE_BYTES_MAX // 1024**2} MiB",
                hint="save it as an ordinary PNG or JPEG",
            )


def _decoded(entry: zipfile.ZipInfo) -> str | None:
    """Return the name of an entry with forward slashes, or None where nothing tells how it is encoded.

    Without the flag for UTF-8 the format means cp437, but what writes such names today writes UTF-8 or the code page
    of its own country; bytes of the latter are hardly ever UTF-8 by chance.
    """
    name: str | None = entry.orig_filename
    if not entry.flag_bits & UTF8_FLAG:
        written = entry.orig_filename.encode("cp437")
        name = _unicode_path(entry.extra, written)
        if name is None:
            try:
                name = written.decode("utf-8")
            except UnicodeDecodeError:
                return None
    assert name is not None
    return name.replace("\\", "/")


def _path_meant(written: bytes, encoding: str) -> str | None:
    try:
        name = written.decode(encoding).replace("\\", "/")
    except UnicodeDecodeError:
        return None
    return composed("/".join(part for part in name.split("/") if part not in ("", ".")))


def _unicode_path(extra: bytes, written: bytes) -> str | None:
    """Return the name in UTF-8 that stands beside another one, if it was meant for that one."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and len(field) > 5 and field[0] == 1:
            (crc,) = struct.unpack("<I", field[1:5])
            if crc == binascii.crc32(written):
                try:
                    return field[5:].decode("utf-8")
                except UnicodeDecodeError:
                    return None
    return None
