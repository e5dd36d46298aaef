"""Adds up an epoch step by step: exact sums for the history, measured seconds for the report."""

from collections.abc import Sequence

import numpy as np

from qcqueue.core.records import EpochTiming, PartialEpoch


class Tally:
    """Begins where `partial` ended; `partial()` can be taken after any step and continued from in any process."""

    def __init__(self, partial: PartialEpoch) -> None:
        self.steps_done = partial.steps_done
        self.loss_sum = partial.loss_sum
        self.correct = partial.correct
        self.seen = partial.seen
        self._train_s = partial.train_s
        self._checkpoint_s = partial.checkpoint_s
        self._first_steps_s = [*partial.first_steps_s]
        self._step_times_s = [*partial.step_times_s]

    def add_step(self, *, loss: float, correct: int, count: int, seconds: float, compiling: bool) -> None:
        """Count one step. loss is the mean over its `count` samples."""
        self.steps_done += 1
        self.loss_sum += loss * count
        self.correct += correct
        self.seen += count
        self._train_s += seconds
        (self._first_steps_s if compiling else self._step_times_s).append(seconds)

    def add_checkpoint(self, seconds: float) -> None:
        self._checkpoint_s += seconds

    @property
    def loss(self) -> float:
        return self.loss_sum / self.seen

    @property
    def accuracy(self) -> float:
        return self.correct / self.seen

    def partial(self) -> PartialEpoch:
        return PartialEpoch(
            steps_done=self.steps_done,
            loss_sum=self.loss_sum,
            correct=self.correct,
            seen=self.seen,
            train_s=self._train_s,
            checkpoint_s=self._checkpoint_s,
            first_steps_s=tuple(self._first_steps_s),
            step_times_s=tuple(self._step_times_s),
        )

    def timing(self, *, val_s: float) -> EpochTiming:
        return EpochTiming(
            train_s=self._train_s,
            val_s=val_s,
            checkpoint_s=self._checkpoint_s,
            first_step_s=sum(self._first_steps_s) if self._first_steps_s else None,
            step_s_p50=_percentile(self._step_times_s, 50),
            step_s_p95=_percentile(self._step_times_s, 95),
            step_count=self.steps_done,
        )


def _percentile(seconds: Sequence[float], percent: int) -> float | None:
    return float(np.percentile(seconds, percent)) if seconds else None
