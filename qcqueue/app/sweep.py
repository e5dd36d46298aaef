"""What may go from this machine's cache: leftovers of killed processes, and what has not been used for longest.

A session sweeps before it begins; it costs a look at some folders. Always true: nothing that is not made again or
fetched again goes, nothing that a live session of this machine works with does, and no error of the disk gets out.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from qcqueue.app.vanished import lives_here
from qcqueue.engines.programs import PROGRAMS
from qcqueue.errors import QcqueueError
from qcqueue.spool.files import SPOOLS, session_of
from qcqueue.spool.reader import Spool
from qcqueue.stores.files import INCOMING
from qcqueue.stores.scratch import OLD_S, remove_if_nobodys, sweep

# Datasets and weights of all queues of this cache. The one used last stays, however large it is.
BLOBS_BYTES = 10 << 30

# Whoever has just fetched something has not said yet that it is used.
YOUNG_S = 3600.0

# What is kept beside a far store goes with a queue that nobody has used here for so long.
UNUSED_S = 30 * 24 * 3600.0

_LOG = re.compile(r"trainer-(\d+)\.log")
_ANSWER = re.compile(r"trainer-(\d+)-\d+\.answer(?:\.tmp)?")
# As an older qcqueue names them: without a lock, so that nobody can tell whose they are.
_ON_ITS_WAY = re.compile(r"machine\.[0-9a-f]+|queue\.(?:sqlite|json)\.\d+")
_SCRATCH = ("verify-", "fetch-", INCOMING)


def sweep_cache(cache: Path, *, now_s: float) -> None:
    """Remove from a cache what is nobody's, and keep the rest within its bounds. now_s: by the clock of its disk."""
    for prefix in _SCRATCH:
        sweep(cache, prefix, now_s=now_s)
    _sweep_trainers(cache, now_s)
    _remove_old(cache, now_s)
    sweep(cache / "blobs", INCOMING, now_s=now_s)
    _bound_blobs(cache, now_s)
    _sweep_spools(cache, now_s)
    _sweep_programs(cache / PROGRAMS, now_s)
    for queue in _listed(cache / "queues"):
        for folder in (queue, queue / "nearby"):
            sweep(folder, INCOMING, now_s=now_s)
        _remove_old(queue, now_s)
        _let_go_of_unused(queue, now_s)
    _forget_lost_weights(cache / "pretrained", now_s)


def size_of_cache(cache: Path) -> int:
    """Return how many bytes lie in a cache; a file of two names, as copies are, counts once."""
    seen = dict[tuple[int, int], int]()
    for place, _, names in os.walk(cache, onerror=None):
        for name in names:
            with contextlib.suppress(OSError):
                status = Path(place, name).lstat()
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _sweep_trainers(cache: Path, now_s: float) -> None:
    """Remove what trainers printed, and answered, that got ready for a session which is dead."""
    ready = set[str]()
    for path in _listed(cache):
        if (found := _LOG.fullmatch(path.name)) and not remove_if_nobodys(path, now_s=now_s, locked=True):
            ready.add(found[1])
    for path in _listed(cache):
        if (found := _ANSWER.fullmatch(path.name)) and found[1] not in ready:
            with contextlib.suppress(OSError):
                path.unlink()


def _remove_old(folder: Path, now_s: float) -> None:
    """Remove what was to get another name, and by whom nobody can tell: within a day it had it, or never will."""
    for path in _listed(folder):
        if _ON_ITS_WAY.fullmatch(path.name):
            remove_if_nobodys(path, now_s=now_s, locked=False)


def _bound_blobs(cache: Path, now_s: float) -> None:
    found = list[tuple[float, int, Path]]()
    for path in _listed(cache / "blobs"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if path.is_file() and not path.is_symlink():
                found.append((status.st_mtime, status.st_size, path))
    total = sum(size_bytes for _, size_bytes, _ in found)
    if total <= BLOBS_BYTES:
        return
    used = set(_in_use(cache))
    for used_s, size_bytes, path in sorted(found)[:-1]:  # the oldest first; the newest stays
        if total <= BLOBS_BYTES:
            return
        if path.name not in used and now_s - used_s > YOUNG_S:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size_bytes


def _in_use(cache: Path) -> Iterator[str]:
    """Yield the files of `blobs` that sessions of this machine work with, unless they are provably dead."""
    for folder in _listed(cache / SPOOLS):
        if lives_here(cache, session_of(folder)) is not False:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, QcqueueError):
                if order := Spool(folder).order.read():
                    yield from (path.name for path in (order.dataset_path, order.weights_path) if path)


def _sweep_spools(cache: Path, now_s: float) -> None:
    """Remove what dead sessions of other queues left, and no session of theirs has come for.

    What holds nothing to save stays a day. What does is theirs for as long as anything that nobody uses.
    """
    for folder in _listed(cache / SPOOLS):
        if lives_here(cache, session_of(folder)) is False:
            age_s = now_s - _changed_s(folder, now_s)
            if age_s > UNUSED_S or (age_s > OLD_S and not _holds_unsaved(folder)):
                shutil.rmtree(folder, ignore_errors=True)


def _sweep_programs(folder: Path, now_s: float) -> None:
    """Remove compiled programs that nobody has used for long, and the links of those that found them."""
    for path in _listed(folder):
        with contextlib.suppress(OSError):
            if path.is_symlink() and now_s - path.lstat().st_mtime > UNUSED_S:
                path.unlink()
            elif path.is_dir() and not path.is_symlink() and now_s - _changed_s(path, now_s) > UNUSED_S:
                shutil.rmtree(path, ignore_errors=True)


def _holds_unsaved(folder: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, QcqueueError):
        return Spool(folder).holds_unsaved()
    return True


def _changed_s(folder: Path, now_s: float) -> float:
    """Return when anything in a folder was changed last."""
    newest_s = 0.0
    for place, _, names in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in names)):
            with contextlib.suppress(OSError):
                newest_s = max(newest_s, path.lstat().st_mtime)
    return newest_s or now_s


def _let_go_of_unused(queue: Path, now_s: float) -> None:
    with contextlib.suppress(OSError):
        newest_s = max((path.lstat().st_mtime for path in _listed(queue)), default=now_s)
        if now_s - newest_s > UNUSED_S:
            shutil.rmtree(queue / "nearby", ignore_errors=True)


def _forget_lost_weights(notes: Path, now_s: float) -> None:
    """Remove notes on ImageNet weights that nobody has looked at for long: looking again is all it costs."""
    for path in _listed(notes):
        with contextlib.suppress(OSError):
            if now_s - path.lstat().st_mtime > (OLD_S if path.suffix == ".tmp" else UNUSED_S):
                path.unlink()


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []
