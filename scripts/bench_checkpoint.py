"""What a checkpoint costs training, in time, bytes, lost work and memory, beside the callbacks of Keras.

Five parts, each in processes of its own, each with its targets; --only names the parts to measure:
- blocked: how long a save stops training. Ours is `loop.snapshot_of` and `SpoolWriter.state`, as a run calls them, with
  the writer idle before; the floor reads every variable and copies it into a reused buffer of its own; the peers are
  the callbacks of Keras, asked by their own `on_epoch_end`. All take turns within each round, and the disk is settled
  before each turn. For a store at the end of a line of 25 MB/s a peer also waits until its file is there, which is
  measured once for each file, by the real `DriveStore` over the Drive emulator; ours is measured while another process
  uploads there, as a session does.
- slowdown: steps with and without work in the background, in pairs, one after the other. The other process hashes and
  uploads a state over the same line and is stopped between; the writer is the thread of a save that has just been made.
- bytes: what a real session sends per saved epoch after the first, all requests counted, over the size of the state.
- kills: training lost by SIGKILL at random instants, with real sessions over the slow line, on a machine that is gone
  afterwards. The trainer is one on paper, and time is scaled down: epochs of a second, states of a few megabytes.
- memory: what a trainer that saves needs beyond one that does not, and its session beyond its own idling.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import math
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from bench_train import a_dataset, pictures

from qcqueue.app.context import QueueContext, create_queue, open_context
from qcqueue.app.settings import load_settings
from qcqueue.checkpoints.format import write_state
from qcqueue.clock import SystemClock, seeded
from qcqueue.conformance.sinks import DeafSink
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochMetrics, PartialEpoch, Snapshot, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import load
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.spool.files import EpochEntry, WorkOrder
from qcqueue.spool.reader import Spool
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from qcqueue.stores.base import BlobKind
from qcqueue.worker.budget import Limits
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.owner import Owner
from tests.support.null_trainer import IDENTITY, TIMING, a_session
from tests.support.specs import a_spec

CLOCK = SystemClock()
LINE = 25e6
"""The slow line, in bytes a second."""

FLOOR_MOST, DISK_LEAST, LINE_LEAST = 1.5, 8.0, 100.0
SLOWDOWN_MOST = 1.03
BYTES_ALL_MOST, BYTES_HEAD_MOST = 1.01, 0.02
LOST_MOST = 1.1
MEMORY_MOST = 2.2
LARGEST = "InceptionResNetV2"

LIFE_STEPS, LIFE_STEP_S, LIFE_STATE_BYTES, LIFE_EPOCHS = 20, 0.05, 6_000_000, 4.0
A_WHILE_S = 700.0  # longer than a lease, by Google's clock
PATIENCE_S = 900.0
ENDINGS = (0, 20)  # of `qcqueue work`: it is done, or it has reached its limit

Row = dict[str, Any]


def main() -> int:
    return run(parsed(), PARTS, CHILDREN, quick="fewer rounds and DenseNet121 only")


def run(
    arguments: argparse.Namespace,
    parts: Mapping[str, Callable[[Path, argparse.Namespace], Row]],
    children: Mapping[str, Callable[[Row], Row]],
    *,
    quick: str,
) -> int:
    """Measure the parts that are asked for, print each as soon as it is known; return 1 where a target is missed."""
    if arguments.child:
        print(json.dumps(children[arguments.child](json.loads(arguments.asked))), flush=True)
        return 0
    if arguments.quick:
        print(f"quick: {quick}; the figures are rough", flush=True)
    found: dict[str, Row] = {}
    for part in arguments.only:
        with tempfile.TemporaryDirectory(prefix=f"bench-{part}-") as folder:
            load = os.getloadavg()[0]
            print(part, file=sys.stderr, flush=True)
            found[part] = parts[part](Path(folder), arguments) | {"load_before": load}
        busy = ", which is too much to judge small differences" if load > 1 else ""
        print(f"\n== {part}; the load of the machine was {load:.1f} before{busy}\n{told(found[part])}", flush=True)
    if arguments.json:
        about = {"schema_version": 1, "quick": arguments.quick, "parts": found}
        arguments.json.write_text(json.dumps(about, indent=2) + "\n")
    return int(not all(target["holds"] for part in found.values() for target in part["targets"]))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=some_of(PARTS), default=list(PARTS), metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--models", nargs="+", metavar="MODEL", help=f"for blocked (default DenseNet121 and {LARGEST})")
    parser.add_argument("--rounds", type=int, help="of blocked (default 7)")
    parser.add_argument("--pairs", type=int, help="of slowdown, in steps (default 30)")
    parser.add_argument("--kills", type=int, help="default 200")
    parser.add_argument("--lanes", type=int, default=2, help="of kills: how many machines at once (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="of the instants of the kills")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, DenseNet121 only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--asked", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    quick = arguments.quick
    arguments.models = arguments.models or (["DenseNet121"] if quick else ["DenseNet121", LARGEST])
    for name, usual, fewer in (("rounds", 7, 3), ("pairs", 30, 8), ("kills", 200, 20)):
        if getattr(arguments, name) is None:
            setattr(arguments, name, fewer if quick else usual)
    return arguments


def some_of(parts: Collection[str]) -> Callable[[str], list[str]]:
    """Return a reader of the names of parts, with commas between them."""

    def read(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(parts):
            raise argparse.ArgumentTypeError(f"no part is called {min(unknown)}; there are {', '.join(parts)}")
        return chosen

    return read


def target(what: str, value: float, *, most: float | None = None, least: float | None = None, note: str = "") -> Row:
    """Return what was wanted and whether it holds."""
    holds = (most is None or value <= most) and (least is None or value >= least)
    wanted = f"at most {most:g}" if most is not None else f"at least {least:g}"
    return {"what": what, "value": value, "wanted": wanted, "holds": holds, "note": note}


def told(part: Row) -> str:
    """Return the tables and targets of a part, and what must be known to read them."""
    lines = [text for rows in part["tables"] for text in (*table(rows), "")]
    lines += part.get("notes", [])
    for one in part["targets"]:
        mark = "holds " if one["holds"] else "MISSED"
        lines.append(
            f"{mark} {one['what']}: {one['value']:.4g}, wanted {one['wanted']}{one['note'] and '; '}{one['note']}"
        )
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) + 2 for at in range(len(names))]
    return [line[0].ljust(widths[0]) + "".join(map(str.rjust, line[1:], widths[1:])) for line in cells]


def shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# Processes and queues.


def in_a_child(name: str, asked: Row, *, script: str = __file__) -> Row:
    """Measure in a process of its own: threads and determinism can be set once in the life of one."""
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.run(child_command(name, asked, script), stdout=subprocess.PIPE, stderr=said, text=True)
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{name} {asked} ended with {child.returncode}:\n{said.read()[-3000:]}")
    row: Row = json.loads(child.stdout.splitlines()[-1])
    return row


def child_command(name: str, asked: Row, script: str = __file__) -> list[str]:
    return [sys.executable, script, "--child", name, "--asked", json.dumps(asked)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue on an emulated Drive."""

    emulator: DriveEmulator
    owner: Owner
    place: QueueContext
    folder: Path
    settings: Mapping[str, str]

    def machine(self, name: str) -> dict[str, str]:
        """Return the environment of a machine with a cache of its own, empty at first."""
        return {**self.settings, "QCQUEUE_STORE": self.place.store.url, "QCQUEUE_CACHE": str(self.folder / name)}

    def spools(self, name: str) -> Path:
        return self.folder / name / "spool"


