"""Text never becomes markup by itself, and nothing a reader cannot see gets through."""

import pytest

from qcqueue.reports.markup import Markup, join, style_sheet, tag


def test_text_and_attributes_are_escaped() -> None:
    assert tag("p", "<b>&", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;</p>'


def test_elements_nest_and_none_is_nothing() -> None:
    assert tag("ul", [tag("li", "a"), None, [tag("li", "b")]], class_=None) == "<ul><li>a</li><li>b</li></ul>"


def test_names_of_attributes_are_those_of_html() -> None:
    assert tag("text", x=1.5, text_anchor="end", class_="name", viewBox="0") == (
        '<text x="1.5" text-anchor="end" class="name" viewBox="0"></text>'
    )


def test_void_elements_are_not_closed() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_markup_added_to_text_is_text_again() -> None:
    assert join(Markup("<b>") + "x") == "&lt;b&gt;x"


@pytest.mark.parametrize("forging", ["\x00", "\x1b", "\r", "\x7f", "\u202e", "\u2066", "\ud800", "\u2028", "\uffff"])
def test_what_deceives_the_reader_is_made_visible(forging: str) -> None:
    assert join(f"a{forging}b") == "a\ufffdb"
    assert tag("p", title=f"a{forging}b") == '<p title="a\ufffdb"></p>'


def test_a_style_sheet_cannot_end_its_element() -> None:
    with pytest.raises(AssertionError):
        style_sheet("</style>")
