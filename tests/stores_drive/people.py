"""A person who signs in to the emulator: at a browser on this laptop, or typing a code on a page elsewhere.

Time is a clock of its own that moves only by sleeping, so five minutes of waiting cost nothing and what a person does
after a while happens exactly then.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httplib2

from qcqueue.stores.drive.browser import PATIENCE_S
from qcqueue.stores.drive.client import OAuthClient
from tests.support.drive.accounts import App, User
from tests.support.drive.accounts import OAuthClient as MadeClient
from tests.support.drive.emulator import DriveEmulator


class PatientClock:
    """Time that passes when somebody sleeps. What was arranged `after` a while happens in the middle of that sleep."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []
        self._now_s = 1_700_000_000.0
        self._arranged: list[tuple[float, Callable[[], None]]] = []

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self._now_s += seconds
        due = [one for one in self._arranged if one[0] <= self._now_s]
        self._arranged = [one for one in self._arranged if one not in due]
        for _, action in due:
            action()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._arranged.append((self._now_s + seconds, action))


@dataclass(slots=True)
class Desk:
    """An emulator, Ada's account, and the OAuth clients of the app qcqueue: of a desktop app, and of a TV."""

    emulator: DriveEmulator
    clock: PatientClock
    app: App
    ada: User
    client: OAuthClient
    tv: OAuthClient

    @property
    def url(self) -> str:
        return self.emulator.url


@contextmanager
def desk() -> Iterator[Desk]:
    clock, app = PatientClock(), App(name="qcqueue")
    with DriveEmulator(clock) as emulator:
        ada = emulator.user("ada@example.com")
        client, tv = (ours(emulator.new_client(app, is_tv=is_tv)) for is_tv in (False, True))
        yield Desk(emulator=emulator, clock=clock, app=app, ada=ada, client=client, tv=tv)


def ours(made: MadeClient) -> OAuthClient:
    return OAuthClient(client_id=made.client_id, client_secret=made.client_secret, has_page=not made.is_tv)


def client_file(folder: Path, client: OAuthClient, name: str = "client.json", kind: str = "installed") -> Path:
    """Write what the console would let a person download, with addresses that nobody should believe."""
    thief = "https://thief.example/"
    written: dict[str, object] = {"client_id": client.client_id, "client_secret": client.client_secret}
    if client.has_page:
        written["redirect_uris"] = ["http://localhost"]
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(json.dumps({kind: written | {"auth_uri": thief, "token_uri": thief}}), encoding="utf-8")
    return path


@dataclass(slots=True)
class Browser:
    """A browser that opens pages beside the command that asked for it. act: what its person does with the address.

    One that ends in an error moves the clock, so that nobody waits for it for ever.
    """

    clock: PatientClock
    act: Callable[[str], str]
    _seen: list[str] = field(default_factory=list)
    _at_work: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    @property
    def seen(self) -> list[str]:
        """What it was shown, once it has been shown all: a command may be over before its last page is."""
        self.close()
        return self._seen

    def open(self, url: str) -> bool:
        thread = threading.Thread(target=self._go, args=(url,))
        self._at_work.append(thread)
        thread.start()
        return True

    def close(self) -> None:
        for thread in self._at_work:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _go(self, url: str) -> None:
        try:
            self._seen.append(self.act(url))
        except BaseException as exc:
            self._errors.append(exc)
            self.clock.sleep(PATIENCE_S)


def agree(url: str, **changed: str) -> str:
    """Open the page of consent, as it was asked for or with other values, and follow where it sends the browser."""
    return get(f"{url.partition('?')[0]}?{urlencode(asked_by(url) | changed)}")[1]


def answer(url: str, **said: str) -> tuple[int, str]:
    """Go to where the page of consent would send the browser, with an answer of one's own."""
    return get(f"{asked_by(url)['redirect_uri']}?{urlencode(said)}")


def refuse(url: str) -> str:
    return answer(url, error="access_denied", state=asked_by(url)["state"])[1]


def asked_by(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def get(url: str) -> tuple[int, str]:
    http = httplib2.Http(timeout=10)
    try:
        reply, body = http.request(url)
    finally:
        http.close()
    return int(reply.status), body.decode()
