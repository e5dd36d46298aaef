"""Make docs/pictures/: what `qcqueue status` and `log` say, and the first screen of the report.

Nothing is drawn by hand: the queue is that of a real `qcqueue demo`, kept for the tests, and both pictures show what
the commands of today make of it. They are written small, as they travel with every clone.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
FINISHED = ROOT / "tests" / "golden" / "six-models.zip"
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

COMMANDS = ("status", "log vgg16")
COLUMNS = 122
REPORT_PX = {"width": 1000, "height": 940}
COLOURS = 96
"""Of the page's picture: enough that text and lines look as they do, at a quarter of the bytes."""

PAPER, INK = (28, 32, 38), (222, 226, 232)
RED, GREEN, YELLOW = (240, 110, 110), (130, 200, 140), (225, 190, 100)
BLUE, MAGENTA, CYAN = (120, 160, 230), (190, 140, 220), (110, 200, 200)
THEME = TerminalTheme(PAPER, INK, [PAPER, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, INK])

# As rich writes it, without fonts from the network, a window's frame and shadows.
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
<rect fill="#1c2026" x="1" y="1" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(FINISHED) as archive:
        place = Path(folder)
        archive.extractall(place)
        terminal(place, PICTURES / "terminal.svg")
        report(place, PICTURES / "report.png")
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def terminal(place: Path, target: Path) -> None:
    """Show commands and their answers, in the colours of a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, command in enumerate(COMMANDS):
        said = qcqueue(place, *command.split())
        console.print(Text.assemble("\n" if number else "", ("$ ", "dim"), (f"qcqueue {command}", "bold")))
        console.print(Text.from_ansi(said.rstrip()))
    text = console.export_svg(theme=THEME, code_format=FRAME, unique_id="qcqueue")
    target.write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()), encoding="utf-8")


def report(place: Path, target: Path) -> None:
    """Show the first screen of the page."""
    qcqueue(place, "report", "--out", str(place / "report"))
    with page() as shown:
        shown.goto((place / "report" / "report.html").as_uri(), wait_until="load")
        shot = shown.screenshot()
    with Image.open(io.BytesIO(shot)) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(target, optimize=True)


@contextmanager
def page() -> Iterator[Page]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit("the picture of the report needs a Chromium: apt-get install chromium, or the like")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser.new_page(viewport={"width": REPORT_PX["width"], "height": REPORT_PX["height"]})
        finally:
            browser.close()


def qcqueue(place: Path, *arguments: str) -> str:
    """Run a command on the kept queue, with nothing of this machine's settings; return what it answers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
    environment |= {"QCQUEUE_STORE": f"folder:{place / 'queue'}", "QCQUEUE_CACHE": str(place / "cache")}
    environment |= {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "qcqueue", *arguments]
    return subprocess.run(command, env=environment, cwd=place, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
