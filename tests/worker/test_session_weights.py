"""When a session asks for ImageNet weights, what it does while they come, and how the queue keeps them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.context import QueueContext, context_in
from qcqueue.app.gc import usage
from qcqueue.app.verify import verify
from qcqueue.catalog.models import imagenet_file
from qcqueue.core.obstacles import Lack, Obstacle
from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import StoreBusy
from qcqueue.queue.claim import candidates
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.pretrained import kept_weights
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.stores.base import Blob
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from qcqueue.worker.session_deps import SessionDeps
from tests.cli.queues import House, a_job, an_empty_house, apply, interrupt, take, train
from tests.support.null_trainer import PaperTrainer, a_session

FILE = imagenet_file("MobileNetV2", (75, 75))
BYTES = b"the weights of MobileNetV2" * 100


@dataclass(kw_only=True)
class Machine:
    """A machine with a cache of its own, and what its trainer answers. has: the file lies where Keras looks."""

    place: QueueContext
    folder: Path
    answers: list[FoundWeights | None] = field(default_factory=list)
    asked: list[WantedWeights] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    is_online: bool = True

    @property
    def keras(self) -> Path:
        return self.folder / "keras" / FILE.name

    def check(self, wanted: WantedWeights) -> FoundWeights | None:
        self.asked.append(wanted)
        if self.answers:
            return self.answers.pop(0)
        if not self.keras.exists():
            self.keras.parent.mkdir(parents=True, exist_ok=True)
            if wanted.given:
                self.keras.write_bytes(wanted.given.read_bytes())
            elif not wanted.may_download:
                return FoundWeights()
            elif not self.is_online:
                return FoundWeights(obstacle="the network is away")
            else:
                self.keras.write_bytes(BYTES)
        return FoundWeights(path=self.keras)

    def session(self, session_id: str, **changes: Any) -> Session:
        trainer = PaperTrainer(epochs=1, state_bytes=4000, together=True)
        session = a_session(session_id, self.place, trainer, Limits(max_epochs=1))
        deps: SessionDeps = session.deps
        session = Session(
            session_id,
            replace(deps, check_weights=self.check, narrate=self.said.append, **changes),
            Limits(max_epochs=1),
        )
        return session


def run(session: Session) -> SessionEnd:
    for _ in range(10_000):
        if session.step() is None:
            assert session.ending is not None
            return session.ending
    raise AssertionError("it did not end")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


@pytest.fixture
def machine(house: House, tmp_path: Path) -> Machine:
    return a_machine(house, tmp_path / "one")


def a_machine(house: House, folder: Path) -> Machine:
    return Machine(place=context_in(house.store, cache=folder / "cache"), folder=folder)


def put(house: House, *names: str, keep_weights: bool = False) -> None:
    specs = [a_job(name, model="MobileNetV2", weights="imagenet", epochs=5, seed=len(name)) for name in names]
    place = house.queue
    place.transact(
        lambda tx: enqueue(tx, specs, attached={}, keep_weights=keep_weights, who="ada", now_s=place.clock.now_s())
    )


def kept(house: House) -> Blob | None:
    with house.queue.read() as tx:
        return kept_weights(tx, FILE.name)


def test_a_fresh_job_is_asked_about_once_and_begins_once_the_answer_is_there(house: House, machine: Machine) -> None:
    put(house, "one")
    machine.answers = [None, None, None]
    session = machine.session("first")
    while session.view() is None:
        assert session.step() is not None
    session.abandon()
    assert len(machine.asked) == 4
    assert {*machine.asked} == {WantedWeights(model="MobileNetV2", image_size=(75, 75))}
    assert machine.said.count("looking for the ImageNet weights of MobileNetV2") == 1


def test_a_begun_job_needs_no_weights(house: House, machine: Machine, tmp_path: Path) -> None:
    put(house, "one")
    assert run(machine.session("first")) is SessionEnd.LIMIT
    other = a_machine(house, tmp_path / "other")
    other.is_online = False
    session = other.session("second")
    while session.view() is None:
        assert session.step() is not None
    session.abandon()
    assert other.asked == []
    with house.queue.read() as tx:
        assert [job.has_begun for job in candidates(tx, also=["tiny/one"])] == [True]


def test_a_job_whose_saves_are_all_lost_begins_again_without_a_check(house: House, machine: Machine) -> None:
    put(house, "one")
    held = take(house.queue, "tiny/one")
    train(house.queue, held, 1)  # what it commits was never stored
    interrupt(house.queue, held)
    assert run(machine.session("next")) is SessionEnd.LIMIT
    assert machine.asked == []
    assert any("is damaged" in line for line in machine.said)


def test_what_cannot_be_had_is_an_obstacle_for_this_session_and_no_failure(house: House, machine: Machine) -> None:
    put(house, "one", "three")
    machine.is_online = False
    session = machine.session("first")
    assert run(session) is SessionEnd.CANNOT_START
    missing = Obstacle("the network is away", Lack.WEIGHTS)
    assert session.obstacles == {"tiny/one": missing, "tiny/three": missing}
    assert len(machine.asked) == 1
    with house.queue.read() as tx:
        assert {line.state for line in job_lines(tx)} == {"queued"}


def test_a_check_that_succeeded_is_remembered_for_as_long_as_the_file_is_there(house: House, machine: Machine) -> None:
    put(house, "one", "three", "seven")
    assert run(machine.session("first")) is SessionEnd.LIMIT
    hold(house, "tiny/one")
    assert run(machine.session("second")) is SessionEnd.LIMIT
    hold(house, "tiny/three")
    assert len(machine.asked) == 1
    machine.keras.write_bytes(BYTES[:-1])
    assert run(machine.session("third")) is SessionEnd.LIMIT
    assert len(machine.asked) == 2


def test_where_keras_looks_elsewhere_now_nothing_is_remembered(
    house: House, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, "one", "three")
    run(machine.session("first"))
    hold(house, "tiny/one")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "elsewhere"))
    run(machine.session("second"))
    assert len(machine.asked) == 2


def hold(house: House, name: str) -> None:
    apply(house.queue, name, "hold")


def test_a_session_beats_and_can_leave_while_weights_are_downloaded(house: House, machine: Machine) -> None:
    put(house, "one")
    machine.answers = [None] * 1000
    session = machine.session("first")
    for _ in range(20):
        assert session.step() is not None
    beaten_s = house.queue.store.heartbeat_age_s("first")
    assert beaten_s is not None
    session.ask_to_stop()
    assert run(session) is SessionEnd.ASKED
    assert len(machine.asked) < 25


def test_weights_that_are_wanted_in_the_store_are_kept_and_a_further_machine_asks_nobody(
    house: House, machine: Machine, tmp_path: Path
) -> None:
    put(house, "one", "three", keep_weights=True)
    assert kept(house) is None
    run(machine.session("first"))
    blob = kept(house)
    assert blob is not None
    assert blob.size_bytes == len(BYTES)
    assert "keeping the ImageNet weights of MobileNetV2 in the store" in machine.said
    other = a_machine(house, tmp_path / "other")
    other.is_online = False
    hold(house, "tiny/one")
    assert run(other.session("second")) is SessionEnd.LIMIT
    assert [(it.may_download, it.given is not None) for it in other.asked] == [(False, False), (True, True)]
    assert other.keras.read_bytes() == BYTES
    assert sum("keeping" in line for line in other.said) == 0
    assert kept(house) == blob


def test_nobody_keeps_what_nobody_asked_for(house: House, machine: Machine) -> None:
    put(house, "one")
    run(machine.session("first"))
    assert kept(house) is None


def test_a_damaged_copy_in_the_store_is_downloaded_and_kept_anew(
    house: House, machine: Machine, tmp_path: Path
) -> None:
    put(house, "one", "three", keep_weights=True)
    run(machine.session("first"))
    blob = kept(house)
    assert blob is not None
    (house.store / "blobs" / f"{blob.sha256}.{blob.place}").write_bytes(b"rot")
    hold(house, "tiny/one")
    other = a_machine(house, tmp_path / "other")
    assert run(other.session("second")) is SessionEnd.LIMIT
    assert any("cannot be used" in line for line in other.said)
    assert other.keras.read_bytes() == BYTES
    mended = kept(house)
    assert mended is not None
    assert mended.sha256 == blob.sha256
    assert mended.place != blob.place
    assert verify(house.queue).faults == ()


class Refuses:
    """A store that takes no weights."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def put(self, source: Path, *, title: str = "", **about: Any) -> Blob:
        if title == FILE.name:
            raise StoreBusy("the store is busy")
        blob: Blob = self._store.put(source, title=title, **about)
        return blob

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_what_cannot_be_kept_costs_a_sentence_and_not_the_job(house: House, machine: Machine) -> None:
    put(house, "one", keep_weights=True)
    assert run(machine.session("first", store=Refuses(machine.place.store))) is SessionEnd.LIMIT
    assert any("cannot be kept, and training goes on: the store is busy" in line for line in machine.said)
    assert kept(house) is None
    with house.queue.read() as tx:
        assert [line.epochs_done for line in job_lines(tx)] == [1]


