"""Commands that begin something: init and enqueue."""

from pathlib import Path
from typing import Annotated

import typer

from qcqueue.cli.shared import DryRunOption, JsonOption, NowOption, StoreOption, narrate, open_queue, print_json, say


def register(app: typer.Typer) -> None:
    for command in (init, enqueue):
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
    say("next: qcqueue data sample")


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
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Check study files and put their jobs into the queue: all of them, or none."""
    from qcqueue.app.space_check import shortage
    from qcqueue.app.studies import enqueue_and_foresee
    from qcqueue.text.humanize import count

    place = open_queue(store, now=now)
    answer, needs = enqueue_and_foresee(
        place, files, overrides=settings or [], keep_weights=keep_weights, dry_run=dry_run
    )
    if keep_weights and not answer.begins_with_imagenet:
        narrate("none of these jobs begins with ImageNet weights, so there is nothing to keep")
    if too_small := shortage(place, needs):
        narrate(too_small)
    if as_json:
        told = {"new": answer.new, "known": answer.known, "due": answer.due, "dry_run": dry_run}
        print_json({"store": place.store.url, **told, **({"keeping": answer.keeping} if keep_weights else {})})
        return
    for name in answer.new:
        kept = ", its ImageNet weights kept in the store" if name in answer.keeping else ""
        say(f"{'would be ' if dry_run else ''}enqueued  {name}{kept}")
    for name in answer.known:
        due = ", with another deadline now" if name in answer.due else ""
        kept = ", with its ImageNet weights kept in the store from now on" if name in answer.keeping else ""
        say(f"already there  {name}{due}{kept}")
    say(f"{count(len(answer.new), 'new job')}, {len(answer.known)} known")
    say("next: qcqueue work")
