"""Locks of a name: one holder at a time, whoever removes its file and whichever qcqueue holds it."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.conformance.processes import kill_now, running
from qcqueue.stores.locks import locked

WAIT_S = 60


@pytest.fixture
def name(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


@contextmanager
def waiting_for(name: Path) -> Iterator[threading.Event]:
    """Ask for a lock beside the test; yields what tells that it was had."""
    had = threading.Event()

    def ask() -> None:
        with locked(name):
            had.set()

    asking = threading.Thread(target=ask)
    asking.start()
    yield had
    asking.join(WAIT_S)
    assert had.is_set()


def test_a_lock_is_waited_for_until_its_holder_lets_go(name: Path) -> None:
    with ExitStack() as held:
        held.enter_context(locked(name))
        with waiting_for(name) as had:
            assert not had.wait(0.1)
            held.close()


def test_an_older_qcqueue_and_this_one_keep_each_other_out(name: Path) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    with locked(name), pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with waiting_for(name) as had:
        assert not had.wait(0.1)
        os.close(descriptor)


def test_who_waited_while_the_file_was_removed_holds_the_lock_of_the_name(name: Path) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with waiting_for(name):
        name.unlink()
        os.close(descriptor)
    with locked(name):
        assert name.exists()


def test_a_lock_goes_with_its_process(name: Path) -> None:
    with running(hold_and_wait, name) as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    with locked(name):
        assert name.stat().st_mode & 0o777 == 0o600


def test_no_folder_is_made_for_a_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing" / "folder" / "a.lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def hold_and_wait(name: Path, pipe: Pipe) -> None:
    with locked(name):
        pipe.send("held")
        pipe.recv()
