"""What `kaggle quota` says is taken where it can be true; any other answer, or none, is simply not live."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.providers import programs
from qcqueue.providers.base import LiveQuota
from qcqueue.providers.kaggle import PROVIDER, quota_in
from tests.end_to_end.machines import is_alive, wait_until
from tests.providers.programs import REFRESHES_AT_S, ROWS, KaggleProgram, rows

HOUR_S = 3600.0
SAID = LiveQuota(
    source="kaggle quota",
    used_s=21.43 * HOUR_S,
    left_s=8.57 * HOUR_S,
    allowed_s=30 * HOUR_S,
    refreshes_at_s=REFRESHES_AT_S,
)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KaggleProgram:
    return KaggleProgram(tmp_path / "bin", monkeypatch)


def test_the_program_is_asked_and_given_no_sign_in_of_ours(
    program: KaggleProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCQUEUE_TOKEN", "a value that is shown to nobody")
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    assert PROVIDER.quota(os.environ) == SAID
    assert program.asked is not None
    arguments, environment = program.asked
    assert arguments == ["quota", "--format", "json"]
    assert "QCQUEUE_TOKEN" not in environment
    assert environment["KAGGLE_USERNAME"] == "ada"


def test_without_the_program_nothing_is_live(tmp_path: Path) -> None:
    assert PROVIDER.quota({"PATH": str(tmp_path)}) is None
    assert PROVIDER.quota({"PATH": ""}) is None


def test_one_that_fails_says_nothing_whatever_it_prints(program: KaggleProgram) -> None:
    program.says(rows(), exit_code=1)
    assert PROVIDER.quota(os.environ) is None


def test_one_that_does_not_answer_is_not_waited_for(program: KaggleProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LIMIT_S", 0.3)
    program.says(rows(), after_s=60)
    assert PROVIDER.quota(os.environ) is None


def test_one_that_never_ends_to_print_is_neither_kept_nor_waited_for(
    program: KaggleProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LIMIT_S", 600.0)
    program.runs(
        "(here / 'pid').write_text(str(os.getpid()))\n"
        "while True:\n"
        "    try:\n"
        "        os.write(1, b'[' * 65536)\n"
        "    except OSError:\n"
        "        time.sleep(600)\n"
    )
    assert PROVIDER.quota(os.environ) is None
    assert not is_alive(int((tmp_path / "bin" / "pid").read_text()))


def test_what_it_has_started_ends_with_it(
    program: KaggleProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LIMIT_S", 2.0)
    program.runs("child = os.fork()\nif child:\n    (here / 'pid').write_text(str(child))\ntime.sleep(600)\n")
    assert PROVIDER.quota(os.environ) is None
    child = int((tmp_path / "bin" / "pid").read_text())
    wait_until(lambda: not is_alive(child))


def test_one_that_cannot_be_started_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "kaggle").write_text("no program at all")
    (tmp_path / "kaggle").chmod(0o755)
    assert PROVIDER.quota({"PATH": str(tmp_path)}) is None


def test_a_word_of_a_newer_version_may_stand_before() -> None:
    assert quota_in(b"Warning: there is a newer version [2.9]\n" + rows()) == SAID


@pytest.mark.parametrize(("said", "at_s"), [("2027-01-02T00:00:00Z", REFRESHES_AT_S), ("", None), (None, None)])
def test_a_refresh_is_in_utc_or_not_known(said: str | None, at_s: float | None) -> None:
    found = quota_in(rows(refreshAt=said))
    assert found is not None
    assert found.refreshes_at_s == at_s


@pytest.mark.parametrize(("in_days", "is_believed"), [(-8, False), (-6, True), (0, True), (34, True), (36, False)])
def test_a_refresh_that_is_long_over_or_far_ahead_is_not_believed(in_days: float, is_believed: bool) -> None:
    believed = SAID.believed(REFRESHES_AT_S - in_days * 24 * HOUR_S)
    assert believed == (SAID if is_believed else replace(SAID, refreshes_at_s=None))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"No quota information available\n",
        b"[]",
        b"[1]",
        b"[" * 10_000,
        b'{"resource": "GPU"}',
        b"\xff\xfe[",
        json.dumps([*ROWS, ROWS[0]]).encode(),
        rows() + b"[",
        rows() + b" " * (64 << 10),
        rows(used="-1h"),
        rows(used="1.5"),
        rows(used=1.5),
        rows(used="NaNh"),
        rows(used="1e3h"),
        rows(used="٣h"),
        rows(remaining="31h"),
        rows(total="0.00h", remaining="0.00h"),
        rows(total="169h"),
        rows(total=None),
        rows(refreshAt="soon"),
        rows(refreshAt=17),
        rows(refreshAt="0001-01-01T00:00:00+14:00"),
        rows(resource="TPU"),
    ],
)
def test_what_cannot_be_a_quota_is_none(said: bytes) -> None:
    assert quota_in(said) is None


@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,0123456789.hGPUresourcd\n', max_size=200).map(str.encode))
def test_whatever_it_prints_is_a_quota_or_none(said: bytes) -> None:
    found = quota_in(said)
    assert found is None or found.left_s <= found.allowed_s
