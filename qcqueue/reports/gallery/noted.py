"""Which notes limit what a picture shows: a picture without them would say more than its numbers do."""

import re

from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.honesty import Quantity

_ABOUT = {
    "accuracy-intervals": Quantity.TEST_ACCURACY,
    "pairs": Quantity.TEST_ACCURACY,
    "reliability": Quantity.TEST_ACCURACY,
    "severity": Quantity.TEST_ACCURACY,
    "accuracy-by-epoch": Quantity.ACCURACY,
    "loss-by-epoch": Quantity.ACCURACY,
    "accuracy-by-minutes": Quantity.ACCURACY,
    "total-time": Quantity.TOTAL_TIME,
    "held-time": Quantity.TOTAL_TIME,
    "correlation": Quantity.TIMES,
}
_OF_ONE = re.compile(r"model-(\d+)-(confusion)?")


def notes_beside(key: str, findings: Findings) -> tuple[int, ...]:
    """Return the numbers of the notes on what the picture of this key shows, ascending."""
    one = _OF_ONE.match(key)
    if one:
        about: Quantity | None = Quantity.TEST_ACCURACY if one[2] else Quantity.ACCURACY
        jobs = {findings.models[int(one[1]) - 1].name}
    else:
        about, jobs = _ABOUT.get(key), {model.name for model in findings.models}
    return tuple(note.number for note in findings.notes if about in note.touches and not jobs.isdisjoint(note.jobs))
