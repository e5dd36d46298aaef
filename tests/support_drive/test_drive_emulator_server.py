"""The server: loopback only, connections kept, and nothing left when it has stopped."""

import contextlib
import socket
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.support.drive.faults import DriveFault
from tests.support_drive.scenes import Scene, insert, scene


def port_of(world: Scene) -> int:
    return urlsplit(world.url).port or 0


def test_it_listens_on_loopback_and_nowhere_else(world: Scene) -> None:
    assert urlsplit(world.url).hostname == "127.0.0.1"
    with socket.socket() as elsewhere:
        # The same port of another address of this machine is still free.
        elsewhere.bind(("127.0.0.2", port_of(world)))


def test_a_connection_is_kept_for_the_next_request(world: Scene) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", port_of(world), timeout=5)) as connection:
        connection.connect()
        kept = connection.sock
        for _ in range(3):
            connection.request("GET", "/drive/v2/about")
            answer = connection.getresponse()
            assert (answer.status, len(answer.read())) == (401, int(answer.headers["Content-Length"]))
            assert connection.sock is kept


def test_nothing_is_left_of_it_when_it_has_stopped() -> None:
    before = threading.active_count()
    with scene() as world:
        port = port_of(world)
        insert(world.connect("laptop"), title="notes")
        waiting = HTTPConnection("127.0.0.1", port, timeout=5)
        waiting.request("GET", "/drive/v2/about")
        waiting.getresponse().read()
    with contextlib.closing(waiting):
        assert waiting.sock.recv(10) == b""
    assert threading.active_count() == before
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_stalled_request_does_not_keep_it_from_stopping() -> None:
    with scene() as world:
        client = world.connect("laptop", timeout_s=1.0)
        world.emulator.faults.script(DriveFault.STALL, operation="files.insert")
        with pytest.raises(TimeoutError):
            insert(client, title="notes")


def test_many_clients_may_come_at_once(world: Scene) -> None:
    together = threading.Barrier(32)
    answers: list[bytes] = []

    def come() -> None:
        together.wait(10)
        with socket.create_connection(("127.0.0.1", port_of(world)), 10) as raw:
            raw.sendall(b"GET /drive/v2/about HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(raw.recv(12))

    threads = [threading.Thread(target=come) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"HTTP/1.1 401"] * 32


def test_a_mistake_of_the_emulator_fails_the_test_it_happens_in(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="the emulator broke"):
        ask_a_broken_emulator()
    assert "KeyError: 'a mistake'" in capsys.readouterr().err


def ask_a_broken_emulator() -> None:
    def respond(request: object) -> None:
        raise KeyError("a mistake")

    with scene() as world:
        world.emulator.respond = respond  # type: ignore[assignment, method-assign]
        with contextlib.closing(HTTPConnection("127.0.0.1", port_of(world), timeout=5)) as connection:
            connection.request("GET", "/drive/v2/about")
            with pytest.raises(ConnectionError):
                connection.getresponse()
