"""How costs and results of models go together: a matrix of Pearson's r."""

from collections.abc import Iterator, Sequence
from functools import partial

from qcqueue.reports.figures.cells import Cell, column_names, draw_cells, names_mm, row_names
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.sheet import WIDTH_MM, Sheet
from qcqueue.reports.palette import hex_of
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.correlation import Correlation, Cost
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import count

_NAMES_MM, _ROW_MM = 31.0, 6.0


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where three models or more differ in anything."""
    rows = findings.correlation.rows
    if not any(cell.coefficient is not None for row in rows for cell in row):
        return
    fewest, most = (limit(cell.models for row in rows for cell in row) for limit in (min, max))
    over = count(most, "model") if fewest == most else f"{fewest} to {count(most, 'model')}"
    yield ReportFigure(
        name="correlation",
        section=Section.TIMES,
        title=f"Correlation: Pearson's r over {over}",
        caption="Costs and test results of the models, each against each other. Over so few models a coefficient "
        "describes these models and proves nothing of others.",
        alt="Each quantity against each other; the values stand in the table of correlations.",
        notes=notes_on_figure(findings, Quantity.TIMES),
        draw=partial(_draw, rows),
    )


def _draw(rows: Sequence[Sequence[Correlation]]) -> Sheet:
    names = [cost.label for cost in Cost]
    cell_mm = (WIDTH_MM - _NAMES_MM - 1) / len(names)
    top = names_mm(names, cell_mm, _NAMES_MM)
    sheet = Sheet(top + _ROW_MM * len(names) + 1)
    cells = [[_cell(it) for it in row] for row in rows]
    draw_cells(sheet, cells, left=_NAMES_MM, top=top, cell_mm=cell_mm, row_mm=_ROW_MM, most=1.0)
    row_names(sheet, names, right=_NAMES_MM - 1, top=top, row_mm=_ROW_MM, room=_NAMES_MM - 1)
    column_names(sheet, names, left=_NAMES_MM, foot=top, cell_mm=cell_mm, room=_NAMES_MM)
    return sheet


def _cell(it: Correlation) -> Cell:
    value = it.coefficient
    if value is None:
        return Cell(text="", colour=None)
    colour = hex_of("cool" if value >= 0 else "warm")
    return Cell(text=f"{value:+.2f}".replace("-", "−"), colour=colour, share=abs(value))
