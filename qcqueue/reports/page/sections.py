"""The parts that compare models: each says what it shows, shows it as a picture, and holds the table beside it."""

from qcqueue.reports.figures.figure import Section
from qcqueue.reports.markup import Content, tag
from qcqueue.reports.page.contents import PagePart
from qcqueue.reports.page.misjudged import misjudged_images
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import marks
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import LEVEL
from qcqueue.reports.quantities.warnings import predicts_one_class
from qcqueue.text.humanize import listed

MOST_OPEN = 20
"""Of more models the table by class is folded away: it has a row for each class of each."""


def accuracy(shown: Shown) -> PagePart | None:
    """Return how accurate the models are, whether one is better than another, and averages over classes."""
    if not any(model.result for model in shown.findings.models):
        return None
    return PagePart(
        id="accuracy",
        title="Accuracy",
        content=[
            shown.gallery(Section.ACCURACY),
            shown.table("scores-test-best"),
            shown.folded("The models pair by pair, with intervals", *_pairs(shown)),
            shown.folded(f"Every accuracy with its {LEVEL} interval", shown.table("accuracy")),
        ],
    )


def _pairs(shown: Shown) -> list[Content]:
    table = shown.table("pairs-test-best")
    lead = (
        "Both models classified the same images, so only those count that one classified correctly and the other not. "
        "McNemar's exact test gives the probability that luck alone shares them out so unevenly; Holm's correction "
        "allows for the number of pairs. The interval of a difference is that of the paired bootstrap over images, "
        "computed rather than drawn, for its pair alone. All of this is about these images and these trained models; "
        "it does not say what another seed would have trained."
    )
    return [tag("p", lead), table] if table else [None]


def learning(shown: Shown) -> PagePart | None:
    """Return the curves of all models together."""
    pictures = shown.gallery(Section.LEARNING)
    if pictures is None:
        return None
    return PagePart(
        id="learning",
        title="Learning curves",
        noted=marks(shown.findings.notes, Quantity.ACCURACY, job=None),
        content=[
            tag("p", "Validation, all models. Training curves and seams are with each model below.", class_="quiet"),
            pictures,
        ],
    )


def times(shown: Shown) -> PagePart:
    """Return how long the models took, and how that goes together with their size and their results."""
    return PagePart(
        id="times",
        title="Times and correlation",
        noted=marks(shown.findings.notes, Quantity.TIMES, job=None),
        content=[
            shown.gallery(Section.TIMES),
            shown.folded("The correlation in numbers", shown.table("correlation")),
            shown.folded("Percentiles of times", shown.table("cost"), shown.table("time")),
        ],
    )


def classes(shown: Shown) -> PagePart | None:
    """Return how the models do class by class, and how well their confidence is calibrated."""
    if not shown.tables["classes-best"].rows:
        return None
    by_class = shown.table("class-rates-test-best") or shown.table("classes-best")
    return PagePart(
        id="classes",
        title="Class by class",
        noted=marks(shown.findings.notes, Quantity.TEST_ACCURACY, job=None),
        content=[
            by_class if len(shown.findings.models) <= MOST_OPEN else shown.folded("Measures by class", by_class),
            shown.gallery(Section.CLASSES),
            shown.folded("Precision, recall and F1 in validation too", shown.table("classes-best"))
            if shown.tables["class-rates-test-best"].rows
            else None,
            shown.folded("The same at the last epoch, where it is another", shown.table("classes-last")),
            tag("h3", "Calibration") if shown.findings.calibrations["test", "best"] else None,
            _not_calibrated(shown),
            shown.gallery(Section.CALIBRATION),
            shown.folded("Calibration in numbers", shown.table("calibration")),
            shown.folded("Accuracy by severity in numbers", shown.table("severity")),
        ],
    )


def _not_calibrated(shown: Shown) -> Content:
    """Say of which models the calibration says nothing."""
    constant = [
        model.label for model in shown.findings.models if model.result and predicts_one_class(model.result.best.test)
    ]
    if not constant:
        return None
    said = (
        f"Of {listed(constant)} calibration means nothing: a model that predicts one class only is well calibrated "
        "wherever its confidence is the share of that class."
    )
    return tag("p", tag("strong", said), class_="warning")


def misclassified(shown: Shown) -> PagePart | None:
    """Return the test images that most models misclassify."""
    found = misjudged_images(shown)
    return PagePart(id="misclassified", title="Misclassified images", content=found) if found else None
