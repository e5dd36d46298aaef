"""TensorFlow loads without what it imports for others, and a process has that all the same as soon as it asks."""

import gc
import os
import subprocess
import sys

import pytest

from qcqueue.engines.keras_tf.loading import _as_if_missing, _collecting_nothing

AFTERWARDS = """
import gc, sys
from qcqueue.engines.keras_tf.loading import SERVED, load_libraries
load_libraries()
assert "tensorflow" in sys.modules and "keras" in sys.modules
assert not [name for name in SERVED if name in sys.modules], "these were to be left out"
assert gc.isenabled()
import qcqueue.engines.loop
assert "sklearn" not in sys.modules, "an evaluation imports it"
import scipy, sklearn
"""


@pytest.mark.tensorflow(in_a_child=True)
def test_a_trainer_imports_what_others_need_only_when_it_needs_it_too() -> None:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", AFTERWARDS], env=environment, check=True, capture_output=True, text=True)


def test_what_is_imported_already_stays() -> None:
    import json

    with _as_if_missing(("json", "tabnanny")):
        import json as again

        assert again is json
        with pytest.raises(ImportError, match="tabnanny"):
            import tabnanny
    import tabnanny

    assert tabnanny.__name__ == "tabnanny"


def test_the_collector_comes_back_even_after_an_error() -> None:
    with pytest.raises(AssertionError), _collecting_nothing():
        assert gc.isenabled(), "as it has to be here"
    assert gc.isenabled()
    gc.unfreeze()
