"""`store copy` between every two kinds of homes: what moves, what each home says, what is refused, and the way back."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from qcqueue.app import store_copy
from qcqueue.app.context import create_queue
from qcqueue.app.store_copy import StoreCopy, copy_store, undo_copy
from qcqueue.app.verify import verify
from qcqueue.clock import RandomIds
from qcqueue.database.rows_copy import digest_of_rows
from qcqueue.errors import (
    ConflictError,
    CorruptionError,
    IllegalTransition,
    NameTaken,
    QueueMoved,
    SettingInvalid,
    StoreBusy,
    StoreMissing,
)
from qcqueue.queue.controls import control
from qcqueue.queue.moves import NOTHING_SAID, Move, say_copied, say_moved
from qcqueue.stores.drive import caller
from qcqueue.stores.registry import STORES
from tests.app.saved import Worker
from tests.cli.queues import a_job, put
from tests.support.homes import HOMES, NOT_HERE, ON_SERVERS, World, a_world, marks, rows_of, variables_of

# Each kind of home is the first, and the second, once; all other pairs are long.
IN_BRIEF = [
    ("folder", "shared"),
    ("shared", "gdrive"),
    ("gdrive", "folder"),
    ("folder", "s3"),
    ("s3", "az"),
    ("az", "folder"),
    ("folder", "server"),
    ("server", "shared"),
]
PAIRS = [
    pytest.param(
        before, after, marks=[*marks(before, after), *([] if (before, after) in IN_BRIEF else [pytest.mark.long])]
    )
    for before in HOMES
    for after in HOMES
]
WHO = "ada"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[World]:
    for patience in ("QUICK", "STEADY"):  # on this Drive what is not there need not be waited for
        monkeypatch.setattr(caller, patience, replace(getattr(caller, patience), lag_s=0.1))
    asked = getattr(getattr(request.node, "callspec", None), "params", {})
    kinds = [kind for name, kind in asked.items() if name in ("before", "after")]
    for name, value in variables_of(kinds).items():
        monkeypatch.setenv(name, value)
    with a_world(tmp_path, *kinds) as world:
        yield world


@pytest.fixture
def old(world: World) -> str:
    return world.make("folder")


def copy(world: World, before: str, after: str, *, dry_run: bool = False) -> StoreCopy:
    return copy_store(before, after, here=world.folder, environment=world.environment, dry_run=dry_run)


def undo(world: World, before: str, after: str, *, dry_run: bool = False) -> StoreCopy:
    return undo_copy(before, after, here=world.folder, environment=world.environment, dry_run=dry_run)


def hold(world: World, url: str) -> None:
    world.at(url).transact(lambda tx: control(tx, "tiny/b", "hold", who=WHO, now_s=1.0))


def ids_of_files(world: World, url: str) -> Counter[str]:
    return Counter(it.blob.sha256 for it in world.at(url).store_itself.list_blobs())


def test_every_kind_of_store_is_a_home() -> None:
    assert set(HOMES) - {*ON_SERVERS} == set(STORES) - NOT_HERE


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_queue_moves_whole_and_is_then_in_one_place(world: World, before: str, after: str) -> None:
    old = world.make(before)
    rows = world.answer(old).rows
    done = copy(world, old, world.new(after, "new"))
    assert (done.source, done.jobs, done.is_done) == (old, 2, True)
    there = world.at(done.target)
    assert rows_of(there) == rows
    assert verify(there).faults == ()
    assert set(ids_of_files(world, done.target).values()) == {1}
    assert world.residence(done.target) == NOTHING_SAID
    said = world.answer(old)
    assert said.rows is None
    assert f"was moved to {done.target} | {world.home(done.target).address.types('status')}" in said.says
    for ask in (lambda: hold(world, old), lambda: Worker.on(world.at(old), "tiny/a")):
        with pytest.raises(QueueMoved, match="was moved to"):
            ask()
    assert Worker.on(there, "tiny/a").held.attempt == 2, "numbers go on"
    put(there, a_job("c"))


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(before, after, marks=marks(before, after)) for before, after in IN_BRIEF]
)
def test_a_move_is_taken_back_while_nothing_has_changed(world: World, before: str, after: str) -> None:
    old = world.make(before)
    rows = world.answer(old).rows
    new = copy(world, old, world.new(after, "new")).target
    assert undo(world, old, new, dry_run=True).is_done is False
    assert world.answer(new).rows == rows
    assert undo(world, old, new).is_done
    assert world.answer(old).rows == rows
    assert f"was moved to {old}" in world.answer(new).says
    assert undo(world, old, new).is_done, "typed again, it says the same"
    hold(world, old)
    assert copy(world, old, new).is_done, "and there and back again"
    assert "was moved to" in world.answer(old).says


def test_what_has_changed_is_not_taken_back_but_copied_back(world: World, old: str) -> None:
    files = ids_of_files(world, old)
    new = copy(world, old, world.new("shared", "new")).target
    hold(world, new)
    rows = world.answer(new).rows
    with pytest.raises(IllegalTransition, match="has changed in shared:") as refused:
        undo(world, old, new)
    assert refused.value.hint == f"qcqueue store copy {new} {old}, which brings it back with what is new"
    assert world.answer(new).rows == rows
    assert "was moved to" in world.answer(old).says
    copy(world, new, old)
    assert world.answer(old).rows == rows
    assert "was moved to" in world.answer(new).says
    assert ids_of_files(world, old) == files, "what lay there was not put again"


def test_a_change_within_the_undo_stays_in_the_new_home(
    world: World, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = copy(world, old, world.new("shared", "new")).target
    from qcqueue.app import store_copy

    def then_somebody_holds_a_job(tx: object, move: Move) -> None:
        say_copied(tx, move)  # type: ignore[arg-type]
        hold(world, new)

    monkeypatch.setattr(store_copy, "say_copied", then_somebody_holds_a_job)
    with pytest.raises(IllegalTransition, match="has changed"):
        undo(world, old, new)
    assert world.answer(new).rows is not None
    assert "was moved to" in world.answer(old).says
    assert world.residence(old).copied_from is None


def test_a_rehearsal_says_what_would_be_done_and_does_nothing(world: World, old: str) -> None:
    target = world.new("shared", "new")
    plan = copy(world, old, target, dry_run=True)
    assert (plan.jobs, plan.left_files, plan.is_done) == (2, plan.files, False)
    assert plan.left_bytes == plan.size_bytes > 0
    assert plan.seconds is not None
    assert plan.seconds > 0
    assert world.answer(old).rows is not None
    assert not (world.folder / "new").exists()


def test_nothing_is_moved_under_a_session_at_work(world: World, old: str) -> None:
    place = world.at(old)
    worker = Worker.on(place, "tiny/a")
    place.store.beat(worker.held.session_id)
    for dry_run in (True, False):
        with pytest.raises(ConflictError, match="a session is at work on folder:") as refused:
            copy(world, old, world.new("shared", "new"), dry_run=dry_run)
        assert "qcqueue store copy" in str(refused.value.hint)
    assert not (world.folder / "new").exists()
    place.store.forget_heartbeat(worker.held.session_id)
    assert copy(world, old, world.new("shared", "new")).is_done


def test_a_session_that_claims_between_copying_and_moving_keeps_the_queue_where_it_is(
    world: World, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.app import store_copy

    filled = store_copy._Copying._fill

    def then_a_session_comes(copying: "store_copy._Copying", *given: object) -> object:
        rows = filled(copying, *given)  # type: ignore[arg-type]
        place = world.at(old)
        place.store.beat(Worker.on(place, "tiny/a").held.session_id)
        return rows

    monkeypatch.setattr(store_copy._Copying, "_fill", then_a_session_comes)
    with pytest.raises(ConflictError, match="a session is at work"):
        copy(world, old, world.new("shared", "new"))
    assert world.answer(old).rows is not None
    assert f"is a copy of the queue in {old}, which goes on there" in world.answer(world.new("shared", "new")).says


def test_what_changed_while_it_was_copied_is_copied_too(
    world: World, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.app import store_copy

    filled, changes = store_copy._Copying._fill, iter([hold])

    def then_somebody_changes_it(copying: "store_copy._Copying", *given: object) -> object:
        rows = filled(copying, *given)  # type: ignore[arg-type]
        for change in changes:
            change(world, old)
            put(world.at(old), a_job("c"))
            break
        return rows

    monkeypatch.setattr(store_copy._Copying, "_fill", then_somebody_changes_it)
    done = copy(world, old, world.new("shared", "new"))
    assert done.jobs == 3
    with world.at(done.target).read() as tx:
        states = {name: state for name, state in tx.exec_driver_sql("SELECT name, state FROM jobs")}
    assert states["tiny/b"] == "held"


def test_it_gives_up_on_a_queue_that_never_rests(world: World, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.app import store_copy

    monkeypatch.setattr(store_copy, "digest_of_rows", lambda tx, **_: digest_of_rows(tx, **_) + RandomIds().new()[:0])
    monkeypatch.setattr(store_copy._Copying, "_move", lambda *_: False)
    with pytest.raises(StoreBusy, match="was changed 20 times"):
        copy(world, old, world.new("shared", "new"))
    assert world.answer(old).rows is not None


def test_of_two_who_copy_at_once_one_moves_the_queue_and_the_other_is_refused(
    world: World, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins, and ends, after the first has brought all rows."""
    from qcqueue.app import store_copy

    filled, target = store_copy._Copying._fill, world.new("shared", "new")
    once = iter([True])

    def then_the_other_copies_too(copying: "store_copy._Copying", *given: object) -> object:
        rows = filled(copying, *given)  # type: ignore[arg-type]
        for _ in once:
            assert copy(world, old, target).is_done
        return rows

    monkeypatch.setattr(store_copy._Copying, "_fill", then_the_other_copies_too)
    with pytest.raises(QueueMoved, match="was moved to"):
        copy(world, old, target)
    assert world.answer(target).rows is not None
    assert world.residence(target) == NOTHING_SAID


