"""`drill`: prove that a run cut by SIGKILLs ends with the bits of one that was never cut.

Each job is run twice in queues of its own: once undisturbed in a folder of this machine, once killed again and again
in the store that is asked for. The digests of the contract are compared, and more; what came of it is a certificate.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from qcqueue.app.context import QueueContext, context_in, create_store, open_context
from qcqueue.app.datasets import add_patterns, add_sample
from qcqueue.app.settings import load_settings
from qcqueue.app.studies import read_specs
from qcqueue.catalog.studies import PATTERNS, PRACTICE_SETS, images_for
from qcqueue.clock import Rng, seeded
from qcqueue.core.spec import JobSpec
from qcqueue.drill.certificate import Certificate, certify
from qcqueue.drill.kill_points import draw_aim, run_and_kill
from qcqueue.drill.kills import MOMENTS, Kill, KillPoint
from qcqueue.drill.scratch_queue import ScratchQueue, copy_dataset, finish, make_scratch_queue, pin_step, room_for
from qcqueue.errors import DrillFailed, UnknownName
from qcqueue.queue.datasets import find_dataset, list_datasets
from qcqueue.queue.sessions import accounts_of, session_lines
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.stores.base import Blob
from qcqueue.stores.registry import scheme_of
from qcqueue.text.humanize import iso

IN_A_FOLDER = "folder:"

# In how many lives the trainer is told to save within epochs, and how often: in the middle, or after every step.
SHARE_WITHIN = 0.7
EVERY_STEP = 100_000
SAVES_WITHIN = (2, EVERY_STEP, EVERY_STEP)


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

    store: where the run that is killed keeps its queue, None for a folder below `folder`. Datasets come from the queue
    the settings name; a practice set that is missing there is made. What is made elsewhere is removed.
    Raises: SpecInvalid, SettingInvalid, UnknownName, StoreError, DrillFailed.
    """
    source = context_in(folder / "source", cache=folder / "cache")
    create_store(folder / "source")
    found = read_specs(source, [file], overrides=overrides)
    for spec in chosen_from(found.specs, only, file, hint=f"qcqueue drill {file}"):
        dataset = bring_dataset(source, spec.dataset, narrate=narrate)
        home = folder / spec.name
        attached = {blob: title for blob, title in found.attached.items() if blob.sha256 in spec.attachments.values()}
        yield drill_job(
            source, spec, dataset, attached, store=store, kills=kills, seed=seed, folder=home, narrate=narrate
        )
        shutil.rmtree(home)


def chosen_from(specs: Sequence[JobSpec], only: str | None, file: Path, *, hint: str) -> list[JobSpec]:
    """Return the jobs of a file that a command is to deal with: that of a name, or all. Raises: UnknownName."""
    chosen = [spec for spec in specs if only is None or only.lower() in (spec.name, spec.full_name)]
    if not chosen:
        names = " or ".join(spec.name for spec in specs)
        raise UnknownName(f"{file} has no job {only!r}; it can be {names}", hint=hint)
    return chosen


def bring_dataset(source: QueueContext, name: str, *, narrate: Callable[[str], None]) -> DatasetLine:
    """Return the dataset in `source`, copied from the user's queue or made, if it was not there yet."""
    with source.read() as tx:
        if name in {line.name for line in list_datasets(tx)}:
            return find_dataset(tx, name)
    settings = load_settings()
    if settings.store is not None:
        users = open_context(settings)
        with users.read() as tx:
            known = {line.name: line for line in list_datasets(tx)}
        if name in known:
            return copy_dataset(users, source, known[name])
    if name not in PRACTICE_SETS:
        raise UnknownName(f"there is no dataset {name!r}", hint=images_for(name))
    narrate(f"making the practice images {name}")
    images = PRACTICE_SETS[name].images
    if name == PATTERNS:
        return add_patterns(source, name, images=images, seed=1)[0]
    return add_sample(source, name, images=images, seed=1, progress=lambda done, total: None)[0]


