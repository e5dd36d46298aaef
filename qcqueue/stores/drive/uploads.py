"""Uploads that survive a lost connection and the death of their process: Drive's resumable protocol, in our own loop.

Small bytes go in one request, large ones in chunks whose fate is asked for whenever an answer is lost. A journal in
this machine's cache remembers, by digest and owner, the id an upload uses and the address of its session, so that the
next process goes on where the last one was killed, and nobody is handed a file that another owner may delete. The
address is a key to the account: it stands in no log and no error.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from qcqueue.errors import DigestMismatch, OutcomeUnknown, StoreBusy, StoreError
from qcqueue.stores.base import Moved, silently
from qcqueue.stores.drive.answers import LATER, told
from qcqueue.stores.drive.caller import Raw
from qcqueue.stores.drive.files import ONE_REQUEST_BYTES, TAKEN, DriveFile, DriveFiles, NewFile, file_in
from qcqueue.stores.drive.layout import in_the_bin
from qcqueue.stores.files import move_whole, unfinished
from qcqueue.stores.locks import locked
from qcqueue.stores.names import is_digest
from qcqueue.stores.regular import read_regular

# One of these is in memory at a time. Drive wants multiples of 256 KiB.
CHUNK_BYTES = 32 << 20
ENTRY_BYTES = 64 << 10
ENDED, GOES_ON, OVER = (200, 201), 308, (400, 404, 410, 412, 416)
RECEIVED = re.compile(r"bytes=0-(\d+)")

# The property of a file that tells whose it is; nobody's has none.
OWNED_BY = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """What the journal knows of an upload. session: where to send bytes, "" before and after; is_whole: it is done."""

    file_id: str
    session: str = ""
    is_whole: bool = False


class Journal:
    """The uploads of this machine to one store, one small file each, for the eyes of their person only.

    key: what is uploaded for whom, see `Source`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Keep other processes of this machine from uploading the same bytes for the same owner meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{key}.lock"
        with locked(path):
            try:
                yield
            finally:
                with contextlib.suppress(OSError):  # on Windows it goes with its lock
                    path.unlink(missing_ok=True)

    def entry(self, key: str) -> JournalEntry | None:
        """Return what is known of an upload, None where nothing is, or nothing that can be read."""
        return _entry_in(self._path(key))

    def note(self, key: str, entry: JournalEntry) -> None:
        # Where nothing can be written, the next process begins anew: that costs time and is no reason to fail.
        with contextlib.suppress(OSError), unfinished(self._folder) as file:  # nobody else can read temporary files
            file.write(json.dumps(asdict(entry)).encode())
            move_whole(file, self._path(key))

    def forget(self, key: str) -> None:
        with contextlib.suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def forget_file(self, sha256: str, file_id: str) -> None:
        """Forget the upload that made a file, whoever owns it. The digest may come from somebody else's database."""
        if not is_digest(sha256):
            return
        for path in self._folder.glob(f"{sha256}*.upload"):
            entry = _entry_in(path)
            if entry is not None and entry.file_id == file_id:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.upload"


