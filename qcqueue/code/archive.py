"""The files of somebody's code as one zip that has a single form: the same files are the same bytes everywhere.

So its digest names the code, whoever packed it. Nothing is compressed (two zlibs give two digests), names are sorted,
times and rights are fixed. Always true: what `unpack` takes is, to the last byte, what `pack` would have made of the
files in it. That leaves no room for links, for a name twice, for anything before, between or behind the files.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from qcqueue.errors import CorruptionError, UserError
from qcqueue.text.humanize import count, size
from qcqueue.text.suggest import shown

MOST_FILES = 1000
MOST_BYTES = 32 << 20
"""What an archive may have; code is text, and who has more names what to leave out."""

_BEFORE_ALL = (1980, 1, 1, 0, 0, 0)
_UNIX = 3  # what a file says that it was made on, wherever it was
_READABLE = 0o100644 << 16
_NAME_LETTERS_MAX = 240


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of files, by their names in it. Raises: UserError: it cannot be one."""
    if fault := _fault(files):
        raise UserError(fault)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _BEFORE_ALL)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            archive.writestr(entry, files[name])
    return held.getvalue()


def unpack(data: bytes, *, sha256: str) -> dict[str, bytes]:
    """Return the files of an archive by their names. Raises: CorruptionError: it is not the one of this digest."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CorruptionError(f"the code is not that of digest {sha256[:12]}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(data):  # so nothing here is compressed
                raise CorruptionError(f"the code of digest {sha256[:12]} says that it is larger than it is")
            files = {entry.filename: archive.read(entry) for entry in entries}
        is_ours = pack(files) == data
    except (zipfile.BadZipFile, UserError, NotImplementedError, RuntimeError, EOFError, ValueError) as exc:
        raise CorruptionError(f"the code of digest {sha256[:12]} cannot be read: {exc}") from exc
    if not is_ours:
        raise CorruptionError(f"the code of digest {sha256[:12]} is not as qcqueue packs code")
    return files


def is_file_name(name: str) -> bool:
    """Return whether a file of an archive may be called so: a path that stays within, and reads the same anywhere."""
    path = PurePosixPath(name)
    parts = path.parts
    return (
        0 < len(name) <= _NAME_LETTERS_MAX
        and name == path.as_posix()
        and name.isprintable()
        and not path.is_absolute()
        and not any(part in ("", "..") or part.startswith(".") for part in parts)
        and not set(name) & set('\\:*?"<>|')
        and not any(part.endswith((" ", ".")) for part in parts)
    )


def _fault(files: Mapping[str, bytes]) -> str | None:
    """Return what is wrong with files that are to be packed."""
    if not files:
        return "code without a file is none"
    if len(files) > MOST_FILES:
        return f"this code has {count(len(files), 'file')}, and {MOST_FILES} are allowed"
    if (total := sum(map(len, files.values()))) > MOST_BYTES:
        return f"this code has {size(total)}, and {size(MOST_BYTES)} are allowed"
    for name in files:
        if not is_file_name(name):
            return f"no file of code may be called {shown(name)}"
    if len({name.casefold() for name in files}) < len(files):
        twice = next(name for name in sorted(files) if sum(name.casefold() == it.casefold() for it in files) > 1)
        return f"two files of this code differ from {shown(twice)} in no more than large and small letters"
    folders = {parent.as_posix().casefold() for name in files for parent in PurePosixPath(name).parents}
    if both := next((name for name in sorted(files) if name.casefold() in folders), None):
        return f"{shown(both)} is a file of this code, and a folder"
    return None
