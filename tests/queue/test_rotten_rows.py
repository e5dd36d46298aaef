"""Rows vouch for what they hold: whatever of a covered row is another value is named, and so is what cannot be read."""

import contextlib
import functools
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from qcqueue.core.outcomes import Cause
from qcqueue.database.audit import audit_database
from qcqueue.database.row_audit import FLAWS_TOLD, RowAudit, RowFlaw
from qcqueue.database.rows import COVERED, covered_columns, vouched
from qcqueue.database.schema import last_words, metadata
from qcqueue.queue.attempts import fail, finish, record_seconds, stop
from tests.queue.desk import PREDICTIONS, Desk, result, within_epoch

WHOLE = {"attempts": 5, "epochs": 5, "checkpoints": 6, "results": 1, "history": 17, "last_words": 1}


@functools.cache
def worked_through() -> tuple[bytes, float]:
    """Return the file of a queue with rows of every table that is covered, some of which were changed again where they
    may be, and its time."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        work_through(desk)
        desk.database.close()
        return desk.path.read_bytes(), desk.now_s


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A queue in a file, which can hold what no server lets be."""
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


@pytest.fixture
def worked(desk: Desk) -> Desk:
    data, desk.now_s = worked_through()
    desk.path.write_bytes(data)
    return desk


def work_through(desk: Desk) -> None:
    desk.enqueue("a", "b", "c", "d")
    held = desk.must_claim("s1")
    desk.train(held, 0.5, 0.4, 0.3)
    desk.commit(held, within_epoch("study/a", (0.5, 0.4, 0.3), 7))
    again = desk.must_claim("s2", gone={("study/a", 1): "no heartbeat for 130 s"})
    desk.resume(again, again.checkpoints[1], damaged=[(again.checkpoints[0], "rot")])
    desk.train(again, 0.2, 0.1, after=(0.5, 0.4, 0.3))
    ledgers: dict[str, Any] = {"attempt": {"train": 0.1 + 0.2}, "session": {}, "pace": {"lag_s": 0.1}}
    desk.database.transact(lambda tx: record_seconds(tx, again, **ledgers, seen_at_s=31.5))
    desk.do(finish, again, result(5), PREDICTIONS)
    desk.do(stop, desk.must_claim("s1", job="b"), why="reached its limit — at 0 °C")
    desk.do(fail, desk.must_claim("s1", job="c"), Cause.NOT_FINITE, "the loss is no number")
    desk.must_claim("s1", job="d")
    desk.control("hold", "d")
    desk.must_claim("s3", job="b")  # which is live
    said = vouched(last_words, {"attempt_id": 1, "words": "Traceback\n\x00 and so on"})
    desk.database.transact(lambda tx: tx.execute(insert(last_words), said))


def look(desk: Desk) -> RowAudit:
    return desk.ask(audit_database)[1]


