"""The tables made from single predictions: intervals, pairs, calibration, severity, and images misclassified often."""

from collections.abc import Iterator

from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import LEVEL, Interval
from qcqueue.reports.quantities.findings import SERIES, Findings, Series
from qcqueue.reports.tables.by_model import MODEL, to_three
from qcqueue.reports.tables.table import Column, Table, Value, of_models
from qcqueue.text.humanize import percent

SEVERITIES = ("none or unknown", "mild", "moderate", "severe")
"""What a severity is called, by its number."""

_ABOUT = {"validation": Quantity.ACCURACY, "test": Quantity.TEST_ACCURACY}


def points(share: float) -> str:
    """Return a difference of two shares as a person says it: in points of percent, with its sign."""
    return (f"{100 * share:+.1f}".replace("-", "\u2212") if share else "0.0") + " points"


def probability(value: float) -> str:
    """Return a p value as papers print it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


_WHICH = (
    Column(key="split", head="Split", is_text=True),
    Column(key="weights", head="Weights", is_text=True),
)


def _interval(about: Quantity) -> tuple[Column, ...]:
    return (
        Column(key="low", head=f"{LEVEL} interval", unit="from", about=about, says=percent),
        Column(key="high", head=f"{LEVEL} interval", unit="to", about=about, says=percent),
        Column(key="interval_is", head=f"{LEVEL} interval", unit="by", is_text=True),
    )


def accuracy_table(findings: Findings) -> Table:
    """Return every accuracy with its interval."""
    columns = (
        MODEL,
        *_WHICH,
        Column(key="images", head="Images", unit="all"),
        Column(key="right", head="Images", unit="correct"),
        Column(key="accuracy", head="Accuracy", about=Quantity.TEST_ACCURACY, says=percent),
        *_interval(Quantity.TEST_ACCURACY),
    )
    rows = [
        (it.job, *series, it.images, it.right, it.value, *_wilson(it.interval))
        for series in SERIES
        for it in findings.comparisons[series].accuracies
    ]
    return of_models("accuracy", f"Accuracy with its {LEVEL} interval", columns, rows, findings.models)


def pair_table(findings: Findings) -> Table:
    """Return for each pair of models whether one is better than the other, and how surely."""
    return _pairs("pairs", "Models compared pair by pair, on the same images", SERIES, findings)


def shown_pair_table(findings: Findings) -> Table:
    """Return the pairs a reader looks for first: on the test images, at the best epochs."""
    return _pairs("pairs-test-best", "Models compared pair by pair, test images, best epochs", SHOWN, findings)


SHOWN: tuple[Series, ...] = (("test", "best"),)


def _pairs(key: str, caption: str, which: tuple[Series, ...], findings: Findings) -> Table:
    labels = {model.name: model.label for model in findings.models}
    columns = (
        Column(key="first", head="First", is_text=True, says=lambda name: labels.get(name, name)),
        Column(key="second", head="Second", is_text=True, says=lambda name: labels.get(name, name)),
        *(_WHICH if len(which) > 1 else ()),
        Column(key="difference", head="Difference", about=Quantity.TEST_ACCURACY, says=points),
        Column(key="low", head=f"{LEVEL} interval", unit="from", about=Quantity.TEST_ACCURACY, says=points),
        Column(key="high", head=f"{LEVEL} interval", unit="to", about=Quantity.TEST_ACCURACY, says=points),
        Column(key="interval_is", head=f"{LEVEL} interval", unit="by", is_text=True),
        Column(key="only_first_right", head="Correct", unit="only the first"),
        Column(key="only_second_right", head="Correct", unit="only the second"),
        Column(key="both_right", head="Correct", unit="both"),
        Column(key="both_wrong", head="Correct", unit="neither"),
        Column(
            key="p_mcnemar", head="McNemar's p", unit="of this pair", about=Quantity.TEST_ACCURACY, says=probability
        ),
        Column(key="p_holm", head="McNemar's p", unit="corrected", about=Quantity.TEST_ACCURACY, says=probability),
    )
    rows = tuple(
        (
            pair.first,
            pair.second,
            *(series if len(which) > 1 else ()),
            pair.difference,
            *_limits(pair.interval),
            pair.only_first,
            pair.only_second,
            pair.both_right,
            pair.both_wrong,
            pair.p_value,
            pair.p_adjusted,
        )
        for series in which
        for pair in findings.comparisons[series].pairs
    )
    return Table(key=key, caption=caption, columns=columns, rows=rows, labels=labels, subjects=(0, 1))


def calibration_table(findings: Findings) -> Table:
    """Return confidence and accuracy of each model, in ten bins and all together."""
    columns = (
        MODEL,
        *_WHICH,
        Column(key="bin_above", head="Confidence", unit="above", says=percent),
        Column(key="bin_to", head="Confidence", unit="up to", says=percent),
        Column(key="images", head="Images"),
        Column(key="confidence", head="Mean confidence", says=percent),
        Column(key="accuracy", head="Accuracy", about=Quantity.TEST_ACCURACY, says=percent),
        Column(key="expected_calibration_error", head="Expected calibration error", unit="all images", says=percent),
        Column(key="brier_score", head="Brier score", unit="all images", says=to_three),
    )

    def rows() -> Iterator[tuple[Value, ...]]:
        for series in SERIES:
            for it in findings.calibrations[series]:
                yield (
                    *(it.job, *series, 0.0, 1.0, it.images, it.confidence, it.accuracy),
                    *(it.expected_error, it.brier),
                )
                for one in it.bins:
                    yield (it.job, *series, one.low, one.high, one.images, one.confidence, one.accuracy, None, None)

    return of_models("calibration", "Calibration: confidence and accuracy", columns, rows(), findings.models)


def severity_table(findings: Findings) -> Table:
    """Return the accuracy by how badly an image was degraded."""
    columns = (
        MODEL,
        *_WHICH,
        Column(key="severity", head="Severity", says=lambda level: SEVERITIES[level], is_text=True),
        Column(key="images", head="Images", unit="all"),
        Column(key="right", head="Images", unit="correct"),
        Column(key="accuracy", head="Accuracy", about=Quantity.TEST_ACCURACY, says=percent),
        *_interval(Quantity.TEST_ACCURACY),
    )
    rows = [
        (it.job, *series, one.severity, one.images, one.right, one.accuracy, *_wilson(one.interval))
        for series in SERIES
        for it in findings.severities[series]
        for one in it.levels
    ]
    return of_models("severity", "Accuracy by severity", columns, rows, findings.models)


def misjudged_table(findings: Findings) -> Table:
    """Return the test images that most models misclassify, and what each predicted at its best epoch."""
    columns = (
        MODEL,
        Column(key="image", head="Image", is_text=True),
        Column(key="place_in_dataset", head="Place in the dataset"),
        Column(key="true_class", head="True class", is_text=True),
        Column(key="said_class", head="Predicted class", is_text=True),
        Column(key="probability", head="Confidence", about=Quantity.TEST_ACCURACY, says=percent),
        Column(key="is_right", head="Correct", is_text=True, says=lambda right: "yes" if right else "no"),
        Column(key="models_wrong", head="Models that misclassify it"),
    )
    rows = [
        (guess.job, it.name, it.place, it.truth, guess.guess, guess.probability, guess.is_right, it.wrong)
        for it in findings.misjudged
        for guess in it.guesses
    ]
    return of_models(
        "misjudged", "Test images misclassified by most models, best epochs", columns, rows, findings.models
    )


def _wilson(interval: Interval) -> tuple[Value, ...]:
    return interval.low, interval.high, "Wilson"


def _limits(interval: Interval) -> tuple[Value, ...]:
    return interval.low, interval.high, "one-sided bound" if interval.is_bound else "bootstrap"
