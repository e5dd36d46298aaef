"""A large queue, made quickly: what months of sessions would have left in its database, for whoever measures growth.

Jobs come into it as everywhere; the rest is written as rows, because ninety thousand commits would take minutes. Always
true: it is a queue that could have come to be, one session after the other, and its rows vouch for themselves; only the
bytes that its checkpoints name were never stored.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.records import EpochMetrics, Identity, PartialEpoch, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.database.rows import digest_of_row
from qcqueue.database.schema import attempts, blobs, checkpoints, epochs, history, jobs, packs, sessions
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json, digest_of
from qcqueue.text.humanize import DAY_S, HOUR_S
from tests.support.specs import a_spec

EPOCHS = 90
EPOCHS_LEFT = 10
ATTEMPTS = 3  # of each job
JOBS_OF_A_SESSION = 5
JOBS_OF_A_STUDY = 20
PACKS = 6  # of each kept checkpoint, beside its head

MODELS = ("Xception", "VGG16", "ResNet50V2", "InceptionV3", "InceptionResNetV2", "DenseNet121")
GPU = "Tesla T4"
IMAGES = Blob(sha256=digest_of("images"), size_bytes=52_000_000)
SUMMARY = DatasetSummary(
    classes=("good", "fair", "reject"), image_size=(75, 75), train=2200, validation=550, test=486, source="a test"
)
IDENTITY = Identity(
    processor=GPU,
    instruction_set="AVX2 FMA",
    threads=2,
    deterministic=True,
    python="3.12.13",
    framework="tensorflow",
    framework_version="2.20.0",
    library="keras",
    library_version="3.13.2",
    numpy="2.2.0",
    cuda="12.5.1",
    cudnn="9",
)
LEDGER = {"boot": 20.0, "import": 14.0, "data": 3.0, "compile": 22.5, "contention": 2.25, "upload_tail": 4.5}
PACE = {"epoch_s": 25.5, "stall_s": 0.31, "lag_s": 7.5, "steps": 69.0}


def specs(number: int) -> list[JobSpec]:
    """Return so many jobs of the six models, of which each is to be trained for EPOCHS_LEFT more epochs."""
    return [
        a_spec(
            study=f"study-{place // JOBS_OF_A_STUDY + 1}",
            name=f"{MODELS[place % len(MODELS)].lower()}-{place + 1}",
            model=MODELS[place % len(MODELS)],
            epochs=EPOCHS + EPOCHS_LEFT,
            seed=place + 1,
        )
        for place in range(number)
    ]


def fill(tx: Connection, *, number: int, now_s: float) -> None:
    """Fill an empty queue with so many jobs, each cut twice and EPOCHS epochs old; the last session ended yesterday."""
    add_dataset(tx, "images", IMAGES, SUMMARY, who="maker", now_s=0.0)
    made = specs(number)
    enqueue(tx, made, attached={}, who="maker", now_s=0.0)
    ids: dict[str, int] = {row.name: row.id for row in tx.execute(select(jobs.c.id, jobs.c.name))}
    lives = -(-number // JOBS_OF_A_SESSION) * ATTEMPTS
    begun_s = now_s - lives * DAY_S
    _write(tx, sessions, [_session(life, begun_s + life * DAY_S) for life in range(lives)])
    numbers = count(1)
    for turn in range(ATTEMPTS):
        for place, spec in enumerate(made):
            life = turn * lives // ATTEMPTS + place // JOBS_OF_A_SESSION
            at_s = begun_s + life * DAY_S + place % JOBS_OF_A_SESSION * HOUR_S
            _write_attempt(
                tx, spec, ids[spec.full_name], next(numbers), turn=turn, session=f"session-{life}", at_s=at_s
            )
    tx.execute(update(jobs).values(updated_at_s=now_s - DAY_S))


def _write_attempt(
    tx: Connection, spec: JobSpec, job_id: int, attempt_id: int, *, turn: int, session: str, at_s: float
) -> None:
    is_last = turn == ATTEMPTS - 1
    done, length = turn * EPOCHS // ATTEMPTS, EPOCHS // ATTEMPTS
    ended_at_s = at_s + 0.9 * HOUR_S
    ended = {"ended_at_s": ended_at_s, "outcome": "interrupted", "reason": "no heartbeat for 700 s"}
    ledger = {**LEDGER, "train": 22.0 * length, "validate": 3.5 * length, "stall": 0.31 * length}
    row = {"id": attempt_id, "job_id": job_id, "number": turn + 1, "session_id": session, "started_at_s": at_s, **ended}
    _write(tx, attempts, [{**row, "seconds": canonical_json(ledger), **_MEASURED}])
    found = [_metrics(spec, epoch) for epoch in range(1, done + length + 1)]
    own = {"job_id": job_id, "attempt_id": attempt_id, "lineage": 1, "recorded_at_s": ended_at_s}
    _write(tx, epochs, [_epoch(it, own) for it in found[done:]])
    states = [digest_of([spec.full_name, it.epoch]) for it in found[done:]]
    _write(tx, blobs, [_blob(state, "state", at_s, deleted_at_s=at_s) for state in states])
    _write_checkpoints(tx, spec, found[done:], states, own)
    if is_last:
        _keep(tx, spec, found, states[-2:], own)
    story = [("claimed", "its turn"), ("interrupted", str(ended["reason"]))]
    lines = [{"who": session, "what": what, "why": why, "attempt": turn + 1} for what, why in story]
    _write(tx, history, [{"at_s": at_s, "job_id": job_id, **line} for line in lines])


def _write_checkpoints(
    tx: Connection, spec: JobSpec, found: list[EpochMetrics], states: list[str], own: Mapping[str, Any]
) -> None:
    """Write what is left of the saves of some epochs: two rows each, before and after the validation."""
    place = {"record": "", "status": "retired", **own}
    rows = [
        {"epochs_done": epochs_done, "steps_done": steps_done, "state_sha256": state, **place}
        for it, state in zip(found, states, strict=True)
        for epochs_done, steps_done in ((it.epoch - 1, 69), (it.epoch, 0))
    ]
    _write(tx, checkpoints, rows)


def _keep(tx: Connection, spec: JobSpec, found: list[EpochMetrics], states: list[str], own: Mapping[str, Any]) -> None:
    """Let the last two saves be kept, with their records and packs; they share half of these, and the best epoch's."""
    for back, state in enumerate(reversed(states)):
        seen = tuple(found[: len(found) - back])
        record = TrainingRecord(
            spec_sha256=spec.digest,
            epochs_done=len(seen),
            partial=PartialEpoch(),
            history=seen,
            identity=IDENTITY,
            lineage=1,
        )
        row = {"epochs_done": len(seen), "steps_done": 0, "state_sha256": state, "status": "kept", **own}
        row["record"] = canonical_json(record.to_json())
        row["digest"] = digest_of_row(checkpoints, row)
        kept = tx.execute(insert(checkpoints).values(row).returning(checkpoints.c.id)).scalar_one()
        tx.execute(update(blobs).where(blobs.c.sha256 == state).values(deleted_at_s=None))
        named = [digest_of([spec.full_name, "shared" if pack % 2 else state, pack]) for pack in range(PACKS)]
        stored = insert(blobs).prefix_with("OR IGNORE")
        tx.execute(stored, [_blob(sha256, "pack", own["recorded_at_s"]) for sha256 in named])
        beside = [("state", place, sha256) for place, sha256 in enumerate(named)]
        beside += [("best", place, sha256) for place, sha256 in enumerate(named[: PACKS // 3])]
        _write(tx, packs, [_pack(kept, *it) for it in beside])


def _write(tx: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if "digest" in table.c:
        rows = [{**row, "digest": digest_of_row(table, row)} for row in rows]
    tx.execute(insert(table), rows)


def _session(life: int, at_s: float) -> dict[str, Any]:
    ended_at_s = at_s + JOBS_OF_A_SESSION * HOUR_S
    return {
        "id": f"session-{life}",
        "machine": f"machine-{life}",
        "host": f"colab-{life}",
        "processor": GPU,
        "started_at_s": at_s,
        "seen_at_s": ended_at_s - 0.1 * HOUR_S,
        "seconds": canonical_json({"boot": 20.0, "install": 31.5, "idle": 1.5}),
        "profile": "colab-free",
        "has_gpu": True,
    }


def _metrics(spec: JobSpec, epoch: int) -> EpochMetrics:
    loss = 1 / (epoch + spec.seed % 7 + 0.1)
    return EpochMetrics(
        epoch=epoch,
        loss=loss,
        accuracy=1 - loss / 2,
        val_loss=loss * 1.1,
        val_accuracy=1 - loss * 0.6,
        learning_rate=spec.learning_rate,
    )


def _epoch(metrics: EpochMetrics, own: Mapping[str, Any]) -> dict[str, Any]:
    exact = {name: getattr(metrics, name) for name in EpochMetrics.__slots__}
    timing = {"train_s": 22.0, "val_s": 3.5, "checkpoint_s": 0.31, "step_s_p50": 0.31, "step_s_p95": 0.35}
    return {**own, **exact, **timing, "step_count": 69, "official": True, "identity": ""}


def _blob(sha256: str, kind: str, at_s: float, *, deleted_at_s: float | None = None) -> dict[str, Any]:
    size_bytes = 9_000 if kind == "state" else 32_000_000
    return {"sha256": sha256, "kind": kind, "size_bytes": size_bytes, "stored_at_s": at_s, "deleted_at_s": deleted_at_s}


def _pack(checkpoint_id: int, part: str, position: int, sha256: str) -> dict[str, Any]:
    return {"checkpoint_id": checkpoint_id, "part": part, "position": position, "sha256": sha256}


_MEASURED = {"pace": canonical_json(PACE), "identity": canonical_json(IDENTITY.to_json())}
