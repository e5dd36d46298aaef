"""`notebook`: write the Colab worker notebook of a queue."""

from pathlib import Path
from typing import Annotated

import typer

from qcqueue.cli.shared import StoreOption, say


def register(app: typer.Typer) -> None:
    app.command()(notebook)


def notebook(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where to write it; another file there is never replaced.")
    ] = Path("colab_worker.ipynb"),
    client: Annotated[
        Path | None,
        typer.Option(
            "--client",
            metavar="FILE",
            help="Your OAuth client for TVs and Limited Input devices: the notebook then asks you to sign in where "
            "Colab's secrets hold no QCQUEUE_TOKEN. It holds this client's secret, so share it with nobody.",
        ),
    ] = None,
    from_index: Annotated[
        bool,
        typer.Option(
            "--from-index", help="Let its cell install this version of qcqueue from an index, and not bring it along."
        ),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Write the notebook that works on this queue in Colab: one cell, to be run once a session."""
    from qcqueue.app.notebook_file import write_notebook
    from qcqueue.app.settings import load_settings, named_store

    settings = load_settings(store=store)
    changed = write_notebook(out, settings, client=client, from_index=from_index)
    say(f"{'written' if changed else 'there already'}: {out}, for {settings.store}")
    for line in named_store(settings).backend.notebook_steps(out.name, has_client=client is not None):
        say(line)
