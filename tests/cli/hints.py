"""What a `next:` line says, as somebody who obeys it reads it: the commands in it, and whether they can be typed.

A hint is prose around commands. A command of ours ends at a mark of punctuation or where it is complete; one of the
shell begins the hint. What a hint leaves open stands in capitals, as FILE does.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from qcqueue.cli.main import application

ROOT: Any = typer.main.get_command(application())

# Of each command the arguments and options that name a file which it reads.
READS = {"files", "file", "weights", "client", "certificates", "path"}
OPEN = re.compile(r"(?:[a-z]+:)?[A-Z][A-Z_-]*(\.[a-z]+)?|X+.*")
FILLED_IN = "1"
SHELL = ("pip", "mv", "rm", "chmod", "mkdir", "cd", "export", "unset", "tensorboard", "mlflow")
# What changes nothing, and what takes long even as a rehearsal.
LOOK = [[], *([name] for name in ("status", "show", "log", "why", "plan", "quota", "doctor"))]
LOOK += [["data", "list"], ["data", "show"], ["store", "usage"], ["store", "verify"]]
SLOW = [["data", "sample"]]
_TYPED = re.compile(r"(?<![\w/.-])qcqueue(?: (?P<rest>(?:[^,;:()`\n]|[,;:](?=\S))*)|(?=$|[,;:.`]))")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_OF_OTHERS = frozenset({"--upgrade", "--force-reinstall", "--user", "--logdir", "--no-deps", "--backend-store-uri"})


class DeadEnd(AssertionError):
    """A hint that cannot be followed."""


def hints_in(said: str) -> Iterator[str]:
    """Yield what the `next:` lines of an answer say."""
    for line in said.splitlines():
        if line.strip().startswith("next: "):
            yield line.strip().removeprefix("next: ")


def commands_in(hint: str) -> Iterator[list[str]]:
    """Yield the words of each command of ours in a hint. Raises: DeadEnd: it cannot be typed."""
    for found in _TYPED.finditer(hint):
        yield complete((found["rest"] or "").split(), hint)


def complete(words: list[str], hint: str) -> list[str]:
    """Return the words that are a command, without the prose behind it. Raises: DeadEnd: none are."""
    refused = ""  # an error would keep alive whoever has said it, with all that they hold open
    for end in range(len(words) + 1):
        typed, prose = words[:end], words[end:]
        if any(word.startswith("-") for word in prose) or (prose and OPEN.fullmatch(prose[0])):
            continue
        try:
            list(parsed(shlex.split(" ".join(typed))))
        except (typer.BadParameter.__mro__[2], ValueError, KeyError) as exc:  # type: ignore[misc]
            refused = refused or repr(exc)
            continue
        if end or not words or not looks_like_a_command(words[0]):
            return shlex.split(" ".join(typed))
    raise DeadEnd(f"nobody can type {' '.join(words)!r} of {hint!r}: {refused}")


def looks_like_a_command(word: str) -> bool:
    return bool(re.fullmatch(r"[a-z-]+", word))


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return a command, and what is typed behind its name. Raises: KeyError: there is none of this name."""
    command, words = ROOT, [*words]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    return command, words


def parsed(words: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield what is typed for each argument and option of a command, a number for what is left open.

    Raises what click raises for what it refuses.
    """
    command, words = command_of(words)
    words = [FILLED_IN if OPEN.fullmatch(Path(word).name) else word for word in words]
    if set(words) & {"-h", "--help"}:
        return
    if hasattr(command, "commands") and command is not ROOT:
        raise ValueError(f"{command.name} is a group of commands")
    yield from command.make_context(command.name, words).params.items()


def check(hint: str, *, here: Path) -> None:
    """Refuse a hint to nothing. here: the folder in which it is said. Raises: DeadEnd."""
    for words in commands_in(hint):
        for name, value in parsed(words):
            for typed in value if isinstance(value, list | tuple) else [value]:
                if name in READS and isinstance(typed, Path) and not _is_there(here / typed):
                    raise DeadEnd(f"{hint!r} names {typed}, which is not there")
    check_form(hint)


def _is_there(path: Path) -> bool:
    return path.exists() or path.name == FILLED_IN


def rehearsal_of(words: list[str]) -> list[str] | None:
    """Return how to run a command without changing anything; None where that cannot be, or something is left open."""
    command, rest = command_of(words)
    if any(OPEN.fullmatch(Path(word).name) for word in rest) or words[:2] in SLOW or "--watch" in words:
        return None
    if any("--dry-run" in it.opts for it in command.params):
        return [*words, "--dry-run"]
    return words if words[:1] in LOOK or words[:2] in LOOK else None


def check_form(hint: str) -> None:
    """Refuse a hint that no shell would take, or whose options nobody has. Raises: DeadEnd."""
    known = {flag for command in every_command(ROOT) for it in command.params for flag in it.opts} | _OF_OTHERS
    if unknown := set(_FLAG.findall(hint)) - known:
        raise DeadEnd(f"no command has {', '.join(sorted(unknown))}: {hint!r}")
    if hint.split(" ", 1)[0] in SHELL:
        try:
            shlex.split(hint)
        except ValueError as exc:
            raise DeadEnd(f"no shell takes {hint!r}: {exc}") from exc


def every_command(group: Any) -> Iterator[Any]:
    yield group
    for command in getattr(group, "commands", {}).values():
        yield from every_command(command)
