"""Uploads that are cut anywhere: by the network, by Google, by a kill; and end whole, once, or with a clear refusal."""

import json
import stat
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from qcqueue.clock import SystemClock
from qcqueue.conformance.processes import PROCESSES, kill_now, race, running
from qcqueue.errors import DigestMismatch, OutcomeUnknown, StoreBusy, StoreFull, StoreMissing
from qcqueue.stores.base import Blob
from qcqueue.stores.drive import uploads
from qcqueue.stores.drive.caller import QUICK, Raw
from qcqueue.stores.drive.uploads import Journal, JournalEntry
from tests.canary import leaks
from tests.stores_drive.queues import MB, Queue, failed, file_of, queue
from tests.support.drive.accounts import CANARY
from tests.support.drive.choices import Choices
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.faults import DriveFault
from tests.support.drive.places import _RUNNING, OnDrive

CHUNK = 1 << 20  # of most of these tests, which have no need for 32 MB
SIZE = 5 * CHUNK + 7  # more than goes in one request


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "CHUNK_BYTES", CHUNK)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return file_of(tmp_path, SIZE)


def is_whole(drive: Queue, blob: Blob, source: Path) -> bool:
    return drive.owner.read(blob.place) == source.read_bytes()


def blobs_on(drive: Queue) -> int:
    return sum(file.parent == drive.home.blobs for file in drive.owner.files())


def journal_of(root: Path) -> list[Path]:
    return sorted((root / "uploads").iterdir())


def test_a_large_file_goes_in_chunks_and_each_byte_once(drive: Queue, tmp_path: Path, source: Path) -> None:
    told: list[tuple[int, int]] = []
    blob = drive.machine(tmp_path).store.put(source, moved=lambda *moved: told.append(moved))
    assert is_whole(drive, blob, source)
    assert drive.sent_bytes() == SIZE
    assert drive.asked() == ["about.get", "files.get", "files.generateIds", "upload.start"] + ["upload.chunk"] * 6
    assert told == [*((count * CHUNK, SIZE) for count in range(1, 6)), (SIZE, SIZE)]


def test_a_small_file_is_one_request(drive: Queue, tmp_path: Path) -> None:
    machine = drive.machine(tmp_path)
    machine.store.put(file_of(tmp_path, 100, "first"))
    drive.asked()
    machine.store.put(file_of(tmp_path, 100, "second"))
    assert drive.asked() == ["upload.multipart"]


FAULTS = {
    "start lost": (DriveFault.DROP_BEFORE, "upload.start", 0),
    "start carried out, answer lost": (DriveFault.DROP_AFTER, "upload.start", 0),
    "start busy": (DriveFault.SERVER_ERROR_HTML, "upload.start", 0),
    "first chunk lost": (DriveFault.DROP_BEFORE, "upload.chunk", 0),
    "first chunk arrived, answer lost": (DriveFault.DROP_AFTER, "upload.chunk", 0),
    "chunk busy": (DriveFault.SERVER_ERROR, "upload.chunk", 2),
    "chunk taken, then busy": (DriveFault.SERVER_ERROR_AFTER, "upload.chunk", 2),
    "chunk limited": (DriveFault.RATE_LIMITED, "upload.chunk", 2),
    "chunk too many": (DriveFault.TOO_MANY, "upload.chunk", 2),
    "chunk unauthorized": (DriveFault.UNAUTHORIZED, "upload.chunk", 2),
    "chunk kept in part": (DriveFault.SHORT_308, "upload.chunk", 2),
    "session lost": (DriveFault.SESSION_LOST, "upload.chunk", 3),
    "session gone": (DriveFault.SESSION_GONE, "upload.chunk", 3),
    "last chunk lost": (DriveFault.DROP_BEFORE, "upload.chunk", 5),
    "last chunk arrived, answer lost": (DriveFault.DROP_AFTER, "upload.chunk", 5),
    "last chunk arrived, answer cut": (DriveFault.CUT_ANSWER, "upload.chunk", 5),
    "last chunk arrived, then busy": (DriveFault.SERVER_ERROR_AFTER, "upload.chunk", 5),
    "last chunk arrived, then limited": (DriveFault.RATE_LIMITED_AFTER, "upload.chunk", 5),
}
MIDDLE = [name for name in FAULTS if "session" not in name and not name.startswith(("start", "last"))]


