"""What a queue on Drive costs: requests an epoch, requests to look, and the quota a long job ever uses."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.app.context import QueueContext, create_queue, open_context
from qcqueue.app.settings import Settings, load_settings
from qcqueue.clock import RandomIds, SystemClock
from qcqueue.database.chain import Chain
from qcqueue.database.version import Contents
from qcqueue.queue.job_lines import job_lines
from tests.support.drive.accounts import App, User
from tests.support.drive.emulator import DriveEmulator
from tests.support.null_trainer import Saving, run_on_drive

# More versions than keep their bodies: from then on every commit gives one back.
EPOCHS_SHORT, EPOCHS_LONG = 22, 34
STATE_BYTES = 6_000_000
VERSIONS_BYTES = 5_000_000


@pytest.mark.parametrize(
    "together",
    [pytest.param(True, id="one commit an epoch"), pytest.param(False, id="two commits", marks=pytest.mark.long)],
)
def test_an_epoch_costs_six_requests_and_its_packs_and_the_quota_stays_bounded(tmp_path: Path, together: bool) -> None:
    short, long = (_saved(tmp_path, epochs, together=together) for epochs in (EPOCHS_SHORT, EPOCHS_LONG))
    epochs = long.epochs - short.epochs
    requests, of_packs = _total(long.requests) - _total(short.requests), long.of_packs - short.of_packs
    assert of_packs == 4 * epochs, "a state of this size is one pack, begun, sent and deleted, and a head to delete"
    assert requests - of_packs <= 6 * epochs
    assert long.most_bytes <= 4 * STATE_BYTES + VERSIONS_BYTES
    assert long.bytes_in_bin == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A queue on an emulated Drive, and machines that look at it."""

    emulator: DriveEmulator
    user: User
    app: App
    url: str
    folder: Path

    def machine(self, name: str) -> QueueContext:
        return open_context(_settings(self.emulator, self.user, self.app, self.folder, name, self.url))

    def requests_of(self, place: QueueContext) -> list[str]:
        """Look at the queue as `status` does; return the requests that took."""
        began = len(self.emulator.log)
        with place.read() as tx:
            assert job_lines(tx) == []
        assert place.behind() is None
        return [one.operation for one in self.emulator.log[began:]]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with DriveEmulator(SystemClock()) as emulator:
        user, app = emulator.user("ada@example.com"), App(name="qcqueue")
        settings = _settings(emulator, user, app, tmp_path, "laptop", "gdrive:new")
        url = create_queue(settings).url
        yield Scene(emulator=emulator, user=user, app=app, url=url, folder=tmp_path)


def test_looking_where_nothing_changed_takes_three_requests(scene: Scene) -> None:
    scene.requests_of(scene.machine("laptop"))
    assert len(scene.requests_of(scene.machine("laptop"))) <= 3


@pytest.mark.long
def test_looking_from_a_fresh_machine_takes_eight_requests_after_a_thousand_versions(scene: Scene) -> None:
    _append_versions(scene.machine("laptop"), 1000)
    asked = scene.requests_of(scene.machine("fresh"))
    assert len(asked) <= 8, asked


def _append_versions(place: QueueContext, count: int) -> None:
    """Make versions without running a transaction for each: they hold what the first one holds."""
    slots = place.database._chain._slots  # type: ignore[attr-defined]
    chain = Chain(slots, RandomIds(), author="test")
    head = chain.head(None)
    contents = chain.contents(head)
    assert contents is not None
    for _ in range(count):
        appended = chain.append(head, Contents(trail=(), image=contents.image))
        assert appended is not None
        head = appended


def _saved(folder: Path, epochs: int, *, together: bool) -> Saving:
    below = folder / f"{epochs}"
    below.mkdir()
    return run_on_drive(below, epochs=epochs, state_bytes=STATE_BYTES, together=together)


def _total(requests: Counter[str]) -> int:
    return sum(requests.values())


def _settings(emulator: DriveEmulator, user: User, app: App, folder: Path, machine: str, store: str) -> Settings:
    grant = emulator.sign_in(machine, user, app)
    environment = {
        "QCQUEUE_TOKEN": json.dumps(grant.stored(emulator.url)),
        "QCQUEUE_DRIVE_ENDPOINT": emulator.url,
        "QCQUEUE_CACHE": str(folder / machine),
    }
    return load_settings(store=store, folder=folder, environment=environment)
