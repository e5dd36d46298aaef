"""What a trainer said before it ended badly: kept in the queue, cleaned, and shown to whoever asks why."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.queues import House
from tests.end_to_end.machines import command, wait_until
from tests.end_to_end.scripted import a_scripted_house, a_session, log_lines, wait_until_it_trains

pytestmark = pytest.mark.racing

SECRET = "not-to-be-told-12345"
SAID = (
    "epoch 1\r 10 %\r 20 %\r 30 %\n\x1b[31mTraceback (most recent call last):\x1b[0m\n"
    f'  File "{Path.home()}/jobs/mine.py", line 3, in build\n    token={SECRET}\n'
    "1//0refresh-token-of-google\nKeyError: 'kernel'"
)
ENVIRONMENT = {"MY_OWN_TOKEN": SECRET}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_scripted_house(tmp_path / "house")


def test_the_end_of_a_traceback_is_kept_without_secrets_and_homes(house: House) -> None:
    with a_session(house, prints=SAID, ends=1, environment=ENVIRONMENT) as session:
        session.ended()
        logged = session.said
    why = command(house, "why", "vgg16").stdout
    assert "its trainer said last, in attempt 1:" in why
    assert "  KeyError: 'kernel'\n" in why
    whole = command(house, "log", "vgg16", "--full").stdout
    assert '  File "~/jobs/mine.py", line 3, in build' in whole
    assert "  30 %\n" in whole.replace("   30", "  30")
    asked = json.loads(command(house, "log", "vgg16", "--full", "--json").stdout)
    assert [it["attempt"] for it in asked["last_words"]][:1] == [1]
    assert (
        json.loads(command(house, "why", "vgg16", "--json").stdout)["last_words"]["lines"][-1] == "KeyError: 'kernel'"
    )
    assert "last_words" not in json.loads(command(house, "log", "vgg16", "--json").stdout)
    everything = logged + why + whole + json.dumps(log_lines(house)) + json.dumps(asked)
    for secret in (SECRET, "refresh-token-of-google", str(Path.home()), "\x1b", "\r"):
        assert secret not in everything, secret
    image = b"".join(path.read_bytes() for path in house.store.rglob("*.sqlite*"))
    assert SECRET.encode() not in image


def test_the_words_of_a_trainer_whose_session_was_killed_are_kept_by_the_next(house: House) -> None:
    with a_session(house, prints="something odd about this GPU") as session:
        wait_until_it_trains(house)
        os.killpg(session.process.pid, signal.SIGKILL)
        session.ended()
    with a_session(house, prints="quiet") as following:
        wait_until(lambda: "something odd" in command(house, "log", "vgg16", "--full").stdout)
        following.terminate()
        assert following.ended() == 20
    assert "quiet" not in command(house, "log", "vgg16", "--full").stdout  # it did as it was asked


def test_a_bug_is_told_with_the_log_that_holds_its_traceback(house: House) -> None:
    before = "import qcqueue.worker.job_states as s\ndef bug(*_): raise KeyError('oh')\ns.WatchTrainer.step = bug"
    with a_session(house, before=before) as session:
        assert session.ended() == 1
        [log] = (house.cache / "logs").glob("*.jsonl")
        assert "qcqueue: this is a bug of qcqueue" in session.said
        assert session.said.rstrip().endswith(f"please report it with the text above and the file {log}")
    failed = next(line for line in log_lines(house) if line["action"] == "session_failed")
    assert "KeyError: 'oh'" in failed["facts"]["traceback"]
    assert f"{log}, of the session that was at work here last" in command(house, "doctor").stdout
