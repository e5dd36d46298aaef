"""The signals that ask a session to leave, and who sends each; and the one that ends a child with its parent.

A closed terminal, a scheduler and a person at the keyboard all reach the whole group of processes, so the trainer
ignores what stands here and waits for its session to ask. Always true: what is not known on this system is left out.
"""

import signal
import sys
from contextlib import suppress

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")

FOR_THE_SESSION = frozenset(getattr(signal, name) for name in _NAMES if hasattr(signal, name))

_PR_SET_PDEATHSIG = 1

_WHAT_IT_MEANS = {
    "SIGTERM": "the system or a scheduler ends it",
    "SIGHUP": "the terminal was closed",
    "SIGUSR1": "a scheduler gives notice",
    "SIGUSR2": "a scheduler gives notice",
}


def asked_by(number: int, *, interrupt: str) -> str:
    """Return by what a session was asked to stop, as its story says it. interrupt: what a person's is called here."""
    if number == signal.SIGINT:
        return f"asked to stop by {interrupt}"
    name = signal.Signals(number).name
    return f"asked to stop by {name}: {_WHAT_IT_MEANS[name]}"


def end_with_parent() -> None:
    """Have Linux end this process as soon as the thread that started it is gone, whatever Python does then."""
    if sys.platform == "linux":
        import ctypes  # which no command waits for

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
