"""What is left of a run that was killed once: a plain script, the callbacks of Keras, and qcqueue, side by side.

One small run: MobileNetV2, dropout, a seed, deterministic operations, the practice images. It is trained once
undisturbed, and in each way once with a SIGKILL in the middle of an epoch, started again as its documentation says. A
process of its own for each start; TensorFlow's rewriting of graphs is off for plain Keras, so that the script which
begins anew ends with the bits of the undisturbed run, which says that the others could. Counted are steps that were
made and had to be made again, and epochs that the history still knows at the end.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from qcqueue.clock import SystemClock

CLOCK = SystemClock()
EPOCHS, KILLED_IN, KILLED_AFTER_STEPS, SEED = 4, 3, 4, 7
WAYS = {
    "plain": "plain script, nothing saved",
    "checkpoint": "ModelCheckpoint, load_model, initial_epoch",
    "backup": "BackupAndRestore",
}
STUDY = f"""\
study = "resume"
dataset = "qc-tiny"

[defaults]
epochs = {EPOCHS}
batch_size = 8
weights = "none"
dropout = 0.3
learning_rate = 0.001
seed = {SEED}

[[job]]
model = "MobileNetV2"
"""
IMAGES = 96
LIMIT_S = 600.0


def main() -> int:
    arguments = parsed()
    if arguments.child:
        train(arguments.child, Path(arguments.folder), killed=arguments.killed)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset(folder)
        rows = []
        measures: list[Callable[[Path], dict[str, Any]]] = [*(partial(keras_row, way) for way in WAYS), qcqueue_row]
        for measure in measures:
            row = measure(folder)
            rows.append(row)
            print(
                f"{row['way']:44}  weights off by {row['weights_off']:.3g}, {row['again']:.2f} epochs trained again, "
                f"{row['history']} of {EPOCHS} epochs in the history",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0 if rows[-1]["weights_off"] == 0 else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", choices=[*WAYS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--killed", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def dataset(folder: Path) -> None:
    """Make the images for all: in a queue for qcqueue, and as arrays for the others."""
    from qcqueue.datasets.format import Split, load

    ours(folder, "init")
    ours(folder, "data", "sample", "--name", "qc-tiny", "--images", str(IMAGES))
    found = load(max((folder / "queue" / "blobs").iterdir(), key=lambda path: path.stat().st_size))
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for split in (Split.TRAIN, Split.VALIDATION):
        rows = np.flatnonzero(found.splits == split)
        arrays[f"{split.name}_images"] = found.images[rows].astype(np.float32) / 255
        arrays[f"{split.name}_labels"] = found.labels[rows]
    save_file(arrays, folder / "images.safetensors")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")


def qcqueue_row(folder: Path) -> dict[str, Any]:
    """Return how far ours ends; off by nothing where the digests of all variables and of the history are equal."""
    steps_an_epoch = len((folder / "undisturbed" / "steps").read_text()) / EPOCHS
    ours(folder, "enqueue", "study.toml")
    ours(folder, "work")
    undisturbed = shown(folder)
    ours(folder, "init", queue="cut")
    ours(folder, "data", "sample", "--name", "qc-tiny", "--images", str(IMAGES), queue="cut")
    ours(folder, "enqueue", "study.toml", queue="cut")
    reached = killed_in_the_middle(folder)
    kept = len(shown(folder, queue="cut")["epochs"])
    ours(folder, "work", queue="cut")
    cut = shown(folder, queue="cut")
    digests = [[it["result"][name] for name in ("weights_sha256", "history_sha256")] for it in (undisturbed, cut)]
    return {
        "way": "qcqueue",
        "weights_off": 0.0 if digests[0] == digests[1] else float("nan"),
        "again": reached / steps_an_epoch - kept,
        "history": len(cut["epochs"]),
    }


def killed_in_the_middle(folder: Path) -> int:
    """Kill session and trainer where the others die; return how many steps were made."""
    process = subprocess.Popen(
        command_of("work"), env=environment_of(folder, "cut"), cwd=folder, start_new_session=True
    )
    deadline_s = CLOCK.monotonic_s() + LIMIT_S
    while CLOCK.monotonic_s() < deadline_s and process.poll() is None:
        for path in (folder / "cut-cache").rglob("progress.json"):
            told = json.loads(path.read_text())
            if told["epoch"] == KILLED_IN and told["step"] >= KILLED_AFTER_STEPS:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return int((told["epoch"] - 1) * told["steps"] + told["step"])
        CLOCK.sleep(0.01)
    raise AssertionError("the session was over before it could be killed")


def shown(folder: Path, *, queue: str = "queue") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ours(folder, "show", "mobilenetv2", "--json", queue=queue))
    return found


def ours(folder: Path, *typed: str, queue: str = "queue") -> str:
    environment = environment_of(folder, queue)
    done = subprocess.run(
        command_of(*typed), env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, timeout=LIMIT_S
    )
    return done.stdout.decode()


def command_of(*typed: str) -> list[str]:
    return [sys.executable, "-m", "qcqueue", *typed]


def environment_of(folder: Path, queue: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
    return environment | {
        "QCQUEUE_CACHE": str(folder / f"{queue}-cache"),
        "QCQUEUE_STORE": f"folder:{folder / queue}",
    }


def keras_row(way: str, folder: Path) -> dict[str, Any]:
    """Return how far a run that was killed once ends from one that was not."""
    undisturbed, cut = folder / "undisturbed", folder / way
    if not undisturbed.exists():
        start("plain", folder, undisturbed)
    start(way, folder, cut, killed=True)
    start(way, folder, cut)
    steps = len((cut / "steps").read_text()) / len((undisturbed / "steps").read_text()) * EPOCHS
    history = json.loads((cut / "history.json").read_text())
    return {
        "way": WAYS[way],
        "weights_off": off(undisturbed, cut),
        "again": steps - EPOCHS,
        "history": len(history["loss"]),
    }


def start(way: str, folder: Path, at: Path, *, killed: bool = False) -> None:
    at.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--child", way, "--folder", str(at), *(["--killed"] if killed else [])]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "BENCH_IMAGES": str(folder / "images.safetensors")}
    done = subprocess.run(command, env=environment, timeout=LIMIT_S, check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == (-signal.SIGKILL if killed else 0), f"{way} ended with {done.returncode}"


def off(one: Path, other: Path) -> float:
    ours, theirs = (load_file(folder / "weights.safetensors") for folder in (one, other))
    return max(float(np.abs(ours[name].astype(np.float64) - theirs[name]).max()) for name in ours)


def train(way: str, folder: Path, *, killed: bool) -> None:
    """Train as a script would that saves in this way, or goes on from what it finds."""
    import keras
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(SEED)

    class Steps(keras.callbacks.Callback):  # type: ignore[misc]
        """Write a letter a step, which tells what was trained again, and die where that is asked for."""

        def __init__(self) -> None:
            super().__init__()
            self.epoch = 0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch + 1

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            with (folder / "steps").open("a") as file:
                file.write(".")
            if killed and self.epoch == KILLED_IN and batch + 1 == KILLED_AFTER_STEPS:
                os.kill(os.getpid(), signal.SIGKILL)

    saved, first, callbacks = folder / "model.keras", 0, [Steps()]
    model = None
    if way == "checkpoint":
        callbacks.append(keras.callbacks.ModelCheckpoint(str(saved)))
        if saved.exists():
            model, first = keras.models.load_model(saved), KILLED_IN - 1
    elif way == "backup":
        callbacks.append(keras.callbacks.BackupAndRestore(str(folder / "backup")))
    model = model or a_model(keras)
    part = load_file(os.environ["BENCH_IMAGES"])
    history = model.fit(
        part["TRAIN_images"],
        part["TRAIN_labels"],
        validation_data=(part["VALIDATION_images"], part["VALIDATION_labels"]),
        batch_size=8,
        epochs=EPOCHS,
        initial_epoch=first,
        callbacks=callbacks,
        verbose=0,
    )
    weights = {f"{at:04}": np.ascontiguousarray(it) for at, it in enumerate(model.get_weights())}
    save_file(weights, folder / "weights.safetensors")
    (folder / "history.json").write_text(json.dumps(history.history), encoding="utf-8")


def a_model(keras: Any) -> Any:
    base = keras.applications.MobileNetV2(include_top=False, weights=None, pooling="avg", input_shape=(75, 75, 3))
    answer = keras.layers.Dense(3, activation="softmax")(keras.layers.Dropout(0.3)(base.output))
    model = keras.Model(base.input, answer)
    model.compile(
        keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    return model


if __name__ == "__main__":
    sys.exit(main())
