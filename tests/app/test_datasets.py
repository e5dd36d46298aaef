"""The same images are the same dataset, wherever they lay; one that nothing needs can go."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.datasets import add_images, keep, remove_dataset
from qcqueue.datasets.format import Dataset
from qcqueue.datasets.importing import ImportOptions, import_images
from qcqueue.errors import NameTaken, UnknownName, UserError
from qcqueue.queue.values import DatasetLine
from tests.cli.queues import DATASET, House, a_job, put
from tests.datasets.pictures import folder_of, three_classes, zip_of

OPTIONS = ImportOptions(image_size=(16, 16))
FILES = three_classes()


def added(house: House, path: Path, name: str = "scans", options: ImportOptions = OPTIONS) -> tuple[DatasetLine, bool]:
    return add_images(house.queue, name, path, options, progress=lambda done, total: None)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "scans", FILES)


@pytest.mark.parametrize(
    "way", ["moved", "zip", "zip with a folder", "zip with two folders", "with litter", "relative"]
)
def test_the_same_images_from_elsewhere_are_the_same_dataset(
    way: str, house: House, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, is_new = added(house, scans)
    assert is_new
    match way:
        case "moved":
            path = scans.rename(tmp_path / "moved")
        case "zip":
            path = zip_of(tmp_path / "any name.zip", FILES)
        case "zip with a folder":
            path = zip_of(tmp_path / "a.zip", {f"scans/{name}": content for name, content in FILES.items()})
        case "zip with two folders":
            path = zip_of(tmp_path / "a.zip", {f"a/b/{name}": content for name, content in FILES.items()})
        case "with litter":
            path = scans
            (scans / ".DS_Store").write_bytes(b"x")
            (scans / "good" / "Thumbs.db").write_bytes(b"x")
        case _:
            monkeypatch.chdir(scans)
            path = Path()
    assert added(house, path) == (line, False)


def test_what_was_typed_is_a_note_and_no_part_of_the_digest(house: House, scans: Path, tmp_path: Path) -> None:
    first, _ = added(house, scans)
    second, is_new = added(house, scans.rename(tmp_path / "moved"), "others")
    assert is_new
    assert first.blob == second.blob
    assert (first.summary.source, second.summary.source) == ("scans", "moved")


def test_images_that_the_store_has_are_not_stored_under_a_second_name(house: House, scans: Path) -> None:
    added(house, scans)
    before = sorted((house.store / "blobs").iterdir())
    added(house, scans, "others")
    assert sorted((house.store / "blobs").iterdir()) == before


@pytest.mark.parametrize("options", [replace(OPTIONS, seed=2), replace(OPTIONS, image_size=(8, 16))])
def test_another_split_or_size_is_another_dataset(options: ImportOptions, house: House, scans: Path) -> None:
    added(house, scans)
    with pytest.raises(NameTaken):
        added(house, scans, options=options)


def as_in_0_5_1(scans: Path) -> Dataset:
    """What was typed, and what was seen, stood among the images."""
    dataset = import_images(scans, OPTIONS)
    return replace(dataset, summary=replace(dataset.summary, note="as somebody said then"))


def test_a_dataset_of_before_is_known_again_from_anywhere(house: House, scans: Path, tmp_path: Path) -> None:
    line, _ = keep(house.queue, "scans", as_in_0_5_1(scans), dry_run=False)
    assert added(house, zip_of(tmp_path / "other.zip", FILES)) == (line, False)


def test_a_dataset_of_before_that_was_damaged_is_mended_by_adding_it_again(
    house: House, scans: Path, tmp_path: Path
) -> None:
    line, _ = keep(house.queue, "scans", as_in_0_5_1(scans), dry_run=False)
    shutil.rmtree(house.store / "blobs")
    (house.store / "blobs").mkdir()
    mended, is_new = added(house, scans.rename(tmp_path / "moved"))
    assert not is_new
    assert mended.blob.sha256 == line.blob.sha256
    house.queue.store_itself.fetch(mended.blob, tmp_path / "blob")


# Removing.


def test_a_dataset_that_no_job_needs_goes_with_its_bytes(house: House, scans: Path) -> None:
    before = sorted((house.store / "blobs").iterdir())
    line, _ = added(house, scans)
    assert remove_dataset(house.queue, "scans") == line
    assert sorted((house.store / "blobs").iterdir()) == before
    with pytest.raises(UnknownName):
        remove_dataset(house.queue, "scans")


def test_a_removed_dataset_can_be_added_again(house: House, scans: Path, tmp_path: Path) -> None:
    line, _ = added(house, scans)
    remove_dataset(house.queue, "scans")
    again, is_new = added(house, scans)
    assert is_new
    assert again.blob.sha256 == line.blob.sha256
    house.queue.store_itself.fetch(again.blob, tmp_path / "blob")


def test_bytes_that_have_another_name_stay(house: House, scans: Path, tmp_path: Path) -> None:
    added(house, scans)
    kept, _ = added(house, scans, "others")
    remove_dataset(house.queue, "scans")
    house.queue.store_itself.fetch(kept.blob, tmp_path / "blob")


def test_a_dataset_that_a_job_needs_stays(house: House) -> None:
    put(house.queue, a_job("vgg16"))
    before = house.fingerprint()
    with pytest.raises(UserError, match=f"'{DATASET}' is needed by .*vgg16"):
        remove_dataset(house.queue, DATASET)
    assert house.fingerprint() == before


def test_a_dry_run_removes_nothing(house: House, scans: Path) -> None:
    added(house, scans)
    before = house.fingerprint()
    remove_dataset(house.queue, "scans", dry_run=True)
    assert house.fingerprint() == before
