"""Code of a person's own at work: it runs where its digest was approved, and no secret is near it."""

import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.work import why_not_run
from qcqueue.code.archive import pack
from qcqueue.code.trust import Trust
from qcqueue.core.obstacles import Lack
from qcqueue.core.outcomes import SessionEnd
from qcqueue.queue.enqueue import enqueue as put_in
from qcqueue.stores.registry import STORES
from qcqueue.worker.process import environment_of_trainer
from tests.cli.queues import House, a_job, an_empty_house
from tests.worker.machines import Machine, finishes, states
from tests.worker.test_session_obstacles import changed, known

CODE = pack({"mine.py": b"def build(job):\n    ...\n"})
SHA256 = hashlib.sha256(CODE).hexdigest()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


@pytest.fixture
def machine(house: House) -> Machine:
    return Machine(house=house, name="m1")


def an_own_job(house: House, **about: Any) -> None:
    path = house.folder / "code"
    path.write_bytes(CODE)
    blob = house.queue.store.put(path)
    spec = a_job("a", model="mine.py:build", weights="none", code_sha256=SHA256, **about)
    house.queue.transact(lambda tx: put_in(tx, [spec], attached={blob: "mine.py"}, who="eve", now_s=1.0))


def visited(machine: Machine, **deps: Any) -> Any:
    session = machine.session(finishes())
    return machine.run(changed(session, **{"check_code": partial(why_not_run, machine.place), **deps}))


def test_code_that_nobody_has_approved_here_does_not_run(house: House, machine: Machine) -> None:
    an_own_job(house)
    session = visited(machine)
    assert session.ending is SessionEnd.CANNOT_START
    assert states(house) == {"a": "queued"}
    obstacle = known(house, "a")
    assert obstacle
    assert obstacle.kind is Lack.TRUST
    assert SHA256 in obstacle.says


def test_code_that_was_approved_here_runs_here_and_not_elsewhere(house: House, machine: Machine) -> None:
    an_own_job(house)
    Trust(machine.place.cache, machine.place.clock).approve(SHA256)
    assert visited(Machine(house=house, name="m2")).ending is SessionEnd.CANNOT_START
    assert visited(machine).ending is SessionEnd.FINISHED
    assert states(house) == {"a": "done"}


def test_what_is_let_go_between_the_look_and_the_start_does_not_run(house: House, machine: Machine) -> None:
    """As where the queue says another digest by then: what is asked last is the work order's own."""
    an_own_job(house)
    answers = iter([None, "nobody has approved its code"])
    session = visited(machine, check_code=lambda sha256: next(answers, "nobody has approved its code"))
    assert states(house) == {"a": "queued"}
    assert session.ending is not SessionEnd.FINISHED


def test_under_a_sign_in_to_a_whole_drive_no_code_runs(house: House, machine: Machine) -> None:
    from dataclasses import replace

    an_own_job(house)
    Trust(machine.place.cache, machine.place.clock).approve(SHA256)
    place = replace(machine.place, sees_all=lambda: True)
    assert visited(machine, check_code=partial(why_not_run, place)).ending is SessionEnd.CANNOT_START
    obstacle = known(house, "a")
    assert obstacle
    assert "opens a whole Drive" in obstacle.says


def test_a_job_whose_packages_are_not_installed_is_left_to_another_machine(house: House, machine: Machine) -> None:
    an_own_job(house, requires=("numpy", "no-such-package-anywhere"))
    Trust(machine.place.cache, machine.place.clock).approve(SHA256)
    assert visited(machine).ending is SessionEnd.CANNOT_START
    obstacle = known(house, "a")
    assert obstacle
    assert obstacle.kind is Lack.PACKAGES
    assert "requires no-such-package-anywhere, not installed" in obstacle.says


def test_a_trainer_finds_no_secret_in_its_environment() -> None:
    canary = "c4n4ry-of-a-secret"
    secrets = {name for kind in STORES.values() for name in kind.secrets}
    others = {"QCQUEUE_STORE", "QCQUEUE_DATABASE", "PGPASSWORD", "PGSERVICE", "AWS_PROFILE", "AZURE_X", "KAGGLE_KEY"}
    others |= {"HF_TOKEN", "MY_SECRET", "DB_PASSWORD", "OPENAI_API_KEY", "GITHUB_PAT", "SLACK_WEBHOOK", "SSH_AUTH_SOCK"}
    given = {**os.environ, **dict.fromkeys({*secrets, *others, "GOOGLE_APPLICATION_CREDENTIALS"}, canary)}
    said = subprocess.run(
        [sys.executable, "-c", "import os; print(dict(os.environ))"],
        env=environment_of_trainer(given),
        capture_output=True,
        text=True,
        check=True,
    )
    assert canary not in said.stdout
    assert "PATH" in said.stdout
