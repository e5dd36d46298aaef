"""Whoever stands in the table of providers keeps the contract."""

from collections.abc import Callable, Mapping

import pytest

from qcqueue.conformance.providers import Home, ProviderContract
from qcqueue.providers.registry import PROVIDERS, names
from tests.providers.homes import ColabHome, KaggleHome, NoHome

HOMES: Mapping[str, Callable[[pytest.MonkeyPatch], Home]] = {
    "colab-free": ColabHome,
    "kaggle": KaggleHome,
    "slurm": NoHome,
}


class TestProviders(ProviderContract):
    @pytest.fixture
    def home(self, name: str, monkeypatch: pytest.MonkeyPatch) -> Home:
        return HOMES[name](monkeypatch)


def test_whoever_has_code_has_limits_too() -> None:
    assert HOMES.keys() == PROVIDERS.keys()
    assert PROVIDERS.keys() <= {*names()}
