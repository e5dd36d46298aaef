"""The files of ImageNet weights on this machine, where Keras looks for them: whether one is whole, and how to have it.

Keras writes a download straight to its final name and compares some files with nothing, so a cut one would be taken for
whole for ever. Here a file gets its name once it is whole: of the length that was announced, with the hash that Keras
knows, or readable as HDF5, and then with a SHA-256 of our own beside it. It imports neither Keras nor TensorFlow, which
may still load while it works.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from qcqueue.catalog.models import ImageNetFile
from qcqueue.clock import Clock
from qcqueue.engines.keras_tf.weights_file import flaw_of
from qcqueue.errors import WeightsUnavailable
from qcqueue.text.suggest import clipped, printable

ADDRESS = "https://storage.googleapis.com/"
"""Where Keras downloads from."""

STALLED_S = 30.0
WAYS_OUT = (
    'connect this machine to the network once, or enqueue the job under another name with weights = "FILE.h5" or '
    'weights = "none"'
)

# A network that lets so little through is as good as none.
_SLOW_S = 60.0
_SLOW_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_MOST_BYTES = 2 << 30  # the largest, of ConvNeXtXLarge, has 1.4 GB
_OLD_PART_S = 3600.0

_known_whole: set[tuple[Path, int, int]] = set()
"""Path, size and time of change of what this process has looked at."""


class _Failed(Exception):
    """A download came to nothing; says why."""


def have(file: ImageNetFile, *, clock: Clock, given: Path | None = None) -> Path:
    """Return where the file lies whole, downloading it if it does not. given: a copy of it on this machine.

    Raises: WeightsUnavailable: it is not here and cannot be had.
    """
    path, flaw = _look(file)
    if path.exists() and flaw is None:
        return path
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _forget_old_parts(path)
            with _unfinished(path) as part:
                if given is None or not _copied(file, given, part):
                    _download(file, part, clock)
                _give_name(file, part, path)
        except OSError as exc:
            raise _Failed(f"{exc.filename or path}: {exc.strerror or exc}") from exc
    except _Failed as exc:
        if flaw:
            raise WeightsUnavailable(
                f"the ImageNet weights of {file.model} are damaged: {path} {flaw}; they could not be downloaded again "
                f"({exc}). Put a whole file in its place, or {WAYS_OUT}"
            ) from exc
        raise WeightsUnavailable(
            f"the ImageNet weights of {file.model} could not be downloaded ({exc}): {WAYS_OUT}"
        ) from exc
    return path


def is_here(file: ImageNetFile) -> Path | None:
    """Return where the file lies whole, None where it is not here, or not whole."""
    path, flaw = _look(file)
    return path if flaw is None and path.exists() else None


def folder() -> Path:
    """Return where Keras looks for weights, as it decides itself."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        user = Path("~").expanduser()
        home = str((user if os.access(user, os.W_OK) else Path("/tmp")) / ".keras")
    place = Path(home).expanduser()
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
    if not os.access(place, os.W_OK):
        place = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()) / ".keras"
    return place / "models"


def _look(file: ImageNetFile) -> tuple[Path, str | None]:
    """Return where the file belongs, and what is wrong with what lies there."""
    path = folder() / file.name
    with contextlib.suppress(FileNotFoundError):
        mark = _mark(path)
        if mark in _known_whole:
            return path, None
        flaw = _flaw(file, path, _noted(path))
        if flaw is None:
            _known_whole.add(mark)
        return path, flaw
    return path, None


def _flaw(file: ImageNetFile, path: Path, sha256: str | None) -> str | None:
    """Return what is wrong with a file, to be said after its name; None for one that is whole."""
    if flaw := flaw_of(path):
        return flaw
    size_bytes = path.stat().st_size
    if size_bytes < file.least_bytes:
        return f"was cut short: it has {size_bytes:,} of {file.least_bytes:,} bytes"
    if file.digest:
        # As Keras does, which writes either without saying which.
        algorithm = "sha256" if len(file.digest) == 64 else "md5"
        return None if _digest(path, algorithm) == file.digest else "does not have the hash that Keras expects"
    if sha256:
        return None if _digest(path, "sha256") == sha256 else "is not any more what was downloaded"
    import h5py

    try:
        with h5py.File(path, "r") as opened:
            is_weights = "layer_names" in opened.attrs or any(it in opened for it in ("model_weights", "layers"))
    except Exception:  # a library in C, which says what it likes of a file that may hold anything
        return "cannot be opened as HDF5"
    return None if is_weights else "holds no weights of Keras"


