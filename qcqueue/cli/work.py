"""`work`: one session on this machine, shown live, stopped cleanly."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli import exits
from qcqueue.cli.shared import JsonOption, NowOption, StoreOption, narrate, print_json, say, workplace
from qcqueue.core.spelling import visible
from qcqueue.errors import StoreError, StorePutBack

if TYPE_CHECKING:
    from qcqueue.app.workplace import Workplace
    from qcqueue.worker.session import Session


def register(app: typer.Typer) -> None:
    app.command()(work)


def work(
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", metavar="M", help="Save and leave after M minutes.")
    ] = None,
    promised_minutes: Annotated[
        float | None,
        typer.Option("--promised-minutes", metavar="M", help="The machine is taken away in M minutes: plan for it."),
    ] = None,
    max_epochs: Annotated[int | None, typer.Option("--max-epochs", metavar="N", help="Leave after N epochs.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", help="How many jobs to end before leaving.")] = 1,
    store: StoreOption = None,
    as_json: JsonOption = False,
    now: NowOption = False,
) -> None:
    """Work on the queue: claim a job, train it, save every epoch, leave. Run it again after any interruption."""
    from qcqueue.app.provider import profile_here
    from qcqueue.app.settings import load_settings
    from qcqueue.app.work import (
        checked_limits,
        drive,
        leaving_without_a_session,
        new_session,
        stopping_on_signals,
    )

    limits = checked_limits(
        max_minutes=max_minutes, promised_minutes=promised_minutes, max_epochs=max_epochs, jobs=jobs
    )
    profile = profile_here(load_settings(store=store))
    with leaving_without_a_session(narrate, exit_code=exits.RESUMABLE), ExitStack() as answering:
        with _screen() as (say, show):
            place = workplace(store, persistent=True, now=now, say=say)
            session = new_session(place, limits, profile=profile, narrate=say)
            answering.enter_context(stopping_on_signals(session, say, again="Ctrl-C again"))
            drive(place, session, show=show)
        _conclude(place, session, as_json)


def _conclude(place: "Workplace", session: "Session", as_json: bool) -> None:
    from qcqueue.app.telling import ending_lines, next_step
    from qcqueue.worker.view import Ending

    codes = {
        Ending.FINISHED: 0,
        Ending.JOB_FAILED: exits.FAILED,
        Ending.JOB_HELD: exits.FAILED,
        Ending.LEASE_LOST: exits.LEASE_LOST,
        Ending.NOTHING_TO_DO: exits.NOTHING_TO_DO,
        Ending.LIMIT: exits.RESUMABLE,
        Ending.NEAR_END: exits.RESUMABLE,
        Ending.SET_ASIDE: exits.RESUMABLE,
        Ending.WITHDRAWN: exits.RESUMABLE,
        Ending.CANNOT_START: exits.CANNOT_START,
        Ending.NOTHING_SAVED: StoreError.exit_code,
        Ending.ASKED: exits.INTERRUPTED,
        Ending.UNSAVED: exits.INTERRUPTED,
        Ending.NEWER_QUEUE: StoreError.exit_code,
        Ending.PUT_BACK: StorePutBack.exit_code,
    }
    ending = session.ending
    assert ending is not None, "drive runs a session to its end"
    how = (session.asked_why if ending in (Ending.LIMIT, Ending.ASKED) else None) or ending
    with suppress(OSError):  # nobody reads it, as where the terminal was closed
        if as_json:
            told = {"ending": ending.name.lower(), "why": how, "trouble": session.trouble}
            print_json({"store": place.store.url, "session": session.id, **told})
        else:
            say(f"session {session.id}: {how}")
            for line in ending_lines(session):
                say(line)
            say(f"next: {next_step(session) or _next_command(ending)}")
    raise typer.Exit(codes[ending])


def _next_command(ending: str) -> str:
    from qcqueue.worker.view import Ending

    return {
        Ending.FINISHED: "qcqueue status",
        Ending.JOB_FAILED: "qcqueue status, then qcqueue why JOB",
        Ending.JOB_HELD: "qcqueue status, then qcqueue why JOB",
        Ending.NOTHING_TO_DO: "qcqueue status",
        Ending.LEASE_LOST: "qcqueue status",
        Ending.WITHDRAWN: "qcqueue status",
        Ending.NEWER_QUEUE: "pip install --upgrade qcqueue, then qcqueue work",
        Ending.PUT_BACK: "qcqueue store adopt",
    }.get(Ending(ending), "qcqueue work")


@contextmanager
def _screen() -> Iterator[tuple[Callable[[str], None], Callable[["Session"], None]]]:
    """Yield how to say a line and how to show a session: live on a terminal, lines only elsewhere."""
    if not sys.stderr.isatty():
        yield narrate, lambda session: None
        return
    from rich.console import Console
    from rich.live import Live

    from qcqueue.cli.live import panel

    console = Console(stderr=True)
    live = Live(console=console, auto_refresh=False, transient=True)
    live.start()
    try:
        yield (
            lambda text: console.print(visible(text), markup=False, highlight=False),
            lambda session: live.update(panel(session.view()), refresh=True),
        )
    finally:
        with suppress(OSError):  # a terminal that was closed needs no last look
            live.stop()
