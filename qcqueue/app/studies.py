"""Studies: read them, check them all, store the weights they name, enqueue all their jobs or none; change them."""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcqueue.app.context import QueueContext
from qcqueue.app.gc import delete_unneeded
from qcqueue.core.space_forecast import SpaceForecast, forecast
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.core.study import Study, parse_study, weights_files_named
from qcqueue.errors import CorruptionError, MachineError, SpecInvalid, StoreError, UnknownName, UserError
from qcqueue.queue.controls import control
from qcqueue.queue.enqueue import Enqueued, check_data, enqueue, not_begun
from qcqueue.queue.jobs import find_job
from qcqueue.queue.pending import unfinished
from qcqueue.queue.removal import Removal, remove_jobs, unneeded
from qcqueue.stores.base import Blob
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.decoding import decoded
from qcqueue.text.humanize import iso

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_BYTES = 1 << 20
ANOTHER = "qcqueue enqueue STUDY.toml"
AGAIN = "correct the lines above, then enqueue again; nothing was enqueued"

Source = Path | Mapping[str, Any]
"""Where a study stands: in a file, or in a program as the tables of one, whose weights files lie in its folder."""


def enqueue_and_foresee(
    context: QueueContext,
    files: Sequence[Source],
    *,
    overrides: Sequence[str],
    keep_weights: bool = False,
    keep_state: bool = False,
    replace: bool = False,
    dry_run: bool = False,
) -> tuple[Enqueued, SpaceForecast]:
    """Put every job of `files` into the queue, or none; return also what all that is to run will need in the store.

    keep_weights: let the sessions that begin these jobs put their ImageNet weights into the store. keep_state: let the
    jobs keep more than their weights when they are done. replace: let jobs of the same names with other settings go, as
    long as nothing of them is saved.
    Raises: SpecInvalid: every problem of every file. UserError: a file cannot be read. UnknownName, NameTaken.
    """
    if not dry_run:  # so that a refusal, whatever its reason, comes before any weights file is stored
        enqueue_and_foresee(context, files, overrides=overrides, replace=replace, dry_run=True)
    try:
        specs, weights = read_specs(context, files, overrides=overrides, dry_run=dry_run)
    except SpecInvalid as exc:
        raise SpecInvalid([*exc.problems, *_of_the_data(context, files, overrides)], hint=exc.hint) from exc

    owner = context.owner()

    def both(tx: "Connection") -> tuple[Enqueued, SpaceForecast]:
        now_s = context.clock.now_s()
        enqueued = enqueue(
            tx,
            specs,
            weights=weights,
            keep_weights=keep_weights,
            keep_state=keep_state,
            replace=replace,
            owner=owner,
            who=context.who,
            now_s=now_s,
        )
        _refuse_late([spec for spec in specs if spec.full_name in enqueued.new], now_s)
        return enqueued, forecast(unfinished(tx))

    context.check_files()
    enqueued, needs = context.transact(both, dry_run=dry_run)
    if not dry_run:
        _given_back(context, enqueued.freed)
    return enqueued, needs


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedJobs:
    """Jobs that are gone. freed_bytes: of what only they needed; obstacle: why some of it is still in the store."""

    jobs: Removal
    freed_bytes: int
    obstacle: str | None


def remove(context: QueueContext, typed: str, *, dry_run: bool = False) -> RemovedJobs:
    """Take a job, or all jobs of a study ("six-models/"), out of the queue and what only they needed out of the store.

    Raises: UnknownName. IllegalTransition: one of them is running. SettingInvalid: the store is of another queue.
    """
    context.check_files()

    def take_out(tx: "Connection") -> tuple[Removal, tuple[Blob, ...]]:
        removal = remove_jobs(tx, typed, who=context.who, now_s=context.clock.now_s())
        return removal, unneeded(tx, removal.blobs)

    removal, freed = context.transact(take_out, dry_run=dry_run)
    obstacle = None
    if not dry_run:
        obstacle = _given_back(context, freed)
    return RemovedJobs(jobs=removal, freed_bytes=sum(blob.size_bytes for blob in freed), obstacle=obstacle)


def retry_with_weights(context: QueueContext, typed: str, file: Path, *, dry_run: bool = False) -> tuple[str, ...]:
    """Have a job, or those of a study ("six-models/") that can, begin with this weights file; return them, queued.

    What a job begins with is part of what it is, so another job stands in its place and under its name from then on.
    Raises: UserError: the file holds no weights. UnknownName. IllegalTransition: it has begun, or takes no weights.
    """
    with context.read() as tx:
        not_begun(tx, typed)
    from qcqueue.engines.keras_tf.weights_file import flaw_throughout

    if flaw := flaw_throughout(file):
        raise UserError(f"the weights file {file} {flaw}", hint=f"qcqueue retry {typed} --weights ANOTHER-FILE")

    def exchange(tx: "Connection", blob: Blob) -> Enqueued:
        specs = [replace(spec, weights="file", weights_sha256=blob.sha256) for spec in not_begun(tx, typed)]
        who, now_s = context.who, context.clock.now_s()
        exchanged = enqueue(tx, specs, weights={blob: file.name}, replace=True, who=who, now_s=now_s)
        for name in exchanged.known:  # of those that had this file already
            if State(find_job(tx, name).state) in (State.FAILED, State.CANCELLED):
                control(tx, name, "retry", who=who, now_s=now_s)
        return exchanged

    blob = _store(context, file, dry_run=True)
    exchanged = context.transact(lambda tx: exchange(tx, blob), dry_run=True)  # a refusal comes before it is stored
    if not dry_run:
        blob = _store(context, file, dry_run=False)
        exchanged = context.transact(lambda tx: exchange(tx, blob))
        _given_back(context, exchanged.freed)
    return (*exchanged.new, *exchanged.known)


