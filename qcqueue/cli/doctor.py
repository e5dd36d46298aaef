"""`doctor`: everything looked at, and what to do about what is wrong."""

from typing import TYPE_CHECKING

import typer

from qcqueue.cli.shared import JsonOption, StoreOption, print_json, say

if TYPE_CHECKING:
    from qcqueue.stores.checks import Check

# Of the longest verdict and the longest thing that is looked at: a row is said before the next is known.
WIDTHS = len("problem"), len("Google Drive")
COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look at everything a queue needs, and say what to type or click where something is wrong."""
    from qcqueue.app.doctor import examine
    from qcqueue.clock import SystemClock

    checks = []
    for check in examine(store, clock=SystemClock()):
        checks.append(check)
        if not as_json:
            say(_rows(check))
    if as_json:
        print_json({"findings": [_document(check) for check in checks]})
    raise typer.Exit(next((check.exit_code for check in checks if check.exit_code), 0))


def _rows(check: "Check") -> str:
    from qcqueue.cli.table import colour

    verdict, (verdict_width, what_width) = check.verdict, WIDTHS
    padding = " " * (verdict_width - len(verdict))
    row = f"{colour(verdict, COLOURS[verdict])}{padding}  {check.what:{what_width}}  {check.says}"
    return f"{row}\nnext: {check.hint}" if check.hint else row


def _document(check: "Check") -> dict[str, str | None]:
    return {"what": check.what, "verdict": check.verdict, "says": check.says, "hint": check.hint}
