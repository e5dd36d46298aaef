"""When the queue may be raised to the format of this qcqueue: not while a session of an older one works on it.

In a database of an older format every session is of an older qcqueue. It could not read what comes after, so it would
end with unsaved work. The database asks its guard within the transaction that would raise the format. Always true:
where it cannot be known whether such a session lives, it counts as one that does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from qcqueue.clock import WallTime
from qcqueue.database.base import Refuse
from qcqueue.errors import OlderSession, StoreError
from qcqueue.stores.base import LeaseRules, has_ended

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from qcqueue.queue.sessions import Unended

# Longer than any clock of a machine is wrong by; who holds a job is asked for however long ago that was.
SEEN_WITHIN_S = 86400.0

HINT = "wait until it has left, or type the same command with --now (in a notebook: now=True)"


def _silently(text: str) -> None:
    """Nobody is there to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Whether a person wants the format raised though older sessions end, and where it is said that it was."""

    now: bool = False
    say: Callable[[str], None] = _silently


ASKED = Consent()
"""Nobody has said anything, so older sessions are asked for."""


class Heartbeats(Protocol):
    """What is asked of a store: see `stores.base.Store`."""

    def heartbeat_age_s(self, name: str) -> float | None: ...


class NoOlderSession:
    """Refuses to raise the format while a session lives, unless a person wants it now.

    cache: this machine's, where the locks of its own sessions tell more than their heartbeats. Implements
    `database.base.Guard`.
    """

    def __init__(
        self, store: Heartbeats, *, clock: WallTime, cache: "Path", consent: Consent, lease: LeaseRules
    ) -> None:
        self._store = store
        self._clock = clock
        self._cache = cache
        self._consent = consent
        self._lease = lease

    def look(self, tx: "Connection") -> Refuse:
        """Return what raises OlderSession where a session lives, or where the store does not tell."""
        if self._consent.now:
            return lambda: None
        # Imported here: whoever only looks at the queue, as `status` does, never asks.
        from qcqueue.queue.sessions import unended_sessions

        found = unended_sessions(tx, since_s=self._clock.now_s() - SEEN_WITHIN_S)
        return lambda: self._refuse(found)

    def _refuse(self, sessions: "Sequence[Unended]") -> None:
        for session in sessions:
            if heard := self._sign_of_life(session):
                raise OlderSession(
                    f"a session of an older qcqueue works on this queue ({session.id} on {session.host}, {heard}), "
                    "and would end with unsaved work",
                    hint=HINT,
                )

    def raised(self) -> None:
        from qcqueue.database.schema import FORMAT

        ends = "; its sessions at work may stop, and what they have not saved waits on their machines"
        self._consent.say(
            f"the queue was raised to format {FORMAT}, which an older qcqueue cannot read"
            f"{ends if self._consent.now else ''}"
        )

    def _sign_of_life(self, session: "Unended") -> str | None:
        """Return how it is known that a session lives, None where it has ended."""
        try:
            return sign_of_life(session, store=self._store, cache=self._cache, lease=self._lease)
        except StoreError as exc:
            raise OlderSession(
                f"whether a session of an older qcqueue ({session.id} on {session.host}) still works on this queue "
                f"cannot be known: {exc}",
                hint=HINT,
            ) from exc


def sign_of_life(session: "Unended", *, store: Heartbeats, cache: "Path", lease: LeaseRules) -> str | None:
    """Return how it is known that a session lives, None where it has ended. Raises: StoreError: nobody can say."""
    from qcqueue.app.vanished import lives_here

    lives = lives_here(cache, session.id)
    if lives is not None:
        return "a process of this machine" if lives else None
    age_s = store.heartbeat_age_s(session.heartbeat)
    return None if age_s is None or has_ended(age_s, lease) else f"heard of {max(0.0, age_s):.0f} s ago"
