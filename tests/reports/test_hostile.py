"""Whatever a name says, it stays a name: on the page, in a spreadsheet, in a text and in the names of files."""

import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.standalone import standalone
from qcqueue.reports.figures.registry import pictures_of
from qcqueue.reports.quantities.findings import Findings, findings_of
from qcqueue.reports.tables.catalogue import tables_of
from qcqueue.reports.tables.paper import to_latex, to_markdown
from qcqueue.reports.tables.spreadsheet import to_csv
from qcqueue.reports.tables.table import Table
from qcqueue.reports.write import write_report
from tests.reports.hostile import NAMES, a_hostile_study
from tests.reports.pages import page_of

TAME = "tame"
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


def test_there_are_forty_hostile_names_and_more() -> None:
    assert len(set(NAMES)) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_on_the_page_it_is_only_text(name: str) -> None:
    tame, hostile = Elements(page_of(a_hostile_study(TAME))), Elements(page_of(a_hostile_study(name)))
    assert {kind for kind in hostile.kinds - tame.kinds if kind[1] != MOVES} == set()
    assert hostile.comments == []
    assert [it for it in hostile.links if not LINKS.fullmatch(it)] == []
    assert [it for it in hostile.ids if not re.fullmatch(r"[a-z0-9-]+", it)] == []
    assert len(set(hostile.ids)) == len(hostile.ids)
    assert [it for it in hostile.styles if not OURS.fullmatch(it)] == []
    assert FORGING.search(page_of(a_hostile_study(name))) is None


@pytest.mark.parametrize("name", NAMES)
def test_in_a_picture_it_is_only_text(name: str) -> None:
    tame, hostile = (pictures_of(findings_of(a_hostile_study(it))) for it in (TAME, name))
    assert [picture.key for picture in hostile] == [picture.key for picture in tame]
    for ours, theirs in zip(tame, hostile, strict=True):
        kinds = [
            {(it.tag, key) for it in ElementTree.fromstring(standalone(one)).iter() for key in ("", *it.attrib)}
            for one in (ours, theirs)
        ]
        assert {kind for kind in kinds[1] - kinds[0] if kind[1] != MOVES} == set()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_in_a_spreadsheet_it_is_no_formula_whatever_separates_the_cells(name: str, separator: str) -> None:
    findings = findings_of(a_hostile_study(name))
    for table in tables_of(findings):
        rows = list(csv.reader(io.StringIO(to_csv(table, findings.notes), newline=""), delimiter=separator))
        cells = [cell.strip(" \u00a0") for row in rows for cell in row]
        assert [cell for cell in cells if cell.startswith(FORMULA) and not is_number(cell)] == []
        if separator == ",":
            assert {len(row) for row in rows} == {len(table.columns) + 1}
            assert len(rows) == len(table.rows) + 1


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+(?:e[+-]?[0-9]+)?", cell) is not None


@pytest.mark.parametrize("name", [*filter(None, NAMES)])
def test_in_latex_it_is_only_text(name: str) -> None:
    for tame, hostile in both(name):
        for ours, theirs in zip(
            *(to_latex(table, it.notes).splitlines() for it, table in (tame, hostile)), strict=True
        ):
            assert commands(theirs) - commands(ours) - TEXT_COMMANDS == set()
            assert len(re.findall(r"(?<!\\)&", theirs)) == len(re.findall(r"(?<!\\)&", ours))
            assert (
                re.search(r"(?<!\\)[#%_^]|(?<!\\)\$(?![-a-z\\]+\$)", re.sub(r"\$(?:-|\\[a-z]+)\$", "", theirs)) is None
            )


def both(name: str) -> list[tuple[tuple[Findings, Table], tuple[Findings, Table]]]:
    tame, hostile = (findings_of(a_hostile_study(it)) for it in (TAME, name))
    pairs = zip(tables_of(tame), tables_of(hostile), strict=True)
    return [((tame, ours), (hostile, theirs)) for ours, theirs in pairs]


def commands(line: str) -> set[str]:
    return set(re.findall(r"\\(?:[A-Za-z]+|.)", line))


@pytest.mark.parametrize("name", [*filter(None, NAMES)])
def test_in_markdown_it_is_only_text(name: str) -> None:
    for tame, hostile in both(name):
        ours, theirs = (to_markdown(table, it.notes).splitlines() for it, table in (tame, hostile))
        assert len(theirs) == len(ours)
        for line, other in zip(ours, theirs, strict=True):
            assert unescaped(other, "|") == unescaped(line, "|")
            for sign in "`*[]<>":
                assert unescaped(other, sign) <= unescaped(line, sign) + 2 * other.count("sup>")


def unescaped(line: str, sign: str) -> int:
    return re.sub(r"\\.", "", line).count(sign)


def test_no_file_is_named_after_it_and_none_leaves_the_folder(tmp_path: Path) -> None:
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
