"""How much room the person's Drive has, asked seldom and counted in between.

Drive tells the room of a moment; mail and photos use it too. Enough is left free for the queue's own versions, so that
a full Drive keeps no epoch from being recorded whose state is already there.
"""

from qcqueue.errors import StoreFull
from qcqueue.stores.drive.answers import MAKE_ROOM
from qcqueue.stores.drive.files import DriveFiles

KEPT_FREE_BYTES = 20_000_000
ASKED_AGAIN_AFTER = 100


class Space:
    """The room of one account, as one process sees it."""

    def __init__(self, files: DriveFiles) -> None:
        self._files = files
        self._free_bytes: int | None = None
        self._checks = 0

    def check(self, size_bytes: int) -> None:
        """Raises: StoreFull: so many bytes do not fit."""
        fits = self._fits(size_bytes)
        if self._checks % ASKED_AGAIN_AFTER == 0 or not fits:
            self._free_bytes = self._files.about().free_bytes
            fits = self._fits(size_bytes)
        if not fits:
            # Counted anew with the next check: the person may have made room.
            self._checks = 0
            raise StoreFull(
                f"Drive is full: {_megabytes(size_bytes + KEPT_FREE_BYTES)} are needed, "
                f"{_megabytes(self._free_bytes or 0)} are free",
                hint=MAKE_ROOM,
            )
        self._checks += 1

    def taken(self, size_bytes: int) -> None:
        """Count what was stored."""
        self._move(-size_bytes)

    def given_back(self, size_bytes: int) -> None:
        """Count what was deleted."""
        self._move(size_bytes)

    def _move(self, by_bytes: int) -> None:
        if self._free_bytes is not None:
            self._free_bytes += by_bytes

    def _fits(self, size_bytes: int) -> bool:
        return self._free_bytes is None or size_bytes + KEPT_FREE_BYTES <= self._free_bytes


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
