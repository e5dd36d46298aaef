"""Chromium, driven by playwright: what a page shows to a person, a keyboard and a screen reader.

The page's own content policy stays in force. What is asked of the page goes in by the browser's debugging protocol,
which the policy does not stop; axe-core comes from an installed package. The browser is one that is installed already:
nothing is downloaded.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, ViewportSize, sync_playwright

NEEDED = "QCQUEUE_TESTS_NEED_CHROMIUM"
"""Set where the tests must not be skipped: a missing browser fails them."""

HEIGHT_PX = 900

Light = Literal["light", "dark"]

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MISSING = "no Chromium is installed, so no page is opened: apt-get install chromium, or the like"
_FLAGS = (
    "--no-sandbox",  # root, as in a container, cannot have one
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a page said to the console or in dialogs, and every address it asked for, its own first."""

    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def refuse(self, dialog: Dialog) -> None:
        self.messages.append(dialog.message)
        dialog.dismiss()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What an open page shows. Lengths in CSS pixels, as laid out with the fonts of this machine.

    headings: their levels in order. mute: boxes that scroll sideways and that no keyboard reaches. faint: text that
    contrasts less than 4.5 to 1 with what is behind it, also in pictures, where axe-core does not look. crowded: text
    in pictures that runs into other text, or out of its picture. tiny: text that is drawn smaller than 9 pixels.
    """

    title: str
    language: str
    page_px: int
    window_px: int
    headings: list[int]
    ids: list[str]
    scripts: int
    mute: list[str]
    faint: list[str]
    crowded: list[str]
    tiny: list[str]


def chromium(environment: Mapping[str, str]) -> Path:
    """Return the browser of this machine. Where there is none the test ends: as skipped, or as failed if NEEDED."""
    for name in _NAMES:
        if found := shutil.which(name, path=environment.get("PATH", "")):
            return Path(found)
    if environment.get(NEEDED):
        pytest.fail(_MISSING, pytrace=False)
    pytest.skip(_MISSING)


@contextmanager
def launched(program: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own, which is thrown away."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, path: Path, *, width_px: int, light: Light) -> Iterator[tuple[Page, Heard]]:
    """Open a file of this machine, and listen to it until it is closed."""
    heard = Heard()
    size = ViewportSize(width=width_px, height=HEIGHT_PX)
    with browser.new_context(viewport=size, color_scheme=light) as context:
        page = context.new_page()
        page.on("console", lambda message: heard.messages.append(message.text))
        page.on("pageerror", lambda error: heard.messages.append(str(error)))
        page.on("dialog", lambda dialog: heard.refuse(dialog))
        page.on("request", lambda request: heard.requests.append(request.url))
        page.goto(path.as_uri(), wait_until="load")
        yield page, heard


def look(page: Page) -> Sight:
    """Return what an open page shows."""
    return Sight(**page.evaluate(_LOOK))


def violations(page: Page, *, rules: Mapping[str, bool]) -> list[str]:
    """Return what axe-core holds against a page, the serious and the critical, each with the first place it is at.

    rules: what to switch on or off beside what axe-core looks at by itself.
    """
    page.evaluate(_AXE)
    options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": on} for rule, on in rules.items()}}
    found: list[dict[str, Any]] = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return [
        f"{it['impact']}: {it['help']}, {len(it['nodes'])} times, first at {it['nodes'][0]['html']}"
        for it in found
        if it["impact"] in ("serious", "critical")
    ]
