"""The states of a session that holds a job: what each does in one step, and which comes after it.

    Prepare ─▶ ClearStore ─▶ KeepWeights ─▶ WatchTrainer ─▶ FinishJob ─▶ looks for the next, or leaves
       └──────────▶ JudgeFailure ◀───────────────┘              ▲
                          └─────────────────────────────────────┘

LeaseLost, wherever it comes: the job is dropped and nothing written. What is written of an attempt is decided by
`job_end`. Always true: a store or database that does not answer delays commits and never stops training.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qcqueue.catalog.models import engine_name
from qcqueue.core.failure_policy import remedy
from qcqueue.core.goodput import Part
from qcqueue.core.obstacles import Obstacle
from qcqueue.core.outcomes import Outcome, SessionEnd, Trouble, cause_of, worse_of
from qcqueue.core.phases import Phase
from qcqueue.errors import BlobMissing, DigestMismatch, JobWithdrawn, LeaseLost, MachineError, QcqueueError, StoreError
from qcqueue.spool.files import Failure, TrainerProgress
from qcqueue.text.humanize import duration
from qcqueue.worker.download import work_order
from qcqueue.worker.job_end import (
    AfterEnd,
    JobEnd,
    failed_said,
    hopeless,
    left_with,
    refused,
    remedied,
    saved_after_all,
    vanished,
)
from qcqueue.worker.job_run import JobRun
from qcqueue.worker.leave_states import SOON_S, NextState, SessionState, leave, leave_unsaved
from qcqueue.worker.patience import CANNOT_PASS_S, HOPELESS_S, LENT_S, RETRY_S
from qcqueue.worker.progress_text import epoch_line, studies_foreseen, where_from
from qcqueue.worker.trainer_exit import has_looked, tried, why_not_again

if TYPE_CHECKING:
    from qcqueue.worker.session import Session

TUNE_EVERY_S = 2.0

# After so many jobs that ended here before their first step the machine is believed, and not tried with a third.
MOST_UNSTARTED = 2


@dataclass(frozen=True, slots=True)
class Prepare:
    """Start the trainer, and bring it what it needs while it starts."""

    def step(self, session: "Session") -> NextState:
        session.mind_the_deadline()
        now_s = session.deps.clock.monotonic_s()
        try:
            session.beat(now_s)
            if session.stop_reason:
                return end_with(session, left_with(session.stop_reason, session.asked_why))
            return self._begin(session, session.held_job)
        except LeaseLost as exc:
            return lost(session, exc)
        except MachineError as exc:
            return failed(session, Failure(cause=cause_of(exc), message=str(exc)))
        except StoreError as exc:
            return wait_for(session, exc, now_s, self)

    def _begin(self, session: "Session", job: JobRun) -> NextState:
        session.start_trainer(job)
        try:
            order = work_order(
                job.claim,
                session.deps.store,
                session.deps.cache,
                threads=job.threads(session.deps.machine.threads),
                max_epochs=session.budget.epochs_left(session.epochs),
                on_cpu=job.name in session.on_cpu,
                check_code=session.deps.check_code,
                left=session.chooser.left(job.name),
                moved=session.moved,
            )
        except (BlobMissing, DigestMismatch) as exc:  # it will not come back while this session waits
            return failed(session, Failure(cause=cause_of(exc), message=str(exc)))
        if order.resumes:  # it builds its program while the state is on its way
            job.spool.open(order)
        restored = job.committer.restore()
        for checkpoint, why in restored.damaged:
            session.deps.narrate(f"the save after epoch {checkpoint.record.epochs_done} is damaged: {why}")
        if order.resumes and restored.chosen is None:  # it was told to wait for a state, and there is none
            session.end_trainer(job)
        if restored.chosen is None:
            # It trains as soon as it is told to, so not before the attempt is known to be live.
            job.spool.open(
                replace(order, resumes=False, step_order=replace(order.step_order, begun_on=None, epochs_done=0))
            )
            session.start_trainer(job)
        job.spool.record.write(restored.chosen.record if restored.chosen else None)
        job.committer.foreseen = session.chooser.foresee(session.id)  # it is written down with the first save
        job.foreseen = tuple(studies_foreseen(job.committer.foreseen))
        for said in job.foreseen:
            session.deps.narrate(said)
        job.history = list(restored.chosen.record.history) if restored.chosen else []
        job.resumed, job.waiting_for, job.has_begun = where_from(restored.chosen), None, True
        session.deps.narrate(f"{job.name}, attempt {job.claim.attempt}: {job.resumed}")
        job.keeps_weights = job.claim.keep_weights and job.claim.spec.weights == "imagenet" and restored.chosen is None
        return NextState(_watch(job) if session.salvage.is_tidy else ClearStore())


def _watch(job: JobRun) -> SessionState:
    return KeepWeights() if job.keeps_weights else WatchTrainer()


@dataclass(frozen=True, slots=True)
class ClearStore:
    """Delete, once a session, what dead ones left in the store; the trainer is still busy with its libraries."""

    def step(self, session: "Session") -> NextState:
        session.mind_the_limits(session.deps.clock.monotonic_s())
        try:
            session.salvage.clear_store(lambda: session.moved(0, 0))
        except LeaseLost as exc:
            return lost(session, exc)
        except (StoreError, MachineError):  # what is left is left for the next session
            pass
        return NextState(_watch(session.held_job))


@dataclass(frozen=True, slots=True)
class KeepWeights:
    """Put the ImageNet weights of a job that begins into the store, where that is wanted; its trainer compiles."""

    def step(self, session: "Session") -> NextState:
        session.mind_the_limits(session.deps.clock.monotonic_s())
        try:
            if not session.stop_reason:
                session.imagenet.keep(session.held_job.claim.spec)
        except LeaseLost as exc:
            return lost(session, exc)
        return NextState(WatchTrainer())


@dataclass(frozen=True, slots=True)
class WatchTrainer:
    """Commit what the trainer hands over, until it has ended and all of that is committed."""

    def step(self, session: "Session") -> NextState:
        job, now_s = session.held_job, session.deps.clock.monotonic_s()
        exit_code = session.deps.trainer.exit_code()
        try:
            if exit_code is not None:
                session.ledger.trainer_ended(job.spool.progress.read())
            session.beat(now_s)
            if now_s >= job.retry_due_s:
                _collect(session, job, is_over=exit_code is not None)
                if exit_code is None:
                    job.spool.check_trainers_disk()
                job.waiting_for = None
                _tune(session, job, now_s)
                if exit_code is not None and not job.spool.holds_unsaved():
                    return self._settle(session, job, exit_code)
        except LeaseLost as exc:
            return lost(session, exc)
        except (StoreError, MachineError, DigestMismatch) as exc:
            # Training goes on; the spool keeps everything until the store answers again, or takes it whole.
            note_saving_waits(session, job, exc, now_s)
            job.retry_due_s = now_s + RETRY_S
            # A disk that takes nothing takes no last save either: a trainer that cannot make one is not waited for.
            may_still_save = exit_code is None and not (
                isinstance(exc, MachineError) and now_s >= session.leaving_since_s + HOPELESS_S
            )
            if not may_still_save and not session.is_waited_for(exc, now_s):
                return leave_unsaved(session, exc)
        session.mind_the_limits(now_s)
        return NextState(self, SOON_S)

    def _settle(self, session: "Session", job: JobRun, exit_code: int) -> NextState:
        """Give the job its outcome after its trainer has ended and everything it handed over is committed."""
        if job.committer.finished:
            session.deps.narrate(f"{job.name} is done")
            session.drop()
            return _count(session, None)
        if refusal := job.spool.refusal.read():
            return end_with(session, refused(job.name, refusal))
        failure = job.spool.failure.read()
        if failure is None and not session.is_leaving_the_job and exit_code != 0:
            failure = why_not_again(
                exit_code,
                job.spool.last_line(),
                has_begun=has_looked(job.spool.progress.read()),
                ran_out_of_memory=session.deps.memory_kills() > job.memory_kills,
                deaths=session.deaths[job.name] + 1,
            )
        if failure:
            return failed(session, failure)
        if job.hopeless:
            return end_with(session, hopeless(job.hopeless))
        if job.gave_up_on and not session.stop_reason:
            return end_with(session, saved_after_all(job.gave_up_on))
        if exit_code == 0 or session.stop_reason:
            return end_with(session, left_with(session.stop_reason or SessionEnd.LIMIT, session.asked_why))
        return end_with(session, vanished(exit_code))


def _collect(session: "Session", job: JobRun, *, is_over: bool) -> None:
    job.committer.collect(is_over=is_over)
    if session.patience.is_counting and not job.spool.holds_unsaved():
        session.patience.saved()
    for epoch in job.committer.take_news():
        session.patience.saved()
        session.epochs += 1
        del session.deaths[job.name]
        job.history.append(epoch.metrics)
        job.epoch_s = epoch.timing.train_s + epoch.timing.val_s
        session.deps.narrate(epoch_line(job.claim.spec, epoch.metrics, job.epoch_s))
        job.tuner.validated(epoch.timing.val_s)


def _tune(session: "Session", job: JobRun, now_s: float) -> None:
    """Mind how often the trainer saves, and whether the next save is worth waiting for.

    Let the job go, everything saved, where what comes next would hardly be saved before the likely end. Whoever has
    saved nothing yet goes on whatever the chances: so a session that is long enough for one save makes it, however
    wrong it is about its end.
    """
    if now_s < job.tuning_due_s:
        return
    job.tuning_due_s = now_s + TUNE_EVERY_S
    job.tuner.mind(job.spool, lag_s=job.committer.lag_s)
    job.committer.pace = job.tuner.numbers()
    progress = job.spool.progress.read()
    if progress is None or not job.committer.has_saved or session.is_leaving_the_job:
        return
    _get_next_ready(session, job, progress)
    advice = session.chooser.verdict(job.tuner, progress)
    if advice and not advice.is_worth_it:
        job.hopeless, session.leaving_since_s = advice.reason, session.deps.clock.monotonic_s()
        session.deps.narrate(advice.reason)


def _get_next_ready(session: "Session", job: JobRun, progress: TrainerProgress) -> None:
    """Let the libraries of the next job load while this one ends: nothing else would be done with a GPU meanwhile."""
    is_ending = progress.phase is Phase.EVALUATING or 0 < progress.epoch == progress.epochs
    if is_ending and not session.budget.are_enough(session.jobs + 1) and session.chooser.after(job.name):
        with contextlib.suppress(MachineError):  # it will be told when it is needed
            session.deps.trainer.get_ready(engine_name(job.claim.spec.model))


@dataclass(frozen=True, slots=True)
class JudgeFailure:
    """Find out what the spec and the queue's past allow about a failure.

    Until it is told what came of that, the session must not try the job again.
    """

    failure: Failure

    def step(self, session: "Session") -> NextState:
        job, failure, now_s = session.held_job, self.failure, session.deps.clock.monotonic_s()
        try:
            lacked_memory = failure.cause is Trouble.MEMORY and job.committer.lacked_memory_before()
        except (StoreError, MachineError) as exc:
            return wait_for(session, exc, now_s, self)
        where = tried(
            job.claim,
            session.deps.machine,
            on_cpu=job.name in session.on_cpu,
            is_lent=session.is_lent,
            has_saved=job.committer.has_saved,
            lacked_memory=lacked_memory,
        )
        what = remedy(failure.cause, failure.message, job.claim.spec, where)
        return end_with(session, remedied(job.name, failure, what))


@dataclass(frozen=True, slots=True)
class FinishJob:
    """Write this very end of the attempt until that is answered, whatever has come since; then act on it."""

    end: JobEnd

    def step(self, session: "Session") -> NextState:
        session.mind_the_deadline()
        now_s = session.deps.clock.monotonic_s()
        try:
            session.beat(now_s)
            outcome = session.held_job.committer.end(self.end.written)
        except LeaseLost as exc:
            return lost(session, exc)
        except (StoreError, MachineError) as exc:
            return wait_for(session, exc, now_s, self)
        return self._ended(session, session.held_job, outcome)

    def _ended(self, session: "Session", job: JobRun, outcome: Outcome) -> NextState:
        if self.end.after is AfterEnd.SET_ASIDE:
            return self._set_aside(session, job, outcome)
        if self.end.says_after:
            session.deps.narrate(self.end.says_after)
        session.drop()
        match self.end.after:
            case AfterEnd.COUNT:
                return _count(session, self.end.ending)
            case AfterEnd.LEAVE:  # a person may have asked for it since
                return leave(session, session.stop_reason or self.end.ending or SessionEnd.LIMIT)
        session.worst = worse_of(session.worst, self.end.ending)
        return NextState(session.between_jobs)

    def _set_aside(self, session: "Session", job: JobRun, outcome: Outcome) -> NextState:
        """Go on with the next job after a trouble of this machine or of the store, if any job can start here."""
        trouble, why = self.end.written.trouble, self.end.written.why
        assert trouble is not None, "a job is set aside for a trouble"
        session.trouble = trouble
        has_started = trouble is Trouble.STORE or job.has_come_to_a_step
        if outcome is Outcome.FAILED:
            session.deps.narrate(failed_said(job.name, why))
            session.drop()
            going_on = _count(session, SessionEnd.JOB_FAILED)
        else:
            session.pass_over(job.name, Obstacle(why))
            session.undone = worse_of(session.undone, SessionEnd.SET_ASIDE)
            session.deps.narrate(f"{job.name} goes back to the queue because of {trouble.on('this machine')}: {why}")
            session.drop()
            going_on = NextState(session.between_jobs)
        if not has_started:
            session.unstarted.add(job.name)
        if len(session.unstarted) >= MOST_UNSTARTED and not session.stop_reason:
            return leave(session, SessionEnd.CANNOT_START)
        return going_on


def _count(session: "Session", ending: SessionEnd | None) -> NextState:
    """Go on after a job of those that were asked for."""
    session.jobs += 1
    session.worst = worse_of(session.worst, ending)
    if session.budget.are_enough(session.jobs):
        return leave(session, session.worst or SessionEnd.FINISHED)
    return NextState(session.between_jobs)


def end_with(session: "Session", end: JobEnd) -> NextState:
    """Have this end written with the next steps, and act at once on what does not depend on how that goes."""
    job = session.held_job
    if end.pass_over:
        session.pass_over(job.name, end.pass_over)
    if end.on_cpu:
        session.on_cpu.add(job.name)
    if end.has_vanished:
        session.deaths[job.name] += 1
    if end.says:
        session.deps.narrate(end.says)
    session.end_trainer(job)
    written = replace(end.written, words=job.spool.words()) if end.is_told else end.written
    return NextState(FinishJob(replace(end, written=written)))


def failed(session: "Session", failure: Failure) -> NextState:
    """Deal with a failure in the next steps."""
    session.end_trainer(session.held_job)
    return NextState(JudgeFailure(failure))


def wait_for(session: "Session", why: QcqueueError, now_s: float, state: SessionState) -> NextState:
    """Try again in a while what the store or the disk did not do, or leave."""
    job = session.held_job
    note_saving_waits(session, job, why, now_s)
    if not job.has_begun and (session.stop_reason or job.gave_up_on):
        session.drop()  # no step has been trained, so there is nothing to save and nobody to wait for
        session.gave_up_on = why
        return leave(session, session.stop_reason or SessionEnd.NOTHING_SAVED)
    if not session.is_waited_for(why, now_s):
        return leave_unsaved(session, why)
    return NextState(state, RETRY_S)


def note_saving_waits(session: "Session", job: JobRun, why: QcqueueError, now_s: float) -> None:
    """Say that saving waits, and stop training for what has not passed in a long time and cannot by itself."""
    narrate = session.deps.narrate
    job.waiting_for = why
    narrate(f"saving waits {RETRY_S:.0f} s: {why}")
    if session.patience.is_over(why, now_s) and not session.stop_reason and job.gave_up_on is None:
        job.gave_up_on, session.leaving_since_s = why, now_s
        narrate(f"nothing could be saved for {duration(CANNOT_PASS_S)}, and waiting does not help")
        if session.is_lent:
            narrate(f"this machine is kept {duration(LENT_S)} for you to mend it: {why.hint or why}")


def lost(session: "Session", lease_lost: LeaseLost) -> NextState:
    """Drop a job that is not this session's any more."""
    session.deps.narrate(str(lease_lost))
    session.drop(Part.LOST)
    if isinstance(lease_lost, JobWithdrawn):  # it counts as no job of this session: the next one gets the machine
        session.undone = worse_of(session.undone, SessionEnd.WITHDRAWN)
        return NextState(session.between_jobs)
    if session.budget.limits.jobs is None:  # whoever took this one away has left the others
        session.worst = worse_of(session.worst, SessionEnd.LEASE_LOST)
        return NextState(session.between_jobs)
    return leave(session, SessionEnd.LEASE_LOST)
