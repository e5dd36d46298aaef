"""A job that was done before only weights were kept gives the rest back, and its weights stay to the bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.app.fetch import WeightsFormat, fetch_weights
from qcqueue.app.gc import GRACE_S, clean_up, plan_clean_up, usage
from qcqueue.app.trained_weights import Which
from qcqueue.app.verify import verify
from qcqueue.engines.metrics import weights_sha256
from qcqueue.errors import StoreBusy
from qcqueue.queue.blobs import needed_blobs
from qcqueue.stores.base import Blob
from qcqueue.stores.folder import FolderStore
from tests.app.saved import age, file_of, has
from tests.app.trained import Run, tensors_after
from tests.cli.queues import a_job, an_empty_house, put

BEST, LAST = 2, 4
LOSSES = (3.0, 1.0, 2.0, 2.5)
CALLS = 17
"""How often a clean-up of one done job stands before or after something that changes the store or the queue."""


class Died(Exception):
    """The process of a clean-up is gone."""


@pytest.fixture
def place(tmp_path: Path) -> QueueContext:
    queue = an_empty_house(tmp_path / "house").queue
    put(queue, a_job("vgg16", epochs=LAST), a_job("other", epochs=LAST))
    return queue


@pytest.fixture
def run(place: QueueContext) -> Run:
    """A job that was done by an older qcqueue, which kept its last two states."""
    return finished(place, "tiny/vgg16")


def finished(place: QueueContext, job: str, *, beside: Run | None = None) -> Run:
    """Train a job to its end; beside: a run of the same model, whose packs that are kept are not stored twice."""
    run = Run.of(place, job)
    run.states = {at: beside.states[at] for at in (2, 3)} if beside else {}
    for loss in LOSSES:
        run.epoch(loss=loss)
    run.finish()
    return run


def cleaned(place: QueueContext) -> int:
    return clean_up(place, plan_clean_up(place)).size_bytes


def needed_of(place: QueueContext, job: str) -> set[Blob]:
    with place.read() as tx:
        return {it.blob for it in needed_blobs(tx) if it.job_name == job and it.kind in ("state", "head", "pack")}


def assert_gives_its_weights(place: QueueContext, folder: Path) -> None:
    for which, epoch in ((Which.BEST, BEST), (Which.LAST, LAST)):
        fetched = fetch_weights(place, "vgg16", folder=folder, which=which, kind=WeightsFormat.SAFETENSORS)
        assert (fetched.weights.epoch, fetched.weights.sha256) == (epoch, weights_sha256(tensors_after(epoch)))
        assert fetched.weights.paths["m/00000"] == "block1_conv1/kernel"


def test_a_plan_says_what_is_kept_beside_the_weights_and_changes_nothing(place: QueueContext, run: Run) -> None:
    before = needed_of(place, "tiny/vgg16")
    plan = plan_clean_up(place)
    (share,) = plan.states
    gone = [run.states[3]["head"], run.states[4]["head"], run.states[3]["m000"]]
    assert (share.name, share.files, share.size_bytes) == ("tiny/vgg16", 3, sum(blob.size_bytes for blob in gone))
    assert (plan.files, plan.size_bytes) == (3, share.size_bytes)
    assert needed_of(place, "tiny/vgg16") == before
    assert all(has(place, blob) for blob in before)


def test_a_clean_up_leaves_the_weights_of_the_best_and_the_last_epoch(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    before = needed_of(place, "tiny/vgg16")
    assert cleaned(place) == sum(
        run.states[at][name].size_bytes for at, name in ((3, "head"), (4, "head"), (3, "m000"))
    )
    after = needed_of(place, "tiny/vgg16")
    assert {blob for blob in before if has(place, blob)} == before & after
    assert {run.states[4]["m000"], run.states[2]["m000"], run.states[4]["f000"]} < after
    assert len(after) == 4  # and a head without tensors
    assert_gives_its_weights(place, tmp_path / "out")
    assert verify(place).faults == ()
    assert sum(share.files for share in usage(place).kinds if share.name == "states") == len(after)
    again = plan_clean_up(place)
    assert (again.states, again.files) == ((), 0)


def test_a_job_whose_state_is_wanted_keeps_it(place: QueueContext, run: Run) -> None:
    before = needed_of(place, "tiny/vgg16")
    place.transact(lambda tx: tx.exec_driver_sql("UPDATE jobs SET keep_state = 1 WHERE name = 'tiny/vgg16'"))
    assert plan_clean_up(place).states == ()
    assert cleaned(place) == 0
    assert needed_of(place, "tiny/vgg16") == before


def test_a_job_that_is_not_done_keeps_its_last_two_states(place: QueueContext) -> None:
    run = Run.of(place, "tiny/vgg16")
    for loss in LOSSES[:3]:
        run.epoch(loss=loss)
    before = needed_of(place, "tiny/vgg16")
    assert {*run.states[2].values(), *run.states[3].values()} <= before
    assert cleaned(place) == 0
    assert needed_of(place, "tiny/vgg16") == before


def test_what_another_job_needs_too_stays(place: QueueContext) -> None:
    other = Run.of(place, "tiny/other")
    for loss in LOSSES[:3]:
        other.epoch(loss=loss)
    finished(place, "tiny/vgg16", beside=other)
    shared = other.states[3]["m000"]
    assert shared in needed_of(place, "tiny/vgg16")
    assert cleaned(place) > 0
    assert shared not in needed_of(place, "tiny/vgg16")
    assert all(has(place, blob) for blob in needed_of(place, "tiny/other"))
    assert has(place, shared)


def test_a_job_whose_head_is_damaged_is_left_as_it_is(place: QueueContext, run: Run) -> None:
    file_of(place, run.states[4]["head"]).write_bytes(b"rot")
    before = needed_of(place, "tiny/vgg16")
    assert cleaned(place) == 0
    assert needed_of(place, "tiny/vgg16") == before


def test_a_job_whose_states_are_single_files_is_left_as_it_is(place: QueueContext, run: Run) -> None:
    """As a qcqueue of the first formats stored them: model and optimizer in one file."""
    place.transact(lambda tx: tx.exec_driver_sql("DELETE FROM packs WHERE part = 'state'"))
    assert plan_clean_up(place).states == ()


def test_jobs_of_the_first_formats_hinder_no_clean_up_of_others(place: QueueContext, run: Run) -> None:
    first = finished(place, "tiny/other")
    job = "(SELECT id FROM jobs WHERE name = 'tiny/other')"
    of_it = f"(SELECT id FROM checkpoints WHERE job_id = {job})"
    place.transact(lambda tx: tx.exec_driver_sql(f"DELETE FROM packs WHERE checkpoint_id IN {of_it}"))
    assert [share.name for share in plan_clean_up(place).states] == ["tiny/vgg16"]
    assert cleaned(place) > 0
    assert plan_clean_up(place).states == ()
    assert has(place, first.states[4]["head"])


@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_killed_anywhere_a_clean_up_leaves_the_weights_and_the_next_one_the_rest(
    call: int, place: QueueContext, run: Run, tmp_path: Path
) -> None:
    killed = Killed(place, call)
    plan = plan_clean_up(place)
    with pytest.raises(Died):
        clean_up(killed.place, plan)
    assert all(has(place, blob) for blob in needed_of(place, "tiny/vgg16"))
    assert_gives_its_weights(place, tmp_path / "out")
    age(place, 2 * GRACE_S)
    cleaned(place)
    assert place.folder is not None
    there = {path.name for path in (place.folder / "blobs").iterdir()}
    assert {file_of(place, blob).name for blob in needed_of(place, "tiny/vgg16")} <= there
    assert len(there) == 4 + 2  # and the dataset and the predictions
    assert verify(place).faults == ()


def test_a_store_that_is_busy_leaves_the_job_as_it_was(
    place: QueueContext, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, before = plan_clean_up(place), needed_of(place, "tiny/vgg16")

    def busy(*_: object, **__: object) -> Blob:
        raise StoreBusy("later")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", busy)
        with pytest.raises(StoreBusy):
            clean_up(place, plan)
    assert needed_of(place, "tiny/vgg16") == before


class Killed:
    """A place whose process dies before or after its nth call to the store or the database that changes something."""

    def __init__(self, place: QueueContext, call: int) -> None:
        self._left = call
        others: dict[str, Any] = {name: _Counting(getattr(place, name), self) for name in ("database", "store")}
        self.place = replace(place, **others)

    def around(self, action: Callable[[], object]) -> object:
        self._count()
        done = action()
        self._count()
        return done

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Died


class _Counting:
    def __init__(self, real: object, killed: Killed) -> None:
        self._real, self._killed = real, killed

    def __getattr__(self, name: str) -> object:
        really = getattr(self._real, name)
        if name not in ("transact", "put", "delete"):
            return really
        return lambda *values, **options: self._killed.around(lambda: really(*values, **options))
