"""Every picture of a report, in the order in which they are told."""

from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.gallery.judgement import confusions_of, judgement_pictures
from qcqueue.reports.gallery.learning import curves_of, learning_pictures
from qcqueue.reports.gallery.time import time_pictures
from qcqueue.reports.quantities.findings import Findings


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
