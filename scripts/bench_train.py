"""Seconds per training step of qcqueue's trainer over those of plain `model.fit`.

What is compared, and how it is kept fair:
- one process for each model, with the same threads, op determinism and `jit_compile=False`, and in it two copies of
  the same network and optimizer over the same uint8 images of 75x75 in memory, preprocessed in the graph;
- plain: `fit(images, labels, shuffle=False, verbose=0)`, timed from the end of one batch to the end of the next;
  ours: `engines.loop` as a job runs it, timed from one report of progress to the next, with its order, its
  questions whether to stop, and with flips on, which `fit` is spared;
- the two take turns, one step each, so that the load of the machine falls on both alike: `fit` lives in a thread of
  its own, and only one of the two ever runs. What counts is the median over the pairs of the ratio of their times;
  beside it stands the same ratio of processor time, which says more on a machine that is busy with other things;
- tracing and the first steps do not count, no save and no validation falls into the window, and neither does what
  `fit` loses at the end of an epoch.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt

from qcqueue.clock import SystemClock
from qcqueue.conformance.sinks import DeafSink
from qcqueue.core.phases import Phase
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split, arrange, to_bytes
from qcqueue.engines.base import Assignment
from tests.support.specs import a_spec

Times = npt.NDArray[np.float64]

CLOCK = SystemClock()
TARGET = 1.02
CLASSES = ("good", "fair", "reject")
BATCH = 32
SIDE_PX = 75
WARM_UP = 3


def main() -> int:
    arguments = parsed()
    if arguments.child:
        print(json.dumps(measure(arguments.models[0], arguments)))
        return 0
    rows = [in_a_child(model, arguments) for model in arguments.models]
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"schema_version": 1, "target": TARGET, "models": rows}, indent=2) + "\n")
    return 0 if all(row["ratio"] <= TARGET for row in rows) else 1


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'':20}{'ours s':>9}{'fit s':>9}{'ratio':>8}{'quartiles':>16}{'cpu ratio':>11}"]
    for row in rows:
        quartiles = "..".join(f"{value:.3f}" for value in row["quartiles"])
        seconds, ratios = f"{row['ours_s']:9.4f}{row['fit_s']:9.4f}", f"{row['ratio']:8.3f}{quartiles:>16}"
        lines.append(f"{row['model']:20}{seconds}{ratios}{row['cpu_ratio']:11.3f}")
    return "\n".join([*lines, f"wanted: a ratio of at most {TARGET}"])


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare qcqueue's training step with that of plain model.fit.")
    parser.add_argument("models", nargs="*", default=["DenseNet121", "VGG16"], metavar="MODEL")
    parser.add_argument("--steps", type=int, default=40, help="pairs of training steps (default 40)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_a_child(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own: threads and determinism can be set once in the life of one."""
    print(f"{model}: both trace, then {arguments.steps} steps each in turn", file=sys.stderr)
    numbers = [f"--{name}={getattr(arguments, name)}" for name in ("steps", "threads")]
    command = [sys.executable, __file__, "--child", *numbers, model]
    child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    row: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return row


