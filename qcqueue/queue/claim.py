"""Taking a job: bury the attempts that are gone, choose one queued job, and give out the next attempt number.

All of it is one transaction, so two sessions can never hold the same job. Whether a session is gone is judged
before, from its heartbeat or from its process; if the judgement was wrong, the old attempt is fenced out by its
number and nothing is lost but time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Float, Row, bindparam, case, exists, func, or_, select, update

from qcqueue.core.outcomes import Outcome
from qcqueue.core.states import Event, State
from qcqueue.database.dialects import each, insert
from qcqueue.database.rows import next_id, vouch_for_ended
from qcqueue.database.schema import IS_OFFICIAL, attempts, blobs, checkpoints, epochs, history, jobs, sessions
from qcqueue.errors import UnknownName
from qcqueue.queue.blobs import BLOB, IS_KEPT, blob_of, find_blob, live_packs, title_of
from qcqueue.queue.checkpoints import resumable
from qcqueue.queue.history import record_event
from qcqueue.queue.jobs import begun_on, step
from qcqueue.queue.last_words import keep_last_words
from qcqueue.queue.numbers import give_number
from qcqueue.queue.rules import read_rules, running_by_owner
from qcqueue.queue.step_choices import shared_choices
from qcqueue.queue.stored import spec_of
from qcqueue.queue.values import Attachment, Candidate, Claim, LiveAttempt, Pick
from qcqueue.text.canonical_json import canonical_json

Choose = Callable[[Sequence[Candidate]], Pick | None]
"""A policy: from the queued jobs in order, the one to take, or None for none of them."""


def begin_session(
    tx: Connection,
    session_id: str,
    *,
    machine: str,
    host: str,
    processor: str,
    heartbeat: str = "",
    profile: str = "",
    has_gpu: bool | None = None,
    promised_until_s: float | None = None,
    now_s: float,
) -> None:
    """Record that a machine has come to work, if it is not known yet.

    heartbeat: its name, if not the session's id. profile names what its provider allows; promised_until_s is how long
    somebody has said that it will live.
    """
    arrived = {"machine": machine, "host": host, "processor": processor, "heartbeat": heartbeat, "started_at_s": now_s}
    arrived |= {"profile": profile, "has_gpu": has_gpu, "promised_until_s": promised_until_s}
    tx.execute(insert(sessions).values(id=session_id, **arrived).on_conflict_do_nothing())


def end_session(
    tx: Connection, session_id: str, *, how: str, seconds: Mapping[str, float] | None = None, now_s: float
) -> None:
    """Record that a session left on its own; one that vanished never gets here. seconds: its ledger, now complete."""
    ledger = {} if seconds is None else {"seconds": canonical_json(seconds)}
    note_seen(tx, session_id, now_s, ended_at_s=now_s, ended_how=how, **ledger)


def note_seen(tx: Connection, session_id: str, seen_at_s: float, **more: object) -> None:
    """Record that a session lived at a moment, if it is not known to have lived later, and what else is said of it."""
    tx.execute(_SESSION, {"session": session_id, "seen": seen_at_s, **more})


def live_attempts(tx: Connection) -> list[LiveAttempt]:
    """Return every attempt that has not ended, with the session that holds it."""
    rows = tx.execute(
        select(jobs.c.name, jobs.c.owner, attempts.c.number, sessions)
        .join_from(attempts, jobs)
        .join(sessions)
        .where(attempts.c.outcome.is_(None))
    )
    return [
        LiveAttempt(
            job_name=row.name,
            number=row.number,
            session_id=row.id,
            machine=row.machine,
            host=row.host,
            heartbeat=row.heartbeat or row.id,
            owner=row.owner,
        )
        for row in rows
    ]


def heartbeats_of(tx: Connection, session_ids: Collection[str]) -> dict[str, str]:
    """Return the name of each known session's heartbeat."""
    rows = tx.execute(select(sessions.c.id, sessions.c.heartbeat).where(sessions.c.id.in_(session_ids)))
    return {row.id: row.heartbeat or row.id for row in rows}