def spoil(desk: Desk, statement: str, *values: object) -> None:
    """Change something where no constraint looks."""
    with contextlib.closing(sqlite3.connect(desk.path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(statement, values).rowcount, "nothing was changed"
        connection.commit()


def another(value: object) -> object:
    """Return a value of the same type that is hardly another one."""
    match value:
        case None:
            return "x"
        case str():
            return (chr(ord(value[0]) ^ 1) if value else "x") + value[1:]
        case float():
            return value * (1 + 2**-52) or 5e-324
        case int():
            return value + 1_000
    raise AssertionError(value)


def test_what_was_written_by_the_queue_is_whole(worked: Desk) -> None:
    found = look(worked)
    assert (found.flaws, found.not_covered) == ((), 0)
    counted = {table.name: worked.sql(f"SELECT count(digest) FROM {table.name}")[0][0] for table in COVERED}
    assert counted == WHOLE
    assert found.covered == sum(WHOLE.values())
    assert worked.sql("SELECT DISTINCT length(digest) FROM epochs") == [(8,)]
    assert worked.sql("SELECT outcome FROM attempts WHERE digest IS NULL") == [(None,)], "the live one"


EVERY_COLUMN = [(table.name, name) for table in COVERED for name in covered_columns(table)]


@pytest.mark.parametrize(("table", "column"), EVERY_COLUMN)
def test_another_value_in_any_covered_column_is_named(worked: Desk, table: str, column: str) -> None:
    (at, value), *_ = worked.sql(f"SELECT rowid, {column} FROM {table} WHERE digest IS NOT NULL ORDER BY rowid DESC")
    spoil(worked, f"UPDATE {table} SET {column} = ? WHERE rowid = ?", another(value), at)
    found = look(worked)
    assert table in [flaw.table for flaw in found.flaws]
    assert "does not hold what was written" in found.flaws[0].says or not found.flaws[0].is_legible


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        (
            "UPDATE epochs SET val_loss = 0.25 WHERE epoch = 4",
            RowFlaw(
                table="epochs",
                says="row 4 of the table epochs does not hold what was written",
                is_legible=True,
                job="study/a",
                attempt=2,
                epoch=4,
            ),
        ),
        (
            "UPDATE results SET committed_at_s = 1.0",
            RowFlaw(
                table="results",
                says="row 1 of the table results does not hold what was written",
                is_legible=True,
                job="study/a",
                attempt=2,
            ),
        ),
        (
            "UPDATE history SET digest = NULL WHERE id = 9",
            RowFlaw(
                table="history",
                says="row 9 of the table history has lost its digest",
                is_legible=True,
                job="study/a",
                attempt=2,
            ),
        ),
        (
            "UPDATE last_words SET digest = x'00'",
            RowFlaw(
                table="last_words",
                says="row 1 of the table last_words does not hold what was written",
                is_legible=True,
                attempt=1,
            ),
        ),
        (
            "DELETE FROM results",
            RowFlaw(table="results", says="its row in the table results is gone", is_legible=True, job="study/a"),
        ),
    ],
)
def test_a_flaw_says_whose_row_it_is(worked: Desk, statement: str, flaw: RowFlaw) -> None:
    spoil(worked, statement)
    assert look(worked).flaws == (flaw,)


@pytest.mark.parametrize("table", ["attempts", "epochs", "checkpoints", "results", "history", "last_words"])
def test_a_row_that_has_lost_its_digest_is_not_taken_for_an_old_one(worked: Desk, table: str) -> None:
    (at,) = worked.sql(f"SELECT rowid FROM {table} WHERE digest IS NOT NULL ORDER BY rowid DESC LIMIT 1")[0]
    spoil(worked, f"UPDATE {table} SET digest = NULL WHERE rowid = ?", at)
    assert [flaw.says for flaw in look(worked).flaws] == [f"row {at} of the table {table} has lost its digest"]


def test_what_may_change_is_not_covered(worked: Desk) -> None:
    spoil(worked, "UPDATE epochs SET official = 0")
    spoil(worked, "UPDATE checkpoints SET status = 'damaged' WHERE status = 'kept'")
    assert look(worked).flaws == ()


def test_nobody_vouches_for_a_save_that_had_rotted_when_it_was_retired(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5, 0.4)
    spoil(desk, "UPDATE checkpoints SET lineage = 2 WHERE id = 1")
    desk.train(held, 0.3, after=(0.5, 0.4))
    assert desk.sql("SELECT status FROM checkpoints WHERE id = 1") == [("retired",)]
    assert [flaw.says for flaw in look(desk).flaws] == ["row 1 of the table checkpoints does not hold what was written"]


def test_rows_of_an_older_qcqueue_are_counted_and_stay_as_they_are(worked: Desk) -> None:
    for table in COVERED[:-1]:
        spoil(worked, f"UPDATE {table.name} SET digest = NULL")
    spoil(worked, "DELETE FROM last_words")
    found = look(worked)
    assert (found.flaws, found.covered) == ((), 0)
    assert found.not_covered == sum(WHOLE.values()) - 1
    held = worked.must_claim("s2", job="b", gone={("study/b", 2): "gone"})
    worked.train(held, 0.5, 0.4, 0.3)
    found = look(worked)
    # Two lines of the story, the end of the old attempt, and what was trained since.
    assert (found.flaws, found.covered) == ((), 2 + 1 + 3 + 3)
    assert found.not_covered == sum(WHOLE.values()) - 1


