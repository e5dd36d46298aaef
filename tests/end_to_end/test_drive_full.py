"""A Drive without room: training goes on, nothing is lost, and who leaves meanwhile finds the work again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.clock import SystemClock
from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import StoreFull
from qcqueue.queue.job_detail import job_detail
from qcqueue.worker.budget import Limits
from qcqueue.worker.patience import ASKED_S
from qcqueue.worker.session import Session
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.owner import Owner
from tests.support.null_trainer import PaperTrainer, a_queue, a_session

pytestmark = pytest.mark.racing

EPOCHS = 4
STATE_BYTES = 6_000_000
QUOTA_BYTES = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    place: QueueContext
    owner: Owner
    time: WorldTime

    def session(self, name: str) -> Session:
        trainer = PaperTrainer(epochs=EPOCHS, state_bytes=STATE_BYTES, together=True)
        return a_session(name, self.place, trainer, Limits(max_epochs=EPOCHS), clock=MachineClock(self.time))

    def begin_another(self) -> None:
        """Let another session come and take the job."""
        session = self.session("two")
        while session.view() is None:
            session.step()

    def epochs_saved(self) -> int:
        with self.place.read() as tx:
            return job_detail(tx, "paper/vgg16").line.epochs_done

    def run_until_full(self, session: Session) -> None:
        """Let the session save an epoch, fill the Drive, and let its trainer come to its end."""
        while self.epochs_saved() == 0:
            session.step()
        self.owner.leave_free(0)
        for _ in range(20):
            session.step()
            self.time.now_s += 6.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with DriveEmulator(SystemClock()) as emulator:
        ada = emulator.user("ada@example.com", quota_bytes=QUOTA_BYTES)
        place = a_queue(emulator, ada, tmp_path, epochs=EPOCHS)
        yield Scene(place=place, owner=emulator.owner(ada), time=WorldTime())


def test_while_drive_is_full_training_goes_on_and_the_session_says_what_to_do(scene: Scene) -> None:
    session = scene.session("one")
    scene.run_until_full(session)
    view = session.view()
    assert view is not None
    assert view.written is not None
    assert (scene.epochs_saved(), view.written.epochs_done) == (1, EPOCHS)
    assert isinstance(view.waiting_for, StoreFull)
    assert "make room" in str(view.waiting_for.hint)


def test_what_waited_is_saved_as_soon_as_there_is_room(scene: Scene) -> None:
    session = scene.session("one")
    scene.run_until_full(session)
    scene.owner.leave_free(QUOTA_BYTES // 2)
    while session.step() is not None:
        scene.time.now_s += 6.0
    assert (session.ending, scene.epochs_saved()) == (SessionEnd.LIMIT, EPOCHS)


def test_who_is_asked_to_leave_while_drive_is_full_leaves_its_work_to_the_next_session_here(scene: Scene) -> None:
    session = scene.session("one")
    scene.run_until_full(session)
    session.ask_to_stop()
    session.step()
    scene.time.now_s += ASKED_S + 6.0
    while session.step() is not None:
        scene.time.now_s += 6.0
    assert (session.ending, scene.epochs_saved()) == (SessionEnd.UNSAVED, 1)

    scene.owner.leave_free(QUOTA_BYTES // 2)
    scene.begin_another()
    assert scene.epochs_saved() == EPOCHS


@pytest.fixture
def left_behind(scene: Scene) -> Scene:
    """A machine on whose disk a session left three epochs that are not saved."""
    session = scene.session("one")
    scene.run_until_full(session)
    session.abandon()
    scene.owner.leave_free(QUOTA_BYTES // 2)
    return scene


def test_what_a_dead_session_left_is_saved_by_the_next_one(left_behind: Scene) -> None:
    left_behind.begin_another()
    assert left_behind.epochs_saved() == EPOCHS


def test_what_a_dead_session_left_and_cannot_be_read_costs_itself_and_no_more(left_behind: Scene) -> None:
    for file in (left_behind.place.cache / "spool").glob("one-*/*/*/head.safetensors"):
        file.write_bytes(file.read_bytes()[:-100])
    left_behind.begin_another()
    assert left_behind.epochs_saved() == 1


def test_what_was_left_before_the_machine_went_down_is_not_trusted(left_behind: Scene) -> None:
    (left_behind.place.cache / "sessions" / "one").write_text("another boot")
    left_behind.begin_another()
    assert left_behind.epochs_saved() == 1
