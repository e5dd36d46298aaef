"""Blobs and heartbeats on Drive: what a person, a skewed clock and a full account do to them, and what each costs."""

import hashlib
from pathlib import Path

import pytest

from qcqueue.errors import BlobMissing, DigestMismatch, StoreError, StoreMissing
from qcqueue.stores.base import Blob, BlobKind
from qcqueue.stores.drive import space
from qcqueue.stores.drive import store as module
from qcqueue.stores.drive.space import KEPT_FREE_BYTES
from tests.stores_drive.queues import MB, PATIENT, Queue, failed, file_of, queue
from tests.support.drive.choices import Choices
from tests.support.drive.drives import is_trashed
from tests.support.drive.faults import DriveFault

NO_IDS = ["", "..", "../../etc/passwd", "a/b", "a?alt=media", "a b", "ä", "a" * 121, "x\n"]


def used_bytes(drive: Queue) -> int:
    return sum(file.size for file in drive.owner.files())


def test_a_blob_lies_where_its_kind_does_under_its_title(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    for kind, folder in ((BlobKind.OTHER, drive.home.blobs), (BlobKind.DATASET, drive.home.datasets)):
        blob = store.put(file_of(tmp_path, 10, kind), title=f"for {kind}", kind=kind)
        file = drive.owner.file(blob.place)
        assert (file.title, file.parent) == (f"for {kind}", folder)


def test_what_was_put_before_is_asked_for_and_not_sent_again(drive: Queue, tmp_path: Path) -> None:
    source = file_of(tmp_path, 1000)
    blob = drive.machine(tmp_path).store.put(source)
    drive.asked()
    assert drive.machine(tmp_path).store.put(source) == blob
    assert drive.asked() == ["files.get"]


def test_two_machines_that_put_the_same_bytes_have_a_file_each(drive: Queue, tmp_path: Path) -> None:
    """Names are no keys: which file counts is what the database says."""
    source = file_of(tmp_path, 1000)
    one, other = drive.machine(tmp_path / "one", "one"), drive.machine(tmp_path / "other", "other")
    places = {one.store.put(source).place, other.store.put(source).place}
    assert len(places) == 2
    for place in places:
        one.store.fetch(Blob(sha256=_sha256(source), size_bytes=1000, place=place), tmp_path / "target")


@pytest.mark.parametrize("size_bytes", [0, 1, 9, 10, 11, 19, 20, 21, 35])
def test_a_blob_of_any_number_of_pieces_comes_back(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 10)
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, size_bytes)
    told: list[tuple[int, int]] = []
    store.fetch(store.put(source), tmp_path / "target", moved=lambda *moved: told.append(moved))
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert told[-1] == (size_bytes, size_bytes)


@pytest.mark.parametrize("fault", [DriveFault.CUT_ANSWER, DriveFault.DROP_AFTER, DriveFault.SERVER_ERROR_HTML])
def test_a_download_that_is_cut_goes_on_with_the_piece_that_is_missing(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: DriveFault
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 100)
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 1000)
    blob = store.put(source)
    drive.emulator.faults.script(fault, operation="files.media", skip=4, times=3, quiet=False)
    drive.asked()
    store.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert len(drive.asked()) == 11 + 3


