"""What the queue lets go of when a job is done, and what it leaves alone."""

import pytest

from qcqueue.queue.attempts import CommitItem, finish
from qcqueue.queue.blobs import live_packs, needed_blobs
from qcqueue.queue.final_weights import HEAD, keep_weights_only, whole_states
from qcqueue.queue.values import Claim, StateBlobs
from qcqueue.stores.base import Blob
from tests.queue.desk import PREDICTIONS, TIMING, Desk, pack, record, result, state, within_epoch

BASE, MODEL_1, MODEL_2, MODEL_3 = pack("base"), pack("model", 1), pack("model", 2), pack("model", 3)
SMALL = Blob(sha256="5a" * 32, size_bytes=7, place="p")
LOSSES = (0.1, 0.3, 0.2)


@pytest.fixture
def held(desk: Desk) -> Claim:
    """A job of three saved epochs, of which the first is the best."""
    desk.enqueue("a", "b")
    held = desk.must_claim("s1", job="a")
    for epoch, model in enumerate((MODEL_1, MODEL_2, MODEL_3), start=1):
        desk.commit(held, saved(epoch, BASE, model, pack("optimizer", epoch)))
    return held


def saved(epoch: int, *packs: Blob) -> CommitItem:
    return CommitItem(
        state=StateBlobs(head=state("a", epoch), packs=packs),
        best=(BASE, MODEL_1),
        record=record(LOSSES[:epoch]),
        timing=TIMING,
    )


def finished(desk: Desk, held: Claim, head: Blob | None = SMALL) -> set[Blob]:
    return set(desk.do(finish, held, result(), PREDICTIONS, head=head))


def kept(desk: Desk) -> dict[str, str]:
    return {it.blob.sha256: it.kind for it in desk.ask(needed_blobs) if it.job_name == "study/a"}


def test_a_done_job_keeps_two_models_under_a_head_of_their_own(desk: Desk, held: Claim) -> None:
    freed = finished(desk, held)
    assert freed == {MODEL_2, *(pack("optimizer", at) for at in (2, 3)), *(state("a", at) for at in (2, 3))}
    assert kept(desk) == {
        **{blob.sha256: "pack" for blob in (BASE, MODEL_1, MODEL_3)},
        SMALL.sha256: HEAD,
        PREDICTIONS.sha256: "predictions",
    }
    *older, newest = desk.detail("a").checkpoints
    assert {line.status for line in older} == {"retired"}
    assert (newest.status, newest.epochs_done, newest.size_bytes) == ("kept", 3, 7 + 2 * 32)


def test_it_is_written_once_though_the_answer_is_lost(desk: Desk, held: Claim) -> None:
    freed = finished(desk, held)
    before = desk.digest()
    assert freed <= finished(desk, held), "whoever was not told what it let go of is told now"
    assert desk.digest() == before


def test_without_a_head_it_keeps_all_that_it_had_until_a_clean_up_brings_one(desk: Desk, held: Claim) -> None:
    before = kept(desk)
    assert finished(desk, held, head=None) == set()
    assert kept(desk) == {**before, PREDICTIONS.sha256: "predictions"}
    assert [(it.job_name, it.head) for it in desk.ask(whole_states)] == [("study/a", state("a", 3))]
    freed = desk.do(keep_weights_only, "study/a", SMALL)
    assert MODEL_3 not in freed
    assert state("a", 3) in freed
    assert desk.ask(whole_states) == ()
    assert desk.do(keep_weights_only, "study/a", pack("another head")) == (pack("another head"),)


def test_a_job_that_is_not_done_is_left_alone(desk: Desk, held: Claim) -> None:
    before = kept(desk)
    assert desk.ask(whole_states) == ()
    assert desk.do(keep_weights_only, "study/a", SMALL) == (SMALL,)
    assert kept(desk) == before


def test_a_pack_that_another_job_needs_is_not_freed(desk: Desk, held: Claim) -> None:
    other = desk.must_claim("s2", job="b")
    shared = pack("optimizer", 3)
    item = CommitItem(state=StateBlobs(head=state("b", 1), packs=(shared,)), best=(), record=record((), steps_done=2))
    desk.commit(other, item)
    assert shared not in finished(desk, held)
    assert shared.sha256 in desk.ask(live_packs)


@pytest.mark.parametrize(
    "packs",
    [
        pytest.param((), id="a state in one file, as the first versions stored it"),
        pytest.param((BASE,), id="fewer packs than the best model"),
        pytest.param((BASE, Blob(sha256="0" * 64, size_bytes=33)), id="a pack of another size"),
    ],
)
def test_where_the_model_cannot_be_told_apart_all_stays(desk: Desk, packs: tuple[Blob, ...]) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1", job="a")
    desk.commit(held, saved(1, *packs))
    before = kept(desk)
    assert finished(desk, held) == {SMALL}, "the head is of no use"
    assert kept(desk) == {**before, PREDICTIONS.sha256: "predictions"}
    assert desk.ask(whole_states) == ()


def test_a_save_in_the_middle_of_an_epoch_is_no_end(desk: Desk, held: Claim) -> None:
    desk.commit(held, within_epoch("study/a", LOSSES, 4))
    assert finished(desk, held) == {SMALL}