@contextlib.contextmanager
def drive(folder: Path, *, line: float | None = None) -> Iterator[Queue]:
    """Make a queue without jobs on an emulator of its own."""
    with DriveEmulator(CLOCK, bytes_a_second=line) as emulator:
        ada = emulator.user("ada@example.com")
        grant = emulator.sign_in("the machine", ada, App(name="qcqueue")).stored(emulator.url)
        settings = {"QCQUEUE_TOKEN": json.dumps(grant), "QCQUEUE_DRIVE_ENDPOINT": emulator.url}
        here = settings | {"QCQUEUE_CACHE": str(folder / "cache")}
        url = create_queue(load_settings(store="gdrive:new", folder=folder, environment=here)).url
        place = opened(folder, here | {"QCQUEUE_STORE": url})
        yield Queue(emulator=emulator, owner=emulator.owner(ada), place=place, folder=folder, settings=settings)


def opened(folder: Path, environment: Mapping[str, str]) -> QueueContext:
    return open_context(load_settings(folder=folder, environment=environment), persistent=True)


def bring(queue: Queue, *specs: JobSpec, steps: int) -> None:
    """Put pictures for so many steps and the jobs into a queue."""
    path = queue.folder / "noise"
    path.write_bytes(a_dataset(*pictures(steps * specs[0].batch_size)))
    images = queue.place.store.put(path, title="noise", kind=BlobKind.DATASET)
    summary, now_s = load(path).summary, CLOCK.now_s()
    queue.place.transact(lambda tx: add_dataset(tx, "noise", images, summary, who="bench", now_s=now_s))
    queue.place.transact(lambda tx: enqueue(tx, specs, attached={}, who="bench", now_s=now_s))


def a_job(model: str, **changes: Any) -> JobSpec:
    return a_spec(study="bench", name=model.lower(), model=model, dataset="noise", **changes)