def _given_back(context: QueueContext, freed: Sequence[Blob]) -> str | None:
    """Delete what jobs that are gone have needed; return why not all of it: the clean-up can do that another time."""
    try:
        delete_unneeded(context, freed)
    except (StoreError, MachineError) as exc:
        return str(exc)
    return None


def read_specs(
    context: QueueContext, files: Sequence[Source], *, overrides: Sequence[str], dry_run: bool = False
) -> tuple[list[JobSpec], Mapping[Blob, str]]:
    """Return the jobs of all files, and the weights files they name, stored as blobs unless `dry_run`.

    Beside each blob stands what its owner calls the file.

    Raises: SpecInvalid: every problem of every file, and of every weights file.
    """
    studies, problems = _read_studies(files, overrides)
    paths = {
        name: (file.parent if isinstance(file, Path) else Path()) / written
        for file in files
        for name, written in weights_files_named(_read(file), file=_called(file), overrides=overrides).items()
    }
    flaws = _flaws(paths)
    if problems or flaws:
        raise SpecInvalid(
            dict.fromkeys([*problems, *flaws]),
            hint=AGAIN if problems else 'put the real file there, or use weights = "imagenet" or "none"',
        )
    _refuse_twins([spec for study in studies for spec in study.jobs])
    stored = {path: _store(context, path, dry_run=dry_run) for path in dict.fromkeys(paths.values())}
    specs = [
        replace(spec, weights_sha256=stored[paths[spec.full_name]].sha256) if spec.full_name in paths else spec
        for study in studies
        for spec in study.jobs
    ]
    return specs, {blob: path.name for path, blob in stored.items()}


def _of_the_data(context: QueueContext, files: Sequence[Source], overrides: Sequence[str]) -> tuple[str, ...]:
    """Return what else is wrong with the jobs that can be read, so that a person is told all of it at once.

    Raises: UnknownName: their dataset is not there, and nothing but weights is wrong with the files: it comes first.
    """
    studies, problems = _read_studies(files, overrides)
    with contextlib.suppress(StoreError, CorruptionError), context.read() as tx:
        try:
            check_data(tx, [spec for study in studies for spec in study.jobs])
        except SpecInvalid as exc:
            return exc.problems
        except UnknownName as exc:
            if not problems:
                raise
            return (str(exc),)
    return ()


def _flaws(paths: Mapping[str, Path]) -> list[str]:
    """Return what the beginnings of the weights files of jobs give away."""
    if not paths:
        return []
    from qcqueue.engines.keras_tf.weights_file import flaw_throughout

    flaws = {path: flaw_throughout(path) for path in dict.fromkeys(paths.values())}
    return [f"{name}: the weights file {path} {flaw}" for name, path in paths.items() if (flaw := flaws[path])]


def _read_studies(files: Sequence[Source], overrides: Sequence[str]) -> tuple[list[Study], list[str]]:
    """Return the studies of the files that have no problem, and every problem of the others."""
    studies: list[Study] = []
    problems: list[str] = []
    for file in files:
        try:
            studies.append(parse_study(_read(file), file=_called(file), overrides=overrides))
        except SpecInvalid as exc:
            problems += exc.problems
    return studies, problems


def _refuse_late(specs: Sequence[JobSpec], now_s: float) -> None:
    """Raises: SpecInvalid: new jobs were wanted by a moment that has passed. A known one keeps such a deadline."""
    late = {spec.full_name: spec.deadline_s for spec in specs if spec.deadline_s is not None}
    problems = [
        f"{name}: deadline: found {iso(deadline_s)}, which has passed; allowed for a new job is a moment to come"
        for name, deadline_s in late.items()
        if deadline_s <= now_s
    ]
    if problems:
        raise SpecInvalid(problems, hint=AGAIN)


def _refuse_twins(specs: Sequence[JobSpec]) -> None:
    twins = [name for name, times in Counter(spec.full_name for spec in specs).items() if times > 1]
    if twins:
        raise UserError(f"the job {twins[0]} stands in two of the files", hint="give one of them another study name")


def _called(file: Source) -> str:
    return str(file) if isinstance(file, Path) else "the study"


def _read(file: Source) -> str | Mapping[str, Any]:
    if not isinstance(file, Path):
        return file
    try:
        if file.is_dir():
            raise UserError(f"{file} is a folder, not a study file", hint=f"qcqueue enqueue {file}/STUDY.toml")
        return decoded(read_regular(file, bytes_max=MOST_BYTES))
    except FileNotFoundError as exc:
        raise UserError(
            f"there is no file {file}", hint="qcqueue new tiny --out tiny.toml, for one to begin with"
        ) from exc
    except NotRegularError as exc:
        raise UserError(f"{file} {exc}, and no study file", hint=ANOTHER) from exc
    except UnicodeDecodeError as exc:
        raise UserError(
            f"{file} is not a text file in UTF-8 (byte {exc.start})", hint=f"save it as UTF-8; then {ANOTHER}"
        ) from exc
    except OSError as exc:
        raise UserError(f"{file} cannot be read: {exc.strerror}", hint=f"allow it; then {ANOTHER}") from exc


def _store(context: QueueContext, path: Path, *, dry_run: bool) -> Blob:
    if not dry_run:
        context.ask_to_write()
        return context.store.put(path, title=path.name)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Blob(sha256=sha256, size_bytes=path.stat().st_size)
