"""Kaggle's own calls: its secrets are shown nowhere, and a session knows how old its machine is and when to leave."""

from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.profile import provider_here
from qcqueue.app.work import new_session
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.quantiles import Basis
from qcqueue.providers import kaggle
from qcqueue.providers.base import Allowance
from qcqueue.providers.kaggle import PROVIDER
from qcqueue.providers.registry import profile
from qcqueue.worker import machine
from qcqueue.worker.budget import Limits
from tests.cli.queues import an_empty_house
from tests.notebook.test_visit import QuickClock
from tests.providers.homes import BackendError, KaggleHome
from tests.providers.programs import KaggleProgram

ROOT = Path(__file__).parents[2]
VALUE = "a value that is told to nobody"
HOUR_S = 3600.0


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> KaggleHome:
    return KaggleHome(monkeypatch)


def test_kaggle_is_known_by_its_environment() -> None:
    assert provider_here({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}) is PROVIDER


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (BackendError(VALUE), "Kaggle did not hand over its secrets (BackendError)"),
        (
            ConnectionError(VALUE),
            "Kaggle did not hand over its secrets (ConnectionError): turn on Session options > Internet",
        ),
    ],
)
def test_a_secret_that_is_kept_back_is_one_sentence(home: KaggleHome, problem: Exception, sentence: str) -> None:
    said: list[str] = []
    home.keep("QCQUEUE_TOKEN", VALUE)
    home.fail(problem)
    assert PROVIDER.secret("QCQUEUE_TOKEN", say=said.append) is None
    assert said == [sentence]


@pytest.mark.parametrize("found", ["", None, 3, b"x"])
def test_what_is_no_secret_is_none(home: KaggleHome, found: object) -> None:
    home.kept["QCQUEUE_TOKEN"] = found  # type: ignore[assignment]
    assert PROVIDER.secret("QCQUEUE_TOKEN", say=lambda line: None) is None


def on_a_machine(folder: Path, monkeypatch: pytest.MonkeyPatch, *, booted_s: int, ticks: object) -> None:
    """Have this machine say when its kernel and its first process began."""
    (folder / "1").mkdir(parents=True)
    (folder / "stat").write_text(f"cpu  1 2 3\nbtime {booted_s}\nprocesses 9\n")
    (folder / "1" / "stat").write_text(f"1 (a ) name) S {'0 ' * 18}{ticks} 0\n")
    monkeypatch.setattr(kaggle, "PROC", folder)
    monkeypatch.setattr("os.sysconf", lambda name: 100)


def test_a_machine_is_as_old_as_its_first_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine(tmp_path, monkeypatch, booted_s=1_700_000_000, ticks=12_345)
    assert PROVIDER.began_at_s({}) == 1_700_000_123.45


@pytest.mark.parametrize("ticks", ["", "soon"])
def test_where_the_system_does_not_say_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticks: str
) -> None:
    on_a_machine(tmp_path, monkeypatch, booted_s=1_700_000_000, ticks=ticks)
    (tmp_path / "stat").write_text("")
    assert PROVIDER.began_at_s({}) is None


def test_a_session_leaves_when_its_machine_is_as_old_as_sessions_live_and_says_by_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = QuickClock()
    queue = replace(an_empty_house(tmp_path).queue, clock=clock)
    on_a_machine(tmp_path / "proc", monkeypatch, booted_s=int(clock.now_s() - 8 * HOUR_S), ticks=0)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    said: list[str] = []
    session = new_session(queue, Limits(), profile=profile("kaggle"), narrate=said.append)
    assert session.budget.limits.promised_minutes == pytest.approx(60, abs=1)
    assert any("as sessions of kaggle live 9 h 00 min to 12 h 00 min, likely 9 h 00 min (profile)" in it for it in said)
    clock.later_s = HOUR_S + 60
    while session.step() is not None:
        pass
    assert session.ending is SessionEnd.LIMIT


def test_a_machine_that_has_outlived_the_likely_end_is_promised_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = QuickClock()
    queue = replace(an_empty_house(tmp_path).queue, clock=clock)
    on_a_machine(tmp_path / "proc", monkeypatch, booted_s=int(clock.now_s() - 10 * HOUR_S), ticks=0)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    said: list[str] = []
    session = new_session(queue, Limits(), profile=profile("kaggle"), narrate=said.append)
    assert session.budget.limits.promised_minutes is None
    assert not any("leaves by" in it for it in said)
    assert session.deps.machine_age_s == pytest.approx(10 * HOUR_S, abs=60)


@pytest.mark.parametrize("age_h", [13, -1])
def test_what_cannot_be_the_age_of_a_session_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_h: int
) -> None:
    clock = QuickClock()
    queue = replace(an_empty_house(tmp_path).queue, clock=clock)
    on_a_machine(tmp_path / "proc", monkeypatch, booted_s=int(clock.now_s() - age_h * HOUR_S), ticks=0)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    session = new_session(queue, Limits(), profile=profile("kaggle"), narrate=lambda line: None)
    assert (session.deps.machine_age_s, session.budget.limits.promised_minutes) == (None, None)


def test_a_session_with_a_gpu_plans_by_what_kaggle_says_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = an_empty_house(tmp_path).queue
    program = KaggleProgram(tmp_path / "bin", monkeypatch)
    new_session(queue, Limits(), profile=profile("kaggle"), narrate=lambda line: None)
    assert program.asked is None
    (tmp_path / "gpus" / "0").mkdir(parents=True)
    (tmp_path / "gpus" / "0" / "information").write_text("Model: Tesla T4\n")
    monkeypatch.setattr(machine, "CARDS", tmp_path / "gpus")
    session = new_session(queue, Limits(), profile=profile("kaggle"), narrate=lambda line: None)
    while session.step() is not None:
        pass
    ranking = session.chooser.ranking
    assert ranking is not None
    assert ranking.stats.quota.left_because.basis is Basis.LIVE
    assert ranking.stats.account().allowance == Allowance(
        allowed_s=30 * HOUR_S, period_s=168 * HOUR_S, basis=Basis.LIVE
    )


def test_one_module_speaks_to_kaggle() -> None:
    speaking = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "qcqueue").rglob("*.py"))
        if "kaggle_secrets import" in path.read_text(encoding="utf-8")
    ]
    assert speaking == ["qcqueue/providers/kaggle.py"]
