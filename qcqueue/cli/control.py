"""Commands that change a job: hold, release, cancel, retry, move."""

from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from qcqueue.cli.shared import DryRunOption, JobArgument, NowOption, StoreOption, open_queue, say
from qcqueue.errors import UserError

if TYPE_CHECKING:
    from qcqueue.queue.controls import Control


def register(app: typer.Typer) -> None:
    for command in (hold, release, cancel, retry, move):
        app.command()(command)


def hold(job: JobArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False) -> None:
    """Pause a job. A session that works on it leaves; everything saved stays."""
    _apply(job, "hold", store, dry_run=dry_run, now=now)


def release(job: JobArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False) -> None:
    """Queue a held job again."""
    _apply(job, "release", store, dry_run=dry_run, now=now)


def cancel(job: JobArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False) -> None:
    """Give a job up. `retry` brings it back where it was."""
    _apply(job, "cancel", store, dry_run=dry_run, now=now)


def retry(job: JobArgument, store: StoreOption = None, dry_run: DryRunOption = False, now: NowOption = False) -> None:
    """Queue a failed or cancelled job again, from its last save."""
    _apply(job, "retry", store, dry_run=dry_run, now=now)


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
    place = open_queue(store, now=now)
    name = place.transact(
        lambda tx: controls.move(tx, job, cast(controls.Where, where), other, who=place.who, now_s=place.clock.now_s()),
        dry_run=dry_run,
    )
    say(f"{name} {'would be ' if dry_run else ''}moved {where}{f' {other}' if other else ''}")
    say("next: qcqueue status")


def _apply(job: str, action: "Control", store: str | None, *, dry_run: bool, now: bool) -> None:
    from qcqueue.queue.controls import control

    place = open_queue(store, now=now)
    name, state = place.transact(
        lambda tx: control(tx, job, action, who=place.who, now_s=place.clock.now_s()), dry_run=dry_run
    )
    say(f"{name} {'would be' if dry_run else 'is'} {state} now")
    say(f"next: {'qcqueue release ' + name if action == 'hold' else 'qcqueue status'}")
