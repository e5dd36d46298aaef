"""`store copy` killed by SIGKILL at any instant: one home is whole and answers, the other says so; typed again it ends.

The process counts what it does, calls and returns of all that changes a home, and is killed in the middle of the nth.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from qcqueue.app.home_address import HomeAddress
from qcqueue.app.settings import load_settings, named_store
from qcqueue.app.verify import verify
from qcqueue.clock import seeded
from qcqueue.queue.moves import NOTHING_SAID
from qcqueue.stores.drive import caller
from tests.end_to_end.machines import STUDY, TOY, TOY_JOB, a_house, command, job, outcomes
from tests.support import forks
from tests.support.homes import HOMES, NOTHING_IS_LATE, Answer, World, a_world, marks, rows_of, variables_of

pytestmark = pytest.mark.racing

INSTANTS = 20
SEEDS = range(4)
"""So many tests share the twenty instants of a pair."""
LIMIT_S = 120.0
PAIRS = [pytest.param(before, after, marks=marks(before, after)) for before in HOMES for after in HOMES]
# Each kind of home is the first, and the second, once; all pairs are long.
IN_BRIEF = [("folder", "shared", 4), ("shared", "gdrive", 2), ("gdrive", "folder", 2)]

COUNTED = (
    *("transact", "create", "put", "fetch", "append", "begin", "give_back", "move_whole", "make_folder", "sync"),
    *("replace_rows", "say_copied", "say_moved", "say_copying", "say_no_copy", "settle", "name_blobs", "remember"),
    *("rename_store", "insert", "upload", "reserve", "_commit", "_create_tables", "record_event"),
)

KILLER = (
    NOTHING_IS_LATE
    + """
