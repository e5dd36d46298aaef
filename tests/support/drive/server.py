"""HTTP on loopback: one thread a connection, kept alive, and the faults that happen on the wire.

It turns bytes into requests and answers into bytes, and knows nothing of Drive. Stopping ends every connection and
waits for its thread, so that nothing is left of a server after its test.
"""

import contextlib
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from tests.support.drive.clock import ServerClock
from tests.support.drive.exchange import Answer, Request
from tests.support.drive.faults import DriveFault, Strike
from tests.support.drive.throttle import Throttle

LOOPBACK = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends a reset
POLL_S = 0.005
SLOW_S = 0.2
STALL_S = 600.0
PIECES = 4


class Responder(Protocol):
    """Who answers. `time` gives the Date header; uplink and downlink how fast bodies come and go."""

    time: ServerClock
    uplink: Throttle
    downlink: Throttle

    def respond(self, request: Request) -> tuple[Answer | None, Strike | None]: ...


class Server:
    """A listening server; its port is known from the beginning."""

    def __init__(self, responder: Responder) -> None:
        self._listening = _Listener(responder)
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(POLL_S,), name="drive emulator")
        self.url = f"http://{LOOPBACK}:{self._listening.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Raises: AssertionError: something in the emulator itself went wrong while it ran."""
        self._listening.stopping.set()
        self._listening.shutdown()
        self._thread.join()
        self._listening.hang_up()
        self._listening.server_close()
        if broken := self._listening.broken:
            raise AssertionError(f"the emulator broke: {broken[0]!r}") from broken[0]


class _Listener(ThreadingHTTPServer):
    # Threads that are no daemons are waited for when the server closes.
    daemon_threads = False
    # The default of 5 resets connections when a dozen threads race.
    request_queue_size = 128

    def __init__(self, responder: Responder) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.responder = responder
        self.stopping = threading.Event()
        self.broken: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._resetting: set[socket.socket] = set()
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection. A reset is one only without the farewell that would go before it."""
        with self._guard:
            self._open.discard(request)
            reset = request in self._resetting
            self._resetting.discard(request)
        if reset:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def reset(self, connection: socket.socket) -> None:
        """Let a connection end by a reset."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with self._guard:
            self._resetting.add(connection)

    def hang_up(self) -> None:
        """Close every connection, and so wake the threads that wait for another request."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is not news; any other error is ours, is shown, and fails the test at its end."""
        error = sys.exception()
        if error and not isinstance(error, ConnectionError):
            self.broken.append(error)
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ESF"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # so that an answer leaves in one piece; it is flushed after each
    server: _Listener

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.server.responder.time.http_date()

    def log_message(self, format: str, *args: Any) -> None:
        return None

    def serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        expected = int(headers.get("content-length", 0))
        if self.command in ("POST", "PUT", "PATCH") and "content-length" not in headers:
            return self._send(Answer(status=411), None)
        body = self._body(expected)
        answer, strike = self.server.responder.respond(
            Request.arrived(self.command, self.path, headers, body, expected)
        )
        if answer is None:
            self._drop(quiet=strike is None or bool(strike.details.get("quiet")))
        elif strike and strike.kind is DriveFault.STALL:
            self.server.stopping.wait(float(strike.details.get("for_s", STALL_S)))
            self._drop(quiet=True)
        else:
            self._send(answer, strike)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def _body(self, expected: int) -> bytes:
        """Return the body, or what came of it before its sender went away."""
        pieces: list[bytes] = []
        missing = expected
        with contextlib.suppress(ConnectionError):
            while missing and (piece := self.rfile.read1(min(missing, 1 << 20))):
                pieces.append(piece)
                missing -= len(piece)
                self.server.responder.uplink.let_pass(len(piece))
        return b"".join(pieces)

    def _send(self, answer: Answer, strike: Strike | None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if strike and strike.kind is DriveFault.CUT_ANSWER:
            self.wfile.write(answer.body[: int(len(answer.body) * float(strike.details.get("cut_share", 0.5)))])
            self._drop(quiet=True)
        elif strike and strike.kind is DriveFault.SLOW:
            self._dribble(answer.body, float(strike.details.get("delay_s", SLOW_S)))
        else:
            self._flow(answer.body)

    def _flow(self, body: bytes) -> None:
        """Send a body as fast as the line is."""
        downlink = self.server.responder.downlink
        size = downlink.piece_bytes or max(1, len(body))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            downlink.let_pass(len(piece))
            self.wfile.write(piece)

    def _dribble(self, body: bytes, delay_s: float) -> None:
        step = len(body) // PIECES + 1
        for start in range(0, PIECES * step, step):
            self.server.stopping.wait(delay_s / PIECES)
            self.wfile.write(body[start : start + step])
            self.wfile.flush()

    def _drop(self, *, quiet: bool) -> None:
        """Lose the connection: by a reset, or quietly as at the end of a keep-alive, which clients repeat."""
        if not quiet:
            self.server.reset(self.connection)
        self.close_connection = True
