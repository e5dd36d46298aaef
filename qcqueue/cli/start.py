"""Commands that begin something: init, new and enqueue."""

from pathlib import Path
from typing import Annotated

import typer

from qcqueue.catalog.studies import STUDIES, study_text
from qcqueue.cli.shared import (
    DryRunOption,
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
    for command in (init, new, enqueue):
        app.command()(command)


def init(store: StoreOption = None, dry_run: DryRunOption = False) -> None:
    """Make a queue, and remember it in qcqueue.toml here. A second run changes nothing."""
    from qcqueue.app.context import initialise

    created = initialise(store=store, here=Path.cwd(), dry_run=dry_run)
    would = "would be " if dry_run else ""
    say(f"{would}made: a queue in {created.url}" if created.is_new else f"there is a queue in {created.url} already")
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
    from qcqueue.text.humanize import count

    context = open_queue(store, now=now)
    answer, needs = enqueue_and_foresee(
        context, files, overrides=settings or [], keep_weights=keep_weights, replace=replace, dry_run=dry_run
    )
    if keep_weights and not answer.begins_with_imagenet:
        narrate("no weights to keep: none of these jobs begins with ImageNet weights")
    if too_small := shortage(context, needs):
        narrate(too_small)
    if as_json:
        told = {"new": answer.new, "known": answer.known, "due": answer.due, "dry_run": dry_run}
        told |= {"keeping": answer.keeping} if keep_weights else {}
        print_json({"store": context.store.url, **told, **({"replaced": answer.replaced} if replace else {})})
        return
    for name in answer.new:
        kept = ", its ImageNet weights kept in the store" if name in answer.keeping else ""
        other = ", in place of the one with other settings" if name in answer.replaced else ""
        say(f"{'would be ' if dry_run else ''}enqueued  {name}{other}{kept}")
    for name in answer.known:
        due = ", with another deadline now" if name in answer.due else ""
        kept = ", with its ImageNet weights kept in the store from now on" if name in answer.keeping else ""
        say(f"already there  {name}{due}{kept}")
    say(f"{count(len(answer.new), 'new job')}{f', {len(answer.known)} already there' if answer.known else ''}")
    say_next("qcqueue work", dry_run=dry_run)
