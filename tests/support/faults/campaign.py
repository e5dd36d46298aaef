"""Plays a command once for each of its file calls, with a trouble at that call, and judges what came of it.

A command is first played with no trouble, which counts its calls; then once for each. Every play begins with the same
place, at the same path. Always true: a play that is found wanting says what to type to see it again.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qcqueue.app.context import DATABASE_FILE
from qcqueue.errors import CorruptionError, StoreMissing
from tests.support.faults.commands import Commands, Ran
from tests.support.faults.preload import Call, Preload, Trouble
from tests.support.faults.scenes import Place, Scene, Seen, history, scenes

NOISE = ("Traceback", "this is a bug of qcqueue", "Exception ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One play of a command, and what was wrong with it. call: what the trouble befell, None for nothing."""

    store: str
    command: str
    trouble: Trouble
    at: int
    call: Call | None
    ran: Ran
    wrong: tuple[str, ...]

    @property
    def replay(self) -> str:
        """What to type to see it again."""
        return (
            f"scripts/simulate faults --store {self.store} --command {self.command} --errno {self.trouble} "
            f"--from {self.at} --to {self.at}"
        )


class Stage:
    """A folder in which commands are played one after the other, for one kind of store. Made ready on first use."""

    def __init__(self, library: Path, root: Path, store: str) -> None:
        self._store = store
        self._root = root
        scratch = root / "scratch"
        scratch.mkdir(parents=True)
        self._commands = Commands(library, scratch)
        self._place = Place(root / "place", self._commands)
        self._preload = Preload(library, scratch, roots=[self._place.here, self._place.cache])
        self._mended = set[tuple[str, str]]()

    def close(self) -> None:
        self._commands.close()

    def count(self, command: str, trouble: Trouble) -> list[Call]:
        """Return the calls of a command that the trouble can befall, in a run that nothing happens to."""
        scene = self._set(command)
        ran = self._place.types(*scene.arguments, faults=self._preload.environment(trouble))
        assert ran.code == 0, f"{command} ends with {ran.code} without any trouble:\n{ran.said}"
        return [call for call in self._preload.calls if call.number]

    def play(self, command: str, trouble: Trouble, at: int) -> Play:
        """Play a command with a trouble at one of its calls."""
        scene, place = self._set(command), self._place
        ran = place.types(*scene.arguments, faults=self._preload.environment(trouble, at=at))
        calls = self._preload.calls
        call = next((call for call in calls if call.error), None)
        wrong = [*_ended(scene, ran)]
        if call:
            seen = _look(place, wrong)
            wrong += scene.judge(place, ran, seen)
            wrong += _unsynced(calls, call, ran)
            wrong += self._again(scene)
        return Play(
            store=self._store,
            command=command,
            trouble=trouble,
            at=at,
            call=call,
            ran=ran,
            wrong=tuple(wrong),
        )

    def _again(self, scene: Scene) -> Iterator[str]:
        """Type the command again, which nothing happens to; everything must be as if nothing ever had.

        Where it has once led there from the same files, it need not be typed.
        """
        place, wrong = self._place, list[str]()
        before = (scene.name, place.digest())
        if before in self._mended:
            return
        again = place.types(*scene.arguments)
        if again.code not in scene.again:
            yield f"typed again it ends with {again.code}: {again.said.strip()[-500:]}"
        seen = _look(place, wrong)
        wrong += scene.finally_(place, again, seen)
        left = self._remains() if place.temporary() else []
        wrong += [f"{path} is left, also by the next session and by a gc of next week" for path in left]
        if again.code in scene.again and not wrong:
            self._mended.add(before)
        yield from wrong

    def _remains(self) -> list[Path]:
        """Return what is still temporary here once the next session and, a week later, `gc` have been here."""
        self._place.grow_old()
        self._place.types("work")
        self._place.types("store", "gc", "--yes")
        return self._place.temporary()

    def _set(self, command: str) -> Scene:
        """Bring the place into the state that a command is played on."""
        scene = scenes(self._store)[command]
        kept = self._root / f"before-{command}"
        if not kept.exists():
            self._place.furnish()
            for arguments in history(self._store)[: scene.prepare]:
                done = self._place.types(*arguments)
                assert done.code == 0, f"{arguments} ends with {done.code}:\n{done.said}"
            scene.before(self._place)
            shutil.copytree(self._place.root, kept)
        shutil.rmtree(self._place.root)
        shutil.copytree(kept, self._place.root)
        return scene


def _ended(scene: Scene, ran: Ran) -> Iterator[str]:
    if noise := next((noise for noise in NOISE if noise in ran.said), None):
        yield f"it says {noise!r}"
    if not ran.was_killed and ran.code not in scene.codes:
        yield f"it ends with {ran.code}"


def _look(place: Place, wrong: list[str]) -> Seen | None:
    try:
        return place.look()
    except StoreMissing:  # an init that was cut leaves one that is not finished
        return None
    except CorruptionError as exc:
        if "never finished" in str(exc):
            return None
        wrong.append(f"the queue cannot be looked at: {exc}")
        return None
    except Exception as exc:
        wrong.append(f"the queue cannot be looked at: {type(exc).__name__}: {exc}")
        return None


def _unsynced(calls: list[Call], hit: Call, ran: Ran) -> Iterator[str]:
    """A folder that was not synced once must be synced again before anybody is told that all is well.

    Where a database wrote nothing but the journal of a transaction that was taken back, there is nothing to keep.
    """
    if hit.name != "fsync" or hit.error < 0 or ran.code != 0 or not hit.path.is_dir():
        return
    if (hit.path / DATABASE_FILE).exists() and not any(
        call.name == "write" and call.path == hit.path / DATABASE_FILE for call in calls
    ):
        return
    later = calls[calls.index(hit) + 1 :]
    if not any(call.name == "fsync" and call.path == hit.path and not call.error for call in later):
        yield f"it said that all is well, and {hit.path.name} was never synced again"
