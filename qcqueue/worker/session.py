"""One session: claim a job, start its trainer, keep what it hands over, leave with everything saved.

A session is a chain of small steps; `step` does one and says when the next is due. The loop around it belongs to
the caller, so a command drives one session on the real clock and a simulated world drives thousands on its own. What a
step does is its state's affair: `look_states`, `job_states`, `leave_states`. Here is what they share, and how a session
is seen and asked to leave from outside. It leaves training to the trainer, bytes to the store and legality to the
queue.
"""

import contextlib
from collections import Counter
from collections.abc import Callable

from qcqueue.core.goodput import Part
from qcqueue.core.obstacles import Obstacle, by_lack
from qcqueue.core.outcomes import SessionEnd, Trouble
from qcqueue.errors import NOTHING_CAN_BE_SAVED, NewerQueue, QcqueueError, QueueMoved, StoreError, StorePutBack
from qcqueue.queue.values import Claim, LiveAttempt
from qcqueue.worker.budget import Budget, Limits
from qcqueue.worker.checkpoint_tuner import CheckpointTuner
from qcqueue.worker.committer import Committer
from qcqueue.worker.heartbeat import Heartbeat
from qcqueue.worker.imagenet import ImageNet
from qcqueue.worker.job_choice import Chooser
from qcqueue.worker.job_run import PATIENCE_S, JobRun
from qcqueue.worker.leave_states import NextState, SessionState, Withdraw, withdrawn
from qcqueue.worker.look_states import Arrive, LookForJob
from qcqueue.worker.machine import Machine
from qcqueue.worker.patience import Patience, longest_s
from qcqueue.worker.queue_scan import QueueScan
from qcqueue.worker.salvage import Salvage
from qcqueue.worker.session_deps import SessionDeps
from qcqueue.worker.time_ledger import TimeLedger
from qcqueue.worker.view import Transfer, View

# However rarely the heart beats, who holds a job waits for a minute at most: some machines are told in no other way. It
# can take twice as long as this, for a write in between is taken for the answer to the question that was due.
LIVE_EVERY_S = 25.0


