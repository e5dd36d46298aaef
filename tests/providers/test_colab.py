"""Colab's own calls: detected by the environment, owned by one module, and never a reason for a secret to be shown."""

from pathlib import Path

import pytest

from qcqueue.app.profile import provider_here
from qcqueue.providers.colab import PROVIDER
from tests.providers.homes import ColabHome, Userdata

ROOT = Path(__file__).parents[2]
VALUE = "a value that is told to nobody"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> ColabHome:
    return ColabHome(monkeypatch)


def test_colab_is_known_by_its_environment() -> None:
    assert provider_here({"COLAB_RELEASE_TAG": "release-colab_20260819"}) is PROVIDER
    assert provider_here({"COLAB_GPU": "1"}) is not PROVIDER


def test_kaggle_whose_image_is_made_from_colabs_is_not_asked_as_colab() -> None:
    assert provider_here({"COLAB_RELEASE_TAG": "r1", "KAGGLE_KERNEL_RUN_TYPE": "Batch"}) is not PROVIDER


def test_no_secret_is_nothing_odd(home: ColabHome) -> None:
    said: list[str] = []
    assert PROVIDER.secret("QCQUEUE_TOKEN", say=said.append) is None
    assert said == []


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Userdata.NotebookAccessError(VALUE), "this notebook may not read it"),
        (TimeoutError(VALUE), "Colab did not hand over its secrets (TimeoutError)"),
    ],
)
def test_a_secret_that_is_kept_back_is_one_sentence(home: ColabHome, problem: Exception, words: str) -> None:
    said: list[str] = []
    home.fail(problem)
    assert PROVIDER.secret("QCQUEUE_TOKEN", say=said.append) is None
    (sentence,) = said
    assert words in sentence
    assert VALUE not in sentence


def test_giving_the_machine_back_tells_whether_colab_took_it(home: ColabHome) -> None:
    assert PROVIDER.release()
    home.fail(RuntimeError("Unable to request VM unassignment."))
    assert not PROVIDER.release()
    assert home.runtime.calls == 2
    assert PROVIDER.release_help.endswith("choose Runtime > Disconnect and delete runtime")


def test_one_module_speaks_to_colab() -> None:
    speaking = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "qcqueue").rglob("*.py"))
        if "from google.colab" in path.read_text(encoding="utf-8")
    ]
    assert speaking == ["qcqueue/providers/colab.py"]
