"""A provider that is new: its limits are one more TOML file, what it can do is one more module and one more row."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.app.profile import profile_here, provider_here
from qcqueue.app.queue_summary import see
from qcqueue.app.settings import Settings
from qcqueue.app.work import new_session, until_the_end
from qcqueue.core.outcomes import SessionEnd
from qcqueue.notebook.cell import visit
from qcqueue.notebook.sign_in import signed_in
from qcqueue.providers import registry
from qcqueue.worker.budget import Limits
from tests.cli.queues import an_empty_house
from tests.notebook.paper import Paper
from tests.notebook.test_visit import QuickClock

HOUR_S = 3600.0
TOML = """
title = "The GPUs of a lab"

[detect]
environment = ["LAB_ENDS_AT"]

[window]
allowed_hours = 6
period_hours = 24
source = "the notice on the door"
checked = 2026-11-30
confidence = "published"
"""
CODE = """
from pathlib import Path

from qcqueue.providers.base import Provider

DRAWER = Path(__file__).parent


class Lab(Provider):
    secret_help = "the drawer, under {name}"
    can_release = True
    release_help = "the lab is closed: hang the key on its nail"

    def secret(self, name, *, say):
        sheet = DRAWER / name
        return sheet.read_text() if sheet.exists() else None

    def deadline_s(self, environ):
        ends_at = environ.get("LAB_ENDS_AT", "")
        return float(ends_at) if ends_at.isdecimal() and 0 < float(ends_at) < 1e11 else None

    def release(self):
        (DRAWER / "key").touch()
        return True


PROVIDER = Lab()
"""


@dataclass(frozen=True, slots=True)
class Lab:
    """The lab's machine, which everything here runs on."""

    folder: Path
    queue: QueueContext
    settings: Settings
    environment: dict[str, str]
    clock: QuickClock


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    folder, clock = tmp_path / "providers", QuickClock()
    shutil.copytree(Path(registry.__file__).parent, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (folder / "lab.toml").write_text(TOML)
    (folder / "lab_of_ours.py").write_text(CODE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "lab_of_ours", raising=False)
    monkeypatch.setattr(registry, "FOLDER", folder)
    monkeypatch.setattr(registry, "PROVIDERS", {**registry.PROVIDERS, "lab": "lab_of_ours:PROVIDER"})
    environment = {"LAB_ENDS_AT": str(int(clock.now_s() + 2 * HOUR_S))}
    monkeypatch.setenv("LAB_ENDS_AT", environment["LAB_ENDS_AT"])
    registry.names.cache_clear()
    house = an_empty_house(tmp_path)
    settings = Settings(
        store=house.queue.store.url, cache=tmp_path / "cache", source="--store", config=tmp_path / "config"
    )
    yield Lab(folder, replace(house.queue, clock=clock), settings, environment, clock)
    registry.names.cache_clear()


def test_its_machine_is_detected_and_planned_for_by_its_limits(lab: Lab) -> None:
    profile = profile_here(lab.settings, lab.environment)
    assert (profile.name, profile.title) == ("lab", "The GPUs of a lab")
    left_s = see(lab.queue, lab.settings).stats.quota.left_s
    assert left_s is not None
    assert left_s.p50_s == 6 * HOUR_S


def test_a_session_plans_for_the_end_that_it_names_unless_a_person_has_named_one(lab: Lab) -> None:
    session = new_session(lab.queue, Limits(), profile=profile_here(lab.settings), narrate=lambda line: None)
    lab.clock.later_s = 3 * HOUR_S
    while session.step() is not None:
        pass
    assert session.ending is SessionEnd.LIMIT
    assert until_the_end(Limits(promised_minutes=5), 7200, now_s=0) == Limits(promised_minutes=5)


def test_its_secret_signs_in(lab: Lab) -> None:
    (lab.folder / "QCQUEUE_TOKEN").write_text("a value that is shown to nobody")
    paper = Paper()
    on_drive = replace(lab.settings, store="gdrive:1AbC")
    assert signed_in(on_drive, lab.environment, paper, lab.clock).token == "a value that is shown to nobody"
    assert paper.lines == []


def test_its_machine_is_given_back_when_nothing_is_left_to_do(lab: Lab) -> None:
    lender, profile = provider_here(lab.environment), profile_here(lab.settings)
    assert visit(lab.queue, Limits(), Paper(), profile=profile, lender=lender) is SessionEnd.NOTHING_TO_DO
    assert (lab.folder / "key").exists()
