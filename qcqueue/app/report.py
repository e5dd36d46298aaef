"""Everything the queue knows, brought together: written as one folder, or as the tables of the report for a program.

The only home of pandas: a table is a DataFrame where that is installed, else records. A number is the same as in the
report, to the last digit; one that is not known is None, which pandas shows as missing. What the report says of a
number stands beside it, in the column `notes`.
"""

import importlib.util
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from qcqueue.app.context import QueueContext
from qcqueue.checkpoints.format import read_tensors
from qcqueue.datasets.format import Dataset, load_mapped
from qcqueue.errors import (
    BlobMissing,
    CorruptionError,
    MachineError,
    QcqueueError,
    SignInFailed,
    StoreAway,
    StoreBusy,
    StoreError,
    UnknownFormat,
)
from qcqueue.queue.blobs import find_blobs
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.jobs import find_jobs
from qcqueue.queue.sessions import SessionLine, accounts_of, session_lines
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.reports.figures.model_curves import curves_of_model
from qcqueue.reports.figures.picture import Picture, pictures_of
from qcqueue.reports.quantities.caveats import Note
from qcqueue.reports.quantities.choice import Metric
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.study import Probabilities, Proof, ReportInput
from qcqueue.reports.tables.catalogue import tables_of
from qcqueue.reports.tables.table import Marked, Table, Value
from qcqueue.reports.write import WrittenReport, check_folder, write_report
from qcqueue.stores.base import Blob
from qcqueue.stores.names import is_digest
from qcqueue.text.humanize import size
from qcqueue.worker.download import fetch_once

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
NOTES = "notes"
Records = list[dict[str, Value]]


class Evidence(Protocol):
    """The certificate of a drill, as far as a report shows it."""

    def proof_among(self, jobs: Sequence[JobDetail]) -> Proof: ...
    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportScope:
    """What a report is on: the jobs of one owner, and of those the ones that were typed; all where neither is said.

    jobs: names as people type them, "six-models/" for all of a study. by: what of validation chooses a model.
    """

    owner: str | None = None
    jobs: tuple[str, ...] = ()
    by: Metric = Metric.ACCURACY

    @property
    def is_all(self) -> bool:
        return self.owner is None and not self.jobs


EVERYTHING = ReportScope()


def report_on(
    context: QueueContext,
    *,
    folder: Path,
    certificates: Sequence[Evidence],
    narrate: Callable[[str], None],
    scope: ReportScope = EVERYTHING,
) -> WrittenReport:
    """Write the report of the queue as `folder`. Raises: UserError, UnknownName."""
    check_folder(folder)
    return write_report(
        read_study(context, certificates=certificates, narrate=narrate, scope=scope), folder=folder, narrate=narrate
    )


def reports_on(
    context: QueueContext,
    *,
    folder: Path,
    certificates: Sequence[Evidence],
    narrate: Callable[[str], None],
    scope: ReportScope = EVERYTHING,
    every_s: float,
) -> Iterator[WrittenReport]:
    """Write the report, and again whenever something new is recorded, without end; yield each as it is written.

    every_s: how long to wait before looking again. Raises: as `report_on`.
    """
    check_folder(folder)
    written: object = None
    while True:
        study = read_study(context, certificates=certificates, narrate=narrate, scope=scope)
        # Sessions are seen all the time; a report is worth writing again when something of a job is new.
        stored = study.details, study.datasets, study.unread
        if stored != written:
            yield write_report(study, folder=folder, narrate=narrate)
            written = stored
        context.clock.sleep(every_s)


def read_study(
    context: QueueContext,
    *,
    certificates: Sequence[Evidence] = (),
    narrate: Callable[[str], None] = lambda text: None,
    scope: ReportScope = EVERYTHING,
) -> ReportInput:
    """Return everything that is stored. What the store cannot give is left out and named; the queue itself must answer.

    narrate is told what has to be fetched from the store. scope: of some jobs alone it also reads only the sessions
    that worked on them. Raises: UnknownName.
    """
    with context.read() as tx:
        details = tuple(job_detail(tx, name) for name in _names(tx, scope))
        datasets, sessions = tuple(list_datasets(tx)), session_lines(tx)
        digests = {detail.predictions_sha256 for detail in details} | {detail.dataset_sha256 for detail in details}
        blobs = {blob.sha256: blob for blob in find_blobs(tx, sorted(digest for digest in digests if digest))}
    of_jobs = None if scope.is_all else {detail.line.name for detail in details}
    accounts = accounts_of(sessions, of_jobs=of_jobs)
    if of_jobs is not None:
        sessions = tuple(_of_these(sessions, of_jobs))
    reading = _Reading(context, narrate)
    answers: dict[str, Mapping[str, Probabilities]] = {}
    images: dict[str, Dataset] = {}
    judged = [detail for detail in details if detail.predictions_sha256]
    for detail in judged:
        name = detail.line.name
        if found := reading(blobs.get(str(detail.predictions_sha256)), f"the predictions of {name}", read_tensors):
            answers[name] = found[0]
    for digest in dict.fromkeys(detail.dataset_sha256 for detail in judged):
        called = next((line.name for line in datasets if line.blob.sha256 == digest), digest[:12])
        if data := reading(blobs.get(digest), f"the images of the dataset {called}", load_mapped):
            images[digest] = data
    return ReportInput(
        details=details,
        as_of_s=newest_s(details, datasets, sessions),
        datasets=datasets,
        sessions=sessions,
        accounts=accounts,
        proofs=tuple(certificate.proof_among(details) for certificate in certificates),
        certificates=tuple(certificate.to_json() for certificate in certificates),
        answers=answers,
        images=images,
        unread=tuple(reading.unread),
        by=scope.by.value,
        version=version("qcqueue"),
    )


