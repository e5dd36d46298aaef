"""Finding what a person means: jobs by their full or short name, datasets by theirs."""

import pytest

from qcqueue.errors import NameTaken, UnknownName
from qcqueue.queue.datasets import add_dataset, find_dataset, list_datasets
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.jobs import find_job
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.queue.desk import IMAGES, SUMMARY, Desk, spec


@pytest.mark.parametrize("typed", ["study/vgg16", "vgg16", "VGG16"])
def test_a_job_is_found_by_its_full_name_or_a_short_name_only_it_has(desk: Desk, typed: str) -> None:
    desk.enqueue("vgg16", "xception")
    assert desk.ask(lambda tx: find_job(tx, typed).name) == "study/vgg16"
    assert desk.ask(job_detail, typed).line.name == "study/vgg16"


def test_a_short_name_of_two_studies_is_not_guessed(desk: Desk) -> None:
    desk.enqueue(spec("a"), spec("a", study="other"))
    with pytest.raises(UnknownName, match="'a' could be study/a or other/a"):
        desk.ask(find_job, "a")


@pytest.mark.parametrize("typed", ["", "xceptoin", "study/xceptoin", "x' OR '1'='1"])
def test_an_unknown_job_is_refused(desk: Desk, typed: str) -> None:
    desk.enqueue("xception")
    with pytest.raises(UnknownName, match="there is no job") as caught:
        desk.ask(find_job, typed)
    assert caught.value.hint == "qcqueue status"


def test_a_typing_mistake_is_answered_with_the_nearest_name(desk: Desk) -> None:
    desk.enqueue("xception")
    with pytest.raises(UnknownName, match="did you mean study/xception"):
        desk.ask(find_job, "Xceptoin")


def test_a_dataset_is_found_with_all_that_was_said_of_it(desk: Desk) -> None:
    found = desk.ask(find_dataset, "images")
    assert (found.blob, found.summary) == (IMAGES, SUMMARY)


def test_adding_the_same_dataset_again_changes_nothing(desk: Desk) -> None:
    before = desk.digest()
    assert desk.do(add_dataset, "images", IMAGES, SUMMARY, who="user") is False
    assert desk.digest() == before


def test_a_name_stands_for_the_same_images_for_ever(desk: Desk) -> None:
    before = desk.digest()
    other = Blob(sha256=digest_of("other images"), size_bytes=1)
    with pytest.raises(NameTaken, match="'images'") as caught:
        desk.do(add_dataset, "images", other, SUMMARY, who="user")
    assert caught.value.hint is not None
    assert "images-2" in caught.value.hint
    assert desk.digest() == before


def test_the_same_images_may_have_two_names(desk: Desk) -> None:
    assert desk.do(add_dataset, "again", IMAGES, SUMMARY, who="user") is True
    assert [line.name for line in desk.ask(list_datasets)] == ["images", "again"]


def test_an_unknown_dataset_is_answered_with_the_nearest_name(desk: Desk) -> None:
    with pytest.raises(UnknownName, match="did you mean 'images'") as caught:
        desk.ask(find_dataset, "image")
    assert caught.value.hint == "qcqueue data list"
