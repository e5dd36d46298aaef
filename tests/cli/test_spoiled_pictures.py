"""`data add` with pictures that would be spoiled: what it says, with which exit code, and that the hint works."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from qcqueue.cli.main import run
from tests.cli.queues import House
from tests.cli.test_imports import heavy, imported_by
from tests.datasets.pictures import Files, encoded, folder_of, png16, ramp, three_classes, tiff

SIDE = 8


def deep(highest: int) -> Files:
    return {
        f"{name}/{at}.png": png16(ramp(highest - highest // 16 * at - highest // 32 * (name == "b")))
        for name in "ab"
        for at in range(4)
    }


def mixed() -> Files:
    shallow = {f"c/{at}.png": encoded(Image.fromarray(ramp(255 - 9 * at).astype(np.uint8))) for at in range(4)}
    return deep(4095) | shallow


def colours() -> Files:
    return {
        f"{name}/{at}.png": png16(ramp(900 - 50 * at - 25 * (name == "b"), bands=3)) for name in "ab" for at in range(4)
    }


def films() -> Files:
    return {
        f"{name}/{at}.tif": tiff(
            ramp(16_000 - 900 * at - 400 * (name == "b")).astype("<u2").tobytes(), (8, 8), bits=(16,), photometric=0
        )
        for name in "ab"
        for at in range(4)
    }


def answered(capfd: pytest.CaptureFixture[str], *typed: str, code: int) -> tuple[str, list[str]]:
    capfd.readouterr()
    assert run(list(typed)) == code
    out, err = capfd.readouterr()
    return out, err.splitlines()


@pytest.mark.parametrize(
    ("files", "typed", "hint"),
    [
        (lambda: deep(4095), [], "--depth 12, or --depth auto"),
        (mixed, [], "--depth 12, or --depth auto"),
        (colours, [], "--depth 10, or --depth auto"),
        (films, [], "--depth 14, or --depth auto"),
        (lambda: deep(4095), ["--depth", "10"], "--depth 12, or --depth auto"),
        (lambda: deep(4095), ["--depth", "twelve"], "--depth 12, or --depth auto"),
        (lambda: deep(4095), ["--depth", "64"], "--depth 12, or --depth auto"),
    ],
)
def test_a_depth_that_would_spoil_pictures_is_refused_and_either_hint_typed_back_works(
    files: Callable[[], Files], typed: list[str], hint: str, house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    folder_of(house.folder / "scans", files())
    add = ["data", "add", "scans", "--name", "scans", "--image-size", "8x8"]
    before = house.fingerprint()
    out, err = answered(capfd, *add, *typed, code=2)
    assert out == ""
    assert err[0].startswith("qcqueue: ")
    assert err[-1] == f"next: {hint}"
    assert house.fingerprint() == before
    for number, choice in enumerate(hint.split(", or ")):
        name = f"scans-{number}"
        answered(capfd, *add[:4], name, *add[5:], *choice.split(), code=0)
        out, _ = answered(capfd, "data", "show", name, code=0)
        assert f"({choice})" in out
        assert "deep pictures scaled by " in out


def test_a_depth_where_nothing_is_deep_is_refused_and_without_it_the_import_works(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    folder_of(house.folder / "photos", three_classes())
    add = ["data", "add", "photos", "--name", "photos", "--image-size", "8x8"]
    before = house.fingerprint()
    out, err = answered(capfd, *add, "--depth", "12", code=2)
    assert (out, err) == (
        "",
        [
            "qcqueue: no picture in photos has more than 8 bits, so --depth 12 would change nothing",
            "next: leave --depth out",
        ],
    )
    assert house.fingerprint() == before
    answered(capfd, *add, code=0)


def test_every_broken_file_is_a_line_of_its_own(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    broken = {f"good/broken {number:02}.png": b"" for number in range(22)}
    folder_of(house.folder / "photos", three_classes() | broken | {"fair/words": b"blurred"})
    before = house.fingerprint()
    out, err = answered(capfd, "data", "add", "photos", "--name", "photos", code=2)
    assert out == ""
    assert err[0] == "qcqueue: 23 of the 38 images in photos cannot be used"
    assert err[1] == "fair/words in photos is not an image that qcqueue can read"
    assert err[2] == "good/broken 00.png in photos is empty"
    assert err[-2:] == ["and 3 more", "next: copy them again, save them in a usual way, or remove them"]
    assert len(err) == 23
    assert house.fingerprint() == before


def test_one_broken_file_is_one_sentence(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    folder_of(house.folder / "photos", three_classes() | {"good/0.tif": encoded(Image.new("F", (9, 9)), "TIFF")})
    _, err = answered(capfd, "data", "add", "photos", "--name", "photos", code=2)
    assert err == [
        "qcqueue: good/0.tif in photos has floating-point pixels",
        "next: save it with whole numbers from 0, of 8 or 16 bits a pixel",
    ]


def test_without_a_dicom_file_pydicom_is_not_imported_and_without_pydicom_one_is_refused(
    house: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(house.folder / "photos", three_classes())
    assert heavy(imported_by(house, "data add photos --name photos"), {"pydicom"}) == {}
    folder_of(house.folder / "photos", {"good/scan.dcm": bytes(128) + b"DICM" + bytes(64)})
    monkeypatch.setitem(sys.modules, "pydicom", None)
    before = house.fingerprint()
    _, err = answered(capfd, "data", "add", "photos", "--name", "scans", code=2)
    assert err == [
        "qcqueue: good/scan.dcm in photos is a DICOM file, which needs pydicom to be read",
        'next: pip install "qcqueue[dicom]"',
    ]
    assert house.fingerprint() == before
