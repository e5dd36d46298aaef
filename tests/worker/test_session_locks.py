"""Proof that a process is gone comes from the kernel: dead is gone, asleep is not, unknown is not."""

import os
import signal
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.conformance.processes import kill_now, running
from qcqueue.conformance.stores import HOSTILE_NAMES
from qcqueue.worker import session_locks
from qcqueue.worker.session_locks import NOT_YET, SessionLocks

pytestmark = pytest.mark.racing


@pytest.fixture
def locks(tmp_path: Path) -> SessionLocks:
    return SessionLocks(tmp_path / "locks")


def test_a_session_nobody_announced_is_not_known_to_be_gone(locks: SessionLocks) -> None:
    assert locks.inherit() == set()


def test_a_session_of_this_process_is_not_gone(locks: SessionLocks, tmp_path: Path) -> None:
    locks.announce("mine")
    assert locks.inherit() == set()
    assert SessionLocks(tmp_path / "locks").inherit() == set()
    locks.leave("mine")


def test_a_session_that_left_is_not_gone_but_forgotten(locks: SessionLocks) -> None:
    locks.announce("mine")
    locks.leave("mine")
    locks.leave("mine")
    assert locks.inherit() == set()


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_of_a_session_with_a_name_that_leads_elsewhere_nothing_is_known(
    locks: SessionLocks, tmp_path: Path, name: str
) -> None:
    locks.announce("mine")
    (tmp_path / "x").write_bytes(b"")
    assert not locks.knows(name)
    assert locks.is_alive(name) is None
    locks.leave("mine")


def test_a_living_process_is_not_gone_however_often_one_asks(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "theirs") as (_, pipe):
        pipe.recv()
        assert not any(locks.inherit() for _ in range(5))


def test_a_killed_process_is_gone_at_once(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert locks.inherit() == {"theirs"}


def test_a_process_that_ended_without_leaving_is_gone(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "theirs") as (process, pipe):
        pipe.recv()
        pipe.send("end")
        process.join()
    assert locks.inherit() == {"theirs"}


def test_a_frozen_process_is_not_gone(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "theirs") as (process, pipe):
        pipe.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        assert locks.inherit() == set()
        os.kill(process.pid, signal.SIGCONT)
        assert locks.inherit() == set()


def test_a_dead_session_that_was_tidied_away_is_not_found_again(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert locks.inherit() == {"theirs"}
    locks.leave("theirs")
    assert SessionLocks(tmp_path / "locks").inherit() == locks.inherit() == set()


def test_a_dead_session_has_one_heir_at_a_time(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    rival = SessionLocks(tmp_path / "locks")
    assert locks.inherit() == {"theirs"}
    assert rival.inherit() == set()
    assert locks.inherit() == {"theirs"}
    locks.disown("theirs")
    assert rival.inherit() == {"theirs"}
    rival.let_go()
    assert locks.inherit() == {"theirs"}


def test_who_lets_go_looks_dead_to_everybody(locks: SessionLocks, tmp_path: Path) -> None:
    locks.announce("mine")
    locks.let_go()
    assert SessionLocks(tmp_path / "locks").inherit() == {"mine"}


def test_to_ask_whether_a_session_lives_takes_nothing_over(locks: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "locks", "s1") as (process, pipe):
        pipe.recv()
        assert locks.is_alive("s1") is True
        kill_now(process, pipe)
    assert [locks.is_alive("s1"), SessionLocks(tmp_path / "locks").is_alive("s1")] == [False, False]
    assert locks.inherit() == {"s1"}


def test_where_no_lock_tells_nobody_knows_whether_a_session_lives(locks: SessionLocks, tmp_path: Path) -> None:
    assert locks.is_alive("s1") is None
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "s2").symlink_to(tmp_path / "locks" / "s2")
    assert locks.is_alive("s2") is None


def test_whoever_looks_all_the_time_keeps_nobody_from_inheriting(locks: SessionLocks, tmp_path: Path) -> None:
    locks.announce("theirs")
    locks.let_go()
    with running(look_and_look, tmp_path / "locks", "theirs") as (_, pipe):
        looks = 0
        while not looks:  # until there was one among them, however late the other process had its turn
            pipe.recv()
            for _ in range(200):
                assert locks.inherit() == {"theirs"}
                locks.disown("theirs")
            pipe.send("how many?")
            looks = pipe.recv()


def test_a_session_that_is_about_to_announce_itself_is_not_gone(locks: SessionLocks, tmp_path: Path) -> None:
    locks.announce("mine")
    (tmp_path / "locks" / f"theirs{NOT_YET}").touch()
    assert locks.inherit() == set()
    assert sorted(path.name for path in (tmp_path / "locks").iterdir()) == ["mine"]  # it died before it was anybody


def test_who_announces_itself_is_not_tidied_away_meanwhile(tmp_path: Path) -> None:
    with running(tidy_and_tidy, tmp_path / "locks") as (_, pipe):
        pipe.recv()
        for number in range(200):
            locks = SessionLocks(tmp_path / "locks")
            locks.announce(f"s{number}")
            assert locks.knows(f"s{number}")
            locks.leave(f"s{number}")
        pipe.send("enough")
        assert pipe.recv() == set()


def test_a_dead_session_tells_whether_the_machine_was_down_since(tmp_path: Path) -> None:
    dying = SessionLocks(tmp_path, boot_id="this boot")
    dying.announce("theirs")
    dying.let_go()
    neighbour = SessionLocks(tmp_path, boot_id="this boot")
    assert neighbour.inherit() == {"theirs"}
    assert neighbour.died_since_boot("theirs")
    neighbour.let_go()
    later = SessionLocks(tmp_path, boot_id="the next boot")
    assert later.inherit() == {"theirs"}
    assert not later.died_since_boot("theirs")


@pytest.mark.parametrize(
    ("mac", "said"),
    [
        (("sh", "-c", "echo 5C0FFEE0-1234"), "5C0FFEE0-1234"),
        (("sh", "-c", "echo unknown oid >&2; exit 1"), "unknown"),
        (("/nowhere/sysctl",), "unknown"),
    ],
)
def test_a_boot_of_a_mac_has_the_name_that_its_kernel_gives(
    mac: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_locks, "_OF_LINUX", tmp_path / "no proc")
    monkeypatch.setattr(session_locks, "_OF_MACOS", mac)
    assert session_locks.boot_id() == said


def announce_and_wait(folder: Path, session_id: str, pipe: Pipe) -> None:
    SessionLocks(folder).announce(session_id)
    pipe.send("announced")
    pipe.recv()


def look_and_look(folder: Path, session_id: str, pipe: Pipe) -> None:
    locks = SessionLocks(folder)
    while True:
        looks = 0
        pipe.send("looks")
        while not pipe.poll():
            looks += locks.is_alive(session_id) is not None
        pipe.recv()
        pipe.send(looks)


def tidy_and_tidy(folder: Path, pipe: Pipe) -> None:
    locks, found = SessionLocks(folder), set[str]()
    pipe.send("tidies")
    while not pipe.poll():
        found |= locks.inherit()
    pipe.send(found)
