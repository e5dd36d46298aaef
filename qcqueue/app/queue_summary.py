"""What can be said today of the days to come: one look at a queue, and when all will be done or a GPU come back.

The queue is read once and nothing is changed. Always true: whoever asks about the same queue gets the same luck, so two
answers agree, and every date says whom it comes from.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from qcqueue.app.context import QueueContext
from qcqueue.app.profile import live_quota, profile_and_why
from qcqueue.app.settings import Settings
from qcqueue.app.vanished import as_it_is, vanished
from qcqueue.clock import Rng, seeded
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.core.states import State
from qcqueue.errors import StoreError
from qcqueue.planning.forecast import Finish, Forecast
from qcqueue.planning.policies import Choice, in_sequence
from qcqueue.planning.queue_stats import QueueStats, look
from qcqueue.planning.windows import LONGEST_S
from qcqueue.providers.base import Profile
from qcqueue.queue.claim import live_attempts
from qcqueue.queue.forecasts import ForecastLine, forecast_lines, newest_forecasts
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.sessions import SessionLine
from qcqueue.stores.base import has_ended
from qcqueue.text.humanize import listed

# A glance tells its middle and its range to a few per cent; a long queue takes longer to play, and varies less.
MOST_WORLDS, FEWEST_WORLDS = 60, 10
JOBS_IN_ALL = 500

NOT_KNOWN_YET = Profile(name="", title="")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """What one look at the queue has shown. because: in a few words why its profile is this one.

    gone: the sessions that hold a job and do not live any more, each with the moment it was heard of last; in the
    stats they are over, and in the lines their jobs are free. The queue itself learns that from the next session.
    dead_here: those of them whose process was on this machine. past: every forecast; foreseen: the newest of each study
    that is not done, as `status` shows it. owner: whose sessions are asked about, where a provider lets nobody compute
    for others; None for whoever's.
    """

    stats: QueueStats
    because: str
    lines: tuple[JobLine, ...]
    past: tuple[ForecastLine, ...]
    foreseen: tuple[ForecastLine, ...]
    gone: Mapping[str, float]
    dead_here: frozenset[str] = frozenset()
    owner: str | None = None

    @property
    def crowded(self) -> dict[str | None, int]:
        """Who has as many jobs running as the rules of the queue allow, and how many that are."""
        most = self.stats.rules.max_running
        running = Counter(line.owner for line in self.lines if line.state is State.RUNNING)
        return {} if most is None else {owner: number for owner, number in running.items() if number >= most}

    def is_barred(self, job_owner: str | None) -> bool:
        """Say whether a job of this owner is not for the sessions that are asked about."""
        return self.stats.profile.bars(job_owner, whose=self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSummary:
    """What the day's one screen says of what is ahead. next: what a session would take that came now.

    adrift: the jobs that are held by sessions that do not live any more. foreseen: as in a `QueueView`. finish: when
    all is done, in seconds from now, None where that is not known; label: whom that comes from. lends_gpus: the
    provider gives them for a time. next_gpu: when one can be had that nobody holds yet, in seconds since the epoch,
    None for now. held_by: the session that holds one.
    """

    next: Choice | None
    adrift: frozenset[str]
    foreseen: tuple[ForecastLine, ...]
    finish: Finish | None
    label: str
    lends_gpus: bool
    next_gpu: Quantiles | None
    held_by: str | None


def see(context: QueueContext, settings: Settings, *, ask_quota: bool = False) -> QueueView:
    """Look at the queue once, and ask the store whether the sessions that hold jobs still live.

    ask_quota: ask the provider for the quota too, which takes seconds.
    Raises: as `profile_and_why`.
    """
    now_s = context.clock.now_s()
    with context.read() as tx:
        stats = look(tx, NOT_KNOWN_YET, now_s=now_s)
        lines, past = tuple(job_lines(tx)), tuple(forecast_lines(tx, stats.sessions))
        foreseen = tuple(newest_forecasts(tx))
        live = live_attempts(tx)
    profile, because = profile_and_why(settings, stats.sessions)
    heartbeats = {attempt.session_id: attempt.heartbeat for attempt in live}
    dead_here = vanished(context, heartbeats)
    gone = {
        line.id: heard_s
        for line in stats.sessions
        if line.id in heartbeats
        and (heard_s := _gone_since(line, heartbeats[line.id], context, now_s, is_dead=line.id in dead_here))
        is not None
    }
    sessions = tuple(_ended(line, gone[line.id]) if line.id in gone else line for line in stats.sessions)
    stats = replace(
        stats, profile=profile, sessions=sessions, live=live_quota(profile, now_s=now_s) if ask_quota else None
    )
    lines = as_it_is(lines, gone)
    return QueueView(
        stats=stats,
        because=because,
        lines=lines,
        past=past,
        foreseen=foreseen,
        gone=gone,
        dead_here=dead_here & gone.keys(),
        owner=context.owner() if profile.own_work_only else None,
    )


def summary_of(seen: QueueView) -> QueueSummary:
    """Say what comes next, when all will be done and a GPU be had, in a moment: `plan` takes its time for more."""
    stats = seen.stats
    return QueueSummary(
        next=next(iter(ranked(seen)), None),
        adrift=frozenset(line.name for line in seen.lines if line.left_by),
        foreseen=seen.foreseen,
        finish=forecast_at_a_glance(stats).all,
        label=label_of_dates(stats),
        lends_gpus=stats.lends_gpus,
        next_gpu=next_gpu(stats),
        held_by=stats.at_work.id if stats.at_work else None,
    )


def ranked(seen: QueueView) -> tuple[Choice, ...]:
    """Return what a session could take that came now, in the order of taking: also what is adrift."""
    stats, processor = seen.stats, seen.stats.processor
    held = {line.name for line in seen.lines if line.session}
    free = [job for job in stats.ahead if job.name not in held]
    free = [job for job in free if job.owner not in seen.crowded and not seen.is_barred(job.owner)]
    return tuple(in_sequence(stats.ranked([stats.job(job, stats.on(job, processor)) for job in free])))


def forecast_at_a_glance(stats: QueueStats) -> Forecast:
    """Return a forecast for sessions as they are by default, from as few worlds as will do."""
    worlds = max(FEWEST_WORLDS, min(MOST_WORLDS, JOBS_IN_ALL // max(len(stats.ahead), 1)))
    return stats.forecast(stats.processor, jobs=1, rng=luck(stats), worlds=worlds)


def next_gpu(stats: QueueStats) -> Quantiles | None:
    """Return when a GPU can be had that nobody holds yet, in seconds since the epoch; None for now.

    While one is held it is the next one: after the likely end of the session, and the cool-off that follows.
    """
    if stats.at_work is None or stats.left is None:
        return stats.quota.returns_at_s
    now_s, away = stats.now_s, stats.quota.cool_off
    left = stats.left.spread(now_s - stats.at_work.started_at_s)
    if left.p90_s >= LONGEST_S or away is None:
        return None
    return Quantiles(
        p10_s=now_s + left.p10_s + away.p10_s,
        p50_s=now_s + left.p50_s + away.p50_s,
        p90_s=now_s + left.p90_s + away.p90_s,
        basis=away.basis,
    )


def label_of_dates(stats: QueueStats) -> str:
    """Return whom dates come from: whatever was taken from a profile, seen in this queue or said by a person."""
    account = stats.account()
    spreads = (account.cool_off, account.next_in_s, account.allowance)
    return label(account.life.basis, *(spread.basis for spread in spreads if spread))


def label(*bases: Basis) -> str:
    """Return the names of these bases, each once: "profile and your history"."""
    return listed([basis for basis in Basis if basis in bases])


def luck(stats: QueueStats) -> Rng:
    """Return the chance of all forecasts of this queue: the same until something in it changes."""
    standing = [(job.name, job.epochs_done, str(job.state)) for job in stats.ahead]
    return seeded(f"{stats.profile.name} {len(stats.sessions)} {standing}")


def _gone_since(
    line: SessionLine, heartbeat: str, context: QueueContext, now_s: float, *, is_dead: bool
) -> float | None:
    """Return when a session was heard of last that does not live any more; None as long as it may live.

    is_dead: its process was on this machine and is gone.
    """
    last_s = max(line.seen_at_s or 0.0, *(attempt.started_at_s for attempt in line.attempts))
    if is_dead:
        return last_s
    if not has_ended(now_s - last_s, context.lease):
        return None
    try:
        age_s = context.store.heartbeat_age_s(heartbeat)
    except StoreError:  # a store that does not answer has not said that anybody is gone
        return None
    return max(last_s, now_s - age_s if age_s is not None else 0.0) if has_ended(age_s, context.lease) else None


def _ended(line: SessionLine, heard_s: float) -> SessionLine:
    attempts = tuple(replace(it, ended_at_s=it.ended_at_s or heard_s) for it in line.attempts)
    return replace(line, seen_at_s=heard_s, attempts=attempts)
