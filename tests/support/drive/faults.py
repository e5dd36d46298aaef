"""What may go wrong on the way to Drive and back: the kinds, when they strike, and how often they did.

Faults are scripted (`script`: the next matching requests) or drawn (`rates`: a share of all requests). What is
drawn for the n-th request of a client is decided by the seed, the client's label and n alone, so threads and
processes beside it change nothing. Scripted ones go first; switched off (`flowing`), nothing strikes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from qcqueue.clock import seeded


class DriveFault(StrEnum):
    """Every way Drive can be unkind, in the words of a report."""

    DROP_BEFORE = "connection lost, nothing done"
    DROP_AFTER = "connection lost, request carried out"
    CUT_ANSWER = "answer cut in the middle"
    STALL = "request carried out, then silence"
    SLOW = "answer slow"
    SERVER_ERROR = "5xx in JSON"
    SERVER_ERROR_HTML = "5xx in HTML"
    SERVER_ERROR_AFTER = "5xx, request carried out"
    RATE_LIMITED = "403 rate limit"
    RATE_LIMITED_AFTER = "403 rate limit, request carried out"
    FORBIDDEN = "403 for another reason"
    TOO_MANY = "429 with Retry-After"
    UNAUTHORIZED = "401"
    REFRESH_REFUSED = "refresh token refused"
    SHORT_308 = "less of a chunk kept than sent"
    SESSION_LOST = "upload session 404"
    SESSION_GONE = "upload session 410"
    FULL = "storage full in the middle of an upload"
    LATE_LISTING = "listing late"
    LATE_ID = "404 for an id that exists"


# What a client lives through by trying again; the others call for a person, or for room.
TRANSIENT = tuple(
    kind for kind in DriveFault if kind not in (DriveFault.FORBIDDEN, DriveFault.REFRESH_REFUSED, DriveFault.FULL)
)

# The requests a kind can strike where a caller names none; those not here can strike any.
STRIKES: Mapping[DriveFault, tuple[str, ...]] = {
    DriveFault.RATE_LIMITED: ("[!o]*",),
    DriveFault.RATE_LIMITED_AFTER: ("[!o]*",),
    DriveFault.FORBIDDEN: ("[!o]*",),
    DriveFault.UNAUTHORIZED: ("[!o]*",),
    DriveFault.REFRESH_REFUSED: ("oauth.token",),
    DriveFault.CUT_ANSWER: ("files.*", "upload.chunk", "upload.multipart"),
    DriveFault.SHORT_308: ("upload.chunk",),
    DriveFault.SESSION_LOST: ("upload.chunk", "upload.status"),
    DriveFault.SESSION_GONE: ("upload.chunk", "upload.status"),
    DriveFault.FULL: ("upload.chunk",),
    DriveFault.LATE_LISTING: ("files.list", "changes.list"),
    DriveFault.LATE_ID: ("files.get", "files.media", "files.patch", "files.update", "files.touch"),
}


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes a request. details: what its script said, or what was drawn."""

    kind: DriveFault
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Script:
    kind: DriveFault
    operation: str | None
    client: str
    skip: int
    times: int
    details: Mapping[str, Any]

    def strikes(self, operation: str, client: str) -> bool:
        if self.times == 0 or not _can_strike(self.kind, operation, self.operation):
            return False
        if not fnmatchcase(client, self.client):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class DriveFaults:
    """The faults of one emulator. details: what drawn faults of a kind are like, in the words of `script`.

    Set them up before clients come; while they are at work the emulator holds its lock around `strike`.
    """

    def __init__(self, seed: int) -> None:
        self.flowing = True
        self.rates: dict[DriveFault, float] = {}
        self.details: dict[DriveFault, Mapping[str, Any]] = {}
        self.hits: Counter[DriveFault] = Counter()
        self._seed = seed
        self._scripts: list[_Script] = []
        self._asked: Counter[str] = Counter()

    def script(
        self,
        kind: DriveFault,
        *,
        operation: str | None = None,
        client: str = "*",
        skip: int = 0,
        times: int = 1,
        **details: Any,
    ) -> None:
        """Strike the next `times` requests of an operation and a client (patterns), after `skip` that match.

        details: status (5xx), reason (403), retry_after_s (429), keep_bytes (short 308), lag_s (late), delay_s
        (slow), quiet (a drop that closes rather than resets).
        """
        self._scripts.append(_Script(kind, operation, client, skip, times, details))

    def strike(self, operation: str, client: str) -> Strike | None:
        """Return what strikes this request, and count it."""
        if not self.flowing:
            return None
        strike = self._scripted(operation, client) or self._drawn(operation, client)
        if strike:
            self.hits[strike.kind] += 1
        return strike

    def _scripted(self, operation: str, client: str) -> Strike | None:
        for script in self._scripts:
            if script.strikes(operation, client):
                return Strike(script.kind, script.details)
        return None

    def _drawn(self, operation: str, client: str) -> Strike | None:
        self._asked[client] += 1
        if not self.rates:
            return None
        rng = seeded(f"{self._seed}/{client}/{self._asked[client]}")
        for kind, rate in self.rates.items():
            if rng.random() < rate and _can_strike(kind, operation, None):
                details = {
                    "quiet": rng.random() < 0.5,
                    "status": rng.choice((500, 502, 503)),
                    "keep_share": rng.random(),
                    "retry_after_s": 1,
                    "cut_share": rng.random(),
                }
                return Strike(kind, {**details, **self.details.get(kind, {})})
        return None


def _can_strike(kind: DriveFault, operation: str, named: str | None) -> bool:
    patterns = (named,) if named else STRIKES.get(kind, ("*",))
    return any(fnmatchcase(operation, pattern) for pattern in patterns)
