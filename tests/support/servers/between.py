"""A proxy between a client and the server of a bucket, which makes of that a bad server.

It forwards every request as it came, signature included, and changes only what it was told to: it may ignore a
condition, spoil bytes on the way, or answer for the server.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.servers.buckets import BucketServer

HOP = frozenset({"connection", "transfer-encoding", "content-length"})


@dataclass(slots=True)
class Asked:
    """A request on its way, to be changed. answer: what to answer in place of the server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answer: "tuple[int, bytes] | None" = None


Change = Callable[[Asked], None]


@dataclass(slots=True)
class Between:
    """The proxy. seen: the method and path of each request; change: what becomes of one."""

    endpoint: str
    change: Change
    seen: list[tuple[str, str]] = field(default_factory=list)


def ignore_conditions(server: BucketServer) -> Change:
    """Return what makes a server let two machines create one object: a condition is answered as if there were none."""

    def change(asked: Asked) -> None:
        asked_for = {name.lower(): value for name, value in asked.headers.items()}
        if "if-none-match" in asked_for:  # which is signed, so that the request is signed anew
            signed = urlsplit(server.sign_put(urlsplit(asked.path).path))
            asked.path = f"{signed.path}?{signed.query}"
            asked.headers = {"Host": signed.netloc, "Content-Length": str(len(asked.body))}
            if kind := asked_for.get("x-ms-blob-type"):
                asked.headers["x-ms-blob-type"] = kind

    return change


def spoil(asked: Asked) -> None:
    """Be a network that changes a letter of what is stored."""
    if asked.method == "PUT" and b"spoil" in asked.body:
        asked.body = asked.body.replace(b"spoil", b"SPOIL")


def answer(status: int, body: str = "") -> Change:
    """Return what answers in place of the server."""

    def change(asked: Asked) -> None:
        asked.answer = status, body.encode()

    return change


def leave_alone(asked: Asked) -> None:
    """Change nothing."""


@contextmanager
def between(endpoint: str, change: Change = leave_alone) -> Iterator[Between]:
    """Let a proxy stand before a server. The endpoint of the proxy has the path that the server's has."""
    server = urlsplit(endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return None

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            proxy.seen.append((asked.method, asked.path))
            proxy.change(asked)
            if asked.answer:
                status, answer = asked.answer
                self._reply(status, [], answer, len(answer))
                return
            connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=60)
            try:
                connection.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
                for name, value in asked.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(asked.body)
                said = connection.getresponse()
                found = said.read()
                length = int(said.getheader("Content-Length") or 0) if asked.method == "HEAD" else len(found)
                kept = [(name, value) for name, value in said.getheaders() if name.lower() not in HOP]
                self._reply(said.status, kept, found, length)
            except (OSError, http.client.HTTPException):  # who asked has gone, or the server has: so does this end
                self.close_connection = True
            finally:
                connection.close()

        def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    proxy = Between(f"http://127.0.0.1:{listening.server_port}{server.path}", change)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
