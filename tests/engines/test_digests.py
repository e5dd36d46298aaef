"""The digests of the contract, byte for byte."""

import hashlib

import numpy as np

from qcqueue.core.records import Tensors
from qcqueue.engines.metrics import predictions_sha256, weights_sha256


def test_the_layout_of_the_weights_digest() -> None:
    kernel, count = np.array([[1.0, 2.0, 3.0]], np.float32), np.array(5, np.int64)
    layout = b"float32 1,3\n" + kernel.tobytes() + b"int64 \n" + count.tobytes()
    tensors: Tensors = {"m/00001": count, "m/00000": kernel, "o/00000": kernel}
    assert weights_sha256(tensors) == hashlib.sha256(layout).hexdigest()


def test_memory_layout_and_byte_order_do_not_count() -> None:
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    same = (np.asfortranarray(value), value.astype(">f4"), np.repeat(value, 2, axis=0)[::2])
    assert {weights_sha256({"m/00000": other}) for other in (value, *same)} == {weights_sha256({"m/00000": value})}
    assert {predictions_sha256(other) for other in same} == {hashlib.sha256(value.tobytes()).hexdigest()}


def test_one_bit_type_or_shape_is_another_digest() -> None:
    value = np.zeros((2, 3), np.float32)
    flipped = value.copy()
    flipped.view(np.uint32)[1, 2] = 1
    others = (value, flipped, value.reshape(3, 2), value.view(np.int32), np.zeros((2, 3), np.float64))
    assert len({weights_sha256({"m/00000": other}) for other in others}) == len(others)
