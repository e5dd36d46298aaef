"""What the beginning of a weights file gives away, read without the libraries that load it.

It knows the files that people take for weights by their first bytes, and of HDF5 and safetensors how long they must be.
Whether the values fit a model is for `weights` to find out, and what lies deeper in HDF5 for `hdf5_walk`. Always true:
a few kilobytes are read here, whatever the file says of itself, and nothing of what is no file is opened.
"""

import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from qcqueue.engines.keras_tf.hdf5_walk import flaw_inside
from qcqueue.text.suggest import clipped

HDF5 = b"\x89HDF\r\n\x1a\n"

_START_BYTES = 4096
_END_BYTES = 65_536
_TITLE = re.compile(r"<title[^>]*>\s*([^<]+?)\s*</title", re.IGNORECASE)
_PAGE = re.compile(r"<(!doctype\s+html|html|head|body|script|meta|title|p|div|h1)\b", re.IGNORECASE)
_KERAS = "a .keras archive, which can carry code; save it again with model.save_weights()"

# Where in the file, what stands there, and what the file is then.
_KINDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", "a gzip archive, which has to be unpacked first"),
    (0, b"BZh", "a bzip2 archive, which has to be unpacked first"),
    (0, b"\xfd7zXZ\x00", "an xz archive, which has to be unpacked first"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive, which has to be unpacked first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive, which has to be unpacked first"),
    (0, b"Rar!\x1a\x07", "a rar archive, which has to be unpacked first"),
    (257, b"ustar", "a tar archive, which has to be unpacked first"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (4, b"TFL3", "a TFLite model, which cannot be trained"),
    (0, b"GGUF", "a GGUF model"),
    (0, b"\x89PNG", "an image"),
    (0, b"\xff\xd8\xff", "an image"),
    (0, b"GIF8", "an image"),
    (0, b"II*\x00", "an image"),
    (0, b"MM\x00*", "an image"),
    (8, b"WEBP", "an image"),
    (128, b"DICM", "an image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
    (0, b"\x08\x01\x12", "a SavedModel of TensorFlow"),
)
# Two letters, which begin a text as well.
_WEAK_KINDS: tuple[tuple[bytes, str], ...] = ((b"BM", "an image"), (b"MZ", "a program"))


def flaw_throughout(path: Path) -> str | None:
    """Return as `flaw_of` does what a file is instead of weights, all that HDF5 holds included."""
    if flaw := flaw_of(path):
        return flaw
    with path.open("rb") as file:
        is_hdf5 = file.read(len(HDF5)) == HDF5
    status = path.stat()
    return _walked(path, status.st_size, status.st_mtime_ns) if is_hdf5 else None


@lru_cache(maxsize=64)
def _walked(path: Path, size_bytes: int, changed_ns: int) -> str | None:
    """A study is read more than once before it is enqueued, and its files with it."""
    return flaw_inside(path)


def flaw_of(path: Path) -> str | None:
    """Return what a file is instead of weights, to be said after its name; None where its beginning looks right."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return "is a folder" + (", a SavedModel of TensorFlow" if (path / "saved_model.pb").exists() else "")
        if not stat.S_ISREG(status.st_mode):
            return "is no file, but a pipe, a socket or a device"
        if not status.st_size:
            return "is empty"
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
            file.seek(max(0, status.st_size - _END_BYTES))
            end = file.read(_END_BYTES) if start.startswith(b"PK") else b""
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as exc:  # ValueError: a name that no file can have
        return f"cannot be read: {getattr(exc, 'strerror', None) or exc}"
    if start.startswith(HDF5):
        return _flaw_of_hdf5(start, status.st_size)
    if _may_be_safetensors(start):
        return _flaw_of_safetensors(path, start, status.st_size)
    return f"is {next(_kinds(start, end))}"


def _kinds(start: bytes, end: bytes) -> Iterator[str]:
    """Yield what a file is that is no weights file, the surest first."""
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        yield _zip(start + end)
    for offset, mark, kind in _KINDS:
        if start.startswith(mark, offset):
            yield kind
    if re.match(rb"\x80[\x01-\x05]", start):
        yield "a pickle, as PyTorch and others write it, which can carry code"
    if re.match(rb"\x08[\x02-\x1f][\x12\x1a\x22\x3a\x42]", start):
        yield "an ONNX model"
    if (text := _text(start)) is not None:
        yield _text_kind(text)
    for mark, kind in _WEAK_KINDS:
        if start.startswith(mark):
            yield kind
    yield "neither HDF5 nor safetensors"


def _zip(ends: bytes) -> str:
    if b"config.json" in ends and (b"model.weights.h5" in ends or b"metadata.json" in ends):
        return _KERAS
    if b"data.pkl" in ends:
        return "a PyTorch file, which can carry code; Keras cannot load it"
    if b".npy" in ends:
        return "a NumPy archive"
    return "a zip archive, which has to be unpacked first"


def _text(start: bytes) -> str | None:
    """Return the beginning of a text, None for what is none."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if start.startswith(mark):
            return start[len(mark) :].decode(encoding, errors="replace").strip()
    text = start.decode("utf-8", errors="replace" if len(start) < _START_BYTES else "ignore")
    odd = sum(1 for char in text if not (char.isprintable() or char.isspace()) or char == "\ufffd")
    return text.strip() if odd * 20 <= len(text) and "\x00" not in text else None


def _text_kind(text: str) -> str:
    if _PAGE.search(text[:1000]) and text.startswith("<"):
        title = _TITLE.search(text)
        return f'a web page ("{clipped(title[1])}")' if title else "a web page"
    if text.startswith("version https://git-lfs"):
        return "a Git LFS pointer and not the file it stands for, which `git lfs pull` brings"
    if text.startswith(("{", "[")):
        return "JSON text"
    if text.startswith("<"):
        return "XML text"
    return f'text that begins with "{clipped(text.splitlines()[0])}"' if text else "text without a word"


def _flaw_of_hdf5(start: bytes, size_bytes: int) -> str | None:
    """Return what is wrong with the length of HDF5, by what its superblock says; None for nothing."""
    version = start[8] if len(start) > 8 else 0
    if version > 3:
        return "is HDF5 that is damaged in its first bytes"
    # Where the addresses begin, and where it stands how long one is: base, another, end of file.
    first, length_at = {0: (24, 13), 1: (28, 13)}.get(version, (12, 9))
    length = start[length_at] if len(start) > length_at else 8
    if length not in (2, 4, 8):
        return "is HDF5 that is damaged in its first bytes"
    written = start[first + 2 * length : first + 3 * length]
    if len(written) < length:
        return f"is HDF5 that was cut short: it has {size_bytes} bytes"
    end = int.from_bytes(written, "little")
    if end > size_bytes and written != b"\xff" * length:
        return f"is HDF5 that was cut short: it has {size_bytes:,} of {end:,} bytes"
    return None


def _may_be_safetensors(start: bytes) -> bool:
    """Whether a header of JSON follows its length; nothing else has zeros there, and then a brace."""
    return len(start) >= 8 and start[4:8] == bytes(4) and start[8:9] in (b"{", b"")


def _flaw_of_safetensors(path: Path, start: bytes, size_bytes: int) -> str | None:
    header_bytes = int.from_bytes(start[:8], "little")
    if 8 + header_bytes > size_bytes:
        return f"is safetensors that was cut short: it has {size_bytes:,} bytes, and its header alone {header_bytes:,}"
    try:
        with safe_open(os.fspath(path), framework="numpy"):
            return None
    except SafetensorError as exc:
        if "incomplete" in str(exc).lower():
            return (
                f"is safetensors that was cut short or added to: its {size_bytes:,} bytes are not what its header says"
            )
        return "is safetensors whose header is damaged"
    except (OSError, ValueError, MemoryError) as exc:
        return f"cannot be read as safetensors: {clipped(str(exc))}"