import os, signal, sys
from qcqueue.cli import main  # what runs while modules load is no part of it
count, counted = 0, open({log!r}, "ab", buffering=0)
def look(frame, event, argument):
    global count
    code = frame.f_code
    if event in ("call", "return") and code.co_name in {names!r} and "/qcqueue/" in code.co_filename:
        count += 1
        counted.write(b".")
        if count == {nth}:
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(look)
"""
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[World]:
    for patience in ("QUICK", "STEADY"):
        monkeypatch.setattr(caller, patience, replace(getattr(caller, patience), lag_s=0.1))
    asked = getattr(getattr(request.node, "callspec", None), "params", {})
    kinds = [kind for name, kind in asked.items() if name in ("before", "after")]
    for name, value in variables_of(kinds).items():
        monkeypatch.setenv(name, value)
    with a_world(tmp_path, *kinds) as world:
        yield world


@dataclass
class Moving:
    """A queue on its way from one home, `old`, to another. typed: what a person calls that."""

    world: World
    old: str
    typed: str
    rows: Answer

    @classmethod
    def of(cls, world: World, before: str, after: str, name: str) -> "Moving":
        folder = world.folder / name
        folder.mkdir()
        own = World(folder, {**world.environment, "QCQUEUE_CACHE": str(folder / "cache")})
        old = own.make(before)
        address = own.home(old).address
        database = f'database = "{address.server.url}"\n' if address.server else ""
        (folder / "qcqueue.toml").write_text(f'store = "{address.store.url}"\n{database}')
        return cls(own, old, own.new(after, "new"), own.answer(old))

    @property
    def new(self) -> str | None:
        """The address of the other home, None where it has none yet."""
        if not self.world.home(self.typed).address.store.is_new:
            return self.typed
        residence = self.world.residence(self.old)
        found = residence.moved_to or residence.copying_to
        return found.home if found else None

    def type(self, *options: str, nth: int = 0) -> int:
        """Type the command, and kill it in the middle of the nth thing it does; return how it ended."""
        log = self.world.folder / "counted"
        log.write_bytes(b"")
        done = forks.run(
            ["store", "copy", self.old, self.typed, *options],
            folder=self.world.folder,
            environment=self.world.environment,
            limit_s=LIMIT_S,
            first=KILLER.format(log=str(log), names=COUNTED, nth=nth),
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    @property
    def counted(self) -> int:
        return (self.world.folder / "counted").stat().st_size

    def check(self) -> str:
        """See that one home answers with the whole queue, and that the other says which; return the one that does."""
        new = self.new
        here, there = self.world.answer(self.old), self.world.answer(new) if new else Answer()
        if here.rows is not None:
            assert here == self.rows
            assert there.rows is None, "both answer"
            assert there == Answer() or self.old in there.says, there
            return self.old
        assert new is not None
        assert there.rows == self.rows.rows, f"none answers: {here.says}, {there.says}"
        assert new in here.says
        return new

    def check_moved(self) -> None:
        """See that all has come to its end in the new home."""
        new = self.new
        assert new is not None
        assert self.check() == new
        place = self.world.at(new)
        assert rows_of(place) == self.rows.rows
        assert self.world.residence(new) == NOTHING_SAID
        assert verify(place).faults == ()
        put = Counter(it.blob.sha256 for it in place.store_itself.list_blobs())
        assert set(put.values()) == {1}, "something was put twice"
        named = load_settings(folder=self.world.folder, environment=self.world.environment)
        assert HomeAddress(store=named_store(named), server=named.database) == self.world.home(new).address


def cut_everywhere(world: World, before: str, after: str, *, instants: int, seed: int) -> None:
    """Move as many queues as there are instants, each killed in one and finished."""
    print(f"seed {seed}")
    whole = Moving.of(world, before, after, "whole")
    assert whole.type() == 0
    whole.check_moved()
    rng = seeded(f"{before} {after} {seed}")
    for nth in sorted(rng.sample(range(1, whole.counted), instants)):
        moving = Moving.of(world, before, after, f"cut-{nth}")
        assert moving.type(nth=nth) == -signal.SIGKILL, f"it was over before {nth} of {whole.counted}"
        moving.check()
        assert moving.type() == 0
        moving.check_moved()


@pytest.mark.parametrize(("before", "after", "instants"), IN_BRIEF)
def test_a_move_that_is_killed_leaves_one_home_that_answers(
    world: World, before: str, after: str, instants: int
) -> None:
    cut_everywhere(world, before, after, instants=instants, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_move_between_any_two_homes_that_is_killed_leaves_one_that_answers(
    world: World, before: str, after: str, seed: int
) -> None:
    cut_everywhere(world, before, after, instants=INSTANTS // len(SEEDS), seed=seed)


def test_jobs_go_on_in_the_new_home_with_the_same_bits(tmp_path: Path) -> None:
    quiet, moved = (a_house(tmp_path / name, STUDY + TOY) for name in ("quiet", "moved"))
    assert command(quiet, "work").returncode == 0
    assert command(moved, "work", "--max-epochs", "1").returncode == 20
    done = command(moved, "store", "copy", "folder:queue", f"shared:{tmp_path}/disk")
    assert done.returncode == 0, done.stderr
    refused = command(moved, "work", "--store", "folder:queue")
    assert (refused.returncode, "was moved to" in refused.stderr) == (6, True)
    assert command(moved, "work").returncode == 0
    assert job(moved, TOY_JOB)["result"] == job(quiet, TOY_JOB)["result"]
    assert outcomes(moved, TOY_JOB) == ["stopped", "finished"]


def test_a_move_that_is_killed_again_and_again_ends(world: World) -> None:
    """Each time it is typed it comes a little further, and no file is put twice."""
    moving, kills = Moving.of(world, "folder", "shared", "often"), 0
    rng = seeded("again and again")
    while moving.type(nth=rng.randint(60, 140)) != 0:
        moving.check()
        kills += 1
        assert kills < INSTANTS, "it comes to no end"
    assert kills > 2
    moving.check_moved()


@pytest.mark.long
def test_a_move_that_is_killed_while_it_is_taken_back_leaves_one_home_that_answers(world: World) -> None:
    whole = Moving.of(world, "folder", "shared", "whole")
    assert whole.type() == 0
    assert whole.type("--undo") == 0
    assert whole.check() == whole.old
    rng, answered = seeded("taken back"), Counter[bool]()
    for nth in sorted(rng.sample(range(1, whole.counted), INSTANTS)):
        moving = Moving.of(world, "folder", "shared", f"cut-{nth}")
        assert moving.type() == 0
        assert moving.type("--undo", nth=nth) == -signal.SIGKILL
        answered[moving.check() == moving.old] += 1
        assert moving.type("--undo") == 0
        assert moving.check() == moving.old
        assert moving.world.residence(moving.old) == NOTHING_SAID
        assert (moving.world.folder / "qcqueue.toml").read_text().split('"')[1] in (moving.old, "folder:old")
    assert set(answered) == {True, False}, f"all kills came on one side: {answered}"