def measure(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the first epoch of one job; before each of its steps the sink lets plain fit make one."""
    from qcqueue.engines.registry import train

    spec = the_spec(model)
    images, labels = pictures((arguments.steps + WARM_UP + 1) * BATCH)
    plain = PlainFit(spec, images, labels)
    ours = TakesTurns(plain, steps=arguments.steps + WARM_UP)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset"
        path.write_bytes(a_dataset(images, labels))
        assignment = Assignment(
            spec=spec,
            dataset_path=path,
            weights_path=None,
            threads=arguments.threads,
            resume_from=None,
            best=lambda epoch: {},
        )
        train(assignment, ours, CLOCK)
    mine, theirs = np.array(ours.steps_s[WARM_UP:]), np.array(plain.steps_s[WARM_UP:])
    low, middle, high = np.percentile(mine / theirs, [25, 50, 75], axis=0)
    return {
        "model": model,
        "ours_s": float(np.median(mine[:, 0])),
        "fit_s": float(np.median(theirs[:, 0])),
        "ratio": float(middle[0]),
        "quartiles": [float(low[0]), float(high[0])],
        "cpu_ratio": float(middle[1]),
        "steps": len(mine),
    }


def now_s() -> Times:
    """Return (wall, processor) seconds; the second of all threads, so that a busy machine disturbs it less."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([CLOCK.monotonic_s(), used.ru_utime + used.ru_stime])


class PlainFit:
    """`fit` in a thread that makes one step each time it is let."""

    def __init__(self, spec: JobSpec, images: Any, labels: Any) -> None:
        self.steps_s: list[Times] = []
        self._spec, self._images, self._labels = spec, images, labels
        self._may_go, self._has_gone = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._fit, daemon=True)
        self._mark_s = np.zeros(2)
        self._over = False

    def step(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        self._may_go.release()
        self._has_gone.acquire()

    def end(self) -> None:
        self._over = True
        self._may_go.release()
        self._thread.join()

    def _fit(self) -> None:
        from keras.callbacks import LambdaCallback

        model = plain_model(self._spec)

        def after_a_batch(batch: int, logs: object) -> None:
            self.steps_s.append(now_s() - self._mark_s)
            self._has_gone.release()
            self._may_go.acquire()
            model.stop_training = self._over
            self._mark_s = now_s()

        self._may_go.acquire()
        watch = LambdaCallback(on_train_batch_end=after_a_batch)
        model.fit(self._images, self._labels, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[watch])


class TakesTurns(DeafSink):
    """Times our steps without the turns of the other, and leaves after `steps`."""

    def __init__(self, other: PlainFit, *, steps: int) -> None:
        self.steps_s: list[Times] = []
        self._other = other
        self._steps = steps
        self._spent_s = np.zeros(2)
        self._mark_s = now_s()

    def progress(self, phase: Phase, **facts: Any) -> None:
        if phase is Phase.TRAINING:
            ended_s = now_s()
            self.steps_s.append(self._spent_s + ended_s - self._mark_s)
            self._spent_s, self._mark_s = np.zeros(2), ended_s

    def should_stop(self) -> bool:
        if len(self.steps_s) == self._steps:
            self._other.end()
            return True
        self._spent_s += now_s() - self._mark_s
        self._other.step()
        self._mark_s = now_s()
        return False


def plain_model(spec: JobSpec) -> Any:
    from qcqueue.engines.keras_tf.models import build_model, build_optimizer

    model = build_model(spec, classes=len(CLASSES), weights_path=None, fresh=True)
    model.compile(
        optimizer=build_optimizer(spec, model),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def the_spec(model: str) -> JobSpec:
    return a_spec(
        study="bench",
        name="train",
        model=model,
        dataset="noise",
        epochs=1,
        batch_size=BATCH,
        image_size=(SIDE_PX, SIDE_PX),
        augment="flips",
    )


def pictures(count: int) -> tuple[Any, Any]:
    """Return (images, labels): the labels vary and what the pictures show does not matter to the time of a step."""
    values = np.arange(count * SIDE_PX * SIDE_PX * 3, dtype=np.uint32) * np.uint32(2654435761) >> np.uint32(24)
    labels = (np.arange(count) * len(CLASSES) // count).astype(np.int32)
    return values.astype(np.uint8).reshape(count, SIDE_PX, SIDE_PX, 3), labels


def a_dataset(images: Any, labels: Any) -> bytes:
    """Return a dataset whose training part is `images`, with one more picture to validate and one to test."""
    splits = np.array([Split.TRAIN] * len(labels) + [Split.VALIDATION, Split.TEST], np.uint8)
    everyone = np.concatenate([labels, labels[:2]]).astype(np.uint8)
    return to_bytes(
        arrange(
            names=[f"{index:06d}" for index in range(len(splits))],
            images=np.concatenate([images, images[:2]]),
            columns=(everyone, splits, np.zeros_like(splits)),
            classes=CLASSES,
            source="bench",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
