"""A laptop whose environment names no bucket and no credentials yet."""

import os
from pathlib import Path

import pytest

from tests.stores_objects.laptop import Laptop


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Laptop:
    for name in os.environ:
        if name.startswith(("QCQUEUE_", "AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Laptop(folder=tmp_path / "here", patch=monkeypatch, said=capfd)
