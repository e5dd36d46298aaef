"""Every picture of a report, in the order in which they are told, and the notes that stand beside each."""

import re

from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.figures.judgement import confusions_of, judgement_pictures
from qcqueue.reports.figures.learning import curves_of, learning_pictures
from qcqueue.reports.figures.time import time_pictures
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings

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


def pictures_of(findings: Findings) -> tuple[Picture, ...]:
    """Return all pictures for which something was measured; their keys are unique."""
    return (
        *judgement_pictures(findings),
        *learning_pictures(findings),
        *time_pictures(findings),
        *(
            picture
            for place, model in enumerate(findings.models)
            for picture in (*curves_of(model, place), *confusions_of(model, place))
        ),
    )


def notes_beside(key: str, findings: Findings) -> tuple[int, ...]:
    """Return the numbers of the notes on what the picture of this key shows, ascending."""
    one = _OF_ONE.match(key)
    if one:
        about: Quantity | None = Quantity.TEST_ACCURACY if one[2] else Quantity.ACCURACY
        jobs = {findings.models[int(one[1]) - 1].name}
    else:
        about, jobs = _ABOUT.get(key), {model.name for model in findings.models}
    return tuple(note.number for note in findings.notes if about in note.touches and not jobs.isdisjoint(note.jobs))
