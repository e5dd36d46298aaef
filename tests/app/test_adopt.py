"""`store adopt` as a person types it: what is lost is said first, live attempts end, and numbers only rise."""

import json
import shutil
from pathlib import Path

import pytest

from qcqueue.app.datasets import keep
from qcqueue.clock import RandomIds
from qcqueue.core.states import State
from qcqueue.database.known import ADOPT
from qcqueue.database.sqlite import RESCUE
from qcqueue.datasets.format import Split
from qcqueue.errors import DiskFailed, LeaseLost
from qcqueue.queue.attempts import check_live
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.numbers import numbers_known
from qcqueue.queue.takeover import WHY
from qcqueue.spool.reader import Spool
from qcqueue.stores.folder_slots import FolderSlots
from qcqueue.worker.session_locks import SessionLocks
from tests.app.test_shared_store import Machine
from tests.cli import queues
from tests.cli.queues import House, a_job, put, take, train
from tests.engines.worlds import a_dataset
from tests.support.contenders import chain_of

JOB = "tiny/a"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def lab(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Machine:
    """A machine with a queue of two jobs."""
    lab = Machine(tmp_path / "lab", disk, monkeypatch, capfd)
    lab.types("init")
    counts = {Split.TRAIN: 9, Split.VALIDATION: 3, Split.TEST: 3}
    keep(lab.queue, queues.DATASET, a_dataset(side_px=queues.SIDE_PX, counts=counts), dry_run=False)
    put(lab.queue, a_job("a"), a_job("b"))
    return lab


@pytest.fixture
def fresh(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path / "fresh", disk, monkeypatch, capfd)


def copied(disk: Path) -> None:
    shutil.copytree(disk, disk.with_name("backup"))


def put_back(disk: Path) -> None:
    shutil.rmtree(disk)
    shutil.copytree(disk.with_name("backup"), disk)


REFUSED = ("status", "", "show a", "log a", "why a", "plan", "hold a", "store usage", "store gc", "data list", "doctor")


def test_no_command_shows_or_changes_what_was_put_back_before_it_is_adopted(lab: Machine, disk: Path) -> None:
    copied(disk)
    lab.types("hold a")
    put_back(disk)
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    for typed in REFUSED:
        out, err = lab.types(typed, code=5)
        assert "was put back from a copy, or made anew: it shows version" in out + err, typed
        assert (out + err).endswith(f"next: {ADOPT}\n"), typed
        assert "Traceback" not in err
    out, _ = lab.types("store verify", code=5)
    assert "was put back from a copy" in out
    assert f"next: {ADOPT}" in out
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before


def test_it_says_first_what_is_lost_and_changes_nothing_until_told(lab: Machine, disk: Path) -> None:
    first = take(lab.queue, JOB)
    train(lab.queue, first, 1)
    copied(disk)
    queues.finish(lab.queue, first, train(lab.queue, first, 2, 3))
    put(lab.queue, a_job("late"))
    put_back(disk)
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    for typed in ("store adopt", "store adopt --dry-run", "store adopt --yes --dry-run"):
        out, _ = lab.types(typed)
        assert out.startswith("given up: version ")
        assert "\ngoes on:  version " in out
        assert "lost:     tiny/a: 2 epochs and its result\n" in out
        assert "lost:     tiny/late: the job itself\n" in out
        assert "ends:     attempt 1 on tiny/a; the job waits for the next session\n" in out
        assert out.endswith("nothing was changed\nnext: qcqueue store adopt --yes\n")
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before
    document = json.loads(lab.types("store adopt --json")[0])
    assert (document["adopted"], document["dry_run"]) == (False, True)
    assert {"job": "tiny/a", "is_gone": False, "epochs": 2, "result": True} in document["lost"]
    out, _ = lab.types("store adopt --yes")
    assert out.endswith(f"taken over: {lab.url} goes on\nnext: qcqueue status\n")
    assert lab.state_of(JOB) == State.QUEUED
    assert lab.types("store adopt --yes")[0] == (
        f"nothing to adopt: {lab.url} shows all that this machine has seen of it\n"
    )


def test_live_attempts_end_and_their_sessions_save_nothing_any_more(lab: Machine, fresh: Machine, disk: Path) -> None:
    held = take(lab.queue, JOB)
    copied(disk)
    train(lab.queue, held, 1)
    put_back(disk)
    elsewhere = take(fresh.queue, "tiny/b")
    lab.types("store adopt --yes")
    for attempt in (held, elsewhere):
        with pytest.raises(LeaseLost, match=WHY):
            fresh.queue.transact(lambda tx, it=attempt: check_live(tx, it))  # type: ignore[misc]
    with fresh.queue.read() as tx:
        detail = job_detail(tx, JOB)
    assert [(it.number, it.outcome, it.reason) for it in detail.attempts] == [(1, "interrupted", WHY)]
    assert detail.line.interruptions == 1


def test_what_began_after_the_store_was_taken_over_is_left_alone_by_the_next_machine(
    lab: Machine, fresh: Machine, disk: Path
) -> None:
    copied(disk)
    held = take(lab.queue, JOB)
    other = Machine(disk.with_name("other"), disk, lab._patch, lab._capfd)
    other.types("status")
    train(lab.queue, held, 1)
    put_back(disk)
    other.types("store adopt --yes")
    later = take(fresh.queue, JOB)
    assert later.attempt == 2
    out, _ = lab.types("store adopt --yes")
    assert "ends:" not in out
    fresh.queue.transact(lambda tx: check_live(tx, later))


def test_numbers_go_on_above_all_that_the_lost_queue_had_given_out(lab: Machine, disk: Path) -> None:
    queues.stop(lab.queue, take(lab.queue, JOB))
    copied(disk)
    for _ in range(3):
        queues.stop(lab.queue, take(lab.queue, JOB))
    queues.stop(lab.queue, take(lab.queue, "tiny/b"))
    put_back(disk)
    lab.types("store adopt --yes")
    assert take(lab.queue, JOB).attempt == 5
    assert take(lab.queue, "tiny/b").attempt == 2
    with lab.queue.read() as tx:
        assert numbers_known(tx) == {JOB: 5, "tiny/b": 2}


def test_numbers_of_jobs_that_are_lost_are_kept_for_when_they_come_again(lab: Machine, disk: Path) -> None:
    copied(disk)
    put(lab.queue, a_job("late"))
    queues.stop(lab.queue, take(lab.queue, "tiny/late"))
    put_back(disk)
    lab.types("store adopt --yes")
    put(lab.queue, a_job("late"))
    assert take(lab.queue, "tiny/late").attempt == 2


@pytest.mark.parametrize("is_at_work", [True, False])
def test_what_this_machine_had_not_saved_is_named_and_removed_unless_its_session_runs(
    lab: Machine, disk: Path, is_at_work: bool
) -> None:
    copied(disk)
    held = take(lab.queue, JOB)
    cache = lab.home / "cache"
    folder = cache / "spool" / f"{held.session_id}-{held.attempt}"
    (folder / "entries").mkdir(parents=True)
    (folder / "entries" / "000001.result").write_bytes(b"{}")
    assert Spool(folder).holds_unsaved()
    locks = SessionLocks(cache / "sessions")
    locks.announce(held.session_id)
    if not is_at_work:
        locks.let_go()
    foreign = cache / "spool" / "another-1"
    foreign.mkdir()
    put_back(disk)
    how = "its session will notice and leave" if is_at_work else "removed too"
    assert f"lost:     what this machine has not saved of {JOB}, attempt 1 ({how})\n" in lab.types("store adopt")[0]
    assert folder.is_dir()
    lab.types("store adopt --yes")
    assert folder.is_dir() == is_at_work
    assert foreign.is_dir()
    locks.let_go()


def test_a_machine_that_knows_nothing_and_a_queue_in_one_file_have_nothing_to_adopt(
    fresh: Machine, lab: Machine, disk: Path, tmp_path: Path, house: House
) -> None:
    copied(disk)
    lab.types("hold a")
    put_back(disk)
    assert fresh.types("store adopt --yes")[0].startswith("nothing to adopt: shared:")
    out, _ = fresh.types(f"store adopt --yes --store folder:{house.store}")
    assert out == (
        f"nothing to adopt: folder:{house.store} is one file on one machine, which goes on as it was put back\n"
    )


def test_verify_ends_with_5_on_a_fork_and_names_it(lab: Machine, fresh: Machine, disk: Path) -> None:
    slots = FolderSlots(disk, RandomIds())
    head = chain_of(slots)[-1]
    slots.create(
        "beside", b"", head.facts | {"number": "7", "before": "0" * 64, "author": "a stranger", "next": "more"}
    )
    for machine in (lab, fresh):
        out, _ = machine.types("store verify", code=5)
        assert "damaged  the database: version 7 in shared:" in out
        assert "(slot beside, by a stranger): the version before is gone" in out
        assert "next: qcqueue store adopt\n" in out
        machine.types("status")  # the queue itself is whole
    out, _ = fresh.types("store adopt")
    assert out.startswith("given up: version 7 (by a stranger)\ngoes on:  version ")
    assert "ends:" not in out
    fresh.types("store adopt --yes")
    for machine in (lab, fresh):
        machine.types("store verify")
        assert machine.types("store adopt")[0].startswith("nothing to adopt: ")


def test_what_a_branch_holds_is_said_before_it_is_given_up_and_its_sessions_save_nothing(
    lab: Machine, fresh: Machine, disk: Path
) -> None:
    held = take(lab.queue, JOB)
    copied(disk)
    lab.types("hold b")
    newest = shutil.copytree(disk, disk.with_name("newest"))
    put_back(disk)
    train(fresh.queue, held, 1, 2)
    shutil.copytree(newest, disk, dirs_exist_ok=True)
    fresh.types("hold b", code=5)
    shutil.rmtree(fresh.home / "cache")
    out, _ = lab.types("store verify", code=5)
    assert "the version before is gone" in out
    assert "lost:     tiny/a: 2 epochs\n" in lab.types("store adopt")[0]
    lab.types("store adopt --yes")
    with pytest.raises(LeaseLost, match=WHY):
        fresh.queue.transact(lambda tx: check_live(tx, held))
    assert "damaged  the database" not in lab.types("store verify --quick")[0]
    assert take(fresh.queue, JOB).attempt == 2


@pytest.mark.parametrize("name", ["../lab/../disk", "link"])
def test_a_machine_knows_a_store_again_by_another_name(lab: Machine, disk: Path, name: str) -> None:
    (lab.home / "link").symlink_to(disk)
    copied(disk)
    lab.types("hold a")
    put_back(disk)
    lab.types("status", code=5)
    lab.types(f"status --store shared:{name}", code=5)
    lab.types(f"store adopt --yes --store shared:{name}")
    lab.types(f"hold b --store shared:{name}")
    put_back(disk)
    lab.types("status", code=5)


def test_a_store_that_is_not_there_has_nothing_to_adopt_and_nothing_to_check(fresh: Machine) -> None:
    for typed in ("store adopt", "store adopt --yes", "store verify"):
        _, err = fresh.types(typed, code=4)
        assert err.startswith("qcqueue: there is no queue in "), typed
        assert err.endswith("next: qcqueue init\n"), typed


def test_init_makes_no_second_queue_where_only_the_first_version_is_gone(
    lab: Machine, fresh: Machine, disk: Path
) -> None:
    (disk / "slots" / "first").unlink()
    for machine in (lab, fresh):
        _, err = machine.types("init", code=5)
        assert "the first version in shared:" in err
        assert "put the whole store back from a copy" in err
        assert "Traceback" not in err
        out, _ = machine.types("store verify", code=5)
        assert "the first version in shared:" in out
    assert not (disk / "slots" / "first").exists()


def test_a_take_over_that_is_made_is_not_called_refused(
    lab: Machine, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(locks: SessionLocks, session_id: str) -> bool:
        raise DiskFailed("the disk of this machine failed")

    queues.stop(lab.queue, take(lab.queue, JOB))
    copied(disk)
    lab.types("hold a")
    put_back(disk)
    monkeypatch.setattr(SessionLocks, "knows", fails)
    lab.types("store adopt", code=DiskFailed.exit_code)
    lab.types("store adopt --yes")


def test_the_sentence_that_tells_people_to_put_a_store_back_says_how_to_go_on() -> None:
    assert "put the whole store back from a copy" in RESCUE
    assert ADOPT in RESCUE
