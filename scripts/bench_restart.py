"""What a restart costs: seconds until a model trains again, ours beside plain Keras, and a session over a slow line.

- models: for each of the six, in processes that take turns. Plain: `load_model` of a `.keras` file with its optimizer,
  then `fit` until its first step is over. Ours: `registry.train` with the files of the same state, until its first
  step is over: dataset, build, restore, trace, step. Both get the same batch, threads, op determinism and
  `jit_compile=False`, both train in the same mode, and the digests of all weights after that step are compared: as
  they are, and once more with TensorFlow's rewriting of graphs (Grappler) off. With it the last bits of some models
  depend on how a graph came about: `fit` differs from `fit` where variables were made before, and for DenseNet121 from
  itself in the next process. So it is counted how many different bits each way has over its rounds; ours must have one.
  Imports are timed apart: plain, and as the trainer makes them. `prebuilt` is plain `fit` of a model whose optimizer
  and metrics have their variables before.
- session: a real session that takes up DenseNet121 from an emulated Drive at the end of a line of 25 MB/s, from the
  start of its process to the first step of its trainer; beside it the download alone, and the trainer alone from the
  start of its process, with nothing to wait for.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from bench_checkpoint import (
    CLOCK,
    LINE,
    Queue,
    Row,
    a_job,
    a_record,
    bring,
    drive,
    in_a_child,
    opened,
    run,
    seconds,
    some_of,
    target,
    watched,
    working,
)
from bench_train import a_dataset, pictures
from sqlalchemy import select

from qcqueue.catalog.models import MODELS
from qcqueue.checkpoints.format import files_of, read_state, write_state
from qcqueue.conformance.sinks import DeafSink
from qcqueue.core.phases import Phase
from qcqueue.core.records import Snapshot
from qcqueue.core.spec import JobSpec
from qcqueue.database.schema import jobs
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.checkpoints import resumable
from qcqueue.spool.files import WorkOrder
from qcqueue.spool.reader import Spool
from qcqueue.worker.download import restore_newest

FASTER_LEAST = 1.35
START_MOST = 1.25
JUDGED = ("DenseNet121", "InceptionResNetV2")
BATCH = 32
WAYS = ("ours", "plain", "prebuilt")


def main() -> int:
    return run(parsed(), PARTS, CHILDREN, quick="one round, DenseNet121 and VGG16 only")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=some_of(PARTS), default=list(PARTS), metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="default: all six")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--quick", action="store_true", help="one round, DenseNet121 and VGG16 only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--asked", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.models = arguments.models or (["DenseNet121", "VGG16"] if arguments.quick else list(MODELS))
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    return arguments


def median(rows: list[Row], name: str) -> float:
    return float(statistics.median(row[name] for row in rows))


# Models: from nothing to the end of the first step.


def models(folder: Path, arguments: argparse.Namespace) -> Row:
    rows, targets, everything = [], [], {}
    for model in arguments.models:
        print(f"  {model}: {arguments.rounds} rounds", file=sys.stderr, flush=True)
        at = folder / model
        at.mkdir()
        asked = {"model": model, "folder": str(at)}
        in_a_child("prepare", asked, script=__file__)
        ran: dict[str, list[Row]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds):
            for way in WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]:
                ran[way].append(in_a_child(way, asked, script=__file__))
        as_written = [in_a_child(way, asked | {"rewrites": False}, script=__file__) for way in ("ours", "plain")]
        shutil.rmtree(at)
        everything[model] = {**ran, "not rewritten": as_written}
        rows.append(compared(model, ran) | {"not rewritten": "same" if different(as_written) == 1 else "differ"})
        targets += judged(model, rows[-1], different(ran["ours"]))
    notes = [
        "Seconds from after the imports to the end of the first training step; in brackets how often it was traced.",
        "cpu: the same ratio of processor time, which a busy machine disturbs less. bits: how many different weights",
        "after that step came out of the rounds of each way, and of all three; not rewritten: ours beside plain.",
    ]
    return {"tables": [rows], "targets": targets, "notes": notes, "runs": everything}


def compared(model: str, ran: dict[str, list[Row]]) -> Row:
    said = {f"{way} s": f"{median(ran[way], 's'):.1f} ({ran[way][0]['traces']})" for way in WAYS}
    return {
        "model": model,
        **said,
        "plain/ours": paired(ran, "s"),
        "cpu": paired(ran, "cpu_s"),
        "load_model s": median(ran["plain"], "load_s"),
        "import s": median(ran["plain"], "import_s"),
        "of ours": median(ran["ours"], "import_s"),
        "bits": " ".join(f"{way} {different(ran[way])}" for way in WAYS)
        + f" all {different([one for way in WAYS for one in ran[way]])}",
    }


def different(rows: list[Row]) -> int:
    return len({row["weights_sha256"] for row in rows})


def paired(ran: dict[str, list[Row]], name: str) -> float:
    pairs = zip(ran["plain"], ran["ours"], strict=True)
    return float(statistics.median(plain[name] / ours[name] for plain, ours in pairs))


def judged(model: str, row: Row, bits_of_ours: int) -> list[Row]:
    same = target(
        f"{model}: the same bits as plain fit, Grappler off (1 is yes)",
        float(row["not rewritten"] == "same"),
        least=1.0,
        note=f"different bits as Grappler leaves it: {row['bits']}",
    )
    one = target(f"{model}: different bits of ours over all rounds", float(bits_of_ours), most=1.0)
    if model not in JUDGED:
        return [same, one]
    return [target(f"{model}: plain over ours, to the first step", row["plain/ours"], least=FASTER_LEAST), same, one]


def prepare(asked: Row) -> Row:
    """Write one state in both ways: a `.keras` file, and the files of a checkpoint."""
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.program import KerasProgram
    from qcqueue.engines.loop import snapshot_of

    spec, folder = settled(asked), Path(asked["folder"])
    (folder / "dataset").write_bytes(a_dataset(*pictures(2 * BATCH)))
    model = a_model(spec)
    program = KerasProgram(model, spec, load_data(folder / "dataset", spec), threads=os.cpu_count() or 1)
    for number, variable in enumerate(program.optimizer.variables[2:]):  # not the count of steps, nor the learning rate
        variable.assign(variable + 1e-6 * (1 + number % 7))
    compiled(model, program.optimizer)
    model.save(folder / "model.keras")
    (folder / "state").mkdir()
    # As from this very machine, or a resume would be rehearsed first.
    here = device.identity(spec, threads=os.cpu_count() or 1)
    write_state(folder / "state", snapshot_of(program, replace(a_record(spec), identity=here)))
    return {}


def settled(asked: Row) -> JobSpec:
    from qcqueue.engines.keras_tf import device

    spec = a_job(asked["model"], batch_size=BATCH, epochs=9)
    device.settle(spec, threads=os.cpu_count() or 1)
    if not asked.get("rewrites", True):
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return spec


def a_model(spec: JobSpec) -> Any:
    from qcqueue.engines.keras_tf.models import build_model

    return build_model(spec, classes=3, weights_path=None, fresh=True)


def compiled(model: Any, optimizer: Any) -> None:
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)


def imported(asked: Row, bring_in: Callable[[], None]) -> tuple[float, JobSpec]:
    """Return how long TensorFlow and Keras took to import, and the job."""
    return seconds(bring_in), settled(asked)


def as_anybody() -> None:
    import keras  # noqa: F401
    import tensorflow  # noqa: F401


def used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Stopwatch:
    """From now to the end of a step, on the wall and on all processors."""

    def __init__(self) -> None:
        self._began_s, self._began_cpu_s = CLOCK.monotonic_s(), used_s()

    def read(self) -> Row:
        return {"s": CLOCK.monotonic_s() - self._began_s, "cpu_s": used_s() - self._began_cpu_s}


def ours(asked: Row) -> Row:
    from qcqueue.engines.keras_tf import ENGINE

    import_s, spec = imported(asked, ENGINE.load)
    from qcqueue.engines.base import Assignment
    from qcqueue.engines.metrics import weights_sha256
    from qcqueue.engines.registry import train

    folder = Path(asked["folder"])
    assignment = Assignment(
        spec=spec,
        dataset_path=folder / "dataset",
        weights_path=None,
        threads=os.cpu_count() or 1,
        resume_from=FromFiles(folder / "state"),
        best=lambda epoch: {},
    )
    sink = OneStep(Stopwatch())
    train(assignment, sink, CLOCK)
    assert sink.saved is not None, "who is asked to stop saves"
    weights = {key: value for key, value in sink.saved.tensors.items() if key.startswith("m/")}
    return {**sink.took, "import_s": import_s, "weights_sha256": weights_sha256(weights), "traces": 1}


class FromFiles:
    """A state whose files are here and not read yet. Implements `engines.base.Arriving`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has_come(self) -> bool:
        return True

    def wait(self) -> Snapshot:
        return read_state(files_of(self._folder))


