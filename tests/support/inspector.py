"""The inspector of one world: runs every invariant at every commit, and looks over the trainer's shoulder.

It owns the independent connection to the database and remembers the rows of the last commit and of every claim.
A violation is raised where it happens, so the event that caused it is the last one of the log.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from qcqueue.checkpoints.format import files_of, head_in
from qcqueue.spool.writer import TrainerSpool
from tests.support.invariants import INVARIANTS, is_usable
from tests.support.ledger import Ledger, Violation
from tests.support.rows import Reader, Rows

NOTHING = Rows(
    jobs={}, attempts={}, epochs={}, checkpoints={}, results={}, history={}, datasets=(), packs={}, places={}
)


# What the story calls it when a session ends its own attempt.
ENDS = {"finished", "stopped", "interrupted", "held", "failed"}


class Inspector:
    """Judges one world. checked counts how often each invariant was evaluated."""

    def __init__(self, database: Path, ledger: Ledger) -> None:
        self.rows = NOTHING
        self.checked: Counter[str] = Counter()
        self._reader = Reader(database)
        self._ledger = ledger
        self._at_claim: dict[tuple[str, int], Rows] = {}
        self._blamed_alone: dict[str, str] = {}

    def look(self) -> None:
        """Compare the database and the store of now with those of the last look. Raises: Violation."""
        before, now = self.rows, self._reader.news() or self.rows
        for invariant in INVARIANTS:
            self.checked[invariant.__name__] += 1
            for wrong in invariant(before, now, self._ledger):
                raise Violation(f"{invariant.__name__}: {wrong}")
        self._look_at_machines(before, now)
        for attempt in now.attempts.values():
            if attempt.id not in before.attempts:
                self._at_claim[now.jobs[attempt.job_id].name, attempt.number] = now
        self.rows = now

    def _look_at_machines(self, before: Rows, now: Rows) -> None:
        """One machine cannot fail two jobs: on its word alone one may fail, and another only once it has trained."""
        self.checked["one_machine_cannot_fail_two_jobs"] += 1
        for row_id in now.epochs.keys() - before.epochs.keys():
            session_id = now.attempts[now.epochs[row_id].attempt_id].session_id
            self._blamed_alone.pop(self._ledger.machine_of[session_id], None)
        for job in now.jobs.values():
            if job.failure_cause != "code_error" or before.jobs.get(job.id) == job:
                continue
            machines = {self._ledger.machine_of[session_id] for session_id in self._ledger.blamed_by(job.name)}
            if len(machines) == 1:
                (machine,) = machines
                first = self._blamed_alone.setdefault(machine, job.name)
                if first != job.name:
                    raise Violation(f"{first} and {job.name} failed on the word of {machine} alone")

    def run_taken_up(self, session_id: str, spool: TrainerSpool) -> None:
        """6 and 8. A new attempt takes up the newest usable save of before its claim, byte for byte."""
        self.checked["a_new_attempt_takes_up_the_newest_save"] += 1
        order = spool.order.read()
        assert order is not None, "a trainer takes up what it was ordered to"
        rows = self._at_claim[order.spec.full_name, order.attempt]
        job = next(job for job in rows.jobs.values() if job.name == order.spec.full_name)
        taken, packs = _digest(head_in(spool.resumed_folder)), _digests(files_of(spool.resumed_folder)[:-1])
        if _digest(order.dataset_path) not in rows.datasets and not self._was_flipped(order.dataset_path, session_id):
            raise Violation(f"{job.name} is to be trained on other bytes than its dataset")
        for row in rows.kept(job.id):
            if row.state_sha256 == taken:
                named = rows.packs.get(row.id, ())
                if packs != [pack.sha256 for pack in named if pack.part == "state"] or _digests(_best_files(spool)) != [
                    pack.sha256 for pack in named if pack.part == "best"
                ]:
                    raise Violation(f"{job.name} was given other files than those of {row}")
                return
            if is_usable(rows, row, self._ledger):
                raise Violation(f"{job.name} took up {taken} though {row} is whole")
        if taken:
            raise Violation(f"{job.name} took up {taken}, which was not kept at its claim")

    def session_left(self, session_id: str, ending: str) -> None:
        """A session says that it lost its job only when someone else ended its last attempt.

        So one that saved everything, and was not told that it had, never says so.
        """
        self.checked["only_who_lost_a_job_says_so"] += 1
        if ending != "lost its job":
            return
        mine = [row for row in self.rows.attempts.values() if row.session_id == session_id][-1]
        own = (mine.job_id, mine.number, session_id)
        said = {line.what for line in self.rows.history.values() if (line.job_id, line.attempt, line.who) == own}
        if mine.outcome is None or said & ENDS:
            raise Violation(f"{session_id} says it {ending}, and its attempt is {mine.outcome or 'live'} by itself")

    def _was_flipped(self, cached: Path, session_id: str) -> bool:
        """Return whether the world damaged the file after the session could have looked at it."""
        return self._ledger.cache_flipped_s.get(cached, -1.0) >= self._ledger.trainer_began_s[session_id]

    def close(self) -> None:
        self._reader.close()


def _best_files(spool: TrainerSpool) -> tuple[Path, ...]:
    resumed = spool.resumed()
    best = resumed.record.best_epoch if resumed else None
    return () if best is None else spool.best_files(best)


def _digests(paths: Iterable[Path]) -> list[str | None]:
    return [_digest(path) for path in paths]


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
