"""The values of a Drive: files, their contents and properties, and the JSON in which version 2 of the API shows them.

Values are frozen; a change makes a new one with a higher version. Bytes are kept apart, by file, in `drives`.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from tests.support.drive.clock import rfc3339

FOLDER = "application/vnd.google-apps.folder"
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The facts of some bytes."""

    size: int
    md5: str
    sha1: str
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> "Content":
        return cls(
            size=len(data),
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            sha256=hashlib.sha256(data).hexdigest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A key and value on a file. app: the only project that sees it, or None where all do."""

    key: str
    value: str
    app: str | None

    @property
    def visibility(self) -> str:
        return "PUBLIC" if self.app is None else "PRIVATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One content a file had."""

    id: str
    modified_s: float
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file or folder. app: the project that made it; trashed: put into the bin itself, not by a folder above."""

    id: str
    app: str
    title: str
    mime_type: str
    parent: str | None
    properties: tuple[Property, ...] = ()
    description: str | None = None
    revisions: tuple[Revision, ...] = ()
    trashed: bool = False
    created_s: float
    modified_s: float
    version: int

    @property
    def is_folder(self) -> bool:
        return self.mime_type == FOLDER

    @property
    def content(self) -> Content | None:
        return self.revisions[-1].content if self.revisions else None

    @property
    def size(self) -> int:
        return self.content.size if self.content else 0

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(f"{self.id}/{self.version}".encode()).hexdigest()[:27]}"'


def resource(file: File, *, trashed: bool, app: str, root_id: str, base_url: str) -> dict[str, Any]:
    """Return the v2 resource as the app sees it: of the private properties, only its own."""
    found: dict[str, Any] = {
        "kind": "drive#file",
        "id": file.id,
        "etag": file.etag,
        "title": file.title,
        "mimeType": file.mime_type,
        "labels": {"starred": False, "hidden": False, "trashed": trashed, "restricted": False, "viewed": True},
        "explicitlyTrashed": file.trashed,
        "createdDate": rfc3339(file.created_s),
        "modifiedDate": rfc3339(file.modified_s),
        "version": str(file.version),
        "quotaBytesUsed": str(file.size),
        "parents": [_parent(file.parent, root_id)] if file.parent else [],
        "properties": [
            {"kind": "drive#property", "key": one.key, "value": one.value, "visibility": one.visibility}
            for one in file.properties
            if one.app in (None, app)
        ],
    }
    if file.description is not None:
        found["description"] = file.description
    return found | _content(file, base_url)


def _content(file: File, base_url: str) -> dict[str, Any]:
    if not (content := file.content):
        return {}
    return {
        "fileSize": str(content.size),
        "md5Checksum": content.md5,
        "sha1Checksum": content.sha1,
        "sha256Checksum": content.sha256,
        "headRevisionId": file.revisions[-1].id,
        "originalFilename": file.title,
        "downloadUrl": f"{base_url}/drive/v2/files/{file.id}?alt=media&source=downloadUrl",
    }


def _parent(parent: str, root_id: str) -> dict[str, Any]:
    return {"kind": "drive#parentReference", "id": parent, "isRoot": parent == root_id}
