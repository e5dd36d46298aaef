"""Write docs/commands.md from the command line itself, so that the page cannot differ from what `--help` says.

Only names, sentences and values are taken, not the layout of `--help`, which changes with the version of typer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from qcqueue.cli.main import application
from qcqueue.cli.panels import panels_of

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

_HEAD = """\
# Commands

<!-- Written by scripts/docs from the command line itself: change the docstring of a command, then run scripts/docs -->

`qcqueue` alone shows how far everything is, and what to type next. Every command takes `-h`. What changes a queue takes
`--dry-run`: it checks everything, says what would happen, and changes nothing. With `--json` a command prints one JSON
object with a `schema_version` on standard output, and nothing else. What a command ends with stands in
[settings and exit codes](settings-and-exit-codes.md#exit-codes).
"""

_EVERYWHERE = {
    "--store": "The queue to use instead of the one in qcqueue.toml.",
    "--json": "Print one JSON object and nothing else.",
    "--dry-run": "Check everything and say what would happen; change nothing.",
    "--now": "Raise an older queue to this version, though older sessions at work end.",
}
"""Options that mean the same wherever they are; one that means something else is shown with its command."""

_NOT_A_PROMISE = frozenset({"--help", "-h"})


def command_page() -> str:
    """Return the page."""
    root: Any = typer.main.get_command(application())
    parts = [
        _HEAD,
        "Options that many commands have:\n",
        *(f"- `{name}`: {it}" for name, it in _EVERYWHERE.items()),
        "",
    ]
    for title, names in panels_of(root):
        parts.append(f"## {title}\n")
        for name in names:
            parts += _command(f"qcqueue {name}", root.commands[name])
    return "\n".join(parts).rstrip() + "\n"


def _command(path: str, command: Any) -> Iterator[str]:
    yield f"### `{path}`\n"
    yield f"{_escaped(_sentences(command.help))}\n"
    for name, below in getattr(command, "commands", {}).items():
        yield from (part.replace("### ", "#### ", 1) for part in _command(f"{path} {name}", below))
    if hasattr(command, "commands"):
        return
    arguments = [it for it in command.params if not it.opts[0].startswith("-")]
    options = [it for it in command.params if it.opts[0].startswith("-") and not set(it.opts) & _NOT_A_PROMISE]
    typed = [_typed(it) for it in arguments] + [f"{it.opts[0]}{_value(it)}" for it in options if it.required]
    yield f"```console\n$ {' '.join([path, *typed])}\n```\n"
    own = [it for it in options if _EVERYWHERE.get(it.opts[0]) != it.help]
    rows = [f"| {_code(_typed(it, plain=True))} | {_escaped(it.help)} |" for it in arguments]
    rows += [f"| {_code(it.opts[0] + _value(it))} | {_escaped(it.help)}{_default(it)} |" for it in own]
    if rows:
        yield "\n".join(["| | |", "|---|---|", *rows, ""])
    if shared := [f"`{it.opts[0]}`" for it in options if it not in own]:
        yield f"Also {', '.join(shared)}.\n"


def _sentences(text: str | None) -> str:
    return " ".join((text or "").split())


def _typed(argument: Any, *, plain: bool = False) -> str:
    name = f"{argument.metavar or argument.name.upper()}{' …' if argument.nargs == -1 else ''}"
    return name if plain or argument.required else f"[{name}]"


def _value(option: Any) -> str:
    if option.is_flag:
        return ""
    return f" {option.metavar}"


def _default(option: Any) -> str:
    if option.required:
        return " Must be given."
    if option.is_flag or option.default in (None, [], ()):
        return ""
    return f" Default: `{option.default}`."


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _escaped(text: str) -> str:
    """Return a text as Markdown shows it: in a table a bar would end the cell, and a star may begin emphasis."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(command_page(), encoding="utf-8")
