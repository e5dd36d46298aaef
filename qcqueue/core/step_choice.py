"""How the step of a run came to be chosen: what each candidate showed when it was tried, and what came of that.

The choice is made where a run begins and stands in its identity from then on. What was measured to its end counts for
every run of the same kind on the same hardware, so it is shared through the queue by its key. Values and words alone:
who tries and who chooses is `engines`' affair.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from qcqueue.core.records import FIRST_STEP, Identity
from qcqueue.core.shaped import MOST_MEASURED, shaped
from qcqueue.core.spec import Step
from qcqueue.text.humanize import duration

Origin = Literal["measured", "shared", "spec", "short"]
"""Why a step is used: measured here, measured before on such hardware, its spec says so, or the work is too short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTrial:
    """What a process of its own showed of one candidate. Seconds are of this machine.

    compile_s: to trace and compile for one shape of a batch; step_s: the median of the steps that were timed;
    operations: how many the graph of a step has. fingerprint: as `Identity.step_fingerprint`. reason: why the candidate
    falls out, in words, None where it does not. is_cut: it was ended, or ended, before it could tell, so another time
    it may tell something else. determinism_factor: how many times as long a step takes as without determinism.
    """

    candidate: Step
    compile_s: float | None = None
    step_s: float | None = None
    operations: int | None = None
    fingerprint: str | None = None
    reason: str | None = None
    is_cut: bool = False
    determinism_factor: float | None = None

    def __post_init__(self) -> None:
        for measure in (self.compile_s, self.step_s, self.determinism_factor):
            if measure is not None and not 0 <= measure <= MOST_MEASURED:
                raise ValueError("a measure of a step is less than nothing, or without end")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChoice:
    """The step of a run, and on what ground. key: of what the choice holds for; seconds: what measuring took."""

    step: Step
    origin: Origin
    key: str = ""
    fingerprint: str | None = None
    trials: tuple[StepTrial, ...] = ()
    seconds: float = 0.0

    @property
    def is_shareable(self) -> bool:
        """Whether it holds for other runs too: it was measured, and every candidate had its time."""
        return self.origin == "measured" and bool(self.key) and not any(trial.is_cut for trial in self.trials)

    @property
    def gain(self) -> float | None:
        """How many times as long a step takes in the way of before there was a choice, None where nobody knows."""
        before, now = self._step_s(FIRST_STEP), self._step_s(self.step)
        return before / now if before and now else None

    @property
    def determinism_factor(self) -> float | None:
        """What determinism costs: how many times as long a step takes with it; None where that was not measured."""
        known = {trial.candidate: trial.determinism_factor for trial in self.trials}
        return known.get(self.step) or known.get("graph")

    @property
    def sentence(self) -> str:
        """Say what was chosen, what that gains, and why others fell out: "step fused, measured in 41.0 s: ..."."""
        said = f"step {self.step}, {self._ground}"
        if self.gain is not None and self.step != FIRST_STEP:
            before, now = self._step_s(FIRST_STEP), self._step_s(self.step)
            said += f": {_ms(now)} a step, where {FIRST_STEP} takes {_ms(before)} ({self.gain:.2f} x)"
        others = [
            f"{it.candidate} fell out: {it.reason}" if it.reason else f"{it.candidate} takes {_ms(it.step_s)}"
            for it in self.trials
            if self._is_told(it)
        ]
        if others:
            said += f"; {'; '.join(others)}"
        if (factor := self.determinism_factor) is not None:
            said += f'; determinism costs {factor:.2f} x, which determinism = "relaxed" saves'
        return said

    @property
    def _ground(self) -> str:
        match self.origin:
            case "measured":
                return f"measured in {duration(self.seconds)}"
            case "shared":
                return "as measured before on such a machine"
            case "spec":
                return "as its spec says"
            case "short":
                return "as the job is too short to measure faster ways"

    def _is_told(self, trial: StepTrial) -> bool:
        """Return whether a candidate is worth a clause beside the one that was chosen."""
        if trial.candidate == self.step:
            return False
        return trial.reason is not None or (trial.step_s is not None and trial.candidate != FIRST_STEP)

    def _step_s(self, step: str) -> float | None:
        return next((trial.step_s for trial in self.trials if trial.candidate == step), None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> "StepChoice":
        """Raises ValueError: it is none."""
        return shaped(cls, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOrder:
    """What a trainer is told, so that it need not measure, or knows what measuring is worth.

    begun_on: what the run goes on from, None where it begins. shared: what was measured before of such models. left_s:
    about how long the rest of it takes, 0 where that is not known; sessions_left: in how many sessions, this one too.
    epochs_done: how many epochs of it are saved.
    """

    begun_on: Identity | None = None
    shared: tuple[StepChoice, ...] = ()
    left_s: float = 0.0
    sessions_left: int = 1
    epochs_done: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "begun_on": self.begun_on.to_json() if self.begun_on else None,
            "shared": [choice.to_json() for choice in self.shared],
            "left_s": self.left_s,
            "sessions_left": self.sessions_left,
            "epochs_done": self.epochs_done,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StepOrder":
        """Raises ValueError: it is none."""
        return shaped(cls, dict(value))


def _ms(seconds: float | None) -> str:
    return "nothing" if seconds is None else f"{seconds * 1000:.3g} ms"
