"""Commands that sign in to Google Drive: login on a laptop, colab-token for the secrets of Colab."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.shared import narrate, say

if TYPE_CHECKING:
    from qcqueue.stores.drive.token import Token

CLIENT = "The JSON of your own OAuth client, downloaded from the Google Cloud console; its type is"


def register(app: typer.Typer) -> None:
    app.command()(login)
    app.command("colab-token")(colab_token)


def login(
    client: Annotated[Path, typer.Option("--client", metavar="FILE", help=f"{CLIENT} Desktop app.")],
) -> None:
    """Sign in to your Google Drive in the browser of this machine. A second time replaces the first."""
    from qcqueue.app.settings import load_settings
    from qcqueue.clock import SystemClock
    from qcqueue.stores.drive.sign_in import sign_in_here, token_path

    access = load_settings().access(clock=SystemClock())
    token = sign_in_here(access, client, narrate=narrate)
    say(f"signed in{f' as {token.account}' if token.account else ''}; qcqueue sees only the files it makes")
    say(f"written: {token_path(access)}")
    _tell_end(token)
    say("next: qcqueue init --store gdrive:new")


def colab_token(
    client: Annotated[Path, typer.Option("--client", metavar="FILE", help=f"{CLIENT} TVs and Limited Input devices.")],
) -> None:
    """Make a sign-in of its own for Colab, and print it: one line to paste into Colab's secrets, kept nowhere else."""
    from qcqueue.app.settings import load_settings
    from qcqueue.clock import SystemClock
    from qcqueue.stores.drive.sign_in import sign_in_by_code

    token = sign_in_by_code(load_settings().access(clock=SystemClock()), client, narrate=narrate)
    _tell_end(token)
    narrate(
        "keep the next line secret: it opens qcqueue's files in your Drive. In Colab: the key at the left > Add new "
        "secret > name QCQUEUE_TOKEN > paste the line as its value > Notebook access on. In Kaggle: Add-ons > Secrets "
        "> Add secret, with that name as its label"
    )
    typer.echo(token.to_json())


def _tell_end(token: "Token") -> None:
    """Warn at once of a sign-in that will die in the middle of a study."""
    from qcqueue.stores.drive.sign_in import PUBLISH, end_told

    if token.granted_at_s is not None and (said := end_told(token.expires_at_s, token.granted_at_s)):
        narrate(f"this sign-in ends soon: {said}")
        narrate(f"better: {PUBLISH}, then sign in again")
