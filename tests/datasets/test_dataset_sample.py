"""The practice set: its numbers, its honesty about leaks and licences, and that what it calls bad is bad."""

import importlib.util
from collections import defaultdict
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from qcqueue.clock import seeded
from qcqueue.datasets import photographs
from qcqueue.datasets.degrade import STRENGTHS, Degradation, degrade
from qcqueue.datasets.format import Bytes, Dataset, Split, to_bytes
from qcqueue.datasets.photographs import PHOTOGRAPHS, locate
from qcqueue.datasets.sample import CLASSES, NOTE, build_sample, plan
from qcqueue.errors import DatasetInvalid, ExtraMissing


@pytest.fixture(scope="module")
def small() -> Dataset:
    return build_sample(images=192, image_size=(75, 75))


def sharpness(images: Bytes) -> float:
    return float(np.abs(np.diff(images.astype(np.int32), axis=-2)).mean())


def test_the_full_set_has_the_articles_numbers_in_every_split_and_class() -> None:
    pictures = plan(3236, seed=1)
    counts = {
        split: [sum(p.photograph.split == split and p.label == label for p in pictures) for label in range(3)]
        for split in Split
    }
    assert counts == {Split.TRAIN: [734, 733, 733], Split.VALIDATION: [184, 183, 183], Split.TEST: [162, 162, 162]}


def test_no_photograph_is_in_two_splits(small: Dataset) -> None:
    splits = defaultdict(set)
    for name, split in zip(small.names, small.splits.tolist(), strict=True):
        splits[name.split("/")[0]].add(split)
    assert {name: len(found) for name, found in splits.items()} == {photo.name: 1 for photo in PHOTOGRAPHS}


def test_no_two_photographs_of_the_table_share_a_name_or_a_file() -> None:
    assert len({photo.name for photo in PHOTOGRAPHS}) == len(PHOTOGRAPHS) == len({photo.file for photo in PHOTOGRAPHS})


def test_every_photograph_appears_equally_often_in_every_class() -> None:
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for picture in plan(3236, seed=1):
        counts[picture.photograph.name, picture.label] += 1
    for split in Split:
        shares = [counts[photo.name, label] for photo in PHOTOGRAPHS if photo.split == split for label in range(3)]
        assert max(shares) - min(shares) <= 1


def test_severity_says_why_a_picture_has_its_class(small: Dataset) -> None:
    severities = [set(small.severities[small.labels == label].tolist()) for label in range(3)]
    assert small.summary.classes == CLASSES == ("good", "fair", "reject")
    assert severities == [{0}, {1}, {2, 3}]
    for name, severity in zip(small.names, small.severities.tolist(), strict=True):
        assert name.endswith("-clean" if severity == 0 else f"-{severity}")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_pictures(small: Dataset) -> None:
    assert to_bytes(build_sample(images=192)) == to_bytes(small)
    assert not np.array_equal(build_sample(images=192, seed=2).images, small.images)


def test_no_two_pictures_are_the_same(small: Dataset) -> None:
    assert len({image.tobytes() for image in small.images}) == len(small.names)


def test_a_tiny_set_for_a_demo_keeps_the_proportions() -> None:
    tiny = build_sample(images=96, image_size=(32, 40))
    assert tiny.images.shape == (96, 32, 40, 3)
    assert (tiny.summary.train, tiny.summary.validation, tiny.summary.test) == (65, 16, 15)


def test_the_smallest_set_has_every_class_in_every_split() -> None:
    smallest = build_sample(images=9, image_size=(16, 16))
    assert [sorted(smallest.part(split)[1].tolist()) for split in Split] == [[0, 1, 2]] * 3


def test_progress_is_told_of_every_picture() -> None:
    told: list[tuple[int, int]] = []
    build_sample(images=12, image_size=(16, 16), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 12) for done in range(1, 13)]


def test_the_set_says_that_it_is_synthetic_and_whose_photographs_it_uses(small: Dataset) -> None:
    assert small.summary.note == NOTE == "synthetic degradations, not clinical data"
    for photo in PHOTOGRAPHS:
        assert photo.author in small.summary.attribution
        assert photo.licence in small.summary.attribution


