"""Measure what the queue costs over bare SQLite: median seconds of a claim and of the commit of one epoch.

Each round runs one claim, one commit and one bare `BEGIN IMMEDIATE; UPDATE; COMMIT` of the same durability in the
same folder, in turn, so that a slow moment of the disk falls on all three. The queue is of a realistic size: six
jobs, some dozens of epochs each. What a commit prepares before its transaction, the JSON of the records, is timed
apart. All of it twice: with states of a head alone, to which the target of a ratio of at most 3 applies, and with
states of many packs, which cost their rows besides. Called by `scripts/bench queue`.
"""

import argparse
import json
import sqlite3
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from qcqueue.catalog.models import STUDIED_MODELS
from qcqueue.clock import SystemClock
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity, PartialEpoch, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.database.local import LocalDatabase
from qcqueue.queue.attempts import CommitItem, Committed, commit_progress, stop
from qcqueue.queue.blobs import mark_deleted
from qcqueue.queue.checkpoints import keep_last_two
from qcqueue.queue.claim import begin_session, claim
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.values import Claim, Pick, StateBlobs
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.support.specs import a_spec

T = TypeVar("T")

TARGET = 3.0
JOBS = 6
EPOCHS_BEFORE = 40
PACKS = 21  # of the largest of the six models with Adam, at 32 MB each
MODEL_PACKS = 7
SESSION = "bench"

TIMING = EpochTiming(
    train_s=41.2, val_s=3.9, checkpoint_s=0.8, first_step_s=None, step_s_p50=0.59, step_s_p95=0.64, step_count=69
)
SUMMARY = DatasetSummary(
    classes=("good", "fair", "reject"), image_size=(75, 75), train=2200, validation=550, test=486, source="bench"
)
IDENTITY = Identity(
    processor="a processor",
    instruction_set="AVX2 FMA",
    threads=2,
    deterministic=True,
    python="3.11.9",
    framework="tensorflow",
    framework_version="2.20.0",
    library="keras",
    library_version="3.13.2",
    numpy="2.2.0",
)


