"""What the tests of the emulator share: one account and app, clients that are closed, and short ways to ask."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

from qcqueue.clock import SystemClock
from tests.support.drive.accounts import App, User
from tests.support.drive.choices import Choices
from tests.support.drive.client import Connection
from tests.support.drive.emulator import DriveEmulator

FOLDER = "application/vnd.google-apps.folder"
MB = 1 << 20
QUARTER_MB = 256 * 1024


class Scene:
    """An emulator with Ada's account of 64 MB, the app qcqueue, and its clients."""

    def __init__(self, emulator: DriveEmulator, closing: contextlib.ExitStack) -> None:
        self.emulator = emulator
        self.app = App(name="qcqueue")
        self.ada = emulator.user("ada@example.com", quota_bytes=64 * MB)
        self.owner = emulator.owner(self.ada)
        self._closing = closing

    def connect(
        self, label: str, *scopes: str, user: User | None = None, app: App | None = None, timeout_s: float = 5.0
    ) -> Connection:
        grant = self.emulator.sign_in(label, user or self.ada, app or self.app, *scopes)
        return self._closing.enter_context(Connection(self.emulator.url, grant, timeout_s=timeout_s))

    @property
    def url(self) -> str:
        return self.emulator.url


@contextlib.contextmanager
def scene(choices: Choices | None = None, seed: int = 1) -> Iterator[Scene]:
    with DriveEmulator(SystemClock(), seed=seed, choices=choices) as emulator, contextlib.ExitStack() as closing:
        yield Scene(emulator, closing)


def reserved(client: Connection, count: int = 1) -> list[str]:
    ids: list[str] = client.service.files().generateIds(maxResults=count).execute()["ids"]
    return ids


def insert(client: Connection, data: bytes | None = None, **body: Any) -> dict[str, Any]:
    """Insert a file: metadata alone, or multipart where there are bytes."""
    media = None if data is None else MediaInMemoryUpload(data)
    found: dict[str, Any] = client.service.files().insert(body=body, media_body=media).execute()
    return found


def insert_folder(client: Connection, title: str, **body: Any) -> str:
    return str(insert(client, title=title, mimeType=FOLDER, **body)["id"])


def get(client: Connection, file_id: str, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.service.files().get(fileId=file_id, **how).execute()
    return found


def titles(client: Connection, query: str = "trashed = false", **how: Any) -> set[str]:
    return {one["title"] for one in client.service.files().list(q=query, **how).execute()["items"]}


def in_chunks(client: Connection, data: bytes, chunk_bytes: int = QUARTER_MB, **body: Any) -> Any:
    """Return a resumable upload that has not begun, in chunks of bytes rather than a stream."""
    media = MediaInMemoryUpload(data, chunksize=chunk_bytes, resumable=True)
    return client.service.files().insert(body=body, media_body=media)


def refused(ask: Callable[[], object]) -> tuple[int, str]:
    """Return the status and reason of a request that is refused."""
    with pytest.raises(HttpError) as caught:
        ask()
    details = caught.value.error_details
    return int(caught.value.resp.status), details[0]["reason"] if isinstance(details, list) else str(details)
