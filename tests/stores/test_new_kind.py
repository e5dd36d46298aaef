"""One file and one row make a new kind of store: every command works with it, and nothing else had to know."""

import json
from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.core.states import State
from qcqueue.datasets.format import Split
from qcqueue.drill.scratch_queue import make_scratch_queue, room_for
from qcqueue.queue.datasets import find_dataset
from qcqueue.stores import registry
from tests.cli.queues import DATASET, JOB, SIDE_PX, STUDY, a_job
from tests.engines.worlds import a_dataset
from tests.stores import memory


class Person:
    """Who types commands in a folder, on a machine whose qcqueue has the new row."""

    def __init__(self, folder: Path, said: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._said = said

    def types(self, line: str, *, code: int = 0) -> str:
        found = run(line.split())
        out, err = self._said.readouterr()
        assert found == code, out + err
        return out + err


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Person:
    monkeypatch.setattr(registry, "STORES", {**registry.STORES, "memory": memory.KIND})
    monkeypatch.setattr(memory, "STORED", {})
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Person(tmp_path / "here", capfd)


def test_a_new_kind_of_store_is_made_filled_looked_at_and_verified(ada: Person) -> None:
    assert ada.types("init --store memory:lab").splitlines() == [
        "made: a queue in memory:lab",
        "look at it: https://memory.example/lab",
        f"written: {ada.folder / 'qcqueue.toml'}",
        "next: qcqueue data sample",
    ]
    assert "there is a queue in memory:lab already" in ada.types("init")
    counts = {Split.TRAIN: 9, Split.VALIDATION: 3, Split.TEST: 3}
    keep(open_context(load_settings()), DATASET, a_dataset(side_px=SIDE_PX, counts=counts), dry_run=False)
    (ada.folder / "study.toml").write_text(STUDY + JOB)
    assert "enqueued  tiny/vgg16" in ada.types("enqueue study.toml")
    status = json.loads(ada.types("status --json"))
    assert status["store"] == "memory:lab"
    assert [(job["name"], job["state"]) for job in status["jobs"]] == [("tiny/vgg16", State.QUEUED)]
    assert "read and whole" in ada.types("store verify")
    memory.STORED["lab"].blobs.clear()
    assert "damaged" in ada.types("store verify", code=5)


def test_the_doctor_and_a_notebook_say_what_is_to_be_said_of_it(ada: Person) -> None:
    assert "there is no queue in memory:lab" in ada.types("doctor --store memory:lab", code=4)
    ada.types("init --store memory:lab")
    assert "all of it is there" in ada.types("doctor")
    assert "next: think of worker.ipynb" in ada.types("notebook --out worker.ipynb")


def test_a_drill_keeps_a_queue_of_its_own_beside_and_deletes_it(ada: Person) -> None:
    ada.types("init --store memory:lab")
    source = open_context(load_settings())
    keep(source, DATASET, a_dataset(side_px=SIDE_PX), dry_run=False)
    with source.read() as tx:
        dataset = find_dataset(tx, DATASET)
    told: list[str] = []
    with room_for("memory:lab", cache=ada.folder / "cache", narrate=told.append) as place:
        assert make_scratch_queue(source, a_job("vgg16"), dataset, place).detail().line.state is State.QUEUED
        assert sorted(memory.STORED) == ["lab", "lab-beside"]
    assert list(memory.STORED) == ["lab"]
    assert told == ["the run that is killed keeps its queue in memory:lab-beside, which is deleted at the end"]


def test_an_address_it_does_not_accept_is_told_with_its_form_and_its_secrets_go_to_no_child(ada: Person) -> None:
    said = ada.types("status --store memory:LAB", code=2)
    assert "is none of folder:PATH, shared:PATH, gdrive:FOLDER_ID, s3://BUCKET/PREFIX" in said
    assert " and memory:NAME" in said
    given = {"MEMORY_KEY": "secret", "PATH": "/bin"}
    assert registry.without_secrets(given) == {"PATH": "/bin"}
    assert registry.without_secrets(given, but_for="memory:lab") == given
