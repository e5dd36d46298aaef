"""A queue on Google Drive with one small job, where a kernel of another machine reaches it: Drive is the emulator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.context import QueueContext, initialise, open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.app.studies import enqueue_and_foresee
from qcqueue.clock import SystemClock
from qcqueue.datasets.format import Split
from tests.end_to_end.machines import STUDY, TOY_JOB, VGG16
from tests.engines.worlds import a_dataset
from tests.notebook.kernels import Colab
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.owner import Owner

COUNTS = {Split.TRAIN: 40, Split.VALIDATION: 9, Split.TEST: 9}


class Desk:
    """Ada's laptop, her account, and the queue she keeps on her Drive."""

    def __init__(self, folder: Path, emulator: DriveEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.emulator = emulator
        self.ada = emulator.user("ada@example.com")
        self.app = App(name="qcqueue")
        monkeypatch.setenv("QCQUEUE_DRIVE_ENDPOINT", emulator.url)
        monkeypatch.setenv("QCQUEUE_TOKEN", self.new_token("laptop"))
        self.url = initialise(store="gdrive:new", here=folder, dry_run=False).url
        keep(self.queue, "noise", a_dataset(counts=COUNTS), dry_run=False)

    @property
    def queue(self) -> QueueContext:
        return open_context(load_settings(store=self.url, folder=self.folder))

    @property
    def account(self) -> Owner:
        """What Ada does in the web interface of her Drive."""
        return self.emulator.owner(self.ada)

    def new_token(self, label: str) -> str:
        """Sign in once more; return what is pasted into Colab's secrets."""
        return json.dumps(self.emulator.sign_in(label, self.ada, self.app).stored(self.emulator.url))

    def new_client(self) -> str:
        """Return the JSON of an OAuth client that may sign in by a code."""
        return json.dumps(self.emulator.new_client(self.app, is_tv=True).downloaded(self.emulator.url))

    def enqueue(self, job: str = VGG16) -> None:
        study = self.folder / "study.toml"
        study.write_text(STUDY + job)
        enqueue_and_foresee(self.queue, [study], overrides=[])

    def states(self) -> list[str]:
        from qcqueue.queue.job_lines import job_lines

        with self.queue.read() as tx:
            return [str(line.state) for line in job_lines(tx)]

    def has_saved(self) -> bool:
        """Return whether an epoch is saved: what the queue says stays true, while news scroll away."""
        return self.job()[1] > 0

    def job(self, name: str = TOY_JOB) -> tuple[str, int, list[Any]]:
        """Return state, epochs done and the outcomes of the attempts of a job."""
        from qcqueue.queue.job_detail import job_detail

        with self.queue.read() as tx:
            detail = job_detail(tx, name)
        return str(detail.line.state), detail.line.epochs_done, [it.outcome for it in detail.attempts]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Jupyter and qcqueue write, they write below the test's own folder."""
    for name in ("QCQUEUE_CACHE", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_home: None) -> Iterator[Desk]:
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    with DriveEmulator(SystemClock()) as emulator:
        yield Desk(laptop, emulator, monkeypatch)


@pytest.fixture
def colab(tmp_path: Path, desk: Desk) -> Colab:
    """A machine of Colab whose secrets hold a sign-in of its own."""
    return Colab(tmp_path / "colab", {"QCQUEUE_TOKEN": desk.new_token("colab")})
