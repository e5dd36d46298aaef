"""Proof that a process is gone comes from the kernel: dead is gone, asleep is not, unknown is not."""

import os
import signal
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.conformance.processes import kill_now, running
from qcqueue.conformance.stores import HOSTILE_NAMES
from qcqueue.worker.session_locks import NOT_YET, SessionLocks


@pytest.fixture
def presence(tmp_path: Path) -> SessionLocks:
    return SessionLocks(tmp_path / "presence")


def test_a_session_nobody_announced_is_not_known_to_be_gone(presence: SessionLocks) -> None:
    assert presence.inherit() == set()


def test_a_session_of_this_process_is_not_gone(presence: SessionLocks, tmp_path: Path) -> None:
    presence.announce("mine")
    assert presence.inherit() == set()
    assert SessionLocks(tmp_path / "presence").inherit() == set()
    presence.leave("mine")


def test_a_session_that_left_is_not_gone_but_forgotten(presence: SessionLocks) -> None:
    presence.announce("mine")
    presence.leave("mine")
    presence.leave("mine")
    assert presence.inherit() == set()


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_of_a_session_with_a_name_that_leads_elsewhere_nothing_is_known(
    presence: SessionLocks, tmp_path: Path, name: str
) -> None:
    presence.announce("mine")
    (tmp_path / "x").write_bytes(b"")
    assert not presence.knows(name)
    assert presence.is_alive(name) is None
    presence.leave("mine")


def test_a_living_process_is_not_gone_however_often_one_asks(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (_, pipe):
        pipe.recv()
        assert not any(presence.inherit() for _ in range(5))


def test_a_killed_process_is_gone_at_once(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert presence.inherit() == {"theirs"}


def test_a_process_that_ended_without_leaving_is_gone(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        pipe.send("end")
        process.join()
    assert presence.inherit() == {"theirs"}


def test_a_frozen_process_is_not_gone(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        assert presence.inherit() == set()
        os.kill(process.pid, signal.SIGCONT)
        assert presence.inherit() == set()


def test_a_dead_session_that_was_tidied_away_is_not_found_again(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert presence.inherit() == {"theirs"}
    presence.leave("theirs")
    assert SessionLocks(tmp_path / "presence").inherit() == presence.inherit() == set()


def test_a_dead_session_has_one_heir_at_a_time(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    rival = SessionLocks(tmp_path / "presence")
    assert presence.inherit() == {"theirs"}
    assert rival.inherit() == set()
    assert presence.inherit() == {"theirs"}
    presence.disown("theirs")
    assert rival.inherit() == {"theirs"}
    rival.let_go()
    assert presence.inherit() == {"theirs"}


def test_who_lets_go_looks_dead_to_everybody(presence: SessionLocks, tmp_path: Path) -> None:
    presence.announce("mine")
    presence.let_go()
    assert SessionLocks(tmp_path / "presence").inherit() == {"mine"}


def test_to_ask_whether_a_session_lives_takes_nothing_over(presence: SessionLocks, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "s1") as (process, pipe):
        pipe.recv()
        assert presence.is_alive("s1") is True
        kill_now(process, pipe)
    assert [presence.is_alive("s1"), SessionLocks(tmp_path / "presence").is_alive("s1")] == [False, False]
    assert presence.inherit() == {"s1"}


def test_where_no_lock_tells_nobody_knows_whether_a_session_lives(presence: SessionLocks, tmp_path: Path) -> None:
    assert presence.is_alive("s1") is None
    (tmp_path / "presence").mkdir()
    (tmp_path / "presence" / "s2").symlink_to(tmp_path / "presence" / "s2")
    assert presence.is_alive("s2") is None


def test_whoever_looks_all_the_time_keeps_nobody_from_inheriting(presence: SessionLocks, tmp_path: Path) -> None:
    presence.announce("theirs")
    presence.let_go()
    with running(look_and_look, tmp_path / "presence", "theirs") as (_, pipe):
        pipe.recv()
        for _ in range(200):
            assert presence.inherit() == {"theirs"}
            presence.disown("theirs")
        pipe.send("enough")
        assert pipe.recv() > 0


def test_a_session_that_is_about_to_announce_itself_is_not_gone(presence: SessionLocks, tmp_path: Path) -> None:
    presence.announce("mine")
    (tmp_path / "presence" / f"theirs{NOT_YET}").touch()
    assert presence.inherit() == set()
    assert sorted(path.name for path in (tmp_path / "presence").iterdir()) == ["mine"]  # it died before it was anybody


def test_who_announces_itself_is_not_tidied_away_meanwhile(tmp_path: Path) -> None:
    with running(tidy_and_tidy, tmp_path / "presence") as (_, pipe):
        pipe.recv()
        for number in range(200):
            presence = SessionLocks(tmp_path / "presence")
            presence.announce(f"s{number}")
            assert presence.knows(f"s{number}")
            presence.leave(f"s{number}")
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


def announce_and_wait(folder: Path, session_id: str, pipe: Pipe) -> None:
    SessionLocks(folder).announce(session_id)
    pipe.send("announced")
    pipe.recv()


def look_and_look(folder: Path, session_id: str, pipe: Pipe) -> None:
    presence, looks = SessionLocks(folder), 0
    pipe.send("looks")
    while not pipe.poll():
        looks += presence.is_alive(session_id) is not None
    pipe.send(looks)


def tidy_and_tidy(folder: Path, pipe: Pipe) -> None:
    presence, found = SessionLocks(folder), set[str]()
    pipe.send("tidies")
    while not pipe.poll():
        found |= presence.inherit()
    pipe.send(found)
