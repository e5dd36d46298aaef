"""Commands for what may run on this machine of the code that people bring: what was approved, and taking that back."""

from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.panels import command_group
from qcqueue.cli.shared import JsonOption, print_json, say, say_next

if TYPE_CHECKING:
    from qcqueue.code.trust import Approved, Trust


def register(app: typer.Typer) -> None:
    group = command_group("List and remove the code of people that may run on this machine.")
    group.command("list")(list_all)
    group.command("remove")(remove)
    app.add_typer(group, name="trust")


def list_all(as_json: JsonOption = False) -> None:
    """List the code that was approved on this machine, the newest first."""
    from qcqueue.cli.table import columns
    from qcqueue.clock import SystemClock
    from qcqueue.text.humanize import moment

    found = _trust().approved()
    if as_json:
        print_json({"approved": [_document(it) for it in found]})
        return
    if found:
        now_s = SystemClock().now_s()
        rows = [(it.sha256, moment(it.at_s, now_s), ", ".join(it.files) or "?") for it in found]
        say("\n".join(columns([("DIGEST", "APPROVED", "FILES"), *rows])))
    else:
        say("no code of anybody may run on this machine yet; enqueue approves what it enqueues")
    say_next("qcqueue trust remove DIGEST" if found else "qcqueue enqueue STUDY.toml")


def remove(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The digest of the code, or the beginning of it.")],
    as_json: JsonOption = False,
) -> None:
    """Let code run on this machine no more. What it has trained stays."""
    gone = _trust().remove(digest)
    if as_json:
        print_json(_document(gone))
        return
    say(f"removed: {gone.sha256} runs on this machine no more")
    say_next("qcqueue trust list")


def _trust() -> "Trust":
    from qcqueue.app.settings import load_settings
    from qcqueue.clock import SystemClock
    from qcqueue.code.trust import Trust

    return Trust(load_settings().cache, SystemClock())


def _document(it: "Approved") -> dict[str, object]:
    from qcqueue.text.humanize import iso

    return {"digest": it.sha256, "files": it.files, "approved_at": iso(it.at_s)}
