"""Uploads: in one request (multipart, media), or by the resumable protocol with its sessions.

A session is a capability: who has its URI may send. Chunks but the last come in multiples of 256 KiB; the server
says with 308 how much it has, which may be less than was sent; bytes that came before their sender died are kept,
down to a multiple. A chunk that begins past what the server has is refused: a client that guesses is wrong.
"""

import re
from dataclasses import dataclass, field, replace

from tests.support.drive import multipart
from tests.support.drive.accounts import Grant
from tests.support.drive.call import Call
from tests.support.drive.drives import Upload
from tests.support.drive.exchange import Answer, Refusal, Request, invalid
from tests.support.drive.metadata import Metadata

CHUNK_BYTES = 256 * 1024
CHUNK = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
STATUS = re.compile(r"bytes \*/(\d+|\*)")


@dataclass(slots=True, kw_only=True)
class Session:
    """One resumable upload. call: the request that began it, whose If-Match and fields hold to the end."""

    id: str
    call: Call
    wanted: Metadata
    mime_type: str | None
    size: int | None
    expires_s: float
    received: bytearray = field(default_factory=bytearray)
    done: Answer | None = None


class Uploads:
    """The open sessions of an emulator. The caller holds its lock."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}

    def grant_of(self, request: Request) -> Grant | None:
        session = self.sessions.get(request.query.get("upload_id", ""))
        return session.call.grant if session else None

    def forget(self, request: Request) -> None:
        """Lose a session, as the service may at any time."""
        self.sessions.pop(request.query.get("upload_id", ""), None)

    def start(self, call: Call, session_id: str) -> Answer:
        """Raises: Refusal: what the finished upload would be refused for, as far as it can be known now."""
        wanted = call.wanted(call.request.json())
        declared = call.request.headers.get("x-upload-content-length")
        size = int(declared) if declared and declared.isdecimal() else None
        if call.file_id:
            file = call.find_matching()
            call.drive.check_room((size or 0) - file.size)
        else:
            _check_id(call, wanted)
            call.drive.check_room(size or 0)
        self.sessions[session_id] = Session(
            id=session_id,
            call=call,
            wanted=wanted,
            mime_type=call.request.headers.get("x-upload-content-type"),
            size=size,
            expires_s=call.clock.now_s() + call.choices.session_ttl_s,
        )
        path = f"{call.base_url}{call.request.path}?uploadType=resumable&upload_id={session_id}"
        return Answer(headers={"Location": path, "X-GUploader-UploadID": session_id})

    def put(self, request: Request, now_s: float, keep_bytes: int | None) -> Answer:
        """Take a chunk, or say how much there is. Raises: Refusal: 404 for a session that is over or unknown."""
        session = self.sessions.get(request.query.get("upload_id", ""))
        if not session or now_s >= session.expires_s:
            raise Refusal(404, "notFound", "Upload session not found.")
        if session.done:
            return session.done
        content_range = request.headers.get("content-range", "")
        if found := STATUS.fullmatch(content_range):
            _check_total(session, found.group(1))
            return session.done or _progress(session)
        if content_range:
            return _take(session, request, keep_bytes)
        # Without a range the body is all there is; with nothing in it the file is empty.
        session.received[:] = request.body
        return _progress(session) if request.cut_short else _finish(session)


def in_one(call: Call) -> Answer:
    """Insert or update by one request of metadata and bytes, or of bytes alone. Raises: Refusal."""
    request = call.request
    if len(request.body) > call.choices.largest_single_request_bytes:
        raise Refusal(413, "uploadTooLarge", "Request is too large.")
    content_type = request.headers.get("content-type", "")
    about, mime_type, data = b"", content_type or None, request.body
    if request.query.get("uploadType") == "multipart":
        about, mime_type, data = multipart.split(content_type, request.body)
    wanted = call.wanted(replace(request, body=about).json())
    if call.file_id:
        return call.change(call.find_matching(), wanted, Upload.of(data))
    return call.insert(wanted, Upload.of(data), mime_type)


def _take(session: Session, request: Request, keep_bytes: int | None) -> Answer:
    found = CHUNK.fullmatch(request.headers["content-range"])
    if not found:
        raise invalid("Invalid Content-Range")
    first, last, total = int(found.group(1)), int(found.group(2)), found.group(3)
    _check_total(session, total)
    is_last = session.size is not None and last + 1 == session.size
    if first > len(session.received):
        raise invalid(f"The chunk begins at {first}, and {len(session.received)} bytes have been received")
    if not request.cut_short and len(request.body) != last - first + 1:
        raise invalid("Content-Range and Content-Length differ")
    if not is_last and (last - first + 1) % CHUNK_BYTES:
        raise invalid("The size of a chunk but the last must be a multiple of 256 KiB")
    _keep(session, first, request.body, _kept(request, keep_bytes))
    return _finish(session) if session.size == len(session.received) else _progress(session)


def _kept(request: Request, keep_bytes: int | None) -> int:
    """Return how much of a body is stored: all, or a multiple of 256 KiB where it was cut or a fault says so."""
    kept = len(request.body) if keep_bytes is None else min(keep_bytes, len(request.body))
    return kept if not request.cut_short and keep_bytes is None else kept - kept % CHUNK_BYTES


def _keep(session: Session, first: int, body: bytes, kept: int) -> None:
    known = len(session.received) - first
    session.received += memoryview(body)[known:kept]


def _check_total(session: Session, total: str) -> None:
    if total == "*":
        return
    if session.size is not None and session.size != int(total):
        raise invalid(f"The upload was declared as {session.size} bytes, not {total}")
    session.size = int(total)


def _progress(session: Session) -> Answer:
    count = len(session.received)
    headers = {"Range": f"bytes=0-{count - 1}"} if count else {}
    return Answer(status=308, headers={**headers, "X-GUploader-UploadID": session.id})


def _finish(session: Session) -> Answer:
    """Make the file; a session that cannot is over."""
    call, upload = session.call, Upload.of(bytes(session.received))
    try:
        if session.wanted.parent:
            call.drive.check_parent(call.drive.files.get(session.wanted.parent), session.wanted.parent)
        if call.file_id:
            session.done = call.change(call.find_matching(), session.wanted, upload)
        else:
            session.done = call.insert(session.wanted, upload, session.mime_type)
    except Refusal:
        session.expires_s = 0.0
        raise
    session.received.clear()
    return session.done


def _check_id(call: Call, wanted: Metadata) -> None:
    if wanted.id is None:
        return
    try:
        call.drive.check_free(wanted.id)
    except Refusal as refusal:
        if refusal.status != 409 or not call.choices.conflict_at_end:
            raise
