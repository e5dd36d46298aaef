"""A matrix of coloured cells, each with its value: confusion, correlation, differences between pairs.

The colour only supports the value that stands in the cell, and is pale enough for it to be read in light and dark. A
cell without a value is a dash on plain ground. Few columns have their names level, many have them on end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qcqueue.reports.charts.lettering import LABEL_SIZE, SMALL_SIZE, TEXT_SIZE, shortened, width_of, wrapped
from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.shapes import number, words
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.palette import heat, model_heat

WIDTH = 400
EDGE, GAP = 4, 8
NAME_LINE = 14
MOST_ROW_NAME, MOST_COLUMN_NAME, MOST_NAME_LINES = 148, 168, 3
MOST_LEVEL_COLUMNS, MOST_SLANTED_COLUMNS = 4, 7
WIDEST_CELL, NARROWEST_CELL = 112, 26
SLANT = 55


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """share is -1..1 and gives the colour; None: no value. text stands in the cell, detail smaller below it."""

    share: float | None
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heatmap:
    """What to draw: cells by row and column. paint: a model's colour, or None for blue (above 0) and orange (below).

    rows_name and columns_name say what rows and columns are, where their names do not.
    """

    key: str
    title: str
    description: str
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    rows_name: str = ""
    columns_name: str = ""
    paint: str | None = None


@dataclass(frozen=True, slots=True)
class _Grid:
    left: float
    top: float
    cell_width: float
    cell_height: float
    columns: int
    rows: int
    angle: int

    @property
    def right(self) -> float:
        return self.left + self.cell_width * self.columns

    @property
    def bottom(self) -> float:
        return self.top + self.cell_height * self.rows


def draw(chart: Heatmap) -> Picture:
    """Return the matrix; wider than 400 where its values would not fit into their cells."""
    grid = _grid(chart)
    cells = [
        _cell(chart, cell, grid, row, column)
        for row, line in enumerate(chart.cells)
        for column, cell in enumerate(line)
    ]
    return picture(
        chart.key,
        chart.title,
        chart.description,
        _titles(chart, grid),
        [_column_name(name, grid, place) for place, name in enumerate(chart.column_names)],
        [_row_name(name, grid, place) for place, name in enumerate(chart.row_names)],
        cells,
        width=max(WIDTH, math.ceil(grid.right + _overhang(chart, grid.angle) + EDGE)),
        height=math.ceil(grid.bottom + EDGE),
    )


def _grid(chart: Heatmap) -> _Grid:
    columns = len(chart.column_names)
    left = EDGE + GAP + max((_row_name_width(name) for name in chart.row_names), default=0)
    if chart.rows_name:
        left = max(left, EDGE + GAP + min(width_of(chart.rows_name, bold=True), MOST_ROW_NAME))
    angle = _angle(chart.column_names, room=min((WIDTH - EDGE - left) / max(columns, 1), WIDEST_CELL))
    room = (WIDTH - EDGE - left - _overhang(chart, angle)) / max(columns, 1)
    cell_width = min(max(room, _widest_value(chart) + 6, NARROWEST_CELL), WIDEST_CELL)
    has_details = any(cell.detail for line in chart.cells for cell in line)
    return _Grid(
        left=left,
        top=_names_height(chart, angle, cell_width) + (LABEL_SIZE + 8 if chart.columns_name else 2),
        cell_width=cell_width,
        cell_height=42 if has_details else 32,
        columns=columns,
        rows=len(chart.row_names),
        angle=angle,
    )


def _angle(names: Sequence[str], *, room: float) -> int:
    """Return how far the names of columns are turned: not at all where each fits level without a broken word."""
    if len(names) <= MOST_LEVEL_COLUMNS and all(_fits_level(name, room) for name in names):
        return 0
    return SLANT if len(names) <= MOST_SLANTED_COLUMNS else 90


def _fits_level(name: str, room: float) -> bool:
    lines = _level_lines(name, room)
    return set(" ".join(lines).split(" ")) == set(name.split(" "))


def _row_name_width(name: str) -> float:
    lines = wrapped(name, MOST_ROW_NAME, most=2, size=LABEL_SIZE, bold=True)
    return max(width_of(line, size=LABEL_SIZE, bold=True) for line in lines)


def _widest_value(chart: Heatmap) -> float:
    cells = [cell for line in chart.cells for cell in line]
    texts = [width_of(cell.text) for cell in cells] + [width_of(cell.detail, size=SMALL_SIZE) for cell in cells]
    return max(texts, default=0)


def _longest(chart: Heatmap) -> float:
    longest = max((width_of(name, size=LABEL_SIZE, bold=True) for name in chart.column_names), default=0)
    return min(longest, MOST_COLUMN_NAME)


def _overhang(chart: Heatmap, angle: int) -> float:
    """Return how far slanted names reach beyond the matrix, whatever the width of its cells."""
    if angle != SLANT:
        return 0.0
    lengths = [width_of(name, size=LABEL_SIZE, bold=True) for name in reversed(chart.column_names)]
    reaches = [
        min(length, MOST_COLUMN_NAME) * math.cos(math.radians(angle)) - NARROWEST_CELL * (place + 0.5)
        for place, length in enumerate(lengths)
    ]
    return max(0.0, *reaches) + 2


def _names_height(chart: Heatmap, angle: int, cell_width: float) -> float:
    if angle == 0:
        lines = [len(_level_lines(name, cell_width)) for name in chart.column_names]
        return NAME_LINE * max(lines, default=0) + 6
    return _longest(chart) * math.sin(math.radians(angle)) + LABEL_SIZE + 4


def _level_lines(name: str, cell_width: float) -> list[str]:
    return wrapped(name, cell_width - 4, most=MOST_NAME_LINES, size=LABEL_SIZE, bold=True)


def _titles(chart: Heatmap, grid: _Grid) -> list[Content]:
    """Return what rows and columns are: columns above their names, rows in the corner beside the matrix."""
    columns = words(chart.columns_name, grid.left, LABEL_SIZE, class_="name") if chart.columns_name else None
    corner = shortened(chart.rows_name, grid.left - EDGE - GAP, bold=True)
    rows = words(corner, grid.left - GAP, grid.top - 6, anchor="end", class_="name") if chart.rows_name else None
    return [columns, rows]


def _column_name(name: str, grid: _Grid, place: int) -> Markup:
    middle = grid.left + grid.cell_width * (place + 0.5)
    if grid.angle == 0:
        lines = _level_lines(name, grid.cell_width)
        first = grid.top - 6 - NAME_LINE * (len(lines) - 1)
        return _name(name, lines, middle, first, anchor="middle")
    short = [shortened(name, MOST_COLUMN_NAME, size=LABEL_SIZE, bold=True)]
    # On end a name is centred over its column by its x-height; slanted, its foot starts there.
    x = middle + LABEL_SIZE * 0.36 if grid.angle == 90 else middle
    return _name(name, short, x, grid.top - 5, anchor="start", turned=-grid.angle)


def _row_name(name: str, grid: _Grid, place: int) -> Markup:
    lines = wrapped(name, MOST_ROW_NAME, most=2, size=LABEL_SIZE, bold=True)
    middle = grid.top + grid.cell_height * (place + 0.5)
    first = middle + LABEL_SIZE * 0.36 - NAME_LINE * (len(lines) - 1) / 2
    return _name(name, lines, grid.left - GAP, first, anchor="end")


def _name(name: str, lines: Sequence[str], x: float, y: float, *, anchor: str, turned: int = 0) -> Markup:
    full = tag("title", name) if "".join(lines) != name else None
    spans = [
        tag("text", full, line, x=number(x), y=number(y + NAME_LINE * place), text_anchor=anchor, class_="label")
        for place, line in enumerate(lines)
    ]
    return tag("g", spans, transform=f"rotate({turned} {number(x)} {number(y)})" if turned else None)


def _cell(chart: Heatmap, cell: Cell, grid: _Grid, row: int, column: int) -> Markup:
    x, y = grid.left + grid.cell_width * column, grid.top + grid.cell_height * row
    share = cell.share if cell.share is not None and math.isfinite(cell.share) else None
    rect = tag(
        "rect",
        x=number(x),
        y=number(y),
        width=number(grid.cell_width),
        height=number(grid.cell_height),
        class_="cell",
        style=f"fill:{_ground(share, chart.paint)}",
    )
    middle, centre = x + grid.cell_width / 2, y + grid.cell_height / 2
    text = "–" if share is None and not cell.text else cell.text
    class_ = "value" if share is not None else None
    foot = centre + TEXT_SIZE * 0.36
    if not cell.detail:
        return tag("g", rect, words(text, middle, foot, anchor="middle", class_=class_))
    detail = words(cell.detail, middle, foot + 9, anchor="middle", class_="small value")
    return tag("g", rect, words(text, middle, foot - 6, anchor="middle", class_="strong"), detail)


def _ground(share: float | None, paint: str | None) -> str:
    if share is None:
        return "var(--raised)"
    return heat(share) if paint is None else model_heat(share, paint)
