"""The report without a mouse, on paper, and under attack: what takes more than a look at an open page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from qcqueue.notebook.report import frame
from tests.browser.browser import HEIGHT_PX, opened
from tests.browser.pages import a_file, page_called
from tests.reports.hostile import MARKUP, a_hostile_study
from tests.reports.pages import page_of

PHONE_PX, PAPER_PX, DESK_PX = 390, 957, 1440
"""Paper: a sheet of A4 between margins of a centimetre is 718 px wide. Chromium lays out a page for 4/3 of that, and
shrinks all of it further where something is wider still."""

BOXES = """[...document.querySelectorAll('main *')].filter(it => it.checkVisibility()
    && it.scrollWidth > it.clientWidth && it.tabIndex === 0)"""
HAS_MOVED = """async () => {
    for (let frame = 0; frame < 300 && !document.activeElement.scrollLeft; frame++)
        await new Promise(requestAnimationFrame);
    return document.activeElement.scrollLeft > 0; }"""
KINDS = """(page) => [...new Set([...new DOMParser().parseFromString(page, 'text/html').querySelectorAll('*')].flatMap(
    it => [it.localName, ...[...it.attributes].map(attribute => `${it.localName} ${attribute.name}`)]))]"""
BEYOND = """(width) => [...document.querySelectorAll('main *:not(svg *)')]
    .filter(it => it.checkVisibility() && it.getBoundingClientRect().right > width + 1)
    .map(it => it.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("study", ["finished", pytest.param("unfinished", marks=pytest.mark.long)])
def test_tab_reaches_every_box_that_scrolls_shows_where_it_is_and_arrows_move_it(
    browser: Browser, tmp_path: Path, study: str
) -> None:
    with opened(browser, a_file(page_called(study), tmp_path), width_px=PHONE_PX, light="light") as (page, _):
        boxes = page.evaluate(f"{BOXES}.map(it => it.ariaLabel)")
        reached = []
        while (stop := next_stop(page))["tag"] != "BODY":
            assert stop["outline"] != "none", stop
            if stop["scrolls"]:
                page.keyboard.press("ArrowRight")
                assert page.evaluate(HAS_MOVED), stop
                reached.append(stop["label"])
    assert boxes
    assert reached == boxes


def next_stop(page: Page) -> dict[str, str]:
    """Press Tab and tell what has the focus now; the body, when all is passed."""
    page.keyboard.press("Tab")
    stop: dict[str, str] = page.evaluate(
        """() => { const it = document.activeElement; return {tag: it.tagName, label: it.ariaLabel,
        outline: getComputedStyle(it).outlineStyle, scrolls: it.tabIndex === 0 && it.scrollWidth > it.clientWidth}}"""
    )
    return stop


@pytest.mark.parametrize("study", ["unfinished", pytest.param("12 x 300", marks=pytest.mark.long), "long names"])
def test_a_sheet_of_paper_holds_the_width_of_everything(browser: Browser, tmp_path: Path, study: str) -> None:
    with opened(browser, a_file(page_called(study), tmp_path), width_px=PAPER_PX, light="dark") as (page, _):
        page.emulate_media(media="print")
        assert page.evaluate(BEYOND, PAPER_PX) == []
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_hostile_names_make_no_element_and_no_attribute_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """Read by its parser, one after the other; that all of them together do nothing is seen on the open page."""
    with opened(browser, a_file("", tmp_path), width_px=PHONE_PX, light="light") as (page, _):
        allowed = set(page.evaluate(KINDS, page_of(a_hostile_study("tame"), with_figures=True)))
        for name in MARKUP:
            found = set(page.evaluate(KINDS, page_of(a_hostile_study(name), with_figures=True)))
            assert {kind for kind in found - allowed if not kind.endswith(" transform")} == set(), name
    assert {"main", "svg viewBox"} <= allowed


MOST_SCREENS, MOST_SHEETS = 8, 12


def test_six_models_are_compared_on_few_screens_and_printed_on_few_sheets(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, a_file(page_called("answered"), tmp_path), width_px=DESK_PX, light="light") as (page, _):
        until_px = page.evaluate("document.getElementById('each-model').getBoundingClientRect().top + scrollY")
        printed = page.pdf(format="A4")
    assert until_px <= MOST_SCREENS * HEIGHT_PX
    assert len(re.findall(rb"/Type /Page\b", printed)) <= MOST_SHEETS


def test_the_contents_follow_the_page_on_a_desk(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, a_file(page_called("answered"), tmp_path), width_px=DESK_PX, light="dark") as (page, _):
        page.locator("nav.contents a", has_text="Operations").click()
        assert page.evaluate("scrollY") > MOST_SCREENS * HEIGHT_PX / 2
        assert page.locator("nav.contents a", has_text="Summary").bounding_box()["y"] >= 0  # type: ignore[index]


@pytest.mark.parametrize("is_in_a_notebook", [False, True])
def test_a_click_on_a_head_sorts_the_table_of_the_models_in_a_notebook_too(
    browser: Browser, tmp_path: Path, is_in_a_notebook: bool
) -> None:
    text = page_called("answered")
    shown = f"<!doctype html><title>notebook</title>{frame(text)}" if is_in_a_notebook else text
    with opened(browser, a_file(shown, tmp_path), width_px=DESK_PX, light="light") as (page, _):
        report = page.frames[-1]
        orders = report.locator(".order:visible")
        assert orders.evaluate_all("them => them.map(it => it.id)") == ["models-by-job"]
        report.locator('.order.usual a[href="#models-by-total"]').click()
        report.wait_for_url("**#models-by-total")
        assert orders.evaluate_all("them => them.map(it => it.id)") == ["models-by-total"]
        names = orders.locator("tbody th").all_inner_texts()
        assert len(names) == len(set(names)) == 6
