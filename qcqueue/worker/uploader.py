"""What of an attempt is in the store: every file is hashed, stored once, and remembered until a commit names it.

It owns the ledger of blobs; the transactions that name them are the committer's. Always true: what was stored is noted
in the spool, so that whoever takes this place stores nothing twice, and what is deleted is forgotten there before.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qcqueue.checkpoints.format import SUFFIX, holds_model
from qcqueue.core.records import TrainingRecord
from qcqueue.errors import MachineError, StoreError
from qcqueue.queue.attempts import CommitItem
from qcqueue.queue.values import Checkpoint, Claim, StateBlobs
from qcqueue.spool.files import RESUMED
from qcqueue.spool.reader import Spool, TakenState
from qcqueue.stores.base import Blob, Moved, Store
from qcqueue.stores.files import files_in, on_this_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A state that is in the store. model: those of its files that hold the model."""

    state: StateBlobs
    model: tuple[Blob, ...]


class Uploader:
    """The blobs of one attempt. moved is told of every transfer; beside: what else is noted with the blobs.

    Every method may be repeated after a StoreError: what was stored is remembered.
    """

    def __init__(
        self, claim: Claim, *, spool: Spool, store: Store, moved: Moved, beside: Callable[[], Mapping[str, Any]]
    ) -> None:
        self.states: dict[int, Stored] = {}
        """States that are stored, by the numbers of their entries, `RESUMED` for the one the run was taken up from."""
        self.bests: dict[int, tuple[Blob, ...]] = {}
        """Models of best epochs that are stored, by epoch."""
        self.deleted: list[Blob] = []
        """What was deleted and is not recorded as such yet."""
        self._claim = claim
        self._spool = spool
        self._store = store
        self._moved = moved
        self._beside = beside
        self._named = dict(claim.packs)  # what the database names, so that it need not be stored again
        self._put_here: dict[str, Blob] = {}
        self._bad: set[str] = set()  # what the store was found not to have whole, and was not stored again yet
        self._unwanted: list[Blob] = []
        self._is_noted = True

    @property
    def stored(self) -> AbstractSet[str]:
        """Digests of what is stored and that no commit has named since."""
        return self._put_here.keys()

    @property
    def mended(self) -> AbstractSet[str]:
        """Those among them that were found damaged where the database says they are."""
        return self._bad & self._put_here.keys()

    def bring(self, held: TakenState) -> None:
        """Store what is new of a state, and the model of its best epoch where that is not stored yet."""
        best = held.record.best_epoch
        if best is not None and best not in self.bests and held.best:
            self.bests[best] = tuple(self._kept(path, held) for path in held.best)
        blobs = [self._kept(path, held) for path in held.files]
        model = tuple(blob for blob, path in zip(blobs, held.files, strict=True) if holds_model(path))
        self.states[held.number] = Stored(state=StateBlobs(head=blobs[-1], packs=tuple(blobs[:-1])), model=model)
        self.note()

    def put(self, path: Path, what: str) -> Blob:
        """Store a file. what: for its title."""
        self._spool.note_doing("uploading")
        claim = self._claim
        title, owner = f"{claim.job_name}, attempt {claim.attempt}, {what}", f"{claim.session_id}-{claim.attempt}"
        blob = self._store.put(path, title=title, owner=owner, moved=self._moved)
        self._put_here[blob.sha256] = blob
        self.note()
        return blob

    def take_up(self, chosen: Checkpoint | None, *, bad: AbstractSet[str]) -> None:
        """Count on the blobs of the checkpoint that the run was taken up from, and on none that are bad."""
        self._bad |= bad
        self.forget(bad)
        if chosen is None:
            return
        blobs = (*chosen.state.packs, chosen.state.head)
        files = files_in(self._spool.resumed_folder, ending=SUFFIX)  # the packs by number, then the head
        model = tuple(blob for blob, path in zip(blobs, files, strict=True) if holds_model(path))
        self.states[RESUMED] = Stored(state=chosen.state, model=model)
        if chosen.record.best_epoch is not None:
            self.bests[chosen.record.best_epoch] = chosen.best

    def best_of(self, record: TrainingRecord) -> tuple[Blob, ...] | None:
        """Return the stored model of the best epoch, None where it is not stored: nobody could finish from there."""
        return () if record.best_epoch is None else self.bests.get(record.best_epoch)

    def let_named_go(self) -> None:
        """Count no more on what commits have named: from now on a kept checkpoint vouches for it, or nobody does."""
        self._put_here = {sha256: blob for sha256, blob in self._put_here.items() if sha256 not in self._named}

    def committed(self, items: Iterable[CommitItem], *, held: int | None, best_epoch: int | None) -> None:
        """Note that a commit has named the blobs of these items. held: the number of the state it carried, if any."""
        for item in items:
            self._named |= {blob.sha256: blob for blob in item.blobs}
        self._bad -= self._put_here.keys()
        self.let_named_go()
        if held is not None:  # and if its own checkpoint was not among the items, it is overtaken by one that was
            self.states = {held: self.states[held]}  # an epoch still to come may belong to it
        self.bests = {epoch: blobs for epoch, blobs in self.bests.items() if epoch == best_epoch}

    def store_anew(self, missing: AbstractSet[str], blobs: Iterable[Blob]) -> None:
        """Let go of what somebody has retired meanwhile, so that the next try stores it again, in another place."""
        for blob in dict.fromkeys(blob for blob in blobs if blob.sha256 in missing):
            self._store.delete(blob)  # or the store may hand out this very place, which they are about to delete
        self.forget(missing)
        self.states.clear()
        self.bests.clear()
        self.note()

    def forget(self, sha256s: Iterable[str]) -> bool:
        """Count on these bytes no more; return whether any of them were this attempt's own."""
        own = False
        for sha256 in sha256s:
            self._named.pop(sha256, None)
            own |= self._put_here.pop(sha256, None) is not None
        return own

    def delete(self, blobs: Iterable[Blob]) -> None:
        """Delete what nothing needs; what the store does not delete now is tried again with the next."""
        unwanted = list(blobs)
        # Forgotten first: whoever takes this place must not count on bytes that may be gone.
        self._unwanted += unwanted
        if self.forget(blob.sha256 for blob in unwanted) or not self._is_noted:
            self.note()
        if not self._is_noted:
            return
        self._spool.note_doing("deleting" if self._unwanted else None)
        for blob in list(self._unwanted):
            with contextlib.suppress(StoreError):  # an orphan costs space, never safety
                self._store.delete(blob)
                self._unwanted.remove(blob)
                self.deleted.append(blob)
                self._moved(0, 0)  # many deletions take as long as a transfer
        self._spool.note_doing(None)

    def note(self) -> None:
        """Leave word for whoever takes this place after a sudden end: nothing need be stored twice.

        A disk that does not take it hinders nothing but deletions, which wait until it does.
        """
        noted = {
            "put": [asdict(blob) for blob in self._put_here.values()],
            "bad": sorted(self._bad),
            "states": {number: asdict(stored) for number, stored in self.states.items()},
            "bests": {epoch: [asdict(blob) for blob in blobs] for epoch, blobs in self.bests.items()},
        }
        self._is_noted = False
        with contextlib.suppress(MachineError):
            self._spool.note_stored({**noted, **self._beside()})
            self._is_noted = True

    def recall(self, noted: Mapping[str, Any]) -> None:
        """Know what whoever had this place before has noted."""
        self._put_here = {blob.sha256: blob for blob in _blobs(noted.get("put", ()))}
        self._bad = set(noted.get("bad", ()))
        for number, stored in noted.get("states", {}).items():
            state = StateBlobs(head=Blob(**stored["state"]["head"]), packs=_blobs(stored["state"]["packs"]))
            self.states[int(number)] = Stored(state=state, model=_blobs(stored["model"]))
        self.bests = {int(epoch): _blobs(values) for epoch, values in noted.get("bests", {}).items()}

    def _kept(self, path: Path, held: TakenState) -> Blob:
        """Return where the store has the bytes of a file, which are stored now unless they are known to be."""
        self._spool.note_doing("hashing")
        with on_this_machine(path), path.open("rb") as reading:
            sha256 = hashlib.file_digest(reading, "sha256").hexdigest()
        known = self._put_here.get(sha256) or self._named.get(sha256)
        return known or self.put(path, f"{held.number} {path.stem}")


def _blobs(values: Iterable[Mapping[str, Any]]) -> tuple[Blob, ...]:
    return tuple(Blob(**value) for value in values)
