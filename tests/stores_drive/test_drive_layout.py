"""The folder of a queue: made once, furnished by anybody, and refused in one sentence where it is not to be used."""

import json
from pathlib import Path

import pytest

from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreBusy, StoreDenied, StoreMissing
from qcqueue.stores.drive.files import NewFile
from qcqueue.stores.drive.layout import (
    FOLDERS,
    VERSION_FOLDERS,
    VERSIONS_A_FOLDER,
    RememberedHome,
    check_account,
    find_home,
    furnish,
    known_as,
    make_home,
    version_folder,
)
from qcqueue.stores.drive.token import AS_ANOTHER
from tests.stores_drive.queues import PATIENT, Queue, failed
from tests.support.drive.accounts import App
from tests.support.drive.faults import DriveFault


def test_a_queue_is_found_by_its_id_and_by_nothing_else(drive: Queue) -> None:
    drive.owner.duplicate(drive.home.folder)
    drive.owner.put("qcqueue", b"a file of that title")
    assert find_home(drive.files("session"), drive.home.folder) == drive.home


def test_a_person_finds_their_way_in_the_folder(drive: Queue) -> None:
    inside = {file.title for file in drive.owner.files() if file.parent == drive.home.folder}
    assert inside == {"README.txt", *FOLDERS}
    assert "qcqueue" in drive.owner.read(drive.home.readme).decode()


def test_furnishing_again_changes_nothing(drive: Queue) -> None:
    before = drive.owner.files()
    furnish(drive.files("session"), drive.home)
    assert drive.owner.files() == before


@pytest.mark.parametrize("after", range(6))
def test_a_making_that_was_cut_is_finished_by_anybody(drive: Queue, after: int) -> None:
    laptop = drive.files("laptop")
    home = make_home(laptop, drive.ada.email)
    drive.emulator.faults.script(DriveFault.FORBIDDEN, operation="*t", skip=after, times=99)
    failed(lambda: furnish(laptop, home))
    drive.emulator.faults.flowing = False
    furnish(drive.files("session"), find_home(drive.files("session"), home.folder))
    inside = [file.title for file in drive.owner.files() if file.parent == home.folder]
    assert sorted(inside) == sorted(["README.txt", *FOLDERS])


def test_a_young_folder_is_furnished_as_soon_as_it_is_seen(drive: Queue) -> None:
    drive.emulator.id_lag_s["laptop"] = 15.0
    laptop = drive.files("laptop")
    home = make_home(laptop, drive.ada.email)
    furnish(laptop, home)
    assert {file.title for file in drive.owner.files() if file.parent == home.folder} == {"README.txt", *FOLDERS}


def test_a_folder_whose_making_got_no_answer_is_found(drive: Queue) -> None:
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert", quiet=False)
    home = make_home(drive.files("laptop"), drive.ada.email)
    assert find_home(drive.files("session"), home.folder) == home


def test_a_folder_that_is_made_and_does_not_show_is_unknown(drive: Queue) -> None:
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert", quiet=False)
    drive.emulator.id_lag_s["laptop"] = 1e6
    error = failed(lambda: make_home(drive.files("laptop"), drive.ada.email))
    assert isinstance(error, OutcomeUnknown)
    assert "init" in (error.hint or "")


def test_a_queue_in_the_bin_says_how_to_take_it_out(drive: Queue) -> None:
    drive.owner.trash(drive.home.folder)
    error = failed(lambda: find_home(drive.files("session"), drive.home.folder))
    assert isinstance(error, StoreMissing)
    assert "in Drive's bin" in str(error)
    assert "restore it" in (error.hint or "")
    drive.owner.untrash(drive.home.folder)
    assert find_home(drive.files("session"), drive.home.folder) == drive.home


def test_a_queue_that_is_gone_or_of_another_app_or_account_is_not_seen(drive: Queue) -> None:
    bob = drive.emulator.user("bob@example.com")
    strangers = [drive.files("app", app=App(name="rclone")), drive.files("bob", user=bob)]
    drive.asked()
    for files in strangers:
        error = failed(lambda files=files: find_home(files, drive.home.folder))  # type: ignore[misc]
        assert isinstance(error, StoreMissing)
        assert "account" in (error.hint or "")
    drive.owner.delete(drive.home.folder)
    assert isinstance(failed(lambda: find_home(drive.files("session"), drive.home.folder)), StoreMissing)


@pytest.mark.parametrize("properties", [{}, {"qcqueue": "2"}, {"qcqueue": "1"}, {"qcqueue": "1", "first": "a"}])
def test_a_folder_that_is_no_queue_is_refused(drive: Queue, properties: dict[str, str]) -> None:
    files = drive.files("session")
    new = NewFile(id=files.reserve(), title="photos", parent="", properties=properties, data=None)
    files.insert(new)
    with pytest.raises(CorruptionError, match="photos") as caught:
        find_home(files, new.id)
    assert caught.value.hint


