"""Views of a session that is in the middle of its work, as the block gets them."""

from dataclasses import replace
from typing import Any

from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochMetrics
from qcqueue.spool.files import TrainerProgress
from qcqueue.worker.committer import Saved
from qcqueue.worker.machine import Machine
from qcqueue.worker.view import View

NOW_S = 1_764_000_000.0
TESLA = Machine(id="m1", host="colab", processor="Tesla T4", has_gpu=True, threads=2)


def progress(phase: Any = "training", *, epoch: int = 3, step: int = 34, steps: int = 69) -> TrainerProgress:
    return TrainerProgress(
        phase=Phase(phase), epoch=epoch, epochs=100, step=step, steps=steps, loss=0.4321, accuracy=0.875
    )


def saved(epochs_done: int = 2, steps_done: int = 0) -> Saved:
    return Saved(epochs_done=epochs_done, steps_done=steps_done, at_s=NOW_S - 180)


def an_epoch(epoch: int, *, val_accuracy: float = 0.5) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch, loss=0.5, accuracy=0.5, val_loss=0.5, val_accuracy=val_accuracy, learning_rate=0.001
    )


def a_view(**changes: Any) -> View:
    """A session in the third epoch of a hundred, with two of them saved three minutes ago."""
    view = View(
        job_name="six-models/vgg16",
        attempt=4,
        resumed="goes on after epoch 1",
        progress=progress(),
        transfer=None,
        written=None,
        saved=saved(),
        waiting_for=None,
        epoch_s=41.0,
    )
    return replace(view, **changes)
