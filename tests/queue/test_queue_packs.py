"""States made of packs: shared between epochs and jobs, stored again where nobody keeps them, deleted by the copy."""

import pytest

from qcqueue.queue.attempts import CommitItem, Committed, commit_progress, stop
from qcqueue.queue.blobs import live_owners, live_packs, needed_blobs
from qcqueue.queue.values import Claim, StateBlobs
from qcqueue.stores.base import Blob
from tests.queue.desk import (
    IMAGES,
    TIMING,
    Desk,
    epoch_done,
    epoch_passed,
    pack,
    record,
    state,
    within_epoch,
)

FROZEN = pack("frozen", place="p0")


@pytest.fixture
def held(desk: Desk) -> Claim:
    desk.enqueue("a", "b")
    return desk.must_claim("s1", job="a")


@pytest.fixture
def other(desk: Desk, held: Claim) -> Claim:
    return desk.must_claim("s2", job="b")


def packed(job: str, epochs: int, *packs: Blob, best: tuple[Blob, ...] = ()) -> CommitItem:
    """Return what is committed for the state after so many epochs, of which the last is the best."""
    losses = [1 / epoch for epoch in range(1, epochs + 1)]
    saved = StateBlobs(head=state(job, epochs), packs=packs)
    return CommitItem(state=saved, best=best or packs, record=record(losses), timing=TIMING)


def digests(*blobs: Blob) -> set[str]:
    return {blob.sha256 for blob in blobs}


def recorded(desk: Desk, blob: Blob) -> list[tuple[str, str, bool]]:
    """Return (kind, place, whether it is deleted) of the row of a digest."""
    rows = desk.sql("SELECT kind, place, deleted_at_s IS NOT NULL FROM blobs WHERE sha256 = ?", blob.sha256)
    return [(kind, place, bool(deleted)) for kind, place, deleted in rows]


# What a checkpoint names.


def test_a_claim_names_every_pack_of_a_state_in_order(desk: Desk, held: Claim) -> None:
    packs = tuple(pack(index, place=f"p{index}") for index in (3, 1, 2))
    desk.commit(held, packed("a", 1, *packs, best=(packs[2], packs[0])))
    desk.do(stop, held, why="limit")
    (found,) = desk.must_claim("s2", job="a").checkpoints
    assert found.state == StateBlobs(head=state("a", 1), packs=packs)
    assert found.best == (packs[2], packs[0])
    assert found.state.size_bytes == 100 + 3 * 32


def test_a_claim_tells_what_need_not_be_stored_again_whichever_job_keeps_it(
    desk: Desk, held: Claim, other: Claim
) -> None:
    desk.commit(held, packed("a", 1, FROZEN, best=(pack("best of a"),)))
    desk.commit(other, within_epoch("b", (), 3))
    desk.do(stop, other, why="limit")
    known = [FROZEN, pack("best of a"), state("a", 1), state("b", 0, 3)]
    assert desk.must_claim("s2", job="b").packs == {blob.sha256: blob for blob in known}


def test_a_checkpoint_shows_the_number_and_size_of_its_files(desk: Desk, held: Claim) -> None:
    desk.commit(held, packed("a", 1, FROZEN, pack("trained", 1), best=(pack("model"),)))
    desk.commit(held, packed("a", 2, FROZEN), packed("a", 3, FROZEN))
    shown = [(line.status, line.packs, line.size_bytes) for line in desk.detail("a").checkpoints]
    assert shown == [("retired", 1, 100), ("kept", 2, 132), ("kept", 2, 132)]


def test_what_a_retired_checkpoint_named_is_forgotten_with_it(desk: Desk, held: Claim) -> None:
    for epoch in range(1, 5):
        desk.commit(held, packed("a", epoch, FROZEN, pack(epoch)))
    assert desk.sql("SELECT DISTINCT checkpoint_id FROM packs ORDER BY 1") == [(3,), (4,)]


def test_the_best_epoch_is_a_reference_that_outlives_its_checkpoint(desk: Desk, held: Claim) -> None:
    best = (pack("best"),)
    gone = [desk.commit(held, packed("a", epoch, pack(epoch), best=best)).retired for epoch in range(1, 5)]
    assert gone == [(), (), tuple(sorted((state("a", 1), pack(1)), key=by_digest)), gone[3]]
    assert best[0].sha256 in desk.ask(live_packs)


# What is given back.


def test_a_pack_that_another_job_still_names_is_not_given_back(desk: Desk, held: Claim, other: Claim) -> None:
    desk.commit(other, packed("b", 1, FROZEN))
    desk.commit(held, packed("a", 1, FROZEN, pack(1)))
    desk.commit(held, packed("a", 2, pack(2)))
    assert set(desk.commit(held, packed("a", 3, pack(3))).retired) == {state("a", 1), pack(1)}
    desk.commit(other, packed("b", 2, pack("b", 2)))
    assert set(desk.commit(other, packed("b", 3, pack("b", 3))).retired) == {state("b", 1), FROZEN}


