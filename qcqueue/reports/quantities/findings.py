"""All numbers of a report at once, each computed one time: what every page, table and picture is made from. Pure.

What was not stored is empty here and never an error; why it is empty stands in `unread` or in a note.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from qcqueue.errors import ExtraMissing
from qcqueue.reports.quantities.calibration import Calibration, calibration_of
from qcqueue.reports.quantities.caveats import Note, notes_on
from qcqueue.reports.quantities.choice import Metric, ModelChoice, choices_of
from qcqueue.reports.quantities.comparison import MOST_COMPARED, Comparison, comparison_of
from qcqueue.reports.quantities.correlation import CorrelationMatrix, correlation_of
from qcqueue.reports.quantities.cost import Spending, spending_of
from qcqueue.reports.quantities.curves import ClassRanking, ranking_of
from qcqueue.reports.quantities.misjudged import MisjudgedImage, most_misjudged, surest_mistakes
from qcqueue.reports.quantities.models import ModelFigures, figures_of
from qcqueue.reports.quantities.predictions import SPLITS, WEIGHTS, Judged, judged_of
from qcqueue.reports.quantities.repeats import Repeats, repeats_of
from qcqueue.reports.quantities.scikit_learn import check_scikit_learn
from qcqueue.reports.quantities.scores import Scores, scores_of
from qcqueue.reports.quantities.segments import Segment, segments_of
from qcqueue.reports.quantities.severity import BySeverity, by_severity
from qcqueue.reports.quantities.stats import check_scipy
from qcqueue.reports.quantities.timeline import StudyTimeline, timeline_of
from qcqueue.reports.quantities.warnings import ModelWarning, warnings_on
from qcqueue.reports.study import ReportInput

Series: TypeAlias = tuple[str, str]
"""A split ("validation" or "test") and a set of weights ("best" or "last")."""

SERIES: tuple[Series, ...] = tuple((split, weights) for split in SPLITS for weights in WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything a report says. Models keep one order throughout: that of the study.

    judged, comparisons, calibrations and severities have an entry for each of `SERIES`, empty where there are no
    answers. rankings, misjudged and mistakes are of the test images and the best weights; mistakes are by the full name
    of a job. choices has one entry a dataset. lacks: what is not installed, without which comparisons, severities,
    rankings, scores and some warnings are empty; None where all is there.
    """

    study: ReportInput
    models: tuple[ModelFigures, ...]
    notes: tuple[Note, ...]
    choices: tuple[ModelChoice, ...]
    warnings: tuple[ModelWarning, ...]
    judged: Mapping[Series, tuple[Judged, ...]]
    comparisons: Mapping[Series, Comparison]
    calibrations: Mapping[Series, tuple[Calibration, ...]]
    severities: Mapping[Series, tuple[BySeverity, ...]]
    scores: tuple[Scores, ...]
    rankings: tuple[ClassRanking, ...]
    repeats: tuple[Repeats, ...]
    misjudged: tuple[MisjudgedImage, ...]
    mistakes: Mapping[str, tuple[MisjudgedImage, ...]]
    correlation: CorrelationMatrix
    segments: tuple[Segment, ...]
    spending: tuple[Spending, ...]
    timeline: StudyTimeline
    unread: tuple[str, ...]
    lacks: ExtraMissing | None


def findings_of(study: ReportInput) -> Findings:
    """Compute every number of the report on a study. Raises: ValueError: study.by is no metric."""
    models = figures_of(study.details)
    reading = judged_of(study, models)
    judged = {series: _of(series, reading.judged) for series in SERIES}
    shown = judged["test", "best"]
    lacks = _lacking()
    # What rests on scipy or scikit-learn is computed of nothing where they are not there.
    tested = {series: answers if lacks is None else () for series, answers in judged.items()}
    comparisons = {series: comparison_of(answers) for series, answers in tested.items()}
    choices = choices_of(models, comparisons["test", "best"], Metric(study.by))
    return Findings(
        study=study,
        models=models,
        notes=notes_on(models, study.datasets),
        choices=choices,
        warnings=warnings_on(models, choices, study.datasets, has_tests=lacks is None),
        judged=judged,
        comparisons=comparisons,
        calibrations={series: tuple(map(calibration_of, answers)) for series, answers in judged.items()},
        severities={series: _by_severity(answers, study) for series, answers in tested.items()},
        scores=scores_of(models) if lacks is None else (),
        rankings=tuple(map(ranking_of, tested["test", "best"])),
        repeats=repeats_of(models, study.images),
        misjudged=most_misjudged(shown, study.images),
        mistakes={one.job: surest_mistakes(one, study.images[one.dataset_sha256]) for one in shown},
        correlation=correlation_of(models),
        segments=segments_of(models),
        spending=spending_of(models, study.accounts),
        timeline=timeline_of(study),
        unread=study.unread + reading.unread + _too_many(shown),
        lacks=lacks,
    )


def _lacking() -> ExtraMissing | None:
    """Return what is not installed of what statistics need."""
    try:
        check_scipy()
        check_scikit_learn()
    except ExtraMissing as exc:
        return exc
    return None


def _too_many(judged: Sequence[Judged]) -> tuple[str, ...]:
    most = max(Counter(one.dataset_sha256 for one in judged).values(), default=0)
    if most <= MOST_COMPARED:
        return ()
    return (f"{most} models classified the same images, more than the {MOST_COMPARED} that are compared pair by pair.",)


def _of(series: Series, judged: Sequence[Judged]) -> tuple[Judged, ...]:
    return tuple(one for one in judged if (one.split, one.weights) == series)


def _by_severity(judged: Sequence[Judged], study: ReportInput) -> tuple[BySeverity, ...]:
    found = (by_severity(one, study.images[one.dataset_sha256]) for one in judged)
    return tuple(it for it in found if it is not None)
