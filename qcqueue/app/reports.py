"""`report`: everything the queue knows, written as one page."""

from collections.abc import Sequence
from pathlib import Path

from qcqueue.app.certificate import Certificate, ran_on, versions_of
from qcqueue.app.workplace import Workplace
from qcqueue.core.words import count, duration
from qcqueue.queue.accounts import accounts_of
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.overview import job_lines
from qcqueue.queue.queries import job_detail
from qcqueue.queue.sessions import session_lines
from qcqueue.queue.values import JobDetail
from qcqueue.reports.study import Proof, Study
from qcqueue.reports.write import write_report


def report_on(workplace: Workplace, *, folder: Path, certificates: Sequence[Certificate]) -> Path:
    """Write the report of the whole queue into `folder`; return the page. Raises: UserError."""
    with workplace.read() as tx:
        details = tuple(job_detail(tx, line.name) for line in job_lines(tx))
        datasets, sessions = list_datasets(tx), session_lines(tx)
    study = Study(
        details=details,
        as_of_s=workplace.as_of_s(),
        datasets=tuple(datasets),
        sessions=sessions,
        accounts=accounts_of(sessions),
        proofs=tuple(_proof(certificate, details) for certificate in certificates),
    )
    return write_report(study, folder=folder)


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
