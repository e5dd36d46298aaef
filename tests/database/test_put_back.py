"""A store that is put back from a copy: who knows more refuses it until it is taken over, and no two queues go on."""

import contextlib
import json
import shutil
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.conformance.processes import kill_now, running
from qcqueue.database.audit import audit_versions
from qcqueue.database.known import WHOLE_EVERY, PutBack
from qcqueue.database.schema import history
from qcqueue.database.sqlite import RESCUE
from qcqueue.database.version import GIVEN_UP_MAX, MARK_LETTERS, Version, version_of
from qcqueue.database.versioned import TRAIL_MAX, VersionedDatabase
from qcqueue.errors import CorruptionError, DiskFailed, QcqueueError, StoreMissing, StorePutBack
from qcqueue.stores.base import FACT_BYTES_MAX, Slots
from qcqueue.stores.folder_slots import FolderSlots
from tests.support.contenders import WAYS_TO_SEE, Told, chain_of, commit, lines_of


@pytest.fixture
def disk(memory: Path) -> Path:
    """A store on a disk, with two commits."""
    disk = memory / "disk"
    slots_in(disk).make()
    maker = a_machine(disk, "maker")
    maker.create()
    for name in ("one", "two"):
        commit(maker, name)
    return disk


def slots_in(disk: Path) -> FolderSlots:
    return FolderSlots(disk, RandomIds())


def a_machine(disk: Path, name: str, slots: Slots | None = None) -> VersionedDatabase:
    """A process on a machine; each name is a machine with a cache of its own."""
    return VersionedDatabase(
        slots or slots_in(disk), copy=disk.with_name(name), clock=SystemClock(), ids=RandomIds(), author=name
    )


def copied(disk: Path) -> Path:
    copy = disk.with_name("backup")
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(disk, copy))


def put_back(disk: Path) -> None:
    """Put the copy in the place of the store, as a person would."""
    shutil.rmtree(disk)
    shutil.copytree(disk.with_name("backup"), disk)


def put_back_file_by_file(disk: Path) -> None:
    """Remove what the copy has not, as rsync does it: what is made meanwhile stays."""
    backup = disk.with_name("backup")
    for path in sorted(disk.rglob("*")):
        if path.is_file() and not (backup / path.relative_to(disk)).exists():
            path.unlink()


def refuses(machine: VersionedDatabase) -> str:
    """See that a machine neither shows nor extends the queue; return why."""
    said = set[str]()
    for way in WAYS_TO_SEE:
        with pytest.raises(StorePutBack) as caught:
            way(machine)
        said.add(str(caught.value))
    with pytest.raises(StorePutBack) as caught:
        commit(machine, "on what was put back")
    assert caught.value.hint == "qcqueue store adopt"
    assert len(said) == 1
    return said.pop()


def adopt(machine: VersionedDatabase, name: str = "taken over") -> PutBack | None:
    def take(tx: Connection, lost: Connection | None, it: PutBack) -> PutBack:
        tx.execute(history.insert().values(at_s=0, who="", what="", why=name))
        return it

    return machine.adopt(take)


class Meddled:
    """Slots that call somebody before or after a call of a name."""

    def __init__(self, disk: Path, name: str, meddle: Callable[[], None], *, after: bool) -> None:
        self._slots, self._name, self._meddle, self._after = slots_in(disk), name, meddle, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._slots, name)
        if name != self._name:
            return real

        def call(*arguments: Any) -> Any:
            if not self._after:
                self._meddle()
            answer = real(*arguments)
            if self._after:
                self._meddle()
            return answer

        return call


