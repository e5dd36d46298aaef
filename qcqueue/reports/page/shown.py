"""What a part of the page can show: the numbers, and tables and pictures by their keys, each with its number."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.figures.registry import notes_beside
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.tables import html_table, linked
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.judgements import shown_pair_table
from qcqueue.reports.tables.table import Table, narrowed

NARROW = 400
"""Pictures are drawn for the width of a phone, in CSS pixels; only matrices may need more."""

TABLES = (
    *("models", "repeats", "scores-test-best", "pairs-test-best", "accuracy"),
    *("correlation", "cost", "time"),
    *("class-rates-test-best", "classes-best", "classes-last", "calibration", "severity"),
    *("quality", "total-time", "sessions", "segments"),
)
"""The tables of the page in their order, which numbers them."""

FIGURES_FIRST = (
    "accuracy-intervals",
    "pairs",
    "accuracy-by-epoch",
    "loss-by-epoch",
    "accuracy-by-minutes",
    "correlation",
    "reliability",
    "severity",
)
FIGURES_LAST = ("timeline", "total-time", "held-time")
"""The pictures before and after those of single models, in their order, which numbers them."""

_AT_BEST: Mapping[str, str] = {"split": "test", "weights": "best"}
_SCORES = (
    *("job", "images", "accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1"),
    *("kappa", "mcc", "macro_auc", "macro_auc_low", "macro_auc_high"),
)
_RATES = (
    *("job", "class", "images", "predicted", "precision", "sensitivity", "specificity", "f1"),
    *("auc", "auc_low", "auc_high", "average_precision"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """places: each job's place in the report by full name, which is its colour; numbers: of tables and of pictures by
    their keys."""

    findings: Findings
    tables: Mapping[str, Table]
    pictures: Mapping[str, Picture]
    places: Mapping[str, int]
    table_numbers: Mapping[str, int]
    figure_numbers: Mapping[str, int]

    def table(self, key: str, *, with_names: bool = False) -> Markup | None:
        """Return a table, or nothing where there is none, or no row in it. with_names: of jobs, in full."""
        table = self.tables.get(key)
        if table is None or not table.rows:
            return None
        number = self.table_numbers.get(key)
        return html_table(
            table, self.findings.notes, self.places, number=number, id_=f"table-{key}", with_names=with_names
        )

    def picture(self, key: str) -> Markup | None:
        """Return a picture under its title, or nothing where there is none."""
        picture = self.pictures.get(key)
        if picture is None:
            return None
        noted = linked(notes_beside(key, self.findings))
        title = f"Figure {self.figure_numbers[key]}. {picture.title}"
        return tag("figure", tag("figcaption", title, noted), _in_reach(picture), id=f"figure-{key}")

    def gallery(self, *keys: str) -> Content:
        """Return pictures side by side where there is room, or nothing where there are none."""
        found = [figure for key in keys if (figure := self.picture(key))]
        return tag("div", found, class_="charts") if found else None

    def folded(self, summary: str, *content: Content) -> Content:
        """Return content that opens at a click, or nothing where there is none."""
        found = [it for it in content if it is not None]
        return tag("details", tag("summary", summary), found) if found else None

    def numbered(self) -> Iterator[tuple[str, str]]:
        """Yield anchor and words of every figure and table that compares models, in their order."""
        for key, number in self.figure_numbers.items():
            if not key.startswith("model-"):
                yield f"figure-{key}", f"Figure {number}. {self.pictures[key].title}"
        for key, number in self.table_numbers.items():
            yield f"table-{key}", f"Table {number}. {self.tables[key].caption}"


def _in_reach(picture: Picture) -> Markup:
    """Return the picture, in a box that scrolls where a phone would make its words too small to read."""
    if picture.width <= NARROW:
        return picture.svg
    return tag(
        "div",
        picture.svg,
        class_="scroll wide",
        style=f"--least:{picture.width:g}px",
        role="group",
        aria_label=picture.title,
        tabindex=0,
    )


def shown(findings: Findings, tables: Iterable[Table], pictures: Iterable[Picture]) -> Shown:
    by_key = {table.key: table for table in (*tables, shown_pair_table(findings))}
    by_key |= {table.key: table for table in _narrowed(by_key)}
    if not any(model.result and model.result.last.epoch != model.result.best.epoch for model in findings.models):
        by_key.pop("classes-last", None)  # it would say the same again
    drawn = {picture.key: picture for picture in pictures}
    return Shown(
        findings=findings,
        tables=by_key,
        pictures=drawn,
        places={model.name: place for place, model in enumerate(findings.models)},
        table_numbers=_numbers([key for key in TABLES if key in by_key and by_key[key].rows]),
        figure_numbers=_numbers(
            [
                *(key for key in FIGURES_FIRST if key in drawn),
                *(key for key in drawn if key not in (*FIGURES_FIRST, *FIGURES_LAST) and not _is_a_file_alone(key)),
                *(key for key in FIGURES_LAST if key in drawn),
            ]
        ),
    )


def _is_a_file_alone(key: str) -> bool:
    """The page has confusion matrices as tables, which a screen reader can read."""
    return "-confusion-" in key


def _numbers(keys: Sequence[str]) -> Mapping[str, int]:
    return {key: number for number, key in enumerate(keys, start=1)}


def _narrowed(tables: Mapping[str, Table]) -> Iterator[Table]:
    """Yield what of the large tables a reader looks for: of the test images, at the best epochs."""
    for key, caption, keep in (
        ("scores", "Averages over classes and agreement, test images, best epochs", _SCORES),
        ("class-rates", "Measures by class, test images, best epochs", _RATES),
    ):
        if key in tables:
            yield narrowed(tables[key], f"{key}-test-best", caption, keep=keep, where=_AT_BEST)