def _entry_in(path: Path) -> JournalEntry | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        found = json.loads(read_regular(path, bytes_max=ENTRY_BYTES, follow=False))
        return JournalEntry(
            file_id=str(found["file_id"]), session=str(found["session"]), is_whole=bool(found["is_whole"])
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes to upload, their digests in hexadecimal, and for whom they are stored."""

    reading: IO[bytes]
    size_bytes: int
    sha256: str
    md5: str
    owner: str = ""

    @classmethod
    def of(cls, reading: IO[bytes], *, owner: str = "") -> "Source":
        size_bytes, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while piece := reading.read(1 << 20):
            size_bytes += len(piece)
            sha256.update(piece)
            md5.update(piece)
        return cls(reading=reading, size_bytes=size_bytes, sha256=sha256.hexdigest(), md5=md5.hexdigest(), owner=owner)

    @property
    def key(self) -> str:
        """What the journal knows an upload by: these bytes, for this owner."""
        return f"{self.sha256}.{self.owner}" if self.owner else self.sha256

    @property
    def properties(self) -> Mapping[str, str]:
        """Whose the file is to be, as Drive keeps it."""
        return {OWNED_BY: self.owner} if self.owner else {}

    def piece(self, first: int) -> bytes:
        """Return a chunk. Raises: DigestMismatch: the file is shorter than it was."""
        self.reading.seek(first)
        piece = self.reading.read(CHUNK_BYTES)
        if len(piece) < min(CHUNK_BYTES, self.size_bytes - first):
            raise DigestMismatch(f"blob {self.sha256[:12]} became shorter while it was uploaded")
        return piece

    def is_in(self, file: DriveFile) -> bool:
        """Whether Drive has exactly these bytes, by the digest it made itself."""
        if file.sha256 is not None:
            return file.sha256 == self.sha256
        return (file.md5, file.size_bytes) == (self.md5, self.size_bytes)


class Uploads:
    """Uploads to one store."""

    def __init__(self, files: DriveFiles, journal: Journal) -> None:
        self._files = files
        self._journal = journal

    def whole(self, source: Source) -> DriveFile | None:
        """Return the file that an earlier upload made of these bytes for this owner, if it is still there."""
        entry = self._journal.entry(source.key)
        if entry is None or not entry.is_whole:
            return None
        file = self._files.find(entry.file_id)
        if file is None or not source.is_in(file):
            self._journal.forget(source.key)
            return None
        return self._kept(file)

    def upload(self, source: Source, *, title: str, parent: str, moved: Moved = silently) -> DriveFile:
        """Bring the bytes to Drive, going on with what an earlier process began; return the file they are in.

        Raises: StoreFull, OutcomeUnknown, StoreBusy: the same upload again goes on. DigestMismatch: something else
        arrived, and was deleted. StoreMissing: the folder is gone, or in the bin.
        """
        entry = self._journal.entry(source.key) or JournalEntry(file_id=self._files.reserve())

        def remember(session: str) -> None:
            self._journal.note(source.key, replace(entry, session=session))

        remember(entry.session)
        new = NewFile(id=entry.file_id, title=title, parent=parent, properties=source.properties)
        try:
            file = send(self._files, new, source, session=entry.session, remember=remember, moved=moved)
            file = file or self._made_before(new, source)
        except (StoreError, DigestMismatch) as exc:
            # A refusal without a class of its own may be of this very id; a source that changed is not this one.
            if type(exc) in (StoreError, DigestMismatch):
                self._journal.forget(source.key)
            raise
        if not source.is_in(file):
            self._files.delete(file.id)
            self._journal.forget(source.key)
            raise DigestMismatch(f"blob {source.sha256[:12]} did not arrive on Drive as it was sent")
        self._journal.note(source.key, JournalEntry(file_id=file.id, is_whole=True))
        return self._kept(file)

    def _made_before(self, new: NewFile, source: Source) -> DriveFile:
        """Return the file whose id is taken, which can only be ours. Raises: StoreBusy: it was deleted."""
        file = self._files.find(new.id)
        if file is None:
            self._journal.forget(source.key)
            raise StoreBusy("an upload was deleted from Google Drive while it was made", hint=LATER)
        return file

    def _kept(self, file: DriveFile) -> DriveFile:
        """Take a file out of the bin if it is there. Raises: StoreMissing: the whole queue is."""
        if file.was_trashed:
            self._files.untrash(file.id)
        elif file.is_trashed:
            raise in_the_bin()
        return file


def owner_of(file: DriveFile) -> str:
    """Return whose a file is, "" where it is nobody's or an older version made it."""
    return file.properties.get(OWNED_BY, "")


def send(
    files: DriveFiles,
    new: NewFile,
    source: Source,
    *,
    session: str = "",
    remember: Callable[[str], None] = lambda session: None,
    moved: Moved = silently,
) -> DriveFile | None:
    """Make a file of these bytes; None where its id is taken, perhaps by an earlier try of this very call.

    session: the address of an upload that was begun before; remember is told the address of one that begins now.
    Raises: as `Uploads.upload` does.
    """
    if source.size_bytes <= ONE_REQUEST_BYTES:
        file = files.insert(replace(new, data=source.piece(0)))
    else:
        file = _Transfer(files, new, source, session, remember, moved).carry_out()
    moved(source.size_bytes, source.size_bytes)
    return file


class _Transfer:
    """One upload in chunks: exchange by exchange, until the file is there or patience ends."""

    def __init__(
        self,
        files: DriveFiles,
        new: NewFile,
        source: Source,
        session: str,
        remember: Callable[[str], None],
        moved: Moved,
    ) -> None:
        self._files = files
        self._new = new
        self._source = source
        self._session = session
        self._remember = remember
        self._moved = moved
        self._has_bytes: int | None = None  # how many Drive has; None while that must be asked
        self._most_bytes = 0
        self._fruitless = 0  # exchanges that failed since it had more
        self._sessions_lost = 0
        self._perhaps_made = False  # the last chunk was sent and its answer lost

    def carry_out(self) -> DriveFile | None:
        """Return the file, or None where its id is taken. Raises: as `Uploads.upload` does."""
        try:
            while self._session or self._begin():
                try:
                    answer = self._exchange()
                    if answer.status in ENDED:
                        return _made(answer)
                    if answer.status == TAKEN:
                        return None
                    self._judge(answer)
                except StoreBusy as exc:
                    self._has_bytes = None
                    self._fruitless += 1
                    self._files.caller.rest(exc, max(self._fruitless, self._sessions_lost))
        except StoreError as exc:
            raise told(exc, unknown=self._perhaps_made) from None
        return None

    def _begin(self) -> bool:
        """Open a session; return whether the id is still free."""
        session = self._files.begin(self._new, self._source.size_bytes)
        if session is None:
            return False
        self._remember(session)
        self._session, self._has_bytes, self._most_bytes = session, 0, 0
        return True

    def _exchange(self) -> Raw:
        """Send the next chunk, or ask how many bytes Drive has where that is not known."""
        size_bytes = self._source.size_bytes
        if self._has_bytes in (None, size_bytes):
            return self._put(b"", f"bytes */{size_bytes}")
        piece = self._source.piece(self._has_bytes)
        end_bytes = self._has_bytes + len(piece)
        try:
            return self._put(piece, f"bytes {self._has_bytes}-{end_bytes - 1}/{size_bytes}")
        except OutcomeUnknown:
            self._perhaps_made = self._perhaps_made or end_bytes == size_bytes
            raise

    def _judge(self, answer: Raw) -> None:
        """Note how far the upload is. Raises: StoreBusy: no further than before, or its session is over."""
        if answer.status != GOES_ON:
            # Drive has lost the session, or come to another opinion: the rule is to begin anew.
            self._session = ""
            self._sessions_lost += 1
            times = "" if self._sessions_lost == 1 else f" {self._sessions_lost} times"
            raise StoreBusy(f"Google Drive has given up an upload{times}", hint=LATER)
        was_sent = self._has_bytes is not None
        self._has_bytes, self._perhaps_made = _received(answer), False
        if self._has_bytes > self._most_bytes:
            self._most_bytes, self._fruitless = self._has_bytes, 0
            self._moved(self._has_bytes, self._source.size_bytes)
        elif was_sent:
            raise StoreBusy("Google Drive takes no bytes of an upload", hint=LATER)

    def _put(self, piece: bytes, content_range: str) -> Raw:
        headers = {"Content-Range": content_range, "Content-Length": str(len(piece))}
        accept = (*ENDED, GOES_ON, TAKEN, *OVER)
        return self._files.caller.send(self._session, method="PUT", body=piece, headers=headers, accept=accept)


def _made(answer: Raw) -> DriveFile:
    """Return what Drive says of the finished file. Raises: OutcomeUnknown: nothing that can be read."""
    try:
        return file_in(answer.content)
    except ValueError:
        raise OutcomeUnknown("Google Drive did not answer", hint=LATER) from None


def _received(answer: Raw) -> int:
    """Return how many bytes Drive has, which may be fewer than it was sent; no word of it means none."""
    found = RECEIVED.fullmatch(answer.headers.get("range", ""))
    return int(found.group(1)) + 1 if found else 0
