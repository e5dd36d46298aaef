"""The entry point: every command registered, every error turned into two lines and its exit code."""

import contextlib
import functools
import gc
import itertools
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer

from qcqueue.cli import look, streams
from qcqueue.cli.panels import GROUPS, PanelGroup
from qcqueue.cli.shared import BUG, damage, narrate, next_here, typed_store
from qcqueue.disk import NO_ROOM, OF_A_DISK
from qcqueue.errors import INTERRUPTED, DatasetInvalid, NameTaken, QcqueueError, SpecInvalid, UserError
from qcqueue.stores.files import of_this_machine

# typer ships its own copy of click, older ones use the library; the class of its errors is found through typer.
_TyperError: type[Any] = typer.BadParameter.__mro__[2]

# A sentence keeps its beginning and its end, where the reason stands; what a person typed between can be endless.
LONGEST_BEGINNING, LONGEST_END = 480, 160


def main() -> NoReturn:
    """Run one command and exit with the code of the contract."""
    streams.settle()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while the first was answered
        code = INTERRUPTED
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever presses it again gets no traceback for it
    _let_go_of_lost_readers()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code instead of leaving."""
    try:
        _check_text(arguments)
        arguments = _with_store_behind(arguments)
        typed_store[:] = _values("--store", arguments) if arguments[:1] not in (["init"], ["drill"]) else []
        if _is_everyday(arguments):
            look.status(as_json="--json" in arguments)
            return 0
        commands = _command_line()
        gc.freeze()  # all that is imported, which was imported without: see `__main__`
        gc.enable()
        return commands.main(args=arguments, prog_name="qcqueue", standalone_mode=False) or 0
    except QcqueueError as exc:
        return _say(_sentences(exc), _next_step(exc, arguments), exc.exit_code)
    except _TyperError as exc:
        return _say([_refusal(exc, arguments)], f"{exc.ctx.command_path if exc.ctx else 'qcqueue'} -h", 2)
    except (KeyboardInterrupt, typer.Abort, _Interrupted) as exc:
        how = str(exc) or "stopped by Ctrl-C"
        return _say([f"{how}; everything saved so far is safe"], None, INTERRUPTED)
    except (BrokenPipeError, _ReaderGone):
        # The reader of our output has gone, as `| head` does; nobody is left to tell.
        sys.stdout = None
        return 0
    except OSError as exc:
        if exc.filename == streams.OUTPUT:
            full = "there is no room left where the output goes" if exc.errno in NO_ROOM else "the output is lost"
            return _say([f"{full}: {exc.strerror}"], "make room there, or send it elsewhere; then the same again", 4)
        if isinstance(exc, FileNotFoundError) and _is_nowhere():
            return _say(["the folder that this shell is in is not there any more"], "cd to another folder", 2)
        if exc.errno not in OF_A_DISK:
            return _bug(exc)
        failed = of_this_machine(Path("its files"), exc)  # a disk is no bug of ours, wherever it was met
        return _say([str(failed)], failed.next_step, failed.exit_code)
    except Exception as exc:
        # Who stumbles over a row that nobody could use has found no bug of ours.
        if damaged := damage():
            return _say([str(damaged)], damaged.next_step, damaged.exit_code)
        return _bug(exc)


def _bug(exc: Exception) -> int:
    """Say so, with what is needed to find it."""
    narrate(traceback.format_exc())
    return _say(["this is a bug of qcqueue"], f"please report it with the text above{_and_its_log(exc)}", BUG)


def _is_nowhere() -> bool:
    """Return whether the current folder has been removed."""
    try:
        Path.cwd()
    except OSError:
        return True
    return False


class _Interrupted(Exception):
    """An interrupt on its way through typer, which makes a bare exit code of a KeyboardInterrupt."""


class _ReaderGone(Exception):
    """A broken pipe on its way through typer, which makes a bare exit code of that too."""


class _Commands(PanelGroup):
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _past_typer():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _past_typer():
            return super().invoke(ctx)


@contextlib.contextmanager
def _past_typer() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as exc:
        raise _Interrupted(str(exc)) from exc
    except BrokenPipeError as exc:
        raise _ReaderGone from exc


@functools.cache
def _command_line() -> Any:
    """Return the command line as click reads it; to build it takes longer than most commands do."""
    return typer.main.get_command(application())


def application() -> typer.Typer:
    """Return the whole command line."""
    from qcqueue.cli import (
        account,
        control,
        data,
        doctor,
        fetch,
        launch,
        notebook,
        plan,
        proof,
        simulate,
        start,
        store,
        trust,
        work,
    )

    app = typer.Typer(
        name="qcqueue",
        cls=_Commands,
        help="Resumable training jobs for quota-limited GPUs: enqueue on a laptop, work in sessions that vanish.",
        context_settings={"help_option_names": ["-h", "--help"]},
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    looking, beginning, training = (look, plan, simulate), (start, account, data, notebook), (work, launch, control)
    for commands in (*looking, *beginning, *training, doctor, store, proof, trust, fetch):
        commands.register(app)
    return app


def _and_its_log(error: Exception) -> str:
    from qcqueue.app.session_log import log_behind

    log = log_behind(error)
    return f" and the file {log}" if log else ""


def _let_go_of_lost_readers() -> None:
    """Keep what nobody can read any more, as where the terminal was closed, from changing the exit code at the end."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            setattr(sys, name, None)


