"""One browser for all the tests of this package, closed when they are over: it brings an event loop along."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import chromium, launched


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launched(chromium(os.environ)) as browser:
        yield browser
