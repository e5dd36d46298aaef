"""Where providers are at home, without them: what a process finds on a machine that each has lent."""

import sys
from types import ModuleType

import pytest


class Userdata(ModuleType):
    """Colab's secrets; problem is what they raise."""

    class SecretNotFoundError(Exception):
        pass

    class NotebookAccessError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("userdata")
        self.problem: Exception | None = None
        self.kept: dict[str, str] = {}

    def get(self, name: str) -> str:
        if self.problem:
            raise self.problem
        if name not in self.kept:
            raise self.SecretNotFoundError(name)
        return self.kept[name]


class Runtime(ModuleType):
    """Colab's machine; problem is what it raises."""

    def __init__(self) -> None:
        super().__init__("runtime")
        self.problem: Exception | None = None
        self.calls = 0

    def unassign(self) -> None:
        self.calls += 1
        if self.problem:
            raise self.problem


class BackendError(Exception):
    """What Kaggle's service answers, be it that there is no such secret."""


class KaggleHome:
    """A stub of `kaggle_secrets`. Implements `conformance.providers.Home`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: dict[str, str] = {}
        self.problem: Exception | None = None
        package = ModuleType("kaggle_secrets")
        vars(package).update(UserSecretsClient=lambda: self, BackendError=BackendError)
        monkeypatch.setitem(sys.modules, "kaggle_secrets", package)

    def keep(self, name: str, value: str) -> None:
        self.kept[name] = value

    def fail(self, problem: Exception) -> None:
        self.problem = problem

    def get_secret(self, label: str) -> str:
        if self.problem:
            raise self.problem
        if label not in self.kept:
            errors = [f"No user secrets exist for kernel id 4711 and label {label}."]
            raise BackendError(f"Unexpected response from the service. Response: {{'errors': {errors}}}.")
        return self.kept[label]


class NoHome:
    """Where no secrets are kept and no machine is given back. Implements `conformance.providers.Home`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pass

    def keep(self, name: str, value: str) -> None:
        raise NotImplementedError("nothing is kept here")

    def fail(self, problem: Exception) -> None:
        raise NotImplementedError("nothing is called here")


class ColabHome:
    """A stub of `google.colab`. Implements `conformance.providers.Home`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.userdata, self.runtime = Userdata(), Runtime()
        package = ModuleType("google.colab")
        for module in (self.userdata, self.runtime):
            setattr(package, module.__name__, module)
        monkeypatch.setitem(sys.modules, "google.colab", package)

    def keep(self, name: str, value: str) -> None:
        self.userdata.kept[name] = value

    def fail(self, problem: Exception) -> None:
        self.userdata.problem = self.runtime.problem = problem
