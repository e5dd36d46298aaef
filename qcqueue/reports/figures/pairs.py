"""Whether one model is better than another: differences of accuracy between all pairs, with McNemar's p."""

from collections.abc import Iterator, Sequence
from functools import partial

from qcqueue.reports.figures.cells import Cell, column_names, draw_cells, names_mm, row_names
from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.sheet import WIDTH_MM, Sheet, widest
from qcqueue.reports.palette import hex_of
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import CHANCE, Pair
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.judgements import points, probability

_MOST_NAME = 28.0
MOST_DETAILED = 9
"""Of more models a cell has no room for p; the table of pairs has it."""


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it for few models that were compared; of more, nobody reads a matrix, and the table has them all."""
    comparison = findings.comparisons["test", "best"]
    names = {it.job: it.label for it in comparison.accuracies}
    if comparison.pairs and len(names) <= MOST_ALONE:
        sure = sum(it.p_adjusted < CHANCE for it in comparison.pairs)
        with_p = ", and below it McNemar's p after Holm's correction" if len(names) <= MOST_DETAILED else ""
        yield ReportFigure(
            name="pairs",
            section=Section.ACCURACY,
            title="Differences of test accuracy between models",
            caption=f"Accuracy of the row minus that of the column, in points{with_p}.",
            alt=f"{sure} of {len(comparison.pairs)} pairs differ by more than luck would (p below {CHANCE:g} after "
            "Holm's correction); the values stand in the table of pairs.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(_draw, names, comparison.pairs),
        )


def _draw(names: dict[str, str], pairs: Sequence[Pair]) -> Sheet:
    found = {(it.first, it.second): (it, 1) for it in pairs} | {(it.second, it.first): (it, -1) for it in pairs}
    labels = list(names.values())
    highest = max(abs(it.difference) for it in pairs) or 1.0
    left = widest(labels, _MOST_NAME, bold=True) + 2
    cell_mm = (WIDTH_MM - left - 1) / len(labels)
    is_detailed = len(labels) <= MOST_DETAILED
    row_mm = 6.6 if is_detailed else 4.4
    top = names_mm(labels, cell_mm, _MOST_NAME)
    sheet = Sheet(top + row_mm * len(labels) + 1)
    cells = [[_cell(found.get((row, column)), highest, is_detailed) for column in names] for row in names]
    draw_cells(sheet, cells, left=left, top=top, cell_mm=cell_mm, row_mm=row_mm, most=1.0)
    row_names(sheet, labels, right=left - 1, top=top, row_mm=row_mm, room=left - 1.5)
    column_names(sheet, labels, left=left, foot=top, cell_mm=cell_mm, room=_MOST_NAME)
    return sheet


def _cell(found: tuple[Pair, int] | None, highest: float, is_detailed: bool) -> Cell:
    if found is None:
        return Cell(text="", colour=None)
    pair, sign = found
    difference = sign * pair.difference
    detail = f"p {probability(pair.p_adjusted)}" if is_detailed else ""
    colour = hex_of("cool" if difference >= 0 else "warm")
    text = points(difference).removesuffix(" points")
    return Cell(text=text, colour=colour, share=abs(difference) / highest, detail=detail)