class OneStep(DeafSink):
    """Leaves after the first step. saved: copied, because its tensors are the sink's during the call."""

    def __init__(self, watch: Stopwatch) -> None:
        self.took: Row = {}
        self.saved: Snapshot | None = None
        self._watch = watch

    def progress(self, phase: Phase, **facts: Any) -> None:
        if phase is Phase.TRAINING and not self.took:
            self.took = self._watch.read()

    def should_stop(self) -> bool:
        return bool(self.took)

    def save(self, snapshot: Snapshot) -> None:
        self.saved = snapshot


def plain(asked: Row) -> Row:
    return fitted(asked, prebuild=False)


def prebuilt(asked: Row) -> Row:
    return fitted(asked, prebuild=True)


def fitted(asked: Row, *, prebuild: bool) -> Row:
    """Load the `.keras` file and `fit` one batch of one step."""
    import_s, spec = imported(asked, as_anybody)
    import keras

    from qcqueue.engines.batches import load_data
    from qcqueue.engines.metrics import weights_sha256

    folder, took, traces = Path(asked["folder"]), dict[str, float](), 0
    batch = next(load_data(folder / "dataset", spec).batches(1, first_step=0))
    watch = Stopwatch()
    model = keras.models.load_model(folder / "model.keras")
    load_s = watch.read()["s"]
    if prebuild:
        model._symbolic_build(data_batch=(batch.images, batch.labels))
    step = model.train_step

    def counted(data: Any) -> Any:
        nonlocal traces
        traces += 1
        return step(data)

    model.train_step = counted
    end = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: took.update(watch.read()))
    model.fit(batch.images, batch.labels, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[end])
    measures = {id(variable) for variable in model.metrics_variables}
    variables = [variable for variable in model.variables if id(variable) not in measures]
    weights = {f"m/{number:05d}": variable.numpy() for number, variable in enumerate(variables)}
    return {
        **took,
        "import_s": import_s,
        "load_s": load_s,
        "weights_sha256": weights_sha256(weights),
        "traces": traces,
    }


