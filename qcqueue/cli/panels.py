"""How `--help` lists commands: in groups, by what a person wants to do, each with its whole first sentence.

Owns the groups and their order; what a command does is said by its own docstring. A list of commands is never cut at
the edge of the terminal, however narrow it is: a sentence goes on in the next line.
"""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

PANELS = {
    "Begin": ("demo", "init", "data", "new", "enqueue", "extend", "work", "launch"),
    "Google Drive and Colab": ("login", "colab-token", "notebook"),
    "Look": ("status", "show", "log", "why"),
    "Plan": ("plan", "quota", "simulate"),
    "Change what waits": ("move", "hold", "release", "cancel", "retry", "remove"),
    "Results": ("report", "fetch", "export"),
    "Check and prove": ("doctor", "store", "check", "drill", "trust"),
}
"""Every command of the first level, in the order in which a newcomer meets them; a test knows when one is missing."""

GROUPS = frozenset({"data", "store", "export", "launch", "trust"})
"""Those of them that hold commands of their own."""

_OF_A_GROUP = "Commands"
_NEVER_CUT = 10_000


class PanelGroup(TyperGroup):
    """Commands whose help is listed by `PANELS`; those of a group within it stand in one list."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in panels_of(self):
            with formatter.section(title):
                formatter.write_dl([(name, first_sentence(self.commands[name])) for name in names])


def command_group(help: str) -> typer.Typer:
    """Return an empty group of commands, such as `store`."""
    return typer.Typer(
        cls=PanelGroup,
        help=help,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def panels_of(group: TyperGroup) -> Iterator[tuple[str, list[str]]]:
    """Yield titles and the names of their commands; what has no title of its own comes last."""
    left = [name for name, command in group.commands.items() if not command.hidden]
    for title, names in PANELS.items():
        if found := [name for name in names if name in left and group.name == "qcqueue"]:
            yield title, found
            left = [name for name in left if name not in found]
    if left:
        yield _OF_A_GROUP, left


def first_sentence(command: Any) -> str:
    """Return what a command does, in one sentence that is never cut."""
    said: str = command.get_short_help_str(_NEVER_CUT)
    return said
