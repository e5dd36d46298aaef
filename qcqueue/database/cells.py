"""The types of columns, each of which gives out what it declares and nothing else.

SQLite keeps any value in any column, and a file, an image or a table on a server may be anybody's work: text where a
number belongs, a number without end, a state that nobody knows. What comes out of a row is looked at here, where it
becomes a value, so that nobody above need expect more than the schema says. NULL passes: an outer join gives it for
every column.
"""

import math
from collections.abc import Callable, Container, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Float, Integer, LargeBinary, String, Table, Text
from sqlalchemy.types import TypeEngine

from qcqueue.core.shaped import MOST_MEASURED
from qcqueue.errors import CorruptionError
from qcqueue.text.humanize import EARLIEST_S, LATEST_S

VERIFY = "qcqueue store verify"

# More than any name, place or sentence of ours; what is longer than a sentence has a column of type Text.
LONGEST_WORD = 10_000

# Columns of names, which stand in sentences and tables.
NAMES = {"id", "session_id", "name", "study", "model", "job_name", "file", "host", "machine", "processor", "sha256"}

DURATIONS = {"train_s", "val_s", "checkpoint_s", "first_step_s", "step_s_p50", "step_s_p95"}

# What a double holds to the one.
LARGEST = 1 << 53

Fits = Callable[[Any], bool]


class _Checked:
    """Mixed into a type of SQLAlchemy: what it reads must fit."""

    where = "a column"
    wanted = "what belongs there"
    fits: Fits = staticmethod(lambda value: True)

    def adapt(self, cls: Any, **kw: Any) -> Any:
        """Keep, in the copies that SQLAlchemy makes for a dialect, what may come out of the column."""
        made: Any = super().adapt(_checked(cls), **kw)  # type: ignore[misc]
        made.expects(self.where, self.wanted, self.fits)
        return made

    def expects(self, where: str, wanted: str, fits: Fits) -> None:
        """Be told which column this is the type of, and what fits into it."""
        self.where, self.wanted, self.fits = where, wanted, fits

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        fits, where, wanted, convert = self.fits, self.where, self.wanted, self._convert

        def read(value: Any) -> Any:
            if value is None:
                return None
            if not fits(value):
                value = as_in_sqlite(value)
                if not fits(value):
                    says = f"the queue is damaged: {where} holds {_said(value)}, not {wanted}"
                    raise CorruptionError(says, hint=VERIFY)
            return convert(value)

        return read

    def _convert(self, value: Any) -> Any:
        return value


@cache
def _checked(cls: type) -> type:
    """Return a type of SQLAlchemy, or of one of its dialects, that looks at what it reads."""
    return cls if issubclass(cls, _Checked) else type(f"Checked{cls.__name__}", (_Checked, cls), {})


class _Whole(_Checked, Integer):
    pass


class _Large(_Checked, BigInteger):
    pass


class _Number(_Checked, Float[float]):
    pass


class _Truth(_Checked, Boolean):
    def _convert(self, value: Any) -> bool:
        return bool(value)


class _Word(_Checked, String):
    pass


class _Words(_Checked, Text):
    pass


class _Bytes(_Checked, LargeBinary):
    pass


def check_cells(table: Table, known: Mapping[str, Container[str]]) -> None:
    """Let every column of a table check what it gives out. known: the words there are, by name of column."""
    for column in table.columns:
        column.type = _type_for(column, known.get(column.name))


def _type_for(column: Column[Any], words: Container[str] | None) -> TypeEngine[Any]:
    made, wanted, fits = _kind_of(column.name, column.type)
    if words is not None:
        wanted, fits = "one of the words it can hold", lambda value: type(value) is str and value in words
    where = f"{column.table.name}.{column.name}"
    on_server = _on_server(made)
    for each in (made, on_server):
        each.expects(where, wanted, fits)
    checked: TypeEngine[Any] = made if on_server is made else made.with_variant(on_server, "postgresql")
    return checked


def _on_server(made: Any) -> Any:
    """Return the type of a column on PostgreSQL: as large as in SQLite, and sorted as there, in whichever country."""
    match made:
        case _Whole():
            return _Large()
        case _Words():
            return _Words(collation="C")
        case _Word():
            return _Word(made.length, collation="C")
        case _:
            return made


def _kind_of(name: str, declared: TypeEngine[Any]) -> tuple[Any, str, Fits]:
    match declared:
        case Boolean():
            return _Truth(), "true or false", lambda value: value in (0, 1)
        case Integer():
            return _Whole(), "a whole number from 0", lambda value: type(value) is int and 0 <= value <= LARGEST
        case Float() if name.endswith("_at_s"):
            return _Number(), "a moment", lambda value: _is_finite(value) and EARLIEST_S <= value <= LATEST_S
        case Float() if name in DURATIONS:
            return _Number(), "a time", lambda value: _is_finite(value) and 0 <= value <= MOST_MEASURED
        case Float():
            return _Number(), "a finite number", _is_finite
        case Text():
            return _Words(), "text", lambda value: type(value) is str
        case String() if name in NAMES:
            return _Word(declared.length), "a name", lambda value: type(value) is str and _is_name(value)
        case String():
            made = _Word(declared.length)
            return made, "a few words", lambda value: type(value) is str and len(value) <= LONGEST_WORD
        case _:
            return _Bytes(), "bytes", lambda value: type(value) is bytes


def as_in_sqlite(value: Any) -> Any:
    """Return what a library for PostgreSQL gives out as SQLite's would: bytes, and sums of whole numbers."""
    if type(value) is memoryview:
        return bytes(value)
    if type(value) is Decimal and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value


def _is_name(value: str) -> bool:
    return len(value) <= LONGEST_WORD and value.isprintable()


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _said(value: Any) -> str:
    """Return what a value is in a few words; it may be anything, and endless."""
    match value:
        case str():
            return "text" if len(value) <= LONGEST_WORD else f"text of {len(value):,} letters"
        case bytes():
            return "bytes"
        case int():
            return "a number below 0" if value < 0 else "a number that is too large" if value > LARGEST else "a number"
        case _:
            return "an infinite number" if not math.isfinite(value) else "a number that cannot stand there"
