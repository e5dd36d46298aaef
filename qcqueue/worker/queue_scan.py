"""What a session sees when it looks at the queue: whose attempts are gone, and what this machine can run.

It only looks; the claim that follows is one transaction of `queue.claim`, which fences out whoever was judged
wrongly. A check can cost a download, so it stops at the first job that has no obstacle, or of which that is not known
yet. A job that has begun needs no weights any more, and is not asked about them.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from qcqueue.catalog.models import engine_name
from qcqueue.core import lineage
from qcqueue.core.obstacles import Lack, Obstacle, of_another, too_many_running
from qcqueue.errors import StoreError
from qcqueue.queue.claim import candidates, crowded, heartbeats_of, live_attempts
from qcqueue.queue.values import Candidate, LiveAttempt
from qcqueue.spool.files import spool_folder
from qcqueue.spool.reader import Spool
from qcqueue.stores.base import has_ended
from qcqueue.text.humanize import listed
from qcqueue.worker.imagenet import LOOKING, ImageNet
from qcqueue.worker.job_choice import NO_ROOM, Chooser
from qcqueue.worker.machine import is_installed
from qcqueue.worker.session_deps import SessionDeps


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """One look at the queue.

    dead are the sessions of this machine that provably ended, and heartbeats names the heartbeats of those that worked
    on this queue; gone maps (job, attempt) to how its end is known, silent names the heartbeats of their sessions, and
    seen says when each of those was last known to live, as far as the store tells;
    words is what the trainers of those that worked on this machine said last; left_here are the gone whose spools lie
    whole here; busy are the attempts that are alive, on jobs that this session might take; obstacles maps a checked
    job to what is in its way, None for nothing; engine is that of the first clear one, None where there is none;
    all_checked is false where jobs that rank behind it were not looked at; awaits_weights: whether the trainer still
    looks for what the last one begins with.
    """

    dead: frozenset[str]
    heartbeats: dict[str, str]
    gone: dict[tuple[str, int], str]
    silent: frozenset[str]
    seen: dict[str, float]
    words: dict[tuple[str, int], str]
    left_here: tuple[LiveAttempt, ...]
    busy: tuple[LiveAttempt, ...]
    obstacles: dict[str, Obstacle | None]
    engine: str | None
    all_checked: bool
    awaits_weights: bool


class QueueScan:
    """Looks at the queue for one session."""

    def __init__(self, session_id: str, deps: SessionDeps, chooser: Chooser, imagenet: ImageNet) -> None:
        self._session_id = session_id
        self._chooser = chooser
        self._deps = deps
        self._imagenet = imagenet
        self._refused: dict[str, Obstacle] = {}

    def pass_over(self, job_name: str, obstacle: Obstacle) -> None:
        """From now on have this in the way of a job: its run will not go on here."""
        self._refused[job_name] = obstacle

    def look(self, *, is_first: bool) -> ScanResult:
        """Look around; is_first: this session has worked on no job yet."""
        # Whoever is provably dead here has nothing left to write, so what the database shows next is its last word.
        dead = self._deps.locks.inherit()
        with self._deps.database.read() as tx:
            # What is held by this very session, which was not told so, is nobody else's business.
            live = [it for it in live_attempts(tx) if it.session_id != self._session_id]
            heartbeats = heartbeats_of(tx, dead)
        # Between two reads: asking the store takes time, and an open read keeps writers out.
        gone = {(it.job_name, it.number): why for it in live if (why := self._why_gone(it, dead))}
        with self._deps.database.read() as tx:
            waiting = {job.name: job for job in candidates(tx, also=[name for name, _ in gone])}
            crowd = crowded(
                tx,
                [job.owner for job in waiting.values()],
                without=[it.owner for it in live if (it.job_name, it.number) in gone],
            )
            rules = {name: self._rule_against(job.owner, crowd) for name, job in waiting.items()}
            barred = {name: rule for name, rule in rules.items() if rule}
            ranking = self._chooser.rank(tx, waiting.keys() - barred.keys(), is_first=is_first)
        self._chooser.ranking = ranking
        ranked = [choice.job.name for choice in ranking.choices]
        has_room = set(ranked)
        obstacles: dict[str, Obstacle | None] = {
            name: barred.get(name, NO_ROOM) for name in waiting if name not in has_room
        }
        obstacles |= self._check_until_clear([waiting[name] for name in ranked])
        return ScanResult(
            dead=dead,
            heartbeats=heartbeats,
            gone=gone,
            silent=frozenset(it.heartbeat for it in live if (it.job_name, it.number) in gone),
            seen=self._last_seen(it for it in live if (it.job_name, it.number) in gone),
            words={(it.job_name, it.number): self._spool(it).words() for it in live if self._was_here(it, dead)},
            left_here=tuple(it for it in live if self._was_here(it, dead) and self._is_trusted(it)),
            busy=tuple(it for it in live if (it.job_name, it.number) not in gone and not self._is_barred(it.owner)),
            obstacles=obstacles,
            engine=next(
                (engine_name(waiting[name].spec.model) for name, why in obstacles.items() if why is None), None
            ),
            all_checked=len(obstacles) == len(waiting),
            awaits_weights=LOOKING in obstacles.values(),
        )

    def _why_gone(self, live: LiveAttempt, dead: frozenset[str]) -> str | None:
        if self._was_here(live, dead):
            return self._spool(live).left() or "its process on this machine is gone"
        age_s = self._deps.store.heartbeat_age_s(live.heartbeat)
        if not has_ended(age_s, self._deps.lease):
            return None
        return "it left no heartbeat" if age_s is None else f"no heartbeat for {age_s:.0f} s"

    def _spool(self, live: LiveAttempt) -> Spool:
        return Spool(spool_folder(self._deps.cache, live.session_id, live.number))

    def _last_seen(self, gone: Iterable[LiveAttempt]) -> dict[str, float]:
        """Return when the store heard of each session last, by this machine's clock: for a ledger, not for safety."""
        now_s, seen = self._deps.clock.now_s(), dict[str, float]()
        for attempt in gone:
            with contextlib.suppress(StoreError):
                age_s = self._deps.store.heartbeat_age_s(attempt.heartbeat)
                if age_s is not None:
                    seen[attempt.session_id] = now_s - age_s
        return seen

    def _was_here(self, live: LiveAttempt, dead: AbstractSet[str]) -> bool:
        return live.session_id in dead and live.machine == self._deps.machine.id

    def _is_trusted(self, left: LiveAttempt) -> bool:
        """Whether all that a session wrote is there: it is not synced, and a machine that was down may have lost it."""
        return self._deps.locks.died_since_boot(left.session_id)

    def _check_until_clear(self, waiting: Sequence[Candidate]) -> dict[str, Obstacle | None]:
        checked = dict[str, Obstacle | None]()
        for job in waiting:
            checked[job.name] = self._obstacle(job)
            if checked[job.name] in (None, LOOKING):
                break
        return checked

    def _rule_against(self, owner: str | None, crowd: Mapping[str | None, int]) -> Obstacle | None:
        """Return why a job of this owner is not for this session, or not now, whatever the machine can run."""
        if owner is not None and self._is_barred(owner):
            return of_another(owner, self._deps.profile.name, has_owner=self._deps.owner is not None)
        return too_many_running(owner, crowd[owner]) if owner in crowd else None

    def _is_barred(self, owner: str | None) -> bool:
        return self._deps.profile.bars(owner, whose=self._deps.owner)

    def _obstacle(self, job: Candidate) -> Obstacle | None:
        spec, machine = job.spec, self._deps.machine
        if refused := self._refused.get(job.name):
            return refused
        if engine_name(spec.model) in self._deps.not_installed:
            return Obstacle("TensorFlow is not installed on this machine", Lack.LIBRARIES)
        if spec.code_sha256 and (why := self._deps.check_code(spec.code_sha256)):
            return Obstacle(why, Lack.TRUST)
        if lacking := [name for name in spec.requires if not is_installed(name)]:
            return Obstacle(f"it requires {listed(lacking)}, not installed on this machine", Lack.PACKAGES)
        if spec.device == "gpu" and not machine.has_gpu:
            return Obstacle('its spec says device = "gpu" and this machine has none', Lack.GPU)
        if why := lineage.obstacle(spec, job.begun_on, machine.processors(spec.device)):
            return Obstacle(why, Lack.LINEAGE)
        if spec.weights != "imagenet" or job.has_begun:
            return None
        return self._imagenet.obstacle(spec)