def test_of_two_who_copy_at_once_the_first_cannot_move_what_the_second_has_begun(
    world: World, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins after the first has brought all rows, and is cut before it has brought its own."""
    from qcqueue.app import store_copy

    filled, target, once = store_copy._Copying._fill, world.new("shared", "new"), iter([True])

    def then_the_other_begins(copying: "store_copy._Copying", *given: object) -> object:
        rows = filled(copying, *given)  # type: ignore[arg-type]
        for _ in once:
            with pytest.raises(StopIteration):
                copy(world, old, target)
        return rows

    def cut(*given: object) -> None:
        raise StopIteration

    bring = store_copy._Copying._bring
    monkeypatch.setattr(store_copy._Copying, "_fill", then_the_other_begins)
    brings: Iterator[Callable[..., None]] = iter([bring, cut])
    monkeypatch.setattr(store_copy._Copying, "_bring", lambda *given: next(brings)(*given))
    with pytest.raises(ConflictError, match="somebody else began to copy"):
        copy(world, old, target)
    assert world.answer(old).rows is not None
    assert f"is half a copy of the queue in {old}" in world.answer(target).says
    monkeypatch.undo()
    assert copy(world, old, target).is_done


def test_a_copy_answers_as_soon_as_its_source_was_moved_and_settles_with_its_first_change(
    world: World, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.app import store_copy

    target = world.new("shared", "new")
    rows = world.answer(old).rows

    def cut(*given: object) -> None:
        raise StopIteration

    monkeypatch.setattr(store_copy, "_settle", cut)
    with pytest.raises(StopIteration):
        copy(world, old, target)
    monkeypatch.undo()
    assert world.residence(target).copied_from is not None
    assert world.answer(target).rows == rows
    (world.folder / "old").rename(world.folder / "elsewhere")
    assert "whether that has moved here cannot be known" in world.answer(target).says
    (world.folder / "elsewhere").rename(world.folder / "old")
    hold(world, target)
    assert world.residence(target) == NOTHING_SAID
    (world.folder / "old").rename(world.folder / "elsewhere")
    assert world.answer(target).rows is not None


def test_no_copy_believes_another_queue_in_the_place_of_its_source(world: World, old: str) -> None:
    target = world.new("shared", "new")
    world.make_empty(target)
    lie = Move(home=old, token=RandomIds().new(), digest="0" * 64)
    world.at(target).transact(lambda tx: say_copied(tx, lie))
    assert f"is a copy of the queue in {old}, which goes on there" in world.answer(target).says


def test_a_queue_is_never_copied_over_another(world: World, old: str) -> None:
    (world.folder / "other").mkdir()
    with a_world(world.folder / "other") as elsewhere:
        other = elsewhere.make("shared")
        rows = world.answer(other).rows
        for dry_run in (True, False):
            with pytest.raises(NameTaken, match="holds a queue already"):
                copy(world, old, other, dry_run=dry_run)
        assert world.answer(other).rows == rows
        assert world.residence(old) == NOTHING_SAID


def test_an_empty_queue_is_an_empty_place(world: World, old: str) -> None:
    target = world.new("shared", "new")
    world.make_empty(target)
    assert copy(world, old, target).is_done


def test_a_file_that_a_killed_copy_left_empty_is_an_empty_place(world: World) -> None:
    old, target = world.make("shared"), world.new("folder", "new")
    (world.folder / "new").mkdir()
    (world.folder / "new" / "queue.sqlite").touch()
    assert copy(world, old, target, dry_run=True).left_files > 0
    assert copy(world, old, target).is_done
    assert world.residence(target) == NOTHING_SAID


def test_a_file_that_is_no_queue_is_not_copied_into(world: World, old: str) -> None:
    (world.folder / "new").mkdir()
    (world.folder / "new" / "queue.sqlite").write_bytes(b"somebody's notes" * 1000)
    with pytest.raises(CorruptionError):
        copy(world, old, world.new("folder", "new"))
    assert (world.folder / "new" / "queue.sqlite").read_bytes().startswith(b"somebody's notes")


def test_what_was_moved_or_begun_elsewhere_is_told_with_where(world: World, old: str) -> None:
    first, second = world.new("shared", "first"), world.new("shared", "second")
    copy(world, old, first)
    with pytest.raises(QueueMoved, match=r"was moved to shared:.*first"):
        copy(world, old, second)
    with pytest.raises(QueueMoved, match=r"was moved to shared:.*first"):
        undo(world, old, second)
    with pytest.raises(IllegalTransition, match="was not moved, so there is nothing to undo"):
        undo_never_moved(world, first)
    assert copy(world, old, first).is_done, "typed again, it says the same"
    copy(world, first, second)
    with pytest.raises(QueueMoved, match=r"was moved to shared:.*second"):
        undo(world, old, first)
    with pytest.raises(SettingInvalid, match="A and B are both"):
        copy(world, old, old)
    with pytest.raises(StoreMissing) as refused:
        copy(world, world.new("folder", "nowhere"), second)
    assert "qcqueue init" not in str(refused.value.hint)


def undo_never_moved(world: World, url: str) -> StoreCopy:
    empty = world.new("folder", "empty")
    world.make_empty(empty)
    return undo(world, url, empty)


def test_a_queue_that_is_damaged_is_not_moved(world: World, old: str) -> None:
    place = world.at(old)
    with place.read() as tx:
        needed = tx.exec_driver_sql("SELECT state_sha256 FROM checkpoints WHERE status = 'kept'").scalars().first()
    (path,) = (world.folder / "old" / "blobs").glob(f"{needed}*")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(CorruptionError, match="a queue is moved when it is whole") as refused:
        copy(world, old, world.new("shared", "new"))
    assert refused.value.hint == f"qcqueue store verify --store {old}"
    assert world.answer(old).rows is not None


def test_a_row_that_has_rotted_is_not_moved(world: World, old: str) -> None:
    world.at(old).transact(lambda tx: tx.exec_driver_sql("UPDATE epochs SET loss = loss + 1"))
    with pytest.raises(CorruptionError, match="does not hold what was written"):
        copy(world, old, world.new("shared", "new"))
    assert world.answer(old).rows is not None


def test_what_nothing_needs_and_nobody_has_any_more_is_no_hindrance(world: World, old: str) -> None:
    place = world.at(old)
    lost = Worker(place, Worker.on(place, "tiny/a").held).put("let go of")
    place.transact(
        lambda tx: tx.exec_driver_sql(
            "INSERT INTO blobs (sha256, kind, size_bytes, stored_at_s, place) VALUES (?, 'state', ?, 1.0, ?)",
            (lost.sha256, lost.size_bytes, lost.place),
        )
    )
    place.store.delete(lost)
    new = copy(world, old, world.new("shared", "new")).target
    with world.at(new).read() as tx:
        asked = "SELECT place, deleted_at_s IS NULL FROM blobs WHERE sha256 = ?"
        assert tx.exec_driver_sql(asked, (lost.sha256,)).one() == ("", 0)
    assert verify(world.at(new)).faults == ()


def test_settings_of_the_queue_move_with_it_and_those_of_a_home_do_not(world: World, old: str) -> None:
    world.at(old).transact(lambda tx: tx.exec_driver_sql("INSERT INTO settings VALUES ('policy', 'fair')"))
    new = copy(world, old, world.new("shared", "new")).target
    with world.at(new).read() as tx:
        assert tx.exec_driver_sql("SELECT name, value FROM settings").all() == [("policy", "fair")]


def test_both_stories_tell_of_the_move(world: World, old: str) -> None:
    new = copy(world, old, world.new("shared", "new")).target
    asked = "SELECT why FROM history WHERE what = 'moved'"
    with world.at(new).read() as there, world.at(old).database_itself.read() as here:
        assert there.exec_driver_sql(asked).scalars().all() == [f"from {old}"]
        assert here.exec_driver_sql(asked).scalars().all() == [f"to {new}"]


def test_the_settings_file_follows_there_and_back(world: World, old: str) -> None:
    path = world.folder / "qcqueue.toml"
    path.write_text(f'# mine\nstore   = "folder:old"  # the queue\ncache = "{world.folder / "cache"}"\n')
    target = world.new("shared", "new")
    assert copy(world, old, target).settings_file == path
    there = path.read_text()
    assert there.startswith('# mine\nstore = "shared:new"  # the queue\ncache = ')
    assert undo(world, old, target).settings_file == path
    assert path.read_text() == there.replace("shared:new", "folder:old")


def test_a_settings_file_that_names_another_queue_is_left_alone(world: World, old: str) -> None:
    path = world.folder / "qcqueue.toml"
    path.write_text('store = "shared:another"\n')
    assert copy(world, old, world.new("shared", "new")).settings_file is None
    assert path.read_text() == 'store = "shared:another"\n'


def test_a_home_that_nobody_can_read_is_damage_of_the_database(world: World, old: str) -> None:
    hostile = Move(home="rm -rf /\x1b[2J", token="t", digest="d")
    world.at(old).transact(lambda tx: say_moved(tx, hostile))
    for ask in (lambda: hold(world, old), lambda: copy(world, old, world.new("shared", "new"))):
        with pytest.raises(CorruptionError, match="which is no home") as refused:
            ask()
        assert str(refused.value).isprintable()


def test_no_queue_moves_into_its_own_folder_under_whatever_name(world: World, old: str) -> None:
    (world.folder / "link").symlink_to(world.folder / "old")
    for name, said in (("link", "A and B are both"), ("old/inner", "lies within"), ("link/inner", "lies within")):
        with pytest.raises(SettingInvalid, match=said):
            copy(world, old, world.new("folder", name))
    assert world.answer(old).rows is not None
    assert not (world.folder / "old" / "inner").exists()


def test_one_queue_under_two_addresses_is_not_its_own_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As two spellings of one server are, or two keys of one bucket."""
    (world.folder / "link").symlink_to(world.folder / "empty")
    empty, link = world.new("folder", "empty"), world.new("folder", "link")
    create_queue(world.home(empty).settings)
    monkeypatch.setattr(store_copy, "_check_apart", lambda source, target: None)
    with pytest.raises(SettingInvalid, match="one queue, whose address is written in two ways"):
        copy(world, empty, link)
    assert world.residence(empty) == NOTHING_SAID


def test_no_queue_of_a_bucket_moves_under_its_own_prefix(world: World) -> None:
    assert_apart = partial(store_copy._check_apart, world.home("s3://lab/queue"))
    for inner in ("s3://lab/queue/inner", "s3://lab/queue/a/b"):
        with pytest.raises(SettingInvalid, match="lies within"):
            assert_apart(world.home(inner))
    for beside in ("s3://lab/queue2", "s3://other/queue/inner", "az://lab/queue/inner"):
        assert_apart(world.home(beside))
