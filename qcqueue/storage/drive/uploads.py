"""Uploads that survive a lost connection and the death of their process: Drive's resumable protocol, in our own loop.

Small bytes go in one request, large ones in chunks whose fate is asked for whenever an answer is lost. A journal in
this machine's cache remembers, by digest, the id an upload uses and the address of its session, so that the next
process goes on where the last one was killed. The address is a key to the account: it stands in no log and no error.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from qcqueue.errors import DigestMismatch, OutcomeUnknown, StoreBusy
from qcqueue.storage.base import Moved, silently
from qcqueue.storage.drive.caller import Raw
from qcqueue.storage.drive.files import ONE_REQUEST_BYTES, TAKEN, DriveFile, DriveFiles, NewFile, file_in
from qcqueue.storage.files import move_whole, unfinished

# One of these is in memory at a time. Drive wants multiples of 256 KiB.
CHUNK_BYTES = 32 << 20
ENDED, GOES_ON, OVER = (200, 201), 308, (400, 404, 410, 412, 416)
RECEIVED = re.compile(r"bytes=0-(\d+)")

# Tries without a byte of progress before an upload gives up for now; the journal lets the next one go on.
FRUITLESS_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the journal knows of an upload. session: where to send bytes, "" before and after; is_whole: it is done."""

    file_id: str
    session: str = ""
    is_whole: bool = False


class Journal:
    """The uploads of this machine to one store, one small file each, for the eyes of their owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def held(self, sha256: str) -> Iterator[None]:
        """Keep other processes of this machine from uploading the same bytes meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f"{sha256}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def entry(self, sha256: str) -> Entry | None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Entry(**json.loads(self._path(sha256).read_bytes()))
        return None

    def note(self, sha256: str, entry: Entry) -> None:
        with unfinished(self._folder) as file:  # which nobody else can read, as every temporary file
            file.write(json.dumps(asdict(entry)).encode())
            move_whole(file, self._path(sha256))

    def forget(self, sha256: str) -> None:
        for path in (self._path(sha256), self._folder / f"{sha256}.lock"):
            path.unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes to upload, and their digests in hexadecimal."""

    reading: IO[bytes]
    size_bytes: int
    sha256: str
    md5: str

    @classmethod
    def of(cls, reading: IO[bytes]) -> "Source":
        size_bytes, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while piece := reading.read(1 << 20):
            size_bytes += len(piece)
            sha256.update(piece)
            md5.update(piece)
        return cls(reading=reading, size_bytes=size_bytes, sha256=sha256.hexdigest(), md5=md5.hexdigest())

    def piece(self, first: int) -> bytes:
        self.reading.seek(first)
        return self.reading.read(CHUNK_BYTES)

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
        """Return the file that an earlier upload of this machine made of these very bytes, if it is still there."""
        entry = self._journal.entry(source.sha256)
        if entry is None or not entry.is_whole:
            return None
        file = self._files.get(entry.file_id)
        if file is None or file.is_trashed or not source.is_in(file):
            self._journal.forget(source.sha256)
            return None
        return file

    def upload(self, source: Source, *, title: str, parent: str, moved: Moved = silently) -> DriveFile:
        """Bring the bytes to Drive, going on with what an earlier process began; return the file they are in.

        Raises: StoreFull, OutcomeUnknown, StoreBusy: the same upload again goes on. DigestMismatch: something else
        arrived, and was deleted.
        """

        def remember(session: str) -> None:
            self._journal.note(source.sha256, Entry(file_id=entry.file_id, session=session))

        entry = self._journal.entry(source.sha256) or Entry(file_id=self._files.reserve())
        remember(entry.session)
        new = NewFile(id=entry.file_id, title=title, parent=parent)
        file = send(self._files, new, source, session=entry.session, remember=remember, moved=moved)
        file = file or self._made_before(new)
        if not source.is_in(file):
            self._files.delete(file.id)
            self._journal.forget(source.sha256)
            raise DigestMismatch(f"blob {source.sha256[:12]} did not arrive on Drive as it was sent")
        self._journal.note(source.sha256, Entry(file_id=file.id, is_whole=True))
        return file

    def _made_before(self, new: NewFile) -> DriveFile:
        """Return the file whose id is taken: it can only be ours. Raises: OutcomeUnknown: it cannot be seen yet."""
        file = self._files.find(new.id)
        if file is None:
            raise OutcomeUnknown("Google Drive has a file and does not show it yet", hint="try again in a minute")
        return file


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
        file = _send_in_chunks(files, new, source, session, remember, moved)
    moved(source.size_bytes, source.size_bytes)
    return file


def _send_in_chunks(
    files: DriveFiles, new: NewFile, source: Source, session: str, remember: Callable[[str], None], moved: Moved
) -> DriveFile | None:
    has_bytes: int | None = None  # how many Drive has; None while that must be asked
    most_bytes = fruitless = 0
    while True:
        try:
            if not session:
                answer = _begin(files, new, source.size_bytes)
            elif has_bytes is None:
                answer = _put(files, session, b"", f"bytes */{source.size_bytes}")
            else:
                piece = source.piece(has_bytes)
                last = has_bytes + len(piece) - 1
                answer = _put(files, session, piece, f"bytes {has_bytes}-{last}/{source.size_bytes}")
        except StoreBusy:
            fruitless += 1
            if fruitless >= FRUITLESS_MOST:
                raise
            files.caller.pause(fruitless)
            has_bytes = None
            continue
        if answer.status == TAKEN:
            return None
        if not session:
            session, has_bytes = answer.headers["location"], 0
            remember(session)
        elif answer.status in ENDED:
            return file_in(answer.content)
        elif answer.status == GOES_ON:
            has_bytes = _received(answer)
            if has_bytes > most_bytes:
                most_bytes, fruitless = has_bytes, 0
                moved(has_bytes, source.size_bytes)
        else:  # the session is over, or has come to another opinion than we: the rule is to begin anew
            session, has_bytes, fruitless = "", None, fruitless + 1


def _begin(files: DriveFiles, new: NewFile, size_bytes: int) -> Raw:
    request = files.upload_of(new, size_bytes)
    return files.caller.send(
        request.uri, method=request.method, body=request.body.encode(), headers=request.headers, accept=(200, TAKEN)
    )


def _put(files: DriveFiles, session: str, piece: bytes, content_range: str) -> Raw:
    headers = {"Content-Range": content_range, "Content-Length": str(len(piece))}
    return files.caller.send(session, method="PUT", body=piece, headers=headers, accept=(*ENDED, GOES_ON, TAKEN, *OVER))


def _received(answer: Raw) -> int:
    """Return how many bytes Drive has, which may be fewer than it was sent; no word of it means none."""
    found = RECEIVED.fullmatch(answer.headers.get("range", ""))
    return int(found.group(1)) + 1 if found else 0
