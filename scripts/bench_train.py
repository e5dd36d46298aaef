"""Seconds per training step of qcqueue's trainer over those of plain `model.fit`.

What is compared, and how it is kept fair:
- one process for each model, with the same threads, op determinism and `jit_compile=False`, and in it two copies of
  the same network and optimizer over the same uint8 images of 75x75 in memory, preprocessed in the graph;
- plain: `fit(images, labels, shuffle=False, verbose=0)`, with a callback that reads the clock at the end of each
  batch; ours: `training.run` as a job runs it, with its order, progress reports and questions whether to stop, and
  with flips on, which `fit` is spared;
- one round is one epoch of each, in turn; the first, in which both trace, does not count. A round's figure is the
  median of its steps. Of `fit` the first step of an epoch is left out, because it waits for the new iterator;
- no save and no validation falls into either window, and neither does what `fit` loses at the end of an epoch.

The machine's load moves both sides of a round alike, so what counts is the median of the rounds' ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from qcqueue.clock import SystemClock
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split, arrange, to_bytes
from qcqueue.training.base import Assignment

CLOCK = SystemClock()
TARGET = 1.02
CLASSES = ("good", "fair", "reject")
BATCH = 32
SIDE_PX = 75


def main() -> int:
    arguments = parsed()
    if arguments.child:
        print(json.dumps(measure(arguments.models[0], arguments)))
        return 0
    rows = [in_a_child(model, arguments) for model in arguments.models]
    print(f"{'':20}{'ours s':>9}{'fit s':>9}{'ratio':>8}{'of rounds':>16}   (wanted: ratio at most {TARGET})")
    for row in rows:
        spread = f"{min(row['ratios']):.3f}..{max(row['ratios']):.3f}"
        print(f"{row['model']:20}{row['ours_s']:9.4f}{row['fit_s']:9.4f}{row['ratio']:8.3f}{spread:>16}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"schema_version": 1, "target": TARGET, "models": rows}, indent=2) + "\n")
    return 0 if all(row["ratio"] <= TARGET for row in rows) else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare qcqueue's training step with that of plain model.fit.")
    parser.add_argument("models", nargs="*", default=["DenseNet121", "VGG16"], metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="training steps a round (default 8)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_a_child(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own: threads and determinism can be set once in the life of one."""
    print(f"{model}: both trace, then {arguments.rounds} rounds of {arguments.steps} steps each", file=sys.stderr)
    numbers = [f"--{name}={getattr(arguments, name)}" for name in ("rounds", "steps", "threads")]
    command = [sys.executable, __file__, "--child", *numbers, model]
    child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    row: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return row


def measure(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one job; at the end of each of its epochs the sink lets plain fit run one."""
    from qcqueue.training.run import train

    spec = a_spec(model, epochs=arguments.rounds + 2)  # it is left before the last, so nothing is evaluated
    images, labels = pictures(arguments.steps * BATCH)
    rounds = Rounds(spec, images, labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset"
        path.write_bytes(a_dataset(images, labels))
        assignment = Assignment(
            spec=spec, dataset_path=path, weights_path=None, threads=arguments.threads, resume_from=None, best=dict
        )
        train(assignment, rounds, CLOCK)
    counted = [pair for pair in rounds.pairs if None not in pair][1:]
    ratios = [ours / fit for ours, fit in counted]
    return {
        "model": model,
        "ours_s": statistics.median(ours for ours, _ in counted),
        "fit_s": statistics.median(fit for _, fit in counted),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


class Rounds:
    """A sink that keeps nothing. Its pairs are the seconds of a median step, (ours, fit), one of each epoch."""

    def __init__(self, spec: JobSpec, images: Any, labels: Any) -> None:
        self.pairs: list[tuple[Any, float]] = []
        self._spec = spec
        self._images, self._labels = images, labels
        self._plain: Any = None

    def progress(self, phase: str, **facts: Any) -> None: ...

    def should_stop(self) -> bool:
        return len(self.pairs) == self._spec.epochs - 1

    def save(self, snapshot: object) -> None: ...

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool) -> None:
        self._plain = self._plain or plain_model(self._spec)
        self.pairs.append((timing.step_s_p50, fit_once(self._plain, self._images, self._labels)))

    def finished(self, result: object, predictions: object) -> None: ...


def fit_once(model: Any, images: Any, labels: Any) -> float:
    """Return the seconds of a median step of one epoch of plain fit."""
    from keras.callbacks import LambdaCallback

    ends_s: list[float] = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: ends_s.append(CLOCK.monotonic_s()))
    model.fit(images, labels, batch_size=BATCH, shuffle=False, epochs=1, verbose=0, callbacks=[watch])
    return statistics.median(np.diff(ends_s).tolist())


def plain_model(spec: JobSpec) -> Any:
    from qcqueue.training.models import build_model, build_optimizer

    model = build_model(spec, classes=len(CLASSES), weights_path=None, fresh=True)
    model.compile(
        optimizer=build_optimizer(spec, model),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def a_spec(model: str, *, epochs: int) -> JobSpec:
    return JobSpec(
        study="bench",
        name="train",
        model=model,
        dataset="noise",
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=1e-4,
        optimizer="adam",
        image_size=(SIDE_PX, SIDE_PX),
        weights="none",
        weights_sha256=None,
        trainable="all",
        augment="flips",
        dropout=0.0,
        determinism="exact",
        device="any",
        seed=1,
        early_stopping=0,
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
