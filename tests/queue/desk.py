"""One real queue in a folder, and the few gestures the tests of the queue make on it.

Time is a number that rises by one with every transaction. Digests, records and timings are made up, but complete.
"""

import functools
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from qcqueue.conformance.databases import contents_digest
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity, PartialEpoch, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.database.address import server_address
from qcqueue.database.local import LocalDatabase
from qcqueue.database.server import ServerDatabase
from qcqueue.queue.attempts import CommitItem, Committed, commit_progress, resume
from qcqueue.queue.blobs import mark_deleted
from qcqueue.queue.checkpoints import keep_last_two
from qcqueue.queue.claim import begin_session, claim
from qcqueue.queue.controls import Control, control
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import Enqueued, enqueue
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.removal import remove_jobs
from qcqueue.queue.values import Candidate, Checkpoint, Claim, JobDetail, Pick, StateBlobs
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.support.servers.postgres import server

T = TypeVar("T")

IMAGES = Blob(sha256=digest_of("images"), size_bytes=1000)
SUMMARY = DatasetSummary(
    classes=("good", "reject"), image_size=(32, 32), train=40, validation=8, test=8, source="made up"
)
IDENTITY = Identity(
    processor="p",
    instruction_set="i",
    threads=2,
    deterministic=True,
    python="3",
    framework="tensorflow",
    framework_version="2",
    library="keras",
    library_version="3",
    numpy="2",
)
TIMING = EpochTiming(
    train_s=4.5, val_s=0.5, checkpoint_s=0.1, first_step_s=1.25, step_s_p50=0.3, step_s_p95=0.4, step_count=10
)


def spec(name: str, **changes: Any) -> JobSpec:
    """Return the spec of the job `study/name`."""
    plain = JobSpec(
        study="study",
        name=name,
        model="VGG16",
        dataset="images",
        epochs=5,
        batch_size=4,
        learning_rate=0.001,
        optimizer="adam",
        image_size=(32, 32),
        weights="none",
        weights_sha256=None,
        trainable="all",
        augment="none",
        dropout=0.0,
        determinism="exact",
        device="any",
        seed=1,
        early_stopping=0,
    )
    return replace(plain, **changes)


def metrics(epoch: int, val_loss: float = 0.5) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch, loss=1 / (epoch + 2), accuracy=0.1, val_loss=val_loss, val_accuracy=1 / 3, learning_rate=0.001
    )


def record(val_losses: Sequence[float] = (), *, steps_done: int = 0, lineage: int = 1) -> TrainingRecord:
    """Return the record after one whole epoch for each validation loss, and `steps_done` steps of the next."""
    return TrainingRecord(
        spec_sha256=digest_of("spec"),
        epochs_done=len(val_losses),
        partial=PartialEpoch(steps_done=steps_done),
        history=tuple(metrics(epoch, loss) for epoch, loss in enumerate(val_losses, start=1)),
        identity=IDENTITY,
        lineage=lineage,
    )


def state(*words: object) -> Blob:
    """Return a state blob that is the same for the same words."""
    return Blob(sha256=digest_of(["state", *words]), size_bytes=100)


def pack(*words: object, place: str = "") -> Blob:
    """Return a pack that is the same for the same words."""
    return Blob(sha256=digest_of(["pack", *words]), size_bytes=32, place=place)


def best(job: str, val_losses: Sequence[float]) -> tuple[Blob, ...]:
    """Return what holds the model of the best of these epochs: here it is the head of its state."""
    epoch = record(val_losses).best_epoch
    return () if epoch is None else (state(job, epoch),)


def epoch_done(job: str, val_losses: Sequence[float]) -> CommitItem:
    """Return what is committed when the last of these epochs is finished and validated."""
    saved = StateBlobs(head=state(job, len(val_losses)))
    return CommitItem(state=saved, best=best(job, val_losses), record=record(val_losses), timing=TIMING)


def epoch_passed(val_losses: Sequence[float]) -> CommitItem:
    """Return what is committed of an epoch whose own state was not stored."""
    return CommitItem(state=None, record=record(val_losses), timing=TIMING)


def within_epoch(job: str, val_losses: Sequence[float], steps_done: int) -> CommitItem:
    """Return what is committed for a state saved within an epoch."""
    saved = StateBlobs(head=state(job, len(val_losses), steps_done))
    return CommitItem(state=saved, best=best(job, val_losses), record=record(val_losses, steps_done=steps_done))


def result(epoch: int = 1) -> Result:
    score = ClassScore(precision=1 / 3, recall=0.5, f1=0.4, support=4)
    evaluation = Evaluation(
        loss=0.25, accuracy=0.75, per_class={"good": score, "reject": score}, confusion_matrix=((3, 1), (1, 3))
    )
    appraisal = Appraisal(
        epoch=epoch,
        weights_sha256=digest_of("weights"),
        predictions_sha256=digest_of("softmax"),
        validation=evaluation,
        test=evaluation,
    )
    return Result(
        last=appraisal, best=appraisal, history_sha256=digest_of("history"), parameters=10, trainable_parameters=8
    )


PREDICTIONS = Blob(sha256=digest_of("predictions"), size_bytes=10)


@functools.cache
def _empty_queue() -> bytes:
    """Making the tables costs more than most tests, so it is done once a process."""
    with tempfile.TemporaryDirectory() as folder:
        database = LocalDatabase(Path(folder) / "queue.sqlite")
        _furnish(database)
        return database.path.read_bytes()


@functools.cache
def _empty_queue_on_server() -> str:
    """Return the name of a database that others are made like, once a process for the same reason."""
    name = server().new_database()
    _furnish(open_at(server().url(name)))
    return name