# Session: a job that is taken up from Drive.


def session(folder: Path, arguments: argparse.Namespace) -> Row:
    rows, model = [], "DenseNet121"
    rounds = 1 if arguments.quick else arguments.rounds
    with drive(folder, line=LINE) as queue:
        bring(queue, a_job(model, batch_size=BATCH, epochs=9), steps=4)
        print("  an epoch to take up", file=sys.stderr, flush=True)
        with working(queue, "first", "--max-epochs", "1") as first:
            watched(first, queue, "first", lambda: False)
        for number in range(rounds):
            print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            # A session that was killed holds its lease: ten minutes pass, at Google's.
            queue.emulator.time.advance(700.0)
            rows.append(a_round(queue, f"machine {number}"))
    middle = {name: median(rows, name) for name in ("session s", "download s", "trainer s")}
    ratio = statistics.median(row["ratio"] for row in rows)
    about = f"{model}: start to first step over the longest of download and trainer alone"
    notes = [
        "session: from the start of its process to the end of the first step; what follows are the moments, in seconds",
        "from there, at which its trainer came into each phase. trainer: one alone that waits for nothing.",
    ]
    return {"tables": [rows], "targets": [target(about, ratio, most=START_MOST)], "notes": notes, "medians": middle}


def a_round(queue: Queue, machine: str) -> Row:
    in_turn: dict[str, float] = {}
    download = in_a_child(
        "download", {"environment": queue.machine(f"{machine} downloads"), "folder": str(queue.folder)}, script=__file__
    )
    alone_s = trainer_alone(queue, queue.folder / f"{machine} trainer")
    started_s = CLOCK.monotonic_s()
    with working(queue, machine) as working_session:

        def look() -> bool:
            for spool in queue.spools(machine).glob("*"):
                progress = Spool(spool).progress.read()
                if progress:
                    in_turn.setdefault(progress.phase, CLOCK.monotonic_s() - started_s)
            return "training" in in_turn

        watched(working_session, queue, machine, look)
    longest_s = max(download["s"], alone_s)
    return {
        "DenseNet121": machine,
        "session s": in_turn["training"],
        "download s": download["s"],
        "MB": download["bytes"] / 1e6,
        "trainer s": alone_s,
        "ratio": in_turn["training"] / longest_s,
        "trainer starts": in_turn.get("starting"),
        "builds": in_turn.get("building"),
        "waits": in_turn.get("waiting"),
        "restores": in_turn.get("restoring"),
        "traces": in_turn.get("compiling"),
    }