def test_of_two_that_keep_the_same_file_one_copy_stays(house: House, machine: Machine, tmp_path: Path) -> None:
    put(house, "one", "three", keep_weights=True)
    rival = a_machine(house, tmp_path / "rival")

    class Slow(Refuses):
        def put(self, source: Path, *, title: str = "", **about: Any) -> Blob:
            if title == FILE.name and not rival.asked:
                run(rival.session("rival"))
            blob: Blob = self._store.put(source, title=title, **about)
            return blob

    assert run(machine.session("first", store=Slow(machine.place.store))) is SessionEnd.LIMIT
    blob = kept(house)
    assert blob is not None
    assert [path.name for path in (house.store / "blobs").glob(f"{blob.sha256}*")] == [f"{blob.sha256}.{blob.place}"]


def test_kept_weights_are_needed_until_their_jobs_are_done(house: House, machine: Machine) -> None:
    put(house, "one", keep_weights=True)
    run(machine.session("first"))
    assert [(share.name, share.files) for share in usage(house.queue).kinds if share.name == "weights"] == [
        ("weights", 1)
    ]
    blob = kept(house)
    assert blob is not None
    (house.store / "blobs" / f"{blob.sha256}.{blob.place}").unlink()
    (fault,) = verify(house.queue).faults
    assert fault.costs == "kept ImageNet weights, those of tiny/one: the next session that needs them downloads them"
    apply(house.queue, "tiny/one", "cancel")
    assert verify(house.queue).faults == ()


def test_a_known_job_is_asked_to_keep_them_later(house: House) -> None:
    put(house, "one")
    place, spec = house.queue, a_job("one", model="MobileNetV2", weights="imagenet", epochs=5, seed=3)

    def again(**about: Any) -> Any:
        return place.transact(
            lambda tx: enqueue(tx, [spec], attached={}, who="ada", now_s=place.clock.now_s(), **about)
        )

    assert again().keeping == ()
    assert again(keep_weights=True).keeping == ("tiny/one",)
    assert again(keep_weights=True).keeping == ()
