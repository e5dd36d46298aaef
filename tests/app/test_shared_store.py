"""Two machines, which are two caches, share one queue through `shared:PATH`; everything is typed as a person would."""

import json
from pathlib import Path

import pytest

from qcqueue.app.context import QueueContext, open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.core.states import State
from qcqueue.datasets.format import Split
from tests.cli import queues
from tests.engines.worlds import a_dataset


class Machine:
    """One machine: a home folder and a cache. The disk all share is mounted at `disk`."""

    def __init__(self, home: Path, disk: Path, patch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        home.mkdir()
        self.home, self.url = home, f"shared:{disk}"
        self._patch, self._capfd = patch, capfd

    def types(self, line: str, *, code: int = 0) -> tuple[str, str]:
        """Type a command on this machine; return what it says on both streams."""
        self._sit_down()
        assert run(line.split()) == code
        return self._capfd.readouterr()

    def state_of(self, job: str) -> str:
        jobs = json.loads(self.types("status --json")[0])["jobs"]
        return next(str(line["state"]) for line in jobs if line["name"] == job)

    @property
    def queue(self) -> QueueContext:
        self._sit_down()
        return open_context(load_settings(store=self.url))

    def _sit_down(self) -> None:
        self._patch.chdir(self.home)
        self._patch.setenv("QCQUEUE_STORE", self.url)
        self._patch.setenv("QCQUEUE_CACHE", str(self.home / "cache"))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def laptop(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Machine:
    """The machine that made the queue and its dataset."""
    laptop = Machine(tmp_path / "laptop", disk, monkeypatch, capfd)
    said, _ = laptop.types("init")
    assert said.startswith(f"made: a queue in shared:{disk}\n")
    counts = {Split.TRAIN: 9, Split.VALIDATION: 3, Split.TEST: 3}
    keep(laptop.queue, queues.DATASET, a_dataset(side_px=queues.SIDE_PX, counts=counts), dry_run=False)
    return laptop


@pytest.fixture
def colab(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path / "colab", disk, monkeypatch, capfd)


def test_a_job_is_enqueued_on_one_machine_and_trained_on_another(laptop: Machine, colab: Machine) -> None:
    (laptop.home / "study.toml").write_text(queues.STUDY + queues.JOB)
    laptop.types("enqueue study.toml")
    assert colab.state_of("tiny/vgg16") == State.QUEUED
    held = queues.take(colab.queue, "tiny/vgg16")
    assert laptop.state_of("tiny/vgg16") == State.RUNNING
    queues.finish(colab.queue, held, queues.train(colab.queue, held, 1, 2, 3))
    assert laptop.state_of("tiny/vgg16") == State.DONE


def test_making_the_queue_again_changes_nothing(laptop: Machine, colab: Machine) -> None:
    queues.put(laptop.queue, queues.a_job("a"))
    assert "there is a queue in shared:" in colab.types("init")[0]
    assert colab.state_of("tiny/a") == State.QUEUED


def test_a_rehearsed_init_touches_nothing(colab: Machine, disk: Path) -> None:
    assert colab.types("init --dry-run")[0].startswith("would be made")
    assert not disk.exists()


def test_a_machine_without_the_disk_still_looks_and_says_how_old_it_is(laptop: Machine, disk: Path) -> None:
    queues.put(laptop.queue, queues.a_job("a"))
    now, _ = laptop.types("status")
    disk.rename(disk.with_name("unplugged"))
    away, why = laptop.types("status")
    assert away == now
    assert why.startswith(f"last seen just now; {laptop.url} is not there")
    before = json.loads(laptop.types("status --json")[0])["as_of"]
    assert json.loads(laptop.types("show a --json")[0])["as_of"] == before
    assert laptop.types("hold a", code=4)[1].endswith("next: mount the disk it is on\n")


def test_a_machine_that_never_saw_the_queue_is_told_how_to_begin(colab: Machine) -> None:
    said = colab.types("status", code=4)[1]
    assert said.endswith("next: qcqueue init\n")


def test_a_queue_of_one_machine_is_not_shared_by_accident(colab: Machine, disk: Path) -> None:
    disk.mkdir()
    (disk / "queue.sqlite").touch()
    assert f"folder:{disk}" in colab.types("init", code=2)[1]
    assert [path.name for path in disk.iterdir()] == ["queue.sqlite"]


def test_a_cache_in_a_synced_folder_is_refused(
    laptop: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    laptop.home = tmp_path / "Dropbox"
    laptop.home.mkdir()
    assert "Dropbox" in laptop.types("status", code=2)[1]


def test_a_shared_store_in_the_settings_file_is_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "qcqueue.toml").write_text('store = "shared:queue"\n')
    assert load_settings(folder=tmp_path, environment={}).store == f"shared:{tmp_path / 'queue'}"
