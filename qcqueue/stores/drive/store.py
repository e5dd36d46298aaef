"""A store in a folder on Google Drive: blobs and heartbeats as files that only their ids find.

A blob's place is the id of its file, its owner a private property; the digest that Drive itself makes of what arrived
is compared before the blob counts. A heartbeat is an empty file whose time is set by Drive; ages are judged by the Date
of Drive's own answer. Deleted is deleted for good: the bin would count against the quota.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from qcqueue.errors import BlobMissing, DigestMismatch
from qcqueue.stores.base import Blob, BlobKind, Listed, Moved, silently
from qcqueue.stores.drive.files import DriveFile, DriveFiles, NewFile
from qcqueue.stores.drive.layout import DriveLayout, find_folder
from qcqueue.stores.drive.space import Space
from qcqueue.stores.drive.uploads import CHUNK_BYTES, Journal, Source, Uploads, owner_of
from qcqueue.stores.files import move_whole, on_this_machine, to_be_stored, unfinished
from qcqueue.stores.names import checked, is_owner, is_word

LISTED_MOST = 1000

# How many more lags a blob is waited for before it is said to be lost: a checkpoint is worth minutes.
PATIENT_LAGS = 3


class DriveStore:
    """Blobs and heartbeats of one queue. home is asked where an id is needed; journal: a folder of this machine."""

    def __init__(self, files: DriveFiles, home: Callable[[], DriveLayout], *, folder: str, journal: Path) -> None:
        self._files = files
        self._home = home
        self._folder = folder
        self._journal = Journal(journal)
        self._uploads = Uploads(files, self._journal)
        self._space = Space(files)
        self._sessions: dict[str, str] = {}  # of the heartbeats named here
        self._born: set[str] = set()

    @property
    def url(self) -> str:
        return f"gdrive:{self._folder}"

    def put(
        self,
        source: Path,
        *,
        title: str = "",
        owner: str = "",
        kind: BlobKind = BlobKind.OTHER,
        moved: Moved = silently,
    ) -> Blob:
        assert is_owner(owner), f"{owner!r} is no owner"
        with on_this_machine(source), to_be_stored(source) as reading:
            wanted = Source.of(reading, owner=owner)
            with self._journal.held(wanted.key):
                place = self._place_of(wanted, title, kind, moved)
        return Blob(sha256=wanted.sha256, size_bytes=wanted.size_bytes, place=place)

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        with on_this_machine(target), unfinished(target.parent) as writing:
            found = self._download(blob, writing, moved)
            if found != blob.sha256:  # which may have happened on the way
                found = self._download(blob, writing, moved)
            if found != blob.sha256:
                name = blob.sha256[:12]
                raise DigestMismatch(f"blob {name} in {self.url} is damaged: its bytes hash to {found[:12]}")
            move_whole(writing, target)

    def size(self, blob: Blob) -> int | None:
        file = self._files.find(blob.place) if is_word(blob.place) else None
        return file.size_bytes if file else None

    def delete(self, blob: Blob) -> None:
        if is_word(blob.place):
            self._journal.forget_file(blob.sha256, blob.place)  # first: what is being deleted is handed out no more
            self._files.delete(blob.place)
            self._space.given_back(blob.size_bytes)

    def list_blobs(self) -> Iterable[Listed]:
        home = self._home()
        query = f"('{home.blobs}' in parents or '{home.datasets}' in parents) and trashed=false"
        for file in self._files.list(query, most=LISTED_MOST):
            blob = Blob(sha256=file.sha256 or "", size_bytes=file.size_bytes, place=file.id)
            yield Listed(blob=blob, owner=owner_of(file), age_s=self._age_s(file))

    def new_heartbeat(self, session_id: str) -> str:
        name = self._files.reserve()
        self._sessions[name] = session_id
        return name

    def beat(self, name: str) -> None:
        checked(name, "heartbeat", url=self.url)
        # Whose file is there already was born in a beat whose answer was lost; whose file is not, was deleted.
        if (name not in self._born and self._bear(name)) or self._files.touch(name):
            return
        self._bear(name)

    def heartbeat_age_s(self, name: str) -> float | None:
        file = self._files.find(name) if is_word(name) else None
        return self._age_s(file) if file else None

    def forget_heartbeat(self, name: str) -> None:
        if is_word(name):
            self._files.delete(name)

    def _age_s(self, file: DriveFile) -> float:
        return max(0.0, self._files.caller.date_s - file.modified_s)

    def _bear(self, name: str) -> bool:
        """Make the file of a heartbeat; return whether it was made now."""
        title = f"heartbeat of session {self._sessions.get(name, '')}".rstrip()
        made = self._files.insert(NewFile(id=name, title=title, parent=self._home().sessions))
        self._born.add(name)
        return made is not None

    def _place_of(self, wanted: Source, title: str, kind: BlobKind, moved: Moved) -> str:
        """Return the id of a file with these bytes, made now unless this machine made it for the same owner before."""
        file = self._uploads.whole(wanted)
        if file is None:
            self._space.check(wanted.size_bytes)
            home = self._home()
            parent = home.datasets if kind is BlobKind.DATASET else home.blobs
            file = self._uploads.upload(wanted, title=title or wanted.sha256[:12], parent=parent, moved=moved)
            self._space.taken(wanted.size_bytes)
        return file.id

    def _download(self, blob: Blob, writing: IO[bytes], moved: Moved) -> str:
        """Write the bytes Drive has, piece by piece; return their digest. A piece that fails is asked for again."""
        writing.seek(0)
        writing.truncate()
        digest, size_bytes = hashlib.sha256(), 0
        while True:
            piece = self._piece(blob, size_bytes)
            digest.update(piece)
            writing.write(piece)
            size_bytes += len(piece)
            moved(size_bytes, blob.size_bytes)
            # A short piece is the last one only where no byte is missing. What goes on past its end is damaged, and
            # no more of it need be read to know.
            is_whole = size_bytes == blob.size_bytes and len(piece) < CHUNK_BYTES
            if not piece or is_whole or size_bytes > blob.size_bytes:
                return digest.hexdigest()

    def _piece(self, blob: Blob, first: int) -> bytes:
        """Return the next bytes of a blob, none past its end.

        Raises: BlobMissing: Drive answers for the queue, and has not shown the blob for minutes. StoreMissing.
        """
        piece, last = None, first + CHUNK_BYTES - 1
        if is_word(blob.place):
            piece = self._files.read(blob.place, first, last)
            if piece is None:
                find_folder(self._files, self._folder)
                piece = self._files.read(blob.place, first, last, lags=PATIENT_LAGS)
        if piece is None:
            raise BlobMissing(f"{self.url} has no blob {blob.sha256[:12]}")
        return piece
