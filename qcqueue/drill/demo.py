"""`demo`: the whole story in ten minutes, or with toys in seconds, without an account.

It makes sample images, enqueues some models at toy size, kills sessions on every one of them at another moment, lets
the queue finish, proves on one model that the killed run equals an undisturbed one, and writes the report. Everything
happens in one folder, which a second run replaces.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from qcqueue.app.context import QueueContext, context_in, create_store
from qcqueue.app.datasets import Progress, add_patterns, add_sample
from qcqueue.app.report import report_on
from qcqueue.catalog.models import STUDIED_MODELS
from qcqueue.catalog.studies import PATTERNS, PRACTICE_SETS, study_text
from qcqueue.clock import seeded
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.core.study import parse_study
from qcqueue.drill.certificate import Certificate, certify
from qcqueue.drill.kill_points import SessionSetup, run_and_kill, run_session
from qcqueue.drill.kills import Kill, KillPoint
from qcqueue.drill.scratch_queue import finish, make_scratch_queue, pin_step, room_for
from qcqueue.engines.toy import VARIABLE
from qcqueue.errors import DrillFailed, ExtraMissing, UserError
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.sessions import accounts_of, session_lines
from qcqueue.queue.values import DatasetLine
from qcqueue.text.humanize import iso
from qcqueue.worker.machine import can_train

MARKER = "this folder was made by qcqueue demo"
DATASET = "qc-tiny"
SEED = 1

# When sessions are killed that work on the first job of the queue, on its second, and so on; costly start-ups early.
# The first job is the one that is proven.
PLAN: tuple[tuple[KillPoint, ...], ...] = (
    ("inside a checkpoint", "between steps"),
    ("inside a commit",),
    ("in validation",),
    ("between steps",),
    ("while compiling",),
    ("at the start",),
)
# The toy is quick everywhere, so its kills are aimed at where it stays for a while; its last job is left alone.
PLAN_OF_TOYS: tuple[tuple[KillPoint, ...], ...] = (("between steps", "in validation"), ("between steps",), ())
PLAN_OF_ONE: tuple[tuple[KillPoint, ...], ...] = (("between steps", "in validation"),)
A_STEP = {VARIABLE: "step_s=0.05"}
"""How long a step lasts: long enough to be killed in the middle of an epoch."""

NOBODY = "no job yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a demo plays with. images, models: what is made and enqueued, in words. environment: of its sessions.

    is_quiet: what these tell is not shown.
    """

    images: str
    models: str
    study: str
    plan: tuple[tuple[KillPoint, ...], ...]
    make: Callable[[QueueContext, Progress], DatasetLine]
    environment: Mapping[str, str] = field(default_factory=dict)
    is_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """What the demo has to show at its end."""

    lines: tuple[JobLine, ...]
    kills: tuple[tuple[str, Kill], ...]
    certificate: Certificate
    report: Path


SMALL = f"""\
study = "one"
dataset = "{PATTERNS}"

[defaults]
epochs = 3
batch_size = 8
image_size = [32, 32]
weights = "none"

[[job]]
model = "VGG16"
"""


def tiny_study() -> str:
    """Return the six models at toy size as a study file; `jobs/tiny.toml` says the same with comments."""
    head = f'study = "tiny"\ndataset = "{DATASET}"\n\n[defaults]\nepochs = 3\nbatch_size = 8\nweights = "none"\n'
    return head + "".join(f'\n[[job]]\nmodel = "{model}"\n' for model in STUDIED_MODELS)


def six_models() -> Scenario:
    """Return the models of the study. Raises: ExtraMissing: nothing here can train them."""
    if not can_train():
        raise ExtraMissing("six models need TensorFlow to train with", hint='pip install "qcqueue[train,sample]"')
    return Scenario(
        images="photographs, degraded in known ways",
        models="six models",
        study=tiny_study(),
        plan=PLAN,
        make=lambda queue, progress: add_sample(
            queue, DATASET, images=PRACTICE_SETS[DATASET].images, seed=SEED, progress=progress
        )[0],
    )


def one_model() -> Scenario:
    """Return what shows a model of Keras within two minutes, without photographs."""
    return Scenario(
        images="noise in three colours", models="one model", study=SMALL, plan=PLAN_OF_ONE, make=_make_patterns
    )


def toys() -> Scenario:
    """Return what needs neither TensorFlow nor photographs."""
    return Scenario(
        images="noise in three colours",
        models="three toys in numpy",
        study=study_text("toys"),
        plan=PLAN_OF_TOYS,
        make=_make_patterns,
        environment=A_STEP,
    )


def _make_patterns(queue: QueueContext, progress: Progress) -> DatasetLine:
    return add_patterns(queue, PATTERNS, images=PRACTICE_SETS[PATTERNS].images, seed=SEED)[0]


