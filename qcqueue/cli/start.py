"""Commands that begin something: init, new, enqueue and extend."""

from pathlib import Path
from typing import Annotated

import typer

from qcqueue.catalog.studies import STUDIES, study_text
from qcqueue.cli.shared import (
    DryRunOption,
    JobArgument,
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


def register(app: typer.Typer) -> None:
    for command in (init, new, enqueue, extend):
        app.command()(command)


def init(
    store: StoreOption = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="Keep the queue on a server, as in postgresql://USER@HOST/DATABASE, and only files in the store.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Make a queue, and remember it in qcqueue.toml here. A second run changes nothing."""
    from qcqueue.app.context import initialise

    created = initialise(store=store, database=database, here=Path.cwd(), dry_run=dry_run)
    would = "would be " if dry_run else ""
    where = f"{created.database}, its files in {created.url}" if created.database else created.url
    say(f"{would}made: a queue in {where}" if created.is_new else f"there is a queue in {where} already")
    if created.page:
        say(f"look at it: {created.page}")
    if created.settings_file:
        say(f"{would}written: {created.settings_file}")
    say_next("qcqueue data sample", dry_run=dry_run)


def new(
    study: Annotated[str, typer.Argument(metavar="STUDY", help=f"One of those that ship: {', '.join(STUDIES)}.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it, instead of to standard output.")
    ] = None,
) -> None:
    """Write a study file that ships with qcqueue, commented, to enqueue or to change."""
    text = study_text(study)
    if out is None:
        say(text.removesuffix("\n"))
        return
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as exc:
        raise UserError(f"{out} is there already", hint=f"qcqueue enqueue {out}, or --out with another name") from exc
    except OSError as exc:
        raise UserError(f"{out} cannot be written: {exc.strerror}", hint=f"qcqueue new {study} > FILE") from exc
    say(f"written: {out}\nnext: qcqueue enqueue {out}")


def enqueue(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Study files.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of every job, such as epochs=3."),
    ] = None,
    keep_weights: Annotated[
        bool,
        typer.Option(
            "--keep-weights", help="Keep ImageNet weights in the store, so that only one machine downloads them."
        ),
    ] = False,
    keep_state: Annotated[
        bool,
        typer.Option("--keep-state", help="Keep all that further training needs when they are done, not only weights."),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Let jobs of the same names with other settings go, if no epoch is saved."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Check study files and put their jobs into the queue: all of them, or none."""
    from qcqueue.app.space_check import shortage
    from qcqueue.app.studies import enqueue_and_foresee
    from qcqueue.core.owners import named
    from qcqueue.text.humanize import count

    context = open_queue(store, now=now)
    answer, needs = enqueue_and_foresee(
        context,
        files,
        overrides=settings or [],
        keep_weights=keep_weights,
        keep_state=keep_state,
        replace=replace,
        dry_run=dry_run,
    )
    if keep_weights and not answer.begins_with_imagenet:
        narrate("no weights to keep: none of these jobs begins with ImageNet weights")
    for name in answer.too_late:
        narrate(f"{name} is done and keeps its weights alone; --keep-state comes too late for it")
    if too_small := shortage(context, needs):
        narrate(too_small)
    if as_json:
        told = {"new": answer.new, "known": answer.known, "due": answer.due, "dry_run": dry_run}
        told |= {"keeping": answer.keeping} if keep_weights else {}
        told |= {"keeping_state": answer.keeping_state} if keep_state else {}
        told |= {"of_others": answer.of_others} if answer.of_others else {}
        told |= {"code": answer.code} if answer.code else {}
        print_json({"store": context.store.url, **told, **({"replaced": answer.replaced} if replace else {})})
        return
    for name in answer.new:
        kept = ", its ImageNet weights kept in the store" if name in answer.keeping else ""
        kept += ", its state kept when it is done" if name in answer.keeping_state else ""
        other = ", in place of the one with other settings" if name in answer.replaced else ""
        whose = f"; it belongs to {named(answer.of_others[name])}" if name in answer.of_others else ""
        say(f"{'would be ' if dry_run else ''}enqueued  {name}{other}{kept}{whose}")
    for name in answer.known:
        due = ", with another deadline now" if name in answer.due else ""
        kept = ", with its ImageNet weights kept in the store from now on" if name in answer.keeping else ""
        kept += ", with its state kept when it is done" if name in answer.keeping_state else ""
        whose = f", which belongs to {named(answer.of_others[name])}" if name in answer.of_others else ""
        say(f"already there  {name}{due}{kept}{whose}")
    for sha256, names in answer.code.items():
        say(f"code  {', '.join(names)}: approved on this machine; on another, qcqueue work --trust {sha256}")
    say(f"{count(len(answer.new), 'new job')}{f', {len(answer.known)} already there' if answer.known else ''}")
    say_next("qcqueue work", dry_run=dry_run)


def extend(
    job: JobArgument,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="How many epochs it is to have in all.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Train a done job on, as a new job that begins with its state; it must have kept that (enqueue --keep-state)."""
    from qcqueue.queue.extension import extend as extended

    context = open_queue(store, now=now)
    owner = context.owner()
    found = context.transact(
        lambda tx: extended(tx, job, epochs, owner=owner, who=context.who, now_s=context.clock.now_s()), dry_run=dry_run
    )
    if as_json:
        told = {"new": [found.name] if found.is_new else [], "of": found.of, "epochs_done": found.epochs_done}
        print_json({"store": context.store.url, **told, "dry_run": dry_run})
        return
    if found.is_new:
        goes_on = f"it goes on from epoch {found.epochs_done} of {found.of}, which stays"
        say(f"{'would be ' if dry_run else ''}enqueued  {found.name}: {goes_on}")
    else:
        say(f"already there  {found.name}")
    say_next("qcqueue work", dry_run=dry_run)