@pytest.mark.parametrize("restore", [put_back, put_back_file_by_file])
@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
def test_who_knew_the_lost_head_refuses_until_it_is_adopted_and_nobody_else(
    disk: Path, restore: Callable[[Path], None], is_live: bool, goes_on: bool
) -> None:
    knows = a_machine(disk, "knows")
    commit(knows, "before")
    copied(disk)
    for name in ("three", "four"):
        commit(knows, name)
    restore(disk)
    fresh = a_machine(disk, "fresh")
    assert lines_of(fresh) == ["one", "two", "before"]
    if goes_on:
        assert commit(fresh, "elsewhere") is Told.SAVED
    knows = knows if is_live else a_machine(disk, "knows")
    said = refuses(knows)
    assert f"shows version {5 if goes_on else 4} (by {'fresh' if goes_on else 'knows'}, 1970-" in said
    assert "and not version 6 (by knows, 1970-" in said
    refuses(a_machine(disk, "knows"))

    found = adopt(a_machine(disk, "knows"))
    assert found is not None
    assert (found.lost.version.number, found.shown.number) == (6, 5 if goes_on else 4)
    now = ["one", "two", "before", *(["elsewhere"] if goes_on else []), "taken over"]
    for machine in (knows, a_machine(disk, "knows"), fresh, a_machine(disk, "another")):
        assert lines_of(machine) == now
        assert adopt(machine) is None
    assert commit(knows, "again") is Told.SAVED
    assert lines_of(fresh) == [*now, "again"]
    chain_of(slots_in(disk))
    assert audit_versions(slots_in(disk), RandomIds()).flaws == ()


def test_every_machine_that_saw_a_lost_version_goes_on_once_one_of_them_has_adopted(disk: Path) -> None:
    copied(disk)
    writer = a_machine(disk, "writer")
    seen: list[str] = []
    for number in range(5):
        commit(writer, f"{number}")
        lines_of(a_machine(disk, f"saw-{number}"))
        seen.append(f"saw-{number}")
    put_back(disk)
    for name in seen:
        refuses(a_machine(disk, name))
    adopt(writer)
    for name in seen:
        assert lines_of(a_machine(disk, name)) == ["one", "two", "taken over"]


def test_who_saw_more_than_the_one_that_adopted_adopts_as_well(disk: Path) -> None:
    copied(disk)
    writer = a_machine(disk, "writer")
    commit(writer, "three")
    lines_of(a_machine(disk, "less"))
    commit(writer, "four")
    put_back(disk)
    first = adopt(a_machine(disk, "less"))
    assert first is not None
    assert not first.was_taken_over
    refuses(writer)
    second = adopt(writer, "taken over again")
    assert second is not None
    assert second.was_taken_over, "so what has begun since is left alone"
    for name in ("less", "writer", "fresh"):
        assert lines_of(a_machine(disk, name)) == ["one", "two", "taken over", "taken over again"]


def test_a_store_that_is_put_back_twice_is_refused_twice(disk: Path) -> None:
    copied(disk)
    knows = a_machine(disk, "knows")
    commit(knows, "three")
    put_back(disk)
    adopt(knows)
    put_back(disk)
    refuses(knows)
    adopt(knows, "taken over again")
    assert lines_of(knows) == ["one", "two", "taken over again"]


def test_a_lost_head_that_comes_back_is_gone_on_with(disk: Path) -> None:
    knows = a_machine(disk, "knows")
    copied(disk)
    commit(knows, "three")
    newest = shutil.copytree(disk, disk.with_name("newest"))
    put_back(disk)
    refuses(knows)
    shutil.rmtree(disk)
    shutil.copytree(newest, disk)
    assert commit(knows, "four") is Told.SAVED
    assert lines_of(a_machine(disk, "knows")) == ["one", "two", "three", "four"]


def test_a_copy_of_the_newest_version_is_no_older_store(disk: Path) -> None:
    knows = a_machine(disk, "knows")
    commit(knows, "three")
    copied(disk)
    put_back(disk)
    assert commit(knows, "four") is Told.SAVED
    assert commit(a_machine(disk, "fresh"), "five") is Told.SAVED
    assert lines_of(knows) == ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("restore", [put_back, put_back_file_by_file])
