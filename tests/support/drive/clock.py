"""The emulator's own clock: what the Date header, file times, leases of tokens and every lag are measured by.

It follows the clock it is given and can be set apart from it, which is at once a skewed server and a way to let
an hour pass in a test without waiting.
"""

import math
from datetime import UTC, datetime
from email.utils import formatdate

from qcqueue.clock import Clock


class ServerClock:
    """Google's clock, as far as clients can tell."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_s = 0.0

    def now_s(self) -> float:
        """Return the time in whole milliseconds, so that a time that was shown can be asked for again."""
        return math.floor((self._clock.now_s() + self._ahead_s) * 1000) / 1000

    def advance(self, by_s: float) -> None:
        """Set the server ahead of its machine by so much more; a negative number sets it back."""
        self._ahead_s += by_s

    def http_date(self) -> str:
        return formatdate(self.now_s(), usegmt=True)


def rfc3339(time_s: float) -> str:
    """Return a time as Drive writes it: milliseconds, UTC."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """Read a time in RFC 3339; without a zone it is UTC. Raises: ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