@pytest.mark.parametrize("damaged", [b"", b"x" * 1000, b"x" * 999, b"x" * 1001, b"x" * 5 * MB])
def test_a_blob_whose_bytes_rotted_is_refused_and_leaves_nothing(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 500)
    store = drive.machine(tmp_path).store
    blob = store.put(file_of(tmp_path, 1000))
    drive.owner.damage(blob.place, damaged)
    drive.asked()
    with pytest.raises(DigestMismatch, match=blob.sha256[:12]):
        store.fetch(blob, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert len(drive.asked()) <= 2 * 3  # however long it has become, looked at twice


@pytest.mark.parametrize("most", [1, 7, 10])
def test_a_piece_that_comes_short_is_not_the_end_of_the_file(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 10)
    machine, source = drive.machine(tmp_path), file_of(tmp_path, 35)
    blob, read = machine.store.put(source), machine.files.read
    monkeypatch.setattr(machine.files, "read", lambda *asked: (read(*asked) or b"")[:most])
    machine.store.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_bytes_that_were_spoilt_on_the_way_are_fetched_once_more(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 10)
    machine, source = drive.machine(tmp_path), file_of(tmp_path, 35)
    blob, read, spoilt = machine.store.put(source), machine.files.read, [b"x" * 10, b"y" * 80]
    monkeypatch.setattr(machine.files, "read", lambda *asked: spoilt.pop(0) if spoilt else read(*asked))
    machine.store.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_blob_is_waited_for_longer_than_any_other_id_before_it_is_lost(drive: Queue, tmp_path: Path) -> None:
    source = file_of(tmp_path, 1000)
    blob = drive.machine(tmp_path / "one", "one").store.put(source)
    drive.emulator.id_lag_s["other"] = 3 * PATIENT.lag_s
    other = drive.machine(tmp_path / "other", "other")
    drive.clock.sleep(PATIENT.lag_s / 2)
    drive.emulator.faults.script(DriveFault.LATE_ID, operation="files.media", client="other", times=9, lag_s=1e6)
    other.store.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert sum(drive.clock.slept_s) > 2 * PATIENT.lag_s


def test_a_blob_of_a_queue_that_is_not_to_be_seen_is_not_condemned(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    blob = store.put(file_of(tmp_path, 1000))
    drive.owner.delete(drive.home.folder)
    assert isinstance(failed(lambda: store.fetch(blob, tmp_path / "target")), StoreMissing)


def test_a_server_that_gives_more_than_was_asked_for_ends(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 10)
    machine = drive.machine(tmp_path)
    blob = machine.store.put(file_of(tmp_path, 35))
    monkeypatch.setattr(machine.files, "read", lambda *_: b"all of it, whatever the range said")
    with pytest.raises(DigestMismatch):
        machine.store.fetch(blob, tmp_path / "target")


def test_a_blob_in_the_bin_is_there_and_is_taken_out_when_it_is_put_again(drive: Queue, tmp_path: Path) -> None:
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 1000)
    blob = store.put(source)
    drive.owner.trash(blob.place)
    assert store.size(blob) == 1000
    store.fetch(blob, tmp_path / "target")
    assert store.put(source) == blob
    assert not drive.owner.file(blob.place).trashed


def test_a_blob_a_person_deleted_is_missing_and_can_be_put_again(drive: Queue, tmp_path: Path) -> None:
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 1000)
    blob = store.put(source)
    drive.owner.delete(blob.place)
    assert store.size(blob) is None
    with pytest.raises(BlobMissing, match=blob.sha256[:12]):
        store.fetch(blob, tmp_path / "target")
    assert drive.owner.read(store.put(source).place) == source.read_bytes()


@pytest.mark.parametrize("place", NO_IDS)
def test_a_place_that_is_no_id_is_never_asked_for(drive: Queue, tmp_path: Path, place: str) -> None:
    store = drive.machine(tmp_path).store
    blob = Blob(sha256="0" * 64, size_bytes=1, place=place)
    assert store.size(blob) is None
    assert store.heartbeat_age_s(place) is None
    store.delete(blob)
    store.forget_heartbeat(place)
    with pytest.raises(BlobMissing):
        store.fetch(blob, tmp_path / "target")
    assert drive.asked() == []


