"""A table as HTML: heads that neighbours share, each number with the notes that touch it, in a box that scrolls.

Every table scrolls inside its own box, so that a phone never scrolls the page sideways; what is not known is a dash.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.caveats import Note, Quantity
from qcqueue.reports.tables.table import Column, Marked, Table, Value, notes_at

NO_LINKS: Mapping[str, str] = {}


def html_table(
    table: Table,
    notes: Sequence[Note],
    places: Mapping[str, int],
    *,
    number: int | None = None,
    id_: str | None = None,
    orders: Mapping[str, str] = NO_LINKS,
    sorted_by: str | None = None,
    with_names: bool = False,
) -> Markup:
    """Return a table; places: each job's place in the report by full name, which is its colour.

    number: of the table on its page; id_: its anchor. orders: by the key of a column the anchor of the same table
    sorted by it; sorted_by: the key of the column this one is sorted by. with_names: below its label the full name of
    each job.
    """
    blocks, marked = groupby(table.rows, key=table.job_of), Marked(table, notes)
    bodies = [tag("tbody", _rows(table, list(rows), marked, places, with_names)) for _, rows in blocks]
    caption = table.caption if number is None else f"Table {number}. {table.caption}"
    return scrolling(caption, _heads(table.columns, notes, orders, sorted_by), bodies, id_=id_)


def scrolling(caption: str, *content: Content, class_: str | None = None, id_: str | None = None) -> Markup:
    """Return a table in a box of its own that scrolls, also by keyboard."""
    return tag(
        "div",
        tag("table", tag("caption", tag("span", caption)), *content, class_=class_),
        class_="scroll",
        role="group",
        aria_label=caption,
        tabindex=0,
        id_=id_,
    )


def swatch(colour: str) -> Markup:
    return tag("span", class_="swatch", style=f"background:{colour}", aria_hidden="true")


def marks(notes: Sequence[Note], about: Quantity | None, *, job: str | None) -> Content:
    """Return the numbers of the notes on one quantity of one job, or of the whole study where job is None."""
    return linked(notes_at(notes, about, job=job))


def linked(numbers: Sequence[int]) -> Content:
    """Return numbers of notes as links to them."""
    return [
        tag("sup", tag("a", str(number), href=f"#note-{number}", aria_label=f"note {number}")) for number in numbers
    ]


def _rows(
    table: Table, rows: Sequence[Sequence[Value]], marked: Marked, places: Mapping[str, int], with_names: bool
) -> list[Markup]:
    return [
        tag(
            "tr",
            _row_head(table, row, places, rows=len(rows), with_name=with_names) if first else None,
            _cells(table, row, marked),
        )
        for first, row in ((at == 0 or not table.is_by_model, row) for at, row in enumerate(rows))
    ]


def _row_head(table: Table, row: Sequence[Value], places: Mapping[str, int], *, rows: int, with_name: bool) -> Markup:
    """Return what a row is about; of a model with several rows one head stands before them all."""
    words = table.said(row)[0]
    job = table.job_of(row)
    if job is None:
        return tag("th", words, scope="row", class_="text")
    return tag(
        "th",
        swatch(paint(places[job])),
        words,
        tag("span", job, class_="detail") if with_name and words != job else None,
        scope="row" if rows == 1 else "rowgroup",
        rowspan=None if rows == 1 else rows,
        class_="model",
    )


def _cells(table: Table, row: Sequence[Value], marked: Marked) -> list[Markup]:
    cells = list(zip(table.columns, table.said(row), marked.own(row), strict=True))
    return [tag("td", words, linked(numbers), class_=_class(column, words)) for column, words, numbers in cells[1:]]


def _class(column: Column, words: str) -> str | None:
    if column.key == "state":
        return f"text state-{words}"
    return "text" if column.is_text else None


def _heads(
    columns: Sequence[Column], notes: Sequence[Note], orders: Mapping[str, str], sorted_by: str | None
) -> Markup:
    """Return two rows: heads, one over all neighbours that share it, and below them the units; each may be a link."""
    groups = [list(members) for _, members in groupby(columns, key=lambda column: column.head)]
    has_units = any(column.unit for column in columns)
    upper = [
        tag(
            "th",
            _ordering(members[0], members[0].head, orders) if not members[0].unit else members[0].head,
            marks(notes, members[0].about, job=None),
            scope="colgroup" if len(members) > 1 else "col",
            colspan=len(members) if len(members) > 1 else None,
            rowspan=2 if has_units and not members[0].unit else None,
            aria_sort="other" if members[0].key == sorted_by and not members[0].unit else None,
            class_=_head_class(members[0], is_first=at == 0),
        )
        for at, members in enumerate(groups)
    ]
    lower = [
        tag(
            "th",
            _ordering(column, column.unit, orders),
            scope="col",
            aria_sort="other" if column.key == sorted_by else None,
            class_="unit",
        )
        for column in columns
        if column.unit
    ]
    return tag("thead", tag("tr", upper), tag("tr", lower) if lower else None)


def _ordering(column: Column, words: str, orders: Mapping[str, str]) -> Content:
    """Return the words at the head of a column, as a link to the table in its order where there is one."""
    anchor = orders.get(column.key)
    return words if anchor is None else tag("a", words, href=f"#{anchor}", title=f"sort by {column.head.lower()}")


def _head_class(column: Column, *, is_first: bool) -> str | None:
    if is_first:
        return "text model" if column.is_text else "model"
    return "text" if column.is_text else None
