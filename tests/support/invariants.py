"""What must always be true (DESIGN section 7), one function an invariant, judged on plain rows and plain files.

Each function gets the rows before and after one commit and the `Ledger` of what truly happened, and yields a
sentence for everything that is wrong. They know nothing of the code under test: they read with their own SQL,
hash the store's files themselves and recompute runs from their specs.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator

from qcqueue.core.records import EpochMetrics, Identity, history_sha256
from qcqueue.core.spec import JobSpec
from qcqueue.stores.files import INCOMING
from tests.support.ledger import Ledger
from tests.support.rows import CheckpointRow, EpochRow, JobRow, Rows
from tests.support.runs import PAPER_MODEL_BYTES, uninterrupted

Invariant = Callable[[Rows, Rows, Ledger], Iterator[str]]


def no_saved_epoch_is_lost(before: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """1. An official epoch stays official, unless the world damaged every state that holds it."""
    for job in before.jobs.values():
        saved, left = len(before.official(job.id)), len(now.official(job.id))
        if left >= saved:
            continue
        for row in before.kept(job.id):
            if row.epochs_done > left and is_usable(before, row, ledger):
                yield f"{job.name} fell from epoch {saved} to {left} though the save after {row.epochs_done} is whole"


def only_damage_is_called_damage(before: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """1. A save is given up only when its bytes, or those of its best epoch, are really gone."""
    for old in before.checkpoints.values():
        if old.status == "kept" and now.checkpoints[old.id].status == "damaged" and is_usable(before, old, ledger):
            yield f"{old} was called damaged and is whole"


def no_epoch_counts_twice(_: Rows, now: Rows, __: Ledger) -> Iterator[str]:
    """2. Official epochs are 1..k without gap or twin, and k is where the newest kept save stands."""
    for job in now.jobs.values():
        numbers = [row.epoch for row in now.official(job.id)]
        kept = now.kept(job.id)
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the official epochs of {job.name} are {numbers}"
        if len(numbers) != (kept[0].epochs_done if kept else 0):
            yield f"{job.name} has {len(numbers)} official epochs, and its newest save is another: {kept[:1]}"


def one_live_attempt_a_job(_: Rows, now: Rows, __: Ledger) -> Iterator[str]:
    """3. A job is running exactly when one attempt on it is live."""
    live = Counter(row.job_id for row in now.attempts.values() if row.outcome is None)
    for job in now.jobs.values():
        if live[job.id] != (job.state == "running"):
            yield f"{job.name} is {job.state} with {live[job.id]} live attempts"


def no_owner_has_too_many_running(_: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """An owner has no more jobs running than is settled; what is anybody's counts as one owner's."""
    running = Counter(job.owner for job in now.jobs.values() if job.state == "running")
    for owner, number in running.items():
        if ledger.max_running is not None and number > ledger.max_running:
            yield f"{owner} has {number} jobs running, and {ledger.max_running} are allowed"


def attempt_numbers_only_rise(before: Rows, now: Rows, _: Ledger) -> Iterator[str]:
    """4. A new attempt has a higher number than every one before it; an old one keeps its number and its end."""
    highest = Counter[int]()
    for row in before.attempts.values():
        highest[row.job_id] = max(highest[row.job_id], row.number)
        same = now.attempts.get(row.id)
        if same is None or same[:4] != row[:4] or (row.outcome and same.outcome != row.outcome):
            yield f"{row} became {same}"
    for row in now.attempts.values():
        if row.id not in before.attempts and row.number <= highest[row.job_id]:
            yield f"{row} was numbered after {highest[row.job_id]}"


def the_fenced_change_nothing(before: Rows, now: Rows, _: Ledger) -> Iterator[str]:
    """5. Once an attempt has ended, no row is added in its name; history is demoted only under a live attempt."""
    ended = {row.id for row in before.attempts.values() if row.outcome}
    for mine, theirs in ((now.epochs, before.epochs), (now.checkpoints, before.checkpoints)):
        for row_id in mine.keys() - theirs.keys():
            if mine[row_id].attempt_id in ended:
                yield f"{mine[row_id]} was written by an attempt that had ended"
    for job_id in now.results.keys() - before.results.keys():
        if now.results[job_id].attempt_id in ended:
            yield f"a result of {now.jobs[job_id].name} was written by an attempt that had ended"
    yield from _rewritten(before, now)


def commits_name_whole_blobs(_: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """7 and 15. Whatever a kept save, a result or a dataset names is in the store, whole."""
    named = {sha256 for row in now.checkpoints.values() if row.status == "kept" for sha256 in now.files(row)}
    named |= {row.predictions_sha256 for row in now.results.values()} | set(now.datasets)
    for sha256 in sorted(named):
        if not ledger.is_sound(sha256, now.places[sha256]):
            yield f"blob {sha256[:12]} is named and not whole in the store"


def no_half_file_has_a_name(_: Rows, __: Rows, ledger: Ledger) -> Iterator[str]:
    """9. A file in the store that is not marked as incoming has all its bytes."""
    for name in ledger.names_in_store():
        sha256, place = (*name.split(".", 1), "")[:2]
        if not name.startswith(INCOMING) and not ledger.is_sound(sha256, place):
            yield f"the file {name[:12]} in the store is not whole"


def only_the_gone_are_buried(before: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """12. A session takes a job from another only when that one is dead or silent by the store's clock."""
    holders = {(row.job_id, row.number): row.session_id for row in now.attempts.values()}
    for line in now.history.values():
        if line.id in before.history or line.what != "interrupted":
            continue
        holder = holders[line.job_id or 0, line.attempt or 0]
        neighbour = ledger.machine_of[holder] == ledger.machine_of[line.who]
        dead = holder in ledger.gone and (neighbour or holder in ledger.silenced)
        if line.who == holder or dead or ledger.lease_had_ended(holder, ledger.step_began_s[line.who]):
            continue
        yield f"{line.who} buried {holder}, which was alive and had beaten {ledger.beats[holder][-3:]}"


