"""The few things qcqueue does with files on Drive, by id: reserve, insert, look at, read, empty, touch, delete, list.

Every insert names a reserved id, so of all who insert it exactly one succeeds, and repeating an insert whose answer
was lost finds the work of the first. Names are for people; nothing is ever found by one, and a listing is a hint.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from googleapiclient.http import MediaInMemoryUpload

from qcqueue.stores.drive.caller import Caller

FOLDER = "application/vnd.google-apps.folder"
OCTETS = "application/octet-stream"
TEXT = "text/plain"
FIELDS = (
    "id,title,labels/trashed,explicitlyTrashed,fileSize,md5Checksum,sha256Checksum,modifiedDate,"
    "properties(key,value,visibility)"
)
# As many as one request can: an epoch uses three.
RESERVED_AT_ONCE = 1000
LARGEST_PAGE = 1000
TAKEN, NOT_FOUND, NO_SUCH_RANGE = 409, 404, 416

# What one request may carry is 5 MB; its metadata must fit too.
ONE_REQUEST_BYTES = 4_500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveFile:
    """What Drive says of a file. is_trashed: it or a folder above it lies in the bin; was_trashed: it itself does."""

    id: str
    title: str
    size_bytes: int
    md5: str | None
    sha256: str | None
    modified_s: float
    is_trashed: bool
    was_trashed: bool
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Whose Drive it is, and how many bytes are free there; None where there is no limit."""

    account: str
    free_bytes: int | None
    total_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """What a file is to be. parent: the id of its folder, "" for the top of the Drive. data: None for a folder."""

    id: str
    title: str
    parent: str
    properties: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = b""
    mime_type: str = OCTETS

    @property
    def body(self) -> dict[str, Any]:
        """The metadata as version 2 of the API wants it."""
        found: dict[str, Any] = {"id": self.id, "title": self.title}
        found["mimeType"] = FOLDER if self.data is None else self.mime_type
        if self.parent:
            found["parents"] = [{"id": self.parent}]
        if self.properties:
            found["properties"] = [
                {"key": key, "value": value, "visibility": "PRIVATE"} for key, value in self.properties.items()
            ]
        return found


