"""`simulate`: what is played, with what, and how sure it is; and what it answers to what makes no sense."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qcqueue.cli.main import run
from tests.cli.queues import JOB, STUDY, House, interrupt, leave, note_time, stop, take, train
from tests.cli.test_imports import heavy, imported_by

Answer = Callable[..., str]
SIX = Path(__file__).parents[2] / "jobs" / "six-models.toml"
FEW = ("--seeds", "4")


@pytest.fixture
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
        code = run(["simulate", *typed])
        out, err = capfd.readouterr()
        assert (code, err) == (0, "")
        return out

    return ask


@pytest.fixture
def refusal(capfd: pytest.CaptureFixture[str]) -> Answer:
    """Run it with something wrong; return what it says on stderr."""

    def ask(*typed: str, code: int = 2) -> str:
        capfd.readouterr()
        found = run(["simulate", *typed])
        out, err = capfd.readouterr()
        assert (found, out) == (code, "")
        return err

    return ask


def document(out: str) -> dict[str, Any]:
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["schema_version"] == 1
    return found


def test_a_study_is_played_without_a_queue_and_every_figure_is_called_an_estimate(
    outside: Path, answer: Answer
) -> None:
    said = answer(str(SIX), *FEW)
    assert "6 jobs, about 4 h 32 min of training; this is a simulation." in said
    assert "Seconds of an epoch are ESTIMATES for Tesla T4, until a session has measured them." in said
    assert "A session starts in 1 min 30 s (estimated)" in said
    assert "sessions (exponential): 2 h on average" in said
    assert "4 campaigns each, seed 1" in said
    for name in ("qcqueue", "one-job"):
        assert sum(line.startswith(name) for line in said.splitlines()) >= 2, name
    assert list(outside.iterdir()) == []


def test_the_chart_is_as_long_as_the_days(outside: Path, answer: Answer) -> None:
    said = answer(str(SIX), "--law", "fixed")
    bars = {line.split()[0]: line for line in said.splitlines() if "█" in line and "(█)" not in line}
    assert bars["one-job"].endswith(" 5.1")
    assert bars["one-job"].count("█") + bars["one-job"].count("░") == 40
    assert bars["qcqueue"].count("█") + bars["qcqueue"].count("░") < 20
    assert "no chance in it" in said
    assert "±" not in said


def test_the_document_holds_what_the_screen_shows_and_what_it_was_made_of(outside: Path, answer: Answer) -> None:
    found = document(answer(str(SIX), "--law", "fixed", "--json"))
    assert found["law"]["name"] == "fixed"
    assert (found["seed"], found["seeds"]) == (1, 100)
    assert [job["basis"] for job in found["jobs"]] == ["estimated"] * 6
    assert {job["name"]: job["epoch_s"] for job in found["jobs"]}["six-models/vgg16"] == 15
    assert found["costs"] == {"start_s": 90, "switch_s": 20, "stall_s": 0.2, "lag_s": 8}
    ours = next(policy for policy in found["policies"] if policy["name"] == "qcqueue")
    assert ours["sessions"] == {"mean": 3, "margin": 0}
    assert 0.96 < ours["goodput"]["mean"] < 0.98


def test_the_same_seed_is_the_same_luck(outside: Path, answer: Answer) -> None:
    typed = (str(SIX), "--json", *FEW)
    assert answer(*typed) == answer(*typed, "--seed", "1")
    assert answer(*typed) != answer(*typed, "--seed", "5")


def test_one_campaign_does_not_say_how_sure_it_is(outside: Path, answer: Answer) -> None:
    typed = (str(SIX), "--seeds", "1")
    assert document(answer(*typed, "--json"))["policies"][0]["goodput"]["margin"] is None
    assert "±" not in answer(*typed)


def test_sessions_live_as_a_profile_says(outside: Path, answer: Answer) -> None:
    said = answer(str(SIX), "--profile", "colab-free", *FEW)
    assert "sessions (colab-free): by the profile colab-free" in said
    results = document(answer(str(SIX), "--profile", "local", "--json", *FEW))["policies"]
    assert [result["sessions"]["mean"] for result in results] == [6, 1]


def test_keys_can_be_set_as_when_a_study_is_enqueued(outside: Path, answer: Answer) -> None:
    found = document(answer(str(SIX), "--set", "epochs=3", "--json", *FEW))
    assert {job["epochs"] for job in found["jobs"]} == {3}


# What is left of a queue.


def test_without_a_file_what_is_left_of_the_queue_is_played(house: House, answer: Answer) -> None:
    found = document(answer("--json", *FEW))
    assert {job["name"]: job["epochs"] for job in found["jobs"]} == {"tiny/queued": 3, "tiny/running": 2}


def test_nothing_in_the_queue_is_changed(house: House, answer: Answer) -> None:
    before = house.fingerprint()
    answer(*FEW)
    assert house.fingerprint() == before


def test_what_sessions_have_measured_is_used_instead_of_estimates(house: House, answer: Answer) -> None:
    place = house.queue
    held = take(place, "tiny/queued")
    train(place, held, 1)
    note_time(place, held, attempt={"train": 40.0, "import": 10.0}, session={"boot": 5.0, "train": 1.0})
    stop(place, held)
    leave(place, held)
    found = document(answer("--json", *FEW))
    assert {job["basis"] for job in found["jobs"]} != {"estimated"}


def test_ones_own_history_is_a_law(house: House, answer: Answer) -> None:
    place = house.queue
    held = take(place, "tiny/queued", session="5e55b0b0b0b0")
    train(place, held, 1)
    note_time(place, held, attempt={"train": 3000.0}, session={"boot": 600.0})
    interrupt(place, held)
    said = answer("--law", "history", *FEW)
    assert "of this queue were, one a day" in said


def test_an_empty_queue_has_nothing_to_play(empty_house: House, refusal: Answer) -> None:
    assert refusal(code=7) == "nothing is left to train\nnext: qcqueue\n"


def test_a_simulation_imports_nothing_heavy(house: House) -> None:
    house.write("study.toml", STUDY + JOB)
    assert heavy(imported_by(house, "simulate study.toml --seeds 1")) == {}


# What makes no sense.


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--law", "exponentail"), "there is no law 'exponentail'"),
        (("--law", "exponentail"), "did you mean exponential?"),
        (("--seeds", "0"), "--seeds 0 is not a number of campaigns from 1 to 100000"),
        (("--seeds", "many"), "--seeds 'many' is not a whole number"),
        (("--law", "fixed", "--profile", "kaggle"), "--law and --profile both say how long sessions live"),
        (("--profile", "kagle"), 'there is no profile "kagle"'),
        (("--law", "history"), "no session of this queue has been seen to be taken away yet"),
        (("nowhere.toml",), "there is no file nowhere.toml"),
    ],
)
def test_what_is_refused_is_named(typed: tuple[str, ...], said: str, outside: Path, refusal: Answer) -> None:
    err = refusal(str(SIX), *typed)
    assert said in err
    assert len(err.splitlines()) == 2
    assert err.splitlines()[1].startswith("next: ")


def test_without_a_file_and_a_queue_there_is_nothing_to_play(outside: Path, refusal: Answer) -> None:
    assert "no store is named" in refusal()


def test_keys_of_a_queue_cannot_be_set(house: House, refusal: Answer) -> None:
    assert "--set changes the jobs of a study file, and none is given" in refusal("--set", "epochs=3")
