"""Sees whether what XLA makes of a step adds up in an order that nothing fixes.

Determinism by flag leaves some such operations in a program, and two runs may be alike by luck. A scatter whose indices
may repeat is one, and so is what a select-and-scatter becomes.
"""

import re
from typing import Any

from qcqueue.errors import DeterminismRefused

_SCATTER = re.compile(r"^.* (scatter|select-and-scatter)\(.*$", re.MULTILINE)
_PLACE = re.compile(r'op_name="([^"]+)"')


def refuse_scatters(function: Any, *example: Any) -> None:
    """Raises: DeterminismRefused: the program of a function adds up in an order that nothing fixes."""
    try:
        program = function.experimental_get_compiler_ir(*example)(stage="hlo")
    except ValueError:  # it cannot be compiled, as the first step will tell better
        return
    if (line := scattering(program)) is not None:
        place = _PLACE.search(line)
        name = place.group(1).rpartition("/")[2] if place else "an operation"
        raise DeterminismRefused(
            f"{name} adds up in no fixed order in what XLA makes of a step", hint='write step = "auto" in the study'
        )


def scattering(program: str) -> str | None:
    """Return the first line of an HLO program that adds up, or takes, in an order that nothing fixes; None for none."""
    return next((it.group() for it in _SCATTER.finditer(program) if "unique_indices=true" not in it.group()), None)
