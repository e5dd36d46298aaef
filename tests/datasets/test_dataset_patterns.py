"""Practice pictures without photographs: the same bytes everywhere, and each class in every split."""

import hashlib

import numpy as np

from qcqueue.datasets.format import Split, to_bytes
from qcqueue.datasets.patterns import CLASSES, build_patterns


def test_the_same_number_and_seed_are_the_same_bytes_on_every_machine() -> None:
    pixels = [build_patterns(images=12, side_px=8, seed=seed).images.tobytes() for seed in (1, 1, 2)]
    assert pixels[0] == pixels[1] != pixels[2]
    assert hashlib.sha256(pixels[0]).hexdigest() == "7798d2ff65f64da4e1611fa8fd554b29274c1dc5f9edb893e19e0b8894ec10bc"


def test_a_small_set_has_every_class_in_every_split_and_can_be_stored() -> None:
    dataset = build_patterns(images=96, side_px=8, seed=1)
    assert to_bytes(dataset)
    for split in Split:
        assert {*dataset.labels[dataset.splits == split]} == {*range(len(CLASSES))}


def test_the_colour_of_a_picture_tells_its_class() -> None:
    dataset = build_patterns(images=96, side_px=8, seed=1)
    strongest = dataset.images.mean(axis=(1, 2)).argmax(axis=1)
    names = np.array(["red", "green", "blue"])[strongest]
    assert [*names] == [CLASSES[label] for label in dataset.labels]