def claim(
    tx: Connection,
    session_id: str,
    *,
    gone: Mapping[tuple[str, int], str],
    seen: Mapping[str, float] = {},
    words: Mapping[tuple[str, int], str] = {},
    choose: Choose,
    now_s: float,
) -> Claim | None:
    """Return a new attempt on the job that `choose` picks, or None if it picks none.

    gone maps (job name, attempt number) of vanished attempts to how that is known; each still live is recorded
    as interrupted, which spends nothing, and its job is queued again before the choice is made. Jobs of an owner who
    has as many running as the rules of the queue allow are not offered, and not taken.
    seen maps sessions that are buried so to the last moment by which each is known to have lived; words maps attempts
    among the gone to what their trainers said last, as far as this machine knows.
    """
    for (name, number), reason in gone.items():
        buried = _interrupt(
            tx, name, number, reason=reason, words=words.get((name, number), ""), who=session_id, now_s=now_s
        )
        if buried is not None and buried in seen:
            note_seen(tx, buried, seen[buried])
    queued = _queued(tx)
    over = crowded(tx, [job.owner for job in queued])
    pick = choose(_offered(tx, [job for job in queued if job.owner not in over]))
    if pick is None or any(job.name == pick.name and job.owner in over for job in queued):
        return None
    job = _job(tx, pick.name)  # what is not queued is refused below
    number = give_number(tx, job.id, job.name)
    taken = {"job_id": job.id, "number": number, "session_id": session_id, "started_at_s": now_s}
    tx.execute(_TAKE, {"id": next_id(tx, attempts), **taken})
    step(tx, job, Event.CLAIMED, now_s=now_s)
    record_event(tx, who=session_id, what="claimed", now_s=now_s, job_id=job.id, attempt=number, why=pick.why)
    return _claim_on(tx, job, number, session_id, commits=0, why=pick.why)


def claim_held_by(tx: Connection, session_id: str) -> Claim | None:
    """Return what a session holds, with the checkpoints of now: for whoever was not told what came of its claim."""
    held = tx.execute(_HELD, {"session": session_id}).first()
    if held is None:
        return None
    job = _job(tx, held.name)
    why = tx.execute(_WHY, {"job": job.id, "attempt": held.number}).scalar()
    return _claim_on(tx, job, held.number, session_id, commits=held.commits, why=why or "")


def candidates(tx: Connection, also: Sequence[str] = ()) -> list[Candidate]:
    """Return the queued jobs, and those named in `also`, in the order of the queue."""
    return _offered(tx, _queued(tx, also))


def crowded(
    tx: Connection, owners: Iterable[str | None], *, without: Collection[str | None] = ()
) -> dict[str | None, int]:
    """Return who of these owners has as many jobs running as the rules allow, and how many that are.

    without: the owners of running jobs whose sessions are gone, one for each such job.
    """
    most = read_rules(tx).max_running
    if most is None:
        return {}
    running = Counter(running_by_owner(tx))
    running.subtract(without)
    return {owner: running[owner] for owner in owners if running[owner] >= most}


def _queued(tx: Connection, also: Sequence[str] = ()) -> Sequence[Any]:
    return tx.execute(_QUEUED, {"also": canonical_json(list(also))}).all()


def _offered(tx: Connection, rows: Iterable[Row[Any]]) -> list[Candidate]:
    found = [
        Candidate(
            name=row.name,
            spec=spec_of(row.spec),
            epochs_done=row.epochs_done,
            attempts=row.attempts,
            has_begun=row.has_begun,
            owner=row.owner,
        )
        for row in rows
    ]
    bound = begun_on(tx, [job.name for job in found if job.spec.lineage != "any"])
    return [replace(job, begun_on=bound[job.name]) if job.name in bound else job for job in found]


