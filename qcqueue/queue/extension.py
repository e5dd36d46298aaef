"""Training a done job on: a new job that begins with its whole state, as if it had had more epochs from the start.

The new job has the epochs of the old one as its own, under an attempt that says where they are from, so it is read,
resumed and reported like any other, and stays when the old one is removed. Always true: what can be extended would have
come to these very epochs with more of them ahead, so the bits are those of one run.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from qcqueue.core.outcomes import Outcome
from qcqueue.core.spec import KEYS, JobSpec
from qcqueue.core.states import State
from qcqueue.database.rows import next_id, vouch_for_ended, vouched_rows
from qcqueue.database.schema import attempts, checkpoints, epochs, jobs, results
from qcqueue.errors import NameTaken, UserError
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.checkpoints import NewCheckpoint, resumable, write
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.final_weights import keeps_weights_only
from qcqueue.queue.history import record_event
from qcqueue.queue.job_detail import official_epochs
from qcqueue.queue.jobs import find_job
from qcqueue.queue.numbers import give_number
from qcqueue.queue.stored import spec_of
from qcqueue.queue.values import Checkpoint
from qcqueue.text.canonical_json import canonical_json
from qcqueue.text.fields import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A job that trains another one on, after so many epochs. is_new: false where it was in the queue already."""

    name: str
    of: str
    epochs_done: int
    is_new: bool


def extend(
    tx: Connection, typed: str, epochs_wanted: int, *, owner: str | None = None, who: str, now_s: float
) -> Extension:
    """Enqueue a job that trains a done one on to so many epochs; it keeps its state when it is done, too.

    owner: whose the new job is; where nobody is named, it is that of the old one.

    Raises: UnknownName. UserError: the job is not done, keeps its weights alone, stopped early or has as many epochs,
    or its dataset is another one now. NameTaken: a job of the new name has other settings.
    """
    job = find_job(tx, typed)
    spec = spec_of(job.spec)
    longer = _longer(job, spec, epochs_wanted)
    newest = _state_of(tx, job)
    if newest.record.stopped_early:
        raise UserError(
            f"{job.name} stopped early after epoch {newest.record.epochs_done}, as it would with more epochs",
            hint=f"qcqueue show {job.name}",
        )
    told = Extension(name=longer.full_name, of=job.name, epochs_done=newest.record.epochs_done, is_new=True)
    _refuse_another(tx, longer, job.name)
    whose = owner or job.owner
    if not enqueue(tx, [longer], attached={}, keep_state=True, owner=whose, who=who, now_s=now_s).new:
        return replace(told, is_new=False)
    new = find_job(tx, longer.full_name)
    if new.dataset_sha256 != job.dataset_sha256:
        raise UserError(
            f"the dataset {spec.dataset} holds other images now than {job.name} was trained on",
            hint="qcqueue data list",
        )
    _begin_with(tx, new, longer, job, newest, now_s=now_s)
    why = f"{job.name}, from epoch {told.epochs_done} on"
    record_event(tx, who=who, what="extends", now_s=now_s, job_id=new.id, why=why)
    return told


def _longer(job: Row[Any], spec: JobSpec, epochs_wanted: int) -> JobSpec:
    """Return the spec of the new job. A wish when the old one is to be done is none for the new one."""
    name = f"{spec.name.removesuffix(f'-{spec.epochs}')}-{epochs_wanted}"
    if job.state != State.DONE:
        raise UserError(f"{job.name} is {job.state}; what can be extended is done", hint=f"qcqueue why {job.name}")
    if epochs_wanted <= spec.epochs:
        raise UserError(
            f"{job.name} has {spec.epochs} epochs, and {epochs_wanted} are not more",
            hint=f"qcqueue extend {job.name} --epochs {spec.epochs + 50}",
        )
    for key, value in (("epochs", epochs_wanted), ("name", name)):
        try:
            KEYS[key].read(value)
        except InvalidValue as exc:
            raise UserError(f"{job.name} cannot be extended: {key} {exc}", hint=f"qcqueue show {job.name}") from exc
    return replace(spec, name=name, epochs=epochs_wanted, deadline_s=None)


def _state_of(tx: Connection, job: Row[Any]) -> Checkpoint:
    """Return the whole state of a done job."""
    newest = next(iter(resumable(tx, job.id, live_packs(tx))), None)
    if newest is None or keeps_weights_only(tx, job.id):
        raise UserError(
            f"{job.name} keeps its weights alone, so it cannot be trained on",
            hint="qcqueue enqueue STUDY.toml --set study=ANOTHER --keep-state, before it is done the next time",
        )
    return newest


def _refuse_another(tx: Connection, longer: JobSpec, of: str) -> None:
    found = tx.execute(select(jobs.c.spec_sha256).where(jobs.c.name == longer.full_name)).scalar_one_or_none()
    if found not in (None, longer.digest):
        raise NameTaken(
            f"there is a job {longer.full_name} with other settings already",
            hint=f"qcqueue extend {of} --epochs {longer.epochs + 1}, which has another name",
        )


def _begin_with(
    tx: Connection, new: Row[Any], longer: JobSpec, job: Row[Any], newest: Checkpoint, *, now_s: float
) -> None:
    """Give the new job the epochs of the old one and its state, by an attempt of the session that finished that."""
    finishing = tx.execute(
        select(attempts.c.session_id, attempts.c.ended_at_s)
        .join_from(results, attempts)
        .where(results.c.job_id == job.id)
    ).one()
    record = replace(newest.record, spec_sha256=longer.digest)
    identity = canonical_json(record.identity.to_json())
    attempt_id = next_id(tx, attempts)
    began = {
        "id": attempt_id,
        "job_id": new.id,
        "number": give_number(tx, new.id, new.name),
        "session_id": finishing.session_id,
        "started_at_s": finishing.ended_at_s,
        "ended_at_s": finishing.ended_at_s,
        "outcome": Outcome.STOPPED,
        "reason": f"its first {record.epochs_done} epochs are those of {job.name}",
        "identity": identity,
    }
    tx.execute(insert(attempts), began)
    vouch_for_ended(tx, attempt_id)
    whose = {"job_id": new.id, "attempt_id": attempt_id}
    rows = []
    for line in official_epochs(tx, job.id):
        its_own = canonical_json(line.identity.to_json())
        rows.append(
            {
                **whose,
                **asdict(line.metrics),
                **asdict(line.timing),
                "official": True,
                "identity": "" if its_own == identity else its_own,
                "lineage": line.lineage,
                "recorded_at_s": line.recorded_at_s,
            }
        )
    tx.execute(insert(epochs), vouched_rows(epochs, rows, first_id=next_id(tx, epochs)))
    row = {
        **whose,
        "epochs_done": record.epochs_done,
        "steps_done": 0,
        "lineage": record.lineage,
        "state_sha256": newest.state.head.sha256,
        "record": canonical_json(record.to_json()),
        "status": "kept",
        "recorded_at_s": now_s,
    }
    saved = NewCheckpoint(row=row, state=newest.state, best=newest.best)
    write(tx, new.id, [saved], lambda kept: {it.id for it in kept}, first_id=next_id(tx, checkpoints))
