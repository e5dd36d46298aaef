"""The same code is the same bytes everywhere, and nothing but that is taken apart again."""

import hashlib
import io
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.code import archive
from qcqueue.code.archive import is_file_name, pack, unpack
from qcqueue.errors import CorruptionError, UserError

FILES = {"mine.py": b"import lib.blocks\n", "lib/__init__.py": b"", "lib/blocks.py": b"WIDTH = 8\n"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_same_files_are_the_same_bytes_in_whatever_order_they_came() -> None:
    assert pack(FILES) == pack(dict(reversed(FILES.items())))


def test_what_was_packed_comes_back() -> None:
    data = pack(FILES)
    assert unpack(data, sha256=digest(data)) == FILES


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.py", fullmatch=True), st.binary(max_size=99)))
def test_any_files_come_back(files: dict[str, bytes]) -> None:
    if not files:
        return
    data = pack(files)
    assert unpack(data, sha256=digest(data)) == files


@pytest.mark.parametrize("at", range(0, 500, 7))
def test_one_byte_changed_anywhere_is_another_code(at: int) -> None:
    data = bytearray(pack(FILES))
    at %= len(data)
    data[at] ^= 1
    with pytest.raises(CorruptionError):
        unpack(bytes(data), sha256=digest(pack(FILES)))


def a_zip(*, name: str = "mine.py", compressed: bool = False, mode: int = 0o100644, comment: bytes = b"") -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as written:
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr = 3, mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        written.writestr(entry, b"x = 1\n" * 1000)
        written.comment = comment
    return held.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        a_zip(compressed=True),
        a_zip(mode=stat.S_IFLNK | 0o777),
        a_zip(name="../mine.py"),
        a_zip(name="/etc/mine.py"),
        a_zip(name=".bashrc"),
        a_zip(name="a\\b.py"),
        a_zip(comment=b"hidden"),
        b"#!/bin/sh\n" + a_zip(),
        a_zip() + b"behind",
    ],
    ids=[
        "nothing",
        "torn",
        "compressed",
        "link",
        "above",
        "absolute",
        "hidden",
        "backslash",
        "comment",
        "before",
        "behind",
    ],
)
def test_what_qcqueue_would_not_have_packed_is_not_taken_apart(data: bytes) -> None:
    assert unpack(a_zip(), sha256=digest(a_zip())), "and what it would have is"
    with pytest.raises(CorruptionError) as refused:
        unpack(data, sha256=digest(data))
    assert str(refused.value).isprintable()


def test_a_small_archive_that_says_it_is_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 10)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("mine.py", b"\0" * (10 << 20))
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *args, **more: pytest.fail("it was read"))
    with pytest.raises(CorruptionError, match="larger than it is"):
        unpack(held.getvalue(), sha256=digest(held.getvalue()))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "without a file"),
        ({"A.py": b"", "a.py": b""}, "large and small letters"),
        ({"a": b"", "a/b.py": b""}, "a file of this code, and a folder"),
        ({"con\n.py": b""}, "may be called"),
        ({f"m{number}.py": b"" for number in range(archive.MOST_FILES + 1)}, "1000 are allowed"),
        ({"big.py": b"\0" * (archive.MOST_BYTES + 1)}, "are allowed"),
    ],
)
def test_what_cannot_be_one_archive_is_refused_in_a_sentence(files: dict[str, bytes], says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        pack(files)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["mine.py", "lib/blocks.py", "Übung.py", "a-b_c.d.txt"])
def test_names_of_files(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "/a.py", "a//b.py", "./a.py", "a/../b.py", "..", ".git/config", "a/.env", "c:\\a", "a.py ", "a\0", "x" * 241],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    assert not is_file_name(name)
