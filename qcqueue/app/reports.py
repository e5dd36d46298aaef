"""`report`: everything the queue knows, brought together and written as one folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from qcqueue.app.certificate import Certificate, ran_on, versions_of
from qcqueue.app.workplace import Workplace
from qcqueue.checkpoints.format import read_tensors
from qcqueue.core.words import count, duration, size
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
from qcqueue.queue.accounts import accounts_of
from qcqueue.queue.blobs import find_blobs
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.overview import job_lines
from qcqueue.queue.queries import job_detail
from qcqueue.queue.sessions import SessionLine, session_lines
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.reports.study import Probabilities, Proof, Study
from qcqueue.reports.write import Written, check_folder, write_report
from qcqueue.storage.base import Blob
from qcqueue.storage.names import is_digest
from qcqueue.worker.restore import fetch_once

T = TypeVar("T")


def report_on(
    workplace: Workplace, *, folder: Path, certificates: Sequence[Certificate], narrate: Callable[[str], None]
) -> Written:
    """Write the report of the whole queue as `folder`. Raises: UserError."""
    check_folder(folder)
    return write_report(read_study(workplace, certificates=certificates, narrate=narrate), folder=folder)


def read_study(
    workplace: Workplace,
    *,
    certificates: Sequence[Certificate] = (),
    narrate: Callable[[str], None] = lambda text: None,
) -> Study:
    """Return everything that is stored. What the store cannot give is left out and named; the queue itself must answer.

    narrate is told what has to be fetched from the store.
    """
    with workplace.read() as tx:
        details = tuple(job_detail(tx, line.name) for line in job_lines(tx))
        datasets, sessions = tuple(list_datasets(tx)), session_lines(tx)
        digests = {detail.predictions_sha256 for detail in details} | {detail.dataset_sha256 for detail in details}
        blobs = {blob.sha256: blob for blob in find_blobs(tx, sorted(digest for digest in digests if digest))}
    reading = _Reading(workplace, narrate)
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
    return Study(
        details=details,
        as_of_s=newest_s(details, datasets, sessions),
        datasets=datasets,
        sessions=sessions,
        accounts=accounts_of(sessions),
        proofs=tuple(_proof(certificate, details) for certificate in certificates),
        certificates=tuple(certificate.to_json() for certificate in certificates),
        answers=answers,
        images=images,
        unread=tuple(reading.unread),
    )


@dataclass(slots=True)
class _Reading:
    """Reads blobs of the store; what cannot be had becomes a sentence, because a report goes on without it.

    away: why the store did not answer once. It is not asked again then: each question may take a minute.
    """

    workplace: Workplace
    narrate: Callable[[str], None]
    unread: list[str] = field(default_factory=list)
    away: StoreError | None = None

    def __call__(self, blob: Blob | None, what: str, read: Callable[[Path], T]) -> T | None:
        if blob is None:
            self.unread.append(f"The queue does not say where {what} lie.")
            return None
        folder = self.workplace.cache / "blobs"
        try:
            if not (is_digest(blob.sha256) and (folder / blob.sha256).exists()):
                if self.away:
                    raise self.away
                self.narrate(f"fetching {what}, {size(blob.size_bytes)}")
            return read(fetch_once(self.workplace.store, blob, folder))
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


def _proof(certificate: Certificate, details: Sequence[JobDetail]) -> Proof:
    return Proof(
        job=certificate.job,
        is_equal=certificate.is_equal,
        ran_on=ran_on(certificate.identity),
        kills=tuple(f"{kill.moment}, after {duration(kill.after_s)}" for kill in certificate.kills),
        undisturbed=certificate.undisturbed,
        cut=certificate.cut,
        kills_by_moment=certificate.kills_by_moment,
        facts=(
            f"Made at {certificate.made_at}, with {versions_of(certificate)}; seed {certificate.seed}; the killed run "
            f"kept its queue in a {certificate.store} store.",
            _what_it_took(certificate),
            *(
                f"Epoch {it.epoch}, {it.split}: loss {it.loss:.4f}, accuracy {it.accuracy:.1%}, the same in both runs."
                for it in certificate.figures
                if certificate.is_equal
            ),
        ),
        warning=_warning(certificate, details),
    )


def _what_it_took(certificate: Certificate) -> str:
    said = (
        f"{certificate.kills_in_attempts} of the kills fell inside an attempt, "
        f"{count(certificate.interruptions, 'interruption')} recorded; {count(certificate.attempts, 'attempt')}, of "
        f"which {certificate.step_resumes} went on from the middle of an epoch"
    )
    if certificate.held_s is None or certificate.lost_s is None or certificate.redone_s is None:
        return f"{said}."
    return (
        f"{said}; {duration(certificate.lost_s)} of {duration(certificate.held_s)} were lost, "
        f"{duration(certificate.redone_s)} done again."
    )


def _warning(certificate: Certificate, details: Sequence[JobDetail]) -> str | None:
    """Say what a reader of this report would otherwise take for granted: that the job that was drilled is in it."""
    if certificate.spec_sha256 not in {detail.spec.digest for detail in details}:
        return "This is the drill of another job than those of this report: its spec is not among them."
    if certificate.dataset_sha256 not in {detail.dataset_sha256 for detail in details}:
        return "This is the drill of a job of this report on other images: its dataset is not among those used here."
    return None