def test_what_is_given_back_is_the_copy_that_was_recorded(desk: Desk, held: Claim, other: Claim) -> None:
    desk.commit(other, packed("b", 1, pack("same", place="p1")))
    again = pack("same", place="p2")
    desk.commit(held, packed("a", 1, again))
    assert recorded(desk, again) == [("pack", "p1", False)], "the other copy is nobody's"


def test_weights_that_a_state_consists_of_too_are_never_given_back(desk: Desk, held: Claim) -> None:
    dataset = Blob(sha256=IMAGES.sha256, size_bytes=IMAGES.size_bytes, place="p1")
    for epoch, packs in enumerate([(dataset,), (), ()], start=1):
        committed = desk.commit(held, packed("a", epoch, *packs, best=(state("a", epoch),)))
    assert committed.retired == (state("a", 1),)
    assert recorded(desk, dataset) == [("dataset", "p1", False)]


def test_the_row_of_a_pack_goes_with_its_bytes_and_that_of_a_head_stays(desk: Desk, held: Claim) -> None:
    for epoch in range(1, 4):
        committed = desk.commit(held, packed("a", epoch, pack(epoch)))
    desk.delete(*committed.retired)
    assert recorded(desk, pack(1)) == []
    assert recorded(desk, state("a", 1)) == [("state", "", True)]
    assert desk.detail("a").checkpoints[0].size_bytes == 100


def test_the_row_of_a_pack_that_became_a_head_stays(desk: Desk, held: Claim) -> None:
    head = state("a", 2)
    desk.commit(held, packed("a", 1, head))
    for epoch in (2, 3, 4):
        committed = desk.commit(held, packed("a", epoch, pack(epoch)))
    assert head in committed.retired
    desk.delete(*committed.retired)
    assert recorded(desk, head) == [("state", "", True)]


def test_a_new_attempt_is_told_of_everything_that_nobody_needs_of_whatever_job(
    desk: Desk, held: Claim, other: Claim
) -> None:
    for epoch in range(1, 4):
        desk.commit(other, packed("b", epoch, pack("b", epoch)))
    desk.commit(held, packed("a", 1, FROZEN))
    desk.do(stop, held, why="limit")
    heir = desk.must_claim("s3", job="a")
    newest = heir.checkpoints[0]
    told = desk.resume(heir, newest)
    assert set(told) == {state("b", 1), pack("b", 1)}
    told = desk.resume(heir, None, damaged=[(newest, "a pack is missing")])
    assert set(told) == {state("b", 1), pack("b", 1), state("a", 1), FROZEN}
    assert desk.sql("SELECT DISTINCT checkpoint_id FROM packs ORDER BY 1") == [(2,), (3,)]


# What has to be stored again.


def test_a_pack_that_was_retired_meanwhile_is_missing_and_nothing_is_written(
    desk: Desk, held: Claim, other: Claim
) -> None:
    desk.commit(other, packed("b", 1, FROZEN))
    mine = packed("a", 1, FROZEN, pack(1))
    stored = digests(state("a", 1), pack(1))
    desk.commit(other, packed("b", 2, pack("b", 2)), packed("b", 3, pack("b", 3)))
    before = desk.digest()
    told = desk.commit(held, epoch_passed((0.5,)), packed("a", 2, FROZEN, pack(1)), stored=stored)
    assert told == Committed(missing=frozenset(digests(FROZEN, state("a", 2))))
    assert desk.digest() == before
    assert desk.commit(held, mine, stored=stored | digests(FROZEN)).missing == digests(FROZEN), (
        "this very copy is being deleted"
    )
    moved = packed("a", 1, pack("frozen", place="p9"), pack(1))
    assert desk.commit(held, moved, stored=stored | digests(FROZEN)).missing == frozenset()
    assert recorded(desk, FROZEN) == [("pack", "p9", False)]


def test_a_pack_that_a_kept_checkpoint_names_need_not_be_stored(desk: Desk, held: Claim, other: Claim) -> None:
    desk.commit(other, packed("b", 1, FROZEN))
    told = desk.commit(held, packed("a", 1, FROZEN), stored=digests(state("a", 1)))
    assert told == Committed()
    assert desk.line("a").epochs_done == 1


def test_what_a_lost_answer_already_named_is_not_vouched_for_a_second_time(desk: Desk, held: Claim) -> None:
    losses = (0.5, 0.4, 0.3, 0.2)
    written = [epoch_done("a", losses[:count]) for count in (1, 2, 3)]
    desk.commit(held, *written, number=1)
    desk.delete(state("a", 1))  # by another session, which was told of it by `resume`
    desk.commit(held, *written, number=1)
    again = CommitItem(
        state=StateBlobs(head=state("a", 1)), best=(state("a", 3),), record=record(losses[:3], steps_done=1)
    )
    assert desk.commit(held, again, stored=set(), number=2).missing == digests(state("a", 1))


def test_who_deletes_late_leaves_the_copy_alone_that_was_stored_meanwhile(
    desk: Desk, held: Claim, other: Claim
) -> None:
    desk.commit(held, packed("a", 1, pack("same", place="p1")))
    retired = desk.commit(held, packed("a", 2, pack(2)), packed("a", 3, pack(3))).retired
    assert pack("same", place="p1") in retired
    desk.commit(other, packed("b", 1, pack("same", place="p2")))
    desk.delete(*retired)
    assert recorded(desk, pack("same")) == [("pack", "p2", False)]
    assert recorded(desk, state("a", 1)) == [("state", "", True)]


