"""Curves of how well probabilities rank images: one panel a class, one line a model, and below the areas in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qcqueue.reports.figures.figure import MOST_ALONE
from qcqueue.reports.figures.marks import grid, panel_places, percent_axis
from qcqueue.reports.figures.sheet import INK, LINE_MM, QUIET, RULE, WIDTH_MM, Sheet, fitted
from qcqueue.reports.palette import dashes_of, model_hex
from qcqueue.reports.quantities.comparison import Interval
from qcqueue.reports.quantities.curves import ClassRanking, RankCurve
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.stats import Floats

MOST_NAMED = 10
_LEFT, _HEAD, _FOOT, _GAP = 9.0, 5.0, 8.5, 2.0
_MOST_POINTS = 200
_TWO_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankLine:
    """One model in one class: the points of its curve, None where there is none, and its area."""

    x: Floats
    y: Floats
    area: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedModel:
    """One model: a line a class in their order, and the mean of its areas with its interval."""

    label: str
    place: int
    lines: tuple[RankLine | None, ...]
    area: float | None
    interval: Interval | None

    @property
    def said(self) -> str:
        if self.area is None:
            return "–"
        return f"{self.area:.3f}" + (f" ({self.interval.low:.3f} to {self.interval.high:.3f})" if self.interval else "")


def by_classes(
    findings: Findings, of: Callable[[ClassRanking], tuple[Sequence[RankCurve | None], float | None, Interval | None]]
) -> dict[tuple[str, ...], list[RankedModel]]:
    """Return the models by the classes they were tested on. of: a model's curves, their mean area and its interval."""
    places = {model.name: place for place, model in enumerate(findings.models)}
    found: dict[tuple[str, ...], list[RankedModel]] = {}
    for it in findings.rankings:
        curves, area, interval = of(it)
        lines = tuple(RankLine(x=one.x, y=one.y, area=one.area) if one else None for one in curves)
        model = RankedModel(label=it.label, place=places[it.job], lines=lines, area=area, interval=interval)
        found.setdefault(it.classes, []).append(model)
    return found


def named_of(models: Sequence[RankedModel]) -> list[RankedModel]:
    """Return the models that have a colour and a line in the list below."""
    if len(models) <= MOST_ALONE:
        return list(models)
    return sorted(models, key=lambda it: (-(it.area or 0.0), it.place))[:MOST_NAMED]


def draw_rank_curves(
    models: Sequence[RankedModel], classes: Sequence[str], *, names: tuple[str, str], area: str, has_diagonal: bool
) -> Sheet:
    """Draw the panels. names: of the level and of the upright axis; area: what the area is called."""
    named = named_of(models)
    columns = min(_TWO_COLUMNS, len(classes))
    places = list(panel_places(len(classes), columns, row_mm=0, left=_LEFT, gap=_GAP))
    side = min(places[0][2], 46.0)
    block = _HEAD + side + _FOOT
    rows = -(-len(classes) // columns)
    sheet = Sheet(block * rows + LINE_MM * (len(named) + 1) + 2)
    for number, name in enumerate(classes):
        left, top, _ = places[number][0], block * (number // columns) + _HEAD, None
        axes = sheet.axes(left, top, side, side)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_xlabel(names[0])
        if number % columns == 0:
            axes.set_ylabel(names[1])
        for axis in (axes.xaxis, axes.yaxis):
            percent_axis(axis)
        grid(axes)
        sheet.words(fitted(name, side, bold=True), left, top - 2.4, color=INK, weight="bold")
        if has_diagonal:
            axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.5, linestyle=(0, (4, 3)))
        for it in [*(it for it in models if it not in named), *reversed(named)]:
            if line := it.lines[number]:
                thinned = slice(None, None, max(1, len(line.x) // _MOST_POINTS))
                dashes = dashes_of(it.place)
                axes.plot([*line.x[thinned], line.x[-1]], [*line.y[thinned], line.y[-1]],
                          color=model_hex(it.place) if it in named else RULE, linewidth=0.9,
                          linestyle=(0, dashes) if dashes else "-")  # fmt: skip
    _list(sheet, named, area, top=block * rows)
    return sheet


def _list(sheet: Sheet, named: Sequence[RankedModel], area: str, *, top: float) -> None:
    """Write the areas, the mean over classes, with a sample of each line."""
    whole = sheet.whole()
    sheet.words(area, WIDTH_MM - 1, top + LINE_MM / 2, ha="right")
    for row, it in enumerate(named, start=1):
        y = top + LINE_MM * (row + 0.5)
        dashes = dashes_of(it.place)
        whole.plot([1, 6], [y, y], color=model_hex(it.place), linestyle=(0, dashes) if dashes else "-")
        sheet.words(fitted(it.label, 40, bold=True), 7.5, y, color=model_hex(it.place), weight="bold")
        sheet.words(it.said, WIDTH_MM - 1, y, ha="right", color=INK)
