"""Proof that a process is gone comes from the kernel: dead is gone, asleep is not, unknown is not."""

import os
import signal
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.testing.conformance import kill_now, running
from qcqueue.worker.presence import NOT_YET, Presence


@pytest.fixture
def presence(tmp_path: Path) -> Presence:
    return Presence(tmp_path / "presence")


def test_a_session_nobody_announced_is_not_known_to_be_gone(presence: Presence) -> None:
    assert not presence.is_gone("never")
    assert list(presence.gone()) == []


def test_a_session_of_this_process_is_not_gone(presence: Presence) -> None:
    presence.announce("mine")
    assert not presence.is_gone("mine")
    presence.leave("mine")


def test_a_session_that_left_is_not_gone_but_forgotten(presence: Presence) -> None:
    presence.announce("mine")
    presence.leave("mine")
    presence.leave("mine")
    assert not presence.is_gone("mine")
    assert list(presence.gone()) == []


def test_a_living_process_is_not_gone_however_often_one_asks(presence: Presence, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (_, pipe):
        pipe.recv()
        assert not any(presence.is_gone("theirs") for _ in range(5))
        assert list(presence.gone()) == []


def test_a_killed_process_is_gone_at_once(presence: Presence, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert presence.is_gone("theirs")
    assert list(presence.gone()) == ["theirs"]


def test_a_process_that_ended_without_leaving_is_gone(presence: Presence, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        pipe.send("end")
        process.join()
    assert presence.is_gone("theirs")


def test_a_frozen_process_is_not_gone(presence: Presence, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        assert not presence.is_gone("theirs")
        os.kill(process.pid, signal.SIGCONT)
        assert not presence.is_gone("theirs")


def test_a_dead_session_that_was_tidied_away_is_not_found_again(presence: Presence, tmp_path: Path) -> None:
    with running(announce_and_wait, tmp_path / "presence", "theirs") as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    presence.leave("theirs")
    assert list(presence.gone()) == []


def test_a_session_that_is_about_to_announce_itself_is_not_gone(presence: Presence, tmp_path: Path) -> None:
    presence.announce("mine")
    (tmp_path / "presence" / f"theirs{NOT_YET}").touch()
    assert list(presence.gone()) == []


def test_asking_does_not_take_the_lock_away(presence: Presence, tmp_path: Path) -> None:
    presence.announce("mine")
    assert not Presence(tmp_path / "presence").is_gone("mine")
    assert not Presence(tmp_path / "presence").is_gone("mine")


def announce_and_wait(folder: Path, session_id: str, pipe: Pipe) -> None:
    Presence(folder).announce(session_id)
    pipe.send("announced")
    pipe.recv()