def clean_up_spares_what_is_needed(before: Rows, now: Rows, _: Ledger) -> Iterator[str]:
    """15. Of a job that is not done the last two states are never retired, and each names the model of its best epoch.

    Nothing is retired of one that is done, after the commit that made it so.
    """
    for job in now.jobs.values():
        was_kept = [row for row in now.checkpoints.values() if row.job_id == job.id and _is_in_play(before, row)]
        last = list(dict.fromkeys(row.state_sha256 for row in reversed(was_kept)))[:2]
        may_go = job.id in now.results.keys() - before.results.keys()
        for row in was_kept:
            if row.status == "retired" and row.state_sha256 in last and not may_go:
                yield f"{row} of {job.name} was retired and is still needed"
            if row.status == "kept" and row.epochs_done and not now.best(row):
                yield f"{row} of {job.name} names no best model, and could not be finished from"


def a_done_job_keeps_its_weights(before: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """15. With its result a job keeps the models of its best and last epochs to the bit, in one save of nothing else.

    Where its machine could not make that, it keeps all that it had.
    """
    for job_id in now.results.keys() - before.results.keys():
        name, result, kept = now.jobs[job_id].name, json.loads(now.results[job_id].result), now.kept(job_id)
        if len(kept) != 1 and kept != before.kept(job_id):
            yield f"{name} is done and keeps some of its states: {kept}"
        for part, which in (("state", "last"), ("best", "best")):
            pack = next(pack.sha256 for pack in now.packs[kept[0].id] if pack.part == part)
            if ledger.is_ruined(pack, now.places[pack]):
                continue
            # The first tensor of a paper model is all of it that is trained, and ends the first of its files.
            tensor = ledger.bytes_in_store(pack, now.places[pack])[-PAPER_MODEL_BYTES:]
            if hashlib.sha256(tensor).hexdigest() != result[which]["weights_sha256"]:
                yield f"what {name} keeps as the model of its {which} epoch is another one"


def same_bits_or_a_new_lineage(before: Rows, now: Rows, _: Ledger) -> Iterator[str]:
    """16. Every epoch and result of the first lineage equals that of a run nothing happened to."""
    for row in now.epochs.values():
        if row.id not in before.epochs and row.lineage == 1:
            run = uninterrupted(_spec(now.jobs[row.job_id]), _identity(row))
            if run.history[row.epoch - 1] != _metrics(row):
                yield f"epoch {row.epoch} of {now.jobs[row.job_id].name} has other bits: {_metrics(row)}"
    for row in now.epochs.values():
        if row.id not in before.epochs and row.official and row.epoch > 1:
            earlier = now.official(row.job_id)[row.epoch - 2]
            if earlier.identity != row.identity and earlier.lineage >= row.lineage:
                yield f"epoch {row.epoch} of {now.jobs[row.job_id].name} changed its machine and not its lineage"


def a_bound_run_stays_what_it_is(before: Rows, now: Rows, _: Ledger) -> Iterator[str]:
    """16. Under "refuse" nothing of a second lineage is committed; under "same" nothing of another processor."""
    for row in now.epochs.values():
        if row.id in before.epochs or not row.official:
            continue
        job, first = now.jobs[row.job_id], now.official(row.job_id)[0]
        policy = _spec(job).lineage
        if policy == "refuse" and row.lineage > 1:
            yield f"epoch {row.epoch} of {job.name}, which refuses others, is of lineage {row.lineage}"
        if policy == "same" and _identity(row).processor != _identity(first).processor:
            yield f"epoch {row.epoch} of {job.name}, which wants one processor, is of {row.identity}"


def done_means_evaluated(before: Rows, now: Rows, _: Ledger) -> Iterator[str]:
    """17. A job is done exactly when its result is committed, and the result belongs to its official epochs."""
    for job in now.jobs.values():
        if (job.state == "done") != (job.id in now.results):
            yield f"{job.name} is {job.state} and has {'a' if job.id in now.results else 'no'} result"
    for job_id in now.results.keys() - before.results.keys():
        result, epochs = json.loads(now.results[job_id].result), now.official(job_id)
        if result["history_sha256"] != history_sha256([_metrics(row) for row in epochs]):
            yield f"the result of {now.jobs[job_id].name} is of another history"
        run = uninterrupted(_spec(now.jobs[job_id]), _identity(epochs[0]))
        if epochs[-1].lineage == 1 and json.loads(json.dumps(run.result.to_json())) != result:
            yield f"the result of {now.jobs[job_id].name} has other bits"


def only_final_causes_fail_a_job(before: Rows, now: Rows, ledger: Ledger) -> Iterator[str]:
    """A job fails only for what is its own: no interruption, no disk and no store fails one, and no single session."""
    for job in now.jobs.values():
        if job.state != "failed" or (job.id in before.jobs and before.jobs[job.id].state == "failed"):
            continue
        if job.failure_cause == "code_error" and len(ledger.blamed_by(job.name)) >= 2:
            continue
        if (job.name, job.failure_cause) not in ledger.excuses:
            yield f"{job.name} failed without a cause: {job.failure_cause}, {job.failure_message}"


INVARIANTS: tuple[Invariant, ...] = (
    no_saved_epoch_is_lost,
    only_damage_is_called_damage,
    no_epoch_counts_twice,
    one_live_attempt_a_job,
    no_owner_has_too_many_running,
    attempt_numbers_only_rise,
    the_fenced_change_nothing,
    commits_name_whole_blobs,
    no_half_file_has_a_name,
    only_the_gone_are_buried,
    clean_up_spares_what_is_needed,
    a_done_job_keeps_its_weights,
    same_bits_or_a_new_lineage,
    a_bound_run_stays_what_it_is,
    done_means_evaluated,
    only_final_causes_fail_a_job,
)


def is_usable(rows: Rows, row: CheckpointRow, ledger: Ledger) -> bool:
    """Return whether a run can be taken up here and brought to its end: all its files are undamaged."""
    return not any(ledger.is_ruined(sha256, rows.places[sha256]) for sha256 in rows.files(row))


def _is_in_play(before: Rows, row: CheckpointRow) -> bool:
    """Return whether the row was kept until this commit, or is new with it."""
    old = before.checkpoints.get(row.id)
    return row.status != "damaged" and (old is None or old.status == "kept")


def _rewritten(before: Rows, now: Rows) -> Iterator[str]:
    for old in before.epochs.values():
        new = now.epochs[old.id]
        if new == old:
            continue
        if new._replace(official=1) != old or before.live(old.job_id) is None:
            yield f"{old} became {new}"
    for was in before.checkpoints.values():
        now_is = now.checkpoints[was.id]
        if now_is != was and (now_is[:-1] != was[:-1] or was.status != "kept" or before.live(was.job_id) is None):
            yield f"{was} became {now_is}"


def _spec(job: JobRow) -> JobSpec:
    return JobSpec.from_json(json.loads(job.spec))


def _identity(row: EpochRow) -> Identity:
    return Identity.from_json(json.loads(row.identity))


def _metrics(row: EpochRow) -> EpochMetrics:
    return EpochMetrics(**{name: getattr(row, name) for name in EpochMetrics.__slots__})
