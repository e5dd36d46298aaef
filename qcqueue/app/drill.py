"""`drill`: prove that a run cut by SIGKILLs ends with the bits of one that was never cut.

Each job is run twice in queues of its own: once undisturbed, once with its plug pulled again and again. The
digests of the contract are compared. The certificate says what was compared, on what, and every kill.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qcqueue.app.datasets import add_sample
from qcqueue.app.plug import Kill, Place, draw_moment, run_and_kill, run_session
from qcqueue.app.settings import load_settings
from qcqueue.app.studies import read_specs
from qcqueue.app.workplace import Workplace, create_store, open_workplace, workplace_in
from qcqueue.clock import seeded
from qcqueue.core.records import Identity
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.core.words import count
from qcqueue.errors import DrillFailed, UnknownName
from qcqueue.queue.datasets import add_dataset, find_dataset, list_datasets
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.queries import job_detail
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.storage.base import Blob

# Practice sets a drill can make by itself, and how many images each has.
SAMPLES: Mapping[str, int] = {"qc-tiny": 96, "qc-images": 3236}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What one drill has shown. interruptions is what the queue recorded, kills what was done to it."""

    job: str
    spec_sha256: str
    dataset_sha256: str
    seed: int
    kills: tuple[Kill, ...]
    kills_in_attempts: int
    interruptions: int
    identity: Identity
    undisturbed: dict[str, str]
    cut: dict[str, str]

    @property
    def is_equal(self) -> bool:
        """Whether every digest agrees and every kill inside an attempt was recorded as an interruption."""
        return self.undisturbed == self.cut and self.interruptions == self.kills_in_attempts

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "equal": self.is_equal}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A queue of its own for one run of one job."""

    place: Place
    queue: Workplace
    job: str

    def detail(self) -> JobDetail:
        with self.queue.read() as tx:
            return job_detail(tx, self.job)


def drill_file(
    file: Path,
    *,
    overrides: Sequence[str],
    only: str | None,
    store: str | None,
    kills: int,
    seed: int,
    folder: Path,
    narrate: Callable[[str], None],
) -> Iterator[Certificate]:
    """Drill the jobs of a study file one after the other; yield each certificate as soon as it is there.

    Datasets come from the queue the settings name; a practice set that is missing there is made. Nothing is
    written outside `folder`. Raises: SpecInvalid, UnknownName, DrillFailed.
    """
    source = workplace_in(folder / "source", cache=folder / "cache")
    create_store(folder / "source")
    specs, stored = read_specs(source, [file], overrides=overrides)
    chosen = [spec for spec in specs if only is None or only.lower() in (spec.name, spec.full_name)]
    if not chosen:
        names = " or ".join(spec.name for spec in specs)
        raise UnknownName(f"{file} has no job {only!r}; it can be {names}", hint=f"qcqueue drill {file}")
    for spec in chosen:
        dataset = _bring_dataset(source, spec.dataset, store=store, narrate=narrate)
        home = folder / spec.name
        weights = [blob for blob in stored if blob.sha256 == spec.weights_sha256]
        yield drill_job(source, spec, dataset, weights, kills=kills, seed=seed, folder=home, narrate=narrate)
        shutil.rmtree(home)


def _bring_dataset(source: Workplace, name: str, *, store: str | None, narrate: Callable[[str], None]) -> DatasetLine:
    """Return the dataset in `source`, copied from the user's queue or made, if it was not there yet."""
    with source.read() as tx:
        if name in {line.name for line in list_datasets(tx)}:
            return find_dataset(tx, name)
    settings = load_settings(store=store)
    if settings.store is not None:
        users = open_workplace(settings)
        with users.read() as tx:
            known = {line.name: line for line in list_datasets(tx)}
        if name in known:
            return _copy_dataset(users, source, known[name])
    if name not in SAMPLES:
        raise UnknownName(f"there is no dataset {name!r}", hint=f"qcqueue data add PATH --name {name}")
    narrate(f"making the practice images {name}")
    return add_sample(source, name, images=SAMPLES[name], seed=1, progress=lambda done, total: None)[0]


def _copy_dataset(source: Workplace, target: Workplace, dataset: DatasetLine) -> DatasetLine:
    blob = _copy(source, target, dataset.blob)
    now_s = target.clock.now_s()
    target.transact(lambda tx: add_dataset(tx, dataset.name, blob, dataset.summary, who="drill", now_s=now_s))
    return dataset


