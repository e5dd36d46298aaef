"""Commands that sign in to Google Drive: login on a laptop, colab-token for the secrets of Colab."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.shared import narrate, say

if TYPE_CHECKING:
    from qcqueue.stores.drive.token import Token

CLIENT = "The JSON of your own OAuth client, downloaded from the Google Cloud console. Default: that of the sign-in of"


def register(app: typer.Typer) -> None:
    app.command()(login)
    app.command("colab-token")(colab_token)


def login(
    client: Annotated[
        Path | None,
        typer.Option("--client", metavar="FILE", help=f"{CLIENT} this machine, or the newest in the downloads folder."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Replace a sign-in that is good: as another account.")] = False,
) -> None:
    """Sign in to your Google Drive. What is missing for it is named, with the page of Google where it is made."""
    from qcqueue.app.settings import load_settings
    from qcqueue.clock import SystemClock
    from qcqueue.stores.drive.guide import account_of, next_client
    from qcqueue.stores.drive.sign_in import sign_in_here, token_path

    access = load_settings().access(clock=SystemClock())
    if chosen := next_client(access, client, again=again, narrate=narrate):
        token = sign_in_here(access, chosen, narrate=narrate)
        say(f"signed in{f' as {token.account}' if token.account else ''}; qcqueue sees only the files it makes")
        say(f"written: {token_path(access)}")
        _tell_end(token)
        if not token.account:
            account_of(access)  # which says why Drive did not tell
    else:
        account = account_of(access)
        say(f"signed in already{f' as {account}' if account else ''}, by {token_path(access)}")
    say("next: qcqueue init --store gdrive:new")


def colab_token(
    client: Annotated[
        Path | None,
        typer.Option(
            "--client", metavar="FILE", help=f"{CLIENT} this machine. Its type is TVs and Limited Input devices."
        ),
    ] = None,
) -> None:
    """Make a sign-in of its own for Colab, and print it: one line to paste into Colab's secrets, kept nowhere else."""
    from qcqueue.app.settings import load_settings
    from qcqueue.clock import SystemClock
    from qcqueue.errors import ClientRefused
    from qcqueue.stores.drive.sign_in import by_another, client_here, sign_in_by_code
    from qcqueue.stores.drive.token import RENEW_FOR_COLAB

    access = load_settings().access(clock=SystemClock())
    try:
        token = sign_in_by_code(access, client_here(access, client, narrate=narrate), show=narrate)
    except ClientRefused as exc:
        raise by_another(exc, RENEW_FOR_COLAB) from None
    _tell_end(token)
    narrate(
        "keep the next line secret: it opens qcqueue's files in your Drive. In Colab: the key at the left > Add new "
        "secret > name QCQUEUE_TOKEN > paste the line as its value > Notebook access on. In Kaggle: Add-ons > Secrets "
        "> Add secret, with that name as its label"
    )
    typer.echo(token.to_json())


def _tell_end(token: "Token") -> None:
    """Warn at once of a sign-in that will die in the middle of a study."""
    from qcqueue.stores.drive.console import PUBLISH
    from qcqueue.stores.drive.sign_in import end_told

    if token.granted_at_s is not None and (said := end_told(token.expires_at_s, token.granted_at_s)):
        narrate(f"this sign-in ends soon: {said}")
        narrate(f"better: {PUBLISH}, then sign in again")
