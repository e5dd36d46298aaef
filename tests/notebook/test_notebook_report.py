"""`qcqueue.report(...)` and `qcqueue.results()` in a kernel of their own: the page is shown, and shut off."""

import html
import json
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import qcqueue
from qcqueue.errors import SettingInvalid, UserError
from qcqueue.notebook.report import ITS_OWN_ADDRESS, frame
from tests.cli.queues import House, an_empty_house, one_of_each
from tests.end_to_end.machines import LIMIT_S

FRAME = re.compile(r'<iframe (?P<before>[^>]*) srcdoc="(?P<page>[^"]*)"(?P<after>[^>]*)></iframe>')


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A person's folder with a job in each state."""
    made = an_empty_house(tmp_path / "house")
    one_of_each(made.queue)
    return made


def executed(house: House, *cells: str) -> list[list[dict[str, Any]]]:
    """Run cells in a new kernel in the person's folder; return what each shows."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(house.folder)}}
    )
    client.execute(env=dict(os.environ) | {"QCQUEUE_CACHE": str(house.cache)})
    return [list(cell["outputs"]) for cell in notebook.cells]


def test_the_page_is_shown_below_the_cell_shut_off_from_the_notebook_and_its_tables_are_there(house: House) -> None:
    shown, printed, tables = executed(
        house,
        "import qcqueue\npage = qcqueue.report(out='pages')",
        "print(type(page).__name__, page)",
        "import json\nfound = qcqueue.results()\nprint(json.dumps({key: len(it) for key, it in found.items()}))",
    )
    (output,) = (it for it in shown if it["output_type"] == "display_data")
    page = house.folder / "pages" / "report.html"
    assert printed[0]["text"].split() == ["PosixPath", "pages/report.html"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert output["data"]["text/plain"] == "Report: pages/report.html"
    found = FRAME.fullmatch(output["data"]["text/html"])
    assert found is not None
    assert html.unescape(found["page"]).replace(ITS_OWN_ADDRESS, "") == page.read_text(encoding="utf-8")
    assert found["before"].split()[-1] == "sandbox"  # without a word behind it, nothing is allowed
    assert "sandbox" not in found["after"]
    rows = json.loads(tables[-1]["text"])
    assert rows["notes"] > 0
    assert len(rows) > 2


def test_in_a_plain_program_it_returns_the_page_and_shows_none(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(house.folder)
    monkeypatch.setenv("QCQUEUE_CACHE", str(house.cache))
    page = qcqueue.report(out="pages")
    assert page == Path("pages/report.html")
    assert page.is_file()
    assert "<" not in capsys.readouterr().out


def test_it_is_on_the_jobs_that_are_named_and_chooses_by_what_is_asked_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.folder)
    monkeypatch.setenv("QCQUEUE_CACHE", str(house.cache))
    page = qcqueue.report(out="pages", by="macro-f1", jobs=["done"])
    rows = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))["tables"]
    assert [row["job"] for row in rows["models"]["rows"]] == ["tiny/done"]
    assert [row["by"] for row in rows["choice"]["rows"]] == ["macro-f1"]
    with pytest.raises(UserError, match="by='f1' is neither accuracy nor macro-f1"):
        qcqueue.report(out="pages", by="f1")


def test_without_a_queue_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ask in (qcqueue.report, qcqueue.results):
        with pytest.raises(SettingInvalid, match="no store is named"):
            ask()


@pytest.mark.parametrize(
    "page", ['"><script>alert(1)</script>', "</iframe><b>", "&quot;&#34;", "' onload='x", "<p>é\n</p>"]
)
def test_no_page_gets_out_of_its_frame(page: str) -> None:
    found = FRAME.fullmatch(frame(page))
    assert found is not None
    assert html.unescape(found["page"]) == page
    assert "<" not in found["page"]
