"""Names and ways of packing of other programs' zips: read as what they mean, or refused with what to do."""

import binascii
import struct
import zipfile
from pathlib import Path

import pytest

from qcqueue.datasets.format import to_bytes
from tests.datasets.adding import added, refused
from tests.datasets.pictures import Files, png, three_classes, zip_of

UNPACK_IT = "unpack it and import the folder"


class Written(zipfile.ZipInfo):
    """An entry whose name is written as these bytes, with or without the flag for UTF-8."""

    def __init__(self, name: bytes, *, flagged: bool = False) -> None:
        super().__init__("x")
        self.filename = name.decode("latin-1")
        self._written = name, flagged * 0x800

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        name, flag = self._written
        return name, self.flag_bits & ~0x800 | flag


def zip_with(path: Path, names: dict[bytes, bytes], *, flagged: bool = False) -> Path:
    return zip_of(path, {}, *((Written(name, flagged=flagged), content) for name, content in names.items()))


def encoded_names(files: Files, encoding: str = "utf-8") -> dict[bytes, bytes]:
    return {name.encode(encoding): content for name, content in files.items()}


def accented(pattern: str = "{}/{}.png") -> Files:
    return {
        pattern.format(name, number): png(f"{name}{number}", side=8)
        for name in ("Bon", "Défaut")
        for number in range(4)
    }


@pytest.mark.parametrize("name", ["Défaut", "De\u0301faut", "缺陷", "брак", "gut für alle"])
def test_utf8_without_its_flag_is_utf8(tmp_path: Path, name: str) -> None:
    files = {path.replace("Défaut", name): content for path, content in accented().items()}
    (tmp_path / "flagged").mkdir()
    plain = added(zip_with(tmp_path / "photos.zip", encoded_names(files)))
    assert plain.summary.classes == added(zip_of(tmp_path / "flagged" / "photos.zip", files)).summary.classes
    assert to_bytes(plain) == to_bytes(added(tmp_path / "flagged" / "photos.zip"))


@pytest.mark.parametrize(
    "pattern", ["scans\\{}\\{}.png", ".\\{}\\{}.png", "./{}/{}.png", "scans/./{}/{}.png", "a\\b/{}\\{}.png"]
)
def test_backslashes_and_dots_are_read_as_what_they_mean(tmp_path: Path, pattern: str) -> None:
    dataset = added(zip_with(tmp_path / "photos.zip", encoded_names(accented(pattern))))
    assert dataset.summary.classes == ("Bon", "Défaut")
    assert set(dataset.names) == {f"{number}.png" for number in range(4)}
    assert len({image.tobytes() for image in dataset.images}) == 8


def test_folders_written_with_backslashes_are_folders(tmp_path: Path) -> None:
    names = encoded_names(accented("scans\\{}\\{}.png")) | {b"scans\\": b"", b"scans\\Bon\\": b"", b"./": b""}
    assert added(zip_with(tmp_path / "photos.zip", names)).summary.classes == ("Bon", "Défaut")


@pytest.mark.parametrize(
    "name",
    [
        "..\\evil.png",
        "a\\..\\..\\evil.png",
        "C:\\evil.png",
        "\\evil.png",
        "\\\\host\\evil.png",
        "/evil.png",
        "../.DS_Store",
    ],
)
def test_a_name_that_leads_out_stays_refused(tmp_path: Path, name: str) -> None:
    path = zip_with(tmp_path / "photos.zip", encoded_names(accented() | {name: b"x"}))
    assert refused(path)[0] == f"photos.zip holds {name}, a name that points outside its folder"


def test_two_names_that_mean_one_file_are_refused(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "photos.zip", encoded_names(accented() | {"Bon\\0.png": b"x"}))
    assert refused(path)[0] == "Bon/0.png stands twice in photos.zip"


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "cp850"])
def test_a_name_in_an_encoding_nobody_tells_is_refused_with_a_way_out(tmp_path: Path, encoding: str) -> None:
    sentence, hint = refused(zip_with(tmp_path / "photos.zip", encoded_names(accented(), encoding)))
    assert sentence.endswith("a name in an encoding that it does not tell")
    assert hint == UNPACK_IT


def test_a_name_that_is_not_the_utf8_it_is_flagged_as_is_refused(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "photos.zip", encoded_names(accented(), "latin-1"), flagged=True)
    sentence, hint = refused(path)
    assert sentence == "the zip photos.zip holds a name that is not the UTF-8 it is said to be"
    assert hint == UNPACK_IT


def test_litter_in_an_unknown_encoding_is_no_reason_to_refuse(tmp_path: Path) -> None:
    names = encoded_names(accented()) | {"__MACOSX/._Défaut".encode("cp437"): b"x", b"Bon/Icon\r": b""}
    assert len(added(zip_with(tmp_path / "photos.zip", names)).names) == 8


