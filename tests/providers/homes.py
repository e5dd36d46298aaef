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
