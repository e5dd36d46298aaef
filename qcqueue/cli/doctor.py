"""`doctor`: everything looked at, and what to do about what is wrong."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from qcqueue.cli.shared import JsonOption, StoreOption, print_json, say

if TYPE_CHECKING:
    from qcqueue.app.findings import Finding

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look at everything a queue needs, and say what to type or click where something is wrong."""
    from qcqueue.app.doctor import examine
    from qcqueue.clock import SystemClock

    findings = list(examine(store, clock=SystemClock()))
    if as_json:
        print_json({"findings": [_document(finding) for finding in findings]})
    else:
        say(_screen(findings))
    raise typer.Exit(next((finding.exit_code for finding in findings if finding.exit_code), 0))


def _screen(findings: "Sequence[Finding]") -> str:
    from qcqueue.cli.table import colour, columns

    rows = columns([(finding.verdict, finding.what, finding.says) for finding in findings])
    said = []
    for row, finding in zip(rows, findings, strict=True):
        verdict = finding.verdict
        said.append(f"{colour(verdict, COLOURS[verdict])}{row.removeprefix(verdict)}")
        if finding.hint:
            said.append(f"next: {finding.hint}")
    return "\n".join(said)


def _document(finding: "Finding") -> dict[str, str | None]:
    return {"what": finding.what, "verdict": finding.verdict, "says": finding.says, "hint": finding.hint}
