"""Files by their ids: reserved once, listed in pages, deleted for good, and never those of anybody else."""

from pathlib import Path

import pytest

from qcqueue.errors import StoreMissing
from qcqueue.stores.drive import files as module
from qcqueue.stores.drive.files import RESERVED_AT_ONCE, DriveFile, NewFile
from tests.stores_drive.queues import PATIENT, Queue, failed
from tests.support.drive.accounts import App


def new_file(drive: Queue, file_id: str, title: str = "a file", data: bytes = b"bytes") -> NewFile:
    return NewFile(id=file_id, title=title, parent=drive.home.blobs, data=data)


def test_ids_are_asked_for_in_lots_and_none_is_given_twice(drive: Queue) -> None:
    files = drive.files("session")
    ids = [files.reserve() for _ in range(RESERVED_AT_ONCE + 20)]
    assert len(set(ids)) == len(ids)
    assert drive.asked() == ["files.generateIds"] * 2


def test_what_is_inserted_is_described_as_it_is(drive: Queue) -> None:
    files = drive.files("session")
    title = "Grüße 'und' \\ 日本"
    made = files.insert(new_file(drive, files.reserve(), title))
    assert isinstance(made, DriveFile)
    assert files.get(made.id) == made
    assert (made.title, made.size_bytes, made.is_trashed) == (title, 5, False)


def test_an_id_is_inserted_once_whoever_asks(drive: Queue) -> None:
    one, other = drive.files("one"), drive.files("other")
    file_id = one.reserve()
    assert one.insert(new_file(drive, file_id, data=b"one"))
    assert other.insert(new_file(drive, file_id, data=b"other")) is None
    assert one.insert(new_file(drive, file_id, data=b"one")) is None
    assert drive.owner.read(file_id) == b"one"


@pytest.mark.parametrize("trashed", [False, True])
def test_what_is_deleted_is_not_in_the_bin(drive: Queue, trashed: bool) -> None:
    files = drive.files("session")
    made = files.insert(new_file(drive, files.reserve()))
    assert made
    if trashed:
        drive.owner.trash(made.id)
    for _ in range(2):
        files.delete(made.id)
    assert [file for file in drive.owner.files() if file.trashed or file.id == made.id] == []


def test_emptying_gives_bytes_back_and_is_no_error_where_nothing_is(drive: Queue) -> None:
    files = drive.files("session")
    made = files.insert(new_file(drive, files.reserve()))
    assert made
    for _ in range(2):
        files.empty(made.id)
    files.empty("nobody-made-this")
    assert files.read(made.id, 0, 100) == b""
    assert drive.owner.file(made.id).size == 0


@pytest.mark.parametrize(("first", "last", "expected"), [(0, 2, b"byt"), (3, 100, b"es"), (5, 9, b""), (9, 12, b"")])
def test_a_range_is_read_as_far_as_the_file_goes(drive: Queue, first: int, last: int, expected: bytes) -> None:
    files = drive.files("session")
    made = files.insert(new_file(drive, files.reserve()))
    assert made
    assert files.read(made.id, first, last) == expected


def test_a_listing_comes_in_pages_and_ends_where_it_was_told(drive: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_PAGE", 3)
    files = drive.files("session")
    for number in range(8):
        drive.clock.sleep(1.0)
        files.insert(new_file(drive, files.reserve(), f"{number}"))
    drive.asked()
    query = f"'{drive.home.blobs}' in parents"
    assert [file.title for file in files.list(query, most=100)] == list("76543210")
    assert [file.title for file in files.list(query, most=5)] == list("76543")
    assert drive.asked() == ["files.list"] * 5


def test_pages_that_stay_empty_end(drive: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    files = drive.files("session")
    asked: list[object] = []

    def more(make: object, **_: object) -> object:
        asked.append(make)
        return module._page({"items": [], "nextPageToken": "again"})

    monkeypatch.setattr(files.caller, "read", more)
    assert list(files.list("trashed=false", most=20)) == []
    assert len(asked) == 20


def test_a_listing_may_be_late(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.listing_lag_s["session"] = 60.0
    made = files.insert(new_file(drive, files.reserve()))
    query = f"'{drive.home.blobs}' in parents"
    assert list(files.list(query, most=10)) == []
    drive.clock.sleep(61.0)
    assert list(files.list(query, most=10)) == [made]


def test_an_id_that_is_late_for_one_client_is_not_for_another(drive: Queue) -> None:
    one, other = drive.files("one"), drive.files("other")
    made = one.insert(new_file(drive, one.reserve()))
    assert made
    drive.emulator.id_lag_s["other"] = 30.0
    assert (one.get(made.id), other.get(made.id)) == (made, None)
    assert other.find(made.id) == made


def test_a_file_of_another_app_is_neither_seen_nor_touched(drive: Queue) -> None:
    files = drive.files("session")
    foreign = drive.owner.put("mine", b"mine", parent=drive.home.blobs)
    assert files.get(foreign.id) is None
    assert not files.touch(foreign.id)
    files.delete(foreign.id)
    files.empty(foreign.id)
    assert drive.owner.read(foreign.id) == b"mine"
    assert files.read(foreign.id, 0, 10) is None


def test_another_app_and_another_account_see_nothing_of_a_queue(drive: Queue) -> None:
    bob = drive.emulator.user("bob@example.com")
    for files in (drive.files("app", app=App(name="rclone")), drive.files("bob", user=bob)):
        assert files.find(drive.home.folder) is None
        error = failed(lambda files=files: files.insert(new_file(drive, files.reserve())))  # type: ignore[misc]
        assert isinstance(error, StoreMissing)


def test_what_goes_into_a_folder_that_is_gone_is_missed_after_the_lag(drive: Queue) -> None:
    files = drive.files("session")
    drive.owner.delete(drive.home.blobs)
    assert isinstance(failed(lambda: files.insert(new_file(drive, files.reserve()))), StoreMissing)
    assert sum(drive.clock.slept_s) >= PATIENT.lag_s


def test_a_touch_makes_no_revision(drive: Queue) -> None:
    files = drive.files("session")
    made = files.insert(new_file(drive, files.reserve()))
    assert made
    drive.clock.sleep(100.0)
    assert files.touch(made.id)
    file = drive.owner.file(made.id)
    assert (len(file.revisions), file.modified_s - made.modified_s) == (1, 100.0)


def test_an_account_without_a_limit_has_no_number_of_free_bytes() -> None:
    said = {"user": {"emailAddress": "ada@example.com"}, "quotaType": "UNLIMITED", "quotaBytesTotal": "0"}
    assert module._about(said).free_bytes is None


def test_a_drive_that_holds_more_than_it_may_has_no_free_bytes(drive: Queue, tmp_path: Path) -> None:
    drive.owner.leave_free(-10_000_000)
    assert drive.files("session").about().free_bytes == 0
