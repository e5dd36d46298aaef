"""How a test connects the real PyDrive2 and googleapiclient to the emulator, without patching either.

The discovery document that the client library brings along is pointed at the emulator, google-auth refreshes at
its token endpoint, and PyDrive2 gets both. Every connection it opens is closed with it. These libraries are the
extra `drive`; nothing else in this package needs them.
"""

import json
from collections.abc import Mapping
from importlib import resources
from types import TracebackType
from typing import Any

import google_auth_httplib2
import httplib2
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from pydrive2.auth import GoogleAuth
from pydrive2.drive import GoogleDrive

from qcqueue.testing.drive.accounts import Grant

TIMEOUT_S = 10.0


def discovery_document(base_url: str) -> dict[str, Any]:
    """Return the bundled description of Drive v2, with the service at `base_url`."""
    bundled = resources.files("googleapiclient.discovery_cache").joinpath("documents", "drive.v2.json")
    document: dict[str, Any] = json.loads(bundled.read_text(encoding="utf-8"))
    return document | {"rootUrl": f"{base_url}/", "baseUrl": f"{base_url}/drive/v2/"}


def credentials(stored: Mapping[str, Any]) -> Credentials:
    """Return google-auth's credentials of a stored sign-in, which know only the refresh token.

    Its own reader of such files goes to Google whatever they say, which is good against thieves and no use here.
    """
    names = ("refresh_token", "token_uri", "client_id", "client_secret", "scopes")
    return Credentials(None, **{name: stored[name] for name in names})  # type: ignore[no-untyped-call]


class GoogleAuthShim:
    """google-auth in the place of oauth2client: the three members that PyDrive2 asks for."""

    refresh_token = None
    access_token_expired = False

    def __init__(self, credentials: Credentials) -> None:
        self.opened: list[Any] = []
        self._credentials = credentials

    def authorize(self, http: httplib2.Http) -> Any:
        authorized = google_auth_httplib2.AuthorizedHttp(self._credentials, http=http)
        self.opened.append(authorized)
        return authorized


class Connection:
    """One client of the emulator. drive: PyDrive2; service: googleapiclient's Drive v2.

    sign_in: a grant, or in another process what its `stored` said.
    """

    def __init__(self, base_url: str, sign_in: Grant | Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> None:
        self.credentials = credentials(sign_in.stored(base_url) if isinstance(sign_in, Grant) else sign_in)
        self._shim = GoogleAuthShim(self.credentials)
        self.auth = GoogleAuth(settings_file=None, http_timeout=timeout_s)
        self.auth.credentials = self._shim
        self.auth.http = self.new_http()
        self.service = build_from_document(discovery_document(base_url), http=self.auth.http)
        self.auth.service = self.service
        self.drive = GoogleDrive(self.auth)

    def new_http(self) -> Any:
        """Return an authorized http of its own, as each thread needs one."""
        return self.auth.Get_Http_Object()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for http in self._shim.opened:
            http.close()
