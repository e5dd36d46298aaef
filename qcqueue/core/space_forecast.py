"""How many bytes jobs will take up in a store, computed before anything runs.

A job keeps its last two states and the model of its best epoch, each counted as if it shared nothing with another;
weights that a frozen job cannot change are kept once for all jobs that begin with the same. Always true: the forecast
is of what is kept, from parameter counts alone, so it is right to a few per cent and too high rather than too low.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from qcqueue.catalog.models import KNOWN_MODELS
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.core.spec import JobSpec

STATES_KEPT = 2
PARAMETER_BYTES = 4

# The record in a head with its history, and what the file format says of its tensors.
RECORD_BYTES = 100_000

# The versions of the queue itself that keep their bytes, and its predictions: whatever the models are.
VERSIONS_BYTES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job that is still to run. stored_bytes: what the store holds for it already, shared packs included."""

    spec: JobSpec
    classes: int
    dataset_sha256: str
    dataset_bytes: int
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceForecast:
    """studies: those the jobs belong to. all_bytes: with what is stored already; more_bytes: what has to be free."""

    jobs: int
    studies: tuple[str, ...]
    all_bytes: int
    more_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one job keeps: own_bytes for itself, shared_bytes with every job that has the same `shared`."""

    own_bytes: int
    shared: tuple[str, str, str] | None = None
    shared_bytes: int = 0


NOTHING = Need(own_bytes=0)


def forecast(jobs: Sequence[Planned]) -> SpaceForecast:
    """Add up what jobs will keep. One whose model this version does not know counts as nothing."""
    needs = [(job, need_of(job.spec, classes=job.classes)) for job in jobs]
    shared = {need.shared: need.shared_bytes for _, need in needs if need.shared}
    # Whoever has saved once has stored what it shares.
    stored = {need.shared for job, need in needs if need.shared and job.stored_bytes >= need.shared_bytes}
    datasets = {job.dataset_sha256: job.dataset_bytes for job in jobs}
    more = sum(_still(job, need) for job, need in needs) + sum(
        size for key, size in shared.items() if key not in stored
    )
    kept = sum(need.own_bytes for _, need in needs) + sum(shared.values()) + sum(datasets.values())
    versions = VERSIONS_BYTES if jobs else 0
    return SpaceForecast(
        jobs=len(jobs),
        studies=tuple(dict.fromkeys(job.spec.study for job in jobs)),
        all_bytes=kept + versions,
        more_bytes=more + versions,
    )


def need_of(spec: JobSpec, *, classes: int) -> Need:
    """Return what a job keeps once it has saved twice."""
    facts = KNOWN_MODELS.get(spec.model)
    if facts is None:
        return NOTHING
    head = (facts.features + 1) * classes
    if spec.trainable == "head":
        return Need(
            own_bytes=_kept_bytes(spec, model=head, moved=head),
            shared=(spec.model, spec.weights, spec.weights_sha256 or str(spec.seed if spec.weights == "none" else "")),
            shared_bytes=facts.base_parameters * PARAMETER_BYTES,
        )
    return Need(own_bytes=_kept_bytes(spec, model=facts.base_parameters + head, moved=facts.base_trainable + head))


def _kept_bytes(spec: JobSpec, *, model: int, moved: int) -> int:
    """model, moved: parameters of the model, and those of them that the optimizer moves."""
    model_bytes = model * PARAMETER_BYTES
    state_bytes = model_bytes + OPTIMIZERS[spec.optimizer].slots * moved * PARAMETER_BYTES + RECORD_BYTES
    return STATES_KEPT * state_bytes + model_bytes


def _still(job: Planned, need: Need) -> int:
    own_stored = job.stored_bytes - need.shared_bytes if job.stored_bytes >= need.shared_bytes else job.stored_bytes
    return max(0, need.own_bytes - own_stored)
