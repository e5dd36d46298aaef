"""Equal values have equal bytes, and what is not a number never reaches a file."""

import hashlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.text.canonical_json import canonical_json, digest_of, parse_json

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_a_value_comes_back_and_is_written_the_same_again(value: Any) -> None:
    text = canonical_json(value)
    assert parse_json(text) == value
    assert canonical_json(parse_json(text)) == text


def test_the_order_of_keys_does_not_matter() -> None:
    assert canonical_json({"b": 1, "a": [1.0, "é"]}) == '{"a":[1.0,"é"],"b":1}'
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})


def test_a_digest_is_the_sha256_of_the_text_in_utf_8() -> None:
    assert digest_of({"a": "é"}) == hashlib.sha256('{"a":"é"}'.encode()).hexdigest()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], {"a": math.inf}])
def test_what_is_not_a_number_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a": [NaN]}'])
def test_what_is_not_a_number_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON number"):
        parse_json(text)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'])
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_json(text)


def test_a_type_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical_json({1, 2})


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '"\\ud800"',
        '{"\\udfff": 1}',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        '"a"'.encode("utf-16"),
        "1e999",
        "-1e999",
        "9" * 5000,
    ],
    ids=lambda it: repr(it[:12]),
)
def test_what_no_file_of_ours_can_hold_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


def test_letters_in_two_halves_are_letters() -> None:
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"
