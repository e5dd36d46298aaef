"""`doctor`: everything looked at, and what to do about what is wrong."""

from typing import TYPE_CHECKING

import typer

from qcqueue.cli.shared import JsonOption, StoreOption, print_json, say

if TYPE_CHECKING:
    from qcqueue.app.checks import Finding

# Of the longest verdict and the longest thing that is looked at: a row is said before the next is known.
WIDTHS = len("problem"), len("Google Drive")
COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look at everything a queue needs, and say what to type or click where something is wrong."""
    from qcqueue.app.doctor import examine
    from qcqueue.clock import SystemClock

    findings = []
    for finding in examine(store, clock=SystemClock()):
        findings.append(finding)
        if not as_json:
            say(_rows(finding))
    if as_json:
        print_json({"findings": [_document(finding) for finding in findings]})
    raise typer.Exit(next((finding.exit_code for finding in findings if finding.exit_code), 0))


def _rows(finding: "Finding") -> str:
    from qcqueue.cli.table import colour

    verdict, (verdict_width, what_width) = finding.verdict, WIDTHS
    padding = " " * (verdict_width - len(verdict))
    row = f"{colour(verdict, COLOURS[verdict])}{padding}  {finding.what:{what_width}}  {finding.says}"
    return f"{row}\nnext: {finding.hint}" if finding.hint else row


def _document(finding: "Finding") -> dict[str, str | None]:
    return {"what": finding.what, "verdict": finding.verdict, "says": finding.says, "hint": finding.hint}
