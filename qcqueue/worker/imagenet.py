"""The ImageNet weights that jobs begin with, as one session deals with them: looked for once a model and machine.

The trainer that gets ready looks and downloads, in its own process; the session asks it, and brings what the queue
keeps. Always true: nothing here waits for a network without an end, a job that has begun is never asked about, and what
cannot be kept in the store costs a sentence and never the job.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from qcqueue.core.obstacles import Lack, Obstacle
from qcqueue.core.spec import JobSpec
from qcqueue.engines.keras_tf.pretrained import folder
from qcqueue.errors import BlobMissing, CorruptionError, DigestMismatch, MachineError, StoreError
from qcqueue.queue.pretrained import keep_weights, kept_weights
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.spool.whole import write_json
from qcqueue.stores.base import Blob
from qcqueue.stores.regular import read_regular
from qcqueue.text.canonical_json import parse_json
from qcqueue.worker.download import fetch_once
from qcqueue.worker.session_deps import SessionDeps

LOOKING = Obstacle("its ImageNet weights are being looked for")

# Nobody's job waits longer than this for weights that are put into the store for machines to come.
KEEP_S = 300.0

NOTE_BYTES = 64 << 10


class _Enough(Exception):
    """A transfer that somebody has no more time for."""


class ImageNet:
    """Asks and remembers. moved is told of every transfer; is_leaving says that a person or a limit wants the end."""

    def __init__(self, deps: SessionDeps, *, moved: Callable[[int, int], None], is_leaving: Callable[[], bool]) -> None:
        self._deps = deps
        self._moved = moved
        self._is_leaving = is_leaving
        self._found: dict[str, FoundWeights] = {}
        self._wanted: WantedWeights | None = None
        self._bad: set[Blob] = set()  # what the store was found not to have whole

    @property
    def is_looking(self) -> bool:
        """Whether a trainer has been asked and has not answered yet."""
        return self._wanted is not None

    def obstacle(self, spec: JobSpec) -> Obstacle | None:
        """Return why a fresh job cannot begin here, `LOOKING` while that is not known, None where nothing is."""
        wanted = WantedWeights(model=spec.model, image_size=spec.image_size)
        name = wanted.file.name
        if name not in self._found and (path := self._remembered(name)):
            self._found[name] = FoundWeights(path=path)
        if name not in self._found and not self._wanted:
            self._deps.narrate(f"looking for the ImageNet weights of {spec.model}")
            self._wanted = replace(wanted, may_download=self._kept(name) is None)
        self.go_on()
        if name not in self._found:
            return LOOKING
        why = self._found[name].obstacle
        return Obstacle(why, Lack.WEIGHTS) if why else None

    def go_on(self) -> None:
        """Take the trainer's answer, if there is one, and do what follows from it."""
        while self._wanted and (found := self._deps.check_weights(self._wanted)):
            name = self._wanted.file.name
            if found.path or found.obstacle:
                self._settle(name, found)
                return
            try:
                self._wanted = replace(self._wanted, given=self._brought(name), may_download=True)
            except _Enough:
                return

    def keep(self, spec: JobSpec) -> None:
        """Put the weights that a job has begun with into the store, unless the queue has them.

        Raises: LeaseLost: the job is not this session's any more.
        """
        file = WantedWeights(model=spec.model, image_size=spec.image_size).file
        found = self._found.get(file.name)
        if found is None or found.path is None:
            return
        deps, until_s = self._deps, self._deps.clock.monotonic_s() + KEEP_S
        try:
            if (kept := self._kept(file.name)) and kept not in self._bad:
                return
            deps.narrate(f"keeping the ImageNet weights of {spec.model} in the store")
            blob = deps.store.put(found.path, title=file.name, moved=partial(self._moves, until_s=until_s))
            named = deps.database.transact(
                lambda tx: keep_weights(tx, file.name, blob, instead_of=kept, now_s=deps.clock.now_s())
            )
            if named != blob:  # somebody else was first
                deps.store.delete(blob)
        except _Enough:
            deps.narrate(f"there is no time to keep the ImageNet weights of {spec.model}; training goes on")
        except (StoreError, MachineError, CorruptionError) as exc:
            deps.narrate(f"the ImageNet weights of {spec.model} cannot be kept, and training goes on: {exc}")

    def _settle(self, name: str, found: FoundWeights) -> None:
        self._found[name], self._wanted = found, None
        if found.path:
            self._remember(name, found.path)

    def _kept(self, name: str) -> Blob | None:
        with self._deps.database.read() as tx:
            return kept_weights(tx, name)

    def _brought(self, name: str) -> Path | None:
        """Bring a file that the queue keeps; None where it cannot be had, so that it is downloaded after all."""
        kept = None
        try:
            if kept := self._kept(name):
                self._deps.narrate(f"fetching {name}, which the queue keeps")
                return fetch_once(self._deps.store, kept, self._deps.cache / "blobs", moved=self._moves)
        except (BlobMissing, DigestMismatch) as exc:
            if kept:
                self._bad.add(kept)
            self._deps.narrate(f"what the queue keeps of {name} cannot be used: {exc}")
        except (StoreError, MachineError) as exc:
            self._deps.narrate(f"what the queue keeps of {name} cannot be had: {exc}")
        return None

    def _moves(self, moved_bytes: int, size_bytes: int, until_s: float | None = None) -> None:
        self._moved(moved_bytes, size_bytes)
        if self._is_leaving() or (until_s is not None and self._deps.clock.monotonic_s() > until_s):
            raise _Enough

    # What was found on this machine, for sessions to come: true as long as the file is the one it was.

    def _remembered(self, name: str) -> Path | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            noted = parse_json(read_regular(self._note(name), bytes_max=NOTE_BYTES))
            if noted == _as_it_is(Path(noted["path"])):
                return Path(noted["path"])
        return None

    def _remember(self, name: str, path: Path) -> None:
        with contextlib.suppress(OSError):
            self._note(name).parent.mkdir(parents=True, exist_ok=True)
            write_json(self._note(name), _as_it_is(path))

    def _note(self, name: str) -> Path:
        return self._deps.cache / "pretrained" / f"{name}.json"


def _as_it_is(path: Path) -> dict[str, object]:
    status = path.stat()
    # Keras may be told to look elsewhere tomorrow.
    return {
        "path": str(path),
        "size_bytes": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "keras": str(folder()),
    }
