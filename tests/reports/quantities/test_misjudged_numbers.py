"""The images that models get wrong come in an order that never changes, with what each model said."""

from dataclasses import replace

import numpy as np

from qcqueue.reports.quantities.misjudged import Guess, most_misjudged, surest_mistakes
from tests.reports.quantities.answers import (
    SHA256,
    an_answered_study,
    judged_as,
    judged_in,
    right_where,
    some_images,
)

OTHER = "e" * 64


def test_the_most_misjudged_are_those_a_count_by_hand_finds() -> None:
    study = an_answered_study(["VGG16", "Xception", "ResNet50V2", "InceptionV3"])
    judged, dataset = judged_in(study), study.images[SHA256]
    found = most_misjudged(judged, study.images)
    ranked = []
    for place in np.flatnonzero(dataset.splits == 2).tolist():
        index = place - int((dataset.splits < 2).sum())
        rows = [study.answers[one.job]["best/test"][index] for one in judged]
        sure = [float(row.max()) for row in rows if row.argmax() != dataset.labels[place]]
        if sure:
            ranked.append((-len(sure), -np.mean(sure), place))
    assert [(image.wrong, image.place) for image in found] == [(-it[0], it[2]) for it in sorted(ranked)[:12]]
    assert len(found) == 12
    for image in found:
        assert image.name == dataset.names[image.place]
        assert image.truth == dataset.summary.classes[dataset.labels[image.place]]
        assert [guess.job for guess in image.guesses] == [one.job for one in judged]


def test_what_each_model_said_of_an_image_stands_with_it() -> None:
    judged = [
        judged_as([1], [[0.75, 0.25]], job="study/first"),
        judged_as([1], [[0.375, 0.625]], job="study/second"),
    ]
    [image] = most_misjudged(judged, {SHA256: some_images()})
    assert (image.truth, image.wrong) == ("class-1", 1)
    assert image.guesses == (
        Guess(job="study/first", label="first", guess="class-0", probability=0.75, is_right=False),
        Guess(job="study/second", label="second", guess="class-1", probability=0.625, is_right=True),
    )


def test_the_surer_mistake_comes_first_and_of_equals_the_earlier_image() -> None:
    answers = [[0.25, 0.75], [0.125, 0.875], [0.25, 0.75], [0.9, 0.1]]
    judged = judged_as([0, 0, 0, 0], answers)
    found = most_misjudged([judged], {SHA256: some_images()})
    assert [image.place for image in found] == [1, 0, 2]
    assert [image.place for image in surest_mistakes(judged, some_images())] == [1, 0, 2]


def test_a_model_shows_its_six_surest_mistakes() -> None:
    study = an_answered_study(["VGG16"])
    [judged] = judged_in(study)
    found = surest_mistakes(judged, study.images[SHA256])
    wrong = np.flatnonzero(~judged.is_right)
    surest = sorted(wrong.tolist(), key=lambda index: (-float(judged.probabilities[index].max()), index))[:6]
    assert [image.place for image in found] == [int(judged.places[index]) for index in surest]
    assert all(not image.guesses[0].is_right for image in found)


def test_images_of_two_datasets_are_ranked_apart() -> None:
    models = [
        right_where([False] * 20, job="study/first"),
        right_where([False] * 20, job="study/there", dataset_sha256=OTHER),
        right_where([False] * 20, job="study/second"),
    ]
    found = most_misjudged(models, {SHA256: some_images(), OTHER: some_images()})
    assert [image.dataset_sha256 for image in found] == [SHA256] * 12 + [OTHER] * 12
    assert {image.wrong for image in found[:12]} == {2}
    assert {image.wrong for image in found[12:]} == {1}


def test_nothing_is_misjudged_where_all_is_right_or_nobody_answered() -> None:
    judged = right_where([True] * 5)
    assert most_misjudged([judged], {SHA256: some_images()}) == ()
    assert surest_mistakes(judged, some_images()) == ()
    assert most_misjudged([], {}) == ()


def test_a_name_is_handed_on_as_it_is() -> None:
    dataset = some_images()
    hostile = replace(dataset, names=("=1+1<script>", *dataset.names[1:]))
    [image] = most_misjudged([right_where([False])], {SHA256: hostile})
    assert image.name == "=1+1<script>"
