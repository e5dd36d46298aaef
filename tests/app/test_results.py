"""Tables for programs: every row and digit of the report's, with the notes that limit them, pandas or not."""

import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.report import read_study, records_of, results_of
from qcqueue.reports.quantities.caveats import Note, Quantity
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.tables.catalogue import tables_of
from qcqueue.reports.tables.table import Column, Table
from qcqueue.text.suggest import printable
from tests.app.trained import Run
from tests.cli.queues import House, a_job, an_empty_house, one_of_each, put

TABLE = Table(
    key="quality",
    caption="",
    columns=(
        Column(key="job", head="Model", is_text=True),
        Column(key="accuracy", head="Accuracy", about=Quantity.ACCURACY),
        Column(key="epochs", head="Epochs"),
    ),
    rows=(("tiny/a", 0.1 + 0.2, 3), ("tiny/b", None, 0)),
)
NOTE = Note(
    number=1, text="two GPUs", touches=frozenset({Quantity.ACCURACY}), jobs=frozenset({"tiny/a"}), about_all=False
)


def test_rows_keep_every_digit_what_is_unknown_and_their_notes() -> None:
    found = records_of([TABLE], [NOTE], ["Nothing can be said of x."])
    assert found["quality"] == (
        ["job", "accuracy", "epochs", "notes"],
        [
            {"job": "tiny/a", "accuracy": 0.30000000000000004, "epochs": 3, "notes": "1"},
            {"job": "tiny/b", "accuracy": None, "epochs": 0, "notes": ""},
        ],
    )
    columns, rows = found["notes"]
    assert columns == ["number", "text", "touches", "jobs"]
    assert [list(row.values()) for row in rows] == [
        [1, "two GPUs", "accuracy", "tiny/a"],
        [None, "Nothing can be said of x.", "", ""],
    ]


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = an_empty_house(tmp_path / "house")
    one_of_each(made.queue)
    return made


class Frame:
    """Takes the place of `pandas.DataFrame`."""

    def __init__(self, rows: list[dict[str, Any]], *, columns: list[str]) -> None:
        self.rows, self.columns = rows, columns


def _say_that_pandas_is(monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec if name == "pandas" else real(name))


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    _say_that_pandas_is(monkeypatch, None)


@pytest.mark.usefixtures("without_pandas")
def test_without_pandas_every_table_of_the_report_is_a_list_of_dicts(house: House) -> None:
    found = results_of(house.queue)
    tables = tables_of(findings_of(read_study(house.queue)))
    assert list(found) == [*(table.key for table in tables), "notes"]
    for table in tables:
        assert [{key: row[key] for key in row if key != "notes"} for row in found[table.key]] == table.records()
    assert all(printable(row["text"]) for row in found["notes"])


@pytest.mark.usefixtures("without_pandas")
def test_an_empty_queue_has_tables_without_rows_about_jobs(tmp_path: Path) -> None:
    found = results_of(an_empty_house(tmp_path / "house").queue)
    assert not [row for rows in found.values() for row in rows if row.get("job")]


@pytest.mark.usefixtures("without_pandas")
def test_a_job_in_the_middle_is_in_the_tables(tmp_path: Path) -> None:
    house = an_empty_house(tmp_path / "house")
    put(house.queue, a_job("vgg16"))
    Run.of(house.queue, "tiny/vgg16").epoch()
    found = results_of(house.queue)
    assert "tiny/vgg16" in {row.get("job") for rows in found.values() for row in rows}


def test_with_pandas_each_table_is_a_frame_with_its_columns(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = types.ModuleType("pandas")
    stand_in.DataFrame = Frame  # type: ignore[attr-defined]
    stand_in.Series = Frame  # type: ignore[attr-defined]  # scikit-learn asks whether what it is given is one
    monkeypatch.setitem(sys.modules, "pandas", stand_in)
    _say_that_pandas_is(monkeypatch, ModuleSpec("pandas", None))
    found = results_of(house.queue)
    assert len(found) > 1
    for frame in found.values():
        assert isinstance(frame, Frame)
        assert all(list(row) == frame.columns for row in frame.rows)


def test_a_frame_of_the_real_pandas_shows_what_is_unknown_as_missing(house: House) -> None:
    pandas = pytest.importorskip("pandas", reason="NOT TESTED HERE: pandas; pip install pandas and again")
    found = results_of(house.queue)
    assert all(isinstance(frame, pandas.DataFrame) for frame in found.values())
    records = records_of([TABLE], [NOTE], [])["quality"]
    frame = pandas.DataFrame(records[1], columns=records[0])
    assert frame["accuracy"].isna().tolist() == [False, True]
    assert frame["accuracy"][0] == 0.30000000000000004
