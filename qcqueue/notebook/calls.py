"""What one asks a queue from Python, beside sessions and reports: jobs in, how they stand, how they learn, images in.

The words are those of the commands, and what comes back are plain values, or DataFrames where pandas is installed.
Always true: whatever is refused is one `QcqueueError` with its sentence and its hint, and has changed nothing.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from qcqueue.notebook.screen import screen_here
from qcqueue.notebook.sign_in import signed_in
from qcqueue.queue.job_detail import job_detail
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.standalone import standalone
from qcqueue.text.humanize import count


def context_of(store: str | None) -> QueueContext:
    """Open a queue as commands do. store: its URL; None: the settings decide. Raises: QcqueueError."""
    clock = SystemClock()
    return open_context(signed_in(load_settings(store=store), os.environ, screen_here(clock), clock))


def enqueue(study: str | Path | Mapping[str, Any], store: str | None, *, keep_state: bool, replace: bool) -> list[str]:
    """Put the jobs of a study into the queue and return the names of those that are new. Raises: QcqueueError."""
    source = _plain(study) if isinstance(study, Mapping) else Path(study)
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
        rows = epoch_documents(job_detail(tx, job))
    return framed([{name: value for name, value in row.items() if name != "versions"} for row in rows])


@dataclass(frozen=True, slots=True)
class Curves:
    """How a job has learned, as pictures: a notebook shows them where they are the value of a cell."""

    pictures: tuple[Picture, ...]

    def save(self, folder: str | Path) -> list[Path]:
        """Write each picture as an SVG into a folder and return where they lie. Raises: UserError."""
        paths = [Path(folder) / f"{picture.key}.svg" for picture in self.pictures]
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for path, picture in zip(paths, self.pictures, strict=True):
                path.write_text(standalone(picture), encoding="utf-8")
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
    return Curves(curves_of_job(context_of(store), job))


def add_data(
    path: str | Path,
    name: str,
    store: str | None,
    *,
    image_size: tuple[int, int] | str,
    split: Sequence[float] | str | None,
    split_folders: Mapping[str, str] | str | None,
    group_by: str | None,
    include: Iterable[str],
    depth: int | str | None,
    seed: int,
) -> dict[str, Any]:
    """Import images as a dataset and return what is said of it. Raises: QcqueueError."""
    folders = split_folders
    if isinstance(split_folders, Mapping):
        folders = ",".join(f"{part}={folder}" for part, folder in split_folders.items())
    options = import_options(
        size=_typed(image_size, "x"),
        split=None if split is None else _typed(split, ","),
        split_folders=None if folders is None else str(folders),
        group_by=group_by,
        include=[include] if isinstance(include, str) else list(include),
        depth=None if depth is None else str(depth),
        seed=seed,
    )
    line, is_new = add_images(context_of(store), name, Path(path), options, progress=lambda done, total: None)
    return dataset_document(line) | {"new": is_new}


def _typed(value: Sequence[float] | str, between: str) -> str:
    """Return numbers as they are typed after an option."""
    return value if isinstance(value, str) else between.join(map(str, value))


def _plain(value: Any) -> Any:
    """Return what a program holds as a study file would say it."""
    match value:
        case Mapping():
            return {str(key): _plain(it) for key, it in value.items()}
        case list() | tuple():
            return [_plain(it) for it in value]
        case Path():
            return os.fspath(value)
    return value
