"""What one asks a queue from Python, beside sessions and reports: jobs in, how they stand, how they learn, images in.

The words are those of the commands, and what comes back are plain values, or DataFrames where pandas is installed.
Always true: whatever is refused is one `QcqueueError` with its sentence and its hint, and has changed nothing.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qcqueue.app.context import QueueContext, open_context
from qcqueue.app.data_options import import_options
from qcqueue.app.datasets import add_images
from qcqueue.app.documents import dataset_document, epoch_documents, line_document
from qcqueue.app.report import curves_of_job, framed
from qcqueue.app.settings import load_settings
from qcqueue.app.status import status_of
from qcqueue.app.studies import enqueue_and_foresee
from qcqueue.clock import SystemClock
from qcqueue.errors import UserError
from qcqueue.exports.run import plain_name
from qcqueue.notebook.screen import screen_here
from qcqueue.notebook.sign_in import signed_in
from qcqueue.queue.job_detail import job_detail
from qcqueue.reports.figures.picture import Picture, standalone
from qcqueue.stores.files import give_name, unfinished
from qcqueue.text.humanize import count
from qcqueue.text.suggest import clipped

MOST_DEEP = 20
"""So deep no study is."""


def context_of(store: str | None) -> QueueContext:
    """Open a queue as commands do. store: its URL; None: the settings decide. Raises: QcqueueError."""
    clock, store = SystemClock(), None if store is None else _text(store, "store")
    return open_context(signed_in(load_settings(store=store), os.environ, screen_here(clock), clock))


def enqueue(study: str | Path | Mapping[str, Any], store: str | None, *, keep_state: bool, replace: bool) -> list[str]:
    """Put the jobs of a study into the queue and return the names of those that are new. Raises: QcqueueError."""
    source = _plain(study) if isinstance(study, Mapping) else Path(_text(study, "study"))
    answer, _ = enqueue_and_foresee(context_of(store), [source], overrides=[], keep_state=keep_state, replace=replace)
    return list(answer.new)


def status(store: str | None) -> Any:
    """Return a row for each job. Raises: QcqueueError."""
    rows = [line_document(line) for line in status_of(context_of(store)).lines]
    for row in rows:  # a cell holds a sentence, and not what it is made of
        row["failure"] = row["failure"] and row["failure"]["message"]
        row["obstacle"] = (row.get("obstacle") or {}).get("says")
        row["left_by"] = row.get("left_by")
    return framed(rows)


def history(job: str, store: str | None) -> Any:
    """Return a row for each epoch of a job that counts. Raises: QcqueueError."""
    with context_of(store).read() as tx:
        rows = epoch_documents(job_detail(tx, _text(job, "job")))
    return framed([{name: value for name, value in row.items() if name != "versions"} for row in rows])


@dataclass(frozen=True, slots=True)
class Curves:
    """How a job has learned, as pictures: a notebook shows them where they are the value of a cell."""

    job: str
    pictures: tuple[Picture, ...]

    def save(self, folder: str | Path) -> list[Path]:
        """Write each picture as an SVG, named after the job, into a folder and return where they lie.

        One of before is replaced. Raises: UserError.
        """
        target = Path(_text(folder, "the folder"))
        paths = [target / f"{plain_name(self.job)}-{it.figure.name.rpartition('-')[2]}.svg" for it in self.pictures]
        try:
            target.mkdir(parents=True, exist_ok=True)
            for path, picture in zip(paths, self.pictures, strict=True):
                with unfinished(target) as file:
                    file.write(standalone(picture).encode())
                    give_name(file, path)
        except OSError as exc:
            raise UserError(f"{folder} cannot be written: {exc.strerror}", hint="save(ANOTHER_FOLDER)") from exc
        return paths

    def _repr_html_(self) -> str:
        return "".join(standalone(picture).partition("?>")[2] for picture in self.pictures) or self._said()

    def __repr__(self) -> str:
        return self._said()

    def _said(self) -> str:
        if not self.pictures:
            return "no epoch of this job is saved yet"
        return f"{count(len(self.pictures), 'picture')}; save(FOLDER) writes them as SVG"


def plot(job: str, store: str | None) -> Curves:
    """Return how a job has learned. Raises: QcqueueError."""
    return Curves(job, curves_of_job(context_of(store), _text(job, "job")))


def add_data(
    path: str | Path,
    name: str,
    store: str | None,
    *,
    image_size: tuple[int, int] | int | str,
    split: Sequence[float] | str | None,
    split_folders: Mapping[str, str] | str | None,
    group_by: str | None,
    include: Iterable[str],
    depth: int | str | None,
    seed: int,
) -> dict[str, Any]:
    """Import images as a dataset and return what is said of it. Raises: QcqueueError."""
    if type(seed) is not int:
        raise UserError(f"seed={seed!r} is not a whole number", hint="seed=1")
    if isinstance(split_folders, Mapping):
        split_folders = ",".join(f"{part}={folder}" for part, folder in split_folders.items())
    options = import_options(
        size=_typed(image_size, "image_size", between="x"),
        split=None if split is None else _typed(split, "split", between=","),
        split_folders=None if split_folders is None else _text(split_folders, "split_folders"),
        group_by=None if group_by is None else _text(group_by, "group_by"),
        include=[_text(it, "include") for it in ([include] if isinstance(include, str) else include)],
        depth=None if depth is None else _typed(depth, "depth"),
        seed=seed,
    )
    name, source = _text(name, "name"), Path(_text(path, "path"))
    line, is_new = add_images(context_of(store), name, source, options, progress=lambda done, total: None)
    return dataset_document(line) | {"new": is_new}


def _text(value: str | Path, name: str) -> str:
    """Return what is a text, or a path, and can be written down. Raises: UserError: it cannot."""
    if isinstance(value, str | Path):
        with suppress(UnicodeEncodeError):
            if b"\0" not in (text := os.fspath(value)).encode():
                return text
    raise UserError(f"{name} is {clipped(repr(value))}, and no text", hint=f"write {name} in quotes")


def _typed(value: Sequence[float] | float | str, name: str, *, between: str = "") -> str:
    """Return numbers as they are typed after an option. Raises: UserError: they are something else."""
    numbers = value if isinstance(value, list | tuple) else [value]
    if isinstance(value, str) or not all(isinstance(it, int | float) for it in numbers):
        return _text(value, name)  # type: ignore[arg-type]  # what is no text is refused there
    return between.join(map(str, numbers))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return what a program holds as a study file would say it. Raises: UserError: it holds itself."""
    if depth > MOST_DEEP:
        raise UserError("the study holds tables within tables without end", hint='{"study": ..., "job": [...]}')
    match value:
        case Mapping():
            return {str(key): _plain(it, depth + 1) for key, it in value.items()}
        case list() | tuple():
            return [_plain(it, depth + 1) for it in value]
        case Path():
            return os.fspath(value)
        case np.generic():
            return value.item()
    return value
