"""How much GPU time was used, how much is left and when more comes: a profile and one's own sessions. Decides only.

Only the provider knows a quota. Where it says so itself, that counts; else it is reckoned, as a spread where it is not
known. Each figure tells what it rests on. Always true: of what is reckoned only the sessions of this queue are counted,
what the profile does not limit is not limited, and a GPU that somebody holds is not away.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.cool_off import ENOUGH, Learnt, learn
from qcqueue.planning.gpu_usage import Absence, GpuUse, Past, look_back
from qcqueue.providers.base import Allowance, LiveQuota, Profile
from qcqueue.text.humanize import DAY_S, HOUR_S, count, date, duration

# A machine is held from before its session begins, so a window that is used up looks as if a little were left.
MOSTLY = 0.8

# Less than this of a quota is none: no session of it is worth a visit.
LEAST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Whom a figure comes from, and in a sentence how it was found."""

    basis: Basis
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """used_s: GPU time of the last period_s. left_s: GPU time that is left of the quota, None where nothing limits it.

    returns_at_s: when a GPU can be had again, in seconds since the epoch, None where it can be had now; what of it has
    passed is put at now. cool_off: how long it stays away the next time, in seconds, None where it is not known to.
    is_spent: whether the provider says that nothing is left, and not when more comes.
    """

    used_s: float
    period_s: float
    left_s: Quantiles | None
    returns_at_s: Quantiles | None
    cool_off: Quantiles | None
    used_because: Reason
    left_because: Reason
    returns_because: Reason
    cool_off_because: Reason
    is_spent: bool


def reckon_quota(
    profile: Profile,
    sessions: Iterable[GpuUse],
    *,
    now_s: float,
    running_since_s: float | None = None,
    running_on: str = "",
    live: LiveQuota | None = None,
) -> Quota:
    """Reckon the quota of one account with a provider. sessions: those that are over, in any order.

    running_since_s: when the session with a GPU began that is at work now, and running_on its machine. live: what the
    provider itself has just said of the period that goes on. Moments are seconds since the epoch.
    """
    past = look_back(sessions, now_s=now_s, running_since_s=running_since_s, running_on=running_on)
    period_s = profile.window.period_s if profile.window else DAY_S
    used_s = past.used_s(now_s - period_s)
    away = _away(profile, past, used_s)
    used_because = _used_because(profile, used_s, period_s)
    left_s, left_because = _left(profile, past, away, used_s)
    returns_at_s, returns_because = _returns(profile, past, away, used_s)
    cool_off, cool_off_because = _cool_off(profile, past)
    if live:
        used_s, used_because = live.used_s, _live_because(f"{live.source} counts every notebook of the account")
        left_s, left_because = _exactly(live.left_s, Basis.LIVE), _live_because(live_said(live))
        returns_at_s, returns_because = _live_returns(live, past)
    return Quota(
        used_s=used_s,
        period_s=period_s,
        left_s=left_s,
        returns_at_s=returns_at_s,
        cool_off=cool_off,
        used_because=used_because,
        left_because=left_because,
        returns_because=returns_because,
        cool_off_because=cool_off_because,
        is_spent=live is not None and _is_spent(live) and not past.is_held,
    )


def live_said(live: LiveQuota) -> str:
    """Say what a provider itself says is left: "kaggle quota says that 8.57 of 30 h are left ..."."""
    until = "" if live.refreshes_at_s is None else f", and that all of it is there again on {date(live.refreshes_at_s)}"
    left, allowed = f"{live.left_s / HOUR_S:.4g}", f"{live.allowed_s / HOUR_S:.4g} h"
    return f"{live.source} says that {left} of {allowed} are left{until}"


def _live_because(said: str) -> Reason:
    return Reason(basis=Basis.LIVE, said=f"{said}.")


def _is_spent(live: LiveQuota) -> bool:
    return live.left_s < LEAST_S and live.refreshes_at_s is None


def _live_returns(live: LiveQuota, past: Past) -> tuple[Quantiles | None, Reason]:
    """Return when a GPU can be had by what the provider says: it lends none that could be kept for a minute."""
    if past.is_held:
        return None, Reason(basis=Basis.HISTORY, said="A GPU is held now.")
    returns_at_s = live.refreshes_at_s
    if live.left_s >= LEAST_S:
        return None, _live_because("Some of the GPU time of this week is left")
    if returns_at_s is None:
        return None, _live_because("Nothing of the GPU time of this week is left, and when more comes is not known")
    if returns_at_s <= past.now_s:
        return None, _live_because(live_said(live))
    return _exactly(returns_at_s, Basis.LIVE), _live_because(live_said(live))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Away:
    """An absence that goes on, as far as is known, and the cool-off where the profile knows of one."""

    absence: Absence
    cool_off: Learnt | None

    @property
    def returns_at_s(self) -> Quantiles | None:
        # Moments since the absence began, as moments since the epoch.
        return self.cool_off.spread.since(-self.absence.began_at_s) if self.cool_off else None


def _away(profile: Profile, past: Past, used_s: float) -> _Away | None:
    """Return the absence that matters here: a session may be taken away for other reasons than its quota."""
    absence, window = past.away, profile.window
    if absence is None:
        return None
    is_for_quota = used_s >= MOSTLY * window.allowed_s if window else profile.cool_off is not None
    if not absence.refused_at_s and not is_for_quota:
        return None
    if profile.cool_off is None:
        return _Away(absence=absence, cool_off=None)
    learnt = learn(profile.cool_off, past.waits, refused_after_s=absence.refused_after_s)
    return _Away(absence=absence, cool_off=learnt)