def test_a_store_that_is_put_back_while_somebody_commits_makes_no_second_queue(
    disk: Path, after: bool, restore: Callable[[Path], None]
) -> None:
    copied(disk)
    restored: list[bool] = []

    def meddle() -> None:
        if not restored and armed:
            restored.append(True)
            restore(disk)

    armed: list[bool] = []
    live = a_machine(disk, "live", Meddled(disk, "create", meddle, after=after))
    commit(live, "three")
    armed.append(True)
    with pytest.raises(StorePutBack):
        commit(live, "four")
    refuses(live)
    refuses(a_machine(disk, "live"))
    fresh = a_machine(disk, "fresh")
    assert lines_of(fresh) == ["one", "two"]
    assert commit(fresh, "elsewhere") is Told.SAVED
    adopt(a_machine(disk, "live"))
    assert lines_of(live) == lines_of(fresh) == ["one", "two", "elsewhere", "taken over"]
    assert audit_versions(slots_in(disk), RandomIds()).flaws == (), "what was left without its beginning is settled"


def test_a_session_that_commits_all_the_while_notices_soon_and_its_branch_leads_nobody_astray(disk: Path) -> None:
    live = a_machine(disk, "live")
    copied(disk)
    lost = [path.name for path in (disk / "slots").iterdir()]
    for name in ("three", "four"):
        commit(live, name)
    gone = [path for path in (disk / "slots").iterdir() if path.name not in lost]
    commit(live, "five")  # what removes files has made its list, and does not know of this one
    for path in gone:
        path.unlink()
    beside = 0
    with contextlib.suppress(StorePutBack):
        while commit(live, f"beside {beside}") is Told.SAVED:
            beside += 1
    assert beside <= WHOLE_EVERY
    refuses(live)
    fresh = a_machine(disk, "fresh")
    for number in range(3):
        assert commit(fresh, f"{number}") is Told.SAVED
    assert lines_of(a_machine(disk, "fresher")) == ["one", "two", "0", "1", "2"]
    flaws = audit_versions(slots_in(disk), RandomIds()).flaws
    assert [flaw.is_fork for flaw in flaws] == [True]
    assert "the version before is gone" in flaws[0].says
    adopt(live)
    assert audit_versions(slots_in(disk), RandomIds()).flaws == ()


def test_an_audit_names_what_lies_beside_the_queue_by_number_and_author(disk: Path) -> None:
    slots, head = slots_in(disk), chain_of(slots_in(disk))[-1]
    beside = facts_of(head, number=head.number + 7, before="0" * 64, author="a stranger")
    slots.create("beside", b"", beside)
    slots.create("further", b"", facts_of(version_of("beside", beside, url=slots.url), number=head.number + 8))
    slots.create("fork", b"", facts_of(chain_of(slots)[0], number=2, before=chain_of(slots)[0].digest))
    says = [flaw.says for flaw in audit_versions(slots, RandomIds()).flaws if flaw.is_fork]
    assert len(says) == 2
    assert any("versions 10 to 11 in shared:" in it and "the version before is gone" in it for it in says)
    assert any("version 2 in shared:" in it and "another one follows there" in it for it in says)
    assert lines_of(a_machine(disk, "fresh")) == ["one", "two"], "what a listing shows must be linked"


def left_beside(disk: Path, *, versions: int) -> list[Version]:
    """Let a machine that nobody has any more go on beside the queue; return what it made there."""
    copied(disk)
    commit(a_machine(disk, "goes on"), "after the copy")
    newest = shutil.copytree(disk, disk.with_name("newest"), dirs_exist_ok=True)
    put_back(disk)
    gone = a_machine(disk, "gone")
    for number in range(versions):
        commit(gone, f"beside {number}")
    beside = chain_of(slots_in(disk))[-versions:]
    shutil.copytree(newest, disk, dirs_exist_ok=True)  # nothing is removed that the copy has not
    shutil.rmtree(disk.with_name("gone"))
    return beside


