"""Values made of JSON that anybody may have written: right to the last field, or refused with a word on where."""

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Result
from qcqueue.core.records import TrainingRecord
from qcqueue.core.shaped import read_measures
from qcqueue.core.spec import JobSpec
from qcqueue.text.canonical_json import canonical_json, parse_json
from tests.queue.desk import SUMMARY, record, result, spec

HONEST: tuple[Any, ...] = (spec("vgg16"), record((0.5, 0.25), steps_done=3), result(), SUMMARY)
ODD: tuple[Any, ...] = (None, True, 17, -1, 1 << 60, 0.5, 1e300, "", "text", [], ["text"], {}, {"a": 1}, [[[]]])


@pytest.mark.parametrize("value", HONEST, ids=lambda it: type(it).__name__)
def test_what_we_wrote_is_read_as_it_was(value: Any) -> None:
    assert type(value).from_json(parse_json(canonical_json(value.to_json()))) == value


@pytest.mark.parametrize("value", HONEST, ids=lambda it: type(it).__name__)
def test_whatever_stands_in_a_place_it_is_read_or_refused(value: Any) -> None:
    written = parse_json(canonical_json(value.to_json()))
    tried = 0
    for place in places_in(written):
        for odd in ODD:
            tried += 1
            with contextlib.suppress(ValueError):
                read = type(value).from_json(put(written, place, odd))
                # It is what it could have been, so it can be written and read again.
                assert type(value).from_json(parse_json(canonical_json(read.to_json()))) == read
    assert tried > 100


@pytest.mark.parametrize("kind", [JobSpec, TrainingRecord, Result, DatasetSummary])
@pytest.mark.parametrize("value", [None, 17, "text", [], {}, {"a": 1}])
def test_what_is_nothing_of_the_kind_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        kind.from_json(value)


@pytest.mark.parametrize(
    "value",
    [{"a": -1.0}, {"a": 1e300}, {"a": "1"}, {"a": True}, {"a": float("inf")}, {"a": 1 << 60}, [1], {"a": {"b": 1}}],
)
def test_a_ledger_holds_finite_numbers_only(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_measures(value)


def test_a_spec_that_nobody_could_finish_is_refused() -> None:
    for changes in (
        {"epochs": 1 << 50},
        {"epochs": -1},
        {"image_size": (1 << 40, 75)},
        {"image_size": (0, 75)},
        {"deadline_s": 1e300},
        {"name": "a\x1b[2Jb"},
        {"study": "two\nlines"},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            JobSpec.from_json(replace(spec("vgg16"), **changes).to_json())


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value within a value of JSON."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path, *(place for key, it in inner for place in places_in(it, (*path, key)))]


def put(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    copy = value.copy()
    copy[place[0]] = put(value[place[0]], place[1:], odd)
    return copy