# When Drive says that an id is taken shows where an upload begins or ends; in its middle, with --long alone.
CUTS = [
    pytest.param(*cut, late, id=f"{name}-{late}", marks=[pytest.mark.long] if late and name in MIDDLE else [])
    for name, cut in FAULTS.items()
    for late in (False, True)
]


@pytest.mark.parametrize(("fault", "operation", "skip", "conflict_at_end"), CUTS)
def test_an_upload_that_is_cut_once_ends_whole_and_once(
    tmp_path: Path, source: Path, fault: DriveFault, operation: str, skip: int, conflict_at_end: bool
) -> None:
    with queue(Choices(conflict_at_end=conflict_at_end)) as drive:
        drive.emulator.faults.script(fault, operation=operation, skip=skip, quiet=False, keep_bytes=0)
        blob = drive.machine(tmp_path).store.put(source)
        assert is_whole(drive, blob, source)
        assert blobs_on(drive) == 1
        # A lost session costs what it had; everything else a chunk at most.
        again = 3 * CHUNK if fault in (DriveFault.SESSION_LOST, DriveFault.SESSION_GONE) else CHUNK
        assert drive.sent_bytes() <= SIZE + again + CHUNK


def test_a_chunk_of_which_nothing_was_kept_is_sent_again(drive: Queue, tmp_path: Path, source: Path) -> None:
    """A 308 without Range says that nothing is there."""
    drive.emulator.faults.script(DriveFault.SHORT_308, operation="upload.chunk", keep_bytes=0)
    assert is_whole(drive, drive.machine(tmp_path).store.put(source), source)
    assert drive.sent_bytes() == SIZE + CHUNK


HOPELESS = (
    DriveFault.SESSION_LOST,
    DriveFault.SESSION_GONE,
    DriveFault.SHORT_308,
    DriveFault.SERVER_ERROR,
    DriveFault.DROP_BEFORE,
    DriveFault.TOO_MANY,
)


@pytest.mark.parametrize("fault", HOPELESS)
def test_an_upload_that_never_gets_on_ends_after_pauses(
    drive: Queue, tmp_path: Path, source: Path, fault: DriveFault
) -> None:
    drive.emulator.faults.script(
        fault, operation="upload.chunk", skip=2, times=1000, quiet=False, keep_bytes=0, retry_after_s=40
    )
    machine = drive.machine(tmp_path)
    assert isinstance(failed(lambda: machine.store.put(source)), StoreBusy)
    assert len(drive.clock.slept_s) == 7
    assert len(drive.asked()) < 40
    if fault is DriveFault.TOO_MANY:
        assert min(drive.clock.slept_s) == 40.0


def test_sessions_that_get_far_and_die_are_not_begun_for_ever(drive: Queue, tmp_path: Path, source: Path) -> None:
    for _ in range(50):
        drive.emulator.faults.script(DriveFault.SESSION_LOST, operation="upload.chunk", skip=4)
    assert isinstance(failed(lambda: drive.machine(tmp_path).store.put(source)), StoreBusy)
    assert drive.asked().count("upload.start") == 8


def test_who_is_quick_gives_an_upload_up_where_google_is_away(
    drive: Queue, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = drive.machine(tmp_path, patience=QUICK)

    def go_away(moved_bytes: int, size_bytes: int) -> None:
        machine.files.caller._connected().reconnect()
        monkeypatch.setattr("socket.socket.connect", refuse)

    def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    assert isinstance(failed(lambda: machine.store.put(source, moved=go_away)), StoreBusy)
    assert drive.clock.slept_s == []


@pytest.mark.parametrize("conflict_at_end", [False, True])
def test_the_file_of_an_upload_whose_process_died_before_it_heard_is_found(
    tmp_path: Path, source: Path, conflict_at_end: bool
) -> None:
    with queue(Choices(conflict_at_end=conflict_at_end)) as drive:
        drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="upload.chunk", skip=5, quiet=False)
        drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation="upload.*", skip=6, times=7)
        assert isinstance(failed(lambda: drive.machine(tmp_path).store.put(source)), OutcomeUnknown)
        drive.emulator.faults.script(DriveFault.SESSION_LOST, operation="upload.status")
        blob = drive.machine(tmp_path).store.put(source)
        assert is_whole(drive, blob, source)
        assert blobs_on(drive) == 1


