"""Putting jobs into the queue: all or nothing, and the same spec twice is the same job."""

from dataclasses import replace

import pytest

from qcqueue.core.states import State
from qcqueue.errors import NameTaken, SpecInvalid, UnknownName
from qcqueue.queue.blobs import needed_blobs
from qcqueue.queue.enqueue import enqueue
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.queue.desk import IMAGES, Desk, spec


def test_jobs_are_queued_in_the_order_of_the_file(desk: Desk) -> None:
    assert desk.enqueue("b", "a", "c").new == ("study/b", "study/a", "study/c")
    assert desk.names() == ["b", "a", "c"]
    assert {desk.line(name).state for name in "abc"} == {State.QUEUED}


def test_later_jobs_stand_behind_earlier_ones(desk: Desk) -> None:
    desk.enqueue("b")
    desk.enqueue("a")
    assert desk.names() == ["b", "a"]


def test_a_job_remembers_its_whole_spec_and_the_data_it_was_enqueued_on(desk: Desk) -> None:
    wanted = spec("a", learning_rate=0.1 + 0.2, seed=7)
    desk.enqueue(wanted)
    assert desk.detail("a").spec == wanted
    assert desk.detail("a").dataset_sha256 == IMAGES.sha256


def test_the_same_spec_again_is_the_same_job_and_changes_nothing(desk: Desk) -> None:
    desk.enqueue("a", "b")
    before = desk.digest()
    again = desk.enqueue("a", "b")
    assert (again.new, again.known) == ((), ("study/a", "study/b"))
    assert desk.digest() == before


def test_only_what_is_new_of_a_file_is_added(desk: Desk) -> None:
    desk.enqueue("a")
    again = desk.enqueue("a", "b")
    assert (again.new, again.known) == (("study/b",), ("study/a",))
    assert desk.names() == ["a", "b"]


def test_the_same_spec_with_another_deadline_is_the_same_job_and_is_wanted_by_then(desk: Desk) -> None:
    desk.enqueue("a", "b")
    again = desk.enqueue(replace(spec("a"), deadline_s=1e9), "b")
    assert (again.new, again.known, again.due) == ((), ("study/a", "study/b"), ("study/a",))
    assert desk.detail("a").spec == replace(spec("a"), deadline_s=1e9)
    assert [(line.what, line.why) for line in desk.detail("a").history][1:] == [
        ("deadline moved", "wanted by 2001-09-09T01:46:40.000Z")
    ]
    assert desk.enqueue(replace(spec("a"), deadline_s=1e9)).due == ()
    assert desk.enqueue("a").due == ("study/a",)
    assert desk.detail("a").spec == spec("a")


def test_a_job_that_stands_twice_among_the_files_is_one_job(desk: Desk) -> None:
    assert desk.enqueue("a", "a", "b").new == ("study/a", "study/b")
    assert desk.names() == ["a", "b"]


def test_a_job_that_stands_twice_with_other_settings_is_refused(desk: Desk) -> None:
    before = desk.digest()
    with pytest.raises(NameTaken, match=r"study/a .* seed 1 -> 2"):
        desk.enqueue(spec("a"), spec("a", seed=2))
    assert desk.digest() == before


def test_a_changed_spec_under_a_known_name_is_refused_and_none_of_the_others_is_added(desk: Desk) -> None:
    desk.enqueue("a")
    before = desk.digest()
    with pytest.raises(NameTaken, match=r"study/a .* epochs 5 -> 6, seed 1 -> 2") as caught:
        desk.enqueue(spec("new"), spec("a", epochs=6, seed=2))
    assert caught.value.hint
    assert desk.digest() == before


def test_a_setting_that_goes_back_to_its_default_is_named_too(desk: Desk) -> None:
    desk.enqueue(spec("a", lineage="same"))
    with pytest.raises(NameTaken, match=r"study/a .*: lineage 'same' -> 'any'$"):
        desk.enqueue(spec("a"))


def test_every_changed_spec_is_named_at_once(desk: Desk) -> None:
    desk.enqueue("a", "b")
    with pytest.raises(NameTaken) as caught:
        desk.enqueue(spec("a", seed=2), spec("b", seed=3))
    assert [line.partition(" ")[0] for line in str(caught.value).splitlines()] == ["study/a", "study/b"]


def test_one_unknown_dataset_refuses_the_whole_file_and_names_the_nearest(desk: Desk) -> None:
    before = desk.digest()
    with pytest.raises(UnknownName, match="did you mean 'images'") as caught:
        desk.enqueue(spec("a"), spec("b", dataset="imagse"))
    assert caught.value.hint is not None
    assert "imagse" in caught.value.hint
    assert desk.digest() == before


def test_images_of_another_size_refuse_the_whole_file(desk: Desk) -> None:
    before = desk.digest()
    with pytest.raises(SpecInvalid) as caught:
        desk.enqueue(spec("a"), spec("b", image_size=(75, 75)), spec("c", image_size=(32, 64)))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["study/b", "study/c"]
    assert desk.digest() == before


def test_a_weights_file_is_named_by_the_commit_that_needs_it(desk: Desk) -> None:
    weights = Blob(sha256=digest_of("weights file"), size_bytes=33)
    needs = spec("a", weights="file", weights_sha256=weights.sha256)
    desk.do(enqueue, [needs], attached={weights: "weights.h5"}, who="user")
    (needed,) = (it for it in desk.ask(needed_blobs) if it.kind == "weights")
    assert (needed.blob, needed.job_name) == (weights, "study/a")


def test_the_story_of_a_job_begins_with_who_enqueued_it(desk: Desk) -> None:
    desk.enqueue("a")
    first = desk.detail("a").history[0]
    assert (first.who, first.what, first.why) == ("user", "enqueued", "VGG16, 5 epochs")