def test_the_ids_are_asked_for_once_on_a_machine(drive: Queue, tmp_path: Path) -> None:
    for _ in range(3):
        remembered = RememberedHome(drive.files("session"), drive.home.folder, tmp_path / "here" / "home.json")
        assert remembered() == remembered() == drive.home
    assert drive.asked() == ["files.get"]


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_memory_that_cannot_be_read_costs_a_question(drive: Queue, tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "home.json"
    path.write_bytes(written)
    assert RememberedHome(drive.files("session"), drive.home.folder, path)() == drive.home
    assert json.loads(path.read_bytes())["folder"] == drive.home.folder


def test_a_memory_of_another_queue_is_not_believed(drive: Queue, tmp_path: Path) -> None:
    path = tmp_path / "home.json"
    other = make_home(drive.files("laptop"), drive.ada.email)
    RememberedHome(drive.files("session"), other.folder, path)()
    assert RememberedHome(drive.files("session"), drive.home.folder, path)() == drive.home


def test_a_memory_that_cannot_be_written_costs_a_question(drive: Queue, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert RememberedHome(drive.files("session"), drive.home.folder, tmp_path / "file" / "home.json")() == drive.home


def test_a_greeting_asks_drive_whatever_is_remembered(drive: Queue, tmp_path: Path) -> None:
    files = drive.files("session")
    remembered = RememberedHome(files, drive.home.folder, tmp_path / "home.json")
    about = files.about()
    assert remembered.check(about) == about
    drive.owner.trash(drive.home.folder)
    assert isinstance(failed(lambda: remembered.check(about)), StoreMissing)


def test_a_queue_belongs_to_one_account(drive: Queue) -> None:
    check_account(drive.home, "ada@example.com")
    error = failed(lambda: check_account(drive.home, "bob@example.com"))
    assert isinstance(error, StoreDenied)
    assert "ada@example.com" in str(error)
    assert error.hint == f"sign in as ada@example.com: {AS_ANOTHER}"


@pytest.mark.parametrize("account", ["a" * 300 + "@example.com", "ä" * 150, "日" * 100])
def test_an_account_of_any_length_fits_into_a_property(drive: Queue, account: str) -> None:
    home = make_home(drive.files("laptop"), account)
    assert len(known_as(account).encode()) <= 100
    check_account(find_home(drive.files("session"), home.folder), account)


@pytest.mark.parametrize("nth", [1, 2, VERSION_FOLDERS, VERSION_FOLDERS + 1, 10_000])
def test_versions_beyond_a_folder_lie_in_one_that_all_machines_agree_on(drive: Queue, nth: int) -> None:
    one, other = drive.files("one"), drive.files("other")
    folder = version_folder(one, drive.home, nth)
    assert folder == version_folder(other, drive.home, nth) != drive.home.versions
    file = drive.owner.file(folder)
    assert file.is_folder
    assert file.parent == drive.home.versions
    assert file.title.startswith(f"versions {nth * VERSIONS_A_FOLDER + 1} to ")


@pytest.mark.parametrize("nth", [0, -1])
def test_the_first_versions_lie_in_the_folder_itself(drive: Queue, nth: int) -> None:
    assert version_folder(drive.files("session"), drive.home, nth) == drive.home.versions
    assert drive.asked() == []


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b"3", b'{"0": 1}'])
def test_a_list_of_folders_that_is_damaged_is_done_without(drive: Queue, damage: bytes) -> None:
    drive.owner.overwrite(drive.home.later, damage)
    assert version_folder(drive.files("session"), drive.home, 1) == drive.home.versions


def test_a_list_of_folders_that_is_gone_is_done_without(drive: Queue) -> None:
    drive.owner.delete(drive.home.later)
    assert version_folder(drive.files("session"), drive.home, 1) == drive.home.versions


@pytest.mark.parametrize("fault", [DriveFault.FORBIDDEN, DriveFault.FULL])
@pytest.mark.parametrize("operation", ["files.media", "files.insert"])
def test_a_folder_that_drive_refuses_is_done_without(drive: Queue, fault: DriveFault, operation: str) -> None:
    drive.emulator.faults.script(fault, operation=operation)
    assert version_folder(drive.files("session"), drive.home, 1) == drive.home.versions


@pytest.mark.parametrize("operation", ["files.media", "files.insert"])
def test_a_folder_that_drive_gives_no_answer_for_is_asked_for_again(drive: Queue, operation: str) -> None:
    """Else the machines would not agree on it."""
    drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation=operation, times=PATIENT.tries)
    files = drive.files("session")
    assert isinstance(failed(lambda: version_folder(files, drive.home, 1)), StoreBusy)
    assert version_folder(files, drive.home, 1) != drive.home.versions


def test_all_ids_of_a_queue_fit_into_properties(drive: Queue) -> None:
    longest = max(len(key) + len(value.encode()) for key, value in drive.home.properties.items())
    assert longest <= 124