def test_an_interrupted_transfer_is_taken_up_by_the_next_process(drive: Queue, tmp_path: Path, source: Path) -> None:
    def interrupt(moved_bytes: int, size_bytes: int) -> None:
        if moved_bytes == 3 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive.machine(tmp_path).store.put(source, moved=interrupt)
    assert_the_journal_is_for_its_owner_only(tmp_path)
    blob = drive.machine(tmp_path).store.put(source)
    assert is_whole(drive, blob, source)
    assert drive.sent_bytes() == SIZE


def test_an_upload_that_was_cut_is_taken_up_for_its_own_owner_only(drive: Queue, tmp_path: Path, source: Path) -> None:
    def interrupt(moved_bytes: int, size_bytes: int) -> None:
        if moved_bytes == 3 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive.machine(tmp_path).store.put(source, owner="one", moved=interrupt)
    other = drive.machine(tmp_path).store.put(source, owner="other")
    assert drive.sent_bytes() == 3 * CHUNK + SIZE
    one = drive.machine(tmp_path).store.put(source, owner="one")
    assert drive.sent_bytes() == 2 * SIZE
    assert one.place != other.place
    assert is_whole(drive, one, source)
    assert is_whole(drive, other, source)
    owners = {file.id: [mine.value for mine in file.properties] for file in drive.owner.files()}
    assert (owners[one.place], owners[other.place]) == (["one"], ["other"])


@pytest.mark.parametrize("size_bytes", [100, SIZE])
def test_the_journal_does_not_hand_one_owners_file_to_another(drive: Queue, tmp_path: Path, size_bytes: int) -> None:
    source = file_of(tmp_path, size_bytes)
    first = drive.machine(tmp_path).store.put(source, owner="one")
    places = {drive.machine(tmp_path).store.put(source, owner=owner).place for owner in ("one", "other", "", "one")}
    assert len(places) == 3
    assert first.place in places
    assert blobs_on(drive) == 3


def test_a_killed_upload_is_taken_up_and_nothing_is_sent_twice(tmp_path: Path, source: Path) -> None:
    with OnDrive().running(SystemClock()) as place:
        emulator = emulator_of(place)
        with running(put_and_tell, place, tmp_path, source) as (process, pipe):
            moved = [pipe.recv() for _ in range(3)]
            kill_now(process, pipe)
        assert_the_journal_is_for_its_owner_only(tmp_path)
        before = sum(one.sent_bytes for one in emulator.log if one.operation == "upload.chunk")
        assert before >= moved[-1]
        emulator.log.clear()
        with running(put_and_tell, place, tmp_path, source) as (process, pipe):
            while (said := pipe.recv()) != "done":
                assert said >= moved[-1]
        sent = sum(one.sent_bytes for one in emulator.log if one.operation == "upload.chunk")
        assert sent <= SIZE - moved[-1]
        assert [one.operation for one in emulator.log].count("upload.start") == 0


def test_processes_that_upload_the_same_bytes_make_one_file(tmp_path: Path, source: Path) -> None:
    with OnDrive().running(SystemClock()) as place:
        race(put_when_told, [(place, tmp_path, source)] * 4)
        emulator = emulator_of(place)
        assert Counter(one.operation for one in emulator.log)["upload.start"] == 1
        assert not list((tmp_path / "uploads").glob("*.lock"))


def test_the_journal_forgets_the_address_of_an_upload_that_is_whole(drive: Queue, tmp_path: Path, source: Path) -> None:
    drive.machine(tmp_path).store.put(source)
    (entry,) = journal_of(tmp_path)
    assert CANARY not in entry.read_text()
    assert json.loads(entry.read_text())["session"] == ""
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "written", [b"", b"{", b"[]", b"null", b'"x"', b'{"file_id": "a"}', b'{"file_id": "a", "x": 1}']
)
def test_a_journal_that_cannot_be_read_costs_an_upload(
    drive: Queue, tmp_path: Path, source: Path, written: bytes
) -> None:
    machine = drive.machine(tmp_path)
    machine.store.put(source)
    journal_of(tmp_path)[0].write_bytes(written)
    assert is_whole(drive, machine.store.put(source), source)


def test_a_journal_that_cannot_be_written_is_done_without(
    drive: Queue, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads, "move_whole", fail)
    assert is_whole(drive, drive.machine(tmp_path).store.put(source), source)