def _names(tx: "Connection", scope: ReportScope) -> list[str]:
    """Return the full names of the jobs in the scope, in the order of the queue. Raises: UnknownName."""
    typed = {row.name for name in scope.jobs for row in find_jobs(tx, name)}
    return [
        line.name
        for line in job_lines(tx)
        if scope.owner in (None, line.owner) and (not scope.jobs or line.name in typed)
    ]


def _of_these(sessions: Iterable[SessionLine], names: Collection[str]) -> Iterator[SessionLine]:
    """Yield the sessions that worked on some jobs, as far as they did."""
    for line in sessions:
        if attempts := tuple(it for it in line.attempts if it.job_name in names):
            yield replace(line, attempts=attempts)


@dataclass(slots=True)
class _Reading:
    """Reads blobs of the store; what cannot be had becomes a sentence, because a report goes on without it.

    away: why the store did not answer once. It is not asked again then: each question may take a minute.
    """

    context: QueueContext
    narrate: Callable[[str], None]
    unread: list[str] = field(default_factory=list)
    away: StoreError | None = None

    def __call__(self, blob: Blob | None, what: str, read: Callable[[Path], T]) -> T | None:
        if blob is None:
            self.unread.append(f"The queue does not say where {what} lie.")
            return None
        folder = self.context.cache / "blobs"
        try:
            if not (is_digest(blob.sha256) and (folder / blob.sha256).exists()):
                if self.away:
                    raise self.away
                self.context.check_files()
                self.narrate(f"fetching {what}, {size(blob.size_bytes)}")
            return read(fetch_once(self.context.store, blob, folder))
        except (StoreError, CorruptionError) as exc:
            if isinstance(exc, StoreAway | StoreBusy | SignInFailed):
                self.away = exc
            self.unread.append(f"Nothing can be said of {what}: {_why(exc)}.")
        except (OSError, MachineError) as exc:
            why = (exc if isinstance(exc, OSError) else exc.__cause__) or exc
            self.unread.append(f"Nothing can be said of {what}: this machine cannot keep them: {_bare(why)}.")
        return None


def _bare(error: BaseException) -> str:
    """Say what a disk answered, without naming a place on it."""
    return (error.strerror if isinstance(error, OSError) else None) or "its disk does not do its work"


def _why(error: QcqueueError) -> str:
    """Say why bytes cannot be had without naming the place where they lie: a report may be published."""
    match error:
        case BlobMissing():
            return "the store does not have them"
        case UnknownFormat():
            return "a newer qcqueue wrote them"
        case CorruptionError():
            return "they are damaged"
        case StoreAway() | StoreBusy():
            return "the store does not answer"
        case SignInFailed():
            return "the sign-in to the store has failed"
    return "the store does not hand them out"


def newest_s(details: Sequence[JobDetail], datasets: Sequence[DatasetLine], sessions: Sequence[SessionLine]) -> float:
    """Return when the newest of what a report shows was recorded, 0 where nothing was.

    The report is as of then, not as of when somebody asks for it, so that asking twice gives the same bytes.
    """
    moments = [line.added_at_s for line in datasets]
    moments += [at_s for line in sessions for at_s in (line.started_at_s, line.ended_at_s, line.seen_at_s) if at_s]
    for detail in details:
        moments += [line.at_s for line in detail.history]
        moments += [epoch.recorded_at_s for epoch in detail.epochs]
        moments += [checkpoint.recorded_at_s for checkpoint in detail.checkpoints]
    return max(moments, default=0.0)


def results_of(context: QueueContext) -> dict[str, Any]:
    """Return the tables of the whole queue by their keys. Raises: StoreError: the queue itself does not answer."""
    findings = findings_of(read_study(context))
    records = records_of(tables_of(findings), findings.notes, findings.unread)
    return {key: framed(rows, columns) for key, (columns, rows) in records.items()}


def records_of(
    tables: Sequence[Table], notes: Sequence[Note], unread: Sequence[str]
) -> Mapping[str, tuple[list[str], Records]]:
    """Return the columns and rows of each table, and last the notes on them; what could not be read is a note without
    a number."""
    found: dict[str, tuple[list[str], Records]] = {}
    for table in tables:
        marked = Marked(table, notes)
        rows: Records = [
            record | {NOTES: _numbers(marked.row(row))} for record, row in zip(table.records(), table.rows, strict=True)
        ]
        found[table.key] = ([*(column.key for column in table.columns), NOTES], rows)
    said: Records = [
        {
            "number": note.number,
            "text": note.text,
            "touches": " ".join(sorted(quantity.name.lower() for quantity in note.touches)),
            "jobs": " ".join(sorted(note.jobs)),
        }
        for note in notes
    ]
    said += [{"number": None, "text": text, "touches": "", "jobs": ""} for text in unread]
    return {**found, NOTES: (["number", "text", "touches", "jobs"], said)}


def _numbers(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def framed(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """Return rows as a DataFrame where pandas is installed, else as they are. columns: in which order."""
    if importlib.util.find_spec("pandas") is None:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=columns)


def curves_of_job(context: QueueContext, typed: str) -> tuple[Picture, ...]:
    """Return the figure of how one job has learned so far; nothing before its first epoch is saved.

    Raises: UnknownName; ExtraMissing.
    """
    with context.read() as tx:
        detail = job_detail(tx, typed)
    [model] = figures_of((detail,))
    return tuple(pictures_of([curves_of_model(model, 0)])) if model.curve else ()
