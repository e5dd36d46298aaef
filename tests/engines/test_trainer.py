"""The trainer's main program: a spool in, entries out, whatever happens to its process."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qcqueue.checkpoints.format import files_of, head_in, read_state
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.phases import Phase
from qcqueue.core.records import MODEL, EpochTiming
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split
from qcqueue.engines.toy import VARIABLE
from qcqueue.spool.files import FAILED, RESUMED, JsonFile, TrainerProgress, WorkOrder
from qcqueue.spool.reader import Spool
from qcqueue.spool.whole import link_files
from qcqueue.spool.writer import TrainerSpool
from qcqueue.trainer.main import work
from qcqueue.trainer.sink import SpoolSink
from qcqueue.worker.process import TrainerProcess
from tests.engines.worlds import a_dataset, a_dataset_file, a_record, a_spec

A_TIMING = EpochTiming(
    train_s=1.0, val_s=0.1, checkpoint_s=0.1, first_step_s=None, step_s_p50=0.1, step_s_p95=0.2, step_count=3
)


def an_order(
    dataset_path: Path, *, spec: JobSpec | None = None, max_epochs: int | None = None, resumes: bool = False
) -> WorkOrder:
    return WorkOrder(
        spec=spec or a_spec(model="Toy", epochs=2),
        attempt=1,
        dataset_path=dataset_path,
        weights_path=None,
        threads=2,
        max_epochs=max_epochs,
        resumes=resumes,
    )


def a_spool(folder: Path, dataset_path: Path, **about: Any) -> Spool:
    spool = Spool(folder)
    spool.open(an_order(dataset_path, **about))
    return spool


TRAINER = [sys.executable, "-m", "qcqueue.trainer.main"]


def named(spool: Spool) -> bytes:
    """Return what tells a trainer where its spool is."""
    return json.dumps(str(spool.folder)).encode() + b"\n"


@contextmanager
def started(spool: Spool) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(TRAINER, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with process:
        assert process.stdin is not None
        process.stdin.write(named(spool))
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def carried_out(spool: Spool, clock: Clock) -> int:
    spool.progress.write(TrainerProgress(phase=Phase.STARTING))
    return work(TrainerSpool(spool.folder), clock, began_s=clock.monotonic_s())


def run_in_a_process(spool: Spool) -> list[str]:
    """Return the kinds of what it handed over."""
    with started(spool) as process:
        assert process.wait() == 0
    return [entry.kind for entry in spool.waiting()]


def until(happened: Callable[[], Any], *, seconds: float = 60.0) -> None:
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + seconds
    while not happened():
        assert clock.monotonic_s() < deadline_s, "it did not happen in time"
        clock.sleep(0.01)


def ends(spool: Spool) -> list[tuple[str, str]]:
    """Return the digests that tell whether two runs ended alike."""
    result = spool.read_result(spool.waiting()[-1])
    last = [("weights", result.last.weights_sha256), ("predictions", result.last.predictions_sha256)]
    return [*last, ("history", result.history_sha256), ("best", result.best.weights_sha256)]


def hand_over(old: Spool, new: Spool) -> None:
    """Give the newest record, its state and the best model to the next life, as a session does."""
    record = old.newest_record()
    assert record is not None
    held = old.take()
    assert held is not None
    link_files(held.files, new.resumed_folder)
    if record.best_epoch is not None:
        link_files(old.best_files(record.best_epoch), new.best_folder(record.best_epoch))
    new.record.write(record)


@pytest.mark.tensorflow
@pytest.mark.long
def test_vgg16_that_was_killed_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """A whole session with a killed VGG16 is always run by `end_to_end/test_trained_run`."""
    few = a_dataset(counts={Split.TRAIN: 11, Split.VALIDATION: 4, Split.TEST: 3})
    dataset_path = a_dataset_file(tmp_path, few)
    whole = a_spool(tmp_path / "whole", dataset_path, spec=a_spec(epochs=2))
    assert carried_out(whole, SystemClock()) == 0
    assert [entry.kind for entry in whole.waiting()] == ["epoch", "state", "epoch", "result"]  # the newest state wins

    first = a_spool(tmp_path / "first", dataset_path, spec=a_spec(epochs=2))
    with started(first) as process:  # killed by surprise as soon as a state is whole
        until(lambda: [entry for entry in first.waiting() if entry.kind == "epoch"])
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert "result" not in [entry.kind for entry in first.waiting()]

    second = a_spool(tmp_path / "second", dataset_path, spec=a_spec(epochs=2), resumes=True)
    hand_over(first, second)
    assert run_in_a_process(second)[-1] == "result"
    assert ends(second) == ends(whole)


def test_the_toy_in_three_processes_ends_like_in_one(dataset_path: Path, tmp_path: Path) -> None:
    whole = a_spool(tmp_path / "whole", dataset_path)
    assert run_in_a_process(whole) == ["epoch", "state", "epoch", "result"]

    first = a_spool(tmp_path / "first", dataset_path, max_epochs=1)
    assert run_in_a_process(first) == ["state", "epoch"]

    second = a_spool(tmp_path / "second", dataset_path, resumes=True)
    hand_over(first, second)
    with started(second) as process:  # killed by surprise as soon as a state is whole
        until(second.waiting)
        process.kill()
        assert process.wait() == -signal.SIGKILL

    third = a_spool(tmp_path / "third", dataset_path, resumes=True)
    hand_over(second, third)
    assert run_in_a_process(third)[-1] == "result"
    assert ends(third) == ends(whole)


@pytest.mark.tensorflow(in_a_child=True)  # while its libraries load, it listens all the same
@pytest.mark.racing
def test_a_trainer_does_not_outlive_its_session(dataset_path: Path, tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool", dataset_path, spec=a_spec(epochs=10_000))
    session = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            "p = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=2)\n"
            "p.stdin.write(sys.argv[1].encode())\n"
            "p.stdin.flush()\n"
            "print(p.pid, flush=True)\n"
            "p.wait()",
            named(spool).decode(),
            *TRAINER,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert session.stdout is not None
    trainer_id = int(session.stdout.readline())
    until(spool.progress.read)
    session.kill()
    session.wait()
    session.stdout.close()
    until(lambda: not is_alive(trainer_id), seconds=5)


@pytest.mark.racing
def test_one_that_got_ready_works_as_soon_as_it_is_told_where(dataset_path: Path, tmp_path: Path) -> None:
    spool = a_spool(tmp_path / 'a\n"spool"', dataset_path, max_epochs=1)
    trainer = TrainerProcess(tmp_path)
    trainer.get_ready("toy")
    assert trainer.exit_code() == 0  # there is nobody at work
    ready = trainer._ready
    trainer.get_ready("toy")
    trainer.start(spool.folder)
    assert trainer._process is ready
    until(lambda: trainer.exit_code() is not None)
    assert trainer.exit_code() == 0, spool.failure.read()
    assert [entry.kind for entry in spool.waiting()] == ["state", "epoch"]
    assert spool.log_path.exists()
    assert [path.name for path in tmp_path.glob("*.log")] == []


@pytest.mark.racing
def test_one_gets_ready_while_another_runs_and_outlives_it(dataset_path: Path, tmp_path: Path) -> None:
    first = a_spool(tmp_path / "first", dataset_path, spec=a_spec(model="Toy", epochs=10_000))
    second = a_spool(tmp_path / "second", dataset_path, max_epochs=1)
    trainer = TrainerProcess(tmp_path)
    trainer.start(first.folder)
    until(first.progress.read)
    trainer.get_ready("toy")
    ready = trainer._ready
    assert ready is not None
    trainer.end()
    assert trainer.exit_code() == -signal.SIGKILL
    assert ready.poll() is None
    trainer.start(second.folder)
    assert trainer._process is ready
    until(lambda: trainer.exit_code() is not None)
    assert trainer.exit_code() == 0, second.failure.read()


def test_one_that_waits_has_loaded_its_libraries_and_touched_no_gpu() -> None:
    program = (
        "from qcqueue.engines.registry import engine_named; engine_named('keras_tf').load(); import sys;"
        "from tensorflow.python.eager import context; import qcqueue.engines.keras_tf.measuring;"
        "assert 'keras' in sys.modules and not context.context()._initialized"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ}, check=True, timeout=120)


@pytest.mark.racing
def test_one_that_is_not_needed_leaves_nothing(tmp_path: Path) -> None:
    trainer = TrainerProcess(tmp_path)
    trainer.get_ready("toy")
    ready = trainer._ready
    trainer.kill()
    assert ready is not None
    assert ready.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.racing
def test_one_that_died_while_it_got_ready_has_ended_as_soon_as_it_starts(
    dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\necho no libcuda here\nexit 1\n")
    dies.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dies))
    spool, trainer = a_spool(tmp_path / "spool", dataset_path), TrainerProcess(tmp_path)
    trainer.get_ready()
    assert trainer._ready is not None
    trainer._ready.wait()
    trainer.start(spool.folder)
    assert trainer.exit_code() == 1
    assert spool.last_line() == "no libcuda here"


@pytest.mark.racing
def test_a_closed_pipe_is_enough(dataset_path: Path, tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool", dataset_path, spec=a_spec(model="Toy", epochs=10_000))
    with started(spool) as process:
        until(spool.progress.read)
        process.send_signal(signal.SIGINT)  # is the session's to handle
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 1


def is_alive(process_id: int) -> bool:
    """Return whether a process still runs; one that nobody has waited for yet does not."""
    try:
        os.kill(process_id, 0)
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


class TestWithoutAProcess:
    def test_a_stop_is_saved_in_the_middle_of_an_epoch(
        self, dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VARIABLE, "step_s=0.5")  # a report is written while a step lasts
        spool = a_spool(tmp_path / "spool", dataset_path)

        class StopsAtTheFirstStep(SystemClock):
            def monotonic_s(self) -> float:
                if (progress := spool.progress.read()) and progress.phase == "compiling":
                    spool.ask_to_stop()
                return super().monotonic_s()

        assert carried_out(spool, StopsAtTheFirstStep()) == 0
        assert [entry.kind for entry in spool.waiting()] == ["state"]
        assert read_state(files_of(spool.waiting()[0].path)).record.partial.steps_done == 1

    def test_asked_to_stop_before_the_first_step_there_is_nothing_to_save(
        self, dataset_path: Path, tmp_path: Path
    ) -> None:
        spool = a_spool(tmp_path / "spool", dataset_path)
        spool.ask_to_stop()
        assert carried_out(spool, SystemClock()) == 0
        assert spool.waiting() == []

    def test_bad_data_is_a_typed_failure(self, tmp_path: Path) -> None:
        spool = a_spool(tmp_path / "spool", a_dataset_file(tmp_path, a_dataset(side_px=40)))
        assert carried_out(spool, SystemClock()) == FAILED
        failure = spool.failure.read()
        assert failure is not None
        assert failure.cause is Cause.BAD_DATA
        assert failure.message == "the images of blobs are 40x40 pixels and the job wants 32x32"
        assert "Traceback" in failure.detail

    def test_a_state_that_is_not_whole_is_no_fault_of_the_job(self, dataset_path: Path, tmp_path: Path) -> None:
        spool = a_spool(tmp_path / "spool", dataset_path, resumes=True)
        head_in(spool.resumed_folder).write_bytes(b"half a state")
        spool.record.write(a_record())
        assert carried_out(spool, SystemClock()) == FAILED
        failure = spool.failure.read()
        assert failure is not None
        assert failure.cause is Trouble.STORE
        assert "not a whole state file" in failure.message
        assert "read_state" in failure.detail

    @pytest.mark.parametrize(
        ("error", "trouble"),
        [
            (KeyError("kernel"), Trouble.UNEXPLAINED),
            (OSError(28, "No space left on device"), Trouble.DISK),
            (MemoryError(), Trouble.MEMORY),
            (ImportError("libcudart.so.12"), Trouble.LIBRARIES),
        ],
    )
    def test_anything_unforeseen_is_told_by_its_kind_with_its_traceback(
        self,
        dataset_path: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        trouble: Trouble,
    ) -> None:
        from qcqueue.engines import loop

        def break_down(*_: object) -> None:
            raise error

        monkeypatch.setattr(loop, "load_data", break_down)
        spool = a_spool(tmp_path / "spool", dataset_path)
        assert carried_out(spool, SystemClock()) == FAILED
        failure = spool.failure.read()
        assert failure is not None
        assert failure.cause is trouble
        assert "break_down" in failure.detail

    def test_on_a_disk_that_takes_nothing_the_status_alone_says_that_it_gave_up(
        self, dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        spool = a_spool(tmp_path / "spool", dataset_path)
        with monkeypatch.context() as patch:
            patch.setattr(JsonFile, "read", full)
            patch.setattr(JsonFile, "write", full)
            assert work(TrainerSpool(spool.folder), SystemClock(), began_s=0.0) == FAILED
        assert spool.failure.read() is None

    def test_a_copy_of_the_dataset_that_rots_here_is_the_disks_trouble(self, tmp_path: Path) -> None:
        path = a_dataset_file(tmp_path, a_dataset())
        named = path.with_name(hashlib.sha256(path.read_bytes()).hexdigest())
        path.rename(named).write_bytes(b"rot")
        spool = a_spool(tmp_path / "spool", named)
        assert carried_out(spool, SystemClock()) == FAILED
        failure = spool.failure.read()
        assert failure is not None
        assert failure.cause is Trouble.DISK

    def test_what_was_handed_over_before_a_failure_is_whole(
        self, dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from qcqueue.engines import loop

        losses = iter([0.5, float("nan")])
        monkeypatch.setattr(loop, "mean_loss", lambda *_: next(losses))
        spool = a_spool(tmp_path / "spool", dataset_path, spec=a_spec(model="Toy", epochs=3))
        assert carried_out(spool, SystemClock()) == FAILED
        failure = spool.failure.read()
        assert failure is not None
        assert failure.cause is Cause.NOT_FINITE
        assert [entry.kind for entry in spool.waiting()] == ["epoch", "state"]
        held = spool.take()
        assert held is not None
        assert read_state(held.files).record.epochs_done == 1
        assert held.best != ()

    def test_an_epoch_names_its_state_or_the_one_resumed_from(self, dataset_path: Path, tmp_path: Path) -> None:
        spool = a_spool(tmp_path / "spool", dataset_path, max_epochs=1)
        assert carried_out(spool, SystemClock()) == 0
        state, epoch = spool.waiting()
        assert spool.read_epoch(epoch).state_entry == state.number

        epoch.path.unlink()  # as if it was killed while it validated
        resumed = a_spool(tmp_path / "resumed", dataset_path, max_epochs=1, resumes=True)
        hand_over(spool, resumed)
        assert carried_out(resumed, SystemClock()) == 0
        (epoch,) = resumed.waiting()
        assert resumed.read_epoch(epoch).state_entry == RESUMED
        state_files = files_of(resumed.resumed_folder)
        assert {*TrainerSpool(resumed.folder).read_best(1)} == {
            key for key in read_state(state_files).tensors if key.startswith(MODEL)
        }

    def test_an_order_and_a_state_that_come_late_are_waited_for(self, dataset_path: Path, tmp_path: Path) -> None:
        first = a_spool(tmp_path / "first", dataset_path, max_epochs=1)
        assert carried_out(first, SystemClock()) == 0
        late = Spool(tmp_path / "late")
        late.entries_folder.mkdir(parents=True)
        phases: list[str] = []

        class BringsThingsLate(SystemClock):
            """Waiting is when the session gets on: it brings the order, then the state."""

            def sleep(self, seconds: float) -> None:
                progress = late.progress.read()
                assert progress is not None
                phases.append(progress.phase)
                if late.order.read() is None:
                    late.open(an_order(dataset_path, resumes=True))
                elif not TrainerSpool(late.folder).is_ready():
                    hand_over(first, late)

        assert carried_out(late, BringsThingsLate()) == 0
        assert len(phases) == 2
        assert phases[0] == "starting"
        assert [entry.kind for entry in late.waiting()][-1] == "result"

    def test_an_epoch_that_is_not_saved_is_told_without_a_state_and_its_model_is_kept(
        self, dataset_path: Path, tmp_path: Path
    ) -> None:
        spool = a_spool(tmp_path / "spool", dataset_path, spec=a_spec(model="Toy", epochs=4))
        spool.cadence.write({"epochs_per_save": 3, "saves_per_epoch": 1})
        assert carried_out(spool, SystemClock()) == 0
        entries = spool.waiting()
        epochs = [spool.read_epoch(entry) for entry in entries if entry.kind == "epoch"]
        assert [epoch.record.epochs_done for epoch in epochs] == [1, 2, 3, 4]
        assert [epoch.state_entry is None for epoch in epochs] == [False, True, True, False]
        best = epochs[-1].record.best_epoch
        assert best is not None
        assert spool.best_files(best) != ()

    def test_a_save_in_the_middle_of_an_epoch_is_handed_over(self, dataset_path: Path, tmp_path: Path) -> None:
        spool = a_spool(tmp_path / "spool", dataset_path, spec=a_spec(model="Toy", epochs=1))
        spool.cadence.write({"epochs_per_save": 1, "saves_per_epoch": 3})
        assert carried_out(spool, SystemClock()) == 0
        assert [(entry.number, entry.kind) for entry in spool.waiting()] == [(3, "state"), (4, "epoch"), (5, "result")]


class FrozenClock(SystemClock):
    def monotonic_s(self) -> float:
        return 100.0


def ordered(spool: Spool) -> WorkOrder:
    order = spool.order.read()
    assert order is not None
    return order


def test_reports_are_thinned_out_but_a_new_phase_is_told_at_once(
    dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, reports = a_spool(tmp_path / "spool", dataset_path), list[TrainerProgress]()
    monkeypatch.setattr(JsonFile, "write", lambda file, value: reports.append(value))
    sink = SpoolSink(TrainerSpool(spool.folder), ordered(spool), FrozenClock(), began_s=100.0)
    for step in (1, 2):
        sink.progress(Phase.TRAINING, epoch=1, step=step, steps=3)
    sink.progress(Phase.SAVING, epoch=1, step=2, steps=3)
    sink.close()
    told = [(it.phase, it.epoch, it.epochs, it.step, it.steps, it.unsaved) for it in reports]
    assert told[:2] == [("training", 1, 2, 1, 3, True), ("saving", 1, 2, 2, 3, True)]


def test_a_session_that_wanted_no_more_epochs_gets_none(dataset_path: Path, tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool", dataset_path, max_epochs=1)
    sink = SpoolSink(TrainerSpool(spool.folder), ordered(spool), FrozenClock(), began_s=100.0)
    assert not sink.should_stop()
    sink.epoch_done(a_record(), A_TIMING, is_best=False, is_saved=True)
    assert sink.should_stop()
