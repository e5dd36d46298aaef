"""One table, five formats: every digit where a program reads, every note where a person does, and no name that acts."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

import pytest

from qcqueue.reports.quantities.caveats import Note, Quantity, notes_on
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.tables.by_model import confusion_table, cost_table, quality_table
from qcqueue.reports.tables.held_time import correlation_table
from qcqueue.reports.tables.judgements import pair_table
from qcqueue.reports.tables.paper import to_latex, to_markdown
from qcqueue.reports.tables.spreadsheet import harmless, to_csv
from qcqueue.reports.tables.table import JOB, Column, Marked, Table, Value
from tests.reports.quantities.answers import an_answered_study
from tests.reports.studies import a_dataset, a_study, the_study

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "'=1",
    "=cmd|' /C calc'!A0",
    "\uff1d1",
]


def a_table(*rows: tuple[Value, ...]) -> Table:
    columns = (
        Column(key=JOB, head="Model", is_text=True),
        Column(key="accuracy", head="Accuracy", unit="best", about=Quantity.ACCURACY, says="{:.1%}".format),
        Column(key="remark", head="Remark", is_text=True),
    )
    return Table(key="small", caption="A small table", columns=columns, rows=rows, labels={"s/vgg16": "VGG16"})


def a_note(number: int = 1, *, about_all: bool = False, about: Quantity = Quantity.ACCURACY) -> Note:
    jobs = frozenset({"s/vgg16"})
    return Note(number=number, text="50 % of it", touches=frozenset({about}), jobs=jobs, about_all=about_all)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_spreadsheet_has_every_digit_and_nothing_where_nothing_is_known() -> None:
    heads, *rows = read(to_csv(a_table(("s/vgg16", 0.1 + 0.2, "fine"), ("s/xception", None, None)), [a_note()]))
    assert heads == ["job", "accuracy", "remark", "notes"]
    assert rows == [["s/vgg16", "0.30000000000000004", "fine", "1"], ["s/xception", "", "", ""]]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_of_a_spreadsheet_is_a_formula(text: str) -> None:
    (_, row) = read(to_csv(a_table((text, -0.5, text)), []))
    assert row[0] == row[2] == harmless(text)
    assert row[2].lstrip()[0] not in "=+-@\uff1d"
    assert row[1] == "-0.5", "a number stays one"


def test_markdown_puts_the_number_of_a_note_beside_the_value_and_the_note_below() -> None:
    lines = to_markdown(a_table(("s/vgg16", 0.5, "a|b")), [a_note(3)]).splitlines()
    assert lines[0] == "**A small table**"
    assert "| VGG16 | 50\\.0% <sup>3</sup> | a\\|b |" in lines
    assert lines[-1].startswith("3\\. 50 % of it")


def test_latex_has_no_character_that_acts() -> None:
    hostile = r"\input{/etc/passwd} 100% & $x$ #1 a_b ~ ^ {}"
    text = to_latex(a_table((hostile, 0.5, hostile)), [])
    row = next(line for line in text.splitlines() if "input" in line)
    assert row.count("&") == 2 + 2, "two between cells, and the two of the names"
    assert row.count(r"\&") == 2
    assert r"\input" not in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_latex_names_heads_that_neighbours_share_once() -> None:
    text = to_latex(quality_table(figures_of(a_study())), [])
    assert r"\multicolumn{2}{c}{Validation accuracy}" in text
    assert text.count(r"\begin{tabular}") == 1


def test_a_note_on_the_whole_study_stands_in_every_row() -> None:
    table = a_table(("s/vgg16", 0.5, ""), ("s/xception", 0.6, ""))
    study, own, other = a_note(1, about_all=True), a_note(2), a_note(3, about=Quantity.TIMES)
    assert [Marked(table, [study, own, other]).row(row) for row in table.rows] == [[1, 2], [1]]


def test_every_table_by_model_has_its_values_behind_the_name_of_the_job() -> None:
    models = figures_of(a_study())
    for table in (quality_table(models), cost_table(models), confusion_table(models)):
        assert {record["job"] for record in table.records()} <= {model.name for model in models}
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_what_is_not_known_is_nothing_in_every_format() -> None:
    models = figures_of(a_study())
    queued = next(record for record in cost_table(models).records() if record["job"] == "six-models/xception")
    assert queued["total_s"] is None
    assert queued["step_s_p50"] is None
    said: Sequence[str] = to_markdown(cost_table(models), notes_on(models, [a_dataset()])).splitlines()
    assert any("Xception" in line and "\u2013" in line for line in said)


def test_a_note_on_a_job_stands_at_the_pairs_and_correlations_it_is_part_of() -> None:
    study = an_answered_study(("VGG16", "Xception", "ResNet50V2"))
    first, *others = study.details
    relaxed = replace(first, spec=replace(first.spec, determinism="relaxed"))
    findings = findings_of(replace(study, details=(relaxed, *others)))
    [number] = [note.number for note in findings.notes if "relaxed" in note.text]
    pairs = pair_table(findings)
    touched = [number in Marked(pairs, findings.notes).row(row) for row in pairs.rows]
    assert touched == [first.line.name in row[:2] for row in pairs.rows]
    assert any(touched)
    assert not all(touched)


def test_every_time_of_mixed_processors_is_flagged_in_the_correlations_too() -> None:
    findings = findings_of(the_study())
    mixed = {note.number for note in findings.notes if "processors" in note.text}
    correlations = correlation_table(findings)
    assert mixed
    assert all(mixed <= set(Marked(correlations, findings.notes).row(row)) for row in correlations.rows)
