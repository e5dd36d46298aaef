"""Queues for tests of commands: made by the queue's own transactions, as sessions and people would make them.

No trainer runs here. What a trainer would hand over is written by hand, so that a job in any state, with epochs
and a result, costs milliseconds.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from qcqueue.app.context import QueueContext, context_in, create_store
from qcqueue.app.datasets import keep
from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.outcomes import Cause
from qcqueue.core.records import EpochMetrics, EpochTiming, Rehearsal, TrainingRecord, history_sha256
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.core.step_choice import StepChoice
from qcqueue.datasets.format import Split
from qcqueue.queue import attempts
from qcqueue.queue.checkpoints import keep_last_two
from qcqueue.queue.claim import begin_session, claim, end_session
from qcqueue.queue.controls import control
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.values import Claim, Pick
from qcqueue.queue.values import StateBlobs as StoredState
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json, parse_json
from tests.engines.worlds import a_dataset, a_record, a_spec

DATASET = "qc-tiny"
SIDE_PX = 75
EPOCHS = 3
STUDY = f'study = "tiny"\ndataset = "{DATASET}"\n[defaults]\nepochs = {EPOCHS}\nweights = "none"\n'
AT_WORK = "5e55a0a0a0a0"
JOB = '[[job]]\nmodel = "VGG16"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A person's folder with a queue in it. Commands run with it as the current folder."""

    folder: Path

    @property
    def queue(self) -> QueueContext:
        return context_in(self.store, cache=self.cache)

    @property
    def store(self) -> Path:
        return self.folder / "queue"

    @property
    def database(self) -> Path:
        return self.store / "queue.sqlite"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def fingerprint(self) -> tuple[str, Mapping[str, str]]:
        """Return a digest of all the database says, and one of every file in the house but the database's own."""
        files = {
            str(path.relative_to(self.folder)): _sha256(path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path != self.database
        }
        return self._database_digest(), files

    def _database_digest(self) -> str:
        if not self.database.is_file():
            return "none"
        try:
            with contextlib.closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as connection:
                said = "\n".join(connection.iterdump())
            connection.close()
        except sqlite3.DatabaseError:
            return _sha256(self.database.read_bytes())
        return _sha256(said.encode())


def an_empty_house(folder: Path) -> House:
    """A queue with one dataset and no job."""
    house = House(folder=folder)
    house.store.mkdir(parents=True)
    create_store(house.store)
    with_images(house.queue)
    house.write("qcqueue.toml", 'store = "folder:queue"\n')
    return house


def with_images(place: QueueContext) -> None:
    """Add the dataset."""
    counts = {Split.TRAIN: 9, Split.VALIDATION: 3, Split.TEST: 3}
    keep(place, DATASET, a_dataset(side_px=SIDE_PX, counts=counts), dry_run=False)


def a_job(name: str, **changes: Any) -> JobSpec:
    """A spec of the study `tiny` that fits the dataset of `an_empty_house`."""
    usual: dict[str, Any] = {
        "study": "tiny",
        "dataset": DATASET,
        "epochs": EPOCHS,
        "image_size": (SIDE_PX, SIDE_PX),
        "augment": "none",
        "dropout": 0.0,
        "device": "any",
    }
    return a_spec(name=name, **(usual | changes))


def put(place: QueueContext, *specs: JobSpec) -> None:
    place.transact(lambda tx: enqueue(tx, list(specs), attached={}, who=place.who, now_s=place.clock.now_s()))


def pretend_images(place: QueueContext, train_images: int) -> None:
    """Have the queue believe that its dataset is so large, for estimates of how long an epoch takes."""

    def believe(tx: Connection) -> None:
        (summary,) = tx.exec_driver_sql("SELECT summary FROM datasets WHERE name = ?", (DATASET,)).scalars()
        larger = canonical_json(parse_json(summary) | {"train": train_images})
        tx.exec_driver_sql("UPDATE datasets SET summary = ? WHERE name = ?", (larger, DATASET))

    place.transact(believe)


def apply(place: QueueContext, name: str, action: Any) -> None:
    place.transact(lambda tx: control(tx, name, action, who="ada@laptop", now_s=place.clock.now_s()))


def take(place: QueueContext, name: str, *, session: str | None = None) -> Claim:
    """Have a session claim this very job."""
    session_id = session or place.ids.new()
    now_s = place.clock.now_s()
    place.transact(
        lambda tx: begin_session(tx, session_id, machine="m1", host="colab-7", processor="Tesla T4", now_s=now_s)
    )
    held = place.transact(lambda tx: claim(tx, session_id, gone={}, choose=lambda jobs: Pick(name), now_s=now_s))
    assert held is not None
    return held


def leave(place: QueueContext, held: Claim) -> None:
    place.transact(lambda tx: end_session(tx, held.session_id, how="reached its limit", now_s=place.clock.now_s()))


def attend(
    place: QueueContext,
    name: str,
    *epochs: int,
    ago_s: float,
    held_s: float | None = None,
    heard_s: float | None = None,
    was_taken: bool = True,
    has_gpu: bool = True,
    processor: str = "Tesla T4",
    profile: str = "colab-free",
    promised_until_s: float | None = None,
    pace: Mapping[str, float] = {},
) -> Claim:
    """Have a session of a provider come some time ago and work on this job.

    held_s: None where it is at work; heard_s: after how long that was heard of last, None for now.
    """
    session_id, now_s = place.ids.new(), place.clock.now_s()
    came_s = now_s - ago_s
    arrived: dict[str, Any] = {"processor": processor, "profile": profile, "has_gpu": has_gpu}
    arrived |= {"machine": f"vm-{session_id}", "host": "colab-7", "promised_until_s": promised_until_s}
    place.transact(lambda tx: begin_session(tx, session_id, **arrived, now_s=came_s))
    held = place.transact(lambda tx: claim(tx, session_id, gone={}, choose=lambda jobs: Pick(name), now_s=came_s))
    assert held is not None
    if epochs:
        train(place, held, *epochs, processor=processor)
    last_s = heard_s if held_s is None else held_s
    seen_s = now_s if last_s is None else came_s + last_s
    note_time(place, held, attempt={"train": 60.0}, session={"boot": 30.0}, pace=pace, seen_at_s=seen_s)
    if held_s is not None and was_taken:
        place.transact(lambda tx: attempts.interrupt(tx, held, why="no heartbeat for 130 s", now_s=seen_s))
    elif held_s is not None:
        place.transact(lambda tx: attempts.stop(tx, held, why="reached its limit", now_s=seen_s))
        place.transact(lambda tx: end_session(tx, session_id, how="reached its limit", now_s=seen_s))
    return held


def train(
    place: QueueContext, held: Claim, *epochs: int, processor: str = "Tesla T4", lineage: int = 1
) -> TrainingRecord:
    """Commit these epochs as a session does with what its trainer hands over."""
    record = replace(a_record(), lineage=lineage)
    record = replace(record, identity=replace(record.identity, processor=processor))
    for epoch in range(1, max(epochs) + 1):
        record = record.with_epoch(_metrics(epoch), patience=0)
        if epoch in epochs:
            model = _blob(f"{held.job_name} model {record.best_epoch}")
            item = attempts.CommitItem(
                state=StoredState(head=_blob(f"{held.job_name} {epoch}")), best=(model,), record=record, timing=TIMING
            )
            stored = {blob.sha256 for blob in item.blobs}
            place.transact(
                lambda tx, item=item, stored=stored: attempts.commit_progress(  # type: ignore[misc]
                    tx,
                    held,
                    [item],
                    number=attempts.check_live(tx, held).commits + 1,
                    stored=stored,
                    keep=keep_last_two,
                    now_s=place.clock.now_s(),
                )
            )
    return record


def note_time(
    place: QueueContext,
    held: Claim,
    *,
    attempt: Mapping[str, float],
    session: Mapping[str, float],
    pace: Mapping[str, float] = {},
    rehearsal: Rehearsal | None = None,
    step_choice: StepChoice | None = None,
    seen_at_s: float | None = None,
) -> None:
    """Write down what the time of a session and of what it holds went into."""
    last_s = place.clock.now_s() if seen_at_s is None else seen_at_s
    written: dict[str, Any] = {"attempt": attempt, "session": session, "pace": pace, "rehearsal": rehearsal}
    written["step_choice"] = step_choice
    place.transact(lambda tx: attempts.record_seconds(tx, held, **written, seen_at_s=last_s))


def finish(place: QueueContext, held: Claim, record: TrainingRecord) -> None:
    """Commit a final evaluation."""
    result = Result(
        last=_appraisal(record.epochs_done),
        best=_appraisal(record.best_epoch or 1),
        history_sha256=history_sha256(record.history),
        parameters=14_716_227,
        trainable_parameters=14_716_227,
    )
    predictions = _blob(f"{held.job_name} predictions")
    place.transact(lambda tx: attempts.finish(tx, held, result, predictions, now_s=place.clock.now_s()))


def fail(place: QueueContext, held: Claim, cause: Cause, message: str) -> None:
    place.transact(lambda tx: attempts.fail(tx, held, cause, message, now_s=place.clock.now_s()))


def interrupt(place: QueueContext, held: Claim, why: str = "no heartbeat for 130 s") -> None:
    place.transact(lambda tx: attempts.interrupt(tx, held, why=why, now_s=place.clock.now_s()))


def stop(place: QueueContext, held: Claim, why: str = "reached its limit") -> None:
    place.transact(lambda tx: attempts.stop(tx, held, why=why, now_s=place.clock.now_s()))


def one_of_each(place: QueueContext) -> None:
    """Enqueue one job for each state; each is named after its state."""
    put(place, *(a_job(str(state)) for state in State))
    train(place, take(place, "tiny/running", session=AT_WORK), 1)
    apply(place, "held", "hold")
    done = take(place, "tiny/done")
    finish(place, done, train(place, done, 1, 2, 3))
    fail(place, take(place, "tiny/failed"), Cause.NOT_FINITE, "the loss of epoch 1, step 4 is nan")
    apply(place, "cancelled", "cancel")


TIMING = EpochTiming(
    train_s=41.5, val_s=3.25, checkpoint_s=0.5, first_step_s=12.0, step_s_p50=0.4, step_s_p95=0.5, step_count=3
)


def _metrics(epoch: int) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch,
        loss=1.0 / epoch,
        accuracy=1 - 0.5 / epoch,
        val_loss=1.1 / epoch,
        val_accuracy=1 - 0.6 / epoch,
        learning_rate=1e-4,
    )


def _appraisal(epoch: int) -> Appraisal:
    score = ClassScore(precision=0.75, recall=0.5, f1=0.6, support=1)
    evaluation = Evaluation(
        loss=0.5,
        accuracy=2 / 3,
        per_class={"good": score, "fair": score, "reject": score},
        confusion_matrix=((1, 0, 0), (0, 1, 0), (1, 0, 0)),
    )
    return Appraisal(
        epoch=epoch,
        weights_sha256=_sha256(f"weights {epoch}".encode()),
        predictions_sha256=_sha256(f"predictions {epoch}".encode()),
        validation=evaluation,
        test=evaluation,
    )


def _blob(text: str) -> Blob:
    return Blob(sha256=_sha256(text.encode()), size_bytes=84_000_000)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
