"""Committing epochs and checkpoints: nothing counted twice, the last two kept, damage made good."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from qcqueue.core.records import history_sha256
from qcqueue.database.row_audit import audit_rows
from qcqueue.queue.attempts import CommitItem, stop
from qcqueue.queue.blobs import live_packs, needed_blobs
from qcqueue.queue.pending import epochs_seen, jobs_ahead
from qcqueue.queue.values import Claim, StateBlobs
from qcqueue.text.canonical_json import canonical_json
from tests.queue.desk import IDENTITY, TIMING, Desk, epoch_done, epoch_passed, metrics, record, state, within_epoch


@pytest.fixture
def held(desk: Desk) -> Claim:
    desk.enqueue("a")
    return desk.must_claim("s1")


def kept(desk: Desk) -> list[tuple[int, int]]:
    """Return (epochs done, steps done) of the kept checkpoints, oldest first."""
    return [(it.epochs_done, it.steps_done) for it in desk.detail("a").checkpoints if it.status == "kept"]


def another_epoch_one() -> CommitItem:
    """Return a first epoch that was trained once more, and differently."""
    head = state("another")
    return CommitItem(state=StateBlobs(head=head), best=(head,), record=record((0.6,)), timing=TIMING)


def test_an_epoch_is_recorded_to_the_bit(desk: Desk, held: Claim) -> None:
    desk.commit(held, epoch_done("study/a", (0.1 + 0.2,)))
    (line,) = desk.detail("a").epochs
    assert (line.metrics, line.timing, line.identity) == (metrics(1, 0.1 + 0.2), TIMING, IDENTITY)
    assert (line.attempt, line.official, line.lineage) == (1, True, 1)
    assert history_sha256([line.metrics]) == history_sha256(record((0.1 + 0.2,)).history)


def test_what_epochs_were_computed_on_stands_once_on_their_attempt(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4)
    assert desk.sql("SELECT DISTINCT identity FROM epochs") == [("",)]
    elsewhere = replace(IDENTITY, processor="another")
    third = epoch_done("study/a", (0.5, 0.4, 0.3))
    desk.commit(held, replace(third, record=replace(third.record, identity=elsewhere, lineage=2)))
    assert [line.identity for line in desk.detail("a").epochs] == [IDENTITY, IDENTITY, elsewhere]
    assert [(it.processor, it.count) for it in desk.ask(epochs_seen)] == [("p", 2), ("another", 1)]
    assert desk.ask(jobs_ahead)[0].processor == "another"
    desk.do(stop, held, why="reached its limit")
    assert desk.database.transact(audit_rows).flaws == ()


def test_an_attempt_of_an_older_format_goes_on(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5)
    older = canonical_json(IDENTITY.to_document())
    desk.sql("UPDATE epochs SET identity = ?, digest = NULL", older)
    desk.sql("UPDATE attempts SET identity = ?", older)
    desk.commit(held, epoch_done("study/a", (0.5, 0.4)))
    assert [line.identity for line in desk.detail("a").epochs] == [IDENTITY, IDENTITY]
    assert [(it.processor, it.count) for it in desk.ask(epochs_seen)] == [("p", 2)]


def test_one_commit_may_carry_several_epochs(desk: Desk, held: Claim) -> None:
    losses = (0.5, 0.4, 0.3)
    items = [epoch_done("study/a", losses[:count]) for count in (1, 2, 3)]
    desk.commit(held, *items)
    assert [line.metrics.epoch for line in desk.detail("a").official_epochs()] == [1, 2, 3]
    assert kept(desk) == [(2, 0), (3, 0)]


def test_an_epoch_cannot_be_counted_twice(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5)
    before = desk.digest()
    with pytest.raises(IntegrityError):
        desk.commit(held, another_epoch_one())
    assert desk.digest() == before


def test_a_commit_is_all_of_its_items_or_none(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5)
    before = desk.digest()
    with pytest.raises(IntegrityError):
        desk.commit(held, within_epoch("study/a", (0.5,), 3), another_epoch_one())
    assert desk.digest() == before


def test_a_commit_whose_answer_was_lost_is_made_again_and_changes_nothing(desk: Desk, held: Claim) -> None:
    items = within_epoch("study/a", (), 10), epoch_done("study/a", (0.5,))
    told = desk.commit(held, *items, number=1)
    before = desk.digest()
    assert desk.commit(held, *items, number=1) == told
    assert desk.digest() == before
    desk.commit(held, epoch_done("study/a", (0.5, 0.4)), number=2)
    assert desk.line("a").epochs_done == 2


def test_what_an_earlier_attempt_wrote_is_written_again_by_the_next(desk: Desk, held: Claim) -> None:
    saved = within_epoch("study/a", (), 3)
    desk.commit(held, saved)
    desk.do(stop, held, why="limit")
    desk.commit(desk.must_claim("s2"), saved)
    assert [it.attempt for it in desk.detail("a").checkpoints] == [1, 2]


def test_a_commit_shows_that_the_job_is_alive(desk: Desk, held: Claim) -> None:
    desk.commit(held, within_epoch("study/a", (), 3))
    assert desk.line("a").updated_at_s == desk.now_s


def test_epochs_whose_states_were_not_stored_are_saved_with_the_next_state(desk: Desk, held: Claim) -> None:
    losses = (0.5, 0.4, 0.3)
    desk.commit(held, epoch_passed(losses[:1]), epoch_passed(losses[:2]), epoch_done("study/a", losses))
    assert [line.metrics.val_loss for line in desk.detail("a").official_epochs()] == [0.5, 0.4, 0.3]
    assert kept(desk) == [(3, 0)]


def test_an_epoch_without_any_state_to_go_on_from_is_a_fault_of_the_caller(desk: Desk, held: Claim) -> None:
    before = desk.digest()
    with pytest.raises(AssertionError, match="epochs need a state"):
        desk.commit(held, within_epoch("study/a", (), 10), epoch_passed((0.5,)))
    assert desk.digest() == before


def test_epochs_without_states_whose_answer_was_lost_are_written_once(desk: Desk, held: Claim) -> None:
    items = epoch_passed((0.5,)), epoch_done("study/a", (0.5, 0.4))
    desk.commit(held, *items, number=1)
    before = desk.digest()
    desk.commit(held, *items, number=1)
    assert desk.digest() == before
    desk.commit(held, epoch_passed((0.5, 0.4, 0.3)), epoch_done("study/a", (0.5, 0.4, 0.3, 0.2)), number=2)
    assert desk.line("a").epochs_done == 4


def test_the_last_two_states_are_kept_and_what_no_best_epoch_needs_is_named_for_deletion(
    desk: Desk, held: Claim
) -> None:
    losses = (0.5, 0.1, 0.4, 0.3, 0.2)
    gone = [desk.commit(held, epoch_done("study/a", losses[:count])).retired for count in range(1, 6)]
    assert kept(desk) == [(4, 0), (5, 0)]
    assert gone == [(), (), (state("study/a", 1),), (), (state("study/a", 3),)]


def test_the_next_attempt_is_told_of_states_that_were_not_deleted(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4, 0.3, 0.2)
    desk.delete(state("study/a", 1))
    desk.do(stop, held, why="limit")
    heir = desk.must_claim("s2")
    assert desk.resume(heir, heir.checkpoints[0]) == (state("study/a", 2),)


def test_a_retired_checkpoint_keeps_its_line_and_gives_back_its_record(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4, 0.3)
    assert [it.status for it in desk.detail("a").checkpoints] == ["retired", "kept", "kept"]
    assert desk.sql("SELECT record FROM checkpoints WHERE status = 'retired'") == [("",)]


def test_a_state_that_is_saved_twice_at_once_keeps_the_record_it_is_taken_up_with(desk: Desk, held: Claim) -> None:
    finished = epoch_done("study/a", (0.5,))
    desk.commit(held, CommitItem(state=finished.state, record=record((), steps_done=10)), finished)
    assert desk.sql("SELECT status, record <> '' FROM checkpoints") == [("kept", 0), ("kept", 1)]
    desk.do(stop, held, why="limit")
    (offered,) = desk.must_claim("s2").checkpoints
    assert offered.record == finished.record


def test_a_state_that_another_checkpoint_still_names_is_not_deleted(desk: Desk, held: Claim) -> None:
    first = epoch_done("study/a", (0.5,))
    trained = CommitItem(state=first.state, record=record((), steps_done=10))
    later = [epoch_done("study/a", (0.5, 0.4, 0.3)[:count]) for count in (2, 3)]
    assert [desk.commit(held, item).retired for item in (trained, first, later[0])] == [(), (), ()]
    assert desk.commit(held, later[1]).retired == (state("study/a", 1),)


def test_states_of_another_job_are_left_alone(desk: Desk, held: Claim) -> None:
    desk.enqueue("b")
    other = desk.must_claim("s2", job="b")
    desk.train(other, 0.5, 0.4)
    desk.train(held, 0.5, 0.4, 0.3, 0.2)
    assert [it.status for it in desk.detail("b").checkpoints] == ["kept", "kept"]


def test_a_deleted_blob_is_counted_on_again_once_it_is_stored_again(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4, 0.3)
    first = state("study/a", 1)
    desk.delete(first)
    assert first.sha256 not in desk.ask(live_packs)
    again = CommitItem(
        state=StateBlobs(head=first), best=(state("study/a", 3),), record=record((0.5, 0.4, 0.3), steps_done=1)
    )
    desk.commit(held, again)
    assert desk.ask(live_packs)[first.sha256] == first
    assert first in [it.blob for it in desk.ask(needed_blobs)]
    assert desk.sql("SELECT deleted_at_s FROM blobs WHERE sha256 = ?", first.sha256) == [(None,)]


def test_a_fresh_start_demotes_nothing_where_nothing_was(desk: Desk, held: Claim) -> None:
    before = desk.detail("a")
    desk.resume(held, None)
    assert desk.detail("a") == before


def test_resuming_from_the_newest_checkpoint_keeps_every_epoch(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4)
    desk.do(stop, held, why="limit")
    again = desk.must_claim("s2")
    desk.resume(again, again.checkpoints[0])
    desk.train(again, 0.3, after=(0.5, 0.4))
    assert [(line.metrics.epoch, line.attempt) for line in desk.detail("a").official_epochs()] == [
        (1, 1),
        (2, 1),
        (3, 2),
    ]


def test_a_damaged_checkpoint_demotes_its_epochs_and_they_can_be_recorded_again(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4, 0.3)
    desk.do(stop, held, why="limit")
    again = desk.must_claim("s2")
    newest, older = again.checkpoints[:2]
    desk.resume(again, older, damaged=[(newest, "its bytes are damaged")])
    assert desk.line("a").epochs_done == 2
    desk.train(again, 0.3, 0.2, after=(0.5, 0.4))
    detail = desk.detail("a")
    assert [(line.metrics.epoch, line.attempt) for line in detail.official_epochs()] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [line.attempt for line in detail.epochs if not line.official] == [1]
    assert [it.status for it in detail.checkpoints].count("damaged") == 1
    damage = next(line for line in detail.history if line.what == "checkpoint damaged")
    assert damage.why == "after epoch 3: its bytes are damaged"


def test_a_run_with_no_whole_checkpoint_starts_again_from_the_first_epoch(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4)
    desk.do(stop, held, why="limit")
    again = desk.must_claim("s2")
    desk.resume(again, None, damaged=[(it, "gone") for it in again.checkpoints])
    assert desk.line("a").epochs_done == 0
    desk.train(again, 0.5)
    assert [line.attempt for line in desk.detail("a").official_epochs()] == [2]
    assert kept(desk) == [(1, 0)]


def test_every_checkpoint_of_a_damaged_state_is_damaged(desk: Desk, held: Claim) -> None:
    finished = epoch_done("study/a", (0.5,))
    desk.commit(held, CommitItem(state=finished.state, record=record((), steps_done=10)), finished)
    desk.do(stop, held, why="limit")
    again = desk.must_claim("s2")
    desk.resume(again, None, damaged=[(again.checkpoints[0], "rot")])
    assert [it.status for it in desk.detail("a").checkpoints] == ["damaged", "damaged"]
    desk.do(stop, again, why="limit")
    assert desk.must_claim("s3").checkpoints == ()


def test_a_new_lineage_is_recorded_with_its_epochs(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5)
    head = state("study/a", "other")
    other = CommitItem(state=StateBlobs(head=head), best=(head,), record=record((0.5, 0.4), lineage=2), timing=TIMING)
    desk.commit(held, other)
    assert [line.lineage for line in desk.detail("a").epochs] == [1, 2]
    assert [it.lineage for it in desk.detail("a").checkpoints] == [1, 2]


def test_an_attempt_shows_the_epochs_it_brought(desk: Desk, held: Claim) -> None:
    desk.train(held, 0.5, 0.4)
    desk.do(stop, held, why="limit")
    again = desk.must_claim("s2")
    desk.train(again, 0.3, after=(0.5, 0.4))
    assert [line.epochs for line in desk.detail("a").attempts] == [(1, 2), (3,)]


def test_a_commit_tells_which_epochs_are_done_again(desk: Desk, held: Claim) -> None:
    assert desk.commit(held, epoch_done("study/a", (0.5,))).redone == frozenset()
    desk.train(held, 0.4, 0.3, after=(0.5,))
    desk.do(stop, held, why="limit")
    again = desk.must_claim("s2")
    desk.resume(again, again.checkpoints[1], damaged=[(again.checkpoints[0], "rot")])
    items = [epoch_done("study/a", (0.5, 0.4, 0.3, 0.2)[:count]) for count in (3, 4)]
    assert desk.commit(again, *items, number=2).redone == {3}
    assert desk.commit(again, *items, number=2).redone == {3}, "whoever was not told is told again"