def _with_store_behind(arguments: list[str]) -> list[str]:
    """Return what was typed with a --store that stands before its command behind it, where commands look for it."""
    words, options, rest = list[str](), list[str](), [*arguments]
    while rest and len(words) < (2 if words and words[0] in GROUPS else 1):
        if rest[0] == "--store" and len(rest) > 1:
            options += [rest.pop(0), rest.pop(0)]
        elif rest[0].startswith("--store="):
            options.append(rest.pop(0))
        elif rest[0].startswith("-"):
            break
        else:
            words.append(rest.pop(0))
    return [*words, *options, *rest]


def _is_everyday(arguments: list[str]) -> bool:
    """Whether this is the one call that must answer at once.

    typer reads even a single flag through pydantic, whose import alone costs a fifth of what `status` may take.
    """
    return arguments in (["status"], ["status", "--json"])


def _check_text(arguments: list[str]) -> None:
    """Refuse what neither the database nor a terminal can hold, before it gets anywhere."""
    for argument in arguments:
        if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in argument):
            raise UserError(f"{argument!r} is not text in UTF-8")


def _sentences(error: QcqueueError) -> Sequence[str]:
    """Return several only where several things are wrong: a line break in a name does not begin a new one."""
    if isinstance(error, SpecInvalid):
        return error.problems
    if isinstance(error, DatasetInvalid):
        return [str(error.args[0]), *error.problems]
    return str(error).split("\n") if isinstance(error, NameTaken) else [str(error)]


def _next_step(error: QcqueueError, arguments: list[str]) -> str:
    """Return what to type next: never the command itself, and the help of the command where its options are wrong."""
    typed = list(itertools.takewhile(str.isidentifier, (word.replace("-", "_") for word in arguments[:2])))
    if error.hint is None and isinstance(error, UserError) and typed:
        of_a_group = typed[0] in GROUPS
        return f"qcqueue {' '.join(arguments[: 1 + of_a_group])} -h"
    if error.hint == "qcqueue init":  # of the queue that was asked for
        return " ".join([error.hint, *(f"--store {shlex.quote(url)}" for url in [*_values("--store", arguments)][-1:])])
    is_itself = error.next_step.split() == ["qcqueue", *arguments]
    return next_here("qcqueue doctor" if is_itself else error.next_step)


def _refusal(error: Any, arguments: list[str]) -> str:
    """Return what typer says of a command line, but name a value that is no number, which typer may not."""
    said: str = error.format_message()
    if isinstance(error, typer.BadParameter) and error.param:
        for flag in error.param.opts:
            for typed in _values(flag, arguments):
                return f"{flag} {typed!r} is not a {'whole ' if 'integer' in said else ''}number"
    return (said[:1].lower() + said[1:]).rstrip(".")


def _values(flag: str, arguments: list[str]) -> Iterator[str]:
    """Yield what was given to a flag."""
    for argument, following in itertools.zip_longest(arguments, arguments[1:]):
        if argument == flag and following is not None:
            yield following
        elif argument.startswith(f"{flag}="):
            yield argument.removeprefix(f"{flag}=")


def _say(sentences: Sequence[str], hint: str | None, code: int) -> int:
    """Say on stderr what happened, one line for each thing that is wrong, and what to type next."""
    first, *others = map(_one_line, sentences)
    with contextlib.suppress(OSError):  # nobody reads it, as where the terminal was closed
        for line in (f"qcqueue: {first}", *others, *([f"next: {_one_line(hint)}"] if hint else [])):
            typer.echo(line, err=True)
    return code


def _one_line(sentence: str) -> str:
    """Return a sentence without line breaks and orders to the terminal, whatever names stand in it."""
    from qcqueue.text.suggest import printable

    shown = printable(sentence)
    if len(shown) <= LONGEST_BEGINNING + LONGEST_END:
        return shown
    return f"{shown[:LONGEST_BEGINNING]} ... {shown[-LONGEST_END:]}"
