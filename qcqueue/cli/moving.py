"""`store copy`: moving a queue from one home into another, finishing what was cut, and taking it back."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.data import progress_bar
from qcqueue.cli.shared import DryRunOption, JsonOption, print_json, say

if TYPE_CHECKING:
    from qcqueue.app.home_address import HomeAddress
    from qcqueue.app.store_copy import StoreCopy


def copy(
    source: Annotated[
        str, typer.Argument(metavar="A", help="Where the queue is: a URL, as --store takes it, or DATABASE+STORE.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="B", help="Where it is to be: an empty place of any kind, such as gdrive:new.")
    ],
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the move from A to B, as long as the queue has not changed in B.")
    ] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Move the queue, whole and verified, from store A to store B; typed again, it goes on where it was cut."""
    from qcqueue.app.store_copy import copy_store, undo_copy

    here = Path.cwd()
    if undo:
        found = undo_copy(source, target, here=here, dry_run=dry_run)
    else:
        with progress_bar("copying") as progress:
            found = copy_store(source, target, here=here, dry_run=dry_run, progress=progress)
    if as_json:
        print_json({"undo": undo, "dry_run": dry_run, **_document(found)})
    else:
        say("\n".join(_rows(found, here=here)))


def _rows(found: "StoreCopy", *, here: Path) -> Iterator[str]:
    from qcqueue.text.humanize import count, duration, size

    what = f"{count(found.jobs, 'job')}, {count(found.files, 'file')}, {size(found.size_bytes)}"
    if not found.is_done:
        yield f"would be moved: {what}, from {found.source} to {found.target}"
        if found.left_files:
            about = "" if found.seconds is None else f", about {duration(found.seconds)}"
            yield f"to be copied: {count(found.left_files, 'file')}, {size(found.left_bytes)}{about}"
        yield "next: the same command without --dry-run"
        return
    yield f"moved: {what}"
    yield f"the queue is in {found.target}; {found.source} refuses, and says so"
    if found.settings_file:
        yield f"written: {found.settings_file}"
    yield f"next: {'qcqueue status' if _is_named(here, found.target) else _home(found.target).types('status')}"


def _home(url: str) -> "HomeAddress":
    from qcqueue.app.home_address import home_address

    return home_address(url, source="B")


def _is_named(here: Path, url: str) -> bool:
    """Return whether commands in a folder go by this home."""
    from qcqueue.app.settings import load_settings, named_store

    settings = load_settings(folder=here)
    named = _home(url)
    return settings.store is not None and (named_store(settings), settings.database) == (named.store, named.server)


def _document(found: "StoreCopy") -> dict[str, Any]:
    return {
        "source": found.source,
        "target": found.target,
        "jobs": found.jobs,
        "files": found.files,
        "bytes": found.size_bytes,
        "left_files": found.left_files,
        "left_bytes": found.left_bytes,
        "seconds": None if found.seconds is None else round(found.seconds, 3),
        "settings_file": None if found.settings_file is None else str(found.settings_file),
        "moved": found.is_done,
    }
