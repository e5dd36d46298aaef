"""What all who use a queue can settle for it: by which policy jobs are chosen, how many of an owner run at once.

Pure: the rules there are, what each can be, and how it is written. Where they stand is the queue's, what a policy does
is planning's. Always true: a rule that nobody has settled is as in `QueueRules()`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from qcqueue.text.fields import InvalidValue, one_of

NO_LIMIT = "none"
MOST_RUNNING = 1_000_000


class Policy(StrEnum):
    """How the next job is chosen. says: for a person who looks at the rules."""

    SHORTEST = "shortest", "what is begun goes on, then the shortest"
    FAIR = "fair", "owners take turns, each with what is begun, then the shortest"

    says: str

    def __new__(cls, word: str, *facts: str) -> "Policy":
        member = str.__new__(cls, word)
        member._value_ = word
        (member.says,) = facts
        return member


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """max_running: how many jobs of an owner run at once at most, None for no limit. Those that are anybody's count
    together, as if they had one owner."""

    policy: Policy = Policy.SHORTEST
    max_running: int | None = None

    def with_rule(self, name: str, text: str) -> "QueueRules":
        """Return the rules with one of them as a text says. Raises: InvalidValue: it can be no such thing."""
        value: Any = RULES[name](text)
        return replace(self, **{name: value})

    def text_of(self, name: str) -> str:
        """Return a rule as a person types it."""
        value = getattr(self, name)
        return NO_LIMIT if value is None else str(value)

    def says(self, name: str) -> str:
        """Return in words what a rule does."""
        if name == "policy":
            return self.policy.says
        if self.max_running is None:
            return "an owner may have any number of jobs running"
        return f"an owner may have {self.max_running} running at once"


def _read_policy(text: str) -> Policy:
    return Policy(one_of([policy.value for policy in Policy])(text))


def _read_most(text: str) -> int | None:
    if text == NO_LIMIT:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_RUNNING)) and int(text)):
        raise InvalidValue(text, f"is a whole number from 1 to {MOST_RUNNING:,}, or {NO_LIMIT}")
    return int(text)


RULES: Mapping[str, Callable[[str], Any]] = {"policy": _read_policy, "max_running": _read_most}
"""The rules by name, with what reads each."""
