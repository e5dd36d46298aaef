"""How fast this processor is at one small step of training that is the same everywhere, so that times can be compared.

A study may begin on one GPU and end on another. Beside the times of its segments stands what the same work took on
each processor, measured in the process that trains, under its threads and its determinism. It takes part in nothing:
its numbers come from integers and not from a generator, its variables are its own, and what it computes is dropped, so
a run that was probed has the bits of one that was not.

The fastest of its steps counts. Whatever else happens on a machine only ever adds to a step, and a GPU takes tenths of
a second to leave its idle clock: the mean or the median would say how busy the machine was in that instant.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.clock import Clock
from qcqueue.engines.base import Sink
from qcqueue.engines.order import splitmix64

# Never change what a step is: what was measured before could not be compared with what is measured then.
BATCH, SIDE_PX, CHANNELS = 32, 64, 32
RATE = 0.01
LASTS_S = 0.25
LEAST_STEPS = 5


class Probe:
    """Measures once in the life of a process, at the first moment it is asked to, and tells the sink."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._is_made = False

    def make(self) -> float:
        """Return how many seconds it took: nothing where it was made before."""
        if self._is_made:
            return 0.0
        self._is_made = True
        began_s = self._clock.monotonic_s()
        if (step_s := measured_s(self._clock)) is not None:
            self._sink.probed(step_s)
        return self._clock.monotonic_s() - began_s


def measured_s(clock: Clock) -> float | None:
    """Return the seconds the fixed step takes here, None where this device cannot make it; takes about LASTS_S.

    Two convolutions of 32 images of 64x64, their gradients and an update, in float32: about 2.3e9 operations.
    """
    try:
        return _fastest_s(_fixed_step(), clock)
    except tf.errors.OpError:  # a job can be trained without it, or says better itself why it cannot
        return None


def _fastest_s(step: Callable[[], Any], clock: Clock) -> float:
    float(step())  # traces, and loads kernels
    took_s = list[float]()
    while len(took_s) < LEAST_STEPS or sum(took_s) < LASTS_S:
        began_s = clock.monotonic_s()
        float(step())  # reading it waits for the device
        took_s.append(clock.monotonic_s() - began_s)
    return min(took_s)


def _fixed_step() -> Callable[[], Any]:
    """Return the step, on variables of its own that live as long as it does."""
    images = tf.constant(_values(1, (BATCH, SIDE_PX, SIDE_PX, 3)))
    kernels = [tf.Variable(_values(2, (3, 3, 3, CHANNELS))), tf.Variable(_values(3, (3, 3, CHANNELS, CHANNELS)))]

    def step() -> Any:
        with tf.GradientTape() as tape:
            features = tf.nn.relu(tf.nn.conv2d(images, kernels[0], 1, "SAME"))
            loss = tf.reduce_mean(tf.square(tf.nn.conv2d(features, kernels[1], 2, "SAME")))
        for kernel, gradient in zip(kernels, tape.gradient(loss, kernels), strict=True):
            kernel.assign_sub(RATE * gradient, read_value=False)
        return loss

    run: Callable[[], Any] = tf.function(step, autograph=False, jit_compile=False)
    return run


def _values(key: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return numbers of -0.1 to 0.1 that depend on key and place alone."""
    places = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(key << 32)
    share = (splitmix64(places) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return ((share - np.float32(0.5)) * np.float32(0.2)).reshape(shape)
