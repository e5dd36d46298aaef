"""Bugs to plant, one function each, and in which worlds the simulation must find them.

A harness that never caught anything proves nothing. Every entry replaces one function of qcqueue by one that is
wrong in a way people really write it. A world always goes the same way while the code stays the same, so the first
world that finds a bug is written down with it; when a change of qcqueue turns that world another way, the others
are asked.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, select

from qcqueue.checkpoints import packs as packing
from qcqueue.checkpoints.format import SUFFIX, files_of, holds_model
from qcqueue.core.failure_policy import Fault
from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.records import Tensors
from qcqueue.core.states import State
from qcqueue.database.schema import attempts, blobs, jobs, packs
from qcqueue.errors import BlobMissing, StoreError
from qcqueue.queue import attempts as attempt_writes
from qcqueue.queue import checkpoints, final_weights
from qcqueue.queue import claim as claims
from qcqueue.queue.attempts import Committed, Live
from qcqueue.queue.blobs import BLOB, blob_of
from qcqueue.queue.checkpoints import KeptCheckpoint
from qcqueue.queue.values import AttemptEnd, Checkpoint, Claim, LiveAttempt
from qcqueue.spool.files import Failure, SpoolEntry
from qcqueue.spool.reader import Spool, TakenState
from qcqueue.spool.whole import link_files
from qcqueue.spool.writer import SpoolWriter
from qcqueue.stores.base import Blob
from qcqueue.stores.folder import FolderStore, file_name
from qcqueue.worker import committer, download, look_states, queue_scan, session
from tests.support import trainer
from tests.support.runs import tensors_of

FIRST_SEED = 10_000
"""Not among the worlds of the everyday run, so that both mean something."""

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, the world known to find it, and the number of worlds that must be enough to find it otherwise."""

    plant: Plant
    found_in: int
    """The first seed, from `FIRST_SEED` on, that found the bug when this was written; to be updated with the code."""
    found_within: int
    """Several times the worlds it took when the bug was planted."""
    shares_packs: bool = False
    """Whether the bug can hurt only where jobs share packs, see `share_packs`."""

    def worlds(self) -> list[int]:
        """Return the seeds to look in, the most promising first."""
        others = range(FIRST_SEED, FIRST_SEED + self.found_within)
        return [self.found_in, *(seed for seed in others if seed != self.found_in)]


def drop_the_fence(patch: pytest.MonkeyPatch) -> None:
    """A session writes without asking whether its attempt is still the live one."""

    def no_check(tx: Connection, held: Claim) -> Live:
        row = tx.execute(
            select(attempts.c.id, attempts.c.job_id)
            .join_from(attempts, jobs)
            .where(jobs.c.name == held.job_name, attempts.c.number == held.attempt)
        ).one()
        return Live(row.id, row.job_id)

    patch.setattr(attempt_writes, "check_live", no_check)


def name_blobs_before_they_are_stored(patch: pytest.MonkeyPatch) -> None:
    """The upload of a state is left for later, and the commit names what is not there yet."""
    really_put = FolderStore.put

    def put(self: FolderStore, source: Path, **others: Any) -> Blob:
        if source.suffix != SUFFIX:
            return really_put(self, source, **others)
        data = Path(str(source)).read_bytes()
        return Blob(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), place=self._ids.new())

    patch.setattr(FolderStore, "put", put)


def write_blobs_in_place(patch: pytest.MonkeyPatch) -> None:
    """A blob is written under its final name, without a temporary one, so a cut leaves half of it there."""

    def put(self: FolderStore, source: Path, **_: Any) -> Blob:
        data = Path(str(source)).read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        blob = Blob(sha256=sha256, size_bytes=len(data), place=self._ids.new())
        with source.open("rb") as reading, (self.root / "blobs" / file_name(blob)).open("wb") as writing:
            while chunk := reading.read(1 << 20):
                writing.write(chunk)
        return blob

    patch.setattr(FolderStore, "put", put)


