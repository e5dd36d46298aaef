"""The heart of a session: while it beats in the store, nobody takes over what the session holds.

It beats under the session's own name, and under that of a dead session for as long as its work is being saved. When it
is time is for the caller to ask, as often as possible; what a beat costs is one small write a name.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from qcqueue.stores.base import Store


class Heartbeat:
    """Beats in a store under its names, the session's own first; none before it has come to work."""

    def __init__(self, store: Store, *, every_s: float) -> None:
        self.names: list[str] = []
        self._store = store
        self._every_s = every_s
        self._due_s = float("-inf")

    def beat_if_due(self, now_s: float) -> bool:
        """Beat if it is time; return whether it was. now_s: of the clock's monotonic time. Raises: StoreError."""
        if now_s < self._due_s:
            return False
        self.beat(now_s)
        return True

    def beat(self, now_s: float) -> None:
        """Beat. One that fails is not tried again before the next is due. Raises: StoreError."""
        self._due_s = now_s + self._every_s
        for name in self.names:
            self._store.beat(name)

    @contextmanager
    def also(self, name: str) -> Iterator[None]:
        """Beat under this name too, at once and until the block ends. Raises: StoreError."""
        self.names.append(name)
        try:
            self._store.beat(name)
            yield
        finally:
            self.names.remove(name)
