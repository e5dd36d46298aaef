"""Seconds of a training step in each way to compute it, beside plain `fit`, on the GPU of this machine or its CPU.

One cell is one model in one way, in a process of its own: ours as `graph`, `fused` and `xla`, and `model.fit` over the
same images as a person runs it, with op determinism, and in mixed_float16. How it is kept fair:
- the processes of a model compile together, as many at once as `--at-once` says, and are timed one at a time, with the
  device to themselves: each makes a round of steps in its turn, three times;
- a step of ours is a call of the trainer's program with as many steps in it as training would give it; one of `fit` is
  what lies between the ends of its batches, with no epoch beginning or ending in between;
- all have the same threads, images, batch size and optimizer; tracing, compiling and the first steps are counted apart;
- whichever of ours is the fastest is run once more from the start: the digest of all state after the first steps has to
  be the same in both processes;
- beside a step stands the least it could take: its multiplications at the rate of one large product on this device.

The file of `--json` is written anew after each cell, so a run that is cut is worth what it has done; what there was no
time for stands in it under `left_out`. First steps on a GPU that a driver compiles for are no measure of anything.
"""

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from bench_train import CLASSES, a_dataset

from qcqueue.clock import SystemClock
from qcqueue.core.spec import JobSpec
from tests.support.specs import a_spec

Row = dict[str, Any]

CLOCK = SystemClock()
OURS = ("graph", "fused", "xla")
FIT = {
    "fit exact": ("exact", "float32"),
    "fit": ("relaxed", "float32"),
    "fit mixed_float16": ("relaxed", "mixed_float16"),
}
WAYS = (*OURS, *FIT)
MODELS = ("DenseNet121", "VGG16", "ResNet50V2", "Xception", "InceptionV3", "InceptionResNetV2")
"""In the order of what is worth knowing first."""
ROUNDS = 3
SHARE_OF_COMPILING = 0.6
"""The part of a model's time after which what is not compiled is left out; the rest is for rounds and the winner."""
COMPARED_STEPS = 4
"""After so many steps of every process its state is digested."""
FASTER_LEAST = {"DenseNet121": 4.0}
FASTER_LEAST_ELSE = 2.0
PRODUCT_SIDE = {True: 8192, False: 1024}
"""The side of the square matrices whose product tells what the device can do, on a GPU and on a CPU."""


def main() -> int:
    arguments = parsed()
    if arguments.child:
        return child(json.loads(arguments.child))
    found: Row = {"schema_version": 1, "asked": asked_of(arguments), "device": None, "cells": [], "left_out": []}
    deadline_s = CLOCK.monotonic_s() + arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dataset").write_bytes(the_dataset(arguments))
        for model in arguments.models:
            left = len(arguments.models) - arguments.models.index(model)
            now_s = CLOCK.monotonic_s()
            bench_model(model, Path(folder), arguments, found, now_s + (deadline_s - now_s) / left)
    print(table(found))
    targets = [target for model in arguments.models for target in judged(found, model)]
    print("\n".join(said for said, _ in targets))
    return 0 if all(is_met for _, is_met in targets) else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--ways", type=ways_of, default=list(WAYS), metavar="WAY,...", help=", ".join(WAYS))
    parser.add_argument("--seconds", type=float, default=540.0, help="all of it may take (default 540)")
    parser.add_argument("--side", type=int, default=75, help="pixels (default 75)")
    parser.add_argument("--batch", type=int, default=32, help="images a step (default 32)")
    parser.add_argument("--images", type=int, default=2200, help="images an epoch (default 2200)")
    parser.add_argument("--steps", type=int, default=20, help="to warm up, and in each of three rounds (default 20)")
    parser.add_argument("--at-once", type=int, default=4, help="processes that compile together (default 4)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def ways_of(text: str) -> list[str]:
    wanted = [way.strip() for way in text.split(",")]
    if unknown := [way for way in wanted if way not in WAYS]:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}: {', '.join(WAYS)}")
    return wanted


def asked_of(arguments: argparse.Namespace) -> Row:
    return {name: getattr(arguments, name) for name in ("side", "batch", "images", "steps", "threads")}


# One model: its processes, in turns.


