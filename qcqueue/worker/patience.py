"""How long a session waits for a store or a disk that takes nothing. Decides only.

What can pass by itself is waited for, as training goes on meanwhile. What cannot (a sign-in that was revoked, a folder
that is gone, a full disk) is given a quarter of an hour, in which a person may have mended it; then the session stops
training. Always true: what was not saved stays where it is, whoever leaves.
"""

from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import QcqueueError

# How soon a store or a disk that did not do its work is asked again.
RETRY_S = 5.0

# How long saving may fail by what cannot pass before training stops for it.
CANNOT_PASS_S = 15 * 60.0

# How long whoever has to leave waits with what is not saved: a person who asked for it, and a limit, where waiting can
# help; a limit where it cannot. A machine that is lent takes its disk along, so somebody gets the time to come and see.
ASKED_S = 60.0
LIMIT_S = 15 * 60.0
HOPELESS_S = 60.0
LENT_S = 60 * 60.0


class Patience:
    """Counts for how long saving has failed by what cannot pass. What can pass in between does not end that."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    @property
    def is_counting(self) -> bool:
        return self._since_s is not None

    def saved(self) -> None:
        """Begin anew: something was really saved, or nothing is left that has to be."""
        self._since_s = None

    def is_over(self, error: QcqueueError, now_s: float) -> bool:
        """Count a failure; return whether it has been going on for too long to train on."""
        if error.can_pass:
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s >= self._since_s + CANNOT_PASS_S


def longest_s(reason: SessionEnd | None, error: QcqueueError, *, is_lent: bool) -> float:
    """Return for how long whoever leaves waits with what is not saved.

    reason: why it leaves, None where saving itself has failed for too long.
    """
    if reason is SessionEnd.ASKED:
        return ASKED_S
    if is_lent:
        return LENT_S
    if reason is None:
        return 0.0
    return LIMIT_S if error.can_pass else HOPELESS_S
