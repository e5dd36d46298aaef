"""Fixtures of the training tests. TensorFlow is imported only by tests that are marked with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.worlds import a_dataset_file, small_base


@pytest.fixture(scope="session")
def dataset_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_dataset_file(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def small_models() -> Iterator[None]:
    """Every model of the module's tests has the small base, whatever its name."""
    from qcqueue.training import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "build_base", small_base)
        yield