def bench_model(model: str, folder: Path, arguments: argparse.Namespace, found: Row, deadline_s: float) -> None:
    """Fill in the cells of a model, and write the file after each."""
    print(f"{model}: {', '.join(arguments.ways)}", file=sys.stderr, flush=True)
    asked = asked_of(arguments) | {"model": model, "dataset": str(folder / "dataset")}
    cells: list[Row] = []

    def keep(cell: Row) -> None:
        cells.append(cell)
        found["cells"].append({"model": model, **cell})
        found["device"] = cell.pop("device", found["device"])
        save(found, arguments.json)

    left_s = deadline_s - CLOCK.monotonic_s()
    with ended([Process(asked | {"way": way}) for way in arguments.ways]) as processes:
        compiled(processes, arguments.at_once, deadline_s - left_s * (1 - SHARE_OF_COMPILING))
        ready = [it for it in processes if it.facts is not None]
        for _ in range(ROUNDS):
            for it in ready:
                it.time_a_round(deadline_s)
        for it in processes:
            keep(it.cell(steps_an_epoch=math.ceil(arguments.images / arguments.batch)))
    ours = [cell for cell in cells if cell["way"] in OURS and cell.get("step_s")]
    if ours:
        winner = min(ours, key=lambda cell: float(cell["step_s"]))
        with ended([Process(asked | {"way": winner["way"]})]) as again:
            compiled(again, 1, deadline_s)
            facts = again[0].facts
        same = None if facts is None else facts["digest"] == winner["digest"]
        kept = next(it for it in found["cells"] if (it["model"], it["way"]) == (model, winner["way"]))
        kept |= {"is_fastest_of_ours": True, "same_in_second_process": same}
    found["left_out"] += [{"model": model, "way": cell["way"], "why": cell["why"]} for cell in cells if cell.get("why")]
    save(found, arguments.json)


def compiled(processes: list["Process"], at_once: int, deadline_s: float) -> None:
    """Start the processes, so many at a time, and wait until each has compiled, or failed, or there is no time left."""
    waiting, running = [*processes], list[Process]()
    while (waiting or running) and CLOCK.monotonic_s() < deadline_s:
        while waiting and len(running) < at_once:
            running.append(waiting.pop(0))
            running[-1].start()
        CLOCK.sleep(0.05)
        running = [it for it in running if not it.has_compiled()]
    for it in running + waiting:
        it.why = it.why or "there was no time left to compile it"
        it.end()


@contextmanager
def ended(processes: list["Process"]) -> Iterator[list["Process"]]:
    try:
        yield processes
    finally:
        for it in processes:
            it.end()


class Process:
    """One cell's process. facts: what it said when it had compiled, None before; why: why it is left out, or None."""

    def __init__(self, asked: Row) -> None:
        self.facts: Row | None = None
        self.why: str | None = None
        self._asked = asked
        self._rounds_s: list[float] = []
        self._said: SimpleQueue[Row | None] = SimpleQueue()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        # Several share a GPU, and each would take all of its memory.
        environment = os.environ | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        command = [sys.executable, __file__, "--child", json.dumps(self._asked)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload]
        threading.Thread(target=self._listen, daemon=True).start()

    def has_compiled(self) -> bool:
        """Return whether it has said what compiling came to, or ended."""
        with suppress(Empty):
            self._take(self._said.get_nowait())
        return self.facts is not None or self.why is not None

    def time_a_round(self, deadline_s: float) -> None:
        """Let it make a round of steps, alone, if it can."""
        if self.why is not None or self._process is None or self._process.stdin is None:
            return
        if CLOCK.monotonic_s() >= deadline_s:
            self.why = f"there was time for {len(self._rounds_s)} of {ROUNDS} rounds"
            return
        with suppress(BrokenPipeError):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        try:
            said = self._said.get(timeout=max(1.0, deadline_s - CLOCK.monotonic_s()))
        except Empty:
            said = {"failed": "there was no time left for its steps"}
        if said is not None and "round_s" in said:
            self._rounds_s.append(said.pop("round_s"))
        self._take(said)

    def cell(self, *, steps_an_epoch: int) -> Row:
        """Return all that it showed."""
        cell: Row = {"way": self._asked["way"], **(self.facts or {}), "rounds_s": self._rounds_s, "why": self.why}
        if self._rounds_s:
            cell["step_s"] = statistics.median(self._rounds_s)
            cell["epoch_s"] = cell["step_s"] * steps_an_epoch
        return cell

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _take(self, said: Row | None) -> None:
        if said is None:
            self.why = self.why or "its process ended and said nothing"
        elif "failed" in said:
            self.why = said["failed"]
        else:
            self.facts = (self.facts or {}) | said

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    self._said.put(said)
        self._said.put(None)


# In a cell's own process.


def child(asked: Row) -> int:
    began_s = CLOCK.monotonic_s()
    try:
        facts, make_steps = fitting(asked) if asked["way"] in FIT else training(asked)
        make_steps(asked["steps"])
        say(facts | {"to_first_step_s": facts.pop("first_step_at_s") - began_s})
        for _ in sys.stdin:
            say({"round_s": make_steps(asked["steps"])} | peak_memory())
    except Exception as exc:
        say({"failed": next((line for line in str(exc).splitlines() if line.strip()), type(exc).__name__)})
        return 1
    return 0


