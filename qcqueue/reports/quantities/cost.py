"""What accuracy costs, and what the time went into that machines were held for a job. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from qcqueue.core.goodput import PartGroup
from qcqueue.queue.sessions import Accounts
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.text.humanize import MINUTE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The validation accuracy, 0..1, that a run had reached after so many minutes of training, all epochs together."""

    epoch: int
    minutes: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """One job. curve is over its official epochs: their training, validation and checkpoints, and nothing else.

    seconds tells what machines were held for, by group of parts, with zeros, and adds up to held_s; both are None where
    no session has written down its time. That of a session outside its attempts, such as its boot, is of no single job.
    """

    job: str
    label: str
    curve: tuple[Spent, ...]
    held_s: float | None
    seconds: Mapping[PartGroup, float] | None


def spending_of(models: Sequence[ModelFigures], accounts: Accounts | None) -> tuple[Spending, ...]:
    """Return what each model cost, in their order."""
    held = accounts.jobs if accounts else {}
    return tuple(
        Spending(
            job=model.name,
            label=model.label,
            curve=_curve(model),
            held_s=held[model.name].held_s if model.name in held else None,
            seconds=held[model.name].by_group() if model.name in held else None,
        )
        for model in models
    )


def _curve(model: ModelFigures) -> tuple[Spent, ...]:
    timings = [epoch.timing for epoch in model.epochs]
    spent_s = accumulate(timing.train_s + timing.val_s + timing.checkpoint_s for timing in timings)
    return tuple(
        Spent(epoch=epoch.metrics.epoch, minutes=so_far_s / MINUTE_S, val_accuracy=epoch.metrics.val_accuracy)
        for epoch, so_far_s in zip(model.epochs, spent_s, strict=True)
    )
