"""What watches the pages misses nothing: each fault of a bad page is seen, and no browser is no excuse in CI."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import NEEDED, chromium, look, opened, violations

BAD = """<!doctype html><body style="margin:0"><main>
<h1>One</h1><h3 id="twice">Three</h3><p id="twice" style="color:#bbb">pale</p>
<div style="width:3000px">wide</div>
<div style="overflow-x:auto;width:100px"><p style="width:900px">unreachable</p></div>
<img src="http://127.0.0.1:9/picture.png">
<svg viewBox="0 0 600 60" width="600"><title>Picture</title><rect width="100" height="60" fill="#123"/>
<text x="10" y="20" fill="#234">dark</text><text x="200" y="20">first</text><text x="204" y="21">second</text>
<text x="300" y="20" font-size="6">small</text><text x="590" y="50">leaves</text></svg>
<script>console.log("chatter"); alert("boo"); undefined.x;</script></main>
"""


def test_every_fault_of_a_bad_page_is_seen(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(BAD, encoding="utf-8")
    with opened(browser, path, width_px=390, light="light") as (page, heard):
        sight, found = look(page), violations(page, rules={})
    assert heard.requests == [path.as_uri(), "http://127.0.0.1:9/picture.png"]
    assert [word for word in ("chatter", "boo", "undefined") if not any(word in said for said in heard.messages)] == []
    assert sight.page_px == 3000
    assert (sight.title, sight.language, sight.scripts) == ("", "", 1)
    assert sight.headings == [1, 3]
    assert sight.ids == ["twice", "twice"]
    assert len(sight.mute) == 1
    assert [said.partition(" (")[0] for said in sight.faint] == ["p: pale", "Picture: dark"]
    assert [said.partition(" by ")[0] for said in sight.crowded] == [
        "Picture: first over second",
        "Picture: leaves runs out",
    ]
    assert sight.tiny == ["Picture: small (6.0 px)"]
    assert [word for word in ("lang", "title", "alternative") if not any(word in said for said in found)] == []


def test_without_a_browser_the_summary_says_what_to_install() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        chromium({"PATH": ""})


def test_where_the_tests_must_run_a_missing_browser_fails_them() -> None:
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium({"PATH": "", NEEDED: "1"})