def tour(folder: Path, scenario: Scenario, *, narrate: Callable[[str], None], progress: Progress) -> Tour:
    """Carry out the demo in `folder`. Raises: UserError: the folder is somebody else's. DrillFailed."""
    _clear(folder)
    store, cache = folder / "queue", folder / "cache"
    create_store(store)
    queue = context_in(store, cache=cache)
    place = SessionSetup(
        url=f"folder:{store}", cache=cache, environment=scenario.environment, is_quiet=scenario.is_quiet
    )

    narrate(f"1. sample images: {scenario.images}")
    dataset = scenario.make(queue, progress)
    narrate(f"   {dataset.summary.images} images in {len(dataset.summary.classes)} classes ({dataset.summary.note})")

    narrate(f"2. enqueued: {scenario.models}")
    specs = {spec.full_name: spec for spec in parse_study(scenario.study, file="study.toml").jobs}
    queue.transact(lambda tx: enqueue(tx, list(specs.values()), attached={}, who=queue.who, now_s=queue.clock.now_s()))

    narrate("3. sessions work on the queue, and are killed without warning")
    kills = _work_and_kill(queue, place, scenario.plan, narrate)

    proven = next(name for name, _ in kills if name in specs)
    narrate(f"4. the proof: {proven} once more, this time undisturbed")
    certificate = _prove(queue, specs[proven], dataset, folder, kills, narrate, is_quiet=scenario.is_quiet)

    narrate("5. the report")
    report = report_on(queue, folder=folder / "report", certificates=[certificate], narrate=narrate).page
    return Tour(lines=_lines(queue), kills=tuple(kills), certificate=certificate, report=report)


def _work_and_kill(
    queue: QueueContext,
    place: SessionSetup,
    plan: tuple[tuple[KillPoint, ...], ...],
    narrate: Callable[[str], None],
) -> list[tuple[str, Kill]]:
    """Let sessions work until every job is done, and kill those that the plan names. Raises: DrillFailed."""
    rng = seeded(SEED)
    kills: list[tuple[str, Kill]] = []
    for moments in plan:
        for moment in moments:
            kill = run_and_kill(place, moment, rng=rng, clock=queue.clock)
            if kill is not None:
                name = _at_work(queue)
                kills.append((name, kill))
                narrate(f"   SIGKILL to {name}, {kill.moment}, after {kill.after_s:.1f} s")
        run_session(place)
    unfinished = [line for line in _lines(queue) if line.state is not State.DONE]
    if unfinished or not kills:
        raise DrillFailed(f"{unfinished[0].name} is {unfinished[0].state}" if unfinished else "no session was killed")
    return kills


def _at_work(queue: QueueContext) -> str:
    """Return the job whose session was just killed: nobody has taken it back yet."""
    return next((line.name for line in _lines(queue) if line.state is State.RUNNING), NOBODY)


def _lines(queue: QueueContext) -> tuple[JobLine, ...]:
    with queue.read() as tx:
        return tuple(job_lines(tx))


def _prove(
    queue: QueueContext,
    spec: JobSpec,
    dataset: DatasetLine,
    folder: Path,
    kills: list[tuple[str, Kill]],
    narrate: Callable[[str], None],
    *,
    is_quiet: bool,
) -> Certificate:
    with room_for("folder:", cache=folder / "undisturbed", narrate=narrate) as place:
        scratch = make_scratch_queue(queue, spec, dataset, replace(place, is_quiet=is_quiet))
        with queue.read() as tx:
            cut = job_detail(tx, spec.full_name)
        pin_step(scratch, cut)
        finish(scratch)
        undisturbed = scratch.detail()
    with queue.read() as tx:
        goodput = accounts_of(session_lines(tx)).jobs.get(spec.full_name)
    certificate = certify(
        undisturbed,
        cut,
        kills=tuple(kill for name, kill in kills if name == spec.full_name),
        kills_in_attempts=cut.line.attempts - 1,
        seed=SEED,
        store="folder",
        goodput=goodput,
        version=version("qcqueue"),
        made_at=iso(queue.clock.now_s()),
    )
    if not certificate.is_equal:
        raise DrillFailed(f"{spec.full_name} ended with other bits than its undisturbed run")
    shutil.rmtree(folder / "undisturbed")
    narrate("   the same bits: weights, history and predictions")
    return certificate


def _clear(folder: Path) -> None:
    """Make the folder anew; refuse to touch one that this demo has not made."""
    marker = folder / "README.txt"
    if folder.exists() and not (marker.is_file() and marker.read_text().startswith(MARKER)):
        raise UserError(f"{folder} exists and was not made by the demo", hint="qcqueue demo --out another-folder")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        marker.write_text(f"{MARKER}; the next demo replaces it\n")
    except OSError as exc:
        raise UserError(
            f"the demo cannot play in {folder}: {exc.strerror}", hint="qcqueue demo --out another-folder"
        ) from exc