def test_a_copy_that_is_kept_is_not_recorded_as_deleted(desk: Desk, held: Claim) -> None:
    desk.commit(held, packed("a", 1, FROZEN))
    before = desk.digest()
    desk.delete(FROZEN, state("a", 1))
    assert desk.digest() == before


def test_a_commit_of_packs_whose_answer_was_lost_is_made_again_and_changes_nothing(desk: Desk, held: Claim) -> None:
    items = epoch_passed((1.0,)), packed("a", 2, FROZEN, pack(2)), packed("a", 3, FROZEN), packed("a", 4, FROZEN)
    told = desk.commit(held, *items, number=1)
    before = desk.digest()
    assert desk.commit(held, *items, stored=set(), number=1) == told
    assert desk.digest() == before


def test_a_lost_attempt_is_told_so_before_it_is_told_what_is_missing(desk: Desk, held: Claim) -> None:
    desk.must_claim("s3", job="a", gone={("study/a", 1): "gone"})
    with pytest.raises(Exception, match="has ended"):
        desk.do(commit_progress, held, [packed("a", 1, FROZEN)], number=1, stored=set(), keep=lambda kept: set())


# Checkpoints of an older qcqueue.


def older(desk: Desk) -> None:
    """Let every checkpoint look as an older qcqueue leaves it, at work in the same file."""
    desk.sql("DELETE FROM packs")


def test_an_older_checkpoint_is_given_the_state_of_its_best_epoch(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.1, 0.5)
    older(desk)
    desk.do(stop, held, why="limit")
    found = desk.must_claim("s2", job="a").checkpoints
    assert [it.best for it in found] == [(state("study/a", 1),)] * 2
    assert desk.sql("SELECT checkpoint_id, part, position, sha256 FROM packs ORDER BY 1") == [
        (1, "best", 0, state("study/a", 1).sha256),
        (2, "best", 0, state("study/a", 1).sha256),
    ]


def test_an_older_best_state_is_kept_once_its_checkpoint_is_retired(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.1, 0.5)
    older(desk)
    desk.do(stop, held, why="limit")
    heir = desk.must_claim("s2", job="a")
    losses = (0.1, 0.5, 0.6, 0.7)
    gone = [desk.commit(heir, epoch_done("study/a", losses[:count])).retired for count in (3, 4)]
    assert gone == [(), (state("study/a", 2),)]


def test_an_older_checkpoint_whose_best_is_not_kept_stays_as_it_is(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.1, 0.5, 0.6)
    older(desk)
    desk.do(stop, held, why="limit")
    assert [it.best for it in desk.must_claim("s2", job="a").checkpoints] == [(), ()]


def test_a_checkpoint_before_the_first_epoch_has_no_best(desk: Desk, held: Claim) -> None:
    desk.commit(held, within_epoch("study/a", (), 3))
    desk.do(stop, held, why="limit")
    (found,) = desk.must_claim("s2", job="a").checkpoints
    assert (found.best, desk.sql("SELECT count(*) FROM packs")) == ((), [(0,)])


def test_resuming_adopts_too_and_drops_what_an_older_qcqueue_left_of_the_retired(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.1, 0.5)
    desk.sql("DELETE FROM packs WHERE checkpoint_id = 2")
    desk.sql("INSERT INTO packs SELECT 1, 'state', 0, sha256 FROM packs")
    desk.sql("UPDATE checkpoints SET status = 'retired', record = '' WHERE id = 1")
    desk.resume(held, None)
    assert desk.sql("SELECT checkpoint_id FROM packs") == [], "the best of 2 was the state of 1, which is not kept"
    desk.train(held, 0.05, after=(0.1, 0.5))
    desk.sql("DELETE FROM packs")
    desk.resume(held, None)
    assert desk.sql("SELECT checkpoint_id FROM packs") == [(3,)]


# What a clean-up asks.


def test_needed_is_what_kept_checkpoints_name_for_each_job_that_does(desk: Desk, held: Claim, other: Claim) -> None:
    desk.commit(held, packed("a", 1, FROZEN, best=(pack("best"),)))
    desk.commit(other, packed("b", 1, FROZEN))
    needed = {(it.blob, it.kind, it.job_name) for it in desk.ask(needed_blobs)}
    assert needed == {
        (IMAGES, "dataset", None),
        (state("a", 1), "state", "study/a"),
        (FROZEN, "pack", "study/a"),
        (pack("best"), "pack", "study/a"),
        (state("b", 1), "state", "study/b"),
        (FROZEN, "pack", "study/b"),
    }


def test_live_owners_are_the_attempts_that_may_be_about_to_commit(desk: Desk, held: Claim, other: Claim) -> None:
    assert desk.ask(live_owners) == {"s1-1", "s2-1"}
    desk.do(stop, held, why="limit")
    assert desk.ask(live_owners) == {"s2-1"}


def by_digest(blob: Blob) -> str:
    return blob.sha256
