"""The report in a real browser: quiet, whole, readable and reachable, on a phone and a desk, by day and by night."""

from dataclasses import dataclass
from typing import get_args

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import Heard, Light, Sight, look, opened, violations
from tests.browser.pages import STUDIES, a_file, page_called

PHONE_PX, DESK_PX = 390, 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One study, opened one way."""

    url: str
    heard: Heard
    sight: Sight
    violations: list[str]


EVERY_WAY = tuple((width_px, light) for width_px in (PHONE_PX, DESK_PX) for light in get_args(Light))
# What all pages have in common is seen on these; of the others a page by day on a phone and by night on a desk will do.
IN_EVERY_WAY = ("unfinished", "answered", "hostile")


def ways(study: str) -> tuple[tuple[int, Light], ...]:
    return EVERY_WAY if study in IN_EVERY_WAY else ((PHONE_PX, "light"), (DESK_PX, "dark"))


@pytest.fixture(
    scope="package",
    params=[(study, width_px, light) for study in STUDIES for width_px, light in ways(study)],
    ids=lambda it: f"{it[0]}, {it[1]} px, {it[2]}",
)
def visit(request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    study, width_px, light = request.param
    path = a_file(page_called(study), tmp_path_factory.mktemp("page"))
    with opened(browser, path, width_px=width_px, light=light) as (page, heard):
        sight = look(page)
        found = violations(page, rules=rules) if (rules := axe_rules(study, width_px, light)) is not None else []
    return Visit(url=path.as_uri(), heard=heard, sight=sight, violations=found)


def axe_rules(study: str, width_px: int, light: Light) -> dict[str, bool] | None:
    """Decide what axe-core looks at, None for nothing: it takes seconds where `look` takes a blink.

    It judges contrast once in each light, without pictures and cells that are scrolled away; `look` judges all.
    """
    if study == "unfinished":
        return {"color-contrast": (width_px, light) in ((PHONE_PX, "dark"), (DESK_PX, "light"))}
    return {"color-contrast": False} if (width_px, light) == (PHONE_PX, "light") else None


def test_it_says_nothing_to_the_console_and_asks_nothing_of_the_network(visit: Visit) -> None:
    assert visit.heard.messages == []
    assert [url for url in visit.heard.requests if url != visit.url and not url.startswith("data:")] == []
    assert visit.sight.scripts == 0


def test_the_page_never_scrolls_sideways(visit: Visit) -> None:
    assert visit.sight.page_px <= visit.sight.window_px


def test_axe_finds_nothing_serious(visit: Visit) -> None:
    assert visit.violations == []


def test_all_text_contrasts_with_what_is_behind_it(visit: Visit) -> None:
    assert visit.sight.faint == []


def test_text_in_pictures_is_large_enough_and_in_nobodys_way(visit: Visit) -> None:
    assert visit.sight.tiny == []
    assert visit.sight.crowded == []


def test_it_has_a_title_a_language_and_headings_in_order(visit: Visit) -> None:
    assert visit.sight.title
    assert visit.sight.language == "en"
    assert visit.sight.headings[0] == 1
    steps = zip(visit.sight.headings, visit.sight.headings[1:], strict=False)
    assert [step for step in steps if step[1] > step[0] + 1] == []
    assert sorted(set(visit.sight.ids)) == sorted(visit.sight.ids)


def test_every_box_that_scrolls_is_reached_by_keyboard(visit: Visit) -> None:
    assert visit.sight.mute == []
