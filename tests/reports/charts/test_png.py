"""A picture as PNG has its size, its colours and its words; a machine that cannot draw it says why."""

import functools
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import resvg_py
from PIL import Image

from qcqueue.errors import ExtraMissing
from qcqueue.reports.charts import png
from qcqueue.reports.charts.png import FEWEST_A_HAND, drawing, to_png
from qcqueue.reports.charts.standalone import standalone
from qcqueue.reports.palette import DARK, LIGHT
from tests.reports.charts.gallery import SIX, confusion, curves


@pytest.fixture(autouse=True)
def fresh_look_for_fonts() -> Iterator[None]:
    png._has_a_font.cache_clear()
    yield
    png._has_a_font.cache_clear()


def image_of(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return image.convert("RGB")


def pixels_of(image: Image.Image, colour: str) -> int:
    """Return how many pixels have exactly this colour."""
    counted = image.getcolors(maxcolors=image.width * image.height)
    assert counted is not None
    return {pixel: count for count, pixel in counted}.get(tuple(bytes.fromhex(colour[1:])), 0)


@pytest.mark.parametrize("scale", [1, 1.5, 2])
def test_it_has_the_size_of_its_picture(scale: float) -> None:
    image = image_of(to_png(standalone(confusion(("good", "fair"))), scale=scale))
    one = confusion(("good", "fair"))
    assert image.width == pytest.approx((one.width + 24) * scale, abs=1)
    assert image.height > one.height * scale


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_it_has_the_colours_of_its_models_on_its_paper(colours: dict[str, str]) -> None:
    image = image_of(to_png(standalone(curves(SIX, epochs=20), colours)))
    assert all(pixels_of(image, colours[f"model-{index}"]) > 10 for index in range(6))
    assert image.getpixel((1, 1)) == tuple(bytes.fromhex(colours["paper"][1:]))


def test_words_are_really_drawn() -> None:
    file = standalone(confusion(("good", "fair")))
    wordless = file.replace("<text", "<g").replace("</text", "</g")
    assert pixels_of(image_of(to_png(file)), LIGHT["ink"]) > 300
    assert pixels_of(image_of(to_png(wordless)), LIGHT["ink"]) == 0


def test_the_same_file_gives_the_same_bytes() -> None:
    file = standalone(confusion(("good", "fair")))
    assert to_png(file) == to_png(file)


def test_several_are_drawn_in_their_order() -> None:
    files = [standalone(confusion(("good", "fair"))), standalone(curves(SIX, epochs=3))]
    with drawing(files) as drawn:
        assert drawn() == [to_png(file) for file in files]


@pytest.mark.parametrize(
    "python", [sys.executable, "/bin/false"], ids=["by processes", "here, where none can be begun"]
)
def test_many_are_drawn_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, python: str) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('what lies about was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("sys.executable", python)
    files = [standalone(confusion(("good", "fair"), model=place % 6)) for place in range(2 * FEWEST_A_HAND + 1)]
    with drawing(files) as drawn:
        assert drawn() == [to_png(file) for file in files]


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ExtraMissing, match="figures as PNG need resvg") as raised:
        to_png(standalone(confusion(("good", "fair"))))
    assert raised.value.hint == 'pip install "qcqueue[figures]"'


def test_a_machine_without_a_font_is_told_so_before_words_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    fontless = functools.partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    monkeypatch.setattr(resvg_py, "svg_to_bytes", fontless)
    with pytest.raises(ExtraMissing, match="no font"):
        to_png(standalone(confusion(("good", "fair"))))
