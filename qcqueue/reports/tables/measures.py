"""The tables of measures: the choice and its warnings, averages over classes, rates by class, means over repeats."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import LEVEL, Interval
from qcqueue.reports.quantities.curves import ClassRanking
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.repeats import REPEATED
from qcqueue.reports.tables.by_model import MODEL, to_three
from qcqueue.reports.tables.table import Column, Table, Value, of_models
from qcqueue.text.humanize import duration, listed, percent

_TEST = Quantity.TEST_ACCURACY
_WHICH = (
    Column(key="split", head="Split", is_text=True),
    Column(key="weights", head="Weights", is_text=True, says=lambda which: f"{which} epoch"),
)


def choice_table(findings: Findings) -> Table:
    """Return which model validation chooses, dataset by dataset, and what the test images say of it."""
    columns = (
        MODEL,
        Column(key="by", head="Chosen by", is_text=True, says=lambda metric: f"validation {metric}"),
        Column(key="among", head="Among", unit="models"),
        Column(key="epoch", head="Epoch"),
        Column(key="validation", head="Metric", unit="validation", about=Quantity.ACCURACY, says=to_three),
        Column(key="test", head="Metric", unit="test", about=_TEST, says=to_three),
        Column(key="test_accuracy", head="Test accuracy", unit="value", about=_TEST, says=percent),
        *_limits("test_accuracy", "Test accuracy", says=percent),
        Column(key="better_than", head="On the test images", unit="better than", is_text=True),
        Column(key="undecided", head="On the test images", unit="undecided", is_text=True),
        Column(key="worse_than", head="On the test images", unit="worse than", is_text=True),
    )
    rows = [
        (
            *(it.job, it.by.value, it.among, it.epoch, it.validation, it.test, it.test_accuracy),
            *_ends(it.accuracy.interval if it.accuracy else None),
            *(listed(labels) or None for labels in (it.ahead, it.undecided, it.behind)),
        )
        for it in findings.choices
    ]
    return of_models("choice", "The model that validation chooses", columns, rows, findings.models)


def warning_table(findings: Findings) -> Table:
    """Return every warning with the jobs it is about, none where it is about the study."""
    columns = (
        Column(key="kind", head="Warning", is_text=True),
        Column(key="text", head="What was found", is_text=True),
        Column(key="jobs", head="Jobs", is_text=True),
    )
    rows = tuple((it.kind, it.text, listed(it.jobs) or None) for it in findings.warnings)
    return Table(key="warnings", caption="What a referee would ask", columns=columns, rows=rows)


def score_table(findings: Findings) -> Table:
    """Return the averages of every model, split and set of weights; areas under curves are of test and best alone."""
    columns = (
        MODEL,
        *_WHICH,
        Column(key="images", head="Images"),
        Column(key="accuracy", head="Accuracy", about=_TEST, says=percent),
        *(
            Column(key=f"{average}_{score}", head=average.capitalize(), unit=head, about=_TEST, says=to_three)
            for average in ("macro", "weighted")
            for score, head in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
        ),
        Column(key="balanced_accuracy", head="Balanced accuracy", about=_TEST, says=percent),
        Column(key="kappa", head="Cohen's kappa", about=_TEST, says=to_three),
        Column(key="mcc", head="MCC", about=_TEST, says=to_three),
        Column(key="macro_auc", head="ROC AUC", unit="macro", about=_TEST, says=to_three),
        *_limits("macro_auc", "ROC AUC"),
        Column(key="macro_average_precision", head="Average precision", unit="macro", about=_TEST, says=to_three),
        *_limits("macro_average_precision", "Average precision"),
    )
    ranked = _by_job(findings)
    rows = [
        (
            *(it.job, it.split, it.weights, it.images, it.accuracy),
            *(it.macro.precision, it.macro.recall, it.macro.f1),
            *(it.weighted.precision, it.weighted.recall, it.weighted.f1),
            *(it.agreement.balanced_accuracy, it.agreement.kappa, it.agreement.mcc),
            *_areas(ranked.get(it.job) if (it.split, it.weights) == ("test", "best") else None),
        )
        for it in findings.scores
    ]
    return of_models("scores", "Averages over classes and agreement", columns, rows, findings.models)


def _areas(ranking: ClassRanking | None) -> Iterator[Value]:
    if ranking is None:
        yield from (None,) * 6
        return
    yield ranking.macro_auc
    yield from _ends(ranking.macro_auc_interval)
    yield ranking.macro_average_precision
    yield from _ends(ranking.macro_average_precision_interval)


def rate_table(findings: Findings) -> Table:
    """Return sensitivity, specificity and the like by class; areas under curves are of test and best alone."""
    columns = (
        MODEL,
        *_WHICH,
        Column(key="class", head="Class", is_text=True),
        Column(key="images", head="Images", unit="of it"),
        Column(key="predicted", head="Images", unit="predicted as it"),
        Column(key="precision", head="Precision", about=Quantity.PRECISION, says=to_three),
        Column(key="sensitivity", head="Sensitivity", unit="recall", about=_TEST, says=to_three),
        Column(key="specificity", head="Specificity", about=_TEST, says=to_three),
        Column(key="f1", head="F1", about=_TEST, says=to_three),
        Column(key="auc", head="ROC AUC", unit="value", about=_TEST, says=to_three),
        *_limits("auc", "ROC AUC"),
        Column(key="average_precision", head="Average precision", unit="value", about=_TEST, says=to_three),
        *_limits("average_precision", "Average precision"),
    )
    ranked = _by_job(findings)
    rows = [
        (
            *(it.job, it.split, it.weights),
            *(one.name, one.images, one.predicted, one.precision, one.sensitivity, one.specificity, one.f1),
            *_class_areas(ranked.get(it.job) if (it.split, it.weights) == ("test", "best") else None, at),
        )
        for it in findings.scores
        for at, one in enumerate(it.by_class)
    ]
    return of_models("class-rates", "Measures by class", columns, rows, findings.models)


def _class_areas(ranking: ClassRanking | None, at: int) -> Iterator[Value]:
    for curve in (ranking.roc[at], ranking.precision_recall[at]) if ranking else (None, None):
        yield curve.area if curve else None
        yield from _ends(curve.interval if curve else None)


def repeat_table(findings: Findings) -> Table:
    """Return mean and standard deviation of jobs that are one experiment over several seeds or folds."""
    columns = (
        Column(key="study", head="Study", is_text=True),
        Column(key="model", head="Model", is_text=True),
        Column(key="over", head="Over", is_text=True),
        Column(key="repeats", head="Jobs", unit="number"),
        Column(key="jobs", head="Jobs", unit="names", is_text=True),
        *(
            Column(key=f"{name}_{what}", head=_REPEATED[name][0], unit=unit, says=_REPEATED[name][1])
            for name in REPEATED
            for what, unit in (("mean", "mean"), ("sd", "SD"))
        ),
    )
    rows = tuple(
        (
            *(it.study, it.model, it.over, len(it.jobs), listed(it.jobs)),
            *(
                value
                for name in REPEATED
                for spread in [it.spreads.get(name)]
                for value in ((spread.mean, spread.deviation) if spread else (None, None))
            ),
        )
        for it in findings.repeats
    )
    return Table(key="repeats", caption="Mean and standard deviation over repeats", columns=columns, rows=rows)


_REPEATED: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "validation_accuracy": ("Validation accuracy", percent),
    "validation_macro_f1": ("Validation macro-F1", to_three),
    "test_accuracy": ("Test accuracy", percent),
    "test_macro_f1": ("Test macro-F1", to_three),
    "best_epoch": ("Best epoch", "{:.1f}".format),
    "total_s": ("Total time", duration),
}


def _by_job(findings: Findings) -> Mapping[str, ClassRanking]:
    return {it.job: it for it in findings.rankings}


def _limits(key: str, head: str, *, says: Callable[[Any], str] = to_three) -> tuple[Column, ...]:
    return tuple(
        Column(key=f"{key}_{end}", head=head, unit=f"{LEVEL} {said}", about=_TEST, says=says)
        for end, said in (("low", "from"), ("high", "to"))
    )


def _ends(interval: Interval | None) -> tuple[Value, Value]:
    return (interval.low, interval.high) if interval else (None, None)
