"""Fixtures of the training tests. TensorFlow is imported only by tests that are marked with it.

One that says `in_a_child=True` leaves that to a process of its own, and spares this one some seconds.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.worlds import a_dataset_file, small_base

THREADS = 2


@pytest.fixture(scope="session")
def dataset_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_dataset_file(tmp_path_factory.mktemp("dataset"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Whichever test of this process wakes TensorFlow first, it does so with the threads the others ask for.

    A process cannot change them later, and in what order tests come to a worker is nobody's to say.
    """
    marker = item.get_closest_marker("tensorflow")
    if marker and not marker.kwargs.get("in_a_child"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)


@pytest.fixture(scope="module")
def small_models() -> Iterator[None]:
    """Every model of the module's tests has the small base, whatever its name."""
    from qcqueue.engines.keras_tf import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "build_base", small_base)
        yield
