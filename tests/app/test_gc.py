"""What is needed is never deleted, what nothing needs is given back, what is damaged is named with its cost."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from qcqueue.app.context import QueueContext, context_in, create_queue, create_store, open_context
from qcqueue.app.datasets import keep
from qcqueue.app.gc import GRACE_S, LEFTOVER_GRACE_S, BlobStatus, clean_up, plan_clean_up, usage
from qcqueue.app.settings import load_settings
from qcqueue.app.verify import HISTORY, QUEUE, verify
from qcqueue.conformance.clocks import CountedIds, MachineClock, WorldTime
from qcqueue.core.dataset import DatasetSummary
from qcqueue.database.local import LocalDatabase
from qcqueue.datasets.format import Dataset, Split
from qcqueue.errors import CorruptionError, StoreBusy
from qcqueue.queue.checkpoints import unwanted
from qcqueue.queue.datasets import add_dataset, find_dataset
from qcqueue.stores.base import Blob, Listed
from qcqueue.stores.folder import FolderStore, file_name
from qcqueue.text.humanize import HOUR_S
from tests.app.saved import Worker, age, file_of, has, stored
from tests.cli import queues
from tests.cli.on_drive import Laptop, a_laptop
from tests.cli.queues import House, a_job, put
from tests.engines.worlds import a_dataset

JOBS = ("tiny/a", "tiny/b")
WEEKS_S = 2 * GRACE_S


@pytest.fixture
def place(house: House) -> QueueContext:
    """A queue of two jobs in a folder."""
    put(house.queue, a_job("a", epochs=99), a_job("b", epochs=99))
    return house.queue


@pytest.fixture
def shared(tmp_path: Path) -> QueueContext:
    """The same on a shared disk, where the queue is a chain of versions."""
    cache = {"QCQUEUE_CACHE": str(tmp_path / "cache")}
    named = load_settings(store=f"shared:{tmp_path / 'disk'}", environment=cache)
    create_queue(named)
    place = open_context(named)
    keep(place, queues.DATASET, a_dataset(side_px=queues.SIDE_PX), dry_run=False)
    put(place, a_job("a", epochs=99), a_job("b", epochs=99))
    return place


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        laptop.sign_in()
        laptop.make_queue()
        yield laptop


def root(place: QueueContext) -> Path:
    assert place.folder is not None
    return place.folder


def dataset_of(place: QueueContext) -> Blob:
    with place.read() as tx:
        return find_dataset(tx, queues.DATASET).blob


def cleaned(place: QueueContext) -> int:
    return clean_up(place, plan_clean_up(place)).files


def kinds(place: QueueContext) -> dict[str, int]:
    return {share.name: share.files for share in usage(place).kinds}


# Clean-up


def test_what_a_dead_session_left_is_given_back_and_its_saves_stay(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save()
    left = worker.put("half a save")
    worker.dies()
    age(place, 2 * HOUR_S)
    plan = plan_clean_up(place)
    assert [(it.blob, why) for it, why in plan.blobs] == [(left, BlobStatus.ENDED)]
    assert clean_up(place, plan).size_bytes == left.size_bytes
    assert not has(place, left)
    assert all(has(place, blob) for blob in worker.needed)
    assert has(place, dataset_of(place))


def test_a_plan_deletes_nothing(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    left = worker.put("half a save")
    worker.dies()
    age(place, WEEKS_S)
    assert plan_clean_up(place).files == 1
    assert has(place, left)


def test_what_a_live_session_is_uploading_stays_however_old_it_is(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    uploading = worker.put("half a save")
    age(place, WEEKS_S)
    assert cleaned(place) == 0
    assert has(place, uploading)
    assert kinds(place)["in flight"] == 1


def test_what_is_younger_than_an_hour_stays(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    left = worker.put("half a save")
    worker.dies()
    assert cleaned(place) == 0
    assert has(place, left)


def test_what_a_session_retired_and_did_not_live_to_delete_is_given_back_and_recorded(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    first = worker.save(loss=3.0, forgets=True)
    for loss in (2.0, 1.0, 0.5):
        worker.save(loss=loss, forgets=True)
    worker.dies()
    age(place, 2 * HOUR_S)
    assert cleaned(place) == 4  # heads and packs of two saves
    assert not any(has(place, blob) for blob in first)
    worker.returns()
    assert not place.transact(unwanted)


def test_the_best_epoch_stays_when_its_save_is_long_retired(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save(loss=0.1)
    best = worker.models[1]
    for _ in range(4):
        worker.save(loss=1.0)
    worker.dies()
    age(place, WEEKS_S)
    cleaned(place)
    assert has(place, best)


def test_what_somebody_committed_after_the_plan_stays(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    plan_listing = worker.put("tiny/a pack 1")
    worker.dies()
    age(place, WEEKS_S)
    plan = plan_clean_up(place)
    assert plan.files == 1
    # A listing and a plan can be as late as they like: the database names it by now.
    place.transact(lambda tx: _name_as_dataset(tx, plan_listing))
    assert clean_up(place, plan).files == 0
    assert has(place, plan_listing)


def _name_as_dataset(tx: Connection, blob: Blob) -> None:
    summary = DatasetSummary(classes=("a", "b"), image_size=(1, 1), train=1, validation=1, test=1, source="x")
    add_dataset(tx, "other", blob, summary, who="ada", now_s=1.0)


def test_what_nobody_named_for_a_week_is_given_back(place: QueueContext) -> None:
    left = stored(place, "a dataset that never got its name")
    age(place, GRACE_S - HOUR_S)
    assert cleaned(place) == 0
    age(place, 2 * HOUR_S)
    assert cleaned(place) == 1
    assert not has(place, left)


def test_the_older_copy_of_a_dataset_stays_while_a_session_may_be_reading_it(house: House) -> None:
    place = house.queue
    put(place, a_job("a"))
    old = dataset_of(place)
    worker = Worker.on(place, JOBS[0])
    (house.store / "blobs" / file_name(old)).write_bytes(b"rot")  # so that it is worth storing again
    age(place, WEEKS_S)
    keep(place, queues.DATASET, _the_dataset_of_a_house(), dry_run=False)
    new = dataset_of(place)
    assert new != old
    assert new.sha256 == old.sha256
    assert cleaned(place) == 0
    worker.dies()
    assert cleaned(place) == 1
    assert (has(place, old), has(place, new)) == (False, True)


def _the_dataset_of_a_house() -> Dataset:
    counts = {Split.TRAIN: 9, Split.VALIDATION: 3, Split.TEST: 3}
    return a_dataset(side_px=queues.SIDE_PX, counts=counts)


def test_a_blob_of_an_older_qcqueue_is_found_by_its_digest_alone(place: QueueContext) -> None:
    dataset = dataset_of(place)
    file_of(place, dataset).rename(root(place) / "blobs" / dataset.sha256)
    with sqlite3.connect(root(place) / "queue.sqlite") as connection:
        connection.execute("UPDATE blobs SET place = ''")
    connection.close()
    (root(place) / "blobs" / ("f" * 64)).write_bytes(b"nobody's")
    age(place, WEEKS_S)
    assert [it.blob.sha256 for it, _ in plan_clean_up(place).blobs] == ["f" * 64]
    cleaned(place)
    assert verify(place).faults == ()


@pytest.mark.parametrize("name", ["README.txt", "x" * 64, "a" * 63, "b" * 64 + ".a.b.c", "c" * 64 + ".UP", "%00"])
def test_a_file_that_no_put_has_made_is_nobodys_business(place: QueueContext, name: str) -> None:
    path = root(place) / "blobs" / name
    path.write_bytes(b"somebody's notes")
    age(place, WEEKS_S)
    assert cleaned(place) == 0
    assert path.exists()


def test_what_killed_writers_left_is_given_back_after_a_day(place: QueueContext) -> None:
    left = root(place) / "blobs" / "incoming-abc"
    left.write_bytes(b"half")
    age(place, LEFTOVER_GRACE_S - HOUR_S)
    assert cleaned(place) == 0
    age(place, 2 * HOUR_S)
    assert kinds(place)["clean-up"] == 1
    assert cleaned(place) == 1
    assert not left.exists()


def test_a_link_that_looks_like_a_leftover_is_left_alone(place: QueueContext, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"x")
    link = root(place) / "blobs" / "incoming-link"
    link.symlink_to(precious)
    age(place, WEEKS_S)
    assert cleaned(place) == 0
    assert precious.exists()


def test_a_store_that_stops_answering_ends_it_and_it_can_be_done_again(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker.on(place, JOBS[0])
    for number in range(3):
        worker.put(f"left {number}")
    worker.dies()
    age(place, WEEKS_S)
    deletions = []

    def delete(store: FolderStore, blob: Blob) -> None:
        deletions.append(blob)
        if len(deletions) == 2:
            raise StoreBusy
        deleting(store, blob)

    deleting = FolderStore.delete
    monkeypatch.setattr(FolderStore, "delete", delete)
    with pytest.raises(StoreBusy):
        cleaned(place)
    assert cleaned(place) == 2


def test_a_copy_of_a_queue_that_is_away_decides_nothing(shared: QueueContext) -> None:
    worker = Worker.on(shared, JOBS[0])
    worker.put("half a save")
    worker.dies()
    age(shared, WEEKS_S)
    slots = root(shared) / "slots"
    slots.rename(slots.with_name("unplugged"))
    with pytest.raises(Exception, match="is not there") as caught:
        plan_clean_up(shared)
    assert getattr(caught.value, "exit_code", None) == 4


# Random queues


@dataclass(slots=True)
class World:
    """Two jobs, the sessions that work on them, and a clock that only the test moves."""

    place: QueueContext
    time: WorldTime
    workers: dict[str, Worker]
    live: set[str]
    in_flight: dict[str, list[Blob]]

    def act(self, what: str, job: str, number: int) -> None:
        worker = self.workers.get(job)
        match what:
            case "begin" if job not in self.live:
                if worker is None:
                    self.workers[job] = Worker.on(self.place, job)
                else:
                    worker.returns()
                self.live.add(job)
                self.in_flight[job] = []
            case "save" if worker and job in self.live and worker.record.epochs_done < 90:
                worker.save(loss=1.0 + number % 5, shares="shared" if number % 2 else None, forgets=number % 3 == 0)
            case "store" if worker and job in self.live:
                self.in_flight[job].append(worker.put(f"{job} {number}"))
            case "die" if worker and job in self.live:
                worker.dies()
                self.live.discard(job)
            case "stray":
                stored(self.place, f"stray {number}")
            case "wait":
                self.time.now_s += (60.0, 2 * HOUR_S, WEEKS_S)[number % 3]

    def check(self) -> None:
        needed = {blob for worker in self.workers.values() for blob in worker.needed} | {dataset_of(self.place)}
        assert [blob for blob in needed if not has(self.place, blob)] == []
        flying = [blob for job in self.live for blob in self.in_flight[job]]
        assert [blob for blob in flying if not has(self.place, blob)] == []


def a_world(folder: Path) -> World:
    time = WorldTime()
    clock, ids = MachineClock(time), CountedIds("i")
    create_store(folder)
    place = QueueContext(
        database=LocalDatabase(folder / "queue.sqlite", durable=False),
        store=FolderStore(folder, clock, ids),
        clock=clock,
        ids=ids,
        cache=folder / "cache",
        who="ada",
        folder=folder,
    )
    keep(place, queues.DATASET, _the_dataset_of_a_house(), dry_run=False)
    put(place, a_job("a", epochs=99), a_job("b", epochs=99))
    return World(place, time, {}, set(), {})


actions = st.tuples(
    st.sampled_from(["begin", "save", "save", "save", "store", "die", "stray", "wait", "clean"]),
    st.sampled_from(JOBS),
    st.integers(0, 29),
)


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(actions, max_size=40), st.lists(actions, max_size=6))
def test_clean_up_never_takes_what_a_live_attempt_the_last_two_saves_or_the_best_epoch_need(
    before: list[tuple[str, str, int]], meanwhile: list[tuple[str, str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = a_world(Path(folder))
        for action in before:
            if action[0] == "clean":
                plan = plan_clean_up(world.place)
                for other in meanwhile:
                    world.act(*other)
                clean_up(world.place, plan)
            else:
                world.act(*action)
            world.check()
        for job in (*world.live,):
            world.act("die", job, 0)
        world.time.now_s += WEEKS_S
        cleaned(world.place)
        world.check()
        left = {it.blob for it in world.place.store.list_blobs()}
        assert left == {blob for worker in world.workers.values() for blob in worker.needed} | {dataset_of(world.place)}


# Bytes by kind


def test_bytes_are_counted_by_kind_and_by_job(place: QueueContext) -> None:
    a, b = (Worker.on(place, job) for job in JOBS)
    a.save(shares="shared")
    b.save(shares="shared")
    b.put("half a save")
    found = usage(place)
    states = a.needed | b.needed
    by_kind = {share.name: share for share in found.kinds}
    assert by_kind["states"].size_bytes == sum(blob.size_bytes for blob in states)
    assert by_kind["datasets"].size_bytes == dataset_of(place).size_bytes
    # The second copy of what they share went to the store as well, and its session lives.
    assert by_kind["in flight"].files == 2
    assert by_kind["database"].size_bytes == (root(place) / "queue.sqlite").stat().st_size
    assert [share.name for share in found.jobs] == list(JOBS)
    assert [share.files for share in found.jobs] == [3, 3]
    assert (found.free_bytes or 0) > 0


def test_the_versions_of_a_shared_queue_are_counted(shared: QueueContext) -> None:
    assert kinds(shared)["database"] == 3


# What is damaged


def test_a_sound_queue_has_no_fault(place: QueueContext, shared: QueueContext) -> None:
    for it in (place, shared):
        Worker.on(it, JOBS[0]).save()
        found = verify(it)
        assert found.faults == ()
        assert found.blobs == 3
        assert found.size_bytes > 1000
        assert verify(it, quick=True).faults == ()


def spoil(place: QueueContext, blob: Blob, *, grow: bool = False) -> None:
    path = file_of(place, blob)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(bytes(data) + (b"x" if grow else b""))


def test_the_newest_save_is_named_and_where_the_run_would_go_on(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    for loss in (1.0, 2.0, 3.0, 4.0):
        worker.save(loss=loss)
    spoil(place, worker.saves[0][0])
    (fault,) = verify(place).faults
    assert fault.what == f"state {worker.saves[0][0].sha256[:12]}"
    assert fault.jobs == ("tiny/a",)
    assert "its bytes hash to" in fault.why
    assert fault.costs == "the newest save of tiny/a; it would go on from epoch 3"


def test_an_older_save_costs_nothing(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save(loss=1.0)
    worker.save(loss=0.5)
    file_of(place, worker.saves[1][0]).unlink()
    (fault,) = verify(place).faults
    assert fault.why == "the store does not have it"
    assert "nothing is lost" in fault.costs


def test_without_the_model_of_the_best_epoch_no_save_is_sound(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save(loss=0.1)
    for _ in range(3):
        worker.save(loss=1.0)
    spoil(place, worker.models[1])
    (fault,) = verify(place).faults
    assert fault.costs == "every save of tiny/a; it would begin again"


def test_what_two_jobs_share_costs_both(place: QueueContext) -> None:
    a, b = (Worker.on(place, job) for job in JOBS)
    a.save(shares="shared")
    b.save(shares="shared")
    (both,) = a.needed & b.needed
    spoil(place, both)
    (fault,) = verify(place).faults
    assert fault.jobs == JOBS
    assert fault.costs == "every save of tiny/a; it would begin again; every save of tiny/b; it would begin again"


def test_a_dataset_is_mended_by_what_is_said(place: QueueContext) -> None:
    spoil(place, dataset_of(place))
    (fault,) = verify(place).faults
    assert fault.kind == "dataset"
    assert fault.hint == f"qcqueue data add PATH --name {queues.DATASET}"
    keep(place, queues.DATASET, _the_dataset_of_a_house(), dry_run=False)
    assert verify(place).faults == ()


def test_a_quick_look_reads_no_bytes_but_counts_them(place: QueueContext) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save()
    spoil(place, worker.saves[0][0])
    assert verify(place, quick=True).faults == ()
    spoil(place, worker.saves[0][0], grow=True)
    (fault,) = verify(place, quick=True).faults
    assert "should have" in fault.why


def test_what_is_not_needed_any_more_when_it_is_missed_was_not_damaged(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save(loss=3.0)
    worker.save(loss=2.0)
    fetching = FolderStore.fetch

    def fetch(store: FolderStore, blob: Blob, target: Path) -> None:
        monkeypatch.setattr(FolderStore, "fetch", fetching)
        for loss in (1.0, 0.5):  # it retires both
            worker.save(loss=loss)
        fetching(store, blob, target)

    monkeypatch.setattr(FolderStore, "fetch", fetch)
    assert verify(place).faults == ()


def test_nothing_of_a_check_stays_on_this_machine(place: QueueContext) -> None:
    verify(place)
    assert not list(place.cache.glob("verify-*"))


def version_files(shared: QueueContext) -> list[Path]:
    files = (root(shared) / "slots").iterdir()
    return sorted(files, key=lambda path: int(json.loads(path.read_bytes().partition(b"\n")[0])["number"]))


def damage(path: Path) -> None:
    """Flip a bit of its last byte, whatever that is."""
    *rest, last = path.read_bytes()
    path.write_bytes(bytes([*rest, last ^ 1]))


def test_a_damaged_older_version_is_named_and_costs_only_a_day(shared: QueueContext) -> None:
    path = version_files(shared)[1]
    damage(path)
    (fault,) = verify(shared).faults
    assert fault.why.startswith("version 2 in shared:")
    assert fault.costs == HISTORY


def test_a_damaged_newest_version_is_the_queue(shared: QueueContext) -> None:
    path = version_files(shared)[-1]
    damage(path)
    (fault,) = verify(shared).faults
    assert fault.costs == QUEUE


def test_a_version_with_the_facts_of_another_does_not_follow(shared: QueueContext) -> None:
    path = version_files(shared)[1]
    head, _, body = path.read_bytes().partition(b"\n")
    facts = json.loads(head) | {"author": "mallory"}
    path.write_bytes(json.dumps(facts, sort_keys=True).encode() + b"\n" + body)
    assert any("does not follow" in fault.why for fault in verify(shared).faults)


def test_a_row_that_is_not_what_was_written_is_named_in_the_newest_version(shared: QueueContext) -> None:
    worker = Worker.on(shared, JOBS[0])
    worker.save()
    assert verify(shared).faults == ()
    shared.transact(lambda tx: tx.exec_driver_sql("UPDATE epochs SET accuracy = 1.0"))
    shared.transact(lambda tx: tx.exec_driver_sql("UPDATE sessions SET seconds = 'none'"))
    assert [(fault.what, fault.kind) for fault in verify(shared).faults] == [
        ("a row of the table sessions", "row"),
        ("epoch 1 of tiny/a, attempt 1", "row"),
    ]


def test_versions_that_gave_their_bytes_back_are_no_fault(shared: QueueContext) -> None:
    for name in range(30):
        put(shared, a_job(f"j{name}"))
    found = verify(shared)
    assert (found.versions, found.faults) == (20, ())


def test_a_local_queue_that_is_no_database_is_corruption(place: QueueContext) -> None:
    path = root(place) / "queue.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    with pytest.raises(CorruptionError):
        verify(context_in(root(place), cache=place.cache))


# Google Drive


def on_drive(ada: Laptop) -> QueueContext:
    place = open_context(ada.settings)
    keep(place, queues.DATASET, _the_dataset_of_a_house(), dry_run=False)
    put(place, a_job("a", epochs=99), a_job("b", epochs=99))
    return place


def test_on_drive_what_a_dead_session_left_is_given_back(ada: Laptop) -> None:
    place = on_drive(ada)
    worker = Worker.on(place, JOBS[0])
    worker.save(loss=2.0)
    worker.save(loss=1.0)
    left, nobodys = worker.put("half a save"), stored(place, "a stray")
    worker.dies()
    other = Worker.on(place, JOBS[1])
    flying = other.put("half a save of another")
    assert cleaned(place) == 0
    ada.let_pass(WEEKS_S)
    plan = plan_clean_up(place)
    assert {it.blob.place for it, _ in plan.blobs} == {left.place, nobodys.place}
    assert clean_up(place, plan).files == 2
    assert place.store.size(left) is None
    assert all(has(place, blob) for blob in (*worker.needed, flying, dataset_of(place)))
    found = usage(place)
    assert {share.name: share.files for share in found.kinds} == {"states": 4, "datasets": 1, "in flight": 1}
    assert (found.free_bytes or 0) > 1e9


def test_on_drive_damage_is_found_past_the_copy_that_this_machine_keeps(ada: Laptop) -> None:
    place = on_drive(ada)
    worker = Worker.on(place, JOBS[0])
    worker.save()
    head = worker.saves[0][0]
    owner = ada.emulator.owner(ada.ada)
    assert verify(place).faults == ()
    owner.damage(head.place, b"?" * head.size_bytes)
    (fault,) = verify(place).faults
    assert fault.costs == "every save of tiny/a; it would begin again"
    assert verify(place, quick=True).faults == ()
    versions = verify(place).versions
    newest = next(file for file in owner.files() if file.title == f"version {versions}")
    owner.damage(newest.id, b"?" * newest.size)
    assert QUEUE in {fault.costs for fault in verify(place).faults}


def test_a_listing_that_lies_cannot_make_it_delete_what_is_needed(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker.on(place, JOBS[0])
    worker.save()
    lies = [Listed(blob=blob, owner="gone-1", age_s=1e9) for blob in (*worker.needed, dataset_of(place))]
    monkeypatch.setattr(FolderStore, "list_blobs", lambda store: [*lies, *lies])
    assert plan_clean_up(place).files == 0
