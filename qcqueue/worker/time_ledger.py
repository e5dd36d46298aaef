"""What a session's time goes into: every instant has one name, so the parts add up to the time held.

While the trainer runs its phase is the name, as it accounts for it itself; otherwise it is what the session does. What
lies between the claim of a job and its end is that attempt's, the rest the session's own. Training counts as such only
once it is saved: at the end of an attempt the rest is lost.
"""

from copy import copy

from qcqueue.clock import Clock
from qcqueue.core.goodput import Goodput, Part, Seconds, add, goodput_of, rename, total, with_rest
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.spool.files import TrainerProgress

Saving = tuple[TrainingRecord, list[EpochTiming]]
"""Where a run stands with a commit, and the epochs that come with it."""


class TimeLedger:
    """The ledger of one session. before: what its machine did until the session began."""

    def __init__(self, clock: Clock, before: Seconds) -> None:
        self._clock = clock
        self._own = add(before)
        self._attempt: dict[str, float] | None = None
        self._written: Seconds = {}
        self._ended: list[Seconds] = []
        self._part = Part.CONTENTION
        self._mark_s = clock.monotonic_s()
        self._trainer_since_s: float | None = None
        self._kept = SavedWork()

    def go_on_with(self, part: Part) -> None:
        """Name what the session does from now on, where no trainer runs."""
        self._settle(None)
        self._part = part

    def attempt_begins(self) -> None:
        self._settle(None)
        self._attempt, self._written, self._kept = {}, {}, SavedWork()

    def trainer_starts(self) -> None:
        self._settle(None)
        self._trainer_since_s = self._mark_s

    def trainer_ended(self, progress: TrainerProgress | None) -> None:
        """Take the trainer's own account of its time. What follows is the way of the last bytes to the store."""
        if self._trainer_since_s is not None:
            self._settle(progress)
            self._trainer_since_s = None
            self._part = Part.UPLOAD_TAIL

    def saved(self, record: TrainingRecord, epochs: list[EpochTiming], *, redone: list[EpochTiming]) -> None:
        """Note what was committed: where the run stands now, and the epochs that came with it."""
        self._kept.count(record, epochs, redone)

    def resumed(self, record: TrainingRecord | None) -> None:
        """Note where the attempt takes the run up: what is in its record was trained before."""
        self._kept.begin(record)

    def written(self, attempt: Seconds) -> None:
        """Note the account of the attempt that stands in the database now."""
        self._written = attempt

    def attempt_ends(self, rest: Part = Part.RELEASE) -> None:
        """Close the attempt's account. What follows is the session's own time.

        So is what came after the account of it that was written last, which nobody can add to any more: it is `rest`.
        """
        self._settle(None)
        unwritten_s = total(self._attempt or {}) - total(self._written)
        if unwritten_s > 0:
            self._own = add(self._own, {rest: unwritten_s})
        self._ended.append(self._written)
        self._attempt, self._part = None, Part.CONTENTION

    def whole(self) -> Goodput:
        """Return what all of the session's time went into until now, between its attempts and in those that ended."""
        return goodput_of([self.ledgers(None)[0], *self._ended])

    @property
    def has_worked(self) -> bool:
        """Whether an attempt has ended."""
        return bool(self._ended)

    def ledgers(
        self, progress: TrainerProgress | None, *, all_saved: bool = False, saving: Saving | None = None
    ) -> tuple[Seconds, Seconds]:
        """Return the accounts of now: the session's own, and the attempt's as it would stand if this were its end.

        all_saved: whether all that was trained is saved; if not, what is not counts as lost. saving: what is about to
        be committed together with these accounts.
        """
        own, attempt = self._up_to_now(progress)
        kept = copy(self._kept)
        if saving:
            kept.count(*saving, [])
        return _told(own), _told(kept.judged(attempt or {}, all_saved=all_saved))

    def _settle(self, progress: TrainerProgress | None) -> None:
        self._own, self._attempt = self._up_to_now(progress)
        self._mark_s = self._clock.monotonic_s()

    def _up_to_now(self, progress: TrainerProgress | None) -> tuple[dict[str, float], dict[str, float] | None]:
        since_s = self._mark_s if self._trainer_since_s is None else self._trainer_since_s
        spent_s = max(0.0, self._clock.monotonic_s() - since_s)
        spent: Seconds = {self._part.value: spent_s}
        if self._trainer_since_s is not None:
            spent = _of_trainer(progress, spent_s)
        if self._attempt is None:
            return add(self._own, spent), None
        return self._own, add(self._attempt, spent)


class SavedWork:
    """How much of an attempt's training and validation is saved, and how much had been saved once before."""

    def __init__(self) -> None:
        self._train_s = self._validate_s = self._redone_train_s = self._redone_validate_s = 0.0
        self._partial_s = self._began_with_s = 0.0

    def begin(self, record: TrainingRecord | None) -> None:
        self._began_with_s = self._partial_s = trained_s(record)

    def count(self, record: TrainingRecord, epochs: list[EpochTiming], redone: list[EpochTiming]) -> None:
        self._train_s += sum(epoch.steps_s for epoch in epochs)
        self._validate_s += sum(epoch.val_s for epoch in epochs)
        self._redone_train_s += sum(epoch.steps_s for epoch in redone)
        self._redone_validate_s += sum(epoch.val_s for epoch in redone)
        self._partial_s = trained_s(record)

    def judged(self, ledger: Seconds, *, all_saved: bool) -> dict[str, float]:
        """Return a ledger in which only what is saved for the first time is training or validation."""
        judged = add(ledger)
        if not all_saved:
            saved_s = self._train_s + self._partial_s - self._began_with_s
            for part, kept_s in ((Part.TRAIN, saved_s), (Part.VALIDATE, self._validate_s)):
                judged = rename(judged, part, Part.LOST, max(0.0, judged.get(part, 0.0) - kept_s))
        if self._redone_train_s:
            judged = rename(judged, Part.TRAIN, Part.REDONE, self._redone_train_s)
            judged = rename(judged, Part.VALIDATE, Part.REDONE, self._redone_validate_s)
        return judged


def _of_trainer(progress: TrainerProgress | None, spent_s: float) -> Seconds:
    """Return the trainer's own account, brought up to now: what it has not told yet belongs to its present phase."""
    told = progress.seconds if progress else {}
    if total(told) > spent_s:  # its clock and ours are read at different instants
        return {part: seconds * spent_s / total(told) for part, seconds in told.items()}
    return with_rest(told, spent_s, progress.phase.part if progress else Part.IMPORT)


def _told(ledger: Seconds) -> dict[str, float]:
    """Return a ledger without the parts that took no time."""
    return {part: seconds for part, seconds in ledger.items() if seconds}


def trained_s(record: TrainingRecord | None) -> float:
    """Return how long the epoch of a record was trained so far, without compiling."""
    return 0.0 if record is None else record.partial.train_s - sum(record.partial.first_steps_s)
