"""Saving, with what goes wrong between a store, a database and a process that dies: nothing is lost, nothing loops."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from sqlalchemy import text

from qcqueue.checkpoints.format import HEAD_NAME, read_model
from qcqueue.conformance.clocks import CountedIds, MachineClock, WorldTime
from qcqueue.core.records import Tensors
from qcqueue.core.states import State
from qcqueue.database.base import Database
from qcqueue.errors import OutcomeUnknown, StoreBusy, StoreFull
from qcqueue.queue.blobs import live_packs, needed_blobs
from qcqueue.queue.checkpoints import resumable, unwanted
from qcqueue.queue.claim import claim_held_by
from qcqueue.queue.jobs import find_job
from qcqueue.queue.values import Claim
from qcqueue.spool.files import EpochEntry
from qcqueue.spool.reader import Spool
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from qcqueue.stores.base import Blob
from qcqueue.stores.folder import FolderStore, file_name
from qcqueue.worker.committer import Committer
from qcqueue.worker.orphans import orphans
from qcqueue.worker.time_ledger import TimeLedger
from tests.checkpoints.runs import STEPS, a_record, a_state, an_epoch, an_order, assert_is_model
from tests.queue.desk import TIMING, Desk, metrics, result

T = TypeVar("T")


class Died(Exception):
    """The process of a session is gone."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Two jobs on one frozen base, a store, and the sessions that work on them."""

    folder: Path
    desk: Desk
    store: FolderStore

    def attempt(self, held: Claim, database: Database | None = None, ledger: TimeLedger | None = None) -> Committer:
        """Return the attempt of a claim; another of the same claim takes the place of a session that died."""
        return Committer(
            held,
            spool=Spool(self.folder / "spool" / f"{held.session_id}-{held.attempt}"),
            store=self.store,
            database=database or self.desk.database,
            clock=MachineClock(WorldTime()),
            ledger=ledger,
        )

    def begun(self, session: str, job: str, *, database: Database | None = None, **claiming: Any) -> Committer:
        attempt = self.attempt(self.desk.must_claim(session, job=job, **claiming), database)
        attempt.spool.open(an_order(attempt.spool))
        attempt.restore()
        return attempt

    def successor(self, attempt: Committer) -> Committer:
        """Return who saves what a dead session left, as the next session on its machine does."""
        with self.desk.database.read() as tx:
            held = claim_held_by(tx, attempt.claim.session_id)
        assert held is not None, "its attempt is not buried yet"
        return self.attempt(held)

    def rot(self, blob: Blob) -> None:
        (self.store.root / "blobs" / file_name(blob)).write_bytes(b"rot")

    def everything_named_is_there(self) -> bool:
        with self.desk.database.read() as tx:
            named = [it.blob for it in needed_blobs(tx) if it.kind in ("state", "head", "pack")]
        return bool(named) and all(self.store.size(blob) == blob.size_bytes for blob in named)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    desk = Desk(tmp_path)
    desk.enqueue("a", "b")
    store = FolderStore(tmp_path / "store", MachineClock(WorldTime()), CountedIds("id"))
    store.create()
    return Scene(tmp_path, desk, store)


class LosesAnAnswer:
    """A database whose answer to one commit is lost."""

    def __init__(self, database: Database) -> None:
        self.loses_one = False
        self._database = database

    def read(self) -> Any:
        return self._database.read()

    def transact(self, action: Callable[..., T]) -> T:
        answer = self._database.transact(action)
        if self.loses_one:
            self.loses_one = False
            raise OutcomeUnknown("the answer was lost")
        return answer


