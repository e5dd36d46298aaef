"""The states of a session that holds no job yet: it comes to work, looks at the queue, and claims.

    Arrive ─▶ LookForJob ─claim─▶ Prepare
               │  ▲ ▼
               │  AwaitWeights
               └─▶ Leave

The claim is one transaction; what it was chosen from is returned with it. Always true: whoever was not told what came
of a claim takes itself for one that holds a job.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcqueue.core.goodput import Part
from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import MachineError, OutcomeUnknown, QcqueueError, StoreBusy, StoreError
from qcqueue.planning.policies import first_clear
from qcqueue.queue.claim import begin_session, claim, claim_held_by, note_seen
from qcqueue.queue.obstacles import note_obstacles
from qcqueue.queue.values import Candidate, Claim, Pick
from qcqueue.text.canonical_json import canonical_json
from qcqueue.worker.job_choice import Ranking
from qcqueue.worker.job_states import Prepare
from qcqueue.worker.leave_states import SOON_S, NextState, leave, leave_as_dead
from qcqueue.worker.patience import RETRY_S
from qcqueue.worker.queue_scan import ScanResult

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.worker.session import Session


@dataclass(frozen=True, slots=True)
class Arrive:
    """Announce the session, on this machine and in the queue."""

    def step(self, session: "Session") -> NextState:
        deps, names = session.deps, session.heartbeat.names
        if not names:
            deps.locks.announce(session.id)
            names.append(deps.store.new_heartbeat(session.id))
        minutes = session.budget.limits.promised_minutes
        deps.database.transact(
            lambda tx: begin_session(
                tx,
                session.id,
                machine=deps.machine.id,
                host=deps.machine.host,
                processor=deps.machine.processor,
                heartbeat=names[0],
                profile=deps.profile.name,
                has_gpu=deps.machine.has_gpu,
                promised_until_s=None if minutes is None else deps.clock.now_s() + minutes * 60,
                now_s=deps.clock.now_s(),
            )
        )
        session.heartbeat.beat(deps.clock.monotonic_s())
        return NextState(LookForJob())


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of looking for a job. ranking: what it was chosen from; None where it was held already."""

    claim: Claim | None
    ranking: Ranking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForJob:
    """Save what dead sessions left here, and claim a job.

    may_hold: whether one may be held that the session was not told of. Where it may, or once one was, a store that does
    not answer is waited for.
    """

    may_hold: bool = False

    def step(self, session: "Session") -> NextState:
        if not self.may_hold and (session.stop_reason or session.is_spent):
            return leave(session, session.stop_reason or SessionEnd.LIMIT)
        may_hold = self.may_hold
        try:
            return self._look(session)
        except OutcomeUnknown as exc:  # perhaps it was the claim
            may_hold = True
            busy: QcqueueError = exc
        except StoreBusy as exc:
            if not (may_hold or session.ledger.has_worked):
                raise
            busy = exc
        except MachineError as exc:
            if not may_hold:
                raise
            busy = exc
        session.mind_the_deadline()
        if session.stop_reason and not session.is_waited_for(busy, session.deps.clock.monotonic_s()):
            return leave_as_dead(session, session.stop_reason)  # perhaps a job is held; if so, its lease ends
        session.deps.narrate(f"asking again in {RETRY_S:.0f} s: {busy}")
        return NextState(LookForJob(may_hold=may_hold), RETRY_S)

    def _look(self, session: "Session") -> NextState:
        deps, ledger = session.deps, session.ledger
        if self.may_hold:
            session.heartbeat.beat(deps.clock.monotonic_s())
        seen = session.scan.look(is_first=not session.jobs)
        if seen.engine:  # its libraries load while the job is claimed
            deps.trainer.get_ready(seen.engine)
        ledger.go_on_with(Part.UPLOAD_TAIL)
        session.salvage.save(seen)
        if seen.awaits_weights and not self.may_hold:
            ledger.go_on_with(Part.DOWNLOAD)
            return NextState(AwaitWeights())
        ledger.go_on_with(Part.CONTENTION)
        # All this can have taken minutes, and a lease must not be born old.
        session.heartbeat.beat(deps.clock.monotonic_s())
        taken = deps.database.transact(lambda tx: take(tx, session, seen))
        session.chooser.ranking = taken.ranking or session.chooser.ranking
        session.salvage.clear(seen)
        session.obstacles = {name: why for name, why in seen.obstacles.items() if why}
        session.busy = seen.busy
        if taken.claim:
            basis = session.chooser.basis(taken.claim.job_name)
            known = f" ({basis})" if basis else "; nothing is known of its length"
            deps.narrate(f"takes {taken.claim.job_name}: {taken.claim.why}{known}")
            session.begin(taken.claim)
            return NextState(Prepare())
        was_clear = None in seen.obstacles.values()
        if was_clear or not seen.all_checked or seen.awaits_weights:  # a rival took that one, or had a turn since
            return NextState(LookForJob())
        return leave(session, session.all_in_all(), found=session.obstacles)


def take(tx: "Connection", session: "Session", seen: ScanResult) -> Taken:
    """Claim a job, unless one is held: whoever was not told what came of a claim may hold a job already."""
    held = claim_held_by(tx, session.id)
    taken = Taken(claim=held) if held else _claimed(tx, session, seen)
    if taken.claim:  # from here on its time is accounted for, should it vanish before the first commit
        own = canonical_json(session.ledger.ledgers(None)[0])
        note_seen(tx, session.id, session.deps.clock.now_s(), seconds=own)
        met = {name: it for name, it in seen.obstacles.items() if it}
        note_obstacles(tx, session.id, met, now_s=session.deps.clock.now_s())
    return taken


def _claimed(tx: "Connection", session: "Session", seen: ScanResult) -> Taken:
    ranking: Ranking | None = None

    def choose(jobs: Sequence[Candidate]) -> Pick | None:
        nonlocal ranking
        names = {job.name for job in jobs}
        ranking = session.chooser.rank(tx, names, is_first=not session.jobs, seen=session.chooser.ranking)
        choice = first_clear(ranking.choices, seen.obstacles)
        return Pick(choice.job.name, why=choice.why) if choice else None

    now_s = session.deps.clock.now_s()
    held = claim(tx, session.id, gone=seen.gone, seen=seen.seen, words=seen.words, choose=choose, now_s=now_s)
    return Taken(claim=held, ranking=ranking)


@dataclass(frozen=True, slots=True)
class AwaitWeights:
    """Wait for the trainer to have what the next job begins with: a download can take minutes."""

    def step(self, session: "Session") -> NextState:
        session.mind_the_deadline()
        with contextlib.suppress(StoreError):  # nothing is held, so a beat that is not heard costs nothing
            session.beat(session.deps.clock.monotonic_s())
        if not session.stop_reason:
            session.imagenet.go_on()
            if session.imagenet.is_looking:
                return NextState(self, SOON_S)
        return NextState(LookForJob())