def test_a_deleted_blob_is_gone_for_good_and_its_bytes_with_it(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    before = used_bytes(drive)
    for number in range(10):
        store.delete(store.put(file_of(tmp_path, MB, f"{number}")))
    assert used_bytes(drive) == before
    assert [file for file in drive.owner.files() if file.trashed] == []


def test_many_states_one_after_the_other_need_the_room_of_two(tmp_path: Path) -> None:
    """Each is stored before the last is deleted, on a Drive that has room for three of them."""
    size_bytes = 2 * MB
    with queue(quota_bytes=KEPT_FREE_BYTES + 3 * size_bytes) as drive:
        store = drive.machine(tmp_path).store
        last = None
        for number in range(9):
            blob = store.put(file_of(tmp_path, size_bytes, f"{number % 7}"))
            if last:
                store.delete(last)
            last = blob


def test_room_is_asked_for_seldom_and_again_where_it_is_scarce(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "ASKED_AGAIN_AFTER", 10)
    store = drive.machine(tmp_path).store
    for number in range(2 * 10):
        store.put(file_of(tmp_path, 100, f"{number}"))
    assert drive.asked().count("about.get") == 2
    drive.owner.leave_free(0)
    failed(lambda: store.put(file_of(tmp_path, 100, "more")))
    drive.owner.leave_free(1 << 29)
    store.put(file_of(tmp_path, 100, "more"))


def test_an_owner_is_a_private_property_and_nobodys_file_has_none(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    for owner, properties in (("", []), ("s7-2", [("owner", "s7-2", "PRIVATE")])):
        file = drive.owner.file(store.put(file_of(tmp_path, 10), owner=owner).place)
        assert [(one.key, one.value, one.visibility) for one in file.properties] == properties


@pytest.mark.parametrize("skew_s", [-5 * 3600.0, 0.0, 400 * 24 * 3600.0])
def test_a_listing_tells_ages_by_googles_clock_alone(drive: Queue, tmp_path: Path, skew_s: float) -> None:
    drive.emulator.time.advance(skew_s)
    drive.machine(tmp_path / "one", "one").store.put(file_of(tmp_path, 10), owner="one")
    drive.clock.sleep(300.0)
    drive.asked()
    (listed,) = drive.machine(tmp_path / "other", "other").store.list_blobs()
    assert listed.owner == "one"
    assert listed.age_s == pytest.approx(300.0, abs=1.1)
    assert drive.asked().count("files.list") == 1


def test_what_is_deleted_is_handed_out_no_more_whoever_owns_it_and_others_are(drive: Queue, tmp_path: Path) -> None:
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 10)
    one, other = store.put(source, owner="one"), store.put(source, owner="other")
    store.delete(one)
    drive.asked()
    assert store.put(source, owner="other") == other
    assert drive.asked() == ["files.get"]
    assert store.put(source, owner="one").place not in (one.place, other.place)
    assert drive.asked() == ["upload.multipart"]


def test_what_could_not_be_deleted_is_handed_out_no_more_either(drive: Queue, tmp_path: Path) -> None:
    """Whoever was refused will try again, and must not meet what was committed meanwhile."""
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 10)
    retired = store.put(source, owner="one")
    drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation="files.delete", times=PATIENT.tries)
    failed(lambda: store.delete(retired))
    again = store.put(source, owner="one")
    store.delete(retired)
    store.fetch(again, tmp_path / "target")
    assert again.place != retired.place


def test_a_name_that_is_no_digest_makes_the_journal_forget_nothing(drive: Queue, tmp_path: Path) -> None:
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 10)
    blob = store.put(source, owner="one")
    before = sorted((tmp_path / "uploads").iterdir())
    for name in ("", "*", "../uploads/*", f"{blob.sha256[:63]}?"):
        store.delete(Blob(sha256=name, size_bytes=10, place="another"))
        store.delete(Blob(sha256=name, size_bytes=10, place=blob.place))
    assert sorted((tmp_path / "uploads").iterdir()) == before
    assert store.put(source, owner="one").place != blob.place  # which is gone all the same