class DriveFiles:
    """Files of one account that qcqueue made."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._reserved: list[str] = []

    def about(self) -> About:
        fields = "user/emailAddress,quotaType,quotaBytesTotal,quotaBytesUsedAggregate"
        found: About = self.caller.read(lambda: self.caller.service.about().get(fields=fields), reading=_about)
        return found

    def reserve(self) -> str:
        """Return an id that only this account can insert, and that nobody else is given."""
        if not self._reserved:
            asked = {"maxResults": RESERVED_AT_ONCE, "fields": "ids"}
            self._reserved = self.caller.read(lambda: self.caller.files.generateIds(**asked), reading=_ids)
        return self._reserved.pop()

    def insert(self, new: NewFile) -> DriveFile | None:
        """Make a file in one request; None where its id is taken, perhaps by an earlier try of this very insert.

        Raises: OutcomeUnknown. StoreFull. StoreMissing: its folder is not there.
        """

        def make() -> Any:
            media = MediaInMemoryUpload(new.data, mimetype=new.mime_type) if new.data else None
            return self.caller.files.insert(body=new.body, media_body=media, fields=FIELDS)

        found: DriveFile | None = self.caller.change(make, accept={TAKEN: None}, reading=_known, awaiting=True)
        return found

    def get(self, file_id: str) -> DriveFile | None:
        """Return what Drive says of a file now; None where it does not know the id, or not yet."""
        found: DriveFile | None = self.caller.read(lambda: self._get(file_id), accept={NOT_FOUND: None}, reading=_known)
        return found

    def find(self, file_id: str) -> DriveFile | None:
        """As `get`, of a file that should be there: it is waited for as long as new ids may stay invisible."""
        found: DriveFile | None = self.caller.find(lambda: self._get(file_id), reading=_known)
        return found

    def read(self, file_id: str, first: int, last: int, *, lags: int = 1) -> bytes | None:
        """Return the bytes from `first` to `last`, or fewer: none at all only past the end of the file.

        Returns None where there is no such file, having waited for as many times as new ids may stay invisible.
        """

        def make() -> Any:
            request = self.caller.files.get_media(fileId=file_id)
            request.headers["Range"] = f"bytes={first}-{last}"
            return request

        found = self.caller.find(make, accept={NO_SUCH_RANGE: b""}, lags=lags)
        return None if found is None else bytes(found)

    def empty(self, file_id: str) -> None:
        """Give the bytes of a file back; its id stays taken. What is not there may stay away."""
        self.caller.change(lambda: self._overwrite(file_id, b""), accept={NOT_FOUND: None})

    def overwrite(self, file_id: str, data: bytes) -> DriveFile | None:
        """Put other bytes into a file, as many as one request carries; None where it is not there.

        Raises: OutcomeUnknown. StoreFull.
        """
        found: DriveFile | None = self.caller.change(
            lambda: self._overwrite(file_id, data), accept={NOT_FOUND: None}, reading=_known, awaiting=True
        )
        return found

    def touch(self, file_id: str) -> bool:
        """Set the time of a file to now, by Drive's clock; return whether it is there, or appears within the lag."""

        def make() -> Any:
            return self.caller.files.touch(fileId=file_id, fields="id")

        return self.caller.change(make, accept={NOT_FOUND: None}, awaiting=True) is not None

    def untrash(self, file_id: str) -> None:
        """Take a file out of the bin again; what is not there may stay away."""
        self.caller.change(lambda: self.caller.files.untrash(fileId=file_id, fields="id"), accept={NOT_FOUND: None})

    def delete(self, file_id: str) -> None:
        """Delete for good, not into the bin, which counts against the quota; what is not there is fine."""
        self.caller.change(lambda: self.caller.files.delete(fileId=file_id), accept={NOT_FOUND: None})

    def list(self, query: str, *, most: int) -> Iterator[DriveFile]:
        """Yield what a listing shows, the youngest first: late, perhaps doubled, never to be relied upon."""
        asked: dict[str, Any] = {"q": query, "orderBy": "createdDate desc", "fields": f"items({FIELDS}),nextPageToken"}
        while most > 0:
            page = self.caller.read(partial(self._list, **asked, maxResults=min(most, LARGEST_PAGE)), reading=_page)
            yield from page.files
            if not page.next:
                return
            most -= max(1, len(page.files))  # a page may be empty and not the last
            asked["pageToken"] = page.next

    def begin(self, new: NewFile, size_bytes: int) -> str | None:
        """Begin a resumable upload; return the address its bytes are sent to, or None where the id is taken.

        Raises: as `insert` does. OutcomeUnknown means little here: nothing is made before the last byte arrived.
        """

        def make() -> Any:
            media = MediaInMemoryUpload(b"", mimetype=new.mime_type, resumable=True)
            request = self.caller.files.insert(body=new.body, media_body=media, fields=FIELDS)
            request.headers |= {"X-Upload-Content-Type": new.mime_type, "X-Upload-Content-Length": str(size_bytes)}
            request.postproc = lambda headers, content: headers["location"]
            return request

        session: str | None = self.caller.change(make, accept={TAKEN: None}, awaiting=True)
        return session

    def _overwrite(self, file_id: str, data: bytes) -> Any:
        # Not as a new revision: the bytes of the old one are to go.
        media = MediaInMemoryUpload(data, mimetype=OCTETS)
        return self.caller.files.update(fileId=file_id, body={}, media_body=media, newRevision=False, fields=FIELDS)

    def _get(self, file_id: str) -> Any:
        return self.caller.files.get(fileId=file_id, fields=FIELDS)

    def _list(self, **asked: Any) -> Any:
        return self.caller.files.list(**asked)


def file_in(answer: bytes) -> DriveFile:
    """Read what the upload protocol says of a finished file. Raises: ValueError: it is none."""
    try:
        return _known(json.loads(answer))
    except (KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ValueError("this is not how Drive describes a file") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A part of a listing. next: what to ask for after it, "" where it is the last."""

    files: tuple[DriveFile, ...]
    next: str


# What is read from answers. What raises here was no answer of Drive's: see `Caller.read`.


def _page(found: Any) -> _Page:
    return _Page(files=tuple(map(_known, found.get("items", []))), next=str(found.get("nextPageToken", "")))


def _ids(found: Any) -> list[str]:
    ids = [str(one) for one in found["ids"]]
    if not ids:
        raise ValueError("Drive gives no ids")
    return ids


def _about(found: Any) -> About:
    account, total_bytes = str(found["user"]["emailAddress"]), int(found.get("quotaBytesTotal", 0))
    if found.get("quotaType") == "UNLIMITED" or not total_bytes:
        return About(account=account, free_bytes=None, total_bytes=None)
    free_bytes = max(0, total_bytes - int(found["quotaBytesUsedAggregate"]))
    return About(account=account, free_bytes=free_bytes, total_bytes=total_bytes)


def _known(resource: Any) -> DriveFile:
    return DriveFile(
        id=str(resource["id"]),
        title=str(resource.get("title", "")),
        size_bytes=int(resource.get("fileSize", 0)),
        md5=resource.get("md5Checksum"),
        sha256=resource.get("sha256Checksum"),
        modified_s=datetime.fromisoformat(resource["modifiedDate"]).timestamp(),
        is_trashed=bool(resource.get("labels", {}).get("trashed")),
        was_trashed=bool(resource.get("explicitlyTrashed")),
        properties={str(one["key"]): str(one.get("value", "")) for one in resource.get("properties", [])},
    )
