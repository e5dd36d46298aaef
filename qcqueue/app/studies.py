"""Study files: read them, check them all, store the weights they name, enqueue all their jobs or none."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.workplace import Workplace
from qcqueue.core.forecast import Forecast, forecast
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import Study, parse_study
from qcqueue.errors import SpecInvalid, UserError
from qcqueue.queue.enqueue import Enqueued, enqueue
from qcqueue.queue.unfinished import unfinished
from qcqueue.storage.base import Blob

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_BYTES = 1 << 20


def enqueue_files(
    workplace: Workplace, files: Sequence[Path], *, overrides: Sequence[str], dry_run: bool = False
) -> Enqueued:
    """Put every job of `files` into the queue, or none.

    Raises: SpecInvalid: every problem of every file. UserError: a file cannot be read. UnknownName, NameTaken.
    """
    return enqueue_and_foresee(workplace, files, overrides=overrides, dry_run=dry_run)[0]


def enqueue_and_foresee(
    workplace: Workplace, files: Sequence[Path], *, overrides: Sequence[str], dry_run: bool = False
) -> tuple[Enqueued, Forecast]:
    """As `enqueue_files` does; return also what all jobs of the queue that are still to run will need in the store."""
    if not dry_run:  # so that a refusal, whatever its reason, comes before any weights file is stored
        enqueue_and_foresee(workplace, files, overrides=overrides, dry_run=True)
    specs, weights = read_specs(workplace, files, overrides=overrides, dry_run=dry_run)

    def both(tx: "Connection") -> tuple[Enqueued, Forecast]:
        enqueued = enqueue(tx, specs, weights=weights, who=workplace.who, now_s=workplace.clock.now_s())
        return enqueued, forecast(unfinished(tx))

    return workplace.transact(both, dry_run=dry_run)


def read_specs(
    workplace: Workplace, files: Sequence[Path], *, overrides: Sequence[str], dry_run: bool = False
) -> tuple[list[JobSpec], list[Blob]]:
    """Return the jobs of all files, and the weights files they name, stored as blobs unless `dry_run`."""
    studies = _read_studies(files, overrides)
    paths = {
        spec.full_name: file.parent / written
        for file, study in zip(files, studies, strict=True)
        for spec in study.jobs
        if (written := study.weights_files.get(spec.name)) is not None
    }
    missing = [f"{name}: the weights file {path} cannot be read" for name, path in paths.items() if not path.is_file()]
    if missing:
        raise SpecInvalid(missing, hint='name a file that exists, or use weights = "imagenet" or "none"')
    stored = {path: _store(workplace, path, dry_run=dry_run) for path in {*paths.values()}}
    specs = [
        replace(spec, weights_sha256=stored[paths[spec.full_name]].sha256) if spec.full_name in paths else spec
        for study in studies
        for spec in study.jobs
    ]
    return specs, list(stored.values())


def _read_studies(files: Sequence[Path], overrides: Sequence[str]) -> list[Study]:
    studies: list[Study] = []
    problems: list[str] = []
    for file in files:
        try:
            studies.append(parse_study(_read_text(file), file=str(file), overrides=overrides))
        except SpecInvalid as exc:
            problems += exc.problems
    if problems:
        raise SpecInvalid(
            dict.fromkeys(problems), hint="correct the lines above, then enqueue again; nothing was enqueued"
        )
    _refuse_twins([spec for study in studies for spec in study.jobs])
    return studies


def _refuse_twins(specs: Sequence[JobSpec]) -> None:
    twins = [name for name, times in Counter(spec.full_name for spec in specs).items() if times > 1]
    if twins:
        raise UserError(f"the job {twins[0]} stands in two of the files", hint="give one of them another study name")


def _read_text(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file} is larger than a study file can be (1 MB)")
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise UserError(f"there is no file {file}", hint="qcqueue enqueue jobs/tiny.toml") from exc
    except IsADirectoryError as exc:
        raise UserError(f"{file} is a folder, not a study file", hint=f"qcqueue enqueue {file}/STUDY.toml") from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{file} is not a text file in UTF-8 (byte {exc.start})") from exc
    except OSError as exc:
        raise UserError(f"{file} cannot be read: {exc.strerror}") from exc


def _store(workplace: Workplace, path: Path, *, dry_run: bool) -> Blob:
    if not dry_run:
        return workplace.store.put(path, title=path.name)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Blob(sha256=sha256, size_bytes=path.stat().st_size)
