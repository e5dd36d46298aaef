"""The report in a real browser: quiet, whole, readable and reachable, on a phone and a desk, by day and by night."""

from dataclasses import dataclass
from typing import get_args

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import HEIGHT_PX, Heard, Light, Sight, look, opened, violations
from tests.browser.pages import STUDIES, a_file, page_called

PHONE_PX, DESK_PX = 390, 1440


Way = tuple[int, Light]
"""How wide the window is, and whether it is by day or by night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One study, opened once and looked at in several ways."""

    url: str
    heard: Heard
    sights: dict[Way, Sight]
    violations: list[str]


EVERY_WAY: tuple[Way, ...] = tuple((width_px, light) for light in get_args(Light) for width_px in (PHONE_PX, DESK_PX))
# What all pages have in common is seen on these; of the others a page by day on a phone and by night on a desk will do.
IN_EVERY_WAY = ("unfinished", "answered", "hostile")


def ways(study: str) -> tuple[Way, ...]:
    return EVERY_WAY if study in IN_EVERY_WAY else ((PHONE_PX, "light"), (DESK_PX, "dark"))


# These make no element that the others do not make.
LARGER_OR_LONGER = ("finished", "12 x 300", "long names")


@pytest.fixture(
    scope="package",
    params=[pytest.param(it, marks=[pytest.mark.long] if it in LARGER_OR_LONGER else []) for it in STUDIES],
)
def visit(request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    study = request.param
    path = a_file(page_called(study), tmp_path_factory.mktemp("page"))
    sights: dict[Way, Sight] = {}
    found: list[str] = []
    with opened(browser, path, width_px=PHONE_PX, light="light") as (page, heard):
        for width_px, light in ways(study):
            page.set_viewport_size({"width": width_px, "height": HEIGHT_PX})
            page.emulate_media(color_scheme=light)
            sights[width_px, light] = look(page)
            rules = axe_rules(study, width_px, light, everywhere=request.config.getoption("--long"))
            found += violations(page, rules=rules) if rules is not None else []
    return Visit(url=path.as_uri(), heard=heard, sights=sights, violations=found)


def axe_rules(study: str, width_px: int, light: Light, *, everywhere: bool) -> dict[str, bool] | None:
    """Decide what axe-core looks at, None for nothing: it takes seconds where `look` takes a blink.

    It judges contrast once in each light, without pictures and cells that are scrolled away; `look` judges all. The
    studies that are left out unless it looks everywhere make no element that the others do not make.
    """
    with_contrast = (study, width_px, light) in (("unfinished", PHONE_PX, "dark"), ("half failed", PHONE_PX, "light"))
    if with_contrast or everywhere:
        return {"color-contrast": with_contrast}
    if (width_px, light) == (PHONE_PX, "light") and study in ("empty", "answered", "hostile"):
        return {"color-contrast": False, "link-in-text-block": False}
    return None


def test_it_says_nothing_to_the_console_and_asks_nothing_of_the_network(visit: Visit) -> None:
    assert visit.heard.messages == []
    assert [url for url in visit.heard.requests if url != visit.url and not url.startswith("data:")] == []
    assert {sight.scripts for sight in visit.sights.values()} == {0}


def test_the_page_never_scrolls_sideways(visit: Visit) -> None:
    assert [way for way, sight in visit.sights.items() if sight.page_px > sight.window_px] == []
    assert [sight.window_px for sight in visit.sights.values()] == [width_px for width_px, _ in visit.sights]


def test_axe_finds_nothing_serious(visit: Visit) -> None:
    assert visit.violations == []


def test_all_text_contrasts_with_what_is_behind_it(visit: Visit) -> None:
    assert {way: sight.faint for way, sight in visit.sights.items() if sight.faint} == {}


def test_text_in_pictures_is_large_enough_and_in_nobodys_way(visit: Visit) -> None:
    assert {way: sight.tiny for way, sight in visit.sights.items() if sight.tiny} == {}
    assert {way: sight.crowded for way, sight in visit.sights.items() if sight.crowded} == {}


def test_it_has_a_title_a_language_and_headings_in_order(visit: Visit) -> None:
    for sight in visit.sights.values():
        assert sight.title
        assert sight.language == "en"
        assert sight.headings[0] == 1
        steps = zip(sight.headings, sight.headings[1:], strict=False)
        assert [step for step in steps if step[1] > step[0] + 1] == []
        assert sorted(set(sight.ids)) == sorted(sight.ids)


def test_every_box_that_scrolls_is_reached_by_keyboard(visit: Visit) -> None:
    assert {way: sight.mute for way, sight in visit.sights.items() if sight.mute} == {}
