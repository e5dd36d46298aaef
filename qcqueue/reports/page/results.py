"""The table of the article in every order, the words of its columns, and means over repeats."""

from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.contents import PagePart
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import html_table
from qcqueue.reports.tables.article import KEY, ORDERS, TableOrder, in_order

TERMS = (
    ("Time per step", "the median over epochs of an epoch's median step; first steps, which compile, are left out"),
    ("Time per epoch", "the median over epochs of training and validation together, first steps included"),
    (
        "Total time",
        "training, validation and saving of all epochs that count; an epoch that was trained again counts once",
    ),
    ("Held time", "all that machines were held for: total time, starting up, waiting, and what a cut has lost"),
    ("Best epoch", "the epoch of the lowest validation loss, the earliest of equals; its weights are evaluated"),
    ("Macro-F1", "the mean over classes of F1, the harmonic mean of precision and recall"),
)
"""What each word of a time or result means, said once."""


def models_part(shown: Shown) -> PagePart:
    """Return the table of the article, whose heads sort it, and what its columns mean."""
    files = [tag("code", f"tables/{KEY}.{ending}") for ending in ("csv", "tex", "md")]
    hint = "The heads of the columns sort the table. " if len(shown.findings.models) > 1 else ""
    return PagePart(
        id="models",
        title="The models",
        content=[
            tag("p", hint, "It also lies beside this page as ", files[0], ", ", files[1], " and ", files[2], "."),
            _orders(shown),
            terms(),
            _repeats(shown),
        ],
    )


def terms() -> Markup:
    """Return the definitions."""
    return tag("dl", [tag("div", tag("dt", word), tag("dd", meaning)) for word, meaning in TERMS], class_="terms")


def _orders(shown: Shown) -> Content:
    """Return the table once for each order. A page without scripts shows the one that its address names.

    The usual order comes last: a style sheet hides it behind another only where that one comes before it.
    """
    usual, *others = ORDERS
    if len(shown.findings.models) < 2:
        return shown.table(KEY, with_names=True)
    return [_ordered(shown, order, is_usual=order is usual) for order in (*others, usual)]


def _ordered(shown: Shown, order: TableOrder, *, is_usual: bool) -> Markup:
    table = html_table(
        in_order(shown.tables[KEY], order),
        shown.findings.notes,
        shown.places,
        number=shown.table_numbers[KEY],
        id_=f"table-{KEY}" if is_usual else None,
        orders={it.column: _anchor(it) for it in ORDERS},
        sorted_by=order.column,
        with_names=True,
    )
    return tag("div", table, id=_anchor(order), class_="order usual" if is_usual else "order")


def _anchor(order: TableOrder) -> str:
    return f"models-by-{order.key}"


def _repeats(shown: Shown) -> Content:
    table = shown.table("repeats")
    if table is None:
        return None
    lead = (
        "Jobs that differ in their seed alone, or in how the same images are parted into training, validation and test "
        "images. SD is the standard deviation over jobs; unlike an interval over images it also holds what training "
        "itself does by chance."
    )
    return [tag("p", lead), table]
