"""What may run here is what was approved here, and nothing that lies beside it."""

from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from qcqueue.code.trust import TRUSTED, Trust
from qcqueue.errors import UnknownName

ONE, OTHER = "a" * 64, "ab" * 32


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(tmp_path, SystemClock())


def test_nothing_is_approved_by_itself(trust: Trust) -> None:
    assert not trust.has(ONE)
    assert trust.approved() == ()


def test_what_was_approved_may_run_until_it_is_removed(trust: Trust, tmp_path: Path) -> None:
    trust.approve(ONE, ["mine.py"])
    trust.approve(ONE, ["mine.py"])
    assert Trust(tmp_path, SystemClock()).has(ONE)
    assert not trust.has(OTHER)
    assert [it.files for it in trust.approved()] == [("mine.py",)]
    assert trust.remove("aaaa").sha256 == ONE
    assert not trust.has(ONE)


@pytest.mark.parametrize("name", ["../x", "", "a" * 63, "A" * 64, "/etc/passwd"])
def test_what_is_no_digest_is_not_approved_whatever_lies_there(name: str, trust: Trust, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    trust.approve(ONE)
    assert not trust.has(name)


@pytest.mark.parametrize(("typed", "says"), [("a", "2 pieces of code"), ("", "no code"), ("b", "no code")])
def test_to_remove_one_its_beginning_will_do_if_it_is_the_only_one(typed: str, says: str, trust: Trust) -> None:
    for digest in (ONE, OTHER):
        trust.approve(digest)
    with pytest.raises(UnknownName, match=says):
        trust.remove(typed)
    assert len(trust.approved()) == 2


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"files": 1, "at_s": "x"}'])
def test_a_note_that_was_torn_still_says_what_may_run(torn: bytes, trust: Trust, tmp_path: Path) -> None:
    trust.approve(ONE)
    (tmp_path / TRUSTED / ONE).write_bytes(torn)
    (it,) = trust.approved()
    assert (it.sha256, it.files, it.at_s) == (ONE, (), 0.0)
