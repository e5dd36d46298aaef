"""Commands for datasets: sample, add, list, show."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.shared import DryRunOption, JsonOption, StoreOption, print_json, workplace
from qcqueue.errors import UserError

if TYPE_CHECKING:
    from qcqueue.datasets.depth import Depth
    from qcqueue.queue.values import DatasetLine

SAMPLE_IMAGES = 3236
STUDIES = {"qc-images": "jobs/six-models.toml", "qc-tiny": "jobs/tiny.toml"}
LARGEST_SIDE_PX = 2048

SeedOption = Annotated[
    int, typer.Option("--seed", help="Decides which image goes where; the same seed, the same bytes.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Make, import and list datasets.",
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.command("sample")(sample)
    group.command("add")(add)
    group.command("list")(list_all)
    group.command("show")(show)
    app.add_typer(group, name="data")


def sample(
    name: Annotated[str, typer.Option("--name", help="What to call it.")] = "qc-images",
    images: Annotated[int, typer.Option("--images", help="How many images.")] = SAMPLE_IMAGES,
    seed: SeedOption = 1,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make a practice set of three quality classes from photographs that need no download."""
    from qcqueue.app.datasets import add_sample

    place = workplace(store)
    with progress_bar("degrading photographs") as progress:
        line, is_new = add_sample(place, name, images=images, seed=seed, progress=progress, dry_run=dry_run)
    _answer(line, is_new, as_json, dry_run)


def add(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder with one subfolder a class, or a zip of one.")],
    name: Annotated[str, typer.Option("--name", help="What to call it.")],
    size: Annotated[
        str, typer.Option("--image-size", metavar="HxW", help="Every image is resized to this once, in pixels.")
    ] = "75x75",
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="A,B,C", help="Exact counts for training, validation and test."),
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
) -> None:
    """Import images as a dataset: decoded, resized and split once, stored as one verified file."""
    from qcqueue.app.datasets import add_images
    from qcqueue.datasets.importing import ImportOptions

    options = ImportOptions(image_size=_image_size(size), split=_counts(split), seed=seed, depth=_depth(depth))
    place = workplace(store)
    with progress_bar("reading images") as progress:
        line, is_new = add_images(place, name, path, options, progress=progress, dry_run=dry_run)
    _answer(line, is_new, as_json, dry_run)


def list_all(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List every dataset of this queue."""
    from qcqueue.cli.screens import dataset_table
    from qcqueue.queue.datasets import list_datasets

    with workplace(store).read() as tx:
        lines = list_datasets(tx)
    if as_json:
        print_json({"datasets": [_document(line) for line in lines]})
    else:
        typer.echo(dataset_table(lines))


def show(
    name: Annotated[str, typer.Argument(metavar="N", help="A dataset's name.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dataset: what it holds, where it comes from, its digest."""
    from qcqueue.cli.screens import dataset_table
    from qcqueue.queue.datasets import find_dataset

    with workplace(store).read() as tx:
        line = find_dataset(tx, name)
    if as_json:
        print_json(_document(line))
        return
    typer.echo(dataset_table([line]))
    for text in (
        f"source: {line.summary.source}",
        line.summary.note,
        line.summary.attribution,
        f"sha256 {line.blob.sha256}",
    ):
        if text:
            typer.echo(text)


def _answer(line: "DatasetLine", is_new: bool, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json(_document(line) | {"new": is_new, "dry_run": dry_run})
        return
    from qcqueue.cli.screens import dataset_table

    typer.echo(dataset_table([line]))
    if line.summary.note:
        typer.echo(f"note: {line.summary.note}")
    if dry_run:
        typer.echo("nothing was stored")
    elif not is_new:
        typer.echo("it was there already")
    typer.echo(
        f'next: qcqueue enqueue a study file with dataset = "{line.name}", such as {STUDIES.get(line.name, "your own")}'
    )


def _document(line: "DatasetLine") -> dict[str, object]:
    from qcqueue.core.words import iso

    return {
        "name": line.name,
        "sha256": line.blob.sha256,
        **line.summary.to_json(),
        "size_bytes": line.blob.size_bytes,
        "added_at": iso(line.added_at_s),
    }


def _image_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip().lower())
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (1 <= height <= LARGEST_SIDE_PX and 1 <= width <= LARGEST_SIDE_PX):
        raise UserError(
            f"--image-size {text!r} is not a height and width of 1 to {LARGEST_SIDE_PX} pixels",
            hint="--image-size 75x75",
        )
    return height, width


def _counts(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(re.fullmatch(r"\d{1,9}", part) for part in parts):
        raise UserError(
            f"--split {text!r} is not three counts for training, validation and test", hint="--split 2200,550,486"
        )
    train, validation, test = map(int, parts)
    return train, validation, test


def _depth(text: str | None) -> "Depth | None":
    from qcqueue.datasets.depth import AUTO, DEPTH_BITS_MAX, DEPTH_BITS_MIN

    if text is None:
        return None
    typed = text.strip().lower()
    if typed == AUTO:
        return AUTO
    if re.fullmatch(r"[0-9]{1,3}", typed) and DEPTH_BITS_MIN <= int(typed) <= DEPTH_BITS_MAX:
        return int(typed)
    raise UserError(
        f"--depth {text!r} is neither a whole number of bits from {DEPTH_BITS_MIN} to {DEPTH_BITS_MAX} nor auto",
        hint="--depth 12, or --depth auto",
    )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr while images are made or read."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