# Statements are built once: building one costs about as much as running it.
_SESSION = (
    update(sessions)
    .where(sessions.c.id == bindparam("session"))
    .values(
        seen_at_s=case(
            (sessions.c.seen_at_s > bindparam("seen"), sessions.c.seen_at_s), else_=bindparam("seen", type_=Float())
        )
    )
)
_TAKE = insert(attempts)
# What a policy asks of a job: of thousands that wait, no more is read for each claim of one.
_OFFER = select(
    *(jobs.c.name, jobs.c.spec, jobs.c.owner),
    select(func.count())
    .where(epochs.c.job_id == jobs.c.id, IS_OFFICIAL)
    .correlate(jobs)
    .scalar_subquery()
    .label("epochs_done"),
    # Not the highest number: numbers go on where a job was removed and comes again.
    select(func.count()).where(attempts.c.job_id == jobs.c.id).correlate(jobs).scalar_subquery().label("attempts"),
    exists().where(checkpoints.c.job_id == jobs.c.id, IS_KEPT).correlate(jobs).label("has_begun"),
)
_QUEUED = _OFFER.where(or_(jobs.c.state == State.QUEUED, jobs.c.name.in_(each("also")))).order_by(jobs.c.position)

# What a claim asks of the one job besides; the blob is its dataset's.
_JOB = select(jobs.c.id, jobs.c.name, jobs.c.state, jobs.c.spec, jobs.c.keep_weights, jobs.c.keep_state, *BLOB)
_NAMED = _JOB.join_from(jobs, blobs).where(jobs.c.name == bindparam("name"))

_HELD = (
    select(jobs.c.name, attempts.c.number, attempts.c.commits)
    .join_from(attempts, jobs)
    .where(attempts.c.session_id == bindparam("session"), attempts.c.outcome.is_(None))
    .order_by(attempts.c.id.desc())
)
_WHY = select(history.c.why).where(
    history.c.job_id == bindparam("job"), history.c.attempt == bindparam("attempt"), history.c.what == "claimed"
)


def _job(tx: Connection, name: str) -> Any:
    job = tx.execute(_NAMED, {"name": name}).one_or_none()
    if job is None:
        raise UnknownName(f"there is no job {name!r} any more", hint="qcqueue status")
    return job


def _claim_on(tx: Connection, job: Row[Any], number: int, session_id: str, *, commits: int, why: str) -> Claim:
    spec, packs = spec_of(job.spec), live_packs(tx)
    return Claim(
        job_name=job.name,
        attempt=number,
        session_id=session_id,
        why=why,
        commits=commits,
        spec=spec,
        dataset=blob_of(job),
        attachments=tuple(
            Attachment(role=role, blob=find_blob(tx, sha256), title=title_of(tx, sha256))
            for role, sha256 in spec.attachments.items()
        ),
        keep_weights=job.keep_weights,
        keep_state=job.keep_state,
        checkpoints=resumable(tx, job.id, packs),
        packs=packs,
        step_choices=shared_choices(tx, spec.model),
    )


def _interrupt(
    tx: Connection, name: str, number: int, *, reason: str, words: str, who: str, now_s: float
) -> str | None:
    """Bury an attempt; return its session, or None where it had ended already, or is gone with its job."""
    attempt = tx.execute(
        select(attempts.c.id, attempts.c.job_id, attempts.c.session_id)
        .join_from(attempts, jobs)
        .where(jobs.c.name == name, attempts.c.number == number, attempts.c.outcome.is_(None))
    ).one_or_none()
    if attempt is None:
        return None
    job = tx.execute(select(jobs).where(jobs.c.id == attempt.job_id)).one()
    ended = {"outcome": Outcome.INTERRUPTED, "reason": reason, "ended_at_s": now_s}
    tx.execute(update(attempts).where(attempts.c.id == attempt.id).values(ended))
    vouch_for_ended(tx, attempt.id)
    keep_last_words(tx, attempt.id, words)
    step(tx, job, Event.INTERRUPTED, now_s=now_s)
    record_event(tx, who=who, what="interrupted", now_s=now_s, job_id=job.id, attempt=number, why=reason)
    return str(attempt.session_id)