@pytest.mark.parametrize("versions", [2, 3, TRAIL_MAX])
def test_a_branch_whose_machine_is_gone_is_given_up_by_any_other(disk: Path, versions: int) -> None:
    beside = left_beside(disk, versions=versions)
    for name in ("goes on", "fresh"):
        assert [flaw.is_fork for flaw in audit_versions(slots_in(disk), RandomIds()).flaws] == [True], name
        assert lines_of(a_machine(disk, name)) == ["one", "two", "after the copy"]
    found = adopt(a_machine(disk, "fresh"))
    assert found is not None
    assert found.beside is not None
    assert (found.lost.version, found.shown.number) == (beside[-1], 4)
    assert audit_versions(slots_in(disk), RandomIds()).flaws == ()
    for name in ("goes on", "fresh", "another"):
        assert adopt(a_machine(disk, name)) is None
        assert lines_of(a_machine(disk, name)) == ["one", "two", "after the copy", "taken over"]


def test_a_machine_that_knew_a_branch_goes_on_where_another_has_given_it_up(disk: Path) -> None:
    left_beside(disk, versions=3)
    saw = a_machine(disk, "saw")
    newest = disk.with_name("whole")
    shutil.copytree(disk, newest)
    put_back(disk)
    for number in range(2):
        commit(saw, f"elsewhere {number}")
    shutil.copytree(newest, disk, dirs_exist_ok=True)
    refuses(saw)
    while adopt(a_machine(disk, "fresh")):
        pass
    assert lines_of(saw)[:3] == ["one", "two", "after the copy"]


def test_several_branches_are_given_up_one_after_the_other_also_what_cannot_be_read(disk: Path) -> None:
    slots, head = slots_in(disk), chain_of(slots_in(disk))[-1]
    slots.create("unreadable", b"", facts_of(head, number=head.number + 7, before="0" * 64))
    slots.create("fork", b"noise", facts_of(chain_of(slots)[0], number=2, before=chain_of(slots)[0].digest))
    machine = a_machine(disk, "fresh")
    assert [adopt(machine) is None for _ in range(3)] == [False, False, True]
    assert audit_versions(slots, RandomIds()).flaws == ()
    assert lines_of(machine) == ["one", "two", "taken over", "taken over"]


@pytest.mark.parametrize("known", [True, False])
def test_a_listing_that_shows_a_run_of_newer_versions_without_a_link_makes_no_head(disk: Path, known: bool) -> None:
    machine = a_machine(disk, "knows")
    if known:
        lines_of(machine)
    others = a_machine(disk, "others")
    for number in range(5):
        commit(others, f"{number}")
    slots, at = slots_in(disk), chain_of(slots_in(disk))[-1]
    slot, number = "beside", at.number + 5
    for _ in range(20):
        after = facts_of(at, number=number, before=at.digest if slot != "beside" else "0" * 64, next=f"{slot}x")
        slots.create(slot, b"", after)
        at, slot, number = version_of(slot, after, url=slots.url), f"{slot}x", number + 1
    assert lines_of(machine) == ["one", "two", "0", "1", "2", "3", "4"]


def test_a_queue_that_was_made_anew_is_another_one_to_who_knew_the_old(disk: Path) -> None:
    knows = a_machine(disk, "knows")
    commit(knows, "three")
    shutil.rmtree(disk)
    slots_in(disk).make()
    refuses_missing(knows)
    a_machine(disk, "maker").create()
    assert lines_of(a_machine(disk, "maker")) == [], "whoever makes it anew has said what they want"
    assert "made anew" in refuses(knows)
    adopt(knows)
    assert lines_of(knows) == lines_of(a_machine(disk, "fresh")) == ["taken over"]


def refuses_missing(machine: VersionedDatabase) -> None:
    with pytest.raises(StoreMissing):
        lines_of_by_asking(machine)


def lines_of_by_asking(machine: VersionedDatabase) -> None:
    machine.transact(lambda tx: None)


def test_a_machine_whose_cache_is_gone_knows_nothing_and_goes_on(disk: Path) -> None:
    copied(disk)
    commit(a_machine(disk, "knows"), "three")
    put_back(disk)
    shutil.rmtree(disk.with_name("knows"))
    assert commit(a_machine(disk, "knows"), "four") is Told.SAVED


