"""How fast bytes come and go: a line as narrow as the one of a home or a café, where loopback has none.

All connections share the line, so two uploads at once are each half as fast. The two ways do not hinder each other.
"""

import threading

from qcqueue.clock import Clock

PIECE_BYTES = 256 * 1024


class Throttle:
    """One way of a line. bytes_a_second: None is no limit."""

    def __init__(self, clock: Clock, bytes_a_second: float | None) -> None:
        assert bytes_a_second is None or bytes_a_second > 0, "a line on which nothing moves"
        self._clock = clock
        self._bytes_a_second = bytes_a_second
        self._free_at_s = 0.0
        self._guard = threading.Lock()

    @property
    def piece_bytes(self) -> int | None:
        """How many bytes to send in one go, so that they flow rather than come in gulps; None: all."""
        return None if self._bytes_a_second is None else PIECE_BYTES

    def let_pass(self, size_bytes: int) -> None:
        """Wait until so many bytes have had their time on the line, behind those that came before them."""
        if self._bytes_a_second is None or not size_bytes:
            return
        with self._guard:
            now_s = self._clock.monotonic_s()
            self._free_at_s = max(self._free_at_s, now_s) + size_bytes / self._bytes_a_second
            wait_s = self._free_at_s - now_s
        self._clock.sleep(wait_s)