class Session:
    """One life of one machine that works. Call `step` until it returns None, then read `ending`."""

    def __init__(self, session_id: str, deps: SessionDeps, limits: Limits) -> None:
        self.id = session_id
        self.ending: SessionEnd | None = None
        self.obstacles: dict[str, Obstacle] = {}
        """Jobs that were passed over, with the reason, at the last look at the queue."""
        self.trouble: Trouble | None = None
        """What of this machine or of the store ended an attempt of this session last."""
        self.gave_up_on: QcqueueError | None = None
        """Why nothing could be saved any more, where that is why it left."""
        self.left_behind: str | None = None
        """What lies on this machine alone after it has left: "epochs 12 to 14 of JOB"."""
        self.stop_reason: SessionEnd | None = None
        """Why it is to leave, None where it is not."""
        self.asked_why: str | None = None
        """Who or what has asked it to leave, in words, where somebody did and said so."""
        self.busy: tuple[LiveAttempt, ...] = ()
        """Attempts of other sessions that were alive at the last look."""
        self.on_transfer: Callable[[], None] = lambda: None
        """Called after every piece of a transfer, which can take minutes within one step."""

        # What its states share.
        self.deps = deps
        self.state: SessionState = Arrive()
        self.between_jobs: SessionState = LookForJob()
        self.job: JobRun | None = None
        self.budget = Budget(limits, deps.clock.monotonic_s())
        self.heartbeat = Heartbeat(deps.store, every_s=deps.lease.beat_every_s)
        self.ledger = TimeLedger(deps.clock, deps.before)
        self.patience = Patience()
        self.chooser = Chooser(deps, self.budget)
        self.imagenet = ImageNet(deps, moved=self.moved, is_leaving=lambda: self.stopping)
        self.scan = QueueScan(session_id, deps, self.chooser, self.imagenet)
        self.salvage = Salvage(deps, self.heartbeat, committer_of=self._committer_of)
        self.leaving_since_s = 0.0
        """Since when it is leaving its job, or altogether."""
        self._live_due_s = 0.0
        self.jobs = 0
        """How many of the jobs that were asked for are over."""
        self.epochs = 0
        self.deaths = Counter[str]()
        """How often in a row trainers of a job have vanished, by its name."""
        self.on_cpu = set[str]()
        """Jobs that go on on the CPU."""
        self.worst: SessionEnd | None = None
        self.undone: SessionEnd | None = None
        """The worst of how those jobs ended, and of why others were left to somebody else."""
        self.unstarted = set[str]()
        """Jobs that ended here before their first step, since one came to a step."""
        self.has_trained = False
        """Whether a job of it came to a step, and is no longer held."""

    def step(self) -> float | None:
        """Do one bounded piece of work; return the seconds until the next, or None when the session has ended.

        Raises: StoreError, CorruptionError: before a job is held, or when its bytes cannot be trusted.
        """
        has_come = bool(self.heartbeat.names)
        try:
            following = self.state.step(self)
        except NOTHING_CAN_BE_SAVED as exc:
            if not has_come:
                raise
            following = self._withdraw_from(exc)
        if following.state is None:
            return None
        self.state = following.state
        return following.wait_s

    def ask_to_stop(self, reason: SessionEnd = SessionEnd.ASKED, *, why: str | None = None) -> None:
        """Save what there is and leave; returns at once, the next steps do it. why: who asked, for the story."""
        if self.stop_reason is None or (reason is SessionEnd.ASKED and self.stop_reason is not SessionEnd.ASKED):
            if reason is SessionEnd.ASKED or not self.is_leaving_the_job:
                self.leaving_since_s = self.deps.clock.monotonic_s()
            self.stop_reason, self.asked_why = reason, why

    @property
    def stopping(self) -> bool:
        """Whether the session has been asked to leave."""
        return self.stop_reason is not None

    def abandon(self, why: str | None = None) -> None:
        """Leave this instant, as if the plug were pulled; only what is committed remains. why: for the story."""
        if why and self.job:
            self.job.spool.note_left(why)
        self.deps.trainer.kill()
        self.deps.locks.let_go()

    @property
    def found_nothing(self) -> bool:
        """Whether it has left because no job was there for this machine, which nothing is wrong with."""
        has_met = self.ending is SessionEnd.CANNOT_START and self.trouble is None
        return has_met or self.ending is SessionEnd.NOTHING_TO_DO

    def view(self) -> View | None:
        """Return what to show of the job at hand, or None between jobs."""
        return self.job.view(self.chooser.after(self.job.name)) if self.job else None

    @property
    def machine(self) -> Machine:
        """Where this session runs."""
        return self.deps.machine

    @property
    def is_lent(self) -> bool:
        """Whether the machine is given for a time, and takes its disk along when it goes."""
        return self.chooser.is_lent

    @property
    def has_unsaved(self) -> bool:
        """Whether this machine's disk holds work of any session that is not committed: it would go with the machine."""
        return self.salvage.has_unsaved

    # What its states ask of it.

    @property
    def held_job(self) -> JobRun:
        assert self.job is not None, "this state belongs to a job"
        return self.job

    @property
    def is_leaving_the_job(self) -> bool:
        """Whether its trainer is to save and end, whatever for."""
        return bool(self.stop_reason or (self.job and (self.job.hopeless or self.job.gave_up_on)))

    @property
    def is_spent(self) -> bool:
        """Whether its limits let it begin nothing any more."""
        return self.budget.is_spent(self.deps.clock.monotonic_s(), epochs_done=self.epochs, lag_s=self._lag_s)

    def all_in_all(self) -> SessionEnd:
        """Return how a session leaves that has found nothing more to do."""
        if self.worst:
            return self.worst
        if self.unstarted and not self.has_trained:
            return SessionEnd.CANNOT_START
        if self.undone or self.jobs:
            return self.undone or SessionEnd.FINISHED
        return SessionEnd.CANNOT_START if by_lack(self.obstacles) else SessionEnd.NOTHING_TO_DO

    def begin(self, claim: Claim) -> None:
        """Take up a job that was claimed."""
        self.ledger.attempt_begins()
        # What the choice rested on, made a moment ago in the transaction of the claim, unless the job was held already.
        sessions = self.chooser.ranking.stats.sessions if self.chooser.ranking else ()
        tuner = CheckpointTuner(narrate=self.deps.narrate, sessions=sessions)
        self.job = JobRun(committer=self._committer_of(claim, self.ledger), tuner=tuner)
        self._live_due_s = self.deps.clock.monotonic_s() + LIVE_EVERY_S

    def drop(self, rest: Part = Part.RELEASE) -> None:
        """Part with the job. rest: what the time after its last write went into."""
        job = self.held_job
        if job.has_come_to_a_step:
            self.has_trained = True
            self.unstarted.clear()
        self.end_trainer(job)
        self.ledger.attempt_ends(rest)
        job.spool.close()
        self.job = None

    def pass_over(self, job_name: str, obstacle: Obstacle) -> None:
        """Take a job no more: this machine, or this session, is not the one for it."""
        self.scan.pass_over(job_name, obstacle)
        self.obstacles[job_name] = obstacle

    def start_trainer(self, job: JobRun) -> None:
        if self.deps.trainer.exit_code() is not None:
            job.spool.begin_anew()
            job.memory_kills = self.deps.memory_kills()
            self.deps.trainer.start(job.spool.folder)
            self.ledger.trainer_starts()

    def end_trainer(self, job: JobRun) -> None:
        self.deps.trainer.end()
        self.ledger.trainer_ended(job.progress())

    def beat(self, now_s: float) -> None:
        """Let the heart beat if it is time, and ask then, or once that is due, whether the job is still ours.

        Raises: LeaseLost.
        """
        has_beaten = self.heartbeat.beat_if_due(now_s)
        if self.job and (has_beaten or now_s >= self._live_due_s):
            self._live_due_s = now_s + LIVE_EVERY_S
            self.job.check_live()

    def moved(self, moved_bytes: int, size_bytes: int) -> None:
        """A transfer can take longer than a lease, so the heart beats meanwhile, and whoever looks is shown."""
        if self.job:
            is_whole = moved_bytes == size_bytes
            self.job.transfer = None if is_whole else Transfer(moved_bytes=moved_bytes, size_bytes=size_bytes)
        with contextlib.suppress(StoreError):
            self.beat(self.deps.clock.monotonic_s())
        self.on_transfer()

    def mind_the_deadline(self) -> None:
        if self.budget.is_over(self.deps.clock.monotonic_s(), lag_s=self._lag_s):
            self.ask_to_stop(SessionEnd.LIMIT)

    def mind_the_limits(self, now_s: float) -> None:
        """Have the trainer leave where the time is up, or anything else wants the end."""
        self.mind_the_deadline()
        if self.is_leaving_the_job:
            self.ask_trainer_to_leave(self.held_job, now_s)

    def ask_trainer_to_leave(self, job: JobRun, now_s: float) -> None:
        """Have the trainer save and end, at once where there is nothing to save."""
        job.ask_to_leave()
        if now_s >= self.leaving_since_s + PATIENCE_S and job.has_nothing_to_lose():
            self.deps.trainer.end()

    def is_waited_for(self, why: QcqueueError, now_s: float) -> bool:
        """Return whether to try on: for ever, unless the session is about to leave."""
        if not (self.stop_reason or (self.job and self.job.gave_up_on)):
            return True
        return now_s < self.leaving_since_s + longest_s(self.stop_reason, why, is_lent=self.is_lent)

    @property
    def _lag_s(self) -> float | None:
        return self.job.committer.lag_s if self.job else None

    def _committer_of(self, held: Claim, ledger: TimeLedger | None = None) -> Committer:
        return Committer(
            held,
            spool=self.salvage.spool(held.session_id, held.attempt),
            store=self.deps.store,
            database=self.deps.database,
            clock=self.deps.clock,
            moved=self.moved,
            ledger=ledger,
        )

    def _withdraw_from(self, why: NewerQueue | StorePutBack | QueueMoved) -> NextState:
        """Leave a queue in which nothing can be saved from here."""
        if not self.stop_reason:
            self.leaving_since_s = self.deps.clock.monotonic_s()
        self.stop_reason = withdrawn(why)
        if self.job:
            self.job.waiting_for = why
        return NextState(Withdraw(why))
