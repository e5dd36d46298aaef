"""Create-once slots on Drive: one winner whatever the network says, and facts that hold all they promise to."""

import hashlib
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.conformance.processes import race
from qcqueue.database.chain import AUTHOR_BYTES_MAX, Chain
from qcqueue.database.version import Contents
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreBusy, StoreError, StoreMissing
from qcqueue.stores.base import FACT_BYTES_MAX, Creation
from qcqueue.stores.drive.caller import QUICK
from qcqueue.stores.drive.files import NewFile
from qcqueue.stores.drive.layout import VERSIONS_A_FOLDER
from tests.stores_drive.queues import MB, Machine, Queue, failed, queue
from tests.support.drive.choices import WEEK_S, Choices
from tests.support.drive.faults import DriveFault
from tests.support.drive.places import SlotsOnDrive

LARGE = 6 * MB
LOST = (DriveFault.DROP_AFTER, DriveFault.SERVER_ERROR_AFTER, DriveFault.RATE_LIMITED_AFTER, DriveFault.CUT_ANSWER)


def body(size_bytes: int, salt: str = "") -> bytes:
    return hashlib.shake_128(f"{size_bytes}{salt}".encode()).digest(size_bytes)


def longest_fact(key: str = "author") -> dict[str, str]:
    return {key: "ö" * ((FACT_BYTES_MAX - len(key)) // 2)}


@pytest.mark.parametrize(
    "facts",
    [{}, {"a": ""}, {"a": "="}, {"a": "\"\\'\n\t\x00"}, {"a": "日本 ☃ 🦆"}, longest_fact(), {"k" * 60: "v" * 60}],
    ids=range(7),
)
def test_facts_are_kept_as_they_are(drive: Queue, tmp_path: Path, facts: dict[str, str]) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    assert slots.create(slot, b"body", facts) is Creation.CREATED
    for asked in (slots, drive.machine(tmp_path / "other", "other").slots):
        assert asked.facts(slot) == facts
        assert asked.body(slot) == b"body"


def test_a_fact_that_is_too_long_is_refused_and_takes_no_slot(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    assert type(failed(lambda: slots.create(slot, b"body", {"a": "x" * 124}))) is StoreError
    assert slots.create(slot, b"body", {}) is Creation.CREATED


@pytest.mark.parametrize("author", ["a" * 500, "ä" * 300, "日" * 100, "ada\udcff@host", '"' * 200, ""])
def test_an_author_of_any_name_can_commit(drive: Queue, tmp_path: Path, author: str) -> None:
    chain = Chain(drive.machine(tmp_path).slots, RandomIds(), author=author)
    first = chain.begin(b"image")
    assert first
    assert len(first.author.encode()) <= AUTHOR_BYTES_MAX
    assert Chain(drive.machine(tmp_path / "other", "other").slots, RandomIds(), author="").head(None) == first


@pytest.mark.parametrize("size_bytes", [0, 1, LARGE])
@pytest.mark.parametrize("conflict_at_end", [False, True])
def test_the_second_finds_it_taken(tmp_path: Path, size_bytes: int, conflict_at_end: bool) -> None:
    with queue(Choices(conflict_at_end=conflict_at_end)) as drive:
        one, other = drive.machine(tmp_path, "one").slots, drive.machine(tmp_path, "other").slots
        slot = one.reserve(1)
        assert one.create(slot, body(size_bytes, "one"), {"by": "one"}) is Creation.CREATED
        assert other.create(slot, body(size_bytes, "other"), {"by": "other"}) is Creation.TAKEN
        assert other.facts(slot) == {"by": "one"}
        assert other.body(slot) == body(size_bytes, "one")


@pytest.mark.parametrize("size_bytes", [1, LARGE])
@pytest.mark.parametrize("fault", LOST)
def test_the_creator_whose_answer_was_lost_finds_its_own(
    drive: Queue, tmp_path: Path, size_bytes: int, fault: DriveFault
) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    operation = "upload.multipart" if size_bytes == 1 else "upload.chunk"
    drive.emulator.faults.script(fault, operation=operation, quiet=False)
    assert slots.create(slot, body(size_bytes), {"nonce": "mine"}) in Creation
    assert slots.facts(slot) == {"nonce": "mine"}
    assert sum(change.file_id == slot for change in drive.owner.changes()) == 1


@pytest.mark.parametrize("size_bytes", [1, LARGE])
@pytest.mark.parametrize("then", [DriveFault.FORBIDDEN, DriveFault.FULL, DriveFault.SERVER_ERROR])
def test_a_create_that_may_have_happened_is_never_said_not_to_have(
    drive: Queue, tmp_path: Path, size_bytes: int, then: DriveFault
) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    operation = "upload.multipart" if size_bytes == 1 else "upload.chunk"
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation=operation, quiet=False)
    drive.emulator.faults.script(then, operation="upload.*", skip=0 if size_bytes == 1 else 1, times=50)
    assert isinstance(failed(lambda: slots.create(slot, body(size_bytes), {})), OutcomeUnknown)
    assert drive.has(slot)


def test_a_slot_that_is_taken_is_taken_whatever_the_look_at_the_winner_meets(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    assert slots.root  # which asks Drive for the ids of the queue
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="upload.multipart", quiet=False)
    drive.emulator.faults.script(DriveFault.FORBIDDEN, operation="files.get", times=50)
    assert slots.create(slot, b"body", {}) is Creation.TAKEN


def test_a_winner_that_is_not_visible_yet_is_waited_for(drive: Queue, tmp_path: Path) -> None:
    one, other = drive.machine(tmp_path, "one").slots, drive.machine(tmp_path, "other").slots
    slot = one.reserve(1)
    one.create(slot, b"body", {"by": "one"})
    drive.emulator.id_lag_s["other"] = 20.0
    assert other.facts(slot) is None
    assert other.create(slot, b"body", {"by": "other"}) is Creation.TAKEN
    assert other.facts(slot) == {"by": "one"}


def test_the_first_slot_is_waited_for_and_others_are_not(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path, "late").slots
    drive.machine(tmp_path).slots.create(slots.root, b"body", {"number": "1"})
    drive.emulator.id_lag_s["late"] = 20.0
    assert slots.facts(slots.reserve(1)) is None
    assert drive.clock.slept_s == []
    assert slots.facts(slots.root) == {"number": "1"}


def test_a_body_that_is_not_visible_stays_unknown(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    assert isinstance(failed(lambda: slots.body(slots.reserve(1))), StoreBusy)


@pytest.mark.parametrize("size_bytes", [10, LARGE])
def test_of_processes_that_race_exactly_one_creates(tmp_path: Path, size_bytes: int) -> None:
    with SlotsOnDrive().running() as place:
        slots = place.open(tmp_path)
        wanted = [slots.reserve(1) for _ in range(3)]
        race(create_each, [(place, tmp_path, wanted, size_bytes, tmp_path / f"won-{one}") for one in range(4)])
        won = [slot for one in range(4) for slot in (tmp_path / f"won-{one}").read_text().split()]
        assert sorted(won) == sorted(wanted)
        for one in range(4):
            for slot in (tmp_path / f"won-{one}").read_text().split():
                assert slots.facts(slot) == {"by": f"won-{one}"}
                assert slots.body(slot) == body(size_bytes, f"won-{one}")


def test_facts_are_asked_for_once(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    slots.create(slot, b"body", {"a": "b"})
    drive.asked()
    assert slots.facts(slot) == slots.facts(slot) == {"a": "b"}
    assert drive.asked() == []


def test_a_truncated_slot_keeps_its_facts_and_stays_taken(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    slots.create(slot, b"body", {"a": "b"})
    for _ in range(2):
        slots.truncate(slot)
    fresh = drive.machine(tmp_path, "fresh").slots
    assert (fresh.body(slot), fresh.facts(slot)) == (b"", {"a": "b"})
    assert fresh.create(slot, b"body", {}) is Creation.TAKEN
    assert drive.owner.file(slot).size == 0


def test_a_slot_in_the_bin_is_taken_out_again(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    slot = slots.reserve(1)
    slots.create(slot, b"body", {"a": "b"})
    drive.owner.trash(slot)
    fresh = drive.machine(tmp_path, "fresh").slots
    assert fresh.create(slot, b"body", {}) is Creation.TAKEN
    assert not drive.owner.file(slot).trashed
    drive.owner.trash(slot)
    assert drive.machine(tmp_path, "third").slots.facts(slot) == {"a": "b"}
    assert not drive.owner.file(slot).trashed


def test_a_queue_that_is_put_into_the_bin_takes_one_commit_and_no_more(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    chain = Chain(slots, RandomIds(), author="ada")
    head = chain.begin(b"image")
    assert head
    drive.owner.trash(drive.home.folder)
    head = chain.append(head, Contents(trail=(), image=b"image"))
    assert head  # nobody asked before; that it was created is true
    last = head
    for ask in (lambda: chain.append(last, Contents(trail=(), image=b"x")), lambda: chain.head(None)):
        error = failed(ask)
        assert isinstance(error, StoreMissing)
        assert "restore it" in (error.hint or "")
    drive.owner.untrash(drive.home.folder)
    assert chain.append(last, Contents(trail=(), image=b"x"))


def test_a_queue_that_was_deleted_for_good_is_missing(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    slots.create(slots.root, b"body", {"number": "1"})
    slot = slots.reserve(1)
    drive.owner.delete(drive.home.folder)
    assert isinstance(failed(lambda: slots.create(slot, b"body", {"number": "2"})), StoreMissing)
    assert drive.machine(tmp_path, "fresh").slots.facts(drive.home.first) is None


def test_version_501_lies_in_a_folder_of_its_own_and_is_found_by_a_listing(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    parents = []
    for number in (VERSIONS_A_FOLDER, VERSIONS_A_FOLDER + 1, VERSIONS_A_FOLDER + 2):
        slot = slots.reserve(1)
        drive.clock.sleep(1.0)
        slots.create(slot, b"body", {"number": f"{number}"})
        parents.append(drive.owner.file(slot).parent)
    assert parents[0] == drive.home.versions
    assert parents[1] == parents[2] != drive.home.versions
    assert [facts["number"] for _, facts in drive.machine(tmp_path, "other").slots.list_slots()] == [
        "502",
        "501",
        "500",
    ]


def test_version_501_is_saved_though_the_ids_of_later_folders_are_too_old_for_drive(tmp_path: Path) -> None:
    with queue(Choices(reserved_ttl_s=WEEK_S)) as drive:
        drive.clock.sleep(2 * WEEK_S)
        slots = drive.machine(tmp_path).slots
        slot = slots.reserve(1)
        assert slots.create(slot, b"body", {"number": f"{VERSIONS_A_FOLDER + 1}"}) is Creation.CREATED
        assert drive.owner.file(slot).parent == drive.home.versions


def spoil(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other bytes arrive than an insert sends."""
    insert = machine.files.insert
    monkeypatch.setattr(machine.files, "insert", lambda new: insert(replace(new, data=b"spoilt")))


def test_a_body_that_was_spoilt_on_the_way_is_mended_before_it_counts(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = drive.machine(tmp_path)
    spoil(machine, monkeypatch)
    slot = machine.slots.reserve(1)
    assert machine.slots.create(slot, b"body", {"number": "1"}) is Creation.CREATED
    assert drive.owner.read(slot) == b"body"
    assert drive.machine(tmp_path / "other", "other").slots.facts(slot) == {"number": "1"}


def test_a_body_that_stays_spoilt_is_unknown_until_it_is_mended(
    drive: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = drive.machine(tmp_path)
    spoil(machine, monkeypatch)
    slot = machine.slots.reserve(1)
    with monkeypatch.context() as patch:
        patch.setattr(machine.files, "overwrite", lambda *_: machine.files.get(slot))
        for _ in range(2):
            assert isinstance(failed(lambda: machine.slots.create(slot, b"body", {})), OutcomeUnknown)
    assert machine.slots.create(slot, b"body", {}) is Creation.CREATED
    assert drive.owner.read(slot) == b"body"
    assert machine.slots.create(slot, b"other", {}) is Creation.TAKEN


def test_of_a_queue_the_folder_of_its_versions_in_the_bin_is_enough_to_stop_it(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    drive.owner.trash(drive.home.versions)
    assert slots.create(slots.reserve(1), b"body", {"number": "1"}) is Creation.CREATED  # nobody asked before
    slot = slots.reserve(1)
    for _ in range(2):
        error = failed(lambda: slots.create(slot, b"body", {"number": "2"}))
        assert isinstance(error, StoreMissing)
        assert str(error) == "a folder of the queue, or the queue itself, is in Drive's bin"
    assert not drive.has(slot)
    drive.owner.untrash(drive.home.versions)
    assert slots.create(slot, b"body", {"number": "2"}) is Creation.CREATED


def test_a_listing_is_late_and_holds_no_stranger(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path, "late").slots
    slot = slots.reserve(1)
    slots.create(slot, b"body", {"number": "1"})
    drive.owner.duplicate(slot, app="rclone")
    drive.owner.duplicate(slot)  # a copy by hand has no facts of ours
    drive.owner.put("version 2", b"", parent=drive.home.versions)
    assert [found for found, _ in slots.list_slots()] == [slot]
    drive.emulator.listing_lag_s["late"] = 60.0
    assert list(slots.list_slots()) == []


def test_a_listing_stays_short(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path).slots
    for number in range(25):
        slots.create(slots.reserve(1), b"", {"number": f"{number}"})
    drive.asked()
    assert len(list(slots.list_slots())) == 20
    assert drive.asked() == ["files.list"]


def test_a_slot_whose_facts_are_not_as_written_is_damaged_and_taken(drive: Queue, tmp_path: Path) -> None:
    machine = drive.machine(tmp_path)
    slot = machine.slots.reserve(1)
    machine.files.insert(NewFile(id=slot, title="v", parent=drive.home.versions, properties={"number": "no sign"}))
    with pytest.raises(CorruptionError, match=slot):
        machine.slots.facts(slot)
    assert machine.slots.create(slot, b"body", {}) is Creation.TAKEN


def test_a_commit_is_one_request_and_a_look_is_one(drive: Queue, tmp_path: Path) -> None:
    chain = Chain(drive.machine(tmp_path).slots, RandomIds(), author="ada")
    head = chain.begin(b"image")
    drive.asked()
    assert head
    head = chain.append(head, Contents(trail=(), image=b"image"))
    assert drive.asked() == ["upload.multipart"]
    assert chain.head(head) == head
    assert drive.asked() == ["files.get"]


def test_a_create_that_was_put_off_changed_nothing_or_is_unknown(drive: Queue, tmp_path: Path) -> None:
    slots = drive.machine(tmp_path, patience=QUICK).slots
    slot = slots.reserve(1)
    drive.emulator.faults.script(DriveFault.TOO_MANY, operation="upload.multipart", times=50)
    assert isinstance(failed(lambda: slots.create(slot, b"body", {})), OutcomeUnknown)


def create_each(
    place: SlotsOnDrive, root: Path, wanted: list[str], size_bytes: int, told: Path, together: Barrier
) -> None:
    slots = place.open(root)
    together.wait()
    mine = body(size_bytes, told.name)
    won = [slot for slot in wanted if slots.create(slot, mine, {"by": told.name}) is Creation.CREATED]
    told.write_text(" ".join(won))
