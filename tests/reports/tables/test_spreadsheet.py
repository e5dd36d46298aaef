"""No text becomes a formula of a spreadsheet, however its sign is written or hidden, and plain text stays as it is."""

import unicodedata

import pytest

from qcqueue.reports.tables.spreadsheet import harmless

SIGNS = "=+-@\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
HIDDEN = ("", "\u200b", "\ufeff", "\u00ad", "\u2060\u200d", " \u200b'", '"\u00ad ', "\u00a0", "\t", "\uff07")


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_any_form_behind_anything_that_is_not_seen_is_only_text(sign: str, hidden: str) -> None:
    for text in (f"{hidden}{sign}1+1", f"a;{hidden}{sign}1+1", f"a\uff1b{hidden}{sign}1"):
        before, apostrophe, after = harmless(text).partition("'")
        assert apostrophe
        assert before in ("", "a;", "a\uff1b")
        assert unicodedata.normalize("NFKD", after).endswith("1")


def test_a_sign_that_melts_into_another_with_what_follows_it_is_found() -> None:
    assert harmless("=\u0338cmd()").startswith("'=")


@pytest.mark.parametrize("text", ["", "vgg16", "a/vgg16", "50 % of it", "a = b", "naïve; really", "\u200bvgg16"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text
