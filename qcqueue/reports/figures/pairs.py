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
from qcqueue.reports.tables.judgements import points

_MOST_NAME, _MOST_NAME_OF_MANY = 26.0, 19.0
_FEW, _MOST_STARRED, _MOST_VALUES = 7, 9, 13
"""Of more models a cell has no room for a decimal, for a star, and at last for a number; the table has them."""


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it for few models that were compared; of more, nobody reads a matrix, and the table has them all."""
    comparison = findings.comparisons["test", "best"]
    names = {it.job: it.label for it in comparison.accuracies}
    if comparison.pairs and len(names) <= MOST_ALONE:
        sure = sum(it.p_adjusted < CHANCE for it in comparison.pairs)
        said = "Accuracy of the row minus that of the column, in points."
        if len(names) <= _MOST_STARRED:
            said += " A star: more than luck, McNemar's p below 0.05 after Holm's correction."
        yield ReportFigure(
            name="pairs",
            section=Section.ACCURACY,
            title="Differences of test accuracy between models",
            caption=said,
            alt=f"{sure} of {len(comparison.pairs)} pairs differ by more than luck would (p below {CHANCE:g} after "
            "Holm's correction); the values stand in the table of pairs.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(_draw, names, comparison.pairs),
        )


def _draw(names: dict[str, str], pairs: Sequence[Pair]) -> Sheet:
    found = {(it.first, it.second): (it, 1) for it in pairs} | {(it.second, it.first): (it, -1) for it in pairs}
    labels = list(names.values())
    highest = max(abs(it.difference) for it in pairs) or 1.0
    left = widest(labels, _MOST_NAME if len(labels) <= _FEW else _MOST_NAME_OF_MANY, bold=True) + 2
    cell_mm = (WIDTH_MM - left - 1) / len(labels)
    row_mm = 5.4 if len(labels) <= _FEW else 4.4
    top = names_mm(labels, cell_mm, _MOST_NAME)
    sheet = Sheet(top + row_mm * len(labels) + 1)
    cells = [[_cell(found.get((row, column)), highest, len(names)) for column in names] for row in names]
    draw_cells(sheet, cells, left=left, top=top, cell_mm=cell_mm, row_mm=row_mm, most=1.0)
    row_names(sheet, labels, right=left - 1, top=top, row_mm=row_mm, room=left - 1.5)
    column_names(sheet, labels, left=left, foot=top, cell_mm=cell_mm, room=_MOST_NAME)
    return sheet


def _cell(found: tuple[Pair, int] | None, highest: float, models: int) -> Cell:
    if found is None:
        return Cell(text="", colour=None)
    pair, sign = found
    difference = sign * pair.difference
    colour = hex_of("cool" if difference >= 0 else "warm")
    if models > _MOST_VALUES:
        return Cell(text=" ", colour=colour, share=abs(difference) / highest)
    value = points(difference).removesuffix(" points")
    rounded = f"{100 * difference:+.0f}".replace("-", "−")
    text = value if models <= _FEW else "0" if rounded[1:] == "0" else rounded
    star = "*" if pair.p_adjusted < CHANCE and models <= _MOST_STARRED else ""
    return Cell(text=text + star, colour=colour, share=abs(difference) / highest)
