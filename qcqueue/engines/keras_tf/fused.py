"""Optimizers that update a tensor in one operation, where Keras writes more than twenty.

The state is Keras's own, by the same names and in the same order, and so is the arithmetic; only the order of its
roundings is that of TensorFlow's kernel, so the bits are others. That is why how a step is computed stands in the
identity of a run. What Keras would do beside the update (clipping, decay, averages) no job asks for.
"""

from typing import Any

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam by TensorFlow's kernel; its epsilon stands where Keras's does, outside the correction of the bias."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        count = tf.cast(self.iterations.value, tf.float32) + 1
        beta1_power, beta2_power, rate = (
            tf.pow(self.beta_1, count),
            tf.pow(self.beta_2, count),
            self.learning_rate.value,
        )
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=beta1_power,
                beta2_power=beta2_power,
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )
        self.iterations.assign_add(1)


class FusedSGD(keras.optimizers.SGD):  # type: ignore[misc]
    """Gradient descent without momentum, by TensorFlow's kernel."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        rate = self.learning_rate.value
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.value.handle, alpha=rate, delta=gradient)
        self.iterations.assign_add(1)


FUSED = {"Adam": FusedAdam, "SGD": FusedSGD}
"""By the name in `keras.optimizers`. RMSprop has none: TensorFlow's kernel keeps a tensor that Keras's state lacks."""