def test_a_lock_whose_file_was_removed_while_it_was_waited_for_is_no_lock(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "uploads")
    barrier = PROCESSES.Barrier(8)
    inside = PROCESSES.Value("i", 0)
    most = PROCESSES.Value("i", 0)
    racers = [
        PROCESSES.Process(target=hold_often, args=(tmp_path / "uploads", barrier, inside, most), daemon=True)
        for _ in range(8)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * 8
    assert most.value == 1
    with journal.held("0" * 64):
        pass


def test_a_file_that_changes_while_it_is_read_is_not_stored(drive: Queue, tmp_path: Path, source: Path) -> None:
    before = source.read_bytes()

    def change(moved_bytes: int, size_bytes: int) -> None:
        source.write_bytes(before[:-1] + b"x")

    with pytest.raises(DigestMismatch):
        drive.machine(tmp_path).store.put(source, moved=change)
    assert (blobs_on(drive), journal_of(tmp_path)) == (0, [])
    source.write_bytes(before)
    assert is_whole(drive, drive.machine(tmp_path).store.put(source), source)


@pytest.mark.parametrize("left", [0, CHUNK, 3 * CHUNK + 1, SIZE - 1])
def test_a_file_that_becomes_shorter_while_it_is_read_ends_the_upload(
    drive: Queue, tmp_path: Path, source: Path, left: int
) -> None:
    def shorten(moved_bytes: int, size_bytes: int) -> None:
        with source.open("r+b") as file:
            file.truncate(left)

    with pytest.raises(DigestMismatch, match="shorter"):
        drive.machine(tmp_path).store.put(source, moved=shorten)
    assert (blobs_on(drive), journal_of(tmp_path)) == (0, [])


def test_a_file_that_vanishes_while_it_is_read_is_stored_as_it_was(drive: Queue, tmp_path: Path, source: Path) -> None:
    before = source.read_bytes()
    blob = drive.machine(tmp_path).store.put(source, moved=lambda *_: source.unlink(missing_ok=True))
    assert drive.owner.read(blob.place) == before


def test_a_drive_that_is_full_beforehand_is_asked_and_sent_nothing(drive: Queue, tmp_path: Path, source: Path) -> None:
    machine = drive.machine(tmp_path)
    drive.owner.leave_free(SIZE)
    error = failed(lambda: machine.store.put(source))
    assert isinstance(error, StoreFull)
    assert "MB are needed" in str(error)
    assert "make room" in (error.hint or "")
    assert drive.asked() == ["about.get"]
    drive.owner.leave_free(SIZE + (1 << 30) // 2)
    assert is_whole(drive, machine.store.put(source), source)


@pytest.mark.parametrize("skip", [0, 2, 5])
def test_a_drive_that_becomes_full_in_the_middle_is_said_to_be_and_gone_on_with(
    drive: Queue, tmp_path: Path, source: Path, skip: int
) -> None:
    machine = drive.machine(tmp_path)
    drive.emulator.faults.script(DriveFault.FULL, operation="upload.chunk", skip=skip)
    assert isinstance(failed(lambda: machine.store.put(source)), StoreFull)
    assert is_whole(drive, machine.store.put(source), source)
    assert blobs_on(drive) == 1


@pytest.mark.parametrize("size_bytes", [100, SIZE])
def test_a_folder_that_is_gone_is_missed(drive: Queue, tmp_path: Path, size_bytes: int) -> None:
    drive.owner.delete(drive.home.blobs)
    error = failed(lambda: drive.machine(tmp_path).store.put(file_of(tmp_path, size_bytes)))
    assert isinstance(error, StoreMissing)
    assert error.hint


@pytest.mark.parametrize("size_bytes", [100, SIZE])
def test_an_id_that_drive_does_not_take_any_more_is_not_tried_for_ever(tmp_path: Path, size_bytes: int) -> None:
    with queue(Choices(reserved_ttl_s=3600.0)) as drive:
        source = file_of(tmp_path, size_bytes)
        machine = drive.machine(tmp_path)
        drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation="upload.*", times=100)
        failed(lambda: machine.store.put(source))
        drive.emulator.faults.flowing = False
        drive.emulator.time.advance(7 * 24 * 3600)
        drive.machine(tmp_path).files.about()
        failed(lambda: drive.machine(tmp_path).store.put(source))
        assert is_whole(drive, drive.machine(tmp_path).store.put(source), source)


@pytest.mark.parametrize("size_bytes", [100, SIZE])
def test_an_upload_that_a_person_deleted_for_good_is_made_anew(tmp_path: Path, size_bytes: int) -> None:
    """Its id is used up, and nothing will ever be seen under it."""
    with queue(Choices(deleted_ids_are_free=False)) as drive:
        source = file_of(tmp_path, size_bytes)
        blob = drive.machine(tmp_path).store.put(source)
        journal = Journal(tmp_path / "uploads")
        journal.note(blob.sha256, JournalEntry(file_id=blob.place))  # as if it had been killed before it heard
        drive.owner.delete(blob.place)
        failed(lambda: drive.machine(tmp_path).store.put(source))
        assert is_whole(drive, drive.machine(tmp_path).store.put(source), source)


def test_an_upload_that_lies_in_the_bin_is_taken_out(drive: Queue, tmp_path: Path, source: Path) -> None:
    machine = drive.machine(tmp_path)
    blob = machine.store.put(source)
    drive.owner.trash(blob.place)
    assert machine.store.put(source) == blob
    assert not drive.owner.file(blob.place).trashed


def test_nothing_is_stored_in_a_queue_that_lies_in_the_bin(drive: Queue, tmp_path: Path, source: Path) -> None:
    machine = drive.machine(tmp_path)
    drive.owner.trash(drive.home.folder)
    for _ in range(2):
        error = failed(lambda: machine.store.put(source))
        assert isinstance(error, StoreMissing)
        assert "restore it" in (error.hint or "")
    drive.owner.untrash(drive.home.folder)
    assert is_whole(drive, machine.store.put(source), source)
    assert blobs_on(drive) == 1


def test_an_upload_of_200_mb_needs_the_memory_of_two_chunks(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(200 * MB)
    monkeypatch.setattr(uploads, "CHUNK_BYTES", 8 * MB)
    machine = drive.machine(tmp_path)
    held_bytes: list[int] = []

    def take(uri: str, *, headers: Mapping[str, str], **_: object) -> Raw:
        held_bytes.append(tracemalloc.get_traced_memory()[0])
        last = headers["Content-Range"].partition("-")[2].partition("/")[0]
        return Raw(status=308, headers={"range": f"bytes=0-{last}"}, content=b"")

    def end_at_last(moved_bytes: int, size_bytes: int) -> None:
        if moved_bytes == size_bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(machine.files.caller, "send", take)
    tracemalloc.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            machine.store.put(source, moved=end_at_last)
    finally:
        tracemalloc.stop()
    assert len(held_bytes) == 25
    assert max(held_bytes) < 2.5 * 8 * MB


def test_a_session_that_has_all_bytes_and_is_not_done_is_asked_and_not_sent_nothing(
    drive: Queue, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, ranges = drive.machine(tmp_path), list[str]()
    real = machine.files.caller.send

    def hesitate(uri: str, *, headers: Mapping[str, str], **how: Any) -> Raw:
        ranges.append(headers["Content-Range"])
        answer = real(uri, headers=headers, **how)
        is_first = ranges.count(headers["Content-Range"]) == 1 and answer.status == 200
        return Raw(status=308, headers={"range": f"bytes=0-{SIZE - 1}"}, content=b"") if is_first else answer

    monkeypatch.setattr(machine.files.caller, "send", hesitate)
    assert is_whole(drive, machine.store.put(source), source)
    assert ranges[-2:] == [f"bytes */{SIZE}"] * 2


# What the processes of these tests do.


def put_and_tell(place: OnDrive, root: Path, source: Path, pipe: Pipe) -> None:
    uploads.CHUNK_BYTES = CHUNK
    place.open(root, SystemClock()).put(source, moved=lambda moved_bytes, _: pipe.send(moved_bytes))
    pipe.send("done")


def put_when_told(place: OnDrive, root: Path, source: Path, together: Barrier) -> None:
    uploads.CHUNK_BYTES = CHUNK
    store = place.open(root, SystemClock())
    together.wait()
    store.put(source)


def hold_often(folder: Path, together: Barrier, inside: Any, most: Any) -> None:
    journal = Journal(folder)
    together.wait()
    for _ in range(30):
        with journal.held("0" * 64):
            inside.value += 1
            most.value = max(most.value, inside.value)
            inside.value -= 1


def emulator_of(place: OnDrive) -> DriveEmulator:
    return _RUNNING[place.url][0]


def assert_the_journal_is_for_its_owner_only(root: Path) -> None:
    entries = list((root / "uploads").glob("*.upload"))
    assert len(entries) == 1
    assert CANARY in entries[0].read_text()
    assert stat.S_IMODE(entries[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(entries[0].parent.stat().st_mode) == 0o700
    assert leaks(root) == []
