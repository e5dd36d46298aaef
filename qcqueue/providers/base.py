"""What a provider is: its limits as values, by what its machines are known, and what a machine of it can do.

Limits and detection come from a provider's TOML file; only who can do more has code, a `Provider` in a file of its own.
Always true: a session's spread never exceeds its ceiling, and what is None is not known to limit anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Protocol

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.text.humanize import DAY_S


class Confidence(StrEnum):
    """How much a figure is worth: the provider says so, its users do, or we had to guess."""

    PUBLISHED = "published"
    REPORTED = "reported"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """GPU time of which no more than allowed_s may be used in any period_s."""

    allowed_s: float
    period_s: float
    basis: Basis

    def __post_init__(self) -> None:
        assert 0 < self.allowed_s <= self.period_s, f"no allowance: {self}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure as it is shown to a person: its value in words, and where that comes from.

    checked is None, and confidence too, where a person's own file does not say.
    """

    name: str
    said: str
    source: str
    checked: date | None
    confidence: Confidence | None
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a provider allows. session is how long one lives, cool_off how long no GPU is to be had once one was taken.

    note is a sentence on what no figure can hold; figures has a line for each limit that is set. own_work_only: whoever
    works there may compute for themselves alone.
    """

    name: str
    title: str
    note: str = ""
    session: Quantiles | None = None
    ceiling_s: float | None = None
    window: Allowance | None = None
    cool_off: Quantiles | None = None
    own_work_only: bool = False
    figures: tuple[Figure, ...] = ()

    def __post_init__(self) -> None:
        longest_s = self.session.p90_s if self.session else 0.0
        assert self.ceiling_s is None or longest_s <= self.ceiling_s, f"a session beyond its ceiling: {self}"

    def bars(self, owner: str | None, *, whose: str | None) -> bool:
        """Say whether a session of `whose` may not take a job of `owner` there; None is nobody's, and anybody's."""
        return self.own_work_only and owner not in (None, whose)

    def figure(self, name: str) -> Figure | None:
        """Return where a figure comes from, None where the profile does not have it."""
        return next((it for it in self.figures if it.name == name), None)


LATE_S, AHEAD_S = 7 * DAY_S, 35 * DAY_S
"""How long ago, and how far ahead, a refresh can be: the longest period of a quota is a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQuota:
    """What a provider itself says right now of an account's GPU time. source: the command that was asked.

    refreshes_at_s: when all of allowed_s is there again, in seconds since the epoch; None where it does not say.
    """

    source: str
    used_s: float
    left_s: float
    allowed_s: float
    refreshes_at_s: float | None

    def __post_init__(self) -> None:
        assert 0 <= self.left_s <= self.allowed_s, f"no quota: {self}"
        assert self.used_s >= 0, f"no quota: {self}"

    def believed(self, now_s: float) -> "LiveQuota":
        """Return it without a refresh that is too far from now, in seconds since the epoch, to be the next one."""
        at_s = self.refreshes_at_s
        is_near = at_s is not None and -LATE_S <= at_s - now_s <= AHEAD_S
        return self if is_near else replace(self, refreshes_at_s=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """By what a provider's machines are known: all that is given must hold."""

    environment: tuple[str, ...] = ()
    environment_unset: tuple[str, ...] = ()
    user: str | None = None

    def fits(self, environ: Mapping[str, str], user: str) -> bool:
        """Say whether a machine with these variables, and of this user, is one of the provider's."""
        return (
            all(name in environ for name in self.environment)
            and not any(name in environ for name in self.environment_unset)
            and self.user in (None, user)
        )


class Provider(Protocol):
    """What can be done on a machine of a provider, beside what its limits say. By itself that is nothing.

    What a person is told, in the words of that place: secret_help: where a secret is kept, with {name} for its name;
    empty where none is. gpu_help: how to come to a GPU. can_release: whether machines are given back; release_help is
    what to do where one was not taken. idle_help: what to do when nothing is left to do, where that costs.
    """

    secret_help: str = ""
    gpu_help: str = "use a machine with a GPU"
    idle_help: str = ""
    can_release: bool = False
    release_help: str = ""

    def secret(self, name: str, *, say: Callable[[str], None]) -> str | None:
        """Return a secret of whoever works here, None where it cannot be had; `say` is told why, if that is odd.

        What it holds is shown nowhere.
        """
        return None

    def deadline_s(self, environ: Mapping[str, str]) -> float | None:
        """Return when this machine will be taken away, in seconds since the epoch; None where that is not known."""
        return None

    def began_at_s(self, environ: Mapping[str, str]) -> float | None:
        """Return since when this machine is lent, in seconds since the epoch, where a session is over by its age.

        None where that is not known, or where `deadline_s` knows better.
        """
        return None

    def quota(self, environ: Mapping[str, str]) -> LiveQuota | None:
        """Ask for what is left of this person's GPU time, from any machine; None where that cannot be had.

        It takes seconds.
        """
        return None

    def release(self) -> bool:
        """Give this machine back and return whether it was taken; this process may end with it, a moment later."""
        return False


GPU_HELP = {
    "PAPERSPACE_NOTEBOOK_REPO_ID": "stop this notebook and start it on a machine with a GPU",
    "VSCODE_PID": "choose a kernel on a machine with a GPU, under Select Kernel",
}
"""How to come to a GPU where nothing else is known of a place, by a variable that its kernels have."""


class BareMachine(Provider):
    """A machine that keeps no secrets, names no end and goes back to nobody. environ: by which its words are chosen."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.gpu_help = next((words for name, words in GPU_HELP.items() if name in environ), Provider.gpu_help)
