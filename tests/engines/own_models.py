"""Models as people write them: some that keep all they have in Keras variables, and one for each way to forget it."""

HEAD = """import keras, os, random, time
import numpy as np
import tensorflow as tf
from keras import layers
"""

BODY = """
def build(job):
    images = keras.Input((*job.image_size, 3), dtype="uint8")
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(4, 3, strides=2INIT)(x)
    x = LAYER(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, layers.Dense(job.classes, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
"""

SOURCES: dict[str, str] = {
    "nothing of its own": HEAD + "" + BODY.replace("LAYER", "layers.ReLU()").replace("INIT", ""),
    "keras.random without a seed": HEAD
    + """
class Noise(layers.Layer):
    def call(self, x):
        return x + keras.random.normal((1,))
"""
    + BODY.replace("LAYER", "Noise()").replace("INIT", ""),
    "tf.random without a seed": HEAD
    + """
class Noise(layers.Layer):
    def call(self, x):
        return x + tf.random.normal((1,))
"""
    + BODY.replace("LAYER", "Noise()").replace("INIT", ""),
    "a bare tf.Variable in a layer": HEAD
    + """
class Count(layers.Layer):
    def __init__(self):
        super().__init__()
        self.n = tf.Variable(0.0)
    def call(self, x):
        self.n.assign_add(1.0)
        return x * (1 + 0.1 * self.n)
"""
    + BODY.replace("LAYER", "Count()").replace("INIT", ""),
    "chance of numpy's while tracing": HEAD
    + """
class Noise(layers.Layer):
    def call(self, x):
        return x + np.float32(np.random.rand())
"""
    + BODY.replace("LAYER", "Noise()").replace("INIT", ""),
    "a constant of the system's entropy": HEAD
    + """
class Noise(layers.Layer):
    def call(self, x):
        return x + float(os.urandom(1)[0]) / 255
"""
    + BODY.replace("LAYER", "Noise()").replace("INIT", ""),
    "layers in the order of a set": HEAD
    + """
def many(x):
    for kind in {"a-conv", "b-dense", "c-bn", "d-dense", "e-conv", "f-bn"}:
        x = {"a": lambda: layers.Conv2D(4, 1), "b": lambda: layers.Dense(5), "d": lambda: layers.Dense(7),
             "e": lambda: layers.Conv2D(3, 1)}.get(kind[0], layers.BatchNormalization)()(x)
    return x
"""
    + BODY.replace("LAYER", "many").replace("INIT", ""),
    "a counter of Python's in a py_function": HEAD
    + """
N = [0]
def count(x):
    N[0] += 1
    return x * np.float32(1 + 0.01 * N[0])
class Py(layers.Layer):
    def call(self, x):
        y = tf.py_function(count, [x], tf.float32)
        y.set_shape(x.shape)
        return x + tf.stop_gradient(y)
"""
    + BODY.replace("LAYER", "Py()").replace("INIT", ""),
    "chance of numpy's in a py_function": HEAD
    + """
def noise(x):
    return x * np.float32(np.random.rand())
class Py(layers.Layer):
    def call(self, x):
        y = tf.py_function(noise, [x], tf.float32)
        y.set_shape(x.shape)
        return x + tf.stop_gradient(y)
"""
    + BODY.replace("LAYER", "Py()").replace("INIT", ""),
    "a dropout seed of the clock": HEAD
    + ""
    + BODY.replace("LAYER", "layers.Dropout(0.2, seed=int(time.time() * 1000) % 100000)").replace("INIT", ""),
    "an initializer of the system's entropy": HEAD
    + ""
    + BODY.replace("LAYER", "layers.ReLU()").replace(
        "INIT", ', kernel_initializer=keras.initializers.RandomNormal(seed=int.from_bytes(os.urandom(3), "big"))'
    ),
}
