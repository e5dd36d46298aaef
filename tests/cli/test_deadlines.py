"""A deadline that has passed: refused for a new job, which could only miss it; a job that is known keeps its own."""

from pathlib import Path

import pytest

from qcqueue.cli.main import run
from qcqueue.clock import SystemClock
from tests.cli.queues import House

JOB = 'study = "due"\ndataset = "qc-tiny"\n[defaults]\nweights = "none"\n[[job]]\nmodel = "VGG16"\ndeadline = {}\n'
FRESH = '[[job]]\nmodel = "Xception"\n'


def enqueued(capsys: pytest.CaptureFixture[str], deadline: str, *typed: str, more: str = "") -> tuple[int, str, str]:
    Path("due.toml").write_text(JOB.format(deadline) + more)
    capsys.readouterr()
    code = run(["enqueue", "due.toml", *typed])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("deadline", ["2020-12-24", "2020-12-24T18:00:00+01:00", "1970-01-01", "2024-02-29T00:00:00"])
@pytest.mark.parametrize("typed", [(), ("--dry-run",)])
def test_a_new_job_cannot_be_due_already(
    deadline: str, typed: tuple[str, ...], empty_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    before = empty_house.fingerprint()
    code, out, err = enqueued(capsys, deadline, *typed, more=FRESH)
    assert (code, out) == (2, "")
    sentence, hint = err.splitlines()
    assert sentence.startswith("qcqueue: due/vgg16: deadline: found ")
    assert "which has passed" in sentence
    assert hint.startswith("next: correct")
    Path("due.toml").unlink()
    assert empty_house.fingerprint() == before


def test_every_new_job_that_is_late_is_named(empty_house: House, capsys: pytest.CaptureFixture[str]) -> None:
    more = '[[job]]\nmodel = "Xception"\ndeadline = 2021-01-01\n[[job]]\nmodel = "ResNet50V2"\ndeadline = 2999-01-01\n'
    first, second, hint = enqueued(capsys, "2020-12-24", more=more)[2].splitlines()
    assert first.startswith("qcqueue: due/vgg16: deadline: ")
    assert second.startswith("due/xception: deadline: ")
    assert hint.startswith("next: correct")


def test_the_day_that_is_today_is_still_to_come(
    empty_house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = 1_900_000_000.0 // 86_400 * 86_400 + 43_200  # 2030-03-17
    monkeypatch.setattr(SystemClock, "now_s", lambda clock: noon)
    assert enqueued(capsys, "2030-03-16")[0] == 2
    assert enqueued(capsys, "2030-03-17")[0] == 0


def test_a_job_that_is_known_may_be_enqueued_again_when_its_deadline_has_passed(
    empty_house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now_s", lambda clock: 1_900_000_000.0)
    assert enqueued(capsys, "2030-04-01")[0] == 0
    monkeypatch.setattr(SystemClock, "now_s", lambda clock: 1_990_000_000.0)
    code, out, _ = enqueued(capsys, "2030-04-01", more=FRESH)
    assert (code, out.splitlines()[-2]) == (0, "1 new job, 1 already there")