@contextlib.contextmanager
def working(queue: Queue, machine: str, *flags: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a session as a person would; whoever leaves early ends it and its trainer."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
    command = [sys.executable, "-m", "qcqueue", "work", *flags]
    with (queue.folder / f"{machine}.log").open("wb") as said:
        session = subprocess.Popen(
            command,
            cwd=queue.folder,
            env=environment | queue.machine(machine),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield session
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(session.pid, signal.SIGKILL)
        session.wait()


def watched(session: "subprocess.Popen[bytes]", queue: Queue, machine: str, look: Callable[[], bool]) -> None:
    """Call `look` again and again until it returns True or the session has ended."""
    end_s = CLOCK.monotonic_s() + PATIENCE_S
    while not look() and session.poll() is None and CLOCK.monotonic_s() < end_s:
        CLOCK.sleep(0.01)
    if session.poll() not in (None, *ENDINGS):
        raise SystemExit(f"a session ended with {session.poll()}:\n{(queue.folder / f'{machine}.log').read_text()}")


def a_program(model: str, *, threads: int) -> tuple[Any, JobSpec]:
    """Return the program of a job, all of it trainable, with values of an optimizer that has worked."""
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.models import build_model
    from qcqueue.engines.keras_tf.program import KerasProgram

    spec = a_job(model)
    device.settle(spec, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "dataset").write_bytes(a_dataset(*pictures(spec.batch_size)))
        data = load_data(path, spec)
    program = KerasProgram(build_model(spec, classes=3, weights_path=None, fresh=True), spec, data, threads=threads)
    for variable in program.optimizer.variables[2:]:  # without the count of steps and the learning rate
        # Values that do not repeat, as those of training: others would flatter whoever compresses.
        each = np.arange(np.prod(variable.shape), dtype=np.float64)
        variable.assign((1e-3 * np.sin(each * each)).astype(np.float32).reshape(variable.shape))
    return program, spec


def a_record(spec: JobSpec) -> TrainingRecord:
    return TrainingRecord(
        spec_sha256=spec.digest, epochs_done=0, partial=PartialEpoch(), history=(), identity=IDENTITY, lineage=1
    )


def a_spool(folder: Path, spec: JobSpec) -> Spool:
    spool = Spool(folder)
    spool.open(WorkOrder(spec=spec, attempt=1, dataset_path=folder, weights_path=None, threads=1, max_epochs=None))
    return spool


def seconds(action: Callable[[], object]) -> float:
    started_s = CLOCK.monotonic_s()
    action()
    return CLOCK.monotonic_s() - started_s


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


# What a session does meanwhile: hashing and uploading.


class Uploader:
    """Another process that uploads the files of a state, again and again, while it is let."""

    def __init__(self, files: Path, asked: Row) -> None:
        command = child_command("uploads", {"files": str(files), "environment": asked["environment"]})
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it is connected
        self.pause()

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def upload_for_ever(asked: Row) -> Row:
    """Do with a state what `worker.uploader` does: hash each file, then put it; what was put is deleted again."""
    place = opened(Path(asked["files"]), asked["environment"])
    place.greet()
    print("connected", flush=True)
    while True:
        for path in sorted(Path(asked["files"]).glob("*.safetensors")):
            with path.open("rb") as reading:
                hashlib.file_digest(reading, "sha256")
            place.store.delete(place.store.put(path, owner="bench"))


# Blocked: how long a save stops training.


def blocked(folder: Path, arguments: argparse.Namespace) -> Row:
    tables, targets, models = [], [], {}
    for model in arguments.models:
        print(f"  {model}: {arguments.rounds} rounds", file=sys.stderr, flush=True)
        at = folder / model
        at.mkdir()
        with drive(at, line=LINE) as queue:
            asked = {"model": model, "rounds": arguments.rounds, "environment": queue.machine("here")}
            found = in_a_child("blocked", asked)
            sizes = {name: peer["bytes"] for name, peer in found["peers"].items()}
            times = in_a_child("transfers", {"sizes": sizes, "environment": queue.machine("there"), "folder": str(at)})
        shutil.rmtree(at)
        models[model] = found
        tables.append(blocked_rows(model, found, times))
        targets += blocked_targets(model, found, times)
    return {"tables": tables, "targets": targets, "models": models, "notes": blocked_notes()}


def blocked_notes() -> list[str]:
    notes = ["A save that comes first also gets the memory that all later ones use again; it is not in the median."]
    if not has_orbax():
        notes.append("OrbaxCheckpoint is not measured: orbax is not installed here.")
    return notes


def blocked_rows(model: str, found: Row, times: Row) -> list[Row]:
    state_bytes = found["state_bytes"]
    ways = [
        ("flat copy of as many bytes", found["flat"], state_bytes, None),
        ("floor: read and copy each", found["floor"], state_bytes, median(found["floor"]["s_uploading"])),
        ("ours", found["ours"], state_bytes, median(found["ours"]["s_uploading"])),
        *((name, one, one["bytes"], median(one["s"]) + times[name]) for name, one in found["peers"].items()),
    ]
    return [
        {
            model: name,
            "MB": size_bytes / 1e6,
            "blocked s": median(one["s"]),
            "over floor": one_ratio(one, found),
            "first s": one["s_first"],
            "slow line s": line_s,
        }
        for name, one, size_bytes, line_s in ways
    ]


def one_ratio(one: Row, found: Row) -> float:
    return median([mine / floor for mine, floor in zip(one["s"], found["floor"]["s"], strict=True)])


def blocked_targets(model: str, found: Row, times: Row) -> list[Row]:
    ours, peers = found["ours"], found["peers"]
    while_uploading = median([a / b for a, b in zip(ours["s_uploading"], found["floor"]["s_uploading"], strict=True)])
    targets = [
        target(f"{model}: blocked, ours over the floor", one_ratio(ours, found), most=FLOOR_MOST),
        target(f"{model}: the same while another process uploads", while_uploading, most=FLOOR_MOST),
    ]
    # Those that save the optimizer too; one of them compresses, a trained state by a few per cent.
    whole = {name: one for name, one in peers.items() if one["bytes"] > 0.8 * found["state_bytes"]}
    if model != LARGEST or not whole:
        return targets
    quickest = min(whole, key=lambda name: median(whole[name]["s"]))
    nearest = min(whole, key=lambda name: median(whole[name]["s"]) + times[name])
    disk = median([theirs / mine for theirs, mine in zip(whole[quickest]["s"], ours["s"], strict=True)])
    line = (median(whole[nearest]["s"]) + times[nearest]) / median(ours["s_uploading"])
    return [
        *targets,
        target(f"{model}: {quickest} over ours, local disk", disk, least=DISK_LEAST),
        target(f"{model}: {nearest} over ours, store at 25 MB/s", line, least=LINE_LEAST),
    ]


def measure_blocked(asked: Row) -> Row:
    import tensorflow as tf

    from qcqueue.engines.loop import snapshot_of

    program, spec = a_program(asked["model"], threads=os.cpu_count() or 1)
    record = a_record(spec)
    values = [variable.value for variable in (*program.model.variables, *program.optimizer.variables)]
    own = [np.empty(value.shape, value.dtype.as_numpy_dtype) for value in values]
    state_bytes = sum(one.nbytes for one in own)
    flat, flat_copy = np.full(state_bytes, 7, np.uint8), np.empty(state_bytes, np.uint8)

    def copy_each() -> None:
        for value, target in zip(values, own, strict=True):
            read = tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)
            np.copyto(target, np.asarray(memoryview(read)))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = SpoolWriter(TrainerSpool(a_spool(folder / "spool", spec).folder), background=True)

        def ours() -> None:
            writer.state(snapshot_of(program, record))

        peers = peers_of(program, folder / "peers")
        turns: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "flat": (lambda: np.copyto(flat_copy, flat), lambda: None),
            "floor": (copy_each, lambda: None),
            "ours": (ours, writer.close),
            **peers,
        }
        times: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(asked["rounds"] + 1):
            for name, (save, settle) in turned(turns.items(), number):
                os.sync()
                times[name].append(seconds(save))
                settle()
        (folder / "files").mkdir()
        write_state(folder / "files", snapshot_of(program, record))
        uploader = Uploader(folder / "files", asked)
        uploading: dict[str, list[float]] = {"floor": [], "ours": []}
        uploader.go_on()
        for number in range(asked["rounds"]):
            for name in turned(uploading, number):
                CLOCK.sleep(0.3)
                uploading[name].append(seconds(turns[name][0]))
                turns[name][1]()
        uploader.end()
        sizes = {name: size_of(folder / "peers" / name) for name in peers}
    rows = {name: {"s_first": ran[0], "s": ran[1:], "s_uploading": uploading.get(name)} for name, ran in times.items()}
    found: Row = {name: rows.pop(name) for name in ("flat", "floor", "ours")}
    return found | {
        "state_bytes": state_bytes,
        "peers": {name: row | {"bytes": sizes[name]} for name, row in rows.items()},
    }


