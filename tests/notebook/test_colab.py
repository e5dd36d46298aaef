"""Colab's own calls: detected by the environment, owned by one module, and never a reason for a secret to be shown."""

import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

from qcqueue.providers.colab import in_colab, release_machine, secret

ROOT = Path(__file__).parents[2]
T = TypeVar("T", bound=ModuleType)
VALUE = "a value that is told to nobody"


class Userdata(ModuleType):
    """Colab's secrets; problem is what they raise."""

    class SecretNotFoundError(Exception):
        pass

    class NotebookAccessError(Exception):
        pass

    problem: Exception | None = None

    def get(self, name: str) -> str:
        if self.problem:
            raise self.problem
        return VALUE


class Runtime(ModuleType):
    problem: Exception | None = None
    calls = 0

    def unassign(self) -> None:
        self.calls += 1
        if self.problem:
            raise self.problem


@pytest.fixture
def userdata(monkeypatch: pytest.MonkeyPatch) -> Userdata:
    return _in_place_of_colab(Userdata("userdata"), monkeypatch)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    return _in_place_of_colab(Runtime("runtime"), monkeypatch)


def _in_place_of_colab(module: T, monkeypatch: pytest.MonkeyPatch) -> T:
    package = ModuleType("google.colab")
    setattr(package, module.__name__, module)
    monkeypatch.setitem(sys.modules, "google.colab", package)
    return module


def test_colab_is_known_by_its_environment() -> None:
    assert in_colab({"COLAB_RELEASE_TAG": "release-colab_20260819"})
    assert not in_colab({"COLAB_GPU": "1"})


def test_a_secret_is_returned_and_nothing_is_said(userdata: Userdata) -> None:
    said: list[str] = []
    assert secret("QCQUEUE_TOKEN", say=said.append) == VALUE
    assert said == []


def test_no_secret_is_nothing_odd(userdata: Userdata) -> None:
    said: list[str] = []
    userdata.problem = Userdata.SecretNotFoundError(VALUE)
    assert secret("QCQUEUE_TOKEN", say=said.append) is None
    assert said == []


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Userdata.NotebookAccessError(VALUE), "this notebook may not read it"),
        (TimeoutError(VALUE), "Colab did not hand over its secrets (TimeoutError)"),
    ],
)
def test_a_secret_that_is_kept_back_is_one_sentence(userdata: Userdata, problem: Exception, words: str) -> None:
    said: list[str] = []
    userdata.problem = problem
    assert secret("QCQUEUE_TOKEN", say=said.append) is None
    (sentence,) = said
    assert words in sentence
    assert VALUE not in sentence


def test_giving_the_machine_back_tells_whether_colab_took_it(runtime: Runtime) -> None:
    assert release_machine()
    runtime.problem = RuntimeError("Unable to request VM unassignment.")
    assert not release_machine()
    assert runtime.calls == 2


def test_one_module_speaks_to_colab() -> None:
    speaking = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "qcqueue").rglob("*.py"))
        if "from google.colab" in path.read_text(encoding="utf-8")
    ]
    assert speaking == ["qcqueue/providers/colab.py"]