def drill_job(
    source: QueueContext,
    spec: JobSpec,
    dataset: DatasetLine,
    attached: Mapping[Blob, str] = {},
    *,
    store: str | None = None,
    kills: int,
    seed: int,
    folder: Path,
    narrate: Callable[[str], None],
) -> Certificate:
    """Run one job undisturbed and once with `kills` SIGKILLs, and compare.

    Raises: DrillFailed: a run did not finish for another reason than the kills. SettingInvalid, StoreError.
    """
    store = store or IN_A_FOLDER
    with (
        room_for(store, cache=folder / "cut", narrate=narrate) as place,
        room_for(IN_A_FOLDER, cache=folder / "undisturbed", narrate=narrate) as quiet,
    ):
        victim = make_scratch_queue(source, spec, dataset, place, attached)
        reference = make_scratch_queue(source, spec, dataset, quiet, attached)
        narrate(f"{spec.full_name}: undisturbed run")
        finish(reference)
        expected = reference.detail()
        pin_step(victim, expected)
        done = kill_sessions(victim, kills=kills, seed=seed, epochs=expected.line.epochs_done, narrate=narrate)
        in_attempts = victim.detail().line.attempts
        narrate(f"{spec.full_name}: last life, to the end")
        finish(victim)
        with victim.queue.read() as tx:
            goodput = accounts_of(session_lines(tx)).jobs.get(victim.job)
        return certify(
            expected,
            victim.detail(),
            kills=done,
            kills_in_attempts=in_attempts,
            seed=seed,
            store=scheme_of(store),
            goodput=goodput,
            version=version("qcqueue"),
            made_at=iso(victim.queue.clock.now_s()),
        )


def kill_sessions(
    scratch: ScratchQueue, *, kills: int, seed: int, epochs: int, narrate: Callable[[str], None]
) -> tuple[Kill, ...]:
    """Run sessions on the job and SIGKILL each, `kills` times. epochs: how many the job has until its end.

    They are spread over the whole run: a life that comes when it is ahead of them is cut before it trains an epoch.
    """
    rng = seeded(seed)
    done: list[Kill] = []
    while len(done) < kills:
        aim = _next_aim(rng, scratch, done, kills=kills, epochs=epochs)
        saves = _saves_per_epoch(rng, aim)
        kill = run_and_kill(scratch.place, aim, rng=rng, clock=scratch.queue.clock, saves_per_epoch=saves)
        if kill is None:
            raise DrillFailed(f"{scratch.job} ended before its {len(done) + 1}. kill: {scratch.detail().line.state}")
        done.append(kill)
        narrate(f"{scratch.job}: kill {len(done)} of {kills}, {kill.moment}, after {kill.after_s:.1f} s")
    return tuple(done)


def _next_aim(rng: Rng, scratch: ScratchQueue, done: Sequence[Kill], *, kills: int, epochs: int) -> KillPoint:
    trained = _epochs_trained(scratch.detail())
    return draw_aim(
        rng,
        Counter(kill.moment for kill in done),
        Counter(kill.aimed for kill in done),
        is_ahead=trained * kills > (epochs - 1) * len(done),
        is_trained=trained >= epochs,
        is_last=len(done) == kills - 1 and kills >= len(MOMENTS),  # of a few, none is kept for the very end
    )


def _epochs_trained(detail: JobDetail) -> float:
    """Return how far the newest save is, in epochs."""
    if not detail.checkpoints:
        return 0.0
    newest, steps = detail.checkpoints[-1], max((epoch.timing.step_count for epoch in detail.epochs), default=0)
    return newest.epochs_done + (newest.steps_done / steps if steps else 0.0)


def _saves_per_epoch(rng: Rng, aim: KillPoint) -> int | None:
    """Return how often the trainer of a life is to save within an epoch, None where the session decides."""
    is_within, saves = rng.random() < SHARE_WITHIN and aim != "between steps", rng.choice(SAVES_WITHIN)
    return saves if is_within or aim == "after a save within an epoch" else None
