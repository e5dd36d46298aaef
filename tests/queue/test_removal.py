"""Removing jobs, and replacing those of which nothing is saved: what goes, what stays, and what nobody is left with."""

import pytest

from qcqueue.core.states import State
from qcqueue.database.row_audit import audit_rows
from qcqueue.errors import IllegalTransition, JobWithdrawn, LeaseLost, NameTaken, UnknownName
from qcqueue.queue.attempts import finish
from qcqueue.queue.blobs import needed_blobs
from qcqueue.queue.controls import control_all
from qcqueue.queue.enqueue import Enqueued, enqueue
from qcqueue.queue.forecasts import ForecastLine, newest_forecasts, note_forecasts
from qcqueue.queue.removal import Removal, remove_jobs, unneeded
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.queue.desk import PREDICTIONS, Desk, result, spec

WEIGHTS = Blob(sha256=digest_of("weights of a person"), size_bytes=70)


def remove(desk: Desk, typed: str) -> Removal:
    return desk.do(remove_jobs, typed, who="user")


def replaced(desk: Desk, *specs: object, weights: dict[Blob, str] | None = None) -> Enqueued:
    return desk.do(enqueue, list(specs), attached=weights or {}, replace=True, who="user")


def finish_one(desk: Desk, name: str) -> None:
    held = desk.must_claim(job=name)
    desk.train(held, 0.5, 0.4)
    desk.do(finish, held, result(), PREDICTIONS)


