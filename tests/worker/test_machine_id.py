"""The id of a machine: a file in its cache that may be torn, and is made again then."""

from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.conformance.clocks import CountedIds
from qcqueue.worker.machine import this_machine


@pytest.mark.parametrize("torn", [b"", b"\0\0\0\0", b"\xff\xfe", b"two\nlines", b"x" * 65, "é".encode()])
def test_a_torn_id_is_made_again_and_stays(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "machine").write_bytes(torn)
    made = this_machine(tmp_path, CountedIds("id-")).id
    assert made.startswith("id-")
    assert this_machine(tmp_path, RandomIds()).id == made
    assert [path.name for path in tmp_path.iterdir()] == ["machine"]


def test_an_id_is_kept_as_it_is(tmp_path: Path) -> None:
    first = this_machine(tmp_path / "cache", RandomIds()).id
    assert this_machine(tmp_path / "cache", RandomIds()).id == first
