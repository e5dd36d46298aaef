"""One session: claim a job, start its trainer, keep what it hands over, leave with everything saved.

A session is a chain of small steps; `step` does one and says when the next is due. The loop around it belongs to
the caller, so a command drives one session on the real clock and a simulated world drives thousands on its own.
It leaves training to the trainer, bytes to the store, legality to the queue, and the commits of one job to its
`Attempt`. Always true: a store or database that does not answer delays commits and never stops training.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qcqueue.core.failure_policy import Fail, Hold, SetAside, UseTheCpu, remedy
from qcqueue.core.goodput import Part, session_said
from qcqueue.core.outcomes import Outcome, SessionEnd, Trouble, cause_of, worse_of
from qcqueue.core.records import TrainingRecord
from qcqueue.core.states import Event
from qcqueue.errors import (
    BlobMissing,
    DigestMismatch,
    JobWithdrawn,
    LeaseLost,
    MachineError,
    NewerQueue,
    OutcomeUnknown,
    QcqueueError,
    StoreBusy,
    StoreError,
    StorePutBack,
)
from qcqueue.planning.policies import Choice, first_clear
from qcqueue.queue.claim import begin_session, claim, claim_held_by, end_session, note_seen
from qcqueue.queue.sessions import SessionLine
from qcqueue.queue.values import AttemptEnd, Candidate, Claim, LiveAttempt
from qcqueue.spool.reader import Failure, Spool, TrainerProgress
from qcqueue.text.canonical_json import canonical_json
from qcqueue.text.humanize import duration
from qcqueue.worker.attempt import Attempt
from qcqueue.worker.checkpoint_tuner import CheckpointTuner
from qcqueue.worker.imagenet import ImageNet
from qcqueue.worker.job_choice import Chooser
from qcqueue.worker.machine import Machine
from qcqueue.worker.patience import CANNOT_PASS_S, HOPELESS_S, LENT_S, Patience, longest_s
from qcqueue.worker.progress_text import epoch_line, left_behind, left_unsaved, studies_foreseen, where_from
from qcqueue.worker.queue_scan import QueueScan, ScanResult
from qcqueue.worker.salvage import Estate
from qcqueue.worker.session_deps import SessionDeps
from qcqueue.worker.time_ledger import TimeLedger
from qcqueue.worker.trainer_exit import has_looked, has_stepped, how_it_ended, tried, why_not_again
from qcqueue.worker.view import Limits, Transfer, View

if TYPE_CHECKING:
    from sqlalchemy import Connection

SOON_S = 0.1
PACE_EVERY_S = 2.0
RETRY_S = 5.0
PATIENCE_S = 2.0

# After so many jobs that ended here before their first step the machine is believed, and not tried with a third.
MOST_UNSTARTED = 2


class Session:
    """One life of one machine that works. Call `step` until it returns None, then read `ending`."""

    def __init__(self, session_id: str, tools: SessionDeps, limits: Limits) -> None:
        self.id = session_id
        self.ending: SessionEnd | None = None
        self.obstacles: dict[str, str] = {}
        """Jobs that were passed over, with the reason, at the last look at the queue."""
        self.trouble: Trouble | None = None
        """What of this machine or of the store ended an attempt of this session last."""
        self.gave_up_on: QcqueueError | None = None
        """Why nothing could be saved any more, where that is why it left."""
        self.left_behind: str | None = None
        """What lies on this machine alone after it has left: "epochs 12 to 14 of JOB"."""
        self.asked_why: str | None = None
        """Who or what has asked it to leave, in words, where somebody did and said so."""
        self.busy: tuple[LiveAttempt, ...] = ()
        """Attempts of other sessions that were alive at the last look."""
        self.on_transfer: Callable[[], None] = lambda: None
        """Called after every piece of a transfer, which can take minutes within one step."""
        self._tools = tools
        self._limits = limits
        self._next: Callable[[], float | None] = self._arrive
        self._attempt: Attempt | None = None
        self._stop_reason: SessionEnd | None = None
        self._stop_asked_s = 0.0
        self._started_s = tools.clock.monotonic_s()
        self._beat_due_s = self._started_s
        self._retry_due_s = self._started_s
        self._pace_due_s = self._started_s
        self._worst: SessionEnd | None = None
        self._undone: SessionEnd | None = None
        self._unstarted = set[str]()
        self._has_trained = False
        self._epochs = 0
        self._epoch_s: float | None = None
        self._resumed: str | None = None
        self._waiting_for: QcqueueError | None = None
        self._patience = Patience()
        self._jobs = 0
        self._deaths = Counter[str]()
        self._heartbeat = ""
        self._transfer: Transfer | None = None
        self._writes_seen = 0
        self._may_hold = False
        self._has_begun = False
        self._keeps_weights = False
        self._chooser = Chooser(tools, limits, started_s=self._started_s)
        self._imagenet = ImageNet(tools, moved=self._moved, is_leaving=lambda: self.stopping)
        self._survey = QueueScan(session_id, tools, self._chooser, self._imagenet)
        self._estate = Estate(tools, attempt_on=self._attempt_on)
        self._choice: Choice | None = None
        self._hopeless: str | None = None
        self._on_cpu = set[str]()
        self._memory_kills = 0
        self._timeline = TimeLedger(tools.clock, tools.before)
        self._pace = CheckpointTuner(narrate=tools.narrate)

    def step(self) -> float | None:
        """Do one bounded piece of work; return the seconds until the next, or None when the session has ended.

        Raises: StoreError, CorruptionError: before a job is held, or when its bytes cannot be trusted.
        """
        if not self._heartbeat:
            return self._next()  # it has not come to work yet
        try:
            return self._next()
        except (NewerQueue, StorePutBack) as exc:
            return self._withdraw_from(exc)

    def ask_to_stop(self, reason: SessionEnd = SessionEnd.ASKED, *, why: str | None = None) -> None:
        """Save what there is and leave; returns at once, the next steps do it. why: who asked, for the story."""
        if self._stop_reason is None or (reason is SessionEnd.ASKED and self._stop_reason is not SessionEnd.ASKED):
            if reason is SessionEnd.ASKED or not self._is_leaving_the_job:
                self._stop_asked_s = self._tools.clock.monotonic_s()
            self._stop_reason, self.asked_why = reason, why

    @property
    def stopping(self) -> bool:
        """Whether the session has been asked to leave."""
        return self._stop_reason is not None

    def abandon(self, why: str | None = None) -> None:
        """Leave this instant, as if the plug were pulled; only what is committed remains. why: for the story."""
        if why and self._attempt:
            self._attempt.spool.note_left(why)
        self._tools.trainer.kill()
        self._tools.presence.let_go()

    def view(self) -> View | None:
        """Return what to show of the job at hand, or None between jobs."""
        if self._attempt is None:
            return None
        held = self._attempt.claim
        return View(
            job_name=held.job_name,
            attempt=held.attempt,
            resumed=self._resumed,
            progress=self._progress(),
            transfer=self._transfer,
            written=self._written(),
            saved=self._attempt.saved,
            waiting_for=self._waiting_for,
            epoch_s=self._epoch_s,
        )

    def _written(self) -> TrainingRecord | None:
        with contextlib.suppress(MachineError):
            return self._working().spool.newest_record()
        return None

    @property
    def machine(self) -> Machine:
        """Where this session runs."""
        return self._tools.machine

    @property
    def is_lent(self) -> bool:
        """Whether the machine is given for a time, and takes its disk along when it goes."""
        outlook = self._chooser.outlook
        return outlook is not None and outlook.lends_gpus

    @property
    def has_unsaved(self) -> bool:
        """Whether this machine's disk holds work of any session that is not committed: it would go with the machine."""
        return self._estate.has_unsaved

    # The chain: arrive -> look -> prepare -> watch -> settle -> look ... -> leave.

    def _arrive(self) -> float:
        tools = self._tools
        if not self._heartbeat:
            tools.presence.announce(self.id)
            self._heartbeat = tools.store.new_heartbeat(self.id)
        tools.database.transact(
            lambda tx: begin_session(
                tx,
                self.id,
                machine=tools.machine.id,
                host=tools.machine.host,
                processor=tools.machine.processor,
                heartbeat=self._heartbeat,
                profile=tools.profile.name,
                has_gpu=tools.machine.has_gpu,
                promised_until_s=self._promised_until_s(),
                now_s=tools.clock.now_s(),
            )
        )
        self._beat_now()
        return self._go(self._look)

    def _look(self) -> float | None:
        """Look for a job. Where one may be held, or was, a store that does not answer is waited for."""
        if not self._may_hold and (self._stop_reason or self._out_of_limits()):
            return self._leave(self._stop_reason or SessionEnd.LIMIT)
        try:
            return self._choose()
        except OutcomeUnknown as exc:  # perhaps it was the claim
            self._may_hold = True
            busy: QcqueueError = exc
        except StoreBusy as exc:
            if not (self._may_hold or self._timeline.has_worked):
                raise
            busy = exc
        except MachineError as exc:
            if not self._may_hold:
                raise
            busy = exc
        self._mind_the_deadline()
        if self._stop_reason and not self._is_waited_for(busy, self._tools.clock.monotonic_s()):
            self._leave_behind(self._stop_reason)  # perhaps a job is held; if so, its lease ends
            return None
        self._tools.narrate(f"asking again in {RETRY_S:.0f} s: {busy}")
        return RETRY_S

    def _choose(self) -> float | None:
        if self._may_hold:
            self._beat_now()
        seen = self._survey.look(is_first=not self._jobs)
        if seen.engine:  # its libraries load while the job is claimed
            self._tools.trainer.get_ready(seen.engine)
        self._timeline.go_on_with(Part.UPLOAD_TAIL)
        self._estate.salvage(seen)
        if seen.awaits_weights and not self._may_hold:
            self._timeline.go_on_with(Part.DOWNLOAD)
            return self._go(self._await_weights)
        self._timeline.go_on_with(Part.CONTENTION)
        self._beat_now()  # all this can have taken minutes, and a lease must not be born old
        held, sessions = self._tools.database.transact(lambda tx: self._take(tx, seen))
        self._pace.sessions_were(sessions)
        self._may_hold = False
        self._estate.clear(seen)
        self.obstacles = {name: why for name, why in seen.obstacles.items() if why}
        self.busy = seen.busy
        if held:
            self._tell_choice(held)
            self._timeline.attempt_begins()
            self._attempt = self._attempt_on(held, self._timeline)
            return self._go(self._prepare)
        if not seen.all_checked or seen.awaits_weights:  # a rival took the one that was clear
            return self._go(self._look)
        return self._leave(self._all_in_all())

    def _all_in_all(self) -> SessionEnd:
        """Return how a session leaves that has found nothing more to do."""
        if self._worst:
            return self._worst
        if self._unstarted and not self._has_trained:
            return SessionEnd.CANNOT_START
        return self._undone or (SessionEnd.FINISHED if self._jobs else SessionEnd.NOTHING_TO_DO)

    def _await_weights(self) -> float | None:
        """Wait for the trainer to have what the next job begins with: a download can take minutes."""
        self._mind_the_deadline()
        with contextlib.suppress(StoreError):  # nothing is held, so a beat that is not heard costs nothing
            self._beat(self._tools.clock.monotonic_s())
        if not self._stop_reason:
            self._imagenet.go_on()
            if self._imagenet.is_looking:
                return SOON_S
        return self._go(self._look)

    def _take(self, tx: "Connection", seen: ScanResult) -> tuple[Claim | None, tuple[SessionLine, ...]]:
        """Claim a job, unless one is held: whoever was not told what came of a claim may hold a job already."""
        held = claim_held_by(tx, self.id) or self._claim(tx, seen)
        if held:  # from here on its time is accounted for, should it vanish before the first commit
            own = canonical_json(self._timeline.ledgers(None)[0])
            note_seen(tx, self.id, self._tools.clock.now_s(), seconds=own)
        # What the choice rested on, made a moment ago in this very transaction unless the job was held already.
        seen_by_choice = self._chooser.outlook
        return held, seen_by_choice.sessions if held and seen_by_choice else ()

    def _claim(self, tx: "Connection", seen: ScanResult) -> Claim | None:
        return claim(
            tx,
            self.id,
            gone=seen.gone,
            seen=seen.seen,
            words=seen.words,
            choose=lambda jobs: self._best_of(tx, jobs, seen),
            why=lambda: self._choice.why if self._choice else "",
            now_s=self._tools.clock.now_s(),
        )

    def _best_of(self, tx: "Connection", jobs: Sequence[Candidate], seen: ScanResult) -> str | None:
        ranked = self._chooser.rank(tx, {job.name for job in jobs}, is_first=not self._jobs)
        self._choice = first_clear(ranked, seen.obstacles)
        return self._choice.job.name if self._choice else None

    def _tell_choice(self, held: Claim) -> None:
        if self._choice:
            basis = self._chooser.basis(held.job_name)
            known = f" ({basis})" if basis else "; nothing is known of its length"
            self._tools.narrate(f"takes {held.job_name}: {self._choice.why}{known}")

    def _prepare(self) -> float | None:
        self._mind_the_deadline()
        now_s = self._tools.clock.monotonic_s()
        try:
            self._beat(now_s)
            return self._stopped(self._stop_reason) if self._stop_reason else self._begin()
        except LeaseLost as exc:
            return self._lost(exc)
        except MachineError as exc:
            return self._failed(Failure(cause=cause_of(exc), message=str(exc)))
        except StoreError as exc:
            return self._waits_for(exc, now_s, self._prepare)

    def _begin(self) -> float | None:
        """Start the trainer, and bring it what it needs while it starts."""
        attempt = self._working()
        held = attempt.claim
        self._start_trainer(attempt.spool)
        try:
            order = attempt.order(
                threads=self._threads(held),
                max_epochs=self._epochs_left(),
                on_cpu=held.job_name in self._on_cpu,
            )
        except (BlobMissing, DigestMismatch) as exc:  # it will not come back while this session waits
            return self._failed(Failure(cause=cause_of(exc), message=str(exc)))
        if order.resumes:  # it builds its program while the state is on its way
            attempt.spool.open(order)
        restored = attempt.restore()
        for checkpoint, why in restored.damaged:
            self._tools.narrate(f"the save after epoch {checkpoint.record.epochs_done} is damaged: {why}")
        if order.resumes and restored.chosen is None:  # it was told to wait for a state, and there is none
            self._end_trainer()
        if restored.chosen is None:
            # It trains as soon as it is told to, so not before the attempt is known to be live.
            attempt.spool.open(replace(order, resumes=False))
            self._start_trainer(attempt.spool)
        attempt.spool.resume_with(restored.chosen.record if restored.chosen else None)
        attempt.foreseen = self._chooser.foresee(self.id)  # it is written down with the first save
        for said in studies_foreseen(attempt.foreseen):
            self._tools.narrate(said)
        self._resumed, self._waiting_for, self._has_begun = where_from(restored.chosen), None, True
        self._tools.narrate(f"{held.job_name}, attempt {held.attempt}: {self._resumed}")
        self._keeps_weights = held.keep_weights and held.spec.weights == "imagenet" and restored.chosen is None
        return self._go(self._after_tidying() if self._estate.is_tidy else self._tidy)

    def _start_trainer(self, spool: Spool) -> None:
        if self._tools.trainer.exit_code() is not None:
            spool.begin_anew()
            self._memory_kills = self._tools.memory_kills()
            self._tools.trainer.start(spool.folder)
            self._timeline.trainer_starts()

    def _end_trainer(self) -> None:
        self._tools.trainer.kill()
        self._timeline.trainer_ended(self._progress())

    def _progress(self) -> TrainerProgress | None:
        """Return where the trainer is, for accounts and screens: None also where the disk does not tell."""
        with contextlib.suppress(MachineError):
            return self._working().spool.progress()
        return None

    def _tidy(self) -> float | None:
        """Delete, once a session, what dead ones left in the store; the trainer is still busy with its libraries."""
        self._mind_the_limits(self._tools.clock.monotonic_s())
        try:
            self._estate.clear_store(lambda: self._moved(0, 0))
        except LeaseLost as exc:
            return self._lost(exc)
        except (StoreError, MachineError):  # what is left is left for the next session
            pass
        return self._go(self._after_tidying())

    def _after_tidying(self) -> Callable[[], float | None]:
        return self._keep_weights if self._keeps_weights else self._watch

    def _keep_weights(self) -> float | None:
        """Put the ImageNet weights of a job that begins into the store, where that is wanted; its trainer compiles."""
        self._mind_the_limits(self._tools.clock.monotonic_s())
        try:
            if not self._stop_reason:
                self._imagenet.keep(self._working().claim.spec)
        except LeaseLost as exc:
            return self._lost(exc)
        return self._go(self._watch)

    def _watch(self) -> float | None:
        now_s = self._tools.clock.monotonic_s()
        exit_code = self._tools.trainer.exit_code()
        try:
            if exit_code is not None:
                self._timeline.trainer_ended(self._working().spool.progress())
            self._beat(now_s)
            if now_s >= self._retry_due_s:
                self._collect(is_over=exit_code is not None)
                if exit_code is None:
                    self._working().spool.check_trainers_disk()
                self._waiting_for = None
                self._mind_the_pace(now_s)
                if exit_code is not None and not self._working().spool.holds_unsaved():
                    return self._settle(exit_code)
        except LeaseLost as exc:
            return self._lost(exc)
        except (StoreError, MachineError, DigestMismatch) as exc:
            # Training goes on; the spool keeps everything until the store answers again, or takes it whole.
            self._saving_waits(exc, now_s)
            self._retry_due_s = now_s + RETRY_S
            # A disk that takes nothing takes no last save either: a trainer that cannot make one is not waited for.
            may_still_save = exit_code is None and not (
                isinstance(exc, MachineError) and now_s >= self._stop_asked_s + HOPELESS_S
            )
            if not may_still_save and not self._is_waited_for(exc, now_s):
                self._leave_unsaved(exc)
                return None
        self._mind_the_limits(now_s)
        return SOON_S

    def _saving_waits(self, why: QcqueueError, now_s: float) -> None:
        """Say that saving waits, and stop training for what has not passed in a long time and cannot by itself."""
        self._waiting_for = why
        self._tools.narrate(f"saving waits {RETRY_S:.0f} s: {why}")
        if self._patience.is_over(why, now_s) and not self._stop_reason and self.gave_up_on is None:
            self.gave_up_on, self._stop_asked_s = why, now_s
            self._tools.narrate(f"nothing was saved for {duration(CANNOT_PASS_S)}, and that cannot pass by itself")
            if self.is_lent:
                self._tools.narrate(f"this machine is kept {duration(LENT_S)} for you to mend it: {why.hint or why}")

    def _is_waited_for(self, why: QcqueueError, now_s: float) -> bool:
        """Return whether to try on: for ever, unless the session is about to leave."""
        if not (self._stop_reason or self.gave_up_on):
            return True
        return now_s < self._stop_asked_s + longest_s(self._stop_reason, why, is_lent=self.is_lent)

    def _waits_for(self, why: QcqueueError, now_s: float, then: Callable[[], float | None]) -> float | None:
        """Try again in a while what the store or the disk did not do, or leave."""
        self._saving_waits(why, now_s)
        if not self._has_begun and (self._stop_reason or self.gave_up_on):
            self._drop()  # no step has been trained, so there is nothing to save and nobody to wait for
            self.gave_up_on = why
            return self._leave(self._stop_reason or SessionEnd.NOTHING_SAVED)
        if not self._is_waited_for(why, now_s):
            self._leave_unsaved(why)
            return None
        self._go(then)
        return RETRY_S

    def _settle(self, exit_code: int) -> float | None:
        """Give the job its outcome after its trainer has ended and everything it handed over is committed."""
        attempt = self._working()
        name = attempt.claim.job_name
        if attempt.finished:
            self._tools.narrate(f"{name} is done")
            return self._job_over(None)
        if refusal := attempt.spool.refusal():
            return self._refused(refusal)
        failure = attempt.spool.failure()
        if failure is None and not self._is_leaving_the_job and exit_code != 0:
            failure = why_not_again(
                exit_code,
                attempt.spool.last_line(),
                has_begun=has_looked(attempt.spool.progress()),
                ran_out_of_memory=self._tools.memory_kills() > self._memory_kills,
                deaths=self._deaths[name] + 1,
            )
        if failure:
            return self._failed(failure)
        if hopeless := self._hopeless:
            self._pass_over(hopeless)
            return self._end_with(_stopped(hopeless), lambda _: self._job_over(SessionEnd.NEAR_END), is_told=False)
        if self.gave_up_on and not self._stop_reason:  # all is saved after all, and the next look finds what is left
            return self._end_with(_stopped(f"saving had failed for long: {self.gave_up_on}"), self._go_on)
        if exit_code == 0 or self._stop_reason:
            return self._stopped(self._stop_reason or SessionEnd.LIMIT)
        how = how_it_ended(exit_code)
        self._deaths[name] += 1
        self._tools.narrate(f"the trainer vanished ({how}); going on from the last save")
        return self._end_with(AttemptEnd(event=Event.INTERRUPTED, why=f"the trainer vanished ({how})"), self._go_on)

    @property
    def _is_leaving_the_job(self) -> bool:
        """Whether its trainer is to save and end, whatever for."""
        return bool(self._stop_reason or self._hopeless or self.gave_up_on)

    def _end_with(self, end: AttemptEnd, then: Callable[[Outcome], float | None], *, is_told: bool = True) -> float:
        """Write this very end of the attempt with the next steps, until that is answered, whatever has come since.

        is_told: whether what the trainer said last belongs to it, as where the attempt did not go well.
        """
        self._end_trainer()
        whole = replace(end, words=self._working().spool.words()) if is_told else end
        return self._go(lambda: self._write_end(whole, then))

    def _write_end(self, end: AttemptEnd, then: Callable[[Outcome], float | None]) -> float | None:
        self._mind_the_deadline()
        now_s = self._tools.clock.monotonic_s()
        try:
            self._beat(now_s)
            outcome = self._working().end(end)
        except LeaseLost as exc:
            return self._lost(exc)
        except (StoreError, MachineError) as exc:
            return self._waits_for(exc, now_s, lambda: self._write_end(end, then))
        return then(outcome)

    def _go_on(self, _: Outcome) -> float:
        """Part with the job and look for what is next; that may be this one again."""
        self._drop()
        return self._go(self._look)

    def _leave(self, ending: SessionEnd) -> float:
        """Leave with the next step, apart from the work of this one: its errors are not those of a job."""
        self._tools.trainer.kill()
        self._timeline.go_on_with(Part.IDLE if ending is SessionEnd.NOTHING_TO_DO else Part.RELEASE)
        return self._go(lambda: self._part(ending))

    def _leave_unsaved(self, why: QcqueueError) -> None:
        """Leave what nobody takes where it lies, and say what it is."""
        attempt = self._working()
        self.gave_up_on = why
        with contextlib.suppress(MachineError):  # a disk that does not even tell what it holds
            written = attempt.spool.newest_record()
            if attempt.spool.holds_unsaved():
                self.left_behind = left_unsaved(attempt.claim.job_name, attempt.saved, written)
                is_lost = self.is_lent and self._stop_reason is not SessionEnd.ASKED
                self._tools.narrate(left_behind(self.left_behind, is_lost=is_lost))
        self._leave_behind(SessionEnd.UNSAVED if self._stop_reason is SessionEnd.ASKED else SessionEnd.NOTHING_SAVED)

    def _leave_behind(self, ending: SessionEnd) -> None:
        """Leave as the death of this process would: the spool stays, for whoever inherits it on this machine."""
        self._tools.trainer.kill()
        self._attempt = None
        self._tools.presence.let_go()
        self.ending = ending

    def _withdraw_from(self, why: NewerQueue | StorePutBack) -> float:
        """Leave a queue in which nothing can be saved from here, until somebody upgrades or says what is to hold."""
        if not self._stop_reason:
            self._stop_asked_s = self._tools.clock.monotonic_s()
        self._stop_reason, self._waiting_for = _ending_of(why), why
        return self._go(lambda: self._withdraw(why))

    def _withdraw(self, why: NewerQueue | StorePutBack) -> float | None:
        """Wait until the trainer has handed over what it trained, then leave that where it lies."""
        tools, attempt, now_s = self._tools, self._attempt, self._tools.clock.monotonic_s()
        if attempt and attempt.spool.folder.is_dir() and tools.trainer.exit_code() is None:
            with contextlib.suppress(StoreError, MachineError):  # until then the job should not seem to be free
                self._beat_in_time(now_s)
            self._ask_trainer_to_leave(attempt.spool, now_s)
            return SOON_S
        tools.trainer.kill()
        self._leave_behind(_ending_of(why))
        if isinstance(why, NewerQueue):
            unsaved = "what was not saved waits on this machine" if self.has_unsaved else "everything is saved"
            tools.narrate(
                f"the queue was raised to format {why.found} by a newer qcqueue; {unsaved}: "
                f"{why.hint}, then qcqueue work"
            )
        else:
            kept = (
                "what was not saved stays on this machine"
                if self.has_unsaved
                else "nothing unsaved is left on this machine"
            )
            tools.narrate(f"{why}; {kept}. To go on with the older copy, and give up what is newer: {why.hint}")
        return None

    def _part(self, ending: SessionEnd) -> None:
        tools, seconds = self._tools, self._timeline.ledgers(None)[0]
        if self._timeline.has_worked:
            tools.narrate(session_said(self._timeline.whole()))
        # Nothing is held any more, so a goodbye that is not heard, or not understood, costs nothing.
        with contextlib.suppress(StoreError, MachineError, NewerQueue, StorePutBack):
            tools.database.transact(
                lambda tx: end_session(tx, self.id, how=ending, seconds=seconds, now_s=tools.clock.now_s())
            )
            tools.store.forget_heartbeat(self._heartbeat)
        tools.presence.leave(self.id)
        self.ending = ending

    # What the chain is made of.

    def _go(self, then: Callable[[], float | None]) -> float:
        self._next = then
        return 0.0

    def _working(self) -> Attempt:
        assert self._attempt is not None, "this step belongs to an attempt"
        return self._attempt

    def _attempt_on(self, held: Claim, timeline: TimeLedger | None = None) -> Attempt:
        return Attempt(
            held,
            spool=self._estate.spool(held.session_id, held.attempt),
            store=self._tools.store,
            database=self._tools.database,
            clock=self._tools.clock,
            cache=self._tools.cache,
            moved=self._moved,
            timeline=timeline,
        )

    def _moved(self, moved_bytes: int, size_bytes: int) -> None:
        """A transfer can take longer than a lease, so the heart beats meanwhile, and whoever looks is shown."""
        self._transfer = None if moved_bytes == size_bytes else Transfer(moved_bytes=moved_bytes, size_bytes=size_bytes)
        with contextlib.suppress(StoreError):
            self._beat(self._tools.clock.monotonic_s())
        self.on_transfer()

    def _drop(self, rest: Part = Part.RELEASE) -> None:
        """Part with the attempt. rest: what the time after its last write went into."""
        if self._has_come_to_a_step():
            self._has_trained = True
            self._unstarted.clear()
        self._end_trainer()
        self._timeline.attempt_ends(rest)
        self._working().spool.close()
        self._attempt = None
        self._writes_seen = 0
        self._pace.forget_the_job()
        self._hopeless = self.gave_up_on = None
        self._has_begun = False
        self._epoch_s = self._resumed = self._waiting_for = None

    def _has_come_to_a_step(self) -> bool:
        return self._working().has_saved or has_stepped(self._progress())

    def _job_over(self, ending: SessionEnd | None) -> float | None:
        self._drop()
        self._jobs += 1
        self._worst = worse_of(self._worst, ending)
        if self._limits.jobs is not None and self._jobs >= self._limits.jobs:
            return self._leave(self._worst or SessionEnd.FINISHED)
        return self._go(self._look)

    def _stopped(self, ending: SessionEnd) -> float:
        def leave(_: Outcome) -> float:
            self._drop()
            return self._leave(self._stop_reason or ending)  # a person may have asked for it since

        return self._end_with(_stopped(self.asked_why or str(ending)), leave, is_told=False)

    def _refused(self, why: str) -> float:
        """Give back a job that may not go on on this machine, and do not take it again."""
        self._pass_over(why)
        self._tools.narrate(f"{self._working().claim.job_name} waits for another machine: {why}")
        return self._end_with(_stopped(why), self._go_on)

    def _pass_over(self, why: str) -> None:
        """Take the job no more: this machine, or this session, is not the one for it."""
        name = self._working().claim.job_name
        self._survey.pass_over(name, why)
        self.obstacles[name] = why

    def _failed(self, failure: Failure) -> float:
        """Deal with a failure in the next steps: until it is told what came of that, it must not try the job again."""
        self._end_trainer()
        return self._go(lambda: self._remedied(failure))

    def _remedied(self, failure: Failure) -> float | None:
        """Do what the spec allows about a failure.

        It goes on on the CPU, is held for a person, goes back to the queue for another machine, or fails.
        """
        attempt, now_s = self._working(), self._tools.clock.monotonic_s()
        name, message, on_cpu = attempt.claim.job_name, failure.message, attempt.claim.job_name in self._on_cpu
        try:
            lacked_memory = failure.cause is Trouble.MEMORY and attempt.lacked_memory_before()
        except (StoreError, MachineError) as exc:
            return self._waits_for(exc, now_s, lambda: self._remedied(failure))
        where = tried(
            attempt.claim,
            self._tools.machine,
            on_cpu=on_cpu,
            is_lent=self.is_lent,
            has_saved=attempt.has_saved,
            lacked_memory=lacked_memory,
        )
        trouble = failure.cause if isinstance(failure.cause, Trouble) else None
        match remedy(failure.cause, message, attempt.claim.spec, where):
            case UseTheCpu(why):
                self._on_cpu.add(name)
                self._tools.narrate(f"{name}: {why}")
                return self._end_with(_stopped(why, trouble), self._go_on)
            case Hold(why):
                # It counts as no job of this session: the next one gets the machine.
                self._worst = worse_of(self._worst, SessionEnd.JOB_HELD)
                self._tools.narrate(f"{name} is held: {why}")
                return self._end_with(AttemptEnd(event=Event.HELD, why=why, trouble=trouble), self._go_on)
            case Fail():
                assert not isinstance(failure.cause, Trouble), "a trouble is no failure of a job"
                end = AttemptEnd(event=Event.FAILED, why=message, cause=failure.cause)
                return self._end_with(end, lambda _: self._job_failed(message))
            case SetAside(trouble):
                event = Event.STOPPED if trouble is Trouble.STORE else Event.INTERRUPTED
                end = AttemptEnd(event=event, why=message, trouble=trouble)
                return self._end_with(end, lambda outcome: self._set_aside(trouble, message, outcome))

    def _job_failed(self, why: str) -> float | None:
        self._tools.narrate(f"{self._working().claim.job_name} failed: {why}")
        return self._job_over(SessionEnd.JOB_FAILED)

    def _set_aside(self, trouble: Trouble, why: str, outcome: Outcome) -> float | None:
        """Go on with the next job after a trouble of this machine or of the store, if any job can start here."""
        name = self._working().claim.job_name
        self.trouble = trouble
        has_started = trouble is Trouble.STORE or self._has_come_to_a_step()
        if outcome is Outcome.FAILED:
            going_on = self._job_failed(why)
        else:
            self._pass_over(why)
            self._undone = worse_of(self._undone, SessionEnd.SET_ASIDE)
            self._tools.narrate(f"{name} goes back to the queue because of {trouble.on('this machine')}: {why}")
            going_on = self._go_on(outcome)
        if not has_started:
            self._unstarted.add(name)
        if len(self._unstarted) >= MOST_UNSTARTED and not self._stop_reason:
            return self._leave(SessionEnd.CANNOT_START)
        return going_on

    def _lost(self, lease_lost: LeaseLost) -> float | None:
        self._tools.narrate(str(lease_lost))
        self._drop(Part.LOST)
        if isinstance(lease_lost, JobWithdrawn):  # it counts as no job of this session: the next one gets the machine
            self._undone = worse_of(self._undone, SessionEnd.WITHDRAWN)
            return self._go(self._look)
        if self._limits.jobs is None:  # whoever took this one away has left the others
            self._worst = worse_of(self._worst, SessionEnd.LEASE_LOST)
            return self._go(self._look)
        return self._leave(SessionEnd.LEASE_LOST)

    def _beat(self, now_s: float) -> None:
        if self._beat_in_time(now_s) and self._attempt and not self._attempt.ending:
            self._check_live(self._attempt)

    def _beat_in_time(self, now_s: float) -> bool:
        """Let the heart beat if it is time; return whether it was."""
        if now_s < self._beat_due_s:
            return False
        self._beat_now()
        return True

    def _beat_now(self) -> None:
        self._beat_due_s = self._tools.clock.monotonic_s() + self._tools.lease.beat_every_s
        self._tools.store.beat(self._heartbeat)
        self._estate.beat()

    def _check_live(self, attempt: Attempt) -> None:
        """Ask whether the job is still ours, unless the database has agreed to a write since the last time."""
        if attempt.writes == self._writes_seen:
            attempt.check_live()
        self._writes_seen = attempt.writes

    def _collect(self, *, is_over: bool) -> None:
        attempt = self._working()
        attempt.collect(is_over=is_over)
        if self._patience.is_counting and not attempt.spool.holds_unsaved():
            self._patience.saved()
        for epoch in attempt.take_news():
            self._patience.saved()
            self._epochs += 1
            del self._deaths[attempt.claim.job_name]
            self._epoch_s = epoch.timing.train_s + epoch.timing.val_s
            self._tools.narrate(epoch_line(attempt.claim.spec, epoch.metrics, self._epoch_s))
            self._pace.validated(epoch.timing.val_s)

    def _mind_the_pace(self, now_s: float) -> None:
        if now_s >= self._pace_due_s:
            self._pace_due_s = now_s + PACE_EVERY_S
            attempt = self._working()
            self._pace.mind(attempt.spool, lag_s=attempt.lag_s)
            attempt.pace = self._pace.numbers()
            self._mind_the_end(attempt)

    def _mind_the_end(self, attempt: Attempt) -> None:
        """Let the job go, everything saved, where what comes next would hardly be saved before the likely end.

        Whoever has saved nothing yet goes on whatever the chances: so a session that is long enough for one save makes
        it, however wrong it is about its end.
        """
        progress = attempt.spool.progress()
        if progress is None or not attempt.has_saved or self._is_leaving_the_job:
            return
        verdict = self._chooser.verdict(self._pace, progress)
        if verdict and not verdict.is_worth_it:
            self._hopeless, self._stop_asked_s = verdict.reason, self._tools.clock.monotonic_s()
            self._tools.narrate(verdict.reason)

    def _mind_the_limits(self, now_s: float) -> None:
        self._mind_the_deadline()
        if self._is_leaving_the_job:
            self._ask_trainer_to_leave(self._working().spool, now_s)

    def _ask_trainer_to_leave(self, spool: Spool, now_s: float) -> None:
        """Have the trainer save and end, at once where there is nothing to save."""
        with contextlib.suppress(MachineError):  # asked again with the next step
            spool.ask_to_stop()
        if now_s >= self._stop_asked_s + PATIENCE_S and self._has_nothing_to_lose(spool):
            self._tools.trainer.kill()

    def _has_nothing_to_lose(self, spool: Spool) -> bool:
        """Return whether the trainer need not be waited for: all it trained is handed over, whole."""
        try:
            progress = spool.progress()
        except MachineError:
            return False
        if progress is None:
            return True
        return not (progress.phase.makes_steps or progress.unsaved)

    def _mind_the_deadline(self) -> None:
        deadline_s = self._deadline_s()
        if deadline_s is not None and self._tools.clock.monotonic_s() >= deadline_s:
            self.ask_to_stop(SessionEnd.LIMIT)

    def _deadline_s(self) -> float | None:
        """Return when to leave: early enough for the last save to reach the store."""
        given = [it for it in (self._limits.max_minutes, self._limits.promised_minutes) if it is not None]
        if not given:
            return None
        allowed_s, lag_s = min(given) * 60, (self._attempt.lag_s if self._attempt else None) or 0.0
        return self._started_s + allowed_s - min(lag_s, allowed_s / 2)

    def _promised_until_s(self) -> float | None:
        minutes = self._limits.promised_minutes
        return None if minutes is None else self._tools.clock.now_s() + minutes * 60

    def _epochs_left(self) -> int | None:
        return None if self._limits.max_epochs is None else self._limits.max_epochs - self._epochs

    def _out_of_limits(self) -> bool:
        deadline_s = self._deadline_s()
        return self._epochs_left() == 0 or (deadline_s is not None and self._tools.clock.monotonic_s() >= deadline_s)

    def _threads(self, held: Claim) -> int:
        """Return the thread count the run began with: another one would change its bits."""
        newest = held.checkpoints[0].record if held.checkpoints else None
        return newest.identity.threads if newest else self._tools.machine.threads


def _stopped(why: str, trouble: Trouble | None = None) -> AttemptEnd:
    return AttemptEnd(event=Event.STOPPED, why=why, trouble=trouble)


def _ending_of(why: NewerQueue | StorePutBack) -> SessionEnd:
    return SessionEnd.NEWER_QUEUE if isinstance(why, NewerQueue) else SessionEnd.PUT_BACK
