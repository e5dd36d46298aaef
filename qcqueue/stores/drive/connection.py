"""One signed-in connection to Drive v2: PyDrive2 authorizes and keeps the service, google-auth refreshes the token.

The only module that imports PyDrive2, google-auth's credentials or googleapiclient's discovery; what google-auth
raises is `answers`' business. PyDrive2's own ways to sign in are never reached: they open a browser, or read
`settings.yaml` from wherever the person happens to stand. Every request has a time limit, because a connection that
breaks after its body was sent would otherwise be waited for without end.
"""

import json
import weakref
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from typing import Any

import google_auth_httplib2
import httplib2
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from pydrive2.auth import GoogleAuth

from qcqueue.stores.drive.token import Token


class Connection:
    """endpoint: the root URL of an emulator that stands in for Google. service: googleapiclient's Drive v2.

    Not for several threads at once.
    """

    def __init__(self, token: Token, *, endpoint: str | None, timeout_s: float) -> None:
        self._shim = GoogleAuthShim(credentials_of(token))
        self.auth = GoogleAuth(settings_file=None, http_timeout=timeout_s)
        self.auth.credentials = self._shim
        self.http: Any = self.auth.Get_Http_Object()
        self.service: Any = build_from_document(discovery_document(endpoint), http=self.http)
        self.auth.http, self.auth.service = self.http, self.service
        # Whoever forgets the connection has closed it.
        self.close = weakref.finalize(self, _close_all, self._shim.opened)

    @cached_property
    def files(self) -> Any:
        """What makes requests about files; kept, because the library writes all of its methods anew at each call."""
        return self.service.files()

    def reconnect(self) -> None:
        """Forget the open sockets; the next request opens its own."""
        self.http.close()


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


def credentials_of(token: Token) -> Credentials:
    """Return google-auth's credentials, which know only the lasting part of a sign-in."""
    return Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=token.refresh_token,
        token_uri=token.token_uri,
        client_id=token.client_id,
        client_secret=token.client_secret,
    )


def discovery_document(endpoint: str | None) -> Mapping[str, Any]:
    """Return the description of Drive v2 that the client library brings along, with the service at `endpoint`."""
    bundled = resources.files("googleapiclient.discovery_cache").joinpath("documents", "drive.v2.json")
    document: dict[str, Any] = json.loads(bundled.read_text(encoding="utf-8"))
    return document if endpoint is None else {**document, "rootUrl": f"{endpoint}/", "baseUrl": f"{endpoint}/drive/v2/"}


def _close_all(opened: list[Any]) -> None:
    for http in opened:
        http.close()