def keep_only_the_newest(patch: pytest.MonkeyPatch) -> None:
    """Retention saves space at the cost of the second chance."""

    def newest(kept: Sequence[KeptCheckpoint]) -> set[int]:
        return {row.id for row in kept if row.state_sha256 == kept[0].state_sha256}

    patch.setattr(committer, "keep_last_two", newest)


def free_what_is_needed_only_as_the_best(patch: pytest.MonkeyPatch) -> None:
    """Retention asks which states name a pack, and not whose best model it is."""
    retire = checkpoints._retire

    def careless(tx: Connection, rows: Sequence[Any]) -> tuple[Blob, ...]:
        freed = retire(tx, rows)
        of_a_state = select(packs.c.sha256).where(packs.c.part == "state")
        only_best = select(*BLOB).where(blobs.c.sha256.in_(select(packs.c.sha256)), blobs.c.sha256.not_in(of_a_state))
        return (*freed, *(blob_of(row) for row in tx.execute(only_best) if rows))

    patch.setattr(checkpoints, "_retire", careless)


def bury_without_evidence(patch: pytest.MonkeyPatch) -> None:
    """Whoever holds a job is taken for dead."""
    patch.setattr(queue_scan.QueueScan, "_why_gone", lambda *_: "nobody asked")


def trust_ones_own_clock(patch: pytest.MonkeyPatch) -> None:
    """The age of a heartbeat is judged by the clock of the session that asks."""

    def why_gone(self: queue_scan.QueueScan, live: LiveAttempt, dead: frozenset[str]) -> str | None:
        heartbeat = Path(self._deps.store.url.removeprefix("folder:")) / "heartbeats" / live.session_id
        with contextlib.suppress(FileNotFoundError):
            age_s = self._deps.clock.now_s() - heartbeat.stat().st_mtime
            return f"no heartbeat for {age_s:.0f} s" if age_s > self._deps.lease.ttl_s else None
        return "it left no heartbeat"

    patch.setattr(queue_scan.QueueScan, "_why_gone", why_gone)


def resume_without_looking(patch: pytest.MonkeyPatch) -> None:
    """What the store holds under a name is taken for what the name says."""

    def fetch(self: FolderStore, blob: Blob, target: Path, **_: Any) -> None:
        if not (path := self.root / "blobs" / file_name(blob)).exists():
            raise BlobMissing
        target.write_bytes(path.read_bytes())

    patch.setattr(FolderStore, "fetch", fetch)


def resume_from_the_oldest(patch: pytest.MonkeyPatch) -> None:
    """The kept saves are taken in the wrong order."""
    resumable = checkpoints.resumable

    def reversed_order(tx: Connection, job_id: int, live: Mapping[str, Blob]) -> tuple[Checkpoint, ...]:
        return tuple(reversed(resumable(tx, job_id, live)))

    patch.setattr(claims, "resumable", reversed_order)


def leave_old_rows_official(patch: pytest.MonkeyPatch) -> None:
    """Epochs whose state is lost keep their official rows when an earlier save is taken up."""

    def resume(tx: Connection, held: Claim, chosen: Checkpoint | None, **_: Any) -> tuple[Blob, ...]:
        attempt_writes.check_live(tx, held)
        return ()

    patch.setattr(attempt_writes, "resume", resume)


def claim_what_is_running(patch: pytest.MonkeyPatch) -> None:
    """A claim looks at all jobs that are not over, whoever holds them, and ends the attempt of the other."""
    take = claims.claim

    def claim(tx: Connection, session_id: str, *, gone: Mapping[tuple[str, int], str], **others: Any) -> Claim | None:
        held = select(jobs.c.name, attempts.c.number).join_from(jobs, attempts).where(jobs.c.state == State.RUNNING)
        everyone = {(row.name, row.number): "taken over" for row in tx.execute(held)}
        return take(tx, session_id, gone=everyone, **others)

    patch.setattr(look_states, "claim", claim)


