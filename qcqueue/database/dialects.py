"""What SQLite and PostgreSQL write differently, so that a statement of `queue` is written once.

`insert` is SQLite's, with the words for a row that is there already; on PostgreSQL it says the same. Always true: what
SQLite is told here is what it was told before there was another dialect.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, Select, bindparam, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["each", "each_id", "greater_of", "insert", "is_missing"]


def each(name: str) -> Select[Any]:
    """Return the texts of a list for an IN, to be given under this name as JSON.

    SQLAlchemy writes a list of its own into the statement anew each time, which takes longer than to run it.
    """
    return select(_elements(name))


def each_id(name: str) -> Select[Any]:
    """Return the whole numbers of a list for an IN, as `each` does with texts."""
    return select(_Whole(_elements(name)))


def greater_of(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the greater of two values, neither of which is NULL."""
    return _GreaterOf(one, other)


def is_missing(column: Column[Any]) -> ColumnElement[bool]:
    """Return whether a value is NULL that the schema does not let be."""
    return _IsMissing(column)


def _elements(name: str) -> ColumnElement[Any]:
    return _Elements(bindparam(name)).table_valued("value").c.value


class _Elements(FunctionElement[Any]):
    """The elements of a list in JSON, a row each: a table with the column `value`."""

    name = "json_each"
    inherit_cache = True


class _Whole(FunctionElement[int]):
    """An element of such a list as the number that it is; SQLite knows that by itself."""

    type = Integer()
    inherit_cache = True


class _GreaterOf(FunctionElement[Any]):
    """Of the type of its first value, so that what comes out is looked at as that would be."""

    inherit_cache = True

    def __init__(self, one: ColumnElement[Any], other: ColumnElement[Any]) -> None:
        super().__init__(one, other)
        self.type = one.type


class _IsMissing(FunctionElement[bool]):
    """Asked for its type: SQLite takes the schema's word that there is no NULL, and would not look."""

    inherit_cache = True


@compiles(_Elements)
def _json_each(element: _Elements, compiler: Any, **how: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(_Elements, "postgresql")
def _json_array_elements(element: _Elements, compiler: Any, **how: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS JSON))"


@compiles(_Whole)
def _as_it_is(element: _Whole, compiler: Any, **how: Any) -> str:
    return str(compiler.process(element.clauses, **how))


@compiles(_Whole, "postgresql")
def _as_whole(element: _Whole, compiler: Any, **how: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **how)} AS BIGINT)"


@compiles(_GreaterOf)
def _max(element: _GreaterOf, compiler: Any, **how: Any) -> str:
    return f"max({compiler.process(element.clauses, **how)})"


@compiles(_GreaterOf, "postgresql")
def _greatest(element: _GreaterOf, compiler: Any, **how: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **how)})"


@compiles(_IsMissing)
def _is_typed_null(element: _IsMissing, compiler: Any, **how: Any) -> str:
    return f"typeof({compiler.process(element.clauses, **how)}) = 'null'"


@compiles(_IsMissing, "postgresql")
def _is_null(element: _IsMissing, compiler: Any, **how: Any) -> str:
    return f"{compiler.process(element.clauses, **how)} IS NULL"


@compiles(OnConflictDoNothing, "postgresql")
def _do_nothing(clause: Any, compiler: Any, **how: Any) -> str:
    clause.constraint_target = None  # SQLite's words cannot name a constraint, so that PostgreSQL's ask in vain
    return str(compiler.visit_on_conflict_do_nothing(clause, **how))


@compiles(OnConflictDoUpdate, "postgresql")
def _do_update(clause: Any, compiler: Any, **how: Any) -> str:
    clause.constraint_target = None
    return str(compiler.visit_on_conflict_do_update(clause, **how))
