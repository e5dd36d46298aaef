"""A cache is kept within its bounds, and what is swept is nobody's: never what a live session works with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.app import sweep as module
from qcqueue.app.sweep import UNUSED_S, YOUNG_S, size_of_cache, sweep_cache
from qcqueue.engines.programs import PROGRAMS
from qcqueue.spool.files import WorkOrder, spool_folder
from qcqueue.spool.reader import Spool
from qcqueue.stores.scratch import OLD_S
from qcqueue.worker.process import TrainerProcess
from qcqueue.worker.session_locks import SESSIONS, SessionLocks
from tests.support.specs import a_spec

NOW_S = 2_000_000_000.0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for name in ("blobs", "spool", SESSIONS):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def locks(cache: Path) -> Iterator[SessionLocks]:
    locks = SessionLocks(cache / SESSIONS)
    yield locks
    locks.let_go()


def written(path: Path, *, age_s: float, size_bytes: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size_bytes)
    os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    return path


def blobs(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "blobs").iterdir())


def works_with(cache: Path, session_id: str, dataset: str) -> None:
    order = WorkOrder(
        spec=a_spec(), attempt=1, dataset_path=cache / "blobs" / dataset, weights_path=None, threads=1, max_epochs=None
    )
    Spool(spool_folder(cache, session_id, 1)).open(order)


def test_what_was_used_longest_ago_goes_first_and_only_beyond_the_bound(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        written(cache / "blobs" / f"{number}", age_s=number * 2 * YOUNG_S)
    monkeypatch.setattr(module, "BLOBS_BYTES", 500)
    sweep_cache(cache, now_s=NOW_S)
    assert blobs(cache) == ["1", "2", "3", "4", "5"]
    monkeypatch.setattr(module, "BLOBS_BYTES", 250)
    sweep_cache(cache, now_s=NOW_S)
    assert blobs(cache) == ["1", "2"]
    monkeypatch.setattr(module, "BLOBS_BYTES", 1)  # larger than all bounds, and needed most likely
    sweep_cache(cache, now_s=NOW_S)
    assert blobs(cache) == ["1"]


def test_what_a_live_session_works_with_stays_and_what_a_dead_one_did_goes(
    cache: Path, locks: SessionLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOBS_BYTES", 1)
    for name, age_s in (("old", 9e6), ("lives", 8e6), ("died", 7e6), ("young", YOUNG_S / 2), ("new", 1)):
        written(cache / "blobs" / name, age_s=age_s)
    dead = SessionLocks(cache / SESSIONS)
    locks.announce("alive")
    dead.announce("dead")
    works_with(cache, "alive", "lives")
    works_with(cache, "dead", "died")
    dead.let_go()
    sweep_cache(cache, now_s=NOW_S)
    assert blobs(cache) == ["lives", "new", "young"]


def test_an_order_that_cannot_be_read_stops_nobody(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOBS_BYTES", 1)
    for number, text in enumerate(["", "[]", "{}", '{"spec": 7}', "null"]):
        folder = cache / "spool" / f"s{number}-1"
        folder.mkdir()
        (folder / "order.json").write_text(text)
    written(cache / "blobs" / "old", age_s=9e6)
    written(cache / "blobs" / "new", age_s=1)
    sweep_cache(cache, now_s=NOW_S)
    assert blobs(cache) == ["new"]


def test_what_a_trainer_printed_goes_once_it_is_nobodys(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = cache / "python"
    waits.write_text("#!/bin/sh\nexec sleep 60\n")
    waits.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(waits))
    trainer = TrainerProcess(cache)
    trainer.get_ready()
    answer = written(cache / f"trainer-{os.getpid()}-1.answer", age_s=9e6)
    for number in (1, 2):
        written(cache / f"trainer-{number}.log", age_s=0)
        written(cache / f"trainer-{number}-1.answer", age_s=0)
        written(cache / f"trainer-{number}-1.answer.tmp", age_s=0)
    sweep_cache(cache, now_s=NOW_S)
    kept = sorted(path.name for path in cache.glob("trainer-*"))
    assert kept == sorted([answer.name, f"trainer-{os.getpid()}.log"])
    trainer.kill()
    sweep_cache(cache, now_s=NOW_S)
    assert list(cache.glob("trainer-*")) == []


def test_what_killed_commands_left_in_a_cache_goes(cache: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from qcqueue.stores.scratch import scratch_folder as made\n"
        "from qcqueue.stores.files import unfinished\n"
        "c = Path(sys.argv[1])\n"
        "q = c / 'queues' / 'q'; (q / 'nearby').mkdir(parents=True)\n"
        "with made(c, 'verify-') as v, made(c, 'fetch-') as f, unfinished(c / 'blobs') as a, unfinished(c) as b:\n"
        "    with unfinished(q) as d, unfinished(q / 'nearby') as e: os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(cache)], check=False)
    assert len(list(cache.rglob("*.tmp"))) == 6
    for name in ("machine.123", "queues/q/queue.sqlite.123", "queues/q/queue.json.77", "verify-abcdefgh"):
        written(cache / name, age_s=OLD_S + 1)
        written(cache / f"{name[:-1]}9", age_s=OLD_S - 1)
    kept = [written(cache / name, age_s=9e6) for name in ("machine", "queues/q/queue.sqlite", "machine.txt")]
    sweep_cache(cache, now_s=NOW_S)
    assert blobs(cache) == []
    left = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    young = {"machine.129", "queues/q/queue.sqlite.129", "queues/q/queue.json.79", "verify-abcdefg9"}
    assert left == young | {str(path.relative_to(cache)) for path in kept}


def test_what_is_kept_beside_a_store_goes_with_a_queue_that_nobody_uses(cache: Path) -> None:
    used = written(cache / "queues" / "used" / "nearby" / "a", age_s=2 * UNUSED_S)
    written(cache / "queues" / "used" / "queue.sqlite", age_s=UNUSED_S - 1)
    lost = written(cache / "queues" / "lost" / "nearby" / "a", age_s=2 * UNUSED_S)
    known = written(cache / "queues" / "lost" / "queue.sqlite", age_s=2 * UNUSED_S)
    os.utime(lost.parent, (0, 0))
    sweep_cache(cache, now_s=NOW_S)
    assert used.exists()
    assert known.exists()
    assert not lost.exists()


def test_the_spool_of_another_queue_waits_for_a_month_where_it_holds_anything(cache: Path) -> None:
    dead = SessionLocks(cache / SESSIONS)
    for session_id in ("empty", "unsaved", "oldest"):
        dead.announce(session_id)
        works_with(cache, session_id, "x")
        if session_id != "empty":
            (Spool(spool_folder(cache, session_id, 1)).entries_folder / "000001.result").write_bytes(b"")
        age_s = UNUSED_S + 1 if session_id == "oldest" else OLD_S + 1
        for path in [cache / "spool" / f"{session_id}-1", *(cache / "spool" / f"{session_id}-1").rglob("*")]:
            os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    dead.let_go()
    sweep_cache(cache, now_s=NOW_S)
    assert [path.name for path in (cache / "spool").iterdir()] == ["unsaved-1"]


def test_compiled_programs_go_with_the_link_to_them_once_nobody_uses_them(cache: Path) -> None:
    folder = cache / PROGRAMS
    for name, age_s in (("used", UNUSED_S - 1), ("unused", UNUSED_S + 1)):
        moment = (NOW_S - age_s, NOW_S - age_s)
        written(folder / name / "program", age_s=2 * UNUSED_S)
        os.utime(folder / name, moment)
        (folder / f"trainer-{name}").symlink_to(folder / name)
        os.utime(folder / f"trainer-{name}", moment, follow_symlinks=False)
    sweep_cache(cache, now_s=NOW_S)
    assert {path.name for path in folder.iterdir()} == {"used", "trainer-used"}


def test_the_size_of_a_cache_counts_a_file_of_two_names_once(cache: Path) -> None:
    one = written(cache / "blobs" / "one", age_s=1, size_bytes=1000)
    (cache / "blobs" / "two").hardlink_to(one)
    assert size_of_cache(cache) == 1000
    assert size_of_cache(cache / "nowhere") == 0