def training(asked: Row) -> tuple[Row, Callable[[int], float]]:
    """Compile the trainer's own step; return what that took, and what makes so many steps and says what one took."""
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.loading import load_libraries
    from qcqueue.engines.keras_tf.models import build_model
    from qcqueue.engines.keras_tf.program import KerasProgram

    load_libraries()
    spec = the_spec(asked, determinism="exact")
    data = load_data(Path(asked["dataset"]), spec)
    device.settle(spec, threads=asked["threads"])
    model = build_model(spec, classes=len(CLASSES), weights_path=None, fresh=True)
    program = KerasProgram(model, spec, data, threads=asked["threads"], step=asked["way"])
    batch = next(data.batches(1, first_step=0))

    def call(count: int) -> float:
        began_s = CLOCK.monotonic_s()
        for made in program.train([batch] * count):
            float(made.loss)
        return (CLOCK.monotonic_s() - began_s) / count

    began_s = CLOCK.monotonic_s()
    program.trace()
    call(1)
    first_step_at_s = CLOCK.monotonic_s()
    for _ in range(COMPARED_STEPS - 1):
        step_s = call(1)
    digest = digest_of_state(program.tensors())
    alone_s, together_s = call(1), call(program.steps_a_call(step_s))
    began_saving_s = CLOCK.monotonic_s()
    program.tensors()
    stall_s = CLOCK.monotonic_s() - began_saving_s

    def make_steps(count: int) -> float:
        at_once = program.steps_a_call(step_s)
        return statistics.median(call(at_once) for _ in range(max(1, count // at_once)))

    return {
        "device": device.processor(),
        "is_gpu": device.has_gpu(),
        "first_step_at_s": first_step_at_s,
        "compile_s": first_step_at_s - began_s,
        "operations": program.operations().total(),
        "digest": digest,
        "one_a_call_s": alone_s,
        "block_s": together_s,
        "save_stall_s": stall_s,
        "least_s": multiplications(model) * asked["batch"] / products_a_second(),
    }, make_steps


def fitting(asked: Row) -> tuple[Row, Callable[[int], float]]:
    """The same of `fit`, as its options are where nobody says anything."""
    import keras

    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.models import build_model, build_optimizer

    determinism, precision = FIT[asked["way"]]
    spec = the_spec(asked, determinism=determinism, precision=precision)
    data = load_data(Path(asked["dataset"]), spec)
    device.settle(spec, threads=asked["threads"])
    model = build_model(spec, classes=len(CLASSES), weights_path=None, fresh=True)
    model.compile(optimizer=build_optimizer(spec, model), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    batch = next(data.batches(1, first_step=0))

    def make_steps(count: int) -> float:
        ends_s = list[float]()
        watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda number, logs: ends_s.append(ended_s(logs)))
        images, labels = (np.concatenate([it] * (count + 2)) for it in (batch.images, batch.labels))
        model.fit(images, labels, batch_size=asked["batch"], shuffle=False, verbose=0, callbacks=[watch])
        return (ends_s[-1] - ends_s[1]) / (len(ends_s) - 2)

    began_s = CLOCK.monotonic_s()
    model.fit(batch.images, batch.labels, batch_size=asked["batch"], verbose=0)
    first_step_at_s = CLOCK.monotonic_s()
    return {
        "device": device.processor(),
        "first_step_at_s": first_step_at_s,
        "compile_s": first_step_at_s - began_s,
    }, make_steps


def ended_s(logs: Row) -> float:
    """Return the time when the figures of a step are known, and not only asked for."""
    float(logs["loss"])
    return CLOCK.monotonic_s()


def the_spec(asked: Row, **changes: Any) -> JobSpec:
    return a_spec(
        study="bench",
        name="gpu",
        model=asked["model"],
        dataset="noise",
        batch_size=asked["batch"],
        image_size=(asked["side"], asked["side"]),
        augment="flips",
        device="any",
        **changes,
    )


def the_dataset(arguments: argparse.Namespace) -> bytes:
    shape = (arguments.images, arguments.side, arguments.side, 3)
    values = np.arange(math.prod(shape), dtype=np.uint32) * np.uint32(2654435761) >> np.uint32(24)
    labels = (np.arange(arguments.images) * len(CLASSES) // arguments.images).astype(np.int32)
    return a_dataset(values.astype(np.uint8).reshape(shape), labels)


def digest_of_state(tensors: Any) -> str:
    digest = hashlib.sha256()
    for key, value in tensors.items():
        digest.update(key.encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def multiplications(model: Any) -> int:
    """Return how many multiplications a step makes of one image, in convolutions and dense layers alone.

    Each is made once forward, and once for each of the two gradients.
    """
    return 3 * sum(_forward(layer) for layer in _all_layers(model))


def _all_layers(layer: Any) -> Iterator[Any]:
    inner = getattr(layer, "layers", None)
    if inner is None:
        yield layer
    for one in inner or ():
        yield from _all_layers(one)


def _forward(layer: Any) -> int:
    import keras

    if isinstance(layer, keras.layers.DepthwiseConv2D):
        sizes = (*layer.output.shape[1:], *layer.kernel_size)
    elif isinstance(layer, keras.layers.SeparableConv2D):
        # Once for each place in a window, and once for each filter.
        of_a_channel = math.prod(layer.kernel_size) + layer.filters
        sizes = (*layer.output.shape[1:3], layer.input.shape[-1], of_a_channel)
    elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        sizes = (*layer.output.shape[1:], *layer.kernel.shape[:-1])
    else:
        return 0
    return math.prod(map(int, sizes))


def products_a_second() -> float:
    """Return how many multiplications a second this device makes in one large product of matrices."""
    import tensorflow as tf

    side = PRODUCT_SIDE[bool(tf.config.get_visible_devices("GPU"))]
    matrix = tf.ones((side, side))
    seconds = list[float]()
    for _ in range(4):
        began_s = CLOCK.monotonic_s()
        float(tf.linalg.matmul(matrix, matrix)[0, 0])
        seconds.append(CLOCK.monotonic_s() - began_s)
    return float(side**3) / min(seconds)


def peak_memory() -> Row:
    import tensorflow as tf

    if not tf.config.get_visible_devices("GPU"):
        return {}
    return {"peak_bytes": tf.config.experimental.get_memory_info("GPU:0")["peak"]}


def say(facts: Row) -> None:
    print(json.dumps(facts), flush=True)


# What came of it.


def save(found: Row, path: Path | None) -> None:
    if path is None:
        return
    written = path.with_name(f"{path.name}.new")
    written.write_text(json.dumps(found, indent=2) + "\n")
    written.replace(path)


def table(found: Row) -> str:
    columns = ("step ms", "epoch s", "compile s", "first s", "one ms", "stall ms", "least ms", "operations")
    lines = [str(found["device"]), f"{'':38}" + "".join(f"{name:>11}" for name in columns)]
    for cell in found["cells"]:
        figures = (
            *(_scaled(cell, "step_s", 1000), _scaled(cell, "epoch_s"), _scaled(cell, "compile_s")),
            *(_scaled(cell, "to_first_step_s"), _scaled(cell, "one_a_call_s", 1000)),
            *(_scaled(cell, "save_stall_s", 1000), _scaled(cell, "least_s", 1000), str(cell.get("operations", ""))),
        )
        lines.append(f"{cell['model']:20}{cell['way']:18}" + "".join(f"{figure:>11}" for figure in figures))
        if cell["why"]:
            lines.append(f"{'':20}{cell['why']}")
    return "\n".join(lines)


def _scaled(cell: Row, name: str, factor: float = 1.0) -> str:
    return "" if cell.get(name) is None else f"{cell[name] * factor:.2f}"


def judged(found: Row, model: str) -> list[tuple[str, bool]]:
    """Return what is wanted of a model, in words, and whether it is so; of what was not measured nothing is said.

    On a CPU the figures are told all the same, and only the bits are judged.
    """
    cells = {cell["way"]: cell for cell in found["cells"] if cell["model"] == model and cell.get("step_s")}
    best = next((cell for cell in cells.values() if cell.get("is_fastest_of_ours")), None)
    if best is None:
        return []
    least = {"fit exact": 1.0, "graph": FASTER_LEAST.get(model, FASTER_LEAST_ELSE)} if best["is_gpu"] else {}
    said = list[tuple[str, bool]]()
    for way in ("graph", *FIT):
        if way in cells and way != best["way"]:
            factor = cells[way]["step_s"] / best["step_s"]
            wanted = f", wanted {least[way]:g}" if way in least else ""
            said.append((f"{model}: {best['way']} is {factor:.2f} x {way}{wanted}", factor >= least.get(way, 0.0)))
    if (same := best["same_in_second_process"]) is not None:
        said.append((f"{model}: {best['way']} has {'the same' if same else 'OTHER'} bits in a second process", same))
    return said


if __name__ == "__main__":
    sys.exit(main())