def drill_job(
    source: Workplace,
    spec: JobSpec,
    dataset: DatasetLine,
    weights: Sequence[Blob] = (),
    *,
    kills: int,
    seed: int,
    folder: Path,
    narrate: Callable[[str], None],
) -> Certificate:
    """Run one job undisturbed and once with `kills` SIGKILLs, in queues below `folder`, and compare.

    Raises: DrillFailed: a run did not finish for another reason than the kills.
    """
    reference = make_ring(source, spec, dataset, folder / "undisturbed", weights)
    narrate(f"{spec.full_name}: undisturbed run")
    finish(reference)
    victim = make_ring(source, spec, dataset, folder / "cut", weights)
    done_to_it = pull_plugs(victim, kills=kills, seed=seed, narrate=narrate)
    in_attempts = victim.detail().line.attempts
    narrate(f"{spec.full_name}: last life, to the end")
    finish(victim)
    return certify(reference.detail(), victim.detail(), kills=done_to_it, kills_in_attempts=in_attempts, seed=seed)


def ran_on(identity: Identity) -> str:
    """Say on what a run was computed, for a certificate."""
    return (
        f"{identity.processor}, {identity.instruction_set}, {count(identity.threads, 'thread')}, "
        f"TensorFlow {identity.tensorflow}, Keras {identity.keras}"
    )


def pull_plugs(ring: Ring, *, kills: int, seed: int, narrate: Callable[[str], None]) -> tuple[Kill, ...]:
    """Run sessions on the job and SIGKILL each, `kills` times."""
    rng = seeded(seed)
    done: list[Kill] = []
    while len(done) < kills:
        kill = run_and_kill(ring.place, draw_moment(rng), rng=rng, clock=ring.queue.clock)
        if kill is None:
            raise DrillFailed(f"{ring.job} ended before its {len(done) + 1}. kill: {ring.detail().line.state}")
        done.append(kill)
        narrate(f"{ring.job}: kill {len(done)} of {kills}, {kill.moment}, after {kill.after_s:.1f} s")
    return tuple(done)


def certify(
    undisturbed: JobDetail, cut: JobDetail, *, kills: tuple[Kill, ...], kills_in_attempts: int, seed: int
) -> Certificate:
    """Compare two finished runs of one spec."""
    return Certificate(
        job=cut.line.name,
        spec_sha256=cut.spec.digest,
        dataset_sha256=cut.dataset_sha256,
        seed=seed,
        kills=kills,
        kills_in_attempts=kills_in_attempts,
        interruptions=cut.line.interruptions,
        identity=cut.epochs[-1].identity,
        undisturbed=_digests(undisturbed),
        cut=_digests(cut),
    )


def make_ring(
    source: Workplace, spec: JobSpec, dataset: DatasetLine, folder: Path, weights: Sequence[Blob] = ()
) -> Ring:
    """Make a queue below `folder` that holds this one job, with its dataset and weights file from `source`."""
    place = Place(store=folder / "store", cache=folder / "cache")
    place.store.mkdir(parents=True)
    create_store(place.store)
    queue = workplace_in(place.store, cache=place.cache)
    _copy_dataset(source, queue, dataset)
    copied = [_copy(source, queue, blob) for blob in weights]
    now_s = queue.clock.now_s()
    queue.transact(lambda tx: enqueue(tx, [spec], weights=copied, who="drill", now_s=now_s))
    return Ring(place=place, queue=queue, job=spec.full_name)


def finish(ring: Ring) -> None:
    """Run sessions, undisturbed, until the job is done. Raises: DrillFailed."""
    code = run_session(ring.place)
    line = ring.detail().line
    if line.state is not State.DONE:
        raise DrillFailed(f"{ring.job} did not finish (exit {code}): {line.failure_message or line.state}")


def _copy(source: Workplace, target: Workplace, blob: Blob) -> Blob:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blob"
        source.store.fetch(blob, path)
        return target.store.put(path)


def _digests(detail: JobDetail) -> dict[str, str]:
    result = detail.result
    assert result is not None, "certified runs are finished"
    return {
        "weights_sha256": result.last.weights_sha256,
        "history_sha256": result.history_sha256,
        "predictions_sha256": result.last.predictions_sha256,
        "best_weights_sha256": result.best.weights_sha256,
        "best_predictions_sha256": result.best.predictions_sha256,
    }
