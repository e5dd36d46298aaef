"""A matrix of coloured cells, each with its value: confusion, correlation, differences between pairs.

The colour only supports the value that stands in the cell, and is pale enough for it to be read in light and dark. A
cell without a value is a dash on plain ground.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qcqueue.reports.figures.sheet import INK, QUIET, RULE, SIZE, SMALL_SIZE, Box, Paint, Sheet, fitted, width_of

MOST_OPAQUE = 0.4
"""More colour in a cell would take the contrast from the words in it."""

NAME_LINE = 2.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """colour with its share of 0..1, None: no value. text stands in the cell, detail smaller below it."""

    text: str
    colour: str | None
    share: float = 0.0
    detail: str = ""


def draw_cells(
    sheet: Sheet,
    cells: Sequence[Sequence[Cell]],
    *,
    left: float,
    top: float,
    cell_mm: float,
    row_mm: float,
    most: float = MOST_OPAQUE,
) -> None:
    """Draw cells with their upper left corner there."""
    size = type_size(cells, cell_mm)
    boxes: list[tuple[Box, Paint]] = []
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            x, y = left + cell_mm * column, top + row_mm * row
            # By opacity, so that the ground of a dark page shines through.
            share = most * min(cell.share, 1.0) if cell.colour is not None else 0.0
            boxes.append(((x, y, x + cell_mm, y + row_mm), (cell.colour or RULE, round(share, 3))))
            _words(sheet, cell, x + cell_mm / 2, y, row_mm, size)
    sheet.boxes(boxes, edge=RULE)


def _words(sheet: Sheet, cell: Cell, x: float, y: float, row_mm: float, size: float) -> None:
    looks: dict[str, Any] = {"ha": "center", "color": INK if cell.text else QUIET}
    sheet.words(cell.text or "–", x, y + row_mm * (0.36 if cell.detail else 0.5), size=size, **looks)
    if cell.detail:
        sheet.words(cell.detail, x, y + row_mm * 0.72, size=SMALL_SIZE, **looks)


def type_size(cells: Sequence[Sequence[Cell]], cell_mm: float) -> float:
    """Return the size of type in which every value fits into its cell, as large as words elsewhere at most."""
    cells_in_all = [it for line in cells for it in line]
    details = [width_of(it.detail) * SMALL_SIZE / SIZE for it in cells_in_all]
    longest = max([*details, *(width_of(it.text) for it in cells_in_all)])
    return max(SMALL_SIZE, min(SIZE, SIZE * (cell_mm - 0.8) / longest)) if longest else SIZE


def row_names(sheet: Sheet, names: Sequence[str], *, right: float, top: float, row_mm: float, room: float) -> None:
    """Write the names of rows, ending at this place."""
    size = max(SMALL_SIZE, min(SIZE, row_mm / NAME_LINE * SIZE))
    for row, name in enumerate(names):
        words = fitted(name, room, size=size, bold=True)
        sheet.words(words, right, top + row_mm * (row + 0.5), ha="right", color=INK, weight="bold", size=size)


def column_names(sheet: Sheet, names: Sequence[str], *, left: float, foot: float, cell_mm: float, room: float) -> None:
    """Write the names of columns above them: level where all fit, else on end; room: how long they may be then."""
    level = are_level(names, cell_mm)
    size = SIZE if level else max(SMALL_SIZE, min(SIZE, cell_mm / NAME_LINE * SIZE))
    for column, name in enumerate(names):
        x = left + cell_mm * (column + 0.5)
        words = fitted(name, cell_mm - 0.5 if level else room, size=size, bold=True)
        looks = {"ha": "center"} if level else {"rotation": 90, "ha": "center", "va": "bottom"}
        sheet.words(words, x, foot - (1.8 if level else 0.8), color=INK, weight="bold", size=size, **looks)


def are_level(names: Sequence[str], cell_mm: float) -> bool:
    """Say whether names fit level above their columns."""
    return all(width_of(fitted(it, 60, bold=True), bold=True) <= cell_mm - 0.5 for it in names)


def names_mm(names: Sequence[str], cell_mm: float, most: float) -> float:
    """Return the height that the names of columns need."""
    if are_level(names, cell_mm):
        return 4.0
    return min(most, max(width_of(fitted(it, most, bold=True), bold=True) for it in names)) + 1.6
