"""Signing in on a laptop: the browser agrees, and Google sends it back to a page of ours on this machine.

The page is on 127.0.0.1 at a port of the moment and lives as long as the sign-in. A `state` only we know tells
Google's answer from anybody else's, and PKCE makes the code worthless to whoever saw it pass. Always true: the page is
there before a browser is, and nobody waits longer than the limit, whatever the browser does.
"""

import base64
import contextlib
import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from qcqueue.clock import Clock, fresh_secret
from qcqueue.errors import SignInFailed
from qcqueue.stores.drive.client import OAuthClient
from qcqueue.stores.drive.oauth import google_at, post, reason_of, refusal, signed_in
from qcqueue.stores.drive.token import FILE_SCOPE, RENEW_HERE, Token

PATIENCE_S = 300.0
LOOK_AT_CLOCK_S = 0.2
AGREED = "qcqueue has what it needs. You can close this page and go back to the terminal."
REFUSED = "qcqueue was not signed in. You can close this page; the terminal says what to do."
NOT_OURS = "This is not the answer qcqueue is waiting for. Open the address that stands in the terminal."


def sign_in_by_browser(
    client: OAuthClient,
    *,
    endpoint: str | None,
    open_browser: Callable[[str], bool],
    narrate: Callable[[str], None],
    clock: Clock,
) -> Token:
    """Ask the person in their browser. endpoint: the root URL of an emulator that stands in for Google.

    Raises: SignInFailed: they refused, gave too little, or did not answer in five minutes. StoreBusy: Google is away.
    """
    google, verifier, state = google_at(endpoint), fresh_secret(), fresh_secret()
    with _Landing(state) as landing:
        asked = {
            "client_id": client.client_id,
            "redirect_uri": landing.url,
            "response_type": "code",
            "scope": FILE_SCOPE,
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # without it a second sign-in brings no refresh token
        }
        page = f"{google.consent}?{urlencode(asked)}"
        deadline_s = clock.monotonic_s() + PATIENCE_S
        narrate(f"open this page in a browser on this machine, and agree:\n{page}")
        threading.Thread(target=_open, args=(open_browser, page), daemon=True).start()
        code = landing.wait_for_code(clock, deadline_s)
        form = {
            "grant_type": "authorization_code",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": landing.url,
        }
    return signed_in(post(google.token, form), client, google, granted_at_s=clock.now_s())


def _open(open_browser: Callable[[str], bool], page: str) -> None:
    """Open the page beside the wait for its answer: a browser of the terminal comes back only when it is closed.

    One that cannot be opened is no error, as the person has the address.
    """
    with contextlib.suppress(Exception):
        open_browser(page)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class _Landing(ThreadingTCPServer):
    """Where Google sends the browser. A thread a connection: browsers open some that they never use."""

    daemon_threads = True

    def __init__(self, state: str) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.timeout = LOOK_AT_CLOCK_S
        self.state = state
        self.answer: dict[str, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def wait_for_code(self, clock: Clock, deadline_s: float) -> str:
        """Raises: SignInFailed: the answer is a refusal, or none came."""
        while self.answer is None:
            if clock.monotonic_s() >= deadline_s:
                raise SignInFailed(
                    "nobody agreed in the browser within five minutes",
                    hint=f"{RENEW_HERE}, and use a browser on this machine: the answer arrives at 127.0.0.1",
                )
            self.handle_request()
        if code := self.answer.get("code"):
            return code
        raise refusal(reason_of(self.answer.get("error")))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up early has still said what it had to say."""


class _Page(BaseHTTPRequestHandler):
    server: _Landing
    timeout = 30

    def do_GET(self) -> None:
        answer = dict(parse_qsl(urlsplit(self.path).query))
        if answer.get("state") != self.server.state:
            self._show(400, NOT_OURS)
            return
        try:
            self._show(200, AGREED if "code" in answer else REFUSED)
        finally:
            self.server.answer = answer

    def _show(self, status: int, sentence: str) -> None:
        body = f"<!doctype html><meta charset=utf-8><title>qcqueue</title><p>{sentence}</p>\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the line would hold the code."""
