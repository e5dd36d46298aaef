"""Values made from JSON that anybody may have written: every field of the type that its class declares, or none at all.

A dataclass says what it holds, and that is all that is asked of the JSON: the right keys, numbers that are numbers and
finite, text that is text, all the way down. What a number means, and whether it makes sense, is for the class itself.
Always true: a value is exactly what its class would have been given by us, so whoever uses one need not look again.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]

# What a double and every other language's JSON can hold.
LARGEST = 1 << 53

MOST_MEASURED = 1e15


def shaped(kind: type[T], value: Any) -> T:
    """Return the dataclass that a JSON object stands for. Raises ValueError: it stands for none; says where and why."""
    declared: Any = kind
    made: T = _reader_of(declared)(value)
    return made


def read_measures(value: Any) -> dict[str, float]:
    """Return measures by name: numbers from 0 to what no clock and no disk will reach. Raises ValueError: others."""
    read: dict[str, float] = _reader_of(dict[str, float])(value)
    for measure in read.values():
        if not 0 <= measure <= MOST_MEASURED:
            raise ValueError("a measure in it is less than nothing, or without end")
    return read


@cache
def _reader_of(kind: Any) -> Reader:
    """Return what reads one JSON value as a type, and raises ValueError for any other."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _reader_of_class(kind)
    if origin in (Union, UnionType):
        return _reader_of_either(arguments)
    if origin is Literal:
        return _reader_of_words(arguments)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        words = _reader_of_words(tuple(kind))
        return lambda value: kind(words(value))
    if origin is tuple:
        return _reader_of_many(arguments)
    if origin in (dict, Mapping):
        return _reader_of_named(arguments[1])
    return _PLAIN[kind]


def _reader_of_class(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader_of(hints[field.name]) for field in fields(kind) if field.init}
    needed = {
        field.name
        for field in fields(kind)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    }

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise ValueError(f"{_said(value)} stands where an object belongs")
        if missing := needed - value.keys():
            raise ValueError(f"{min(missing)} is missing")
        found = {}
        for name, it in value.items():
            reader = readers.get(name)
            if reader is None:
                raise ValueError("it has a key that nobody knows")
            try:
                found[name] = reader(it)
            except ValueError as exc:
                raise ValueError(f"{name}: {exc}") from exc
        return kind(**found)

    return read


def _reader_of_either(kinds: tuple[Any, ...]) -> Reader:
    (some,) = (_reader_of(kind) for kind in kinds if kind is not NoneType)
    return lambda value: None if value is None else some(value)


def _reader_of_words(words: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not str or value not in words:
            raise ValueError(f"{_said(value)} stands where {' or '.join(map(str, words))} belongs")
        return value

    return read


def _reader_of_many(kinds: tuple[Any, ...]) -> Reader:
    each = _reader_of(kinds[0])  # all tuples of ours hold one kind of thing, as many of it as they like or so many
    length = None if kinds[-1] is Ellipsis else len(kinds)

    def read(value: Any) -> Any:
        if type(value) not in (list, tuple) or (length is not None and len(value) != length):
            raise ValueError(f"{_said(value)} stands where a list{f' of {length}' if length else ''} belongs")
        return tuple(map(each, value))

    return read


def _reader_of_named(kind: Any) -> Reader:
    each = _reader_of(kind)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise ValueError(f"{_said(value)} stands where an object belongs")
        return {name: each(it) for name, it in value.items()}

    return read


def _whole(value: Any) -> int:
    if type(value) is not int or not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{_said(value)} stands where a whole number belongs")
    return value


def _number(value: Any) -> Any:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and -LARGEST <= value <= LARGEST:  # it stays one, so that its digest stays
        return value
    raise ValueError(f"{_said(value)} stands where a number belongs")


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{_said(value)} stands where text belongs")
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{_said(value)} stands where true or false belongs")
    return value


_PLAIN: Mapping[Any, Reader] = {int: _whole, float: _number, str: _text, bool: _truth}


def _said(value: Any) -> str:
    """Return what something is in a word or two: what stands in it may be anything, and endless."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number" if isinstance(value, float) or abs(value) <= LARGEST else "a number without end"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
