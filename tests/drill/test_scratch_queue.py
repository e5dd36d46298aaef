"""Queues of a drill's own: empty, in the store that was asked for, and gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.core.states import State
from qcqueue.core.step_choice import StepChoice
from qcqueue.drill.scratch_queue import make_scratch_queue, pin_step, room_for
from qcqueue.errors import QcqueueError, SettingInvalid, StoreMissing
from qcqueue.queue.datasets import find_dataset
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.step_choices import shared_choices
from qcqueue.stores.registry import scheme_of
from tests.cli.on_drive import Laptop, a_laptop
from tests.cli.queues import DATASET, House, a_job, note_time, put, take


def quiet(text: str) -> None:
    pass


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        laptop.sign_in()
        yield laptop


def put_a_job(source: QueueContext, url: str, cache: Path) -> str:
    """Make a queue for a job in the store; return the URL of the queue it was in."""
    with source.read() as tx:
        dataset = find_dataset(tx, DATASET)
    with room_for(url, cache=cache, narrate=quiet) as place:
        scratch = make_scratch_queue(source, a_job("vgg16"), dataset, place)
        assert scratch.detail().line.state is State.QUEUED
        assert scheme_of(place.url) == scheme_of(url)
        return place.url


def test_a_second_run_computes_its_steps_as_the_first_did(house: House, tmp_path: Path) -> None:
    put(house.queue, a_job("vgg16", seed=11))
    choice = StepChoice(step="fused", origin="short", key="ab" * 32)
    note_time(house.queue, take(house.queue, "tiny/vgg16"), attempt={}, session={}, step_choice=choice)
    with house.queue.read() as tx:
        dataset, first = find_dataset(tx, DATASET), job_detail(tx, "tiny/vgg16")
        assert shared_choices(tx, "VGG16") == (), "it was not measured"
    with room_for("folder:", cache=tmp_path / "cache", narrate=quiet) as place:
        scratch = make_scratch_queue(house.queue, first.spec, dataset, place)
        pin_step(scratch, first)
        with scratch.queue.read() as tx:
            assert shared_choices(tx, "VGG16") == (choice,)


@pytest.mark.parametrize("url", ["folder:", "folder:{disk}", "shared:{disk}"])
def test_it_lies_beside_what_is_there_and_is_gone_afterwards(url: str, house: House, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "mine.txt").write_text("mine")
    first = put_a_job(house.queue, url.format(disk=disk), tmp_path / "cache")
    second = put_a_job(house.queue, url.format(disk=disk), tmp_path / "cache")
    assert first != second
    assert [path.name for path in disk.iterdir()] == ["mine.txt"]
    assert not Path(first.partition(":")[2]).exists()


def test_it_is_gone_after_a_failure_too(house: House, tmp_path: Path) -> None:
    homes: list[Path] = []

    def work() -> None:
        with room_for("folder:", cache=tmp_path / "cache", narrate=quiet) as place:
            homes.append(Path(place.url.partition(":")[2]))
            assert homes[0].is_dir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not homes[0].exists()


@pytest.mark.parametrize("url", ["folder:{tmp}/nowhere", "shared:{tmp}/file", "s3:bucket", "gdrive:", "shared:"])
def test_a_store_that_cannot_be_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with (
        pytest.raises(SettingInvalid),
        room_for(url.format(tmp=tmp_path), cache=tmp_path / "cache", narrate=quiet),
    ):
        pass


@pytest.mark.parametrize("named", ["new", "{queue}"])
def test_on_drive_it_is_a_folder_of_its_own_that_is_deleted(named: str, ada: Laptop, house: House) -> None:
    queue = ada.make_queue()
    before = {file.id for file in ada.emulator.owner(ada.ada).files()}
    url = put_a_job(house.queue, f"gdrive:{named.format(queue=queue)}", ada.folder / "cache")
    assert url != f"gdrive:{queue}"
    assert {file.id for file in ada.emulator.owner(ada.ada).files()} == before


def test_on_drive_it_is_deleted_when_its_making_was_cut(ada: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*arguments: object) -> None:
        raise QcqueueError("cut")

    monkeypatch.setattr("qcqueue.stores.drive.layout.furnish", cut)
    with pytest.raises(QcqueueError), room_for("gdrive:new", cache=ada.folder / "cache", narrate=quiet):
        pass
    assert not list(ada.emulator.owner(ada.ada).files())


def test_a_folder_that_this_sign_in_does_not_see_is_named(ada: Laptop) -> None:
    with (
        pytest.raises(StoreMissing, match="0123456789abcdef"),
        room_for("gdrive:0123456789abcdef", cache=ada.folder / "cache", narrate=quiet),
    ):
        pass


def test_the_datasets_of_the_house_are_where_they_were(house: House, tmp_path: Path) -> None:
    before = house.fingerprint()
    put_a_job(house.queue, "folder:", tmp_path / "cache")
    assert house.fingerprint() == before
