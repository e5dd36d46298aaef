"""Whose a job is: a name that any terminal can show, or nobody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.owners import ANYBODY, MOST_BYTES, are_several, named, read_owner
from qcqueue.text.fields import InvalidValue


@pytest.mark.parametrize("text", ["", " ", "\n", "\t \n"])
def test_what_holds_no_name_is_nobodys(text: str) -> None:
    assert read_owner(text) is None


@pytest.mark.parametrize("text", ["ada@example.org", " ada@example.org\n", "Zoë Ångström", "x" * MOST_BYTES])
def test_a_name_is_taken_without_the_space_around_it(text: str) -> None:
    assert read_owner(text) == text.strip()


@pytest.mark.parametrize("text", [ANYBODY, " Anybody\n"])
def test_nobody_is_called_as_whoever_has_no_name(text: str) -> None:
    with pytest.raises(InvalidValue, match="nobody owns"):
        read_owner(text)


@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\x1b[31mb", "a\x00", "a\udcffb", "\u202egro.elpmaxe@ada", "a\u2028b", "x" * (MOST_BYTES + 1), "ö" * 51],
)
def test_what_a_terminal_cannot_show_or_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"found .*, allowed is one line of text that a person can read") as caught:
        read_owner(text)
    assert str(caught.value).isprintable()


@given(st.text())
def test_whatever_is_taken_is_one_short_line(text: str) -> None:
    try:
        owner = read_owner(text)
    except InvalidValue:
        return
    assert owner is None or (owner.isprintable() and len(owner.encode()) <= MOST_BYTES and read_owner(owner) == owner)


def test_whose_jobs_are_is_told_where_there_are_several_people() -> None:
    assert not are_several([])
    assert not are_several(["ada", None, "ada"])
    assert are_several(["ada", None, "bob"])


def test_an_owner_that_a_queue_names_in_a_hostile_way_is_shown_without_harm() -> None:
    assert named(None) == ANYBODY
    assert named("a\x1b]0;x\x07b").isprintable()
    assert len(named("x" * 1000)) < 100