def test_of_two_processes_of_one_machine_the_one_that_saw_less_refuses_as_well(disk: Path) -> None:
    less = a_machine(disk, "one-machine")
    lines_of(less)
    copied(disk)
    commit(a_machine(disk, "one-machine"), "three")
    put_back(disk)
    refuses(less)


def test_what_a_machine_knows_never_becomes_less(disk: Path) -> None:
    slow = a_machine(disk, "one-machine")
    lines_of(slow)
    older = slow._known.seen
    assert older is not None
    commit(a_machine(disk, "one-machine"), "three")
    slow._known.remember(older.version, older.contents)  # an answer that was on its way for long
    kept = json.loads((disk.with_name("one-machine") / "queue.json").read_bytes())
    assert int(kept["facts"]["number"]) == older.version.number + 1


def test_a_copy_whose_process_was_killed_between_its_two_files_still_tells_which_version_it_was(disk: Path) -> None:
    copied(disk)
    knows, kept = a_machine(disk, "knows"), disk.with_name("knows")
    commit(knows, "three")
    commit(knows, "four")
    label = (kept / "queue.json").read_bytes()
    commit(knows, "five")
    (kept / "queue.json").write_bytes(label)
    assert lines_of(a_machine(disk, "knows")) == ["one", "two", "three", "four", "five"]
    (kept / "queue.json").write_bytes(label)
    (kept / "queue.sqlite").unlink()
    put_back(disk)
    assert "and not version 5 (by knows)" in refuses(a_machine(disk, "knows"))
    assert adopt(a_machine(disk, "knows")) is not None
    assert lines_of(a_machine(disk, "knows")) == ["one", "two", "taken over"]


@pytest.mark.parametrize("name", ["queue.json", "queue.sqlite"])
def test_a_copy_that_cannot_be_read_is_not_taken_for_none(disk: Path, name: str) -> None:
    copied(disk)
    commit(a_machine(disk, "knows"), "three")
    put_back(disk)
    kept = disk.with_name("knows") / name
    whole = kept.read_bytes()
    kept.unlink()
    kept.mkdir()
    for way in (lines_of, adopt, lambda machine: commit(machine, "four")):
        with pytest.raises(DiskFailed, match=name):
            way(a_machine(disk, "knows"))
    kept.rmdir()
    kept.write_bytes(whole)
    refuses(a_machine(disk, "knows"))


def test_a_copy_in_a_cache_that_nobody_may_write_is_read(disk: Path) -> None:
    copied(disk)
    commit(a_machine(disk, "knows"), "three")
    lock = disk.with_name("knows") / "queue.lock"
    lock.unlink()
    lock.mkdir()
    put_back(disk)
    refuses(a_machine(disk, "knows"))


def test_a_queue_that_has_lost_its_first_version_is_damaged_and_nobody_makes_a_second(disk: Path) -> None:
    knows = a_machine(disk, "knows")
    commit(knows, "three")
    first = disk / "slots" / "first"
    kept = first.read_bytes()
    first.unlink()
    fresh = a_machine(disk, "fresh")
    for refused in (fresh.create, knows.create, lambda: lines_of(fresh), lambda: adopt(fresh)):
        with pytest.raises(CorruptionError, match=r"the first version in .* is gone") as caught:
            refused()
        assert caught.value.hint == RESCUE
    assert [flaw.is_head for flaw in audit_versions(slots_in(disk), RandomIds()).flaws] == [True]
    assert not first.exists()
    first.write_bytes(kept)
    assert lines_of(fresh) == ["one", "two", "three"]


def test_rot_in_an_old_version_is_no_older_store(disk: Path) -> None:
    knows = a_machine(disk, "knows")
    commit(knows, "three")
    old = disk / "slots" / chain_of(slots_in(disk))[1].slot
    for rot in (b"noise", old.read_bytes().replace(b'"author": "maker"', b'"author": "m4ker"')):
        old.write_bytes(rot)
        for number in range(WHOLE_EVERY):
            assert commit(knows, f"{rot!r} {number}"[:20]) is Told.SAVED
        assert lines_of(a_machine(disk, "knows"))


