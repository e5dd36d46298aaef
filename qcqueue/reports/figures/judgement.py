"""How good models are: accuracies with their intervals, pairs, confusion, calibration, severity."""

from collections.abc import Iterator, Sequence

from qcqueue.core.evaluation import Evaluation
from qcqueue.reports.charts import heatmap, intervals, profiles, reliability
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.scales import shares
from qcqueue.reports.palette import dash, paint
from qcqueue.reports.quantities.comparison import CHANCE, LEVEL, Accuracy, Pair
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.quantities.predictions import SPLITS
from qcqueue.reports.quantities.severity import BySeverity
from qcqueue.reports.tables.judgements import SEVERITIES, points, probability
from qcqueue.text.humanize import listed, percent

MOST_PAIRED = 20
"""Of more models than this nobody can read a matrix of pairs; the table of pairs has them all."""


def judgement_pictures(findings: Findings) -> Iterator[Picture]:
    """Yield what compares models: all at their best epoch."""
    places = {model.name: place for place, model in enumerate(findings.models)}
    compared = findings.comparisons["test", "best"]
    if compared.accuracies:
        yield _accuracies(findings)
    if compared.pairs and len(compared.accuracies) <= MOST_PAIRED:
        yield _pairs(findings)
    if findings.calibrations["test", "best"]:
        yield _reliability(findings, places)
    if findings.severities["test", "best"]:
        yield _severity(findings.severities["test", "best"], places)


def confusions_of(model: ModelFigures, place: int) -> Iterator[Picture]:
    """Yield one model's confusion matrices at its best epoch, in validation and test; the last is in the tables."""
    if model.result:
        best = model.result.best
        for split, evaluation in (("validation", best.validation), ("test", best.test)):
            yield _confusion(model, place, best.epoch, split, evaluation)


def _accuracies(findings: Findings) -> Picture:
    by_split = {split: {it.job: it for it in findings.comparisons[split, "best"].accuracies} for split in SPLITS}
    rows = tuple(
        intervals.Row(
            label=model.label,
            paint=paint(place),
            estimates=tuple(_estimate(by_split[split].get(model.name)) for split in SPLITS),
        )
        for place, model in enumerate(findings.models)
        if model.name in by_split["test"]
    )
    ends = [end for row in rows for one in row.estimates for end in (one.value, one.low, one.high) if end is not None]
    has_bounds = any(it.interval.is_bound for found in by_split.values() for it in found.values())
    said = listed([f"{row.label} {row.estimates[1].said}" for row in rows])
    return intervals.draw(
        intervals.Intervals(
            key="accuracy-intervals",
            title=f"Accuracy at the best epoch, with {LEVEL} intervals",
            description=f"Validation and test, one row a model. Test: {said}.",
            x_name="accuracy (%)",
            x=shares(ends),
            names=tuple(SPLITS),
            interval=f"{LEVEL} interval" + (" (arrow: known on one side)" if has_bounds else ""),
            rows=rows,
        )
    )


def _estimate(found: Accuracy | None) -> intervals.Estimate:
    if found is None:
        return intervals.Estimate(value=None, low=None, high=None, said="not evaluated")
    low, high = _ends(found)
    return intervals.Estimate(
        value=found.value, low=low, high=high, said=f"{100 * found.value:.1f} ({_between(low, high)})"
    )


def _ends(found: Accuracy) -> tuple[float | None, float | None]:
    """Return both ends of an interval; of a bound, which is one-sided, only the one that is known."""
    low, high = found.interval.low, found.interval.high
    if not found.interval.is_bound:
        return low, high
    return (low, None) if found.right else (None, high)


