"""`notebook`: write the worker notebook of a queue, for Colab or for Kaggle."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.shared import StoreOption, one_of, say
from qcqueue.errors import UserError

if TYPE_CHECKING:
    from qcqueue.app.settings import Settings


class Place(StrEnum):
    """Where a notebook is to run."""

    COLAB = "colab"
    KAGGLE = "kaggle"


def register(app: typer.Typer) -> None:
    app.command()(notebook)


def notebook(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write it; another file there is never replaced. Default: colab_worker.ipynb, for Kaggle "
            "kaggle_worker.ipynb, with --try try_qcqueue.ipynb.",
        ),
    ] = None,
    place: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="colab|kaggle",
            help="Where it is to run. For Kaggle, kernel-metadata.json is written beside it.",
        ),
    ] = "colab",
    trial: Annotated[
        bool,
        typer.Option("--try", help="Write the one that shows how it works: no queue, no account, two minutes."),
    ] = False,
    client: Annotated[
        Path | None,
        typer.Option(
            "--client",
            metavar="FILE",
            help="Your OAuth client for TVs and Limited Input devices: the notebook then asks you to sign in where "
            "its place's secrets hold no QCQUEUE_TOKEN. It holds this client's secret, so share it with nobody.",
        ),
    ] = None,
    with_client: Annotated[
        bool, typer.Option("--with-client", help="As --client, with the client of the sign-in of this machine.")
    ] = False,
    from_index: Annotated[
        bool,
        typer.Option(
            "--from-index", help="Let its cell install this version of qcqueue from an index, and not bring it along."
        ),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Write the notebook that works on this queue in Colab, or Kaggle: one cell, to be run once a session."""
    from qcqueue.app.notebook_file import trial_text, worker_notebook, write_notebook
    from qcqueue.app.settings import load_settings, named_store

    where = Place(one_of(place, tuple(Place), "--for"))
    if trial:
        if client or with_client or store:
            raise UserError("--try signs in nowhere and has a queue of its own", hint="qcqueue notebook --try")
        if where is not Place.COLAB:
            raise UserError("--try writes one notebook for every place", hint="qcqueue notebook --try")
        path = out or Path("try_qcqueue.ipynb")
        say(f"{_written(write_notebook(path, trial_text(from_index=from_index)))}: {path}")
        say(f"next: open {path.name} in Colab or Jupyter, and run its cell")
        return
    if where is Place.KAGGLE:
        _for_kaggle(out or Path("kaggle_worker.ipynb"), load_settings(store=store), client, with_client, from_index)
        return
    path, settings = out or Path("colab_worker.ipynb"), load_settings(store=store)
    text = worker_notebook(settings, client=client, with_client=with_client, from_index=from_index)
    changed = write_notebook(path, text)
    say(f"{_written(changed)}: {path}, for {settings.store}")
    for line in named_store(settings).backend.notebook_steps(path.name, has_client=with_client or client is not None):
        say(line)
    _say_password(settings)


def _for_kaggle(path: Path, settings: "Settings", client: Path | None, with_client: bool, from_index: bool) -> None:
    from qcqueue.app.kaggle_file import (
        METADATA_FILE,
        check_within_reach,
        kaggle_steps,
        kaggle_text,
        write_for_kaggle,
    )
    from qcqueue.app.notebook_file import worker_notebook

    check_within_reach(settings)
    text = worker_notebook(settings, client=client, with_client=with_client, from_index=from_index, text=kaggle_text)
    changed, identity = write_for_kaggle(path, text)
    say(f"{_written(changed)}: {path}, and {METADATA_FILE} beside it, for {settings.store}")
    for line in kaggle_steps(path.name, settings, identity, has_client=with_client or client is not None):
        say(line)
    _say_password(settings)


def _say_password(settings: "Settings") -> None:
    if settings.database:
        say(f"      it has no password of {settings.database.url}: that goes into the secret PGPASSWORD there")


def _written(changed: bool) -> str:
    return "written" if changed else "there already"
