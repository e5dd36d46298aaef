"""A queue of every released format is still opened and read, whether it is a file or the versions of a store.

`work_through` is how they were made, each by the queue of its time; `work_on_in_packs` is what those since format 3
hold besides, `work_on_with_forecasts` those since format 4, `work_on_with_weights` those since format 5, and
`work_on_with_troubles` those since format 6. A file is the `Desk.database` of that day, a chain the shared folder of a
desk whose database was versioned, zipped. They are never written again; tests read a copy.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.outcomes import Cause, Outcome, Trouble
from qcqueue.core.records import Rehearsal
from qcqueue.core.states import State
from qcqueue.core.step_choice import StepChoice, StepTrial
from qcqueue.database.base import Database
from qcqueue.database.row_audit import audit_rows
from qcqueue.queue.attempts import CommitItem, fail, finish, interrupt, record_seconds, stop
from qcqueue.queue.blobs import title_of
from qcqueue.queue.claim import begin_session, claim
from qcqueue.queue.controls import move
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.forecasts import ForecastLine, forecast_lines, note_forecasts
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.last_words import last_words_of
from qcqueue.queue.numbers import numbers_known
from qcqueue.queue.pending import epochs_seen, jobs_ahead
from qcqueue.queue.pretrained import keep_weights, kept_weights
from qcqueue.queue.sessions import session_lines
from qcqueue.queue.step_choices import shared_choices
from qcqueue.queue.values import Claim, JobDetail, Pick
from qcqueue.queue.values import StateBlobs as StoredState
from qcqueue.stores.base import Blob
from tests.database.golden import GOLDEN, golden_chain, golden_file
from tests.queue.desk import (
    IMAGES,
    PREDICTIONS,
    SUMMARY,
    TIMING,
    Desk,
    epoch_done,
    epoch_passed,
    pack,
    record,
    result,
    spec,
    state,
    within_epoch,
)

QUEUES = {
    "queue-1.sqlite": "16619ffe291018e44ec634d232d0fa9ec2ad4236bb69546132f21eb0cb3d7a83",
    "queue-2.sqlite": "7399aa5bab52da082ff6a9141e9247678069d252068058729ec7ecc329c35ad0",
    "queue-3.sqlite": "9799a53a2dce941af9efab9c887031d381572e14b562f18147b1b38b980e66be",
    "queue-4.sqlite": "5812f67d56412115e7b1f73dc8270c25ef2b63a8527f35117a9d59fa05d72bb1",
    "queue-5.sqlite": "9886560cd379f2455434a3a3f8d0741443ac723a16813b87513781442f571398",
    "queue-6.sqlite": "99ec0b61922b31321b8df485efa13b7b228cf19a7b294f6cda5ebc601670b3a2",
    "queue-7.sqlite": "25dc26a242f678e267f1b5700abd2c4654d3370c75e54aeb4446be4e52156015",
    "chain-1.zip": "87bd23e241f5d69a8443b1426d1541871115b76acfda879be2a7988c618e4eb0",
}
IN_PACKS = ("queue-3.sqlite", "queue-4.sqlite", "queue-5.sqlite", "queue-6.sqlite", "queue-7.sqlite")
WITH_FORECASTS = ("queue-4.sqlite", "queue-5.sqlite", "queue-6.sqlite", "queue-7.sqlite")
WITH_WEIGHTS = ("queue-5.sqlite", "queue-6.sqlite", "queue-7.sqlite")
WITH_TROUBLES = ("queue-6.sqlite", "queue-7.sqlite")
WITH_STEPS = ("queue-7.sqlite",)
JOBS = ("done", "running", "failed", "held", "cancelled", "queued")
NUMBERS = {"done": 3, "running": 1, "failed": 1, "queued": 1}


def work_through(desk: Desk) -> Claim:
    """Make one job of every state, with attempts of every outcome, and epochs that were trained twice.

    Returns the claim on the job that is running.
    """
    desk.enqueue(*JOBS)
    held = desk.must_claim("s1", job="done")
    desk.train(held, 0.5, 0.1 + 0.2, 0.4)
    desk.commit(held, within_epoch("study/done", (0.5, 0.1 + 0.2, 0.4), 7))
    again = desk.must_claim("s2", job="done", gone={("study/done", 1): "no heartbeat for 130 s"})
    damaged, chosen = again.checkpoints[:2]
    desk.resume(again, chosen, damaged=[(damaged, "its bytes are damaged")])
    desk.train(again, 0.25, after=(0.5, 0.1 + 0.2, 0.4))
    desk.do(stop, again, why="reached its limit")
    desk.do(finish, desk.must_claim("s3", job="done"), result(4), PREDICTIONS)
    desk.do(fail, desk.must_claim("s3", job="failed"), Cause.NOT_FINITE, "the loss of epoch 1 is no number")
    desk.control("hold", "held")
    desk.control("cancel", "cancelled")
    running = desk.must_claim("s1", job="running")
    desk.train(running, 0.5)
    return running


def work_on_in_packs(desk: Desk, running: Claim) -> None:
    """Train on: an epoch whose state was not stored, one whose state is of packs, and what the time went into."""
    losses = (0.5, 0.4, 0.6)
    in_packs = CommitItem(
        state=StoredState(head=state("study/running", 3), packs=(pack("model"), pack("optimizer", place="p1"))),
        best=(pack("model"), pack("better", place="p2")),
        record=record(losses),
        timing=TIMING,
    )
    desk.commit(running, epoch_passed(losses[:2]), in_packs)
    ledgers: dict[str, Any] = {
        "attempt": {"train": 0.1 + 0.2},
        "session": {"boot": 7.0, "train": 0.1 + 0.2},
        "pace": {"lag_s": 0.1},
    }
    desk.database.transact(lambda tx: record_seconds(tx, running, **ledgers, seen_at_s=31.5))


def work_on_with_forecasts(desk: Desk, running: Claim) -> None:
    """Let a machine come whose provider is known, foresee something, and keep what a rehearsal and a person said."""
    machine = {"machine": "m-s4", "host": "h", "processor": "Tesla T4"}
    desk.do(begin_session, "s4", **machine, profile="colab-free", has_gpu=True, promised_until_s=7200.1 + 0.2)
    desk.do(move, "queued", "last", None, who="user")
    desk.database.transact(lambda tx: note_forecasts(tx, FORESEEN))
    rehearsal = Rehearsal(processor="Tesla T4", differs="", seconds=0.1 + 0.2)
    desk.database.transact(
        lambda tx: record_seconds(tx, running, attempt={}, session={}, rehearsal=rehearsal, seen_at_s=41.5)
    )


def work_on_with_weights(desk: Desk) -> None:
    """Enqueue nothing new, but with a weights file that has a name, and keep ImageNet weights."""
    desk.do(enqueue, [spec("queued")], attached={WEIGHTS: "ours.h5"}, who="user")
    desk.do(keep_weights, IMAGENET_FILE, IMAGENET, instead_of=None)


def work_on_with_troubles(desk: Desk) -> None:
    """Let a machine give a job back, with what its trainer said."""
    held = desk.must_claim("s4", job="queued")
    desk.do(interrupt, held, why="no space left on device", trouble=Trouble.DISK, words=WORDS)


def work_on_with_steps(desk: Desk, running: Claim) -> None:
    """Let an attempt measure how its step is computed best."""
    desk.database.transact(
        lambda tx: record_seconds(tx, running, attempt={}, session={}, step_choice=FUSED, seen_at_s=51.5)
    )


FUSED = StepChoice(
    step="fused",
    origin="measured",
    key="ab" * 32,
    fingerprint="cd" * 32,
    trials=(
        StepTrial(candidate="graph", compile_s=1.5, step_s=0.1 + 0.2, operations=1590, fingerprint="ef" * 32),
        StepTrial(candidate="fused", compile_s=1, step_s=0.25, operations=910, determinism_factor=1.0625),
        StepTrial(candidate="xla", reason="does not compile: no deterministic gradient of max pooling"),
    ),
    seconds=41.5,
)
WORDS = "Traceback (most recent call last):\nOSError: [Errno 28] No space left on device"
WEIGHTS = Blob(sha256="a1" * 32, size_bytes=1001, place="w1")
IMAGENET = Blob(sha256="a2" * 32, size_bytes=1002, place="w2")
IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"

FORESEEN = [
    ForecastLine(session_id="s4", study=study, made_at_s=33.0, low_s=40.0, likely_s=0.1 + 50.2, high_s=60.0)
    for study in (None, "study")
]


@contextlib.contextmanager
def opened(name: str, folder: Path) -> Iterator[Database]:
    folder.mkdir(exist_ok=True)
    copy = golden_chain if name.startswith("chain") else golden_file
    with contextlib.closing(copy(name, folder)) as database:
        yield database


@pytest.fixture(params=QUEUES)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with opened(request.param, tmp_path / "golden") as database:
        yield database


def test_a_golden_queue_shows_every_job(golden: Database) -> None:
    with golden.read() as tx:
        lines = {line.name.removeprefix("study/"): line for line in job_lines(tx)}
    assert tuple(lines) == JOBS
    assert {name: str(line.state) for name, line in lines.items()} == {name: name for name in JOBS}
    done = lines["done"]
    assert (done.epochs_done, done.epochs, done.attempts, done.interruptions) == (4, 5, 3, 1)
    assert lines["failed"].failure_cause is Cause.NOT_FINITE
    assert lines["running"].session == "s1"


def test_a_golden_queue_tells_everything_of_a_job(golden: Database) -> None:
    with golden.read() as tx:
        detail = job_detail(tx, "done")
    assert (detail.spec, detail.dataset_sha256) == (spec("done"), IMAGES.sha256)
    assert [row.metrics.val_loss for row in detail.official_epochs()] == [0.5, 0.1 + 0.2, 0.4, 0.25]
    assert [line.outcome for line in detail.attempts] == [Outcome.INTERRUPTED, Outcome.STOPPED, Outcome.FINISHED]
    assert {line.status for line in detail.checkpoints} == {"kept", "retired", "damaged"}
    assert (detail.result, detail.predictions_sha256) == (result(4), PREDICTIONS.sha256)


@pytest.mark.parametrize("name", QUEUES)
def test_a_golden_queue_tells_what_the_same_work_tells_today(name: str, tmp_path: Path, desk: Desk) -> None:
    running = work_through(desk)
    if name in IN_PACKS:
        work_on_in_packs(desk, running)
    if name in WITH_FORECASTS:
        work_on_with_forecasts(desk, running)
    if name in WITH_WEIGHTS:
        work_on_with_weights(desk)
    if name in WITH_TROUBLES:
        work_on_with_troubles(desk)
    if name in WITH_STEPS:
        work_on_with_steps(desk, running)
    with opened(name, tmp_path / "golden") as golden, golden.read() as tx:
        for job in JOBS:
            assert comparable(job_detail(tx, job), name) == comparable(desk.detail(job), name)
        for tells in (session_lines, jobs_ahead, epochs_seen, forecast_lines):
            assert tells(tx) == desk.ask(tells)


def comparable(detail: JobDetail, name: str) -> JobDetail:
    """Set aside which checkpoints are kept: before format 3 it was those of the best epochs too."""
    if name in IN_PACKS:
        return detail
    return replace(detail, checkpoints=tuple(replace(line, status="") for line in detail.checkpoints))


def test_a_golden_queue_knows_its_dataset(golden: Database) -> None:
    with golden.read() as tx:
        (line,) = list_datasets(tx)
    assert (line.name, line.blob, line.summary) == ("images", IMAGES, SUMMARY)


def test_work_goes_on_in_a_golden_queue(golden: Database) -> None:
    gone = {("study/running", 1): "gone"}
    held = golden.transact(lambda tx: claim(tx, "s2", gone=gone, choose=lambda jobs: Pick(jobs[0].name), now_s=99.0))
    assert held is not None
    assert (held.job_name, held.attempt) == ("study/running", 2)
    first = epoch_done("study/running", (0.5,))
    oldest = held.checkpoints[-1]
    assert (oldest.record, oldest.state, oldest.best) == (first.record, first.state, first.best)


@pytest.mark.parametrize("name", IN_PACKS)
def test_a_golden_queue_names_every_pack_of_a_state(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path / "golden") as golden:
        gone = {("study/running", 1): "gone"}
        held = golden.transact(
            lambda tx: claim(tx, "s2", gone=gone, choose=lambda jobs: Pick(jobs[0].name), now_s=99.0)
        )
    assert held is not None
    newest = held.checkpoints[0]
    assert newest.state.blobs == (state("study/running", 3), pack("model"), pack("optimizer", place="p1"))
    assert newest.best == (pack("model"), pack("better", place="p2"))


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_a_golden_queue_knows_its_weights(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path / "golden") as golden, golden.read() as tx:
        assert kept_weights(tx, IMAGENET_FILE) == IMAGENET
        assert (title_of(tx, WEIGHTS.sha256), title_of(tx, IMAGENET.sha256)) == ("ours.h5", IMAGENET_FILE)


@pytest.mark.parametrize("name", WITH_TROUBLES)
def test_a_golden_queue_vouches_for_its_rows_and_knows_what_trainers_said(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path / "golden") as golden, golden.read() as tx:
        rows, (said,) = audit_rows(tx), last_words_of(tx, "study/queued")
        assert (rows.flaws, rows.not_covered, said.words) == ((), 0, WORDS)
        assert numbers_known(tx) == {f"study/{job}": number for job, number in NUMBERS.items()}


@pytest.mark.parametrize("name", WITH_STEPS)
def test_a_golden_queue_knows_how_steps_are_computed_best(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path / "golden") as golden, golden.read() as tx:
        assert shared_choices(tx, spec("running").model) == (FUSED,)
        assert [line.step_choice for line in job_detail(tx, "running").attempts] == [FUSED]


@pytest.mark.parametrize("name", QUEUES)
def test_a_golden_queue_was_not_written_again(name: str) -> None:
    assert hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest() == QUEUES[name]


def test_every_state_is_among_the_golden_jobs() -> None:
    assert set(JOBS) == {str(state) for state in State}
