"""Which way to compute a step is worth its price: decided on numbers alone, without any framework.

A run goes on with the step it began with. One that begins takes what its spec says, or else what was measured on such a
machine before, or else what is measured now, if enough is left to be worth that. Always true: the same trials and the
same remaining work give the same choice, and where nothing is known it is the step of before there was a choice.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from qcqueue.core.lineage import refusal
from qcqueue.core.records import Identity
from qcqueue.core.spec import JobSpec, Step
from qcqueue.core.step_choice import StepChoice, StepOrder, StepTrial
from qcqueue.text.canonical_json import digest_of

ON_A_CPU: tuple[Step, ...] = ("graph", "fused")
ON_A_GPU: tuple[Step, ...] = ("graph", "fused", "xla")
"""The candidates, the simplest first: of two that cost the same it is taken."""

MOST_S = 60.0
MOST_SHARE = 0.02
"""What measuring may take: so many seconds, and this part of what is left to do."""
LEAST_S = 10.0
"""In less no process has loaded its libraries and made a step."""

# Switches of what a step is compiled with and runs on; what only says how much is printed is none of them.
_SWITCHES = ("TF_", "XLA_", "CUDA_", "CUDNN_", "NVIDIA_TF32", "ONEDNN_")
_NO_SWITCHES = ("TF_CPP_", "CUDA_CACHE_", "CUDA_VISIBLE_", "CUDA_DEVICE_ORDER")

# What of a spec decides how long a step takes.
_OF_THE_SPEC = (
    *("model", "image_size", "batch_size", "trainable", "optimizer", "augment", "dropout"),
    *("determinism", "precision", "tf32"),
)
# What of an identity does not, or is not known before the GPU is touched.
_NOT_OF_THE_MACHINE = frozenset(
    {"python", "numpy", "driver", "cudnn_loaded", "step", "step_fingerprint", "memory_limit", "tf32", "deterministic"}
)


def switches(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the settings in an environment that decide how TensorFlow compiles and computes."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_SWITCHES) and not name.startswith(_NO_SWITCHES)
    }


def key_of(spec: JobSpec, here: Identity, flags: Mapping[str, str]) -> str:
    """Return the digest of all that a choice holds for: what is computed, where, and with what."""
    machine = {name: it for name, it in asdict(here).items() if name not in _NOT_OF_THE_MACHINE}
    computed = {name: getattr(spec, name) for name in _OF_THE_SPEC} | {"image_size": list(spec.image_size)}
    return digest_of({"spec": computed, "machine": machine, "flags": dict(flags)})


def inherited(order: StepOrder, spec: JobSpec, here: Identity) -> str | None:
    """Return the step of a run that goes on here in its lineage, or will be refused; None where one begins."""
    begun_on = order.begun_on
    if begun_on is None:
        return None
    step = begun_on.step or "graph"
    before = replace(begun_on, step=None, step_fingerprint=None)
    return step if not before.differences(here) or refusal(spec.lineage, before, here) else None


def known(order: StepOrder, spec: JobSpec, key: str) -> StepChoice | None:
    """Return the step of a run that begins, where nothing has to be measured for it; None where that is worth it."""
    if spec.step != "auto":
        return StepChoice(step=spec.step, origin="spec", key=key)
    for choice in order.shared:
        if choice.key == key:
            return replace(choice, origin="shared") if choice.origin == "measured" else choice
    if budget_s(order.left_s) < LEAST_S:
        return StepChoice(step="graph", origin="short", key=key)
    return None


def budget_s(left_s: float) -> float:
    """Return how long measuring may take where so many seconds of work are left."""
    return min(MOST_S, MOST_SHARE * left_s)


def choose(trials: Sequence[StepTrial], *, steps_left: int, shapes: int, sessions_left: int) -> Step:
    """Return the candidate with which the rest is done soonest; "graph" where none has shown what it takes.

    shapes: how many sizes of a batch there are; each is compiled for itself, and anew in each session.
    """

    def rest_s(trial: StepTrial) -> float:
        assert trial.step_s is not None, "one that shows nothing is no candidate"
        return (trial.compile_s or 0.0) * shapes * sessions_left + steps_left * trial.step_s

    fit = [trial for trial in trials if trial.reason is None and trial.step_s is not None]
    simplest_first = sorted(fit, key=lambda trial: ON_A_GPU.index(trial.candidate))
    return min(simplest_first, key=rest_s).candidate if simplest_first else "graph"
