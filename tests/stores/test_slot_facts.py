"""Facts of any text up to the promised length are kept by everything that has slots, and so is any author's name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.conformance.slots import SlotPlace
from qcqueue.database.chain import Chain
from qcqueue.stores.base import FACT_BYTES_MAX, Creation
from tests.support.members import SLOTS, params


@pytest.fixture(params=params(SLOTS))
def place(request: pytest.FixtureRequest) -> Iterator[SlotPlace]:
    with SLOTS[request.param].running() as place:
        yield place


@pytest.mark.parametrize("letter", ["x", "ö", "日", "🦆", '"', "=", "\\", "'", " "])
def test_a_fact_of_the_greatest_length_is_kept(place: SlotPlace, tmp_path: Path, letter: str) -> None:
    slots = place.open(tmp_path)
    facts = {"key": letter * ((FACT_BYTES_MAX - len("key")) // len(letter.encode())), "": "", "empty": ""}
    slot = slots.reserve(1)
    assert slots.create(slot, b"body", facts) is Creation.CREATED
    assert place.attach(tmp_path).facts(slot) == facts


@pytest.mark.parametrize("author", ["", "ada@laptop", "ä" * 500, '"' * 500, "ada\udcff@laptop"])
def test_an_author_of_any_name_can_begin_a_queue(place: SlotPlace, tmp_path: Path, author: str) -> None:
    first = Chain(place.open(tmp_path), RandomIds(), author=author).begin(b"image")
    assert first
    assert Chain(place.attach(tmp_path), RandomIds(), author="").head(None) == first