def clear_the_spool_first(patch: pytest.MonkeyPatch) -> None:
    """What the trainer handed over is removed before it is committed, and a busy database loses it."""
    commit = committer.Committer._commit

    def forgetful(
        self: committer.Committer, held: TakenState | None, entries: list[SpoolEntry], *, is_over: bool
    ) -> None:
        try:
            commit(self, held, entries, is_over=is_over)
        except StoreError:
            for entry in entries:
                self.spool.remove(entry)
            if held:
                self.spool.release(held)
            raise

    patch.setattr(committer.Committer, "_commit", forgetful)


def forget_the_best(patch: pytest.MonkeyPatch) -> None:
    """A resumed run does not get back the model of its best epoch, and calls its last epoch the best."""
    bring = download._bring

    def without_best(checkpoint: Checkpoint, spool: Spool, fetch: download.Fetch) -> None:
        bring(checkpoint, spool, fetch)
        if (best := checkpoint.record.best_epoch) is not None:
            model = [path for path in files_of(spool.resumed_folder) if holds_model(path)]
            link_files(model, spool.best_folder(best))

    patch.setattr(download, "_bring", without_best)


def say_done_too_soon(patch: pytest.MonkeyPatch) -> None:
    """A job is called done by its last epoch, before its final evaluation is committed."""
    commit = attempt_writes.commit_progress

    def eager(tx: Connection, held: Claim, items: Sequence[Any], **others: Any) -> Committed:
        committed = commit(tx, held, items, **others)
        if items[-1].record.epochs_done == held.spec.epochs:
            attempt_writes.stop(tx, held, why="all epochs are done", now_s=others["now_s"])
            tx.execute(jobs.update().where(jobs.c.name == held.job_name).values(state=State.DONE))
        return committed

    patch.setattr(attempt_writes, "commit_progress", eager)


def ignore_ctrl_c(patch: pytest.MonkeyPatch) -> None:
    """The trainer is told to stop only if one runs at the very moment of asking."""
    mind = session.Session.mind_the_limits

    def deaf(self: session.Session, now_s: float) -> None:
        if self.stop_reason is None:
            mind(self, now_s)

    patch.setattr(session.Session, "mind_the_limits", deaf)


def take_back_what_is_taken(patch: pytest.MonkeyPatch) -> None:
    """The trainer removes every older state when a newer one is whole, also the one its session is bringing away."""
    write = SpoolWriter._write_state

    def greedy(self: SpoolWriter, number: int, *others: Any) -> None:
        write(self, number, *others)
        for entry in self._spool.waiting():
            if entry.kind == "state" and entry.number < number:
                self._spool.remove(entry)

    patch.setattr(SpoolWriter, "_write_state", greedy)


def ignore_that_a_shared_pack_is_gone(patch: pytest.MonkeyPatch) -> None:
    """A session does not listen when a commit is refused because a pack it shares was retired meanwhile."""
    commit = attempt_writes.commit_progress

    def deaf(*arguments: Any, **others: Any) -> Committed:
        return replace(commit(*arguments, **others), missing=frozenset())

    patch.setattr(attempt_writes, "commit_progress", deaf)


def count_on_what_was_seen_at_the_claim(patch: pytest.MonkeyPatch) -> None:
    """A commit takes a pack for stored that was named when the job was claimed, whatever has come of it since."""
    commit = attempt_writes.commit_progress

    def trusting(tx: Connection, held: Claim, items: Any, *, stored: AbstractSet[str], **others: Any) -> Committed:
        return commit(tx, held, items, stored={*stored, *held.packs}, **others)

    patch.setattr(attempt_writes, "commit_progress", trusting)


def share_packs(patch: pytest.MonkeyPatch) -> None:
    """No bug: let jobs share packs, as those on one frozen base do, and let these come and go."""

    def with_a_base(state: bytes) -> Tensors:
        return {**tensors_of(state), "m/00001": np.full(32, state[0] % 3, np.uint8)}

    patch.setattr(trainer, "tensors_of", with_a_base)
    patch.setattr(packing, "PACK_BYTES", 32)


def train_on_another_machine(patch: pytest.MonkeyPatch) -> None:
    """A run goes on wherever it finds itself, though its spec refuses any change."""
    patch.setattr(trainer, "refusal", lambda *_: None)


