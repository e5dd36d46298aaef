"""A wire to a server that can be cut at one instant: when a commit was carried out, and before its answer arrives."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

COMMIT = b"COMMIT\0"
PIECE_BYTES = 1 << 16


@dataclass(slots=True)
class Wire:
    """port: of this machine, to connect to instead of the server's.

    cuts: how many answers to commits are to be lost; lost: how many were.
    """

    port: int
    cuts: int = 0
    lost: int = 0
    _commits: set[socket.socket] = field(default_factory=set)

    def carry(self, client: socket.socket, far: socket.socket) -> None:
        threading.Thread(target=self._to_server, args=(client, far), daemon=True).start()
        threading.Thread(target=self._to_client, args=(far, client), daemon=True).start()

    def _to_server(self, client: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(PIECE_BYTES):
                if COMMIT in piece and self.cuts:
                    self._commits.add(far)
                far.sendall(piece)
        _close(client, far)

    def _to_client(self, far: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := far.recv(PIECE_BYTES):
                if far in self._commits:  # the server has answered, so it has committed
                    self.cuts, self.lost = self.cuts - 1, self.lost + 1
                    break
                client.sendall(piece)
        _close(client, far)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """Yield a wire to a server of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wire = Wire(port=listening.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    wire.carry(client, socket.create_connection(("127.0.0.1", port)))

        threading.Thread(target=accept, daemon=True).start()
        yield wire


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