@pytest.mark.parametrize(("is_right", "is_read"), [(True, True), (False, False)])
def test_the_extra_field_for_names_counts_where_it_is_meant_for_that_name(
    tmp_path: Path, is_right: bool, is_read: bool
) -> None:
    entries = []
    for name, content in accented().items():
        entry = Written(name.encode("cp850"))
        field = struct.pack("<BI", 1, binascii.crc32(name.encode("cp850")) ^ (not is_right)) + name.encode()
        entry.extra = struct.pack("<HH", 0x7075, len(field)) + field
        entries.append((entry, content))
    path = zip_of(tmp_path / "photos.zip", {}, *entries)
    if is_read:
        assert added(path).summary.classes == ("Bon", "Défaut")
    else:
        assert refused(path)[1] == UNPACK_IT


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (98, "PPMd"), (95, "XZ"), (1, "Shrink"), (6, "Implode"), (77, "method 77")]
)
def test_a_way_of_packing_that_cannot_be_read_is_said_by_name(tmp_path: Path, method: int, name: str) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        place = content.index(signature) + offset
        content[place : place + 2] = struct.pack("<H", method)
    path.write_bytes(content)
    sentence, hint = refused(path)
    assert sentence == f"good/0.png in photos.zip is packed in a way qcqueue cannot read: {name}"
    assert hint == UNPACK_IT


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_way_of_packing_that_python_reads_is_read(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", method) as archive:
        for name, content in three_classes().items():
            archive.writestr(name, content)
    assert len(added(tmp_path / "photos.zip").names) == 15


def test_a_zip_that_needs_a_newer_reader_says_so(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 99
    path.write_bytes(content)
    sentence, hint = refused(path)
    assert sentence == "the zip photos.zip is packed in a way qcqueue cannot read: zip file version 9.9"
    assert hint == UNPACK_IT


def test_one_of_several_parts_of_a_zip_is_called_that(tmp_path: Path) -> None:
    whole = zip_of(tmp_path / "whole.zip", three_classes()).read_bytes()
    (tmp_path / "photos.z01").write_bytes(b"PK\x07\x08" + whole[:500])
    last = bytearray(whole[500:])
    last[-18:-14] = struct.pack("<HH", 1, 1)
    (tmp_path / "photos.zip").write_bytes(last)
    for name in ("photos.z01", "photos.zip"):
        assert refused(tmp_path / name) == (f"{name} is one part of a zip that was split into several", UNPACK_IT)


def with_local_names(path: Path, changed: dict[bytes, bytes]) -> Path:
    """Rewrite names before the bytes of members, whose central names stay; both have one length."""
    content = bytearray(path.read_bytes())
    for central, local in changed.items():
        assert len(central) == len(local)
        place = content.index(central)
        assert content[place - 30 : place - 26] == b"PK\x03\x04"
        content[place : place + len(central)] = local
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("central", "local"),
    [(b"good/0.png", b"good\\0.png"), (b"x/good/0.png", b"x\\good/0.png"), (b"good/./0.png", b"good\\.\\0.png")],
)
def test_a_name_written_in_two_ways_is_one_name(tmp_path: Path, central: bytes, local: bytes) -> None:
    outer = central.removesuffix(b"good/0.png") if central.startswith(b"x") else b""
    names = {outer + name: content for name, content in encoded_names(three_classes()).items()}
    names[central] = names.pop(outer + b"good/0.png")
    path = zip_with(tmp_path / "photos.zip", names)
    plain = to_bytes(added(path))
    assert to_bytes(added(with_local_names(path, {central: local}))) == plain


@pytest.mark.parametrize("encoding", ["cp437", "cp850", "cp1252"])
def test_a_name_in_utf8_and_in_a_code_page_is_one_name(tmp_path: Path, encoding: str) -> None:
    class Twice(Written):
        def FileHeader(self, zip64: bool | None = None) -> bytes:
            self._written = "good/ü.png".encode(encoding), 0
            header = super().FileHeader(zip64)
            self._written = "good/ü.png".encode(), 0x800
            return header

    path = zip_of(tmp_path / "photos.zip", three_classes(), (Twice(b"x"), png("more")))
    assert "ü.png" in added(path).names


def test_the_flag_for_utf8_in_only_one_place_makes_no_difference(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "photos.zip", encoded_names(accented()), flagged=True)
    plain = to_bytes(added(path))
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content = bytearray(zip_with(tmp_path / "photos.zip", encoded_names(accented()), flagged=True).read_bytes())
        place = content.index(signature) + offset
        content[place + 1] &= ~8
        path.write_bytes(content)
        assert to_bytes(added(path)) == plain


def test_a_name_that_is_another_before_its_bytes_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    with_local_names(path, {b"good/0.png": b"evil/7.png"})
    assert refused(path) == ("good/0.png in photos.zip has another name before its bytes: evil/7.png", UNPACK_IT)