def _download(file: ImageNetFile, part: IO[bytes], clock: Clock) -> None:
    url = ADDRESS + file.path
    host = urlsplit(url).netloc
    try:
        with urlopen(url, timeout=STALLED_S) as answer:
            announced = answer.headers.get("Content-Length")
            received = _receive(answer, part, clock)
    except HTTPError as exc:
        exc.close()
        raise _Failed(f"{host} answered {exc.code} {printable(str(exc.reason))} for {file.name}") from exc
    except TimeoutError as exc:
        raise _Failed(f"nothing came from {host} for {STALLED_S:.0f} s") from exc
    except URLError as exc:
        if isinstance(exc.reason, TimeoutError):
            raise _Failed(f"{host} did not answer for {STALLED_S:.0f} s") from exc
        raise _Failed(f"{host} cannot be reached: {_short(exc.reason)}") from exc
    except (OSError, HTTPException, ValueError) as exc:
        raise _Failed(f"the download from {host} broke off: {_short(exc)}") from exc
    if announced and announced.isdecimal() and received != int(announced):
        raise _Failed(f"the download of {file.name} ended after {received:,} of {int(announced):,} bytes")
    part.flush()
    if flaw := _flaw(file, Path(part.name), None):
        raise _Failed(f"what {host} sent for {file.name} {flaw}")


def _receive(answer: IO[bytes], part: IO[bytes], clock: Clock) -> int:
    received, mark_s, mark_bytes = 0, clock.monotonic_s(), 0
    while piece := answer.read1(_PIECE_BYTES):  # type: ignore[attr-defined]
        received += part.write(piece)
        if received > _MOST_BYTES:
            raise _Failed(f"more than {_MOST_BYTES:,} bytes came, which no model has")
        if clock.monotonic_s() - mark_s > _SLOW_S:
            if received - mark_bytes < _SLOW_BYTES:
                raise _Failed(f"it hardly moved: {received:,} bytes came in all")
            mark_s, mark_bytes = clock.monotonic_s(), received
    return received


def _copied(file: ImageNetFile, given: Path, part: IO[bytes]) -> bool:
    """Copy what was given; return whether it is the file that was wanted."""
    with given.open("rb") as reading:
        shutil.copyfileobj(reading, part, _PIECE_BYTES)
    part.flush()
    if _flaw(file, Path(part.name), None) is None:
        return True
    part.seek(0)
    part.truncate()
    return False


def _give_name(file: ImageNetFile, part: IO[bytes], path: Path) -> None:
    """Let a whole file be found, with its hash beside it where Keras knows none. A cut leaves nothing that counts."""
    part.flush()
    os.fsync(part.fileno())
    if not file.digest:
        # Taken away first: a note of other bytes beside the new file would call it damaged.
        _note(path).unlink(missing_ok=True)
    Path(part.name).replace(path)
    if not file.digest:
        with _unfinished(_note(path)) as note:
            note.write(f"{_digest(path, 'sha256')}  {path.name}\n".encode())
            note.flush()
            Path(note.name).replace(_note(path))
    _known_whole.add(_mark(path))


@contextlib.contextmanager
def _unfinished(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file of its own beside `path`; unless it has been moved on, it is removed afterwards."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", suffix=".part", delete=False) as part:
        try:
            os.fchmod(part.fileno(), 0o644)  # Keras's cache may be shared by several people
            yield part
        finally:
            Path(part.name).unlink(missing_ok=True)


def _forget_old_parts(path: Path) -> None:
    """Remove what processes that were killed have left: whoever still downloads has written within the hour."""
    with tempfile.NamedTemporaryFile(dir=path.parent) as now:
        now_s = Path(now.name).stat().st_mtime
    for part in path.parent.glob(f"{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if now_s - part.stat().st_mtime > _OLD_PART_S:
                part.unlink()


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _noted(path: Path) -> str | None:
    """Return the digest that was written down when a file was downloaded, None where there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        with _note(path).open(encoding="ascii") as note:
            sha256 = note.read(200).split()[0]
        return sha256 if len(sha256) == 64 else None
    return None


def _mark(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as reading:
        return hashlib.file_digest(reading, algorithm).hexdigest()


def _short(exc: object) -> str:
    return clipped(" ".join(str(exc).split())) or type(exc).__name__
