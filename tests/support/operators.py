"""What people and bad luck do to a world between the steps of its sessions.

People hold, release, cancel, retry, move and enqueue, ask sessions to stop, delete caches and put a damaged
dataset back. Bad luck flips bits, cuts and loses blobs, moves clocks and takes the store away. Everything here
goes through the real queue functions, as a command would.
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection

from qcqueue.errors import StoreError, UserError
from qcqueue.queue.controls import Control, control, move
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.stores.base import Blob
from tests.support.chance import Chance, Fault, Faults
from tests.support.databases import FaultyDatabase
from tests.support.inspector import Inspector
from tests.support.ledger import Ledger, file_name
from tests.support.options import JobPlan, draw_job
from tests.support.rows import CheckpointRow
from tests.support.sim_machines import DATASET, SUMMARY, Place, make_spec, put_dataset
from tests.support.sim_session import Life
from tests.support.stores import FaultyStore

WHO = "person"
MOST_JOBS = 4


class People:
    """Everyone who is not a session."""

    def __init__(
        self,
        *,
        database: FaultyDatabase,
        store: FaultyStore,
        root: Path,
        places: list[Place],
        owners: tuple[str | None, ...],
        lives: list[Life],
        chance: Chance,
        faults: Faults,
        ledger: Ledger,
        inspector: Inspector,
        tell: Callable[[str, str], None],
    ) -> None:
        self._database = database
        self._store = store
        self._root = root
        self._places = places
        self._lives = lives
        self._chance = chance
        self._faults = faults
        self._ledger = ledger
        self._inspector = inspector
        self._tell = tell
        self._enqueued = 0
        self._owners = owners

    def act(self) -> None:
        """Do what chance has for this moment."""
        if self._ledger.store_is_away:
            self._move_the_store(away=False)
        for kind, deed in self._deeds().items():
            if self._faults.hit(kind):
                deed()
        if self._chance.random() < 0.3:
            self.heal()

    def enqueue(self, plan: JobPlan) -> None:
        self._enqueued += 1
        spec, owner = make_spec(self._enqueued, plan), self._owners[self._enqueued % len(self._owners)]
        self._do(lambda tx: enqueue(tx, [spec], attached={}, owner=owner, who=WHO, now_s=self._now_s()))

    def heal(self) -> None:
        """Put the dataset back if it was damaged, as the message of the failed job says."""
        for sha256 in self._inspector.rows.datasets:
            if self._ledger.is_ruined(sha256, self._inspector.rows.places[sha256]):
                with contextlib.suppress(StoreError):
                    images = put_dataset(self._store, self._root / "images")
                    self._add_dataset(images)
                    self._tell(WHO, "put the dataset back")

    def _add_dataset(self, images: Blob) -> None:
        self._do(lambda tx: add_dataset(tx, DATASET, images, SUMMARY, who=WHO, now_s=self._now_s()))

    def make_amends(self) -> None:
        """Release what is held and retry what failed, so that everything can be finished."""
        self.heal()
        for place in self._places:
            self._mend(place)
        for job in self._inspector.rows.jobs.values():
            if job.state == "held":
                self._control(job.name, "release")
            if job.state == "failed":
                self._control(job.name, "retry")

    def _deeds(self) -> Mapping[Fault, Callable[[], None]]:
        return {
            Fault.HOLD: lambda: self._control(self._any_job(), "hold"),
            Fault.RELEASE: lambda: self._control(self._any_job(), "release"),
            Fault.CANCEL: lambda: self._control(self._any_job(), "cancel"),
            Fault.RETRY: lambda: self._control(self._any_job(), "retry"),
            Fault.MOVE: self._move,
            Fault.ENQUEUE: self._enqueue_another,
            Fault.MACHINE_BROKE: self._break_a_machine,
            Fault.DISK_FILLED: self._fill_a_disk,
            Fault.MACHINE_MENDED: lambda: self._mend(self._chance.choice(self._places)),
            Fault.ASKED_TO_STOP: self._ask_to_stop,
            Fault.CACHE_DELETED: self._delete_a_cache,
            Fault.CACHE_FLIP: self._flip_in_a_cache,
            Fault.CLOCK_JUMP: self._move_a_clock,
            Fault.STORE_AWAY: lambda: self._move_the_store(away=True),
            Fault.BIT_FLIP: lambda: self._ruin_a_state(_flip),
            Fault.TRUNCATION: lambda: self._ruin_a_state(_cut),
            Fault.LOSS: lambda: self._ruin_a_state(lambda path, _: path.unlink()),
            Fault.DATASET_DAMAGE: self._ruin_the_dataset,
        }

    def _do(self, action: Callable[[Connection], Any]) -> None:
        try:
            self._database.transact(action)
        except UserError as refusal:
            self._tell(WHO, f"was refused: {refusal}")

    def _control(self, job: str, action: Control) -> None:
        self._tell(WHO, f"{action} {job}")
        self._do(lambda tx: control(tx, job, action, who=WHO, now_s=self._now_s()))

    def _move(self) -> None:
        job, other = self._any_job(), self._any_job()
        where: Literal["first", "last", "before"] = self._chance.choice(("first", "last", "before"))
        self._tell(WHO, f"move {job} {where} {other}")
        target = other if where == "before" else None
        self._do(lambda tx: move(tx, job, where, target, who=WHO, now_s=self._now_s()))

    def _enqueue_another(self) -> None:
        if self._enqueued < MOST_JOBS:
            self.enqueue(draw_job(self._chance, self._chance))

    def _ask_to_stop(self) -> None:
        if self._lives:
            life = self._chance.choice(self._lives)
            self._tell(life.id, "is asked to stop")
            life.ask_to_stop()

    def _delete_a_cache(self) -> None:
        place = self._chance.choice(self._places)
        if all(life.place is not place for life in self._lives):
            shutil.rmtree(place.cache, ignore_errors=True)
            place.caches_lost += 1

    def _flip_in_a_cache(self) -> None:
        cached = self._chance.choice(self._places).cached_blobs
        if cached:
            _flip(cached[0], self._chance)
            self._ledger.cache_flipped_s[cached[0]] = self._ledger.now_s

    def _break_a_machine(self) -> None:
        place = self._chance.choice(self._places)
        place.is_broken = True
        self._tell(place.name, "has broken libraries from now on")

    def _fill_a_disk(self) -> None:
        place = self._chance.choice(self._places)
        place.is_full = True
        self._tell(place.name, "has a full disk from now on")

    def _mend(self, place: Place) -> None:
        if place.is_broken or place.is_full:
            self._tell(place.name, "is mended")
        place.is_broken = place.is_full = False

    def _move_a_clock(self) -> None:
        place = self._chance.choice(self._places)
        place.clock.jump(self._chance.choice((-3600.0, 3600.0, self._chance.uniform(-1e7, 1e7))))

    def _move_the_store(self, *, away: bool) -> None:
        self._ledger.store_is_away = away
        self._tell("store", "is away" if away else "is back")

    def _ruin_a_state(self, how: Callable[[Path, Chance], None]) -> None:
        rows = self._inspector.rows
        kept = [row for job in rows.jobs.values() if job.state != "done" for row in rows.kept(job.id)]
        if kept:
            self._ruin(self._chance.choice(sorted(rows.files(self._pick(kept)))), how)

    def _pick(self, kept: list[CheckpointRow]) -> CheckpointRow:
        return max(kept) if self._chance.random() < 0.5 else self._chance.choice(kept)

    def _ruin_the_dataset(self) -> None:
        self._ruin(self._inspector.rows.datasets[0], _flip)

    def _ruin(self, sha256: str, how: Callable[[Path, Chance], None]) -> None:
        path = self._root / "blobs" / file_name(sha256, self._inspector.rows.places[sha256])
        if path.name not in self._ledger.ruined and path.exists():
            self._ledger.ruined.add(path.name)
            how(path, self._chance)
            self._tell("store", f"blob {sha256[:12]} is damaged")
        with contextlib.suppress(StoreError):
            self._tell(WHO, f"sees {len(list(self._store.list_blobs()))} blobs")

    def _any_job(self) -> str:
        return self._chance.choice([job.name for job in self._inspector.rows.jobs.values()])

    def _now_s(self) -> float:
        return self._chance.choice(self._places).clock.now_s()


def _flip(path: Path, chance: Chance) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randint(0, len(content) - 1)] ^= 1 << chance.randint(0, 7)
    path.write_bytes(content)


def _cut(path: Path, chance: Chance) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randint(0, len(content) - 1)])
