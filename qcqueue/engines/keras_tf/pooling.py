"""Max pooling that XLA can differentiate and stay deterministic: TensorFlow refuses the gradient of its own there.

It is the maximum over strided slices, one for each place in a window. Forward it is Keras's to the bit; backward the
first maximum of a window takes the gradient. As a plain graph it takes three times as long, so it is for XLA alone.
"""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


class SlicedMaxPooling2D(keras.layers.MaxPooling2D):  # type: ignore[misc]
    """Keras's layer with another way to compute; of images whose channels come last."""

    def call(self, inputs: Any) -> Any:
        windows = [*zip(inputs.shape[1:3], self.pool_size, self.strides, strict=True)]
        if self.padding == "same":
            around = [_around(*window) for window in windows]
            inputs = tf.pad(inputs, [(0, 0), *around, (0, 0)], constant_values=inputs.dtype.min)
            windows = [(size + sum(it), *rest) for it, (size, *rest) in zip(around, windows, strict=True)]
        rows, columns = (_slices(*window) for window in windows)
        highest: Any = None
        for row in rows:
            for column in columns:
                part = inputs[:, row, column]
                highest = part if highest is None else tf.maximum(highest, part)
        return highest


def pool_by_slices(model: Any) -> None:
    """Let every max-pooling layer of a model compute by slices from now on."""
    for layer in _layers(model):
        if type(layer) is keras.layers.MaxPooling2D:
            layer.__class__ = SlicedMaxPooling2D


def _layers(layer: Any) -> Iterator[Any]:
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


def _around(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return what "same" adds before and after, so that there is one window for each stride begun."""
    missing = max((-(-size // stride) - 1) * stride + window - size, 0)
    return missing // 2, missing - missing // 2


def _slices(size: int, window: int, stride: int) -> list[slice]:
    """Return for each place in a window where it lies in all windows."""
    reach = (size - window) // stride * stride + 1
    return [slice(place, place + reach, stride) for place in range(window)]
