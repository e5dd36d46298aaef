"""`report`: everything the queue knows, written as one page."""

from collections.abc import Sequence
from pathlib import Path

from qcqueue.app.drill import Certificate, ran_on
from qcqueue.app.workplace import Workplace
from qcqueue.core.words import duration
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.overview import job_lines
from qcqueue.queue.queries import job_detail
from qcqueue.reports.evidence import Proof
from qcqueue.reports.write import write_report


def report_on(workplace: Workplace, *, folder: Path, certificates: Sequence[Certificate]) -> Path:
    """Write the report of the whole queue into `folder`; return the page. Raises: UserError."""
    with workplace.read() as tx:
        details = [job_detail(tx, line.name) for line in job_lines(tx)]
        datasets = list_datasets(tx)
    return write_report(
        details,
        folder=folder,
        as_of_s=workplace.as_of_s(),
        datasets=datasets,
        proofs=[_proof(certificate) for certificate in certificates],
    )


def _proof(certificate: Certificate) -> Proof:
    return Proof(
        job=certificate.job,
        is_equal=certificate.is_equal,
        ran_on=ran_on(certificate.identity),
        kills=tuple(f"{kill.moment}, after {duration(kill.after_s)}" for kill in certificate.kills),
        undisturbed=certificate.undisturbed,
        cut=certificate.cut,
    )