def test_a_version_names_what_it_gave_up_in_facts_that_every_store_can_keep(disk: Path) -> None:
    copied(disk)
    knows = a_machine(disk, "knows")
    for number in range(2 * TRAIL_MAX):
        commit(knows, f"{number}")
    lost = chain_of(slots_in(disk))
    put_back(disk)
    adopt(knows)
    facts = slots_in(disk).facts(chain_of(slots_in(disk))[-1].slot)
    assert facts is not None
    assert facts["gave_up"].startswith(f"{lost[-1].number} {lost[-1].digest[:MARK_LETTERS]} ")
    assert all(len(f"{key}{value}".encode()) <= FACT_BYTES_MAX for key, value in facts.items())
    taken = version_of("slot", facts, url="")
    assert taken.facts == facts
    named = [version.number for version in lost if taken.gives_up(version)]
    assert named == list(range(lost[-1].number - TRAIL_MAX, lost[-1].number + 1))
    assert len(named) <= GIVEN_UP_MAX


def test_facts_that_a_version_lacks_stay_out_of_its_digest(disk: Path) -> None:
    version = chain_of(slots_in(disk))[-1]
    assert set(version.facts) == {"format", "number", "next", "sha256", "before", "author", "nonce"}


def facts_of(version: Version, **changes: object) -> dict[str, str]:
    """The facts of a version that nobody has made."""
    usual = version.facts | {"nonce": RandomIds().new(), "next": RandomIds().new(), "before": version.digest}
    return usual | {name: str(value) for name, value in changes.items()}


# Three processes: one that knows, a fresh one, and whoever puts the store back.


def test_of_three_processes_the_live_one_refuses_the_fresh_one_goes_on_and_a_kill_changes_nothing(disk: Path) -> None:
    with running(_commit_when_told, disk, "live") as (killed, live), running(_commit_when_told, disk, "fresh") as two:
        fresh = two[1]
        assert _asked(live, "three") == "saved"
        with running(_copy, disk) as (process, _):
            process.join()
        assert _asked(live, "four") == "saved"
        with running(_restore, disk) as (process, _):
            process.join()
        assert "and not version 5" in _asked(live, "five")
        assert _asked(fresh, "elsewhere") == "saved"
        kill_now(killed, live)
        with running(_commit_when_told, disk, "live") as (_, again):
            assert "and not version 5" in _asked(again, "six")
    adopt(a_machine(disk, "live"))
    assert lines_of(a_machine(disk, "fresh")) == ["one", "two", "three", "elsewhere", "taken over"]


def test_of_two_that_take_over_at_once_one_finds_nothing_left_to_do(disk: Path) -> None:
    copied(disk)
    knows = a_machine(disk, "knows")
    commit(knows, "three")
    lines_of(a_machine(disk, "knew"))
    put_back(disk)
    others: list[PutBack | None] = []

    def meddle() -> None:
        if not others:
            others.append(None)
            others.append(adopt(a_machine(disk, "knew"), "first"))

    slow = a_machine(disk, "knows", Meddled(disk, "create", meddle, after=False))
    assert adopt(slow, "second") is None
    assert others[1] is not None
    assert lines_of(knows) == ["one", "two", "first"]


def _asked(pipe: Pipe, name: str) -> str:
    pipe.send(name)
    return str(pipe.recv())


def _commit_when_told(disk: Path, name: str, pipe: Pipe) -> None:
    machine = a_machine(disk, name)
    while line := pipe.recv():
        try:
            pipe.send(str(commit(machine, line)))
        except QcqueueError as exc:
            pipe.send(str(exc))


def _copy(disk: Path, pipe: Pipe) -> None:
    copied(disk)


def _restore(disk: Path, pipe: Pipe) -> None:
    put_back(disk)
