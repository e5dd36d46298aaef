"""ImageNet weights that the queue keeps, weights files with their names, and which jobs begin with either."""

import pytest

from qcqueue.catalog.models import imagenet_file
from qcqueue.core.outcomes import Cause
from qcqueue.core.spec import WEIGHTS, JobSpec
from qcqueue.queue.attempts import fail
from qcqueue.queue.blobs import needed_blobs
from qcqueue.queue.claim import candidates
from qcqueue.queue.controls import Control
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.pretrained import keep_weights, kept_weights
from qcqueue.queue.values import Attachment
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.queue.desk import Desk, spec

FILE = imagenet_file("VGG16", (32, 32)).name
ONE = Blob(sha256=digest_of("weights"), size_bytes=58, place="one")
TWO = Blob(sha256=digest_of("weights"), size_bytes=58, place="two")


def imagenet(name: str) -> JobSpec:
    return spec(name, weights="imagenet")


def needed(desk: Desk) -> list[tuple[str, str | None]]:
    return [(it.blob.place, it.job_name) for it in desk.ask(needed_blobs) if it.kind == "weights"]


def test_a_file_is_kept_once_and_the_first_copy_counts(desk: Desk) -> None:
    assert desk.ask(kept_weights, FILE) is None
    assert desk.do(keep_weights, FILE, ONE, instead_of=None) == ONE
    assert desk.do(keep_weights, FILE, TWO, instead_of=None) == ONE
    assert desk.ask(kept_weights, FILE) == ONE
    assert desk.do(keep_weights, FILE, ONE, instead_of=None) == ONE  # told again, as after an answer that was lost


def test_a_copy_that_is_not_whole_gives_way(desk: Desk) -> None:
    desk.do(keep_weights, FILE, ONE, instead_of=None)
    assert desk.do(keep_weights, FILE, TWO, instead_of=ONE) == TWO
    assert desk.ask(kept_weights, FILE) == TWO


def test_what_was_deleted_is_not_kept_and_may_be_kept_again(desk: Desk) -> None:
    desk.do(keep_weights, FILE, ONE, instead_of=None)
    desk.delete(ONE)
    assert desk.ask(kept_weights, FILE) is None
    assert desk.do(keep_weights, FILE, TWO, instead_of=None) == TWO


@pytest.mark.parametrize("control", ["hold", "cancel"])
def test_a_file_is_needed_by_each_job_that_may_still_begin_with_it(control: Control, desk: Desk) -> None:
    desk.enqueue(imagenet("a"), imagenet("b"), spec("c"), spec("d", weights="imagenet", model="ResNet50V2"))
    desk.do(keep_weights, FILE, ONE, instead_of=None)
    assert needed(desk) == [("one", "study/a"), ("one", "study/b")]
    desk.control(control, "study/a")
    assert needed(desk) == ([("one", "study/a")] if control == "hold" else []) + [("one", "study/b")]


def test_a_failed_job_may_be_tried_again_with_it(desk: Desk) -> None:
    desk.enqueue(imagenet("a"))
    desk.do(keep_weights, FILE, ONE, instead_of=None)
    desk.do(fail, desk.must_claim(), Cause.NOT_FINITE, "the loss is nan")
    assert needed(desk) == [("one", "study/a")]


def test_a_claim_says_whether_weights_are_to_be_kept(desk: Desk) -> None:
    desk.enqueue(imagenet("a"))
    desk.do(enqueue, [imagenet("b")], attached={}, keep_weights=True, who="user")
    assert desk.must_claim("s1", job="a").keep_weights is False
    assert desk.must_claim("s2", job="b").keep_weights is True


def test_a_claim_calls_a_weights_file_as_its_owner_does(desk: Desk) -> None:
    file = spec("a", weights="file", weights_sha256=ONE.sha256)
    desk.do(enqueue, [file], attached={ONE: ""}, who="an older qcqueue")
    assert desk.must_claim("s1").attachments == (Attachment(role=WEIGHTS, blob=ONE, title=""),)
    desk.do(enqueue, [spec("b", weights="file", weights_sha256=ONE.sha256)], attached={ONE: "best.h5"}, who="user")
    assert desk.must_claim("s2").attachment(WEIGHTS) == Attachment(role=WEIGHTS, blob=ONE, title="best.h5")
    desk.do(keep_weights, FILE, ONE, instead_of=None)
    desk.do(enqueue, [spec("c", weights="file", weights_sha256=ONE.sha256)], attached={ONE: ""}, who="user")
    held = desk.must_claim("s3").attachment(WEIGHTS)
    assert held is not None
    assert held.title == "best.h5"


def test_a_job_has_begun_once_a_state_of_it_is_kept(desk: Desk) -> None:
    desk.enqueue("a", "b")
    held = desk.must_claim(job="a")
    desk.train(held, 0.5)
    assert [(job.name, job.has_begun) for job in desk.ask(candidates, ["study/a"])] == [
        ("study/a", True),
        ("study/b", False),
    ]
    desk.sql("UPDATE checkpoints SET status = 'damaged'")
    assert [job.has_begun for job in desk.ask(candidates, ["study/a"])] == [False, False]
