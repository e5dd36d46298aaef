"""What ends a session from outside: a closed terminal, a scheduler, Ctrl-C twice, the plug; what each leaves, says."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qcqueue.spool.reader import Spool
from tests.cli.queues import House
from tests.end_to_end.machines import children, command, environment_of, job, kill_group, outcomes, wait_until
from tests.end_to_end.scripted import (
    a_scripted_house,
    a_session,
    begins_with,
    log_lines,
    trainer_does,
    wait_until_it_trains,
)

pytestmark = pytest.mark.racing


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_scripted_house(tmp_path / "house")


def steps_done(house: House) -> int:
    """Return how many steps of the job are saved."""
    newest = job(house)["checkpoints"][-1]
    return int(newest["epochs_done"] * 8 + newest["steps_done"])


def trained(house: House) -> int:
    """Return how many steps some trainer has begun."""
    found = [Spool(folder).progress.read() for folder in (house.cache / "spool").glob("*")]
    return max((it.epoch - 1) * 8 + it.step for it in found if it)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (signal.SIGHUP, "asked to stop by SIGHUP: the terminal was closed"),
        (signal.SIGUSR1, "asked to stop by SIGUSR1: a scheduler gives notice"),
        (signal.SIGUSR2, "asked to stop by SIGUSR2: a scheduler gives notice"),
        (signal.SIGTERM, "asked to stop by SIGTERM: the system or a scheduler ends it"),
    ],
)
def test_a_signal_to_the_group_saves_everything_and_the_story_names_it(
    house: House, number: signal.Signals, why: str
) -> None:
    with a_session(house) as session:
        wait_until_it_trains(house)
        [trainer] = children(session.process.pid)
        os.kill(trainer, number)  # to the trainer alone it says nothing
        before = trained(house)
        wait_until(lambda: trained(house) > before + 2)
        before = trained(house)
        os.killpg(session.process.pid, number)
        assert session.ended() == 20
        assert f"{why}; saving and leaving" in session.said
        assert "Traceback" not in session.said
    assert steps_done(house) >= before
    assert outcomes(house) == ["stopped"]
    assert job(house)["history"][-1]["why"] == why
    assert [line["message"] for line in log_lines(house) if line["action"] == "asked_to_stop"] == [why]


def test_who_has_ignored_a_closed_terminal_works_on(house: House) -> None:
    with a_session(house, ignored=True) as session:
        wait_until_it_trains(house)
        os.killpg(session.process.pid, signal.SIGHUP)
        before = trained(house)
        wait_until(lambda: trained(house) > before + 5)
        session.terminate()
        assert session.ended() == 20


def test_nothing_is_lost_with_a_terminal_that_is_closed(house: House) -> None:
    program = f"{begins_with(house)}\nfrom qcqueue.__main__ import main\nmain()\n"
    here, there = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", sys.executable, "-c", program, "work"],
        cwd=house.folder,
        env=environment_of(house) | trainer_does(),
        stdin=there,
        stdout=there,
        stderr=there,
    )
    try:
        os.close(there)
        wait_until_it_trains(house)
        before = trained(house)
        os.close(here)  # who reads and writes there is told by SIGHUP, and cannot say anything any more
        assert process.wait(60) == 20
    finally:
        kill_group(process)
    assert steps_done(house) >= before
    assert job(house)["history"][-1]["why"] == "asked to stop by SIGHUP: the terminal was closed"


def test_a_second_interrupt_leaves_at_once_and_everybody_says_so(house: House) -> None:
    # Its trainer does not hear that it should stop, so the session would wait for it.
    with a_session(house, before="import qcqueue.spool.reader as s; s.Spool.ask_to_stop = lambda self: None") as it:
        wait_until_it_trains(house)
        it.interrupt()
        wait_until(lambda: "saving and leaving; Ctrl-C again leaves at once" in it.said)
        it.interrupt()
        assert it.ended() == 130
        assert it.said.splitlines()[-1] == "qcqueue: left at once, by Ctrl-C again; everything saved so far is safe"
        assert "Traceback" not in it.said
    last = log_lines(house)[-1]
    assert (last["action"], last["message"]) == ("session_abandoned", "its session was left at once, by Ctrl-C again")
    with a_session(house, "--max-epochs", "1") as following:
        following.ended()
    interrupted = next(line for line in job(house)["history"] if line["what"] == "interrupted")
    assert interrupted["why"] == "its session was left at once, by Ctrl-C again"


def test_a_killed_session_looks_dead_at_once_and_is_taken_over(house: House) -> None:
    with a_session(house) as session:
        wait_until_it_trains(house)
        assert job(house)["state"] == "running"
        os.killpg(session.process.pid, signal.SIGSTOP)  # asleep is not dead
        asleep = job(house)
        assert (asleep["state"], "left_by" in asleep) == ("running", False)
        os.killpg(session.process.pid, signal.SIGKILL)
        session.ended()
        dead = job(house)
        assert (dead["state"], dead["session"]) == ("queued", None)
        said = command(house, "status").stdout
        assert f"small/vgg16 was left by session {dead['left_by']}, whose process is gone; qcqueue work goes on" in said
        assert " running " not in said
        why = command(house, "why", "vgg16").stdout
        assert f"small/vgg16 was left by session {dead['left_by']} on " in why
        assert "The process of that session is gone, so the next one on this machine takes the job over at once" in why
        assert why.rstrip().endswith("next: qcqueue work")
        screen = command(house).stdout
        assert "small/vgg16 was left by a session that vanished" in screen
        assert "next: qcqueue work" in screen
    with a_session(house) as following:
        wait_until(lambda: outcomes(house)[0] == "interrupted")
        following.terminate()
        assert following.ended() == 20
    assert job(house)["interruptions"] == 1


# Sends itself a signal as soon as a module is looked for.
SIGNALLED = """
import os
class Signals:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number:d})
sys.meta_path.insert(0, Signals())
"""


@pytest.mark.parametrize(
    ("module", "number", "exit_code"),
    [
        ("qcqueue.cli.main", signal.SIGTERM, 20),
        ("qcqueue.cli.main", signal.SIGINT, 130),
        ("qcqueue.cli.work", signal.SIGHUP, 20),
        ("qcqueue.cli.work", signal.SIGINT, 130),
        ("qcqueue.app.work", signal.SIGUSR2, 20),
        ("qcqueue.app.work", signal.SIGINT, 130),
    ],
)
def test_who_is_asked_to_leave_while_the_program_is_read_has_begun_nothing(
    house: House, module: str, number: signal.Signals, exit_code: int
) -> None:
    with a_session(house, before=SIGNALLED.format(module=module, number=number), fresh=True) as session:
        assert session.ended() == exit_code
    [said] = session.said.splitlines()
    assert "stopped by Ctrl-C" in said if number == signal.SIGINT else number.name in said
    assert outcomes(house) == []