@pytest.mark.parametrize("photo", PHOTOGRAPHS, ids=lambda photo: photo.name)
def test_every_photograph_is_installed_and_states_author_licence_and_origin(photo: photographs.Photograph) -> None:
    assert locate(photo).is_file()
    assert photo.author and photo.licence and photo.origin  # noqa: PT018 - one fact: nothing is blank


def test_missing_libraries_are_answered_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> ModuleSpec | None:
        return None if name == "sklearn" else importlib.util.find_spec(name)

    monkeypatch.setattr(photographs, "find_spec", find_nothing)
    with pytest.raises(ExtraMissing, match="needs the photographs of sklearn") as caught:
        build_sample(images=9)
    assert caught.value.hint == 'pip install "qcqueue[sample]"'


@pytest.mark.parametrize(
    ("images", "image_size", "sentence"),
    [
        (8, (75, 75), "a practice set of 8 images is too small"),
        (-1, (75, 75), "a practice set of -1 images is too small"),
        (96, (75, 4), "an image size of 75x4 is not between"),
        (96, (75, 100_000), "an image size of 75x100000 is not between"),
        (10**7, (75, 75), "images of 75x75 would take 157.2 GiB"),
    ],
)
def test_numbers_that_make_no_set_are_refused(images: int, image_size: tuple[int, int], sentence: str) -> None:
    with pytest.raises(DatasetInvalid, match=sentence):
        build_sample(images=images, image_size=image_size)


@pytest.mark.parametrize("kind", Degradation)
def test_a_degradation_changes_a_picture_more_the_more_severe_it_is(kind: Degradation, small: Dataset) -> None:
    clean = small.images[small.labels == 0][:12]
    changes = []
    for severity in (1, 2, 3):
        spoiled = [degrade(image, kind, severity, seeded(index)) for index, image in enumerate(clean)]
        changes.append(np.abs(np.stack(spoiled).astype(np.int32) - clean).mean())
    assert 3 < changes[0] < changes[1] < changes[2]
    assert list(STRENGTHS[kind]) == sorted(STRENGTHS[kind], reverse=kind is Degradation.DARK)


def test_blur_and_motion_take_sharpness_and_noise_adds_it_and_exposure_moves_the_mean(small: Dataset) -> None:
    clean = small.images[small.labels == 0][:12]
    spoiled = {kind: np.stack([degrade(image, kind, 3, seeded(7)) for image in clean]) for kind in Degradation}
    assert sharpness(spoiled[Degradation.BLUR]) < sharpness(clean) / 2
    assert sharpness(spoiled[Degradation.MOTION]) < sharpness(clean) / 1.5
    assert sharpness(spoiled[Degradation.NOISE]) > sharpness(clean) * 1.5
    assert spoiled[Degradation.DARK].mean() < clean.mean() / 3
    assert spoiled[Degradation.BRIGHT].mean() > clean.mean() * 1.4


def test_blur_keeps_the_mean_and_an_even_picture_even() -> None:
    even = np.full((20, 30, 3), 77, np.uint8)
    for kind in (Degradation.BLUR, Degradation.MOTION):
        assert np.array_equal(degrade(even, kind, 3, seeded(1)), even)


def test_quality_can_be_learned_from_one_split_and_recognised_in_another() -> None:
    """A forest on twelve plain measures, far from a network, must beat guessing one in three clearly."""
    from sklearn.ensemble import RandomForestClassifier

    dataset = build_sample(images=300)
    measures = np.stack([_measures(image) for image in dataset.images])
    train = dataset.splits == Split.TRAIN
    forest = RandomForestClassifier(40, random_state=0).fit(measures[train], dataset.labels[train])
    accuracy = float((forest.predict(measures[~train]) == dataset.labels[~train]).mean())
    assert accuracy > 0.6


def _measures(image: Bytes) -> list[float]:
    grey = image.mean(axis=-1)
    measures = [float(grey.mean()), float((grey > 250).mean()), float((grey < 20).mean()), float(np.ptp(grey))]
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).ravel()
        bends = np.abs(np.diff(grey, n=2, axis=axis)).ravel()
        measures += [steps.mean(), bends.mean() / (steps.mean() + 1), np.median(bends), np.quantile(bends, 0.95)]
    return measures