def rows_of(desk: Desk) -> int:
    tables = ("jobs", "attempts", "last_words", "epochs", "checkpoints", "packs", "results", "history", "forecasts")
    return sum(desk.sql(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


def test_a_removed_job_leaves_one_line_and_its_number_behind(desk: Desk) -> None:
    before, needed = rows_of(desk), desk.ask(needed_blobs)
    desk.enqueue("a")
    finish_one(desk, "a")
    removal = remove(desk, "study/a")
    assert (removal.names, removal.epochs) == (("study/a",), 2)
    assert desk.names() == []
    assert desk.ask(needed_blobs) == needed
    assert rows_of(desk) == before + 1
    assert desk.sql("SELECT what, why FROM history ORDER BY id DESC LIMIT 1") == [
        ("removed", "study/a: 2 saved epochs, it was done")
    ]
    desk.enqueue("a")
    assert desk.must_claim(job="a").attempt == 2
    assert desk.ask(audit_rows).flaws == ()


def test_what_it_needed_is_told_and_what_others_need_too_is_not_given_back(desk: Desk) -> None:
    desk.enqueue("a", "b")
    finish_one(desk, "a")
    finish_one(desk, "b")
    removal = remove(desk, "a")
    freed = desk.ask(unneeded, removal.blobs)
    assert PREDICTIONS in removal.blobs
    assert PREDICTIONS not in freed  # in this test both answered the same
    assert freed
    assert {it.blob for it in desk.ask(needed_blobs)}.isdisjoint(freed)


def test_a_running_job_is_not_removed_and_neither_is_the_rest_of_its_study(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.must_claim(job="b")
    before = desk.digest()
    for typed in ("b", "study/"):
        with pytest.raises(IllegalTransition, match="study/b is running and cannot be removed") as caught:
            remove(desk, typed)
        assert caught.value.hint == "qcqueue cancel study/b, then the same again"
    assert desk.digest() == before


def test_a_whole_study_goes_with_what_was_foreseen_of_it_and_no_other(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.enqueue(spec("c", study="other"))
    lines = [
        ForecastLine(session_id="s1", study=study, made_at_s=1.0, low_s=5.0, likely_s=6.0, high_s=7.0)
        for study in ("study", "other")
    ]
    with desk.database.read() as tx:
        assert newest_forecasts(tx) == []
    desk.database.transact(lambda tx: note_forecasts(tx, lines))
    assert remove(desk, "study/").names == ("study/a", "study/b")
    assert [line.study for line in desk.ask(newest_forecasts)] == ["other"]
    assert remove(desk, "other/").names == ("other/c",)
    assert desk.ask(newest_forecasts) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("studi/", "there is no study 'studi'; did you mean study/\\?"),
        ("nothing/", "there is no study 'nothing'$"),
        ("study", "study is a study; its jobs together are study/"),
        ("study/z", "there is no job 'study/z'; did you mean study/a"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(desk: Desk, typed: str, said: str) -> None:
    desk.enqueue("a")
    with pytest.raises(UnknownName, match=said):
        remove(desk, typed)


def test_a_session_that_slept_meanwhile_writes_into_no_job_that_comes_after(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim()
    desk.train(held, 0.5)
    desk.control("cancel", "a")
    remove(desk, "a")
    with pytest.raises(JobWithdrawn):
        desk.train(held, 0.4, after=(0.5,))
    desk.enqueue("a")
    with pytest.raises(LeaseLost):
        desk.train(held, 0.4, after=(0.5,))
    assert desk.line("a").epochs_done == 0


def test_a_study_is_held_and_released_as_far_as_its_jobs_can_be(desk: Desk) -> None:
    desk.enqueue("a", "b", "c")
    finish_one(desk, "a")
    desk.control("cancel", "c")
    assert desk.do(control_all, "study/", "hold", who="user") == [("study/b", State.HELD)]
    with pytest.raises(IllegalTransition, match="study/a is done and cannot be held"):
        desk.do(control_all, "study/", "hold", who="user")
    assert desk.do(control_all, "study/", "cancel", who="user") == [("study/b", State.CANCELLED)]


def test_a_cancelled_job_makes_no_short_name_ambiguous(desk: Desk) -> None:
    desk.enqueue(spec("a"), spec("a", study="other"))
    with pytest.raises(UnknownName, match="'a' could be study/a or other/a"):
        desk.do(control_all, "a", "hold", who="user")
    desk.control("cancel", "study/a")
    assert desk.do(control_all, "a", "hold", who="user") == [("other/a", State.HELD)]


def test_a_job_of_which_nothing_is_saved_can_be_replaced_and_keeps_its_place(desk: Desk) -> None:
    desk.enqueue("a", "b", "c")
    done = replaced(desk, spec("b", epochs=7), spec("c"), spec("d"))
    assert (done.new, done.known, done.replaced) == (("study/b", "study/d"), ("study/c",), ("study/b",))
    assert desk.names() == ["a", "b", "c", "d"]
    assert desk.detail("b").spec.epochs == 7
    assert [line.what for line in desk.detail("b").history] == ["enqueued"]


def test_without_being_asked_to_nothing_is_replaced_and_the_way_is_told(desk: Desk) -> None:
    desk.enqueue("a")
    before = desk.digest()
    with pytest.raises(NameTaken, match="study/a exists with other settings: epochs 5 -> 7") as caught:
        desk.enqueue(spec("a", epochs=7))
    assert caught.value.hint == "the same command with --replace: nothing of them is saved yet"
    assert desk.digest() == before


@pytest.mark.parametrize(("losses", "said"), [((), "it is running"), ((0.5,), "it is running")])
def test_a_running_job_is_not_replaced(desk: Desk, losses: tuple[float, ...], said: str) -> None:
    desk.enqueue("a")
    desk.train(desk.must_claim(), *losses)
    with pytest.raises(NameTaken, match=said):
        replaced(desk, spec("a", epochs=7))


def test_what_has_a_saved_epoch_is_not_replaced_and_nothing_else_of_the_file_is_enqueued(desk: Desk) -> None:
    desk.enqueue("a", "b")
    held = desk.must_claim(job="a")
    desk.train(held, 0.5)
    desk.control("hold", "a")
    before = desk.digest()
    with pytest.raises(NameTaken, match=r"epochs 5 -> 7; 1 epoch of it is saved$"):
        replaced(desk, spec("a", epochs=7), spec("b", epochs=7), spec("c"))
    assert desk.digest() == before


def test_weights_that_the_new_job_begins_with_too_are_not_given_back(desk: Desk) -> None:
    begun = spec("a", weights="file", weights_sha256=WEIGHTS.sha256)
    desk.do(enqueue, [begun], attached={WEIGHTS: "mine.h5"}, who="user")
    changed = spec("a", weights="file", weights_sha256=WEIGHTS.sha256, epochs=7)
    assert replaced(desk, changed, weights={WEIGHTS: "mine.h5"}).freed == ()
    assert replaced(desk, spec("a", epochs=7)).freed == (WEIGHTS,)


def test_two_files_that_disagree_on_a_job_replace_nothing(desk: Desk) -> None:
    desk.enqueue("a")
    with pytest.raises(NameTaken):
        replaced(desk, spec("a", epochs=7), spec("a", epochs=8))
    assert desk.detail("a").spec.epochs == 5
