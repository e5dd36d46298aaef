"""Whatever a name says, it stays a name: on the page, in a spreadsheet, in a text and in the names of files."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import pytest

from qcqueue.reports.figures.picture import Picture, pictures_of, standalone
from qcqueue.reports.figures.registry import figures_of
from qcqueue.reports.page.page import report_page
from qcqueue.reports.quantities.caveats import Note
from qcqueue.reports.quantities.findings import Findings, findings_of
from qcqueue.reports.tables.catalogue import tables_of
from qcqueue.reports.tables.paper import to_latex, to_markdown
from qcqueue.reports.tables.spreadsheet import to_csv
from qcqueue.reports.tables.table import Table
from qcqueue.reports.write import write_report
from tests.reports.hostile import NAMES, a_hostile_study
from tests.reports.pages import draw_small

TAME = "tame"
DRAWN = (
    *NAMES[2:6],
    "]]><![CDATA[",
    "&lt;b&gt;&#60;i&#62;",
    "x\x00y\x1b[31m",
    "\ud800half",
    "$x_1^2$ 100 % & ~ \\\\",
    "W" * 300,
    "",
)
"""What would end text, or could not be written at all, or needs much room."""
OURS = re.compile(r"(?!.*url\()[-A-Za-z0-9 #%(),.:;]+")
"""What a style may be made of: words, numbers and colours; no address, no quotation and no escape."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
MOVES = "transform"
"""The one attribute that only a long name needs: what stands behind it makes room."""
TEXT_COMMANDS = {
    *(f"\\text{name}" for name in ("backslash", "asciicircum", "asciitilde", "less", "greater", "bar", "quotedbl")),
    *("\\textasciigrave", "\\textquotesingle", "\\times", "\\geq", "\\leq", "\\asteriskcentered"),
    *(f"\\{sign}" for sign in "{}$&#%_"),
}
LINKS = re.compile(r"#[a-z]+(?:-[a-z0-9]+)*|data:image/(?:png|jpeg);base64,[A-Za-z0-9+/]+=*")
FORGING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Elements(HTMLParser):
    """What a page is made of, as a browser without a mind of its own reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, str]] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.styles: set[str] = set()
        self.comments: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.kinds |= {(name, "")} | {(name, key) for key, _ in attributes}
        for key, value in attributes:
            if key in ("href", "src", "xlink:href"):
                self.links.add(value or "")
            elif key == "id":
                self.ids.append(value or "")
            elif key == "style":
                self.styles.add(value or "")

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileReport:
    """The report of a study in which every text from outside is one name."""

    findings: Findings
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    page: str


def report_about(name: str) -> HostileReport:
    findings = findings_of(a_hostile_study(name))
    tables, figures = tuple(tables_of(findings)), figures_of(findings)
    # Figures take seconds, and write all names in the same few ways.
    pictures = tuple(pictures_of(figures if name in (TAME, *DRAWN) else ()))
    return HostileReport(
        findings=findings, tables=tables, pictures=pictures, page=report_page(findings, tables, pictures)
    )


@cache
def tame() -> HostileReport:
    return report_about(TAME)


@pytest.fixture(scope="module", params=NAMES, ids=ascii)
def hostile(request: pytest.FixtureRequest) -> HostileReport:
    """One name after the other: all that is asked of one is asked of one report."""
    return report_about(request.param)


def test_there_are_forty_hostile_names_and_more() -> None:
    assert len(set(NAMES)) >= 40


def test_on_the_page_it_is_only_text(hostile: HostileReport) -> None:
    made = Elements(hostile.page)
    assert {kind for kind in made.kinds - kinds_on_a_tame_page() if kind[1] != MOVES} == set()
    assert made.comments == []
    assert [it for it in made.links if not LINKS.fullmatch(it)] == []
    assert [it for it in made.ids if not re.fullmatch(r"[a-z0-9-]+", it)] == []
    assert len(set(made.ids)) == len(made.ids)
    assert [it for it in made.styles if not OURS.fullmatch(it)] == []
    assert FORGING.search(hostile.page) is None


@cache
def kinds_on_a_tame_page() -> set[tuple[str, str]]:
    return Elements(tame().page).kinds


def test_in_a_picture_it_is_only_text(hostile: HostileReport) -> None:
    expected = kinds_in_tame_pictures() if hostile.pictures else {}
    assert [picture.figure.name for picture in hostile.pictures] == [*expected]
    for picture in hostile.pictures:
        assert {kind for kind in kinds_in(picture) - expected[picture.figure.name] if kind[1] != MOVES} == set()


@cache
def kinds_in_tame_pictures() -> dict[str, set[tuple[str, str]]]:
    return {picture.figure.name: kinds_in(picture) for picture in tame().pictures}


def kinds_in(picture: Picture) -> set[tuple[str, str]]:
    return {(it.tag, key) for it in ElementTree.fromstring(standalone(picture)).iter() for key in ("", *it.attrib)}


def test_in_a_spreadsheet_it_is_no_formula_whatever_separates_the_cells(hostile: HostileReport) -> None:
    for table in hostile.tables:
        written = to_csv(table, hostile.findings.notes)
        for separator in (",", ";", "\t"):
            rows = list(csv.reader(io.StringIO(written, newline=""), delimiter=separator))
            cells = [cell.strip(" \u00a0") for row in rows for cell in row]
            assert [cell for cell in cells if cell.startswith(FORMULA) and not is_number(cell)] == []
            if separator == ",":
                assert {len(row) for row in rows} == {len(table.columns) + 1}
                assert len(rows) == len(table.rows) + 1


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+(?:e[+-]?[0-9]+)?", cell) is not None


@pytest.mark.parametrize("hostile", [*filter(None, NAMES)], ids=ascii, indirect=True)
def test_in_latex_it_is_only_text(hostile: HostileReport) -> None:
    for ours, written in both(to_latex, hostile):
        for line, other in zip(ours, written, strict=True):
            assert commands(other) - commands(line) - TEXT_COMMANDS == set()
            assert len(re.findall(r"(?<!\\)&", other)) == len(re.findall(r"(?<!\\)&", line))
            without_signs = re.sub(r"\$(?:-|\\[a-z]+)\$", "", other)
            assert re.search(r"(?<!\\)[#%_^]|(?<!\\)\$(?![-a-z\\]+\$)", without_signs) is None


def both(
    write: Callable[[Table, Sequence[Note]], str], hostile: HostileReport
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each table as lines: of the tame report and of the hostile one."""
    for ours, theirs in zip(tame().tables, hostile.tables, strict=True):
        yield write(ours, tame().findings.notes).splitlines(), write(theirs, hostile.findings.notes).splitlines()


