"""The search for secrets finds one that was planted, and a run in which one was written fails."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canary import leaks
from tests.support.drive.accounts import CANARY

ROOT = Path(__file__).parents[1]
LIMIT_S = 60
PIECE_BYTES = 1 << 20
CARELESS = f"""
def test_that_writes_a_secret_down(tmp_path):
    (tmp_path / "session.log").write_text("signed in with 1//{CANARY}x")
"""

KEPT = (
    ("drive-token.json", 0o600),
    ("0a.upload", 0o600),
    ("0b.upload", 0o644),
    ("client.json", 0o644),
    ("client_secret_1.json", 0o600),
    ("client_secret_2.json", 0o644),
    ("token.json", 0o600),
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder whose files are gone before this suite itself is searched."""
    yield tmp_path
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()


@pytest.mark.parametrize("before", [0, 10, PIECE_BYTES - 5, PIECE_BYTES, 3 * PIECE_BYTES - 1])
def test_a_planted_secret_is_found_wherever_it_stands(before: int, place: Path) -> None:
    (place / "clean.log").write_bytes(b"x" * before)
    planted = place / "below" / "queue.sqlite"
    planted.parent.mkdir()
    planted.write_bytes(b"x" * before + CANARY.encode() + b"x")
    assert leaks(place) == [planted]


def test_only_what_a_person_keeps_for_themselves_may_hold_one(place: Path) -> None:
    for name, mode in KEPT:
        path = place / name
        path.write_text(CANARY)
        path.chmod(mode)
    assert leaks(place) == [
        *(place / name for name in ("0b.upload", "client.json", "client_secret_2.json", "token.json"))
    ]


def test_a_run_that_wrote_one_fails_and_names_the_file(place: Path) -> None:
    careless = place / "test_careless.py"
    careless.write_text(CARELESS)
    searching = ["-p", "tests.conftest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *searching, "--rootdir", place, "--basetemp", place / "base", careless],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert f"a secret was written to {place}/base/test_that_writes_a_secret_down0/session.log" in done.stdout
