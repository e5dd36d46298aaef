"""The dataset as training sees it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.datasets.format import Split
from qcqueue.engines.batches import TrainingData, load_data
from qcqueue.errors import BadData
from tests.engines.worlds import a_dataset, a_spec


def test_an_epoch_is_every_training_sample_once_with_a_partial_last_batch() -> None:
    batches = [*TrainingData(a_dataset(), a_spec()).batches(1, first_step=0)]

    assert [len(batch.ids) for batch in batches] == [8, 8, 6]
    assert sorted(np.concatenate([batch.ids for batch in batches]).tolist()) == list(range(22))


def test_a_batch_depends_on_its_step_alone() -> None:
    data = TrainingData(a_dataset(), a_spec())
    whole, rest = [*data.batches(2, first_step=0)], [*data.batches(2, first_step=1)]
    for one, other in zip(whole[1:], rest, strict=True):
        assert one.step == other.step
        assert one.images.tobytes() == other.images.tobytes()
        assert one.labels.tobytes() == other.labels.tobytes()


def test_flips_mirror_some_images_and_leave_the_dataset_alone() -> None:
    dataset = a_dataset()
    before = dataset.images.copy()
    plain = TrainingData(dataset, a_spec(augment="none")).batches(1, first_step=0)
    seen = set()
    for one, other in zip(plain, TrainingData(dataset, a_spec()).batches(1, first_step=0), strict=True):
        for image, flipped in zip(one.images, other.images, strict=True):
            ways = {"as is": image, "sideways": image[:, ::-1], "down": image[::-1], "both": image[::-1, ::-1]}
            seen |= {way for way, mirrored in ways.items() if np.array_equal(mirrored, flipped)}
    assert seen == {"as is", "sideways", "down", "both"}
    assert np.array_equal(dataset.images, before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_size": (75, 75)}, "are 32x32 pixels and the job wants 75x75"),
        ({"counts": {Split.TRAIN: 4, Split.VALIDATION: 0, Split.TEST: 2}}, "the validation part of blobs is empty"),
        ({"classes": ("good",)}, "1 class"),
        ({"classes": ("good", "fair")}, "a label beyond its 2 classes"),
    ],
)
def test_data_that_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    dataset = a_dataset(counts=change.get("counts"))
    if classes := change.get("classes"):
        dataset = replace(dataset, summary=replace(dataset.summary, classes=classes))
    with pytest.raises(BadData, match=words):
        TrainingData(dataset, a_spec(image_size=change.get("image_size", (32, 32))))


def test_a_damaged_file_is_bad_data(tmp_path: Path) -> None:
    path = tmp_path / "dataset"
    path.write_bytes(b"half a file")
    with pytest.raises(BadData, match="the dataset blobs cannot be read"):
        load_data(path, a_spec())