def believe_one_machine_alone(patch: pytest.MonkeyPatch) -> None:
    """What ends twice in a way that nobody can explain has failed, though it was one machine that said so each time."""

    def is_of_the_job(fault: Fault, earlier: Collection[Fault], **_: bool) -> bool:
        return any(other.session_id != fault.session_id for other in earlier)

    patch.setattr(attempt_writes, "is_of_the_job", is_of_the_job)


def believe_one_session_alone(patch: pytest.MonkeyPatch) -> None:
    """What ends once in a way that nobody can explain has failed."""
    patch.setattr(attempt_writes, "is_of_the_job", lambda *_, **__: True)


def blame_the_job_for_its_machine(patch: pytest.MonkeyPatch) -> None:
    """A full disk and a broken library are told from a fault of the program by nobody."""
    really = Failure.from_json

    def from_json(value: dict[str, Any]) -> Failure:
        return replace(really(value), cause=Cause.CODE_ERROR)

    patch.setattr(Failure, "from_json", from_json)


def say_the_end_in_other_words_each_time(patch: pytest.MonkeyPatch) -> None:
    """The end of an attempt is told anew after a lost answer, so nobody knows it again."""
    really, tries = attempt_writes.end, itertools.count()

    def end(tx: Connection, held: Claim, how: AttemptEnd, *, now_s: float) -> Outcome:
        return really(tx, held, replace(how, why=f"{how.why}, at {next(tries)}"), now_s=now_s)

    patch.setattr(attempt_writes, "end", end)


def keep_the_best_model_twice(patch: pytest.MonkeyPatch) -> None:
    """A job that is done keeps its best model in the place of its last one too."""
    newest = final_weights._newest

    def mistaken(tx: Connection, job_id: int, live: Mapping[str, Blob]) -> tuple[Checkpoint | None, tuple[Blob, ...]]:
        found, _ = newest(tx, job_id, live)
        return found, found.best if found else ()

    patch.setattr(final_weights, "_newest", mistaken)


BUGS: tuple[Bug, ...] = (
    Bug(drop_the_fence, found_in=10_002, found_within=20),
    Bug(name_blobs_before_they_are_stored, found_in=10_000, found_within=10),
    Bug(write_blobs_in_place, found_in=10_006, found_within=60),
    Bug(keep_only_the_newest, found_in=10_000, found_within=10),
    Bug(free_what_is_needed_only_as_the_best, found_in=10_000, found_within=10),
    Bug(bury_without_evidence, found_in=10_000, found_within=20),
    Bug(trust_ones_own_clock, found_in=10_002, found_within=20),
    Bug(resume_without_looking, found_in=10_003, found_within=20),
    Bug(resume_from_the_oldest, found_in=10_000, found_within=20),
    Bug(leave_old_rows_official, found_in=10_003, found_within=40),
    Bug(claim_what_is_running, found_in=10_000, found_within=20),
    Bug(clear_the_spool_first, found_in=10_149, found_within=200),
    Bug(forget_the_best, found_in=10_000, found_within=20),
    Bug(say_done_too_soon, found_in=10_000, found_within=10),
    Bug(ignore_ctrl_c, found_in=10_001, found_within=100),
    Bug(take_back_what_is_taken, found_in=10_109, found_within=500),
    Bug(ignore_that_a_shared_pack_is_gone, found_in=10_012, found_within=100, shares_packs=True),
    Bug(count_on_what_was_seen_at_the_claim, found_in=10_095, found_within=300, shares_packs=True),
    Bug(train_on_another_machine, found_in=10_000, found_within=100),
    Bug(believe_one_machine_alone, found_in=10_238, found_within=300),
    Bug(believe_one_session_alone, found_in=10_002, found_within=40),
    Bug(blame_the_job_for_its_machine, found_in=10_002, found_within=40),
    Bug(keep_the_best_model_twice, found_in=10_000, found_within=20),
    Bug(say_the_end_in_other_words_each_time, found_in=10_006, found_within=100),
)
