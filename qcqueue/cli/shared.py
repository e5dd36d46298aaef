"""What every command needs: the queue it works on, the options they have in common, JSON out, and exit codes."""

import contextlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.panels import PANELS
from qcqueue.cli.streams import is_utf8
from qcqueue.errors import CorruptionError, QcqueueError, UserError
from qcqueue.text.suggest import visible

if TYPE_CHECKING:
    from qcqueue.app.context import QueueContext

SCHEMA_VERSION = 1

BUG = 1
FAILED = 3

_NEXT = re.compile(r"^\s*next: .*", re.MULTILINE)
_WORK = re.compile(r"^(\s*next: |)qcqueue work$")
_NO_QUEUE = ("demo", "init", "new", "login", "colab-token", "drill")
_OF_A_QUEUE = "|".join(name for names in PANELS.values() for name in names if name not in _NO_QUEUE)
_COMMAND = rf"\bqcqueue(?= (?:{_OF_A_QUEUE})\b)|(?:^|(?<=next: ))qcqueue$"
"""A command that asks for a queue which is there; compiled only where a --store was typed."""

typed_store: list[str] = []
"""The --store of this command line, if it names a queue that a later command must name too."""

StoreOption = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="The queue to use instead of the one in qcqueue.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and say what would happen; change nothing.")
]
NowOption = Annotated[
    bool, typer.Option("--now", help="Raise an older queue to this version, though older sessions at work end.")
]
MineOption = Annotated[
    bool, typer.Option("--mine", help="Only your own jobs: of your account on Drive, else of QCQUEUE_OWNER.")
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's name, such as six-models/vgg16 or vgg16.")]

JobsArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="A job's name, such as vgg16, or six-models/ for all jobs of a study.")
]


def print_json(value: Mapping[str, Any]) -> None:
    """Print the one document of a `--json` command, in which a terminal finds no orders either."""
    document = {"schema_version": SCHEMA_VERSION, **value}
    text = json.dumps(document, allow_nan=False, ensure_ascii=not is_utf8())
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escaped(char) for char in text)
    typer.echo(text)


def _escaped(char: str) -> str:
    """Return a letter within a string of JSON as JSON writes it where it must."""
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


def say(text: str) -> None:
    """Print a screen for a person, whatever names stand in it.

    `table` decides on colour; typer alone would take away what FORCE_COLOR asks for.
    """
    typer.echo(visible(_NEXT.sub(lambda line: next_here(line[0]), text)), color=True)


def next_here(hint: str) -> str:
    """Return what to type next as it works here: on Windows itself that is a notebook and no session."""
    return for_the_same_queue(_WORK.sub(r"\1qcqueue notebook", hint) if sys.platform == "win32" else hint)


def for_the_same_queue(hint: str) -> str:
    """Return what to type next with the --store that was typed, where a command needs it to find the same queue."""
    if not typed_store or "--store" in hint or hint.endswith(" -h"):
        return hint
    return re.sub(_COMMAND, lambda _: f"qcqueue --store {shlex.quote(typed_store[-1])}", hint)


def say_next(command: str, *, dry_run: bool = False) -> None:
    """Say what to type after a command that went well; after a rehearsal that is the command itself."""
    say(f"next: {'the same command without --dry-run' if dry_run else command}")


def one_of(typed: str, allowed: tuple[str, ...], flag: str) -> str:
    """Return what was typed for a flag. Raises: UserError: it is none of what is allowed."""
    from qcqueue.text.suggest import clipped, nearest

    if typed in allowed:
        return typed
    meant = nearest(typed, allowed) or allowed[0]
    raise UserError(f"{flag} {clipped(typed)!r} is neither {' nor '.join(allowed)}", hint=f"{flag} {meant}")


def narrate(text: str) -> None:
    """Say what is going on, on stderr. That nobody can be told ends no command."""
    with contextlib.suppress(OSError):
        typer.echo(visible(text), err=True)


def open_queue(
    store: str | None, *, persistent: bool = False, now: bool = False, say: Callable[[str], None] = narrate
) -> "QueueContext":
    """Open the queue the settings name. persistent: ask for minutes where it is far away and does not answer.

    now: raise it to the format of this version, though sessions of an older one end; say: where that is said.
    """
    from qcqueue.app.context import open_context
    from qcqueue.app.settings import load_settings
    from qcqueue.app.upgrade import Consent

    context = open_context(load_settings(store=store), persistent=persistent, consent=Consent(now=now, say=say))
    _opened[:] = [context]
    return context


def owner_here(context: "QueueContext", typed: str) -> str:
    """Return whose jobs are one's own. typed: the command, for a hint. Raises: UserError: nobody has said."""
    owner = context.owner()
    if owner is None:
        raise UserError(
            "nobody has said which jobs are yours: this queue knows no accounts, and QCQUEUE_OWNER is not set",
            hint=f"export QCQUEUE_OWNER=YOU@EXAMPLE.ORG, then {typed} --mine",
        )
    return owner


_opened: "list[QueueContext]" = []


def damage() -> "QcqueueError | None":
    """Return what is damaged in the queue that was opened last, None where nothing is, or it cannot be told."""
    from qcqueue.queue.damage import damage_of

    for context in _opened:
        try:
            with context.read() as tx:
                return damage_of(tx)
        except QcqueueError as exc:
            return exc if isinstance(exc, CorruptionError) else None
    return None


def tell_age(context: "QueueContext") -> None:
    """Say on stderr what the answer does not show: that it is not of now, that the sign-in ends soon."""
    from qcqueue.text.humanize import ago

    if soon := context.warning():
        narrate(soon)
    if behind := context.behind():
        narrate(f"last seen {ago(behind.since_s, context.clock.now_s())}; {behind.why}")