ILLEGIBLE = {
    "text that is none": "CAST(x'ff' AS TEXT)",
    "bytes": "x'616263'",
    "nothing": "NULL",
    "a number": "7.5",
}


CELLS = [
    ("jobs", "name"),
    ("jobs", "spec"),
    ("jobs", "position"),
    ("datasets", "summary"),
    ("sessions", "host"),
    ("attempts", "reason"),
    ("attempts", "seconds"),
    ("epochs", "identity"),
    ("epochs", "step_count"),
    ("epochs", "official"),
    ("checkpoints", "record"),
    ("blobs", "size_bytes"),
    ("history", "why"),
    ("results", "result"),
    ("last_words", "words"),
]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (table, column, value)
        for table, column in CELLS
        for value in ILLEGIBLE
        if value != "nothing" or metadata.tables[table].c[column].nullable
    ],
)
def test_a_row_that_cannot_be_read_is_named(worked: Desk, table: str, column: str, value: str) -> None:
    is_as_text = value == "a number" and column in ("name", "host", "reason", "why", "words")
    spoil(worked, f"UPDATE {table} SET {column} = {ILLEGIBLE[value]} WHERE rowid = 1")
    flaws = [flaw for flaw in look(worked).flaws if flaw.table == table]
    if is_as_text and table in ("jobs", "sessions"):  # any text can be a name, and nothing covers it
        assert flaws == []
    else:
        assert [flaw.is_legible for flaw in flaws] == [value == "nothing" or is_as_text]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": NaN}', "7", '{"epochs": 1}', "[" * 100_000, '{"a":1,"a":2}'])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("jobs", "spec"),
        ("datasets", "summary"),
        ("epochs", "identity"),
        ("attempts", "identity"),
        ("results", "result"),
        ("attempts", "seconds"),
        ("sessions", "seconds"),
        ("checkpoints", "record"),
    ],
)
def test_a_document_that_is_none_is_named(worked: Desk, table: str, column: str, text: str) -> None:
    at = {"attempts": 2, "jobs": 2, "checkpoints": 6}.get(table, 1)
    spoil(worked, f"UPDATE {table} SET {column} = ? WHERE rowid = ?", text, at)
    flaws = [flaw for flaw in look(worked).flaws if flaw.table == table]
    is_as_before = (table, column, text) == ("epochs", "identity", "")
    if is_as_before or (table, column, text) == ("sessions", "seconds", '{"epochs": 1}'):  # which is one, not covered
        assert flaws == []
    else:
        is_one = (column, text) in (("record", ""), ("identity", ""), ("seconds", '{"epochs": 1}'))
        assert [flaw.is_legible for flaw in flaws] == [is_one]


def test_epochs_whose_attempt_says_no_more_what_computed_them_are_named(worked: Desk) -> None:
    spoil(worked, "UPDATE attempts SET identity = NULL WHERE id = 2")
    says = [(flaw.table, flaw.says.partition(" epochs ")[2]) for flaw in look(worked).flaws]
    unknown = "cannot be read: nothing says what it was computed on"
    assert says == [("attempts", ""), ("epochs", unknown), ("epochs", unknown)]


def test_a_spec_that_is_another_one_is_named(worked: Desk) -> None:
    spoil(worked, "UPDATE jobs SET spec = replace(spec, '0.001', '0.002') WHERE id = 2")
    (flaw,) = look(worked).flaws
    assert (flaw.says, flaw.job) == ("row 2 of the table jobs cannot be read: its spec is another one", "study/b")


def test_of_many_flaws_the_first_are_told_and_the_others_counted(worked: Desk) -> None:
    for _ in range(3):
        worked.do(stop, worked.must_claim("s2", job="b", gone={("study/b", 2): "gone"}), why="limit")
    for number in range(FLAWS_TOLD):
        worked.control("hold" if number % 2 == 0 else "release", "b")
    spoil(worked, "UPDATE history SET why = why || '.'")
    found = look(worked)
    assert len(found.flaws) == FLAWS_TOLD
    assert found.more == worked.sql("SELECT count(*) FROM history")[0][0] - FLAWS_TOLD
