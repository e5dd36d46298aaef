"""Loads TensorFlow and Keras in two thirds of the time an import takes, which is half of what a session needs to start.

Both import every library they could serve, if only it is there: Keras wraps models for scikit-learn, and with it comes
all of scipy. Training uses none of these, so they are as good as not installed until both are loaded. And an import
makes a million objects that stay: Python would look through them for garbage again and again, for nothing.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVED = ("jax", "pandas", "scipy", "sklearn", "torch")
"""What TensorFlow and Keras import for others only, and do without."""


def load_libraries() -> None:
    """Import what training stands on. Raises: ImportError: it is not installed."""
    # A person's settings must not decide how a job is computed; 2 silences what TensorFlow says of itself.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _collecting_nothing(), _as_if_missing(SERVED):
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_collecting:
            gc.enable()


@contextmanager
def _as_if_missing(names: tuple[str, ...]) -> Iterator[None]:
    """Let nobody import these libraries; those that are imported already stay what they are."""
    hidden = [name for name in names if name not in sys.modules]
    # The language's own way to say so: what is None here cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
