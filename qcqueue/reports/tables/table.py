"""A table as data: what each number is called, what it is about, and how a person reads it.

Every format is made from this one value, so that a page, a spreadsheet and a paper cannot differ. A value that is not
known is None, never a zero. The first column of a table by model is `job`, whose values are full names of jobs; the
table knows the short name of each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from qcqueue.reports.quantities.caveats import Note, Quantity
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.text.humanize import UNKNOWN

JOB = "job"
"""The key of the column that names the job a row is about."""

Value: TypeAlias = str | int | float | bool | None


def plain(value: Any) -> str:
    """Return a value as it is: a word, or a whole number with separators."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. key is its name for machines, with the unit in it; neighbours with the same head share it.

    about: which notes belong to its numbers. says: how a person reads a value that is known.
    """

    key: str
    head: str
    unit: str = ""
    about: Quantity | None = None
    is_text: bool = False
    says: Callable[[Any], str] = plain

    def said(self, value: Value) -> str:
        return UNKNOWN if value is None else self.says(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """key names its files; rows hold one value a column; labels: the short names of the jobs in it, by full name.

    Which notes touch a row depends on the jobs it is about: the one it begins with, those that the columns at
    `subjects` name, or all of them.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[int, ...] = ()
    is_of_all: bool = False

    @property
    def is_by_model(self) -> bool:
        return self.columns[0].key == JOB

    def job_of(self, row: Sequence[Value]) -> str | None:
        """Return the full name of the job a row is about, None where the table is not by model."""
        return str(row[0]) if self.is_by_model else None

    def jobs_of(self, row: Sequence[Value]) -> tuple[str, ...]:
        """Return the full names of the jobs a row is about."""
        if self.is_of_all:
            return tuple(self.labels)
        return tuple(str(row[place]) for place in ((0,) if self.is_by_model else self.subjects))

    def said(self, row: Sequence[Value]) -> list[str]:
        """Return a row as a person reads it."""
        words = [column.said(value) for column, value in zip(self.columns, row, strict=True)]
        if self.is_by_model:
            words[0] = self.labels.get(words[0], words[0])
        return words

    def records(self) -> list[dict[str, Value]]:
        """Return the rows by the keys of their columns."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in self.rows]


def of_models(
    key: str,
    caption: str,
    columns: tuple[Column, ...],
    rows: Iterable[tuple[Value, ...]],
    models: Iterable[ModelFigures],
) -> Table:
    """Return a table whose rows begin with the full name of a job."""
    labels = {model.name: model.label for model in models}
    return Table(key=key, caption=caption, columns=columns, rows=tuple(rows), labels=labels)


def narrowed(table: Table, key: str, caption: str, *, keep: Sequence[str], where: Mapping[str, Value]) -> Table:
    """Return the columns of these keys of the rows with these values, all of them columns of the table."""
    keys = [column.key for column in table.columns]
    kept, wanted = [keys.index(name) for name in keep], {keys.index(name): value for name, value in where.items()}
    rows = (row for row in table.rows if all(row[at] == value for at, value in wanted.items()))
    return replace(
        table,
        key=key,
        caption=caption,
        columns=tuple(table.columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in rows),
    )


def notes_at(notes: Sequence[Note], about: Quantity | None, *, job: str | None) -> list[int]:
    """Return the numbers of the notes on one quantity of one job, or of the whole study where job is None."""
    return [
        note.number
        for note in notes
        if about in note.touches and (note.about_all if job is None else job in note.jobs and not note.about_all)
    ]


class Marked:
    """Which notes touch which numbers of one table; rows about the same jobs are all touched by the same."""

    def __init__(self, table: Table, notes: Sequence[Note]) -> None:
        self._table = table
        self._notes = notes
        self._known: dict[tuple[str, ...], tuple[tuple[int, ...], ...]] = {}

    def cells(self, row: Sequence[Value]) -> tuple[tuple[int, ...], ...]:
        """Return the numbers of the notes at each cell of a row, those on the whole study first."""
        jobs = self._table.jobs_of(row)
        if jobs not in self._known:
            self._known[jobs] = tuple(self._at(column, jobs) for column in self._table.columns)
        return self._known[jobs]

    def own(self, row: Sequence[Value]) -> tuple[tuple[int, ...], ...]:
        """Return the same without the notes on the whole study, which stand at the heads of a page's columns."""
        everyone = {note.number for note in self._notes if note.about_all}
        return tuple(tuple(number for number in numbers if number not in everyone) for numbers in self.cells(row))

    def row(self, row: Sequence[Value]) -> list[int]:
        """Return the numbers of all notes that touch a row, ascending."""
        return sorted({number for numbers in self.cells(row) for number in numbers})

    def notes(self) -> list[Note]:
        """Return the notes that touch any number of the table."""
        touched = {number for row in self._table.rows for number in self.row(row)}
        return [note for note in self._notes if note.number in touched]

    def _at(self, column: Column, jobs: Sequence[str]) -> tuple[int, ...]:
        own = {number for job in jobs for number in notes_at(self._notes, column.about, job=job)}
        return (*notes_at(self._notes, column.about, job=None), *sorted(own))
