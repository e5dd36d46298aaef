"""What a part of the page can show: the numbers, and tables and pictures by their keys, each with its number."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qcqueue.reports.figures.figure import Section
from qcqueue.reports.figures.picture import Picture
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.tables import html_table, linked
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.judgements import shown_pair_table
from qcqueue.reports.tables.table import Table, narrowed

TABLES = (
    *("models", "repeats", "scores-test-best", "pairs-test-best", "accuracy"),
    *("correlation", "cost", "time"),
    *("class-rates-test-best", "classes-best", "classes-last", "calibration", "severity"),
    *("quality", "total-time", "sessions", "segments"),
)
"""The tables of the page in their order, which numbers them."""

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
    """places: each job's place in the report by full name, which is its colour; table_numbers: by their keys."""

    findings: Findings
    tables: Mapping[str, Table]
    pictures: tuple[Picture, ...]
    places: Mapping[str, int]
    table_numbers: Mapping[str, int]

    def table(self, key: str, *, with_names: bool = False) -> Markup | None:
        """Return a table, or nothing where there is none, or no row in it. with_names: of jobs, in full."""
        table = self.tables.get(key)
        if table is None or not table.rows:
            return None
        number = self.table_numbers.get(key)
        return html_table(
            table, self.findings.notes, self.places, number=number, id_=f"table-{key}", with_names=with_names
        )

    def gallery(self, section: Section, *, job: str | None = None) -> Content:
        """Return the figures of a part side by side where there is room, or nothing where there are none.

        job: the one whose own figures to show; None for those that compare models.
        """
        found = [_numbered(it) for it in self.pictures if (it.figure.section, it.figure.job) == (section, job)]
        return tag("div", found, class_="charts") if found else None

    def folded(self, summary: str, *content: Content) -> Content:
        """Return content that opens at a click, or nothing where there is none."""
        found = [it for it in content if it is not None]
        return tag("details", tag("summary", summary), found) if found else None

    def numbered(self) -> Iterator[tuple[str, str]]:
        """Yield anchor and words of every figure and table that compares models, in their order."""
        for it in self.pictures:
            if it.figure.job is None:
                yield f"figure-{it.figure.name}", f"Figure {it.figure.number}. {it.figure.title}"
        for key, number in self.table_numbers.items():
            yield f"table-{key}", f"Table {number}. {self.tables[key].caption}"


def _numbered(picture: Picture) -> Markup:
    """Return a figure above what is said of it."""
    figure = picture.figure
    head = tag("span", f"Figure {figure.number}. {figure.title}", linked(figure.notes), class_="figure-head")
    said = tag("figcaption", head, " ", tag("span", figure.caption, class_="quiet"))
    return tag("figure", picture.svg, said, id=f"figure-{figure.name}")


def shown(findings: Findings, tables: Iterable[Table], pictures: Iterable[Picture]) -> Shown:
    by_key = {table.key: table for table in (*tables, shown_pair_table(findings))}
    by_key |= {table.key: table for table in _narrowed(by_key)}
    if not any(model.result and model.result.last.epoch != model.result.best.epoch for model in findings.models):
        by_key.pop("classes-last", None)  # it would say the same again
    return Shown(
        findings=findings,
        tables=by_key,
        pictures=tuple(pictures),
        places={model.name: place for place, model in enumerate(findings.models)},
        table_numbers=_numbers([key for key in TABLES if key in by_key and by_key[key].rows]),
    )


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
