"""What a section can show: the numbers, and tables and pictures by their keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.figures.registry import notes_beside
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.tables import html_table, linked
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.table import Table

NARROW = 400
"""Pictures are drawn for the width of a phone, in CSS pixels; only matrices may need more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """places: each job's place in the report by full name, which is its colour."""

    findings: Findings
    tables: Mapping[str, Table]
    pictures: Mapping[str, Picture]
    places: Mapping[str, int]

    def table(self, key: str) -> Markup | None:
        """Return a table, or nothing where there is none, or no row in it."""
        table = self.tables.get(key)
        return html_table(table, self.findings.notes, self.places) if table and table.rows else None

    def picture(self, key: str) -> Markup | None:
        """Return a picture under its title, or nothing where there is none."""
        picture = self.pictures.get(key)
        if picture is None:
            return None
        noted = linked(notes_beside(key, self.findings))
        return tag("figure", tag("figcaption", picture.title, noted), _in_reach(picture))

    def gallery(self, *keys: str) -> Content:
        """Return pictures side by side where there is room, or nothing where there are none."""
        found = [figure for key in keys if (figure := self.picture(key))]
        return tag("div", found, class_="charts") if found else None

    def folded(self, summary: str, *content: Content) -> Content:
        """Return content that opens at a click, or nothing where there is none."""
        found = [it for it in content if it is not None]
        return tag("details", tag("summary", summary), found) if found else None


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
    return Shown(
        findings=findings,
        tables={table.key: table for table in tables},
        pictures={picture.key: picture for picture in pictures},
        places={model.name: place for place, model in enumerate(findings.models)},
    )