def _left(profile: Profile, past: Past, away: _Away | None, used_s: float) -> tuple[Quantiles | None, Reason]:
    """Return what is left of the window or, where none is known, of a session's length since the GPU last came back."""
    if window := profile.window:
        said = f"{_allowance_said(window)} are allowed by {_source(profile, 'window')}, less what this queue used"
        reason = Reason(basis=window.basis, said=f"{said}; what else the account used is not seen.")
        return _exactly(max(0.0, window.allowed_s - used_s), window.basis), reason
    session = profile.session
    if session is None or profile.cool_off is None:
        # Where one session may follow upon another, the end of one is no limit.
        return None, Reason(basis=Basis.PROFILE, said=f"The profile {profile.name} knows of no limit of GPU time.")
    returns_at_s = away.returns_at_s if away else None
    is_likely_back = returns_at_s is not None and returns_at_s.p50_s <= past.now_s
    if away and away.absence.refused_at_s and not is_likely_back:
        return _exactly(0.0, Basis.HISTORY), Reason(basis=Basis.HISTORY, said=f"{_absence_said(away.absence, past)}.")
    back_at_s = past.now_s if is_likely_back else past.back_at_s
    since_s = max(back_at_s, past.now_s - DAY_S)
    used_s = past.used_s(since_s)
    since = "since the GPU came back" if since_s == back_at_s else "in the last 24 h"
    said = f"The quota is not known. A session lives {session.said}, going by {_source(profile, 'session')}"
    reason = Reason(basis=session.basis, said=f"{said}; {duration(used_s)} were used {since}.")
    return session.since(used_s), reason


def _returns(profile: Profile, past: Past, away: _Away | None, used_s: float) -> tuple[Quantiles | None, Reason]:
    """Return when a GPU can be had: once the window allows one and the cool-off is over."""
    if past.is_held:
        return None, Reason(basis=Basis.HISTORY, said="A GPU is held now.")
    found: list[tuple[Quantiles, str]] = []
    if (window := profile.window) and used_s >= window.allowed_s:
        frees_at_s = past.used_since_s(window.allowed_s) + window.period_s
        said = f"{_allowance_said(window)} are allowed by {_source(profile, 'window')}, and they are used up"
        found.append((_exactly(frees_at_s, window.basis), said))
    if away and away.cool_off and away.returns_at_s:
        said = f"{_absence_said(away.absence, past)}; {_cool_off_said(profile, away.cool_off)}"
        found.append((away.returns_at_s, said))
    if not found:
        return None, Reason(basis=Basis.HISTORY, said=f"{_not_away_said(away, past)}.")
    latest, said = max(found, key=lambda it: it[0].p50_s)
    if all(returns.p90_s <= past.now_s for returns, _ in found):
        return None, Reason(basis=latest.basis, said=f"{said}; that is over by now.")
    returns = Quantiles(
        p10_s=max(past.now_s, *(it.p10_s for it, _ in found)),
        p50_s=max(past.now_s, latest.p50_s),
        p90_s=max(it.p90_s for it, _ in found),
        basis=latest.basis,
    )
    return returns, Reason(basis=latest.basis, said=f"{said}.")


def _cool_off(profile: Profile, past: Past) -> tuple[Quantiles | None, Reason]:
    if profile.cool_off is None:
        return None, Reason(basis=Basis.PROFILE, said=f"The profile {profile.name} knows of no cool-off.")
    learnt = learn(profile.cool_off, past.waits)
    said = _cool_off_said(profile, learnt)
    return learnt.spread, Reason(basis=learnt.spread.basis, said=f"{said[0].upper()}{said[1:]}.")


def _exactly(value_s: float, basis: Basis) -> Quantiles:
    return Quantiles(p10_s=value_s, p50_s=value_s, p90_s=value_s, basis=basis)


def _used_because(profile: Profile, used_s: float, period_s: float) -> Reason:
    own = f"Sessions of this queue held a GPU for {duration(used_s)} of the last {period_s / HOUR_S:g} h"
    because = "the period of the quota" if profile.window else "a day, because no period of the quota is known"
    return Reason(basis=Basis.HISTORY, said=f"{own}: {because}.")


def _not_away_said(away: _Away | None, past: Past) -> str:
    if away:
        return f"{_absence_said(away.absence, past)}, and for how long is not known"
    return "Nothing shows that the GPU is away" + ("" if past.spans else ", because no session has held one yet")


def _absence_said(absence: Absence, past: Past) -> str:
    """Say since when the GPU is away, and by what that is known."""
    ago = f"{duration(past.now_s - absence.began_at_s)} ago"
    if absence.began_unseen:
        return f"A GPU was refused {ago}, and no session has held one yet"
    refused = f" and was still refused {duration(absence.refused_after_s)} later" if absence.refused_at_s else ""
    return f"The GPU was {'taken away' if absence.was_taken else 'given back'} {ago}{refused}"


def _cool_off_said(profile: Profile, learnt: Learnt) -> str:
    """Say how long a cool-off takes, and from what that was learnt."""
    source, own = _source(profile, "cool_off"), f"{count(learnt.waits, 'wait')} of your own"
    if learnt.waits:
        source = own if learnt.waits >= ENOUGH else f"{source} and {own}"
    return f"a cool-off takes {learnt.spread.said}, going by {source}"


def _source(profile: Profile, name: str) -> str:
    """Return whom a figure comes from, and how much it is worth."""
    figure = profile.figure(name)
    if figure and figure.basis is Basis.SAID:
        return f"your own profile {profile.name}"
    worth = f" ({figure.confidence}, checked {figure.checked})" if figure else ""
    return f"the profile {profile.name}{worth}"


def _allowance_said(window: Allowance) -> str:
    return f"{window.allowed_s / HOUR_S:g} h of GPU in any {window.period_s / HOUR_S:g} h"
