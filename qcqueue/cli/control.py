"""Commands that change jobs: hold, release, cancel, retry, move, remove."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from qcqueue.cli.shared import (
    DryRunOption,
    JobArgument,
    JobsArgument,
    JsonOption,
    NowOption,
    StoreOption,
    narrate,
    open_queue,
    print_json,
    say,
    say_next,
)
from qcqueue.errors import UserError

if TYPE_CHECKING:
    from qcqueue.queue.controls import Control


def register(app: typer.Typer) -> None:
    for command in (hold, release, cancel, retry, move, remove):
        app.command()(command)


def hold(job: JobsArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False) -> None:
    """Pause a job. A session that works on it leaves; everything saved stays."""
    _apply(job, "hold", store, dry_run=dry_run, now=now)


def release(
    job: JobsArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False
) -> None:
    """Queue a held job again."""
    _apply(job, "release", store, dry_run=dry_run, now=now)


def cancel(job: JobsArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False) -> None:
    """Give a job up. `retry` brings it back where it was."""
    _apply(job, "cancel", store, dry_run=dry_run, now=now)


def retry(
    job: JobsArgument,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="Begin with this weights file, where nothing is saved yet."),
    ] = None,
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Queue a failed or cancelled job again, from its last save."""
    if weights is None:
        _apply(job, "retry", store, dry_run=dry_run, now=now)
        return
    from qcqueue.app.studies import retry_with_weights

    for name in retry_with_weights(open_queue(store, now=now), job, weights, dry_run=dry_run):
        say(f"{name} {'would be' if dry_run else 'is'} queued now, to begin with {weights.name}")
    say_next("qcqueue work", dry_run=dry_run)


def move(
    job: JobArgument,
    where: Annotated[str, typer.Argument(metavar="first|last|before", help="Where to.")],
    other: Annotated[str | None, typer.Argument(metavar="OTHER", help="With before: the job to go before.")] = None,
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Move a job within the queue: first, last, or before OTHER."""
    from qcqueue.queue import controls

    if where not in get_args(controls.Where):
        raise UserError(
            f"a job can be moved first, last or before another one, not {where!r}", hint=f"qcqueue move {job} first"
        )
    if (where == "before") != (other is not None):
        raise UserError(
            "move before needs the job to go before" if other is None else f"move {where} takes no other job",
            hint=f"qcqueue move {job} before OTHER",
        )
    context = open_queue(store, now=now)
    name = context.transact(
        lambda tx: controls.move(
            tx, job, cast(controls.Where, where), other, who=context.who, now_s=context.clock.now_s()
        ),
        dry_run=dry_run,
    )
    say(f"{name} {'would be ' if dry_run else ''}moved {where}{f' {other}' if other else ''}")
    say_next("qcqueue status", dry_run=dry_run)


def remove(
    job: JobsArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them, with all that is saved of them.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Show what removing a job, or a study such as six-models/, would cost; with --yes, remove it for good."""
    from qcqueue.app.studies import remove as removed
    from qcqueue.text.humanize import count, size

    is_real = yes and not dry_run
    gone = removed(open_queue(store, now=now), job, dry_run=not is_real)
    if gone.obstacle:
        narrate(f"their files are not all deleted yet: {gone.obstacle}\nlater: qcqueue store gc --yes")
    if as_json:
        told = {"removed": gone.jobs.names, "epochs": gone.jobs.epochs, "freed_bytes": gone.freed_bytes}
        print_json(told | {"dry_run": not is_real})
        return
    for name in gone.jobs.names:
        say(f"{'removed' if is_real else 'would be removed'}  {name}")
    given = "given back" if is_real else "would be given back"
    say(f"{count(gone.jobs.epochs, 'saved epoch')}; {given}: {size(gone.freed_bytes)}")
    say("next: qcqueue status" if is_real else f"nothing was removed\nnext: qcqueue remove {job} --yes")


def _apply(job: str, action: "Control", store: str | None, *, dry_run: bool, now: bool) -> None:
    from qcqueue.queue.controls import control_all

    context = open_queue(store, now=now)
    changed = context.transact(
        lambda tx: control_all(tx, job, action, who=context.who, now_s=context.clock.now_s()), dry_run=dry_run
    )
    for name, state in changed:
        say(f"{name} {'would be' if dry_run else 'is'} {state} now")
    released = job if job.endswith("/") else changed[0][0]
    say_next(f"qcqueue release {released}" if action == "hold" else "qcqueue status", dry_run=dry_run)