def _furnish(database: LocalDatabase | ServerDatabase) -> None:
    database.create()
    database.transact(lambda tx: add_dataset(tx, "images", IMAGES, SUMMARY, who="user", now_s=0.0))
    for session in ("s1", "s2", "s3"):
        arrived: dict[str, Any] = {"session_id": session, "machine": f"m-{session}", "host": "h", "processor": "p"}
        database.transact(functools.partial(begin_session, **arrived, now_s=0.0))
    database.close()


def open_at(where: Path | str) -> LocalDatabase | ServerDatabase:
    """Return the database in a file, or on the server that a URL names."""
    if isinstance(where, Path):
        return LocalDatabase(where)
    return ServerDatabase(server_address(where, source="a test"))


def _first(jobs: Sequence[Candidate]) -> Pick | None:
    return Pick(jobs[0].name) if jobs else None


class Desk:
    """A queue with the dataset `images`, the sessions s1, s2 and s3, and no jobs: in a file, or on a server.

    where: what other processes open it by, with `open_at`.
    """

    def __init__(self, folder: Path | None) -> None:
        self.now_s = 0.0
        self.where: Path | str
        self.database: LocalDatabase | ServerDatabase
        if folder is None:
            self.where = server().url(server().new_database(like=_empty_queue_on_server()))
            self.database = open_at(self.where)
        else:
            self.where = folder / "queue.sqlite"
            self.where.write_bytes(_empty_queue())
            self.database = LocalDatabase(self.where, durable=False)

    @property
    def path(self) -> Path:
        """The file, for tests of what a file can hold."""
        assert isinstance(self.where, Path)
        return self.where

    def do(self, function: Callable[..., T], *values: Any, **options: Any) -> T:
        """Run one transaction function, a second after the one before."""
        self.now_s += 1.0
        return self.database.transact(lambda tx: function(tx, *values, **options, now_s=self.now_s))

    def ask(self, query: Callable[..., T], *values: Any) -> T:
        with self.database.read() as tx:
            return query(tx, *values)

    def enqueue(self, *specs: JobSpec | str) -> Enqueued:
        listed = [spec(each) if isinstance(each, str) else each for each in specs]
        return self.do(enqueue, listed, attached={}, who="user")

    def claim(
        self, session: str = "s1", *, job: str | None = None, gone: Mapping[tuple[str, int], str] | None = None
    ) -> Claim | None:
        """Claim the first job of the queue, or the one named."""
        choose = _first if job is None else lambda _: Pick(f"study/{job}")
        return self.do(claim, session, gone=gone or {}, choose=choose)

    def must_claim(
        self, session: str = "s1", *, job: str | None = None, gone: Mapping[tuple[str, int], str] | None = None
    ) -> Claim:
        held = self.claim(session, job=job, gone=gone)
        assert held is not None, "the test expects a job to be free"
        return held

    def commit(
        self, held: Claim, *items: CommitItem, stored: AbstractSet[str] | None = None, number: int | None = None
    ) -> Committed:
        """Commit what is handed over, of which the attempt has just stored everything, or the digests given.

        number: given where the same is written again.
        """
        if stored is None:
            stored = {blob.sha256 for item in items for blob in item.blobs}
        number = number or self.writes(held) + 1
        return self.do(commit_progress, held, items, number=number, stored=stored, keep=keep_last_two)

    def resume(
        self, held: Claim, chosen: Checkpoint | None, *, damaged: Iterable[tuple[Checkpoint, str]] = ()
    ) -> tuple[Blob, ...]:
        return self.do(resume, held, chosen, number=self.writes(held) + 1, damaged=damaged)

    def writes(self, held: Claim) -> int:
        """Return how many numbered writes an attempt has made."""
        found = self.sql(
            "SELECT commits FROM attempts JOIN jobs ON jobs.id = job_id WHERE name = ? AND number = ?",
            held.job_name,
            held.attempt,
        )
        return int(found[0][0]) if found else held.commits

    def train(self, held: Claim, *val_losses: float, after: Sequence[float] = ()) -> None:
        """Commit one epoch for each validation loss, each in a transaction of its own."""
        for count in range(1, len(val_losses) + 1):
            self.commit(held, epoch_done(held.job_name, (*after, *val_losses[:count])))

    def delete(self, *blobs: Blob) -> None:
        """Record that these copies are gone."""
        self.do(mark_deleted, blobs)

    def control(self, action: Control, name: str) -> tuple[str, str]:
        return self.do(control, name, action, who="user")

    def line(self, name: str) -> JobLine:
        return next(line for line in self.ask(job_lines) if line.name == f"study/{name}")

    def detail(self, name: str) -> JobDetail:
        return self.ask(job_detail, f"study/{name}")

    def names(self) -> list[str]:
        return [line.name.removeprefix("study/") for line in self.ask(job_lines)]

    def digest(self) -> str:
        return contents_digest(self.database)

    def remove(self, name: str) -> int:
        """Remove a job, which is cancelled where it runs; return the id of its row."""
        [(job_id, state)] = self.sql("SELECT id, state FROM jobs WHERE name = ?", f"study/{name}")
        if state == State.RUNNING:
            self.control("cancel", name)
        self.do(remove_jobs, f"study/{name}", who="user")
        return int(job_id)

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement behind the queue's back."""

        def run(tx: Connection) -> list[Any]:
            is_sqlite = tx.dialect.name == "sqlite"
            done = tx.exec_driver_sql(statement if is_sqlite else statement.replace("?", "%s"), values)
            return [tuple(row) for row in done] if done.returns_rows else []

        return self.database.transact(run)
