"""Words are taken to be at least as wide as any common face makes them, and cut where they would not fit."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from qcqueue.reports.charts.lettering import shortened, width_of, wrapped

FACES = [
    path
    for folder in ("dejavu", "liberation")
    for name in ("DejaVuSans", "DejaVuSans-Bold", "LiberationSans-Regular", "LiberationSans-Bold")
    for path in [Path("/usr/share/fonts/truetype") / folder / f"{name}.ttf"]
    if path.exists()
]
SAID = (
    "DenseNet121",
    "InceptionResNetV2",
    "EfficientNetV2B0",
    "validation accuracy (%)",
    "goodput 81.8 % of 2 h 28 min",
    "86.5 (83.7 to 89.3)",
    "−0.97",
    "WWWWMMMM@@@%%%",
    "iiiillll....||||",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789",
    "!#$%&'()*+,-./:;<=>?@[]^_`{|}~–…×±≤≥→←↑↓",
)


@pytest.mark.skipif(not FACES, reason="this machine has none of the faces to compare with")
@pytest.mark.parametrize("said", SAID)
def test_no_common_face_makes_words_wider(said: str) -> None:
    for face in FACES:
        real = ImageFont.truetype(face, 1000).getlength(said) / 1000
        taken = width_of(said, size=1, bold="Bold" in face.name)
        assert real <= taken * 1.02, face.name
        assert taken < real * 1.75, face.name


def test_what_fits_is_left_alone() -> None:
    assert shortened("vgg16", 200) == "vgg16"


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shortened("densenet121-with-augmentation-seed-7", 120) == "densenet1…seed-7"


def test_words_are_broken_between_words() -> None:
    assert wrapped("trainable parameters", 80, most=2) == ["trainable", "parameters"]
    assert wrapped("one-two-three", 60, most=3) == ["one-two-", "three"]


@given(st.text(max_size=60), st.floats(20, 200), st.integers(1, 3))
def test_no_line_is_wider_than_its_room(text: str, room: float, most: int) -> None:
    lines = wrapped(text, room, most=most, bold=True)
    assert len(lines) <= most
    assert all(width_of(line, bold=True) <= room for line in lines)
