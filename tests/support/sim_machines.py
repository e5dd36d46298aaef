"""The places of a world: its machines with their wrong clocks, and the store with its queue, made in no time.

Making the tables costs more than a whole small world, so one empty queue with its dataset is built a process and
copied into each world.
"""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

from qcqueue.conformance.clocks import DAY_ZERO_S, CountedIds, MachineClock, WorldTime
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.spec import JobSpec
from qcqueue.database.local import LocalDatabase
from qcqueue.queue.datasets import add_dataset
from qcqueue.stores.base import Blob, Store
from qcqueue.stores.files import INCOMING
from qcqueue.stores.folder import FolderStore
from qcqueue.worker.machine import Machine
from tests.support.options import JobPlan, MachinePlan
from tests.support.specs import a_spec

DATASET = "images"
IMAGE_SIZE = (32, 32)
SUMMARY = DatasetSummary(
    classes=("good", "reject"), image_size=IMAGE_SIZE, train=2, validation=1, test=1, source="simulated"
)


@dataclass(slots=True)
class Place:
    """One machine. A deleted cache takes the machine's id with it.

    is_broken: no trainer of it gets past its first step; is_full: nothing can be written to its disk.
    """

    plan: MachinePlan
    clock: MachineClock
    cache: Path
    name: str
    caches_lost: int = 0
    is_broken: bool = False
    is_full: bool = False

    def machine(self) -> Machine:
        return Machine(
            id=f"{self.name}-{self.caches_lost}",
            host=self.name,
            processor=self.plan.processor,
            has_gpu=self.plan.has_gpu,
            threads=self.plan.threads,
        )

    @property
    def cached_blobs(self) -> list[Path]:
        found = sorted((self.cache / "blobs").glob("*")) if self.cache.exists() else []
        return [path for path in found if not path.name.startswith(INCOMING)]


def make_place(plan: MachinePlan, index: int, time: WorldTime, root: Path) -> Place:
    clock = MachineClock(time, offset_s=plan.offset_s, rate=plan.rate)
    return Place(plan=plan, clock=clock, cache=root / f"cache-{index}", name=f"machine-{index}")


def make_queue(root: Path, time: WorldTime) -> tuple[LocalDatabase, FolderStore]:
    """Return the database and the store of a new world, with the dataset in both."""
    store = _store_in(root, time)
    (root / "queue.sqlite").write_bytes(_template())
    put_dataset(store, root.parent / "images")
    return LocalDatabase(root / "queue.sqlite", durable=False), store


def put_dataset(store: Store, scratch: Path) -> Blob:
    """Store the dataset, as a person does at first and again after it was damaged."""
    scratch.write_bytes(dataset_bytes())
    return store.put(scratch)


def dataset_bytes() -> bytes:
    return b"every image there is" * 8


def make_spec(number: int, plan: JobPlan) -> JobSpec:
    return a_spec(
        study="world",
        name=f"job-{number}",
        dataset=DATASET,
        epochs=plan.epochs,
        batch_size=plan.step_count,
        image_size=IMAGE_SIZE,
        device="gpu" if plan.needs_gpu else "any",
        seed=number,
        early_stopping=plan.early_stopping,
        lineage=plan.lineage,
    )


def _store_in(root: Path, time: WorldTime) -> FolderStore:
    """Make a store. Its first blob is the dataset, which has the same place in every world as in the template."""
    store = FolderStore(root, MachineClock(time), CountedIds("b"))
    store.create()
    return store


@functools.cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        database = LocalDatabase(root / "queue.sqlite", durable=False)
        database.create()
        blob = put_dataset(_store_in(root, WorldTime()), root / "images")
        database.transact(lambda tx: add_dataset(tx, DATASET, blob, SUMMARY, who="person", now_s=DAY_ZERO_S))
        database.close()
        return database.path.read_bytes()
