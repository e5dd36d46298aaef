"""All confusion matrices of the test images, at the best epochs: one panel a model, as many in a figure as fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from qcqueue.reports.figures.cells import Cell, column_names, draw_cells, names_mm, row_names
from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import little, panel_places
from qcqueue.reports.figures.sheet import INK, WIDTH_MM, Sheet, fitted, widest, width_of
from qcqueue.reports.palette import model_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import listed, percent

Matrix = tuple[tuple[int, ...], ...]

MOST_PANELS = 24
_TITLE_MM, _GAP_MM, _MOST_NAME, _ROW_MM = 4.6, 3.0, 14.0, 6.6
_FEW_CLASSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """One matrix; title stands above it in the colour of its model, and accuracy, 0..1, beside it."""

    title: str
    accuracy: float
    colour: str
    classes: tuple[str, ...]
    matrix: Matrix


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield them where test images were evaluated: one figure for up to so many models."""
    found = [
        Confusion(
            title=it.label,
            accuracy=it.result.best.test.accuracy,
            colour=model_hex(place),
            classes=tuple(it.result.best.test.per_class),
            matrix=it.result.best.test.confusion_matrix,
        )
        for place, it in enumerate(findings.models)
        if it.result
    ]
    parts = [found[at : at + MOST_PANELS] for at in range(0, len(found), MOST_PANELS)]
    for number, part in enumerate(parts, start=1):
        more = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        yield ReportFigure(
            name="confusion" if len(parts) == 1 else f"confusion-{number}",
            section=Section.CLASSES,
            title=f"Confusion matrices of all models, test images, best epochs{more}",
            caption="Rows are true and columns predicted classes; cells hold images, coloured by their share of the "
            "row. Beside each name stands the accuracy.",
            alt=f"Shares of images on the diagonal: {listed([f'{it.title} {percent(it.accuracy)}' for it in part])}.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(draw_confusions, part),
        )


def draw_confusions(matrices: Sequence[Confusion]) -> Sheet:
    """Draw matrices: two or three in a row where there are few classes, each of its own where there are many."""
    classes = max(len(it.classes) for it in matrices)
    few = classes <= _FEW_CLASSES
    columns = min(len(matrices), (3 if classes <= 3 and len(matrices) > MOST_ALONE else 2) if few else 1)
    name_mm = widest([name for it in matrices for name in it.classes], _MOST_NAME if columns < 3 else 10.0, bold=True)
    width = (WIDTH_MM - columns * (name_mm + 2) - (columns - 1) * _GAP_MM - 2) / columns
    cell_mm = min(width / classes, 12.0)
    head = _TITLE_MM + max(names_mm(it.classes, cell_mm, _MOST_NAME) for it in matrices)
    row_mm = min(_ROW_MM, max(3.4, cell_mm))
    block = head + row_mm * classes + _GAP_MM
    sheet = Sheet(block * -(-len(matrices) // columns) + 3.4)
    places = panel_places(len(matrices), columns, row_mm=block, left=name_mm + 2, gap=_GAP_MM)
    for it, (left, top, _) in zip(matrices, places, strict=True):
        room = width + name_mm
        said = percent(it.accuracy)
        name = fitted(it.title, room - width_of(said) - 1, bold=True)
        sheet.words(name, left - name_mm - 1, top + 2, color=it.colour, weight="bold")
        sheet.words(said, left - name_mm + width_of(name, bold=True), top + 2, color=INK)
        cells = [[_cell(images, sum(row), it.colour, row_mm) for images in row] for row in it.matrix]
        draw_cells(sheet, cells, left=left, top=top + head, cell_mm=cell_mm, row_mm=row_mm)
        row_names(sheet, it.classes, right=left - 0.8, top=top + head, row_mm=row_mm, room=name_mm)
        column_names(sheet, it.classes, left=left, foot=top + head, cell_mm=cell_mm, room=_MOST_NAME)
    little(sheet, "rows: true class, columns: predicted class", 1, sheet.height_mm - 1.8)
    return sheet


def _cell(images: int, images_of_class: int, colour: str, row_mm: float) -> Cell:
    share = images / images_of_class if images_of_class else None
    detail = f"{100 * share:.0f} %" if share is not None and row_mm >= _ROW_MM else ""
    return Cell(text=f"{images:,}", colour=None if share is None else colour, share=share or 0.0, detail=detail)
