"""`scripts/research`: our policy beside others and a clairvoyant, on one screen or as one document."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns.command import main

Answer = Callable[..., str]
SIX = str(Path(__file__).parents[2] / "jobs" / "six-models.toml")
FEW = ("--seeds", "4")


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a queue."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def answer(capfd: pytest.CaptureFixture[str]) -> Answer:
    def ask(*typed: str) -> str:
        capfd.readouterr()
        code = main([SIX, *typed])
        out, err = capfd.readouterr()
        assert (code, err) == (0, "")
        return out

    return ask


def test_every_policy_is_shown_beside_the_clairvoyant(outside: Path, answer: Answer) -> None:
    said = answer(*FEW)
    for name in ("qcqueue", "one-job", "fifo", "longest", "round-robin", "day-restart", "script-10", "clairvoyant"):
        assert sum(line.startswith(name) for line in said.splitlines()) >= 3, name
    assert list(outside.iterdir()) == []


def test_the_document_says_what_nobody_can_do_better(answer: Answer) -> None:
    found: dict[str, Any] = json.loads(answer("--law", "fixed", "--json"))
    ours = next(policy for policy in found["policies"] if policy["name"] == "qcqueue")
    assert ours["extra_sessions"] == {"mean": 0, "margin": 0, "worst": 0}
    assert found["clairvoyant"]["sessions"]["mean"] == ours["sessions"]["mean"] == 3
    assert found["clairvoyant"]["all_s"]["mean"] <= ours["all_s"]["mean"]
    assert ours["goodput"]["mean"] < found["best_goodput"] < 0.98


def test_a_trace_is_simulated_from_a_file(outside: Path, answer: Answer) -> None:
    (outside / "mine.csv").write_text("0,7200\n90000,3600\n")
    said = answer("--trace", "mine.csv", "--policy", "qcqueue", *FEW)
    assert "sessions (trace): the 2 sessions of mine.csv, from any of them on, again and again" in said


def test_what_is_never_done_is_said_to_take_at_least_so_long(outside: Path, answer: Answer) -> None:
    (outside / "short.csv").write_text("0,1800\n86400,1800\n")
    said = answer("--trace", "short.csv", "--policy", "day-restart", *FEW)
    assert "day-restart: 4 campaigns of 4 not done after 400 sessions" in said
    assert "≥" in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--policy", "roundrobin"), "did you mean round-robin?"),
        (("--law", "exponentail"), "did you mean exponential?"),
        (("--trace", "none.csv"), "none.csv cannot be read: No such file or directory"),
    ],
)
def test_what_is_refused_is_named(typed: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([SIX, *typed]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert err.splitlines()[-1].startswith("next: ")
