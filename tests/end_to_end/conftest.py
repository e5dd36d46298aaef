"""Fixtures of whole sessions."""

import zipfile

import pytest

from tests.end_to_end.released import WHEEL, Before


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Before:
    code = tmp_path_factory.mktemp("released")
    with zipfile.ZipFile(WHEEL) as wheel:
        # Its emulator holds the canary by which this suite finds secrets in files.
        wheel.extractall(code, [name for name in wheel.namelist() if not name.startswith("tests/support/")])
    return Before(code=code)
