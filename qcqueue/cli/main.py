"""The entry point: every command registered, every error turned into two lines and its exit code."""

import sys
import traceback
from typing import Any, NoReturn

import typer

from qcqueue.cli import look
from qcqueue.cli.exits import BUG, INTERRUPTED
from qcqueue.errors import QcqueueError

# typer ships its own copy of click, older ones use the library; the class of its errors is found through typer.
_TyperError: type[Any] = typer.BadParameter.__mro__[2]


def main() -> NoReturn:
    """Run one command and exit with the code of the contract."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code instead of leaving."""
    try:
        if _is_everyday(arguments):
            look.status(as_json="--json" in arguments)
            return 0
        return application()(args=arguments, prog_name="qcqueue", standalone_mode=False) or 0
    except QcqueueError as exc:
        return _say(str(exc), exc.hint, exc.exit_code)
    except _TyperError as exc:
        return _say(_lowered(exc.format_message()), "qcqueue -h", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _say("stopped by Ctrl-C; everything saved so far is safe", None, INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; nobody is left to tell.
        sys.stdout = None
        return 0
    except Exception:
        traceback.print_exc()
        return _say("this is a bug of qcqueue", "please report it with the text above", BUG)


def application() -> typer.Typer:
    """Return the whole command line."""
    from qcqueue.cli import control, data, proof, start, work

    app = typer.Typer(
        name="qcqueue",
        help="Resumable training jobs for quota-limited GPUs: enqueue on a laptop, work in sessions that vanish.",
        context_settings={"help_option_names": ["-h", "--help"]},
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for commands in (look, start, data, control, work, proof):
        commands.register(app)
    return app


def _is_everyday(arguments: list[str]) -> bool:
    """Whether this is the one call that must answer at once.

    typer reads even a single flag through pydantic, whose import alone costs a fifth of what `status` may take.
    """
    return arguments in (["status"], ["status", "--json"])


def _say(message: str, hint: str | None, code: int) -> int:
    """Say on stderr what happened and what to type next."""
    typer.echo(f"qcqueue: {message}", err=True)
    if hint:
        typer.echo(f"next: {hint}", err=True)
    return code


def _lowered(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