class Stopwatch:
    """Seconds of every call, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._clock = SystemClock()

    def time(self, name: str, work: Callable[[], T]) -> T:
        began_s = self._clock.monotonic_s()
        outcome = work()
        self.seconds.setdefault(name, []).append(self._clock.monotonic_s() - began_s)
        return outcome

    def median_s(self, name: str) -> float:
        return statistics.median(self.seconds[name])


class BareTable:
    """What any transactional program on SQLite must pay: one row updated, with the queue's own durability."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = EXTRA")
        self._connection.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)")
        self._connection.execute("INSERT INTO numbers VALUES (1, 0)")

    def update(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE numbers SET value = value + 1 WHERE id = 1")
        self._connection.execute("COMMIT")


class Bench:
    """Six jobs on a local database, worked on in turn by one session, in the transactions of `qcqueue work`."""

    def __init__(self, folder: Path, *, packed: bool) -> None:
        self.watch = Stopwatch()
        self._packed = packed
        self._bare = BareTable(folder / "bare.sqlite")
        self._database = LocalDatabase(folder / "queue.sqlite")
        self._deleted: tuple[Blob, ...] = ()
        self._specs = [_spec(model) for model in STUDIED_MODELS]
        self._histories: dict[str, tuple[EpochMetrics, ...]] = {spec.full_name: () for spec in self._specs}
        self._models: dict[tuple[str, int], tuple[Blob, ...]] = {}  # by digest of the spec and epoch

    def fill(self) -> None:
        """Make the queue and train every job for some dozens of epochs, in attempts of ten."""
        self._database.create()
        dataset = Blob(sha256=digest_of("dataset"), size_bytes=52_000_000)
        self._database.transact(lambda tx: add_dataset(tx, "images", dataset, SUMMARY, who="bench", now_s=0.0))
        self._database.transact(lambda tx: enqueue(tx, self._specs, attached={}, who="bench", now_s=0.0))
        self._database.transact(
            lambda tx: begin_session(tx, SESSION, machine="m", host="host", processor="p", now_s=0.0)
        )
        for spec in self._specs:
            for _ in range(EPOCHS_BEFORE // 10):
                held = self._claim(spec.full_name)
                for number in range(1, 11):
                    self._commit(held, self._handed_over(*self._next_epoch(held)), number=number)
                self._give_back(held)

    def round(self, index: int) -> None:
        """Time one claim, one commit and one bare update."""
        held = self.watch.time("claim", lambda: self._claim(self._specs[index % JOBS].full_name))
        state, trained, finished = self._next_epoch(held)
        items = self.watch.time("prepare", lambda: self._handed_over(state, trained, finished))
        self.watch.time("bare", self._bare.update)
        self.watch.time("commit", lambda: self._commit(held, items, number=1))
        self._give_back(held)

    def _claim(self, name: str) -> Claim:
        held = self._database.transact(
            lambda tx: claim(
                tx, SESSION, gone={}, choose=lambda jobs: Pick(next(j.name for j in jobs if j.name == name)), now_s=1.0
            )
        )
        assert held is not None
        return held

    def _next_epoch(self, held: Claim) -> tuple[StateBlobs, TrainingRecord, TrainingRecord]:
        """Return what one epoch leaves: its state, the record after its last step, and that after its validation."""
        before = self._histories[held.job_name]
        epoch = len(before) + 1
        metrics = EpochMetrics(
            epoch=epoch,
            loss=1 / (epoch + 0.1),
            accuracy=1 - 1 / (epoch + 1.7),
            val_loss=1 / 3 + abs(epoch % 17 - 8.1) / 7,
            val_accuracy=1 - 1 / (epoch + 1.3),
            learning_rate=1e-4,
        )
        trained = TrainingRecord(
            spec_sha256=held.spec.digest,
            epochs_done=epoch - 1,
            partial=PartialEpoch(steps_done=69, loss_sum=7 / 3, correct=2000, seen=2200, step_times_s=(0.59,) * 69),
            history=before,
            identity=IDENTITY,
            lineage=1,
        )
        state = self._state(held.spec.digest, epoch)
        self._histories[held.job_name] = (*before, metrics)
        return state, trained, trained.with_epoch(metrics, patience=0)

    def _state(self, spec_sha256: str, epoch: int) -> StateBlobs:
        names = range(PACKS if self._packed else 0)
        packs = tuple(Blob(sha256=digest_of([spec_sha256, epoch, name]), size_bytes=32_000_000) for name in names)
        head = Blob(sha256=digest_of([spec_sha256, epoch]), size_bytes=180_000_000)
        self._models[spec_sha256, epoch] = packs[:MODEL_PACKS] or (head,)
        return StateBlobs(head=head, packs=packs)

    def _handed_over(
        self, state: StateBlobs, trained: TrainingRecord, finished: TrainingRecord
    ) -> tuple[CommitItem, CommitItem]:
        return (
            CommitItem(state=state, best=self._best(trained), record=trained),
            CommitItem(state=state, best=self._best(finished), record=finished, timing=TIMING),
        )

    def _best(self, record: TrainingRecord) -> tuple[Blob, ...]:
        return () if record.best_epoch is None else self._models[record.spec_sha256, record.best_epoch]

    def _commit(self, held: Claim, items: tuple[CommitItem, CommitItem], *, number: int) -> None:
        stored = frozenset(blob.sha256 for item in items if item.state for blob in item.state.blobs)

        def both(tx: Connection) -> Committed:
            mark_deleted(tx, self._deleted, now_s=2.0)
            return commit_progress(tx, held, items, number=number, stored=stored, keep=keep_last_two, now_s=2.0)

        committed = self._database.transact(both)
        assert not committed.missing
        self._deleted = committed.retired

    def _give_back(self, held: Claim) -> None:
        self._database.transact(lambda tx: stop(tx, held, why="reached its limit", now_s=3.0))


def _spec(model: str) -> JobSpec:
    return a_spec(study="bench", name=model.lower(), model=model, weights="imagenet")


def measure(rounds: int) -> dict[str, float]:
    """Return the medians in seconds and their ratios to the bare transaction; `packed_` are those with many packs."""
    found: dict[str, float] = {"rounds": rounds, "target": TARGET}
    for kind, packed in (("", False), ("packed_", True)):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            bench = Bench(Path(folder), packed=packed)
            bench.fill()
            for index in range(rounds):
                bench.round(index)
        claim_s, prepare_s, commit_s, bare_s = map(bench.watch.median_s, ("claim", "prepare", "commit", "bare"))
        found |= {
            f"{kind}bare_s": bare_s,
            f"{kind}claim_s": claim_s,
            f"{kind}prepare_s": prepare_s,
            f"{kind}commit_s": commit_s,
            f"{kind}claim_ratio": claim_s / bare_s,
            f"{kind}commit_ratio": commit_s / bare_s,
            f"{kind}both_ratio": (claim_s + commit_s) / (2 * bare_s),
        }
    return found


def render(found: dict[str, float]) -> str:
    lines = []
    for kind, title in (("", "states of a head alone"), ("packed_", f"states of a head and {PACKS} packs")):
        lines += [
            f"{title:<36}{'median':>10}{'over bare':>12}",
            f"  {'bare UPDATE':<34}{found[f'{kind}bare_s'] * 1e3:>7.2f} ms{1:>12.2f}",
            f"  {'claim a job':<34}{found[f'{kind}claim_s'] * 1e3:>7.2f} ms{found[f'{kind}claim_ratio']:>12.2f}",
            f"  {'commit an epoch':<34}{found[f'{kind}commit_s'] * 1e3:>7.2f} ms{found[f'{kind}commit_ratio']:>12.2f}",
            f"  {'(its records as JSON)':<34}{found[f'{kind}prepare_s'] * 1e3:>7.2f} ms",
            f"  {'both, over two bare':<34}{'':>10}{found[f'{kind}both_ratio']:>12.2f}",
        ]
    lines.append(f"target: at most {TARGET:.0f} each with a head alone; {found['rounds']:.0f} rounds, medians")
    return "\n".join(lines)


def main() -> int:
    """Print the table; return 1 where a ratio is over the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300, help="rounds to measure (default: 300)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    found = measure(options.rounds)
    print(render(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return int(max(found["claim_ratio"], found["commit_ratio"]) > TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
