"""Commands for datasets: sample, add, list, show."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.catalog.studies import PATTERNS, PHOTOGRAPHS, PRACTICE_SETS, first_study
from qcqueue.cli.panels import command_group
from qcqueue.cli.shared import DryRunOption, JsonOption, NowOption, StoreOption, open_queue, print_json, say, say_next
from qcqueue.errors import ExtraMissing

if TYPE_CHECKING:
    from qcqueue.queue.values import DatasetLine

SeedOption = Annotated[
    int, typer.Option("--seed", metavar="S", help="Decides which image goes where; the same seed, the same bytes.")
]


def register(app: typer.Typer) -> None:
    group = command_group("Make, import, list and remove datasets.")
    group.command("sample")(sample)
    group.command("add")(add)
    group.command("list")(list_all)
    group.command("show")(show)
    group.command("remove")(remove)
    app.add_typer(group, name="data")


def sample(
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="N", help=f"What to call it. Default: {PHOTOGRAPHS}, or {PATTERNS}."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            "--images",
            metavar="COUNT",
            help=f"How many images. Default: {PRACTICE_SETS[PHOTOGRAPHS].images}, or {PRACTICE_SETS[PATTERNS].images}.",
        ),
    ] = None,
    patterns: Annotated[
        bool,
        typer.Option("--patterns", help="Noise in three colours instead, for the study toys: nothing else is needed."),
    ] = False,
    seed: SeedOption = 1,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Make a practice set of three quality classes from photographs that need no download."""
    from qcqueue.app.datasets import add_patterns, add_sample

    usual = PATTERNS if patterns else PHOTOGRAPHS
    name, images = name or usual, PRACTICE_SETS[usual].images if images is None else images
    context = open_queue(store, now=now)
    if patterns:
        line, is_new = add_patterns(context, name, images=images, seed=seed, dry_run=dry_run)
    else:
        with progress_bar("degrading photographs") as progress, or_without("qcqueue data sample --patterns"):
            line, is_new = add_sample(context, name, images=images, seed=seed, progress=progress, dry_run=dry_run)
    _answer(line, is_new, as_json, dry_run)


def add(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A folder with one subfolder a class, a zip of one, or a CSV of file,label[,group][,split].",
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="N", help="What to call it.")],
    size: Annotated[
        str, typer.Option("--image-size", metavar="HxW", help="Every image is resized to this once, in pixels.")
    ] = "75x75",
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="A,B,C",
            help="For training, validation and test: counts (2200,550,486) or shares (70,15,15 or 0.7,0.15,0.15).",
        ),
    ] = None,
    split_folders: Annotated[
        str | None,
        typer.Option(
            "--split-folders",
            metavar="train=A,validation=B,test=C",
            help="Keep the author's split; a part that is not named is taken from train.",
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            metavar="folder|REGEX|COLUMN",
            help="Keep images together in one part: of a subfolder, with the same text in a pattern's brackets, "
            "or of a column of the CSV.",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            metavar="PATTERN",
            help="Take these files only, by their path below the class folder, such as 'images/*'; ** is any depth, "
            "'!*_mask*' leaves out. May be given several times.",
        ),
    ] = None,
    seed: SeedOption = 1,
    depth: Annotated[
        str | None,
        typer.Option(
            "--depth",
            metavar="N|auto",
            help="Bits of pictures with more than 8, such as 12; auto for their highest value.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Import images as a dataset: decoded, resized and split once, stored as one verified file."""
    from qcqueue.app.data_options import import_options
    from qcqueue.app.datasets import add_images

    options = import_options(
        size=size,
        split=split,
        split_folders=split_folders,
        group_by=group_by,
        include=include,
        depth=depth,
        seed=seed,
    )
    context = open_queue(store, now=now)
    with progress_bar("reading images") as progress:
        line, is_new = add_images(context, name, path, options, progress=progress, dry_run=dry_run)
    _answer(line, is_new, as_json, dry_run)


def list_all(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List every dataset of this queue."""
    from qcqueue.cli.screens import dataset_table
    from qcqueue.queue.datasets import list_datasets

    with open_queue(store).read() as tx:
        lines = list_datasets(tx)
    if as_json:
        from qcqueue.app.documents import dataset_document

        print_json({"datasets": [dataset_document(line) for line in lines]})
    else:
        say(dataset_table(lines))


def show(
    name: Annotated[str, typer.Argument(metavar="N", help="A dataset's name.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dataset: what it holds, where it comes from, its digest."""
    from qcqueue.cli.screens import dataset_table
    from qcqueue.queue.datasets import find_dataset

    with open_queue(store).read() as tx:
        line = find_dataset(tx, name)
    if as_json:
        from qcqueue.app.documents import dataset_document

        print_json(dataset_document(line))
        return
    say(dataset_table([line]))
    for text in (
        f"source: {line.summary.source}",
        line.summary.note,
        line.summary.attribution,
        f"sha256 {line.blob.sha256}",
    ):
        if text:
            say(text)


def remove(
    name: Annotated[str, typer.Argument(metavar="N", help="A dataset's name.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Remove a dataset that no job needs, and give its bytes back."""
    from qcqueue.app.datasets import remove_dataset
    from qcqueue.text.humanize import size

    line = remove_dataset(open_queue(store, now=now), name, dry_run=dry_run)
    if as_json:
        from qcqueue.app.documents import dataset_document

        print_json(dataset_document(line) | {"dry_run": dry_run})
        return
    would = "would be " if dry_run else ""
    say(f"{would}removed: {line.name}, {line.summary.images} images, {size(line.blob.size_bytes)}")
    say_next("qcqueue data list", dry_run=dry_run)


def _answer(line: "DatasetLine", is_new: bool, as_json: bool, dry_run: bool) -> None:
    if as_json:
        from qcqueue.app.documents import dataset_document

        print_json(dataset_document(line) | {"new": is_new, "dry_run": dry_run})
        return
    from qcqueue.cli.screens import dataset_table

    say(dataset_table([line]))
    if line.summary.note:
        say(f"note: {line.summary.note}")
    if dry_run:
        say("nothing was stored")
    elif not is_new:
        say("it was there already")
    say_next(first_study(line.name), dry_run=dry_run)


@contextmanager
def or_without(command: str) -> Iterator[None]:
    """Say of an extra that is missing also, and first, what can be typed without it."""
    try:
        yield
    except ExtraMissing as exc:
        raise ExtraMissing(str(exc), hint=f"{command}, or {exc.next_step}") from exc


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr while images are made or read."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