def test_a_file_of_another_app_in_the_folder_is_not_listed(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    blob = store.put(file_of(tmp_path, 10))
    drive.owner.put("a photo", b"photo", parent=drive.home.blobs)
    assert [listed.blob for listed in store.list_blobs()] == [blob]


def test_a_copy_made_by_hand_changes_nothing(drive: Queue, tmp_path: Path) -> None:
    store, source = drive.machine(tmp_path).store, file_of(tmp_path, 10)
    blob = store.put(source)
    copy = drive.owner.duplicate(blob.place)
    store.delete(blob)
    assert store.size(blob) is None
    assert drive.owner.read(copy.id) == source.read_bytes()


def test_an_empty_blob_needs_no_room(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    blob = store.put(file_of(tmp_path, 0))
    store.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b""


# Heartbeats.


def test_a_heartbeat_is_touched_and_never_written_anew(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session-7")
    assert store.heartbeat_age_s(name) is None
    store.beat(name)
    drive.asked()
    for _ in range(5):
        drive.clock.sleep(60.0)
        store.beat(name)
    file = drive.owner.file(name)
    assert drive.asked() == ["files.touch"] * 5
    assert (len(file.revisions), file.size, file.title) == (1, 0, "heartbeat of session session-7")


@pytest.mark.parametrize("skew_s", [-5 * 3600.0, 0.0, 5 * 3600.0, 400 * 24 * 3600.0])
def test_an_age_is_judged_by_googles_clock_alone(drive: Queue, tmp_path: Path, skew_s: float) -> None:
    one, other = drive.machine(tmp_path / "one", "one").store, drive.machine(tmp_path / "other", "other").store
    drive.emulator.time.advance(skew_s)
    name = one.new_heartbeat("session")
    one.beat(name)
    drive.clock.sleep(300.0)
    assert other.heartbeat_age_s(name) == pytest.approx(300.0, abs=1.1)


def test_a_beat_whose_answer_was_lost_is_a_beat(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session")
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert", quiet=False)
    store.beat(name)
    assert store.heartbeat_age_s(name) == pytest.approx(0.0, abs=1.1)


def test_a_process_that_takes_a_heartbeat_over_beats_from_the_first_time(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session")
    store.beat(name)
    drive.clock.sleep(500.0)
    drive.machine(tmp_path).store.beat(name)
    assert store.heartbeat_age_s(name) == pytest.approx(0.0, abs=1.1)


def test_a_heartbeat_a_person_deleted_is_made_again(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session")
    store.beat(name)
    drive.owner.delete(name)
    store.beat(name)
    assert store.heartbeat_age_s(name) == pytest.approx(0.0, abs=1.1)


def test_a_heartbeat_whose_id_is_used_up_stays_silent(tmp_path: Path) -> None:
    with queue(Choices(deleted_ids_are_free=False)) as drive:
        store = drive.machine(tmp_path).store
        name = store.new_heartbeat("session")
        store.beat(name)
        drive.owner.delete(name)
        store.beat(name)
        assert store.heartbeat_age_s(name) is None


def test_a_heartbeat_in_the_bin_goes_on(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session")
    store.beat(name)
    drive.owner.trash(name)
    drive.clock.sleep(100.0)
    store.beat(name)
    assert store.heartbeat_age_s(name) == pytest.approx(0.0, abs=1.1)


def test_a_forgotten_heartbeat_is_gone_for_good(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session")
    store.beat(name)
    for _ in range(2):
        store.forget_heartbeat(name)
    assert store.heartbeat_age_s(name) is None
    assert name not in {file.id for file in drive.owner.files()}


def test_a_beat_in_a_queue_that_is_gone_says_so(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    name = store.new_heartbeat("session")
    store.put(file_of(tmp_path, 10))  # by which the ids of the queue are known
    drive.owner.delete(drive.home.folder)
    assert isinstance(failed(lambda: store.beat(name)), StoreMissing)


def test_everything_in_a_queue_that_lies_in_the_bin_is_in_it(drive: Queue, tmp_path: Path) -> None:
    blob = drive.machine(tmp_path).store.put(file_of(tmp_path, 10))
    drive.owner.trash(drive.home.folder)
    files = {file.id: file for file in drive.owner.files()}
    assert is_trashed(files[blob.place], files)
    drive.machine(tmp_path).store.fetch(blob, tmp_path / "target")


def test_no_store_error_is_without_a_sentence(drive: Queue, tmp_path: Path) -> None:
    store = drive.machine(tmp_path).store
    error = failed(lambda: store.put(tmp_path / "nothing"))
    assert type(error) is StoreError
    assert "nothing" in str(error)
    assert drive.asked() == []


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