def trainer_alone(queue: Queue, folder: Path) -> float:
    """Return how long a trainer takes from the start of its process, where all is there and nothing is resumed."""
    spool = Spool(folder)
    order = WorkOrder(
        spec=a_job("DenseNet121", batch_size=BATCH, epochs=9),
        attempt=1,
        dataset_path=queue.folder / "noise",
        weights_path=None,
        threads=os.cpu_count() or 1,
        max_epochs=1,
    )
    spool.open(order)
    spool.record.write(None)
    started_s = CLOCK.monotonic_s()
    command = [sys.executable, "-m", "qcqueue.trainer.main"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(str(folder)).encode() + b"\n")
        child.stdin.flush()
        while not ((progress := spool.progress.read()) and progress.phase == "training"):
            assert child.poll() is None, spool.failure.read()
            CLOCK.sleep(0.01)
        took_s = CLOCK.monotonic_s() - started_s
        child.kill()
    return took_s


def download(asked: Row) -> Row:
    """Fetch the newest state, and the model of its best epoch, as a session does, and nothing else."""
    place = opened(Path(asked["folder"]), asked["environment"])
    place.greet()
    with place.read() as tx:
        (job,) = tx.execute(select(jobs.c.id)).scalars()
        checkpoints = resumable(tx, job, live_packs(tx))
    newest = checkpoints[0]
    spool = Spool(place.cache / "spool" / "download")
    spool.folder.mkdir(parents=True)
    took_s = seconds(lambda: restore_newest(place.store, [newest], spool))
    size_bytes = sum(path.stat().st_size for path in files_of(spool.resumed_folder))
    return {"s": took_s, "bytes": size_bytes}


PARTS: dict[str, Callable[[Path, argparse.Namespace], Row]] = {"models": models, "session": session}
CHILDREN: dict[str, Callable[[Row], Row]] = {
    "prepare": prepare,
    "ours": ours,
    "plain": plain,
    "prebuilt": prebuilt,
    "download": download,
}

if __name__ == "__main__":
    sys.exit(main())