def _between(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {100 * (low or 0.0):.1f}"
    return f"at most {100 * high:.1f}" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"


def _pairs(findings: Findings) -> Picture:
    comparison = findings.comparisons["test", "best"]
    names = [it.job for it in comparison.accuracies]
    labels = tuple(it.label for it in comparison.accuracies)
    found = {(it.first, it.second): it for it in comparison.pairs}
    widest = max(abs(it.difference) for it in comparison.pairs) or 1.0
    sure = [it for it in comparison.pairs if it.p_adjusted < CHANCE]
    return heatmap.draw(
        heatmap.Heatmap(
            key="pairs",
            title="Test accuracy of the row minus that of the column, in points, with McNemar's p",
            description=f"{len(sure)} of {len(comparison.pairs)} pairs differ by more than luck would "
            f"(p below {CHANCE:g} after Holm's correction); the values stand in the table of pairs.",
            row_names=labels,
            column_names=labels,
            cells=tuple(tuple(_pair_cell(found, row, column, widest) for column in names) for row in names),
        )
    )


def _pair_cell(found: dict[tuple[str, str], Pair], row: str, column: str, widest: float) -> heatmap.Cell:
    pair, sign = (found.get((row, column)), 1) if (row, column) in found else (found.get((column, row)), -1)
    if pair is None:
        return heatmap.Cell(share=None, text="")
    difference = sign * pair.difference
    # The title says that they are points.
    text = points(difference).removesuffix(" points")
    return heatmap.Cell(share=difference / widest, text=text, detail=f"p {probability(pair.p_adjusted)}")


def _confusion(model: ModelFigures, place: int, epoch: int, split: str, evaluation: Evaluation) -> Picture:
    classes = tuple(evaluation.per_class)
    return heatmap.draw(
        heatmap.Heatmap(
            key=f"model-{place + 1:02d}-confusion-{split}",
            title=f"{model.label}: confusion in {split}, best epoch {epoch}",
            description=f"{percent(evaluation.accuracy)} of the images are on the diagonal.",
            row_names=classes,
            column_names=classes,
            cells=tuple(tuple(_count_cell(images, sum(row)) for images in row) for row in evaluation.confusion_matrix),
            rows_name="true",
            columns_name="predicted",
            paint=paint(place),
        )
    )


def _count_cell(images: int, images_of_class: int) -> heatmap.Cell:
    share = images / images_of_class if images_of_class else None
    return heatmap.Cell(share=share, text=f"{images:,}", detail=percent(share) if share is not None else "")


def _reliability(findings: Findings, places: dict[str, int]) -> Picture:
    found = findings.calibrations["test", "best"]
    panels = tuple(
        reliability.Panel(
            label=it.label,
            paint=paint(places[it.job]),
            bins=tuple(
                reliability.Bin(confidence=one.confidence, accuracy=one.accuracy, count=one.images)
                for one in it.bins
                if one.confidence is not None and one.accuracy is not None
            ),
            ece=it.expected_error,
        )
        for it in found
    )
    said = listed([f"{it.label} {percent(it.expected_error)}" for it in found])
    return reliability.draw(
        reliability.Reliability(
            key="reliability",
            title="Calibration: confidence and accuracy, test images, best epoch",
            description=f"Expected calibration errors: {said}.",
            panels=panels,
        )
    )


def _severity(found: Sequence[BySeverity], places: dict[str, int]) -> Picture:
    levels = sorted({one.severity for it in found for one in it.levels})
    profiles_ = tuple(
        profiles.Profile(
            label=it.label,
            paint=paint(places[it.job]),
            values=tuple(next((one.accuracy for one in it.levels if one.severity == level), None) for level in levels),
            dash=dash(places[it.job]),
        )
        for it in found
    )
    return profiles.draw(
        profiles.Profiles(
            key="severity",
            title="Test accuracy by severity of what is wrong with an image, best epoch",
            description="One line a model; the values stand in the table by severity.",
            levels_name="severity",
            levels=tuple(SEVERITIES[level] for level in levels),
            y_name="accuracy (%)",
            y=shares([value for it in profiles_ for value in it.values if value is not None]),
            profiles=profiles_,
        )
    )
