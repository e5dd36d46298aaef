"""Putting jobs into the queue: all of a file or nothing, and the same spec twice is the same job."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Row, func, insert, select, update

from qcqueue.catalog.studies import images_for
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.owners import named
from qcqueue.core.spec import WEIGHTS, JobSpec
from qcqueue.core.states import State
from qcqueue.database.rows import next_id
from qcqueue.database.schema import blobs, datasets, jobs
from qcqueue.errors import IllegalTransition, NameTaken, SpecInvalid, UnknownName
from qcqueue.queue.blobs import name_blob
from qcqueue.queue.final_weights import keeps_weights_only
from qcqueue.queue.history import record_event
from qcqueue.queue.jobs import find_job, find_jobs
from qcqueue.queue.removal import remove_found, saved_epochs, unneeded
from qcqueue.queue.stored import spec_of, summary_of
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json
from qcqueue.text.humanize import count, iso

OTHER_NAME = "give the changed jobs another study name, or a name = of their own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """Names of the jobs that are new, and of those that were there already, in the order of the file.

    due: those of the known ones whose deadline is another one from now on. replaced: those of the new ones that took
    the place of a job with other settings; freed: what only that needed, for the caller to delete. keeping: all whose
    ImageNet weights are kept in the store from now on. begins_with_imagenet: whether any of them begins with such.
    keeping_state: all that keep their state from now on; too_late: those that are done and have let go of theirs.
    of_others: whose the known and replaced ones are that belong to somebody else. code: the files of the code that the
    jobs bring, by the digest of each archive; for whoever packed it to fill in.
    """

    new: tuple[str, ...]
    known: tuple[str, ...]
    due: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    freed: tuple[Blob, ...] = ()
    keeping: tuple[str, ...] = ()
    begins_with_imagenet: bool = False
    keeping_state: tuple[str, ...] = ()
    too_late: tuple[str, ...] = ()
    of_others: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def enqueue(
    tx: Connection,
    specs: Sequence[JobSpec],
    *,
    attached: Mapping[Blob, str],
    keep_weights: bool = False,
    keep_state: bool = False,
    replace: bool = False,
    owner: str | None = None,
    who: str,
    now_s: float,
) -> Enqueued:
    """Add every spec that is not in the queue yet, after the last job; or refuse all of them.

    attached: the blobs of the weights files and the code that the specs name, already stored and verified, each with
    what its owner calls it. keep_weights: let whoever has the ImageNet weights of these jobs put them into the store.
    keep_state: let the jobs keep all that further training needs when they are done.
    replace: let a job of that name go that has other settings, is not running and has no saved epoch.
    owner: whose the new jobs are, None for anybody's; what takes the place of a job keeps the owner that has one.
    Raises: UnknownName: no such dataset. SpecInvalid: the data does not fit the spec. NameTaken: a job of that
    name has other settings, and is not to be replaced, or cannot be.
    """
    check_data(tx, specs)
    found = {row.name: row for row in tx.execute(select(jobs.c.name, jobs.c.spec, jobs.c.owner))}
    new: dict[str, JobSpec] = {}
    due: dict[str, JobSpec] = {}
    taken: dict[str, str] = {}
    for spec in specs:
        # A name may also stand twice among `specs` themselves: two files can hold one job.
        stored = found.get(spec.full_name)
        known = new.get(spec.full_name) or (None if stored is None else spec_of(stored.spec))
        if known is None:
            new[spec.full_name] = spec
        elif known.digest != spec.digest:
            if spec.full_name in new:
                raise NameTaken(_difference(spec, known), hint=OTHER_NAME)
            whose = f"; it belongs to {named(stored.owner)}" if stored and stored.owner not in (None, owner) else ""
            taken[spec.full_name] = f"{_difference(spec, known)}{whose}"
            new[spec.full_name] = spec
        elif known.deadline_s != spec.deadline_s:
            due[spec.full_name] = spec
    others = _replaceable(tx, taken, is_wanted=replace)
    roles = {sha256: role for spec in specs for role, sha256 in spec.attachments.items()}
    for blob, title in attached.items():
        name_blob(tx, blob, kind=roles.get(blob.sha256, WEIGHTS), title=title, now_s=now_s)
    removal = remove_found(tx, [*others.values()], who=who, now_s=now_s)
    for spec in new.values():
        _insert(tx, spec, instead_of=others.get(spec.full_name), owner=owner, who=who, now_s=now_s)
    for spec in due.values():
        _set_deadline(tx, spec, who=who, now_s=now_s)
    known_names = dict.fromkeys(spec.full_name for spec in specs if spec.full_name not in new)
    keeping = _keep_weights(tx, specs, who=who, now_s=now_s) if keep_weights else ()
    too_late = _without_state(tx, specs) if keep_state else ()
    return Enqueued(
        new=tuple(new),
        known=tuple(known_names),
        due=tuple(due),
        replaced=removal.names,
        freed=unneeded(tx, removal.blobs) if removal.blobs else (),
        keeping=keeping,
        begins_with_imagenet=any(spec.weights == "imagenet" for spec in specs),
        keeping_state=_keep_state(tx, specs, too_late, who=who, now_s=now_s) if keep_state else (),
        too_late=too_late,
        of_others=_of_others(tx, [*known_names, *removal.names], owner),
    )


def _replaceable(tx: Connection, taken: Mapping[str, str], *, is_wanted: bool) -> Mapping[str, Row[Any]]:
    """Return the rows of the jobs to replace, by name. taken: how they differ. Raises: NameTaken."""
    rows = {name: find_job(tx, name) for name in taken}
    reasons = {name: _stands_in_the_way(tx, row) for name, row in rows.items()}
    if kept := [f"{taken[name]}{reason}" for name, reason in reasons.items() if reason]:
        raise NameTaken("\n".join(kept), hint=OTHER_NAME)
    if taken and not is_wanted:
        raise NameTaken("\n".join(taken.values()), hint="the same command with --replace: nothing of them is saved yet")
    return rows


def _stands_in_the_way(tx: Connection, job: Row[Any]) -> str | None:
    """Return why a job cannot be replaced, to follow upon its name; None where it can be."""
    if job.state == State.RUNNING:
        return "; it is running"
    saved = saved_epochs(tx, job.id)
    return f"; {count(saved, 'epoch')} of it {'is' if saved == 1 else 'are'} saved" if saved else None


def not_begun(tx: Connection, typed: str) -> list[JobSpec]:
    """Return a job, or those of a study ("six-models/"), that can still begin with other weights, in their order.

    Raises: UnknownName. IllegalTransition: there is none; it says what stands in the way of the first.
    """
    found = find_jobs(tx, typed)
    specs = [spec for job in found if not _is_bound(tx, job) and (spec := spec_of(job.spec)).takes_weights]
    if not specs:
        job = found[0]
        why = "has begun with what it has" if _is_bound(tx, job) else f"is a {job.model}, which begins with no weights"
        raise IllegalTransition(f"{job.name} {why}; nothing was changed", hint=f"qcqueue why {job.name}")
    return specs


def _is_bound(tx: Connection, job: Row[Any]) -> bool:
    """Return whether a job has made something of the weights that it began with, or is about to."""
    return job.state in (State.RUNNING, State.DONE) or saved_epochs(tx, job.id) > 0


def _insert(
    tx: Connection, spec: JobSpec, *, instead_of: Row[Any] | None, owner: str | None, who: str, now_s: float
) -> None:
    """Add a job; instead_of: the one whose place in the queue it takes."""
    last = tx.execute(select(func.coalesce(func.max(jobs.c.position), 0))).scalar_one()
    job_id = next_id(tx, jobs)
    tx.execute(
        insert(jobs).values(
            id=job_id,
            name=spec.full_name,
            study=spec.study,
            model=spec.model,
            epochs=spec.epochs,
            spec=canonical_json(spec.to_json()),
            spec_sha256=spec.digest,
            dataset_sha256=tx.execute(select(datasets.c.sha256).where(datasets.c.name == spec.dataset)).scalar_one(),
            position=instead_of.position if instead_of else last + 1,
            moved=bool(instead_of and instead_of.moved),
            owner=(instead_of.owner if instead_of else None) or owner,
            state=State.QUEUED,
            enqueued_at_s=now_s,
            updated_at_s=now_s,
        )
    )
    record_event(tx, who=who, what="enqueued", now_s=now_s, job_id=job_id, why=f"{spec.model}, {spec.epochs} epochs")


def _set_deadline(tx: Connection, spec: JobSpec, *, who: str, now_s: float) -> None:
    written = canonical_json(spec.to_json())
    found = update(jobs).where(jobs.c.name == spec.full_name).values(spec=written).returning(jobs.c.id)
    why = "no deadline any more" if spec.deadline_s is None else f"wanted by {iso(spec.deadline_s)}"
    record_event(tx, who=who, what="deadline moved", now_s=now_s, job_id=tx.execute(found).scalar_one(), why=why)


def _keep_weights(tx: Connection, specs: Sequence[JobSpec], *, who: str, now_s: float) -> tuple[str, ...]:
    """Ask for the ImageNet weights of these jobs to be kept; return those of which nobody had asked it before."""
    names = dict.fromkeys(spec.full_name for spec in specs if spec.weights == "imagenet")
    why = "its ImageNet weights are to be kept in the store"
    return _ask(tx, names, jobs.c.keep_weights, what="weights kept", why=why, who=who, now_s=now_s)


def _keep_state(
    tx: Connection, specs: Sequence[JobSpec], too_late: Sequence[str], *, who: str, now_s: float
) -> tuple[str, ...]:
    """Ask for the states of these jobs to be kept; return those of which nobody had asked it before."""
    names = dict.fromkeys(spec.full_name for spec in specs if spec.full_name not in too_late)
    why = "its state is to be kept when it is done"
    return _ask(tx, names, jobs.c.keep_state, what="state kept", why=why, who=who, now_s=now_s)


def _without_state(tx: Connection, specs: Sequence[JobSpec]) -> tuple[str, ...]:
    """Return those of the jobs that are done and keep their weights alone."""
    names = dict.fromkeys(spec.full_name for spec in specs)
    done = select(jobs.c.id, jobs.c.name).where(jobs.c.name.in_(names), jobs.c.state == State.DONE)
    found = tx.execute(done.order_by(jobs.c.position)).all()
    return tuple(row.name for row in found if keeps_weights_only(tx, row.id))


def _of_others(tx: Connection, names: Iterable[str], owner: str | None) -> dict[str, str]:
    """Return those of the jobs that belong to somebody else, with their owners."""
    rows = tx.execute(select(jobs.c.name, jobs.c.owner).where(jobs.c.name.in_([*names])).order_by(jobs.c.position))
    return {row.name: row.owner for row in rows if row.owner not in (None, owner)}


def _ask(
    tx: Connection, names: Iterable[str], column: Column[bool], *, what: str, why: str, who: str, now_s: float
) -> tuple[str, ...]:
    """Set a wish of these jobs; return those of which it had not been set before."""
    asked: list[str] = []
    for name in names:
        found = update(jobs).where(jobs.c.name == name, ~column).values({column: True}).returning(jobs.c.id)
        if job_id := tx.execute(found).scalar_one_or_none():
            record_event(tx, who=who, what=what, now_s=now_s, job_id=job_id, why=why)
            asked.append(name)
    return tuple(asked)


def check_data(tx: Connection, specs: Sequence[JobSpec]) -> None:
    """Refuse jobs that their datasets do not fit. Raises: UnknownName: no such dataset. SpecInvalid."""
    stored = select(datasets.c.name, datasets.c.summary).join(blobs)
    summaries = {row.name: summary_of(row.summary) for row in tx.execute(stored)}
    for name in {spec.dataset: None for spec in specs}:
        if name not in summaries:
            close = difflib.get_close_matches(name, summaries, n=1)
            raise UnknownName(
                f"there is no dataset {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
                hint=images_for(name),
            )
    problems = [problem for spec in specs if (problem := _misfit(spec, summaries[spec.dataset]))]
    if problems:
        raise SpecInvalid(problems, hint="correct the lines above, then enqueue again; nothing was enqueued")


def _misfit(spec: JobSpec, summary: DatasetSummary) -> str | None:
    if spec.image_size != summary.image_size:
        wanted, found = "x".join(map(str, spec.image_size)), "x".join(map(str, summary.image_size))
        return (
            f"{spec.full_name}: image_size is {wanted}, but the images of {spec.dataset!r} are {found}; "
            f"use image_size = [{found.replace('x', ', ')}], or add the images again with --image-size {wanted}"
        )
    return None


def _difference(spec: JobSpec, known: JobSpec) -> str:
    wanted, before = spec.to_json(), known.to_json()
    changed = [
        f"{name} {before.get(name, getattr(known, name))!r} -> {wanted.get(name, getattr(spec, name))!r}"
        for name in {**wanted, **before}
        if wanted.get(name) != before.get(name)
    ]
    return f"{spec.full_name} exists with other settings: {', '.join(changed)}"