def peers_of(program: Any, folder: Path) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Return for each peer how it saves, and what to do before the next turn."""
    import keras

    model = program.model
    model.compile(optimizer=program.optimizer, loss="sparse_categorical_crossentropy", jit_compile=False)
    made: dict[str, Callable[[Path], Any]] = {
        "BackupAndRestore": lambda at: keras.callbacks.BackupAndRestore(str(at), save_freq="epoch"),
        "ModelCheckpoint, weights": lambda at: keras.callbacks.ModelCheckpoint(
            str(at / "model.weights.h5"), save_weights_only=True
        ),
        "ModelCheckpoint, full": lambda at: keras.callbacks.ModelCheckpoint(str(at / "model.keras")),
    }
    if has_orbax():
        made["OrbaxCheckpoint"] = lambda at: keras.callbacks.OrbaxCheckpoint(str(at))
    return {name: peer(make, model, folder / name) for name, make in made.items()}


def peer(make: Callable[[Path], Any], model: Any, folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    folder.mkdir(parents=True)
    callback, epochs = make(folder), iter(range(1 << 30))
    callback.set_model(model)
    callback.on_train_begin()
    checkpointer = getattr(callback, "checkpointer", None)  # of Orbax, which writes in the background
    wait = getattr(checkpointer, "wait_until_finished", None) or getattr(checkpointer, "wait", None) or (lambda: None)
    return lambda: callback.on_epoch_end(next(epochs), {}), wait


def has_orbax() -> bool:
    return importlib.util.find_spec("orbax") is not None and importlib.util.find_spec("orbax.checkpoint") is not None


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def turned(items: Any, number: int) -> list[Any]:
    """Return the items, another one first each time: who comes first finds another machine."""
    everyone = list(items)
    at = number % len(everyone)
    return everyone[at:] + everyone[:at]


def measure_transfers(asked: Row) -> Row:
    """Return how long a file of each size takes to the store, from its hashing to the last answer."""
    folder, found = Path(asked["folder"]), {}
    place = opened(folder, asked["environment"])
    place.greet()
    for name, size_bytes in asked["sizes"].items():
        path = folder / "file"
        with path.open("wb") as file:
            file.truncate(size_bytes)
        started_s = CLOCK.monotonic_s()
        blob = place.store.put(path, owner="bench")
        found[name] = CLOCK.monotonic_s() - started_s
        place.store.delete(blob)
    return found


# Slowdown: what work in the background costs the steps.


def slowdown(folder: Path, arguments: argparse.Namespace) -> Row:
    rows, targets = [], []
    for threads in (1, 2):
        print(
            f"  DenseNet121, {threads} of {os.cpu_count()} cores, {arguments.pairs} pairs", file=sys.stderr, flush=True
        )
        at = folder / str(threads)
        at.mkdir()
        with drive(at, line=LINE) as queue:
            asked = {"threads": threads, "pairs": arguments.pairs, "environment": queue.machine("here")}
            found = in_a_child("slowdown", asked)
        for kind, pairs in found.items():
            alone, beside = ([pair[at] for pair in pairs] for at in (0, 1))
            ratio, in_all = median([b / a for a, b in pairs]), sum(beside) / sum(alone)
            rows.append(
                {
                    "DenseNet121": f"{kind}, {threads} of {os.cpu_count()} cores train",
                    "alone s": median(alone),
                    "beside s": median(beside),
                    "median ratio": ratio,
                    "ratio of sums": in_all,
                }
            )
            if threads < (os.cpu_count() or 1):
                targets.append(target(f"{kind}, a core free: ratio", ratio, most=SLOWDOWN_MOST))
    notes = [
        "A step beside work that never stops; in training that is true for the seconds of an upload, and for the",
        "second after a save. The emulator's own work falls on this machine too. No target where both cores train.",
    ]
    return {"tables": [rows], "targets": targets, "notes": notes}


def measure_slowdown(asked: Row) -> Row:
    from qcqueue.engines.loop import snapshot_of

    program, spec = a_program("DenseNet121", threads=asked["threads"])
    record = a_record(spec)
    images, labels = pictures(spec.batch_size)

    def step() -> None:
        float(program.train_step(images, labels)[0])

    for _ in range(3):
        step()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        write_state(folder / "files", snapshot_of(program, record))
        uploader = Uploader(folder / "files", asked)
        writer = SpoolWriter(TrainerSpool(a_spool(folder / "spool", spec).folder), background=True)
        writer.state(snapshot_of(program, record))
        writer.close()
        kinds: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "hash and upload in a process": (uploader.go_on, uploader.pause),
            "writer after a save": (lambda: writer.state(snapshot_of(program, record)), writer.close),
        }
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for number in range(asked["pairs"]):
            for kind, (begin, end) in kinds.items():
                alone_s = seconds(step) if number % 2 else 0.0
                begin()
                beside_s = seconds(step)
                end()
                found[kind].append((alone_s or seconds(step), beside_s))
        uploader.end()
    return found


# Bytes: what a session sends.


def sent(folder: Path, arguments: argparse.Namespace) -> Row:
    rows, targets = [], []
    for trainable, most in (("all", BYTES_ALL_MOST), ("head", BYTES_HEAD_MOST)):
        print(f"  DenseNet121, {trainable} trainable", file=sys.stderr, flush=True)
        at = folder / trainable
        at.mkdir()
        row = bytes_of_a_job(at, trainable)
        rows.append({"DenseNet121": f"{trainable} trainable", **row})
        targets.append(target(f"{trainable} trainable: bytes of a saved epoch over the state", row["share"], most=most))
    notes = ["All that the session sent but its first state, over the saved epochs after the first."]
    return {"tables": [rows], "targets": targets, "notes": notes}


def bytes_of_a_job(folder: Path, trainable: str) -> Row:
    epochs, steps = 6, 4
    with drive(folder) as queue:
        bring(queue, a_job("DenseNet121", trainable=trainable, batch_size=8, epochs=epochs), steps=steps)
        began = len(queue.emulator.log)
        with working(queue, "here") as session:
            watched(session, queue, "here", lambda: False)
        log, changes = queue.emulator.log[began:], queue.owner.changes()
    inserted = [
        change.file
        for change in changes
        if change.before is None and change.file and ", attempt 1, " in change.file.title
    ]
    states: dict[int, int] = {}
    for file in inserted:
        number = file.title.rpartition(", attempt 1, ")[2].partition(" ")[0]
        if number.isdecimal():
            states[int(number)] = states.get(int(number), 0) + file.size
    first, *others = (states[number] for number in sorted(states))
    assert others, "only one state was saved"
    all_bytes = sum(one.sent_bytes for one in log)
    an_epoch = (all_bytes - first) / len(others)
    return {
        "state bytes": first,
        "saved epochs after": len(others),
        "state files each": sum(others) / len(others),
        "sent each": an_epoch,
        "share": an_epoch / first,
        "requests": len(log),
    }


# Kills: what a sudden end costs.


def kills(folder: Path, arguments: argparse.Namespace) -> Row:
    lanes = min(arguments.lanes, arguments.kills)
    counts = [arguments.kills // lanes + (number < arguments.kills % lanes) for number in range(lanes)]
    machines = multiprocessing.get_context("forkserver")
    with ThreadPoolExecutor(lanes) as pool:
        played = [
            pool.submit(lane, folder / str(number), count, f"{arguments.seed} {number}", machines)
            for number, count in enumerate(counts)
        ]
        lives = [life for one in played for life in one.result()]
    return kills_found(lives)


def kills_found(lives: Sequence[Row]) -> Row:
    lost = [life["lost_s"] for life in lives]
    lags = [lag for life in lives for lag in life["lags_s"]]
    epochs = [epoch for life in lives for epoch in life["epochs_s"]]
    epoch_s, lag_s = statistics.mean(epochs), statistics.mean(lags)
    mean_s, worst_s = statistics.mean(lost), max(lost)
    bound_s = max(epochs) + max(lags)
    row = {
        "kills": len(lives),
        "epoch s": epoch_s,
        "longest": max(epochs),
        "lag s": lag_s,
        "longest lag": max(lags),
        "lost s, mean": mean_s,
        "median": median(lost),
        "most": worst_s,
        "mean after a commit": statistics.mean([life["lost_s"] for life in lives if life["lags_s"]] or [math.nan]),
        "beyond a mean epoch + lag": sum(one > epoch_s + lag_s for one in lost),
    }
    notes = [
        f"Time is scaled: {LIFE_STEPS} steps of {LIFE_STEP_S * 1000:.0f} ms stand for an epoch, a state has "
        f"{LIFE_STATE_BYTES / 1e6:.0f} MB, the line 25 MB/s; each machine is gone with its cache.",
        f"Kills fall evenly into the first {LIFE_EPOCHS:g} epochs of a life. The lag is from the end of the last step "
        "to the commit; the trainer saves each epoch.",
    ]
    targets = [
        target("mean lost over (half an epoch + lag)", mean_s / (epoch_s / 2 + lag_s), most=LOST_MOST),
        target("most lost over (longest epoch + longest lag)", worst_s / bound_s, most=1.0),
    ]
    return {"tables": [[row]], "targets": targets, "notes": notes, "lives": [*lives]}


def lane(folder: Path, count: int, seed: str, machines: Any) -> list[Row]:
    """Let one machine after the other work on a job, and kill each at an instant drawn by chance."""
    folder.mkdir()
    rng, lives = seeded(f"kills {seed}"), list[Row]()
    before: Life | None = None
    with drive(folder, line=LINE) as queue:
        bring(queue, a_job("VGG16", epochs=100_000), steps=1)
        for number in range(count + 1):
            life = Life(queue, f"machine {number}", machines)
            life.begin()
            if before is not None:
                lives.append(before.judged(committed=life.taken_up_at))
                before.forget()
            life.end(after_s=rng.uniform(0.0, LIFE_EPOCHS * LIFE_STEPS * LIFE_STEP_S) if number < count else 0.0)
            before = life
            queue.emulator.time.advance(A_WHILE_S)
    return lives


class Life:
    """One machine from its first session to its end. A position counts the steps of a run."""

    def __init__(self, queue: Queue, name: str, machines: Any) -> None:
        self._folder = queue.folder / name
        self._folder.mkdir()
        self._log = self._folder / "log"
        self._log.touch()
        self._process = machines.Process(target=live, args=(self._folder, queue.machine(name), self._log))
        self._killed_s = 0.0

    def begin(self) -> None:
        """Return once it trains."""
        self._process.start()
        end_s = CLOCK.monotonic_s() + PATIENCE_S
        while not self._lines("taken up"):
            assert self._process.is_alive(), "a session has ended before it trained"
            assert CLOCK.monotonic_s() < end_s, "a session does not begin to train"
            CLOCK.sleep(0.005)

    @property
    def taken_up_at(self) -> int:
        return int(self._lines("taken up")[0]["position"])

    def end(self, *, after_s: float) -> None:
        CLOCK.sleep(max(0.0, self._lines("taken up")[0]["at_s"] + after_s - CLOCK.monotonic_s()))
        self._killed_s = CLOCK.monotonic_s()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()

    def judged(self, *, committed: int) -> Row:
        """Return what was lost, where the next life was taken up at `committed`."""
        steps = [line for line in self._lines("step") if line["at_s"] <= self._killed_s]
        ended_s = max(line["at_s"] for line in (*self._lines("taken up"), *steps, *self._lines("saved")))
        running_s = max(0.0, self._killed_s - ended_s)
        saved = {line["position"]: line["at_s"] for line in steps if line["position"] % LIFE_STEPS == 0}
        lags_s = [line["at_s"] - saved[at] for line in self._lines("commit") if (at := line["position"]) in saved]
        epochs = [steps[at : at + LIFE_STEPS] for at in range(0, len(steps) - LIFE_STEPS + 1, LIFE_STEPS)]
        return {
            "lost_s": sum(line["took_s"] for line in steps if line["position"] > committed) + running_s,
            "trained_s": sum(line["took_s"] for line in steps) + running_s,
            "committed": committed,
            "lags_s": lags_s,
            "epochs_s": [sum(line["took_s"] for line in epoch) for epoch in epochs],
        }

    def forget(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _lines(self, what: str) -> list[Row]:
        whole = self._log.read_text().rpartition("\n")[0]
        return [line for text in whole.splitlines() if (line := json.loads(text))["what"] == what]


def live(folder: Path, environment: Mapping[str, str], log: Path) -> None:
    """Be a session, in a process group with its trainer."""
    os.setsid()
    place, mother, seen = opened(folder, environment), os.getppid(), -1
    session = a_session(place.ids.new(), place, ForkedTrainer(log), Limits())  # type: ignore[arg-type]
    while (delay_s := session.step()) is not None and os.getppid() == mother:
        view = session.view()
        if view and view.saved and (at := view.saved.epochs_done * LIFE_STEPS + view.saved.steps_done) != seen:
            seen = at
            say(log, "commit", position=at)
        CLOCK.sleep(delay_s)


class ForkedTrainer:
    """A trainer on paper in a process of its own. Implements `worker.process.Trainer`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: Any = None

    def get_ready(self) -> None:
        pass

    def start(self, folder: Path) -> None:
        self._process = multiprocessing.get_context("fork").Process(target=train_on_paper, args=(folder, self._log))
        self._process.start()

    def exit_code(self) -> int | None:
        return 0 if self._process is None else self._process.exitcode

    def end(self) -> None:
        self.kill()

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.join()


