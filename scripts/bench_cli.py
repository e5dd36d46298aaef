"""How long `qcqueue status` takes on a full queue, over importing the two libraries it cannot do without.

A queue of 200 jobs and 20,000 epoch rows is made, then the two commands run in turn, many times, because this
machine is noisy: what counts is the ratio of their medians. Processor time is shown beside wall time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import Connection, insert

from qcqueue.app.context import create_store
from qcqueue.clock import SystemClock
from qcqueue.core.spec import JobSpec
from qcqueue.database.local import LocalDatabase
from qcqueue.database.schema import attempts, blobs, epochs, jobs, sessions
from qcqueue.stores.folder import DATABASE_FILE
from qcqueue.text.canonical_json import canonical_json
from tests.support.specs import a_spec

JOBS = 200
EPOCHS = 100
ROUNDS = 25
TARGET = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    out = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        create_store(Path(folder))
        LocalDatabase(Path(folder) / DATABASE_FILE).transact(fill)
        os.environ["QCQUEUE_STORE"] = f"folder:{folder}"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # both sides run from bytecode, as they do once installed
        status = [sys.executable, "-m", "qcqueue", "status"]
        floor = [sys.executable, "-c", "import typer, sqlalchemy"]
        measured: dict[str, list[tuple[float, float]]] = {"status": [], "floor": []}
        seconds(status)
        for _ in range(ROUNDS):
            measured["status"].append(seconds(status))
            measured["floor"].append(seconds(floor))
    wall = {name: statistics.median(times[0] for times in rows) for name, rows in measured.items()}
    cpu = {name: statistics.median(times[1] for times in rows) for name, rows in measured.items()}
    ratio = wall["status"] / wall["floor"]
    print(f"queue: {JOBS} jobs, {JOBS * EPOCHS} epoch rows; {ROUNDS} interleaved rounds, medians")
    print(f"{'':34}{'wall s':>8}{'cpu s':>8}")
    print(f"{'qcqueue status':34}{wall['status']:8.3f}{cpu['status']:8.3f}")
    print(f"{'python -c import typer, sqlalchemy':34}{wall['floor']:8.3f}{cpu['floor']:8.3f}")
    print(f"{'ratio':34}{ratio:8.2f}{cpu['status'] / cpu['floor']:8.2f}   (wanted: wall at most {TARGET})")
    if out:
        out.write_text(json.dumps({"wall_s": wall, "cpu_s": cpu, "ratio": ratio, "target": TARGET}))


def seconds(command: list[str]) -> tuple[float, float]:
    """Return the wall and processor seconds of one run of a command."""
    clock = SystemClock()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = clock.monotonic_s()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
    wall_s = clock.monotonic_s() - begun_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def fill(tx: Connection) -> None:
    """Write the rows directly: how they got there is not what is measured."""
    tx.execute(insert(blobs).values(sha256="0" * 64, kind="dataset", size_bytes=1, stored_at_s=0.0))
    tx.execute(insert(sessions).values(id="s", machine="m", host="h", processor="p", started_at_s=0.0))
    specs = [spec(number) for number in range(JOBS)]
    tx.execute(insert(jobs), [job_row(number, it) for number, it in enumerate(specs, start=1)])
    tx.execute(insert(attempts), [attempt_row(number) for number in range(1, JOBS + 1)])
    tx.execute(insert(epochs), [epoch_row(job, epoch) for job in range(1, JOBS + 1) for epoch in range(1, EPOCHS + 1)])


def spec(number: int) -> JobSpec:
    return a_spec(study="bench", name=f"job-{number}", dataset="d", epochs=EPOCHS, seed=number)


def job_row(number: int, it: JobSpec) -> dict[str, object]:
    return {
        "id": number,
        "name": it.full_name,
        "study": it.study,
        "model": it.model,
        "epochs": it.epochs,
        "spec": canonical_json(it.to_json()),
        "spec_sha256": it.digest,
        "dataset_sha256": "0" * 64,
        "position": number,
        "state": "queued",
        "enqueued_at_s": 0.0,
        "updated_at_s": 0.0,
    }


def attempt_row(number: int) -> dict[str, object]:
    ended = {"ended_at_s": 1.0, "outcome": "interrupted", "reason": "bench"}
    return {"id": number, "job_id": number, "number": 1, "session_id": "s", "started_at_s": 0.0, **ended}


def epoch_row(job: int, epoch: int) -> dict[str, object]:
    metrics = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5)
    timing = dict.fromkeys(("train_s", "val_s", "checkpoint_s", "step_s_p50", "step_s_p95"), 1.0)
    place = {"job_id": job, "attempt_id": job, "epoch": epoch, "official": True, "lineage": 1, "recorded_at_s": 1.0}
    return {**place, **metrics, **timing, "step_count": 69, "identity": "{}"}


if __name__ == "__main__":
    main()