def commands(line: str) -> set[str]:
    return set(re.findall(r"\\(?:[A-Za-z]+|.)", line))


@pytest.mark.parametrize("hostile", [*filter(None, NAMES)], ids=ascii, indirect=True)
def test_in_markdown_it_is_only_text(hostile: HostileReport) -> None:
    for ours, written in both(to_markdown, hostile):
        assert len(written) == len(ours)
        for line, other in zip(ours, written, strict=True):
            assert unescaped(other, "|") == unescaped(line, "|")
            for sign in "`*[]<>":
                assert unescaped(other, sign) <= unescaped(line, sign) + 2 * other.count("sup>")


def unescaped(line: str, sign: str) -> int:
    return re.sub(r"\\.", "", line).count(sign)


def test_no_file_is_named_after_it_and_none_leaves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_small(monkeypatch)
    names = [
        files(write_report(a_hostile_study(name), folder=tmp_path / "report").page.parent)
        for name in (TAME, *NAMES[::9])
    ]
    assert [name for name in names if name != names[0]] == []
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def files(folder: Path) -> set[str]:
    """Return the files of a report, and those in its archive, which are readable as they are written."""
    json.loads((folder / "report.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(folder / "provenance.zip") as archive:
        assert archive.testzip() is None
        inside = [PurePosixPath(name) for name in archive.namelist()]
    assert [name for name in inside if name.is_absolute() or ".." in name.parts or "\\" in str(name)] == []
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} | set(map(str, inside))