def dies_before_its_commit(attempt: Committer, patch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> bool:
        raise Died

    with patch.context() as patched:
        patched.setattr(attempt, "_commit", die)
        with pytest.raises(Died):
            attempt.collect()


def dies_at(attempt: Committer, patch: pytest.MonkeyPatch, where: object, name: str, *, call: int = 1) -> None:
    """Let its process die where something is called for the nth time, and collect until then."""
    calls = 0
    really = getattr(where, name)

    def die(*values: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Died
        return really(*values, **options)

    with patch.context() as patched:
        patched.setattr(where, name, die)
        with pytest.raises(Died):
            attempt.collect()


def hand_over(writer: SpoolWriter, epoch: int) -> None:
    """Hand over a whole epoch, the best one, as a trainer does."""
    number = writer.state(a_state(epoch, epoch - 1 or None))
    writer.epoch(an_epoch(epoch, epoch, state_entry=number), is_best=True)


def epochs_of(scene: Scene) -> list[tuple[int, bool]]:
    return [(line.metrics.epoch, line.official) for line in scene.desk.detail("a").epochs]


def frozen_pack(attempt: Committer) -> Blob:
    return attempt.claim.checkpoints[0].state.packs[0]


def test_a_pack_found_damaged_is_mended_although_the_answer_to_its_commit_is_lost(scene: Scene) -> None:
    first = scene.begun("s1", "a")
    SpoolWriter(TrainerSpool(first.spool.folder)).state(a_state(1, None))
    first.collect()

    database = LosesAnAnswer(scene.desk.database)
    claiming = scene.desk.must_claim("s2", job="a", gone={("study/a", 1): "gone"})
    scene.rot(claiming.checkpoints[0].state.packs[0])
    second = scene.attempt(claiming, database)
    second.spool.open(an_order(second.spool))
    assert second.restore().chosen is None
    writer = SpoolWriter(TrainerSpool(second.spool.folder))
    number = writer.state(a_state(1, None))
    database.loses_one = True
    with pytest.raises(OutcomeUnknown):
        second.collect()
    writer.epoch(an_epoch(1, 1, state_entry=number), is_best=True)  # comes before the commit is tried again

    assert not second.collect()
    assert second.spool.waiting() == []
    assert scene.everything_named_is_there()


def test_who_takes_a_dead_sessions_place_knows_what_was_damaged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for session, job in (("s1", "a"), ("s3", "b")):  # both share the frozen base
        attempt = scene.begun(session, job)
        SpoolWriter(TrainerSpool(attempt.spool.folder)).state(a_state(1, None))
        attempt.collect()
    claiming = scene.desk.must_claim("s2", job="a", gone={("study/a", 1): "gone"})
    rotten = claiming.checkpoints[0].state.packs[0]
    scene.rot(rotten)
    second = scene.attempt(claiming)
    second.spool.open(an_order(second.spool))
    second.restore()
    SpoolWriter(TrainerSpool(second.spool.folder)).state(a_state(1, None))
    dies_before_its_commit(second, monkeypatch)

    scene.successor(second).collect_all()

    third = scene.attempt(scene.desk.must_claim("s1", job="a", gone={("study/a", 2): "gone"}))
    assert (frozen_pack(third).sha256, frozen_pack(third).place) != (rotten.sha256, rotten.place)
    third.spool.open(an_order(third.spool))
    restored = third.restore()
    assert restored.chosen is not None
    assert restored.damaged == ()


def test_what_was_shared_and_is_retired_meanwhile_is_stored_again_for_a_dead_session(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scene.begun("s1", "a")
    SpoolWriter(TrainerSpool(first.spool.folder)).state(a_state(1, None))
    first.collect()
    second = scene.begun("s2", "b")
    SpoolWriter(TrainerSpool(second.spool.folder)).state(a_state(1, None))
    dies_before_its_commit(second, monkeypatch)
    scene.desk.database.transact(lambda tx: tx.execute(text("UPDATE checkpoints SET status = 'retired', record = ''")))
    scene.desk.database.transact(lambda tx: tx.execute(text("DELETE FROM packs")))

    successor = scene.successor(second)
    successor.collect_all()

    assert successor.saved is not None
    assert successor.spool.waiting() == []
    assert scene.everything_named_is_there()


def test_a_state_whose_best_model_was_forgotten_holds_nobody_up(scene: Scene) -> None:
    attempt = scene.begun("s1", "a")
    writer = SpoolWriter(TrainerSpool(attempt.spool.folder))
    first = writer.state(a_state(1, None))
    attempt.collect()
    writer.epoch(an_epoch(1, 1, state_entry=first), is_best=True)
    writer.epoch(an_epoch(2, 2, state_entry=writer.state(a_state(2, 1))), is_best=True)
    held = writer.state(replace(a_state(3, 2), record=a_record(2, 2, steps_done=5)))
    # A session takes it and dies before it has secured the best model, which the trainer then forgets.
    (attempt.spool.entries_folder / f"{held:06d}.state").rename(attempt.spool.folder / "held" / f"{held:06d}")
    writer.epoch(an_epoch(3, 3, state_entry=writer.state(a_state(3, 2))), is_best=True)
    writer.state(a_state(4, 3))

    scene.attempt(attempt.claim).collect_all()

    assert attempt.spool.waiting() == []
    assert [line.metrics.epoch for line in scene.desk.detail("a").official_epochs()] == [1, 2, 3]


def test_how_long_the_store_was_away_says_nothing_of_how_long_it_takes(scene: Scene) -> None:
    database = LosesAnAnswer(scene.desk.database)
    attempt = scene.begun("s1", "a", database=database)
    SpoolWriter(TrainerSpool(attempt.spool.folder)).state(a_state(1, None))
    database.loses_one = True
    with pytest.raises(OutcomeUnknown):
        attempt.collect()
    attempt.collect()
    assert attempt.lag_s is None


def test_what_came_after_a_lost_answer_goes_into_the_next_commit(scene: Scene) -> None:
    database = LosesAnAnswer(scene.desk.database)
    attempt = scene.begun("s1", "a", database=database)
    writer = SpoolWriter(TrainerSpool(attempt.spool.folder))
    hand_over(writer, 1)
    database.loses_one = True
    with pytest.raises(OutcomeUnknown):
        attempt.collect()
    hand_over(writer, 2)
    hand_over(writer, 3)

    attempt.collect_all()

    assert epochs_of(scene) == [(1, True), (2, True), (3, True)]
    assert scene.desk.writes(attempt.claim) == 3, "the start, what was tried, and what came after"
    assert [epoch.metrics.epoch for epoch in attempt.take_news()] == [1, 2, 3]
    assert scene.everything_named_is_there()


class TakesNothing:
    """A database that refuses one commit, and has not made it."""

    def __init__(self, database: Database) -> None:
        self.refuses_one = False
        self._database = database

    def read(self) -> Any:
        return self._database.read()

    def transact(self, action: Callable[..., T]) -> T:
        if self.refuses_one:
            self.refuses_one = False
            raise StoreBusy("somebody else is writing")
        return self._database.transact(action)


def test_what_was_refused_is_tried_again_as_it_was(scene: Scene) -> None:
    database = TakesNothing(scene.desk.database)
    attempt = scene.begun("s1", "a", database=database)
    writer = SpoolWriter(TrainerSpool(attempt.spool.folder))
    hand_over(writer, 1)
    database.refuses_one = True
    with pytest.raises(StoreBusy):
        attempt.collect()
    hand_over(writer, 2)

    attempt.collect_all()

    assert epochs_of(scene) == [(1, True), (2, True)]
    assert attempt.spool.waiting() == []


def test_where_a_run_is_taken_up_is_recorded_once_though_the_answer_is_lost(scene: Scene) -> None:
    first = scene.begun("s1", "a")
    writer = SpoolWriter(TrainerSpool(first.spool.folder))
    hand_over(writer, 1)
    hand_over(writer, 2)
    first.collect_all()
    database = LosesAnAnswer(scene.desk.database)
    second = scene.attempt(scene.desk.must_claim("s2", job="a", gone={("study/a", 1): "gone"}), database)
    scene.rot(second.claim.checkpoints[0].state.head)
    second.spool.open(an_order(second.spool))
    database.loses_one = True
    with pytest.raises(OutcomeUnknown):
        second.restore()
    second.restore()
    assert scene.desk.writes(second.claim) == 1
    assert [line.what for line in scene.desk.detail("a").history].count("checkpoint damaged") == 1


# Where a session may be killed around a commit of two epochs, and what of it is called there.
DEATHS: dict[str, tuple[str, str, int]] = {
    "before its commit": ("_database", "transact", 1),
    "before it is told that it was made": ("", "_note_committed", 1),
    "before it lets go of the state": ("spool", "remove", 1),
    "before it lets go of the first epoch": ("spool", "remove", 2),
    "before it lets go of the second epoch": ("spool", "remove", 3),
    "before it deletes what was retired": ("_uploader", "delete", 1),
}


@pytest.mark.parametrize("death", DEATHS)
def test_who_takes_a_dead_sessions_place_counts_nothing_twice_and_loses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    dead = scene.begun("s1", "a")
    writer = SpoolWriter(TrainerSpool(dead.spool.folder))
    hand_over(writer, 1)
    dead.collect_all()
    hand_over(writer, 2)
    hand_over(writer, 3)
    of, name, call = DEATHS[death]
    dies_at(dead, monkeypatch, getattr(dead, of) if of else dead, name, call=call)
    hand_over(writer, 4)  # its trainer outlives it by a moment

    heir = scene.successor(dead)
    heir.collect_all()

    assert epochs_of(scene) == [(1, True), (2, True), (3, True), (4, True)]
    assert heir.spool.waiting() == []
    assert scene.everything_named_is_there()
    assert heir.saved is not None
    assert heir.saved.epochs_done == 4


@pytest.mark.parametrize("death", ["before its commit", "before it is told that it was made"])
def test_what_a_session_of_an_older_qcqueue_left_is_saved_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    dead = scene.begun("s1", "a")
    writer = SpoolWriter(TrainerSpool(dead.spool.folder))
    hand_over(writer, 1)
    of, name, call = DEATHS[death]
    dies_at(dead, monkeypatch, getattr(dead, of) if of else dead, name, call=call)
    numbered = ("commits", "tried")  # which the older one knew nothing of
    dead.spool.note_stored({key: value for key, value in dead.spool.stored().items() if key not in numbered})
    scene.desk.sql("UPDATE attempts SET commits = 0")
    hand_over(writer, 2)

    heir = scene.successor(dead)
    heir.collect_all()

    assert epochs_of(scene) == [(1, True), (2, True)]
    assert heir.spool.waiting() == []
    assert scene.everything_named_is_there()


# The end of a run.


def train_to_the_end(attempt: Committer) -> None:
    """Hand over three epochs, of which the first is the best, and commit them; then the result."""
    writer = SpoolWriter(TrainerSpool(attempt.spool.folder))
    for epoch in (1, 2, 3):
        history = tuple(metrics(at, at / 10) for at in range(1, epoch + 1))
        before = replace(a_record(epoch - 1, None, steps_done=STEPS), history=history[:-1])
        number = writer.state(replace(a_state(epoch, None), record=before))
        entry = EpochEntry(record=replace(a_record(epoch, 1), history=history), timing=TIMING, state_entry=number)
        writer.epoch(entry, is_best=epoch == 1)
        attempt.collect_all()
    writer.result(result(), {"last/test": np.zeros((2, 3), np.float32)})


def stored_of(scene: Scene) -> set[str]:
    """Return the names of all that lies in the store."""
    return {path.name for path in (scene.store.root / "blobs").iterdir()}


def needed_of(scene: Scene) -> set[str]:
    with scene.desk.database.read() as tx:
        return {file_name(it.blob) for it in needed_blobs(tx) if it.job_name is not None}


def kept_models(scene: Scene, folder: Path) -> dict[str, Tensors]:
    """Return the models of the last and the best epoch among the files that a done job keeps."""
    with scene.desk.database.read() as tx:
        (kept,) = resumable(tx, find_job(tx, "study/a").id, live_packs(tx))
    found = {}
    for name, blobs in (("last", kept.state.packs), ("best", kept.best)):
        paths = [folder / f"{name}-{at}" for at in range(len(blobs))]
        for blob, path in zip(blobs, paths, strict=True):
            scene.store.fetch(blob, path)
        found[name] = read_model(paths)
    return found


def test_a_job_that_is_done_keeps_its_best_and_last_models_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    attempt = scene.begun("s1", "a")
    train_to_the_end(attempt)
    before = len(stored_of(scene))
    attempt.collect()
    assert attempt.finished
    assert scene.everything_named_is_there()
    assert stored_of(scene) == needed_of(scene)
    assert (before, len(stored_of(scene))) == (6, 5), "the base, two models, the head that names them; predictions"
    models = kept_models(scene, tmp_path)
    assert_is_model(models["last"], 3)
    assert_is_model(models["best"], 1)
    assert [line.status for line in scene.desk.detail("a").checkpoints][-1:] == ["kept"]
    assert scene.desk.ask(unwanted) == (), "what was deleted is recorded, so that no session deletes it again"


def test_a_run_that_was_only_evaluated_by_its_last_session_keeps_no_more(scene: Scene, tmp_path: Path) -> None:
    first = scene.begun("s1", "a")
    train_to_the_end(first)
    (entry,) = first.spool.waiting()
    handed_over = entry.path.read_bytes()
    second = scene.begun("s2", "a", gone={("study/a", 1): "gone"})
    (second.spool.entries_folder / entry.path.name).write_bytes(handed_over)
    second.collect()
    assert second.finished
    assert stored_of(scene) == needed_of(scene)
    assert_is_model(kept_models(scene, tmp_path)["last"], 3)


def test_a_job_that_shall_keep_its_state_does(scene: Scene) -> None:
    scene.desk.sql("UPDATE jobs SET keep_state = 1")
    attempt = scene.begun("s1", "a")
    train_to_the_end(attempt)
    before = stored_of(scene)
    attempt.collect()
    assert before < stored_of(scene) == needed_of(scene)


def test_a_job_whose_state_is_asked_for_while_it_runs_keeps_it_too(scene: Scene) -> None:
    attempt = scene.begun("s1", "a")
    scene.desk.sql("UPDATE jobs SET keep_state = 1")
    train_to_the_end(attempt)
    before = stored_of(scene)
    attempt.collect()
    assert before < stored_of(scene) == needed_of(scene)


def test_where_the_state_here_is_damaged_the_job_is_done_all_the_same_and_keeps_its_states(scene: Scene) -> None:
    attempt = scene.begun("s1", "a")
    train_to_the_end(attempt)
    before = stored_of(scene)
    (attempt.spool.latest_folder / HEAD_NAME).write_bytes(b"rot")
    attempt.collect()
    assert attempt.finished
    assert before < stored_of(scene) == needed_of(scene)


def test_where_the_store_is_too_full_for_the_head_the_job_is_done_and_keeps_its_states(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = scene.begun("s1", "a")
    train_to_the_end(attempt)
    put, before = scene.store.put, stored_of(scene)

    def full(source: Path, **options: Any) -> Blob:
        if source.name == HEAD_NAME:
            raise StoreFull("no room")
        return put(source, **options)

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", lambda _, source, **options: full(source, **options))
        attempt.collect()
    assert attempt.finished
    assert before < stored_of(scene) == needed_of(scene)


def test_what_a_done_job_let_go_of_is_deleted_though_the_answer_is_lost(scene: Scene) -> None:
    database = LosesAnAnswer(scene.desk.database)
    attempt = scene.begun("s1", "a", database=database)
    train_to_the_end(attempt)
    database.loses_one = True
    with pytest.raises(OutcomeUnknown):
        attempt.collect()
    attempt.collect()
    assert attempt.finished
    assert scene.everything_named_is_there()
    assert scene.desk.ask(unwanted) == ()


# Where a session may be killed while it finishes a job, and whether the job is done then.
LAST_DEATHS: dict[str, tuple[str, str, int, bool]] = {
    "before it stores the predictions": ("_store", "put", 1, False),
    "before it stores the head": ("_store", "put", 2, False),
    "before its commit": ("_database", "transact", 1, False),
    "before it lets go of the result": ("spool", "remove", 1, True),
    "before it deletes anything": ("_store", "delete", 1, True),
    "while it deletes": ("_store", "delete", 3, True),
    "before it records what it deleted": ("", "_note_deleted", 1, True),
}


@pytest.mark.parametrize("death", LAST_DEATHS)
def test_a_session_that_is_killed_while_it_finishes_a_job_leaves_all_that_is_needed_and_the_next_one_the_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, death: str
) -> None:
    dead = scene.begun("s1", "a")
    train_to_the_end(dead)
    of, name, call, is_done = LAST_DEATHS[death]
    dies_at(dead, monkeypatch, getattr(dead, of) if of else dead, name, call=call)
    assert scene.everything_named_is_there()
    assert (scene.desk.line("a").state is State.DONE) == is_done
    if not is_done:
        scene.successor(dead).collect_all()
    other = scene.begun("s2", "b")  # the next session here, with another job
    assert scene.desk.line("a").state is State.DONE
    assert scene.everything_named_is_there()
    listed, owned_by_the_living = list(scene.store.list_blobs()), other.claim.session_id
    with scene.desk.database.read() as tx:
        places = {it.blob.place for it in needed_blobs(tx)}
    for blob in orphans(listed, places, {owned_by_the_living}, grace_s=0.0):
        scene.store.delete(blob)
    assert stored_of(scene) == needed_of(scene)
    assert_is_model(kept_models(scene, tmp_path)["best"], 1)