def train_on_paper(folder: Path, log: Path) -> None:
    """Take time for each step, and save after each epoch as a trainer does."""
    spool, mother = TrainerSpool(folder), os.getppid()
    while not spool.is_ready():
        CLOCK.sleep(0.005)
    order, resumed, writer = spool.order.read(), spool.resumed(), SpoolWriter(spool, background=True)
    assert order is not None, "what is ready was ordered"
    record = resumed.record if resumed else a_record(order.spec)
    position, values = (
        record.epochs_done * LIFE_STEPS + record.partial.steps_done,
        np.zeros(LIFE_STATE_BYTES // 4, "f4"),
    )
    say(log, "taken up", position=position)
    while os.getppid() == mother and not spool.should_stop():
        for step in range(record.partial.steps_done, LIFE_STEPS):
            took_s = seconds(lambda: CLOCK.sleep(LIFE_STEP_S))
            say(log, "step", position=record.epochs_done * LIFE_STEPS + step + 1, took_s=took_s)
        partial = PartialEpoch(steps_done=LIFE_STEPS, loss_sum=1.0, correct=9, seen=20, step_times_s=(LIFE_STEP_S,))
        trained, epoch = replace(record, partial=partial), record.epochs_done + 1
        values[:] = epoch
        number = writer.state(Snapshot(tensors={"m/00000": values}, record=trained, paths={}))
        say(log, "saved", position=epoch * LIFE_STEPS)
        metrics = EpochMetrics(
            epoch=epoch, loss=1.0, accuracy=0.5, val_loss=1 / epoch, val_accuracy=0.5, learning_rate=1e-4
        )
        record = trained.with_epoch(metrics, patience=0)
        writer.epoch(EpochEntry(record=record, timing=TIMING, state_entry=number), is_best=True)


def say(log: Path, what: str, **facts: Any) -> None:
    with log.open("ab", buffering=0) as file:
        file.write(json.dumps({"what": what, "at_s": CLOCK.monotonic_s(), **facts}).encode() + b"\n")


# Memory: what saving needs.


def memory(folder: Path, arguments: argparse.Namespace) -> Row:
    rows, targets, most = [], [], (1 if arguments.quick else 2)
    for model in arguments.models:
        for number in range(most):
            print(f"  {model}: {number + 1} of {most}", file=sys.stderr, flush=True)
            at = folder / f"{model}{number}"
            at.mkdir()
            rows.append({"model": model, **memory_of_a_job(at, model)})
            shutil.rmtree(at)
        extra = min(row["states"] for row in rows if row["model"] == model)
        targets.append(target(f"{model}: extra of trainer and session, in states", extra, most=MEMORY_MOST))
    notes = [
        "Peaks of resident memory (VmHWM), in MB. A trainer's peak differs by tens of MB from run to run, so the",
        "smallest of the runs is judged. Files count where they are mapped; what the kernel keeps of them does not.",
    ]
    return {"tables": [rows], "targets": targets, "notes": notes}


def memory_of_a_job(folder: Path, model: str) -> Row:
    epochs, steps = 3, 4
    spec = a_job(model, batch_size=8, epochs=epochs)
    with drive(folder) as queue:
        bring(queue, spec, steps=steps)
        asked = {"spec": spec.to_json(), "dataset": str(folder / "noise")}
        without = in_a_child("unsaved", asked)["peak_kb"]
        peaks: dict[str, int] = {"session": 0, "trainer": 0, "idle": 0}
        with working(queue, "here") as session:

            def look() -> bool:
                peaks["session"] = max(peaks["session"], kilobytes(session.pid, "VmHWM"))
                for trainer in children(session.pid):
                    peaks["trainer"] = max(peaks["trainer"], kilobytes(trainer, "VmHWM"))
                if any(queue.spools("here").glob("*/latest")) and not peaks["idle"]:
                    peaks["idle"] = kilobytes(session.pid, "VmRSS")
                return False

            watched(session, queue, "here", look)
        states = [
            file.size for change in queue.owner.changes() if (file := change.file) and ", attempt 1, 1 " in file.title
        ]
    extra_mb = megabytes(max(0, peaks["trainer"] - without) + max(0, peaks["session"] - peaks["idle"]))
    state_mb = sum(states) / 1e6
    return {
        "state": state_mb,
        "trainer, no saves": megabytes(without),
        "trainer": megabytes(peaks["trainer"]),
        "session idle": megabytes(peaks["idle"]),
        "session": megabytes(peaks["session"]),
        "extra": extra_mb,
        "states": extra_mb / state_mb,
    }


def train_unsaved(asked: Row) -> Row:
    """Run the same job with a sink that keeps nothing."""
    from qcqueue.engines.base import Assignment
    from qcqueue.engines.registry import train

    spec = JobSpec.from_json(asked["spec"])
    threads = os.cpu_count() or 1
    path = Path(asked["dataset"])
    best: dict[str, Any] = {}
    assignment = Assignment(
        spec=spec, dataset_path=path, weights_path=None, threads=threads, resume_from=None, best=lambda epoch: best
    )
    with contextlib.suppress(KeyboardInterrupt):
        train(assignment, LeavesEarly(), CLOCK)
    return {"peak_kb": kilobytes(os.getpid(), "VmHWM")}


class LeavesEarly(DeafSink):
    """Leaves before the end, where the best model would be asked for."""

    def progress(self, phase: Phase, **facts: Any) -> None:
        if phase is Phase.EVALUATING:
            raise KeyboardInterrupt


def kilobytes(process: int, what: str) -> int:
    """Return a number of /proc/PID/status in KiB, 0 where the process has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
    return 0


def megabytes(kilobytes: int) -> float:
    return kilobytes * 1024 / 1e6


def children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


PARTS: dict[str, Callable[[Path, argparse.Namespace], Row]] = {
    "blocked": blocked,
    "slowdown": slowdown,
    "bytes": sent,
    "kills": kills,
    "memory": memory,
}
CHILDREN: dict[str, Callable[[Row], Row]] = {
    "blocked": measure_blocked,
    "transfers": measure_transfers,
    "uploads": upload_for_ever,
    "slowdown": measure_slowdown,
    "unsaved": train_unsaved,
}

if __name__ == "__main__":
    sys.exit(main())
