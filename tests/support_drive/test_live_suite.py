"""The tests that ask the real Google Drive are sound: against the emulator all pass that need no person."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from tests.support.drive.accounts import CANARY, App, User
from tests.support.drive.choices import Choices
from tests.support.drive.drives import Drive
from tests.support.drive.emulator import DriveEmulator

ROOT = Path(__file__).parents[2]
LIMIT_S = 120
QUESTIONS = 23
ASK_A_PERSON = 2
TAKE_TIME = 4
MONTH_S = 31 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Stage:
    """An emulator with somebody who made every sign-in the tests can use, as their environment."""

    emulator: DriveEmulator
    people: tuple[User, User]
    environment: dict[str, str]


@contextmanager
def stage(choices: Choices | None = None) -> Iterator[Stage]:
    app = App(name="qcqueue")
    with DriveEmulator(SystemClock(), choices=choices) as emulator:
        ada, bob = emulator.user("ada@example.com"), emulator.user("bob@example.com")

        def grant(label: str, user: User, app: App) -> str:
            return json.dumps(emulator.sign_in(label, user, app).stored(emulator.url))

        environment = {
            "QCQUEUE_DRIVE_ENDPOINT": f"{emulator.url}/",
            "QCQUEUE_LIVE_TOKEN": grant("laptop", ada, app),
            "QCQUEUE_LIVE_TOKEN_TV": grant("colab", ada, app),
            "QCQUEUE_LIVE_TOKEN_OTHER_PROJECT": grant("other project", ada, App(name="another")),
            "QCQUEUE_LIVE_TOKEN_OTHER_ACCOUNT": grant("other account", bob, app),
        }
        yield Stage(emulator, (ada, bob), environment)


def run_live(folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run the live tests in a process of their own; return its exit code and what it says, which is no secret."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("QCQUEUE_")}
    small = {"QCQUEUE_LIVE_SAMPLES": "3", "QCQUEUE_LIVE_MB": "6", "QCQUEUE_LIVE_STATE": str(folder / "state.json")}
    alone = ["-m", "live", "-p", "no:xdist", "-p", "no:cacheprovider", "--basetemp", str(folder / "base")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *alone, "tests/live"],
        cwd=ROOT,
        env=clean | small | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert CANARY not in said
    return done.returncode, said


def counted(passed: int, skipped: int) -> str:
    return f"{passed} passed, {skipped} skipped"


@pytest.mark.long
@pytest.mark.parametrize("choices", [Choices(), Choices(conflict_at_end=True, deleted_ids_are_free=False)])
def test_every_question_a_test_can_answer_is_answered_and_nothing_is_left_behind(
    choices: Choices, tmp_path: Path
) -> None:
    with stage(choices) as google:
        code, said = run_live(tmp_path, google.environment)
        assert code == 0, said
        assert counted(QUESTIONS - ASK_A_PERSON - TAKE_TIME, ASK_A_PERSON + TAKE_TIME) in said
        where = "with the last chunk" if choices.conflict_at_end else "when the upload begins"
        assert f"409 comes {where}" in said
        for person in google.people:
            assert google.emulator.owner(person).files() == []


@pytest.mark.long
def test_what_takes_a_month_is_answered_by_a_later_run(tmp_path: Path) -> None:
    with stage() as google:
        run_live(tmp_path, google.environment)
        state = tmp_path / "state.json"
        notes = json.loads(state.read_text())
        assert len(notes) == TAKE_TIME
        for note in notes.values():
            note["at_s"] -= MONTH_S
        state.write_text(json.dumps(notes))
        code, said = run_live(tmp_path, google.environment)
        assert code == 0, said
        assert counted(QUESTIONS - ASK_A_PERSON, ASK_A_PERSON) in said
        assert "after 31 days it is inserted as if it were new" in said


@pytest.mark.long
def test_what_a_person_saw_is_told_with_the_rest(tmp_path: Path) -> None:
    with stage() as google:
        told = {"QCQUEUE_LIVE_MOUNT": "the mount shows the folder", "QCQUEUE_LIVE_CODE_IN_COLAB": "it worked"}
        code, said = run_live(tmp_path, google.environment | told)
        assert code == 0, said
        assert "what a mounted drive and the api see of each other: the mount shows the folder" in said


@pytest.mark.long
def test_a_drive_that_lets_an_id_be_inserted_twice_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Drive, "check_free", lambda drive, file_id: None)
    with stage() as google:
        code, said = run_live(tmp_path, google.environment)
    assert code == pytest.ExitCode.TESTS_FAILED
    for question in ("an_id_is_inserted_once", "of_two_uploads_in_chunks_of_one_id_one_ends", "stays_taken_in_the_bin"):
        assert question in said.partition("short test summary")[2]


def test_without_a_sign_in_nothing_is_asked(tmp_path: Path) -> None:
    code, said = run_live(tmp_path, {})
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "asks the real Google Drive; CONTRIBUTING.md says how" in said
