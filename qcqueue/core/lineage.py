"""Where a run that has begun may go on, by the `lineage` of its spec: decided here, on names and identities alone.

A session knows no more than what the system calls its machine; the trainer knows what TensorFlow computes on. So a
session passes over what surely is another machine, and the trainer has the last word, before it trains a step.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from qcqueue.core.records import FIRST_STEP, Identity
from qcqueue.core.spec import JobSpec, Lineage
from qcqueue.text.humanize import listed

# Words that one source puts into the name of a device and the other leaves out.
_SAY_NOTHING = frozenset({"nvidia", "gpu"})
_SPELT: Mapping[str, str] = {
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "cudnn_loaded": "loaded cuDNN",
}


def is_same_kind(one: str, other: str) -> bool:
    """Return whether two names may be those of one kind of processor.

    The driver's name and TensorFlow's can differ in a word (`NVIDIA A100-SXM4-40GB`, `A100-SXM4-40GB`), never in two
    ways. A name that says nothing is like any other: it is no reason to leave a job alone.
    """
    mine, theirs = _words(one), _words(other)
    return mine <= theirs or theirs <= mine


def obstacle(spec: JobSpec, begun_on: Identity | None, processors: Sequence[str]) -> str | None:
    """Return why a session should not take this job, None where it may try.

    begun_on: None for a run that has not begun; processors: what a trainer may compute on here, the likelier first.
    """
    if spec.lineage != "same" or begun_on is None or any(is_same_kind(begun_on.processor, it) for it in processors):
        return None
    return _elsewhere(begun_on.processor, processors[0])


def refusal(lineage: Lineage, begun_on: Identity, here: Identity) -> str | None:
    """Return why a run may not go on here, None where it may; said by who knows all of both identities."""
    if lineage == "same" and not is_same_kind(begun_on.processor, here.processor):
        return _elsewhere(begun_on.processor, here.processor)
    if lineage == "refuse" and (changed := begun_on.differences(here)):
        what = listed([_change(name, begun_on, here) for name in changed])
        return f'its spec says lineage = "refuse", and this machine has {what}'
    return None


def bound_to(lineage: Lineage, begun_on: Identity) -> str | None:
    """Return what a run that has begun must find to go on, None where any machine will do."""
    if lineage == "any":
        return None
    if lineage == "same":
        return _a(begun_on.processor)
    built_with = [f"{_SPELT[name]} {value}" for name in ("cuda", "cudnn") if (value := getattr(begun_on, name))]
    return f"a machine exactly like that of before ({listed([begun_on.processor, *software(begun_on), *built_with])})"


def software(identity: Identity) -> tuple[str, ...]:
    """Return what a run was computed with, each with its version: "TensorFlow 2.20.0", "Keras 3.13.2"."""
    return tuple(f"{_spelt(name)} {version}" for name, version in identity.versions.items())


def computation(spec: JobSpec, identities: Sequence[Identity]) -> str:
    """Return how the steps of a run are computed: "step fused, precision float32, TF32 on"."""
    steps = list(dict.fromkeys(it.step or FIRST_STEP for it in identities)) or [spec.step]
    return f"step {listed(steps, last='then')}, precision {spec.precision}, TF32 {'on' if spec.tf32 else 'off'}"


def _elsewhere(began: str, here: str) -> str:
    return f"it goes on only on {_a(began)}, and this machine has {_a(here)}"


def _change(name: str, begun_on: Identity, here: Identity) -> str:
    now, before = getattr(here, name), getattr(begun_on, name)
    if name == "step":
        return f"{_a(now or FIRST_STEP)} step instead of {before or FIRST_STEP}"
    if name == "step_fingerprint":
        return f"steps that end in other bits (fingerprint {now[:8]} instead of {before[:8]})"
    if name == "tf32":
        return f"TF32 {'on' if now else 'off'} instead of {'on' if before else 'off'}"
    what = getattr(here, name.removesuffix("_version")) if name in ("framework_version", "library_version") else name
    return f"{_spelt(what)} {_shown(now)} instead of {_shown(before)}"


def _spelt(name: str) -> str:
    return _SPELT.get(name, name.replace("_", " "))


def _shown(value: object) -> str:
    return "none" if value == "" else str(value)


def _a(processor: str) -> str:
    return f"{'an' if processor[:1] in 'AEINOx' else 'a'} {processor}"


@lru_cache(maxsize=256)
def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9.]+", name.casefold())) - _SAY_NOTHING
