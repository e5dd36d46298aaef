"""`work`: one session on this machine, shown live, stopped cleanly."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qcqueue.cli.shared import (
    JsonOption,
    NowOption,
    StoreOption,
    narrate,
    next_here,
    open_queue,
    print_json,
    say,
)
from qcqueue.errors import RESUMABLE
from qcqueue.text.humanize import duration, percent
from qcqueue.text.suggest import printable, visible
from qcqueue.worker.progress_text import point, waiting
from qcqueue.worker.view import View

if TYPE_CHECKING:
    from qcqueue.app.context import QueueContext
    from qcqueue.app.settings import Settings
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
    per_gpu: Annotated[
        bool, typer.Option("--per-gpu", help="One session on each GPU of this machine, all at once.")
    ] = False,
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="DIGEST", help="Let this code of a person run on this machine from now on."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    now: NowOption = False,
) -> None:
    """Work on the queue: claim a job, train it, save every epoch, leave. Run it again after any interruption."""
    from qcqueue.app.windows import refuse_on_windows

    refuse_on_windows("work")
    from qcqueue.app.profile import profile_here
    from qcqueue.app.settings import load_settings, named_store
    from qcqueue.app.work import (
        checked_limits,
        drive,
        flags_of,
        leaving_without_a_session,
        new_session,
        stopping_on_signals,
        trust_code,
    )
    from qcqueue.worker.machine import visible_gpus

    limits = checked_limits(
        max_minutes=max_minutes, promised_minutes=promised_minutes, max_epochs=max_epochs, jobs=jobs
    )
    settings = load_settings(store=store)
    trust_code(settings.cache, trust or [])
    if per_gpu and len(gpus := visible_gpus(os.environ)) > 1:
        named_store(settings)
        flags = [*flags_of(limits, now=now), *(["--store", store] if store else [])]
        _work_per_gpu(gpus, flags, settings, as_json)
    profile = profile_here(settings)
    with leaving_without_a_session(narrate, exit_code=RESUMABLE), ExitStack() as answering:
        with _screen() as (say, show):
            context = open_queue(store, persistent=True, now=now, say=say)
            session = new_session(context, limits, profile=profile, narrate=say)
            answering.enter_context(stopping_on_signals(session, say, again="Ctrl-C again"))
            drive(context, session, show=show)
        _conclude(context, session, as_json)


def _work_per_gpu(gpus: Sequence[str], flags: list[str], settings: "Settings", as_json: bool) -> NoReturn:
    from qcqueue.app.per_gpu import work_per_gpu
    from qcqueue.core.outcomes import worst_exit_code
    from qcqueue.text.canonical_json import parse_json

    answers = dict[str, str]()

    def hear(gpu: str, line: str, is_answer: bool) -> None:
        if as_json and is_answer:
            answers[gpu] = answers.get(gpu, "") + line
            return
        with suppress(OSError):  # nobody reads it
            (say if is_answer else narrate)(f"gpu {gpu}: {line}")

    ended = work_per_gpu(gpus, [*flags, *(["--json"] if as_json else [])], settings, hear=hear)
    for it in ended:
        if it.why:
            narrate(f"gpu {it.gpu}: {it.why}; {next_here('next: qcqueue work')}")
    if as_json:
        sessions = list[dict[str, object]]()
        for it in ended:
            answer = dict[str, object]({"why": it.why} if it.why else {})
            with suppress(ValueError):  # one that ended by an error has none, and one that was killed not all of it
                answer |= parse_json(answers.get(it.gpu, ""))
            sessions.append({**answer, "gpu": it.gpu, "exit_code": it.exit_code})
        with suppress(OSError):
            print_json({"store": settings.store, "sessions": sessions})
    raise typer.Exit(worst_exit_code(it.exit_code for it in ended))


def _conclude(context: "QueueContext", session: "Session", as_json: bool) -> None:
    from qcqueue.core.obstacles import grouped
    from qcqueue.core.outcomes import SessionEnd
    from qcqueue.worker.progress_text import ending_lines, next_step

    ending = session.ending
    assert ending is not None, "drive runs a session to its end"
    how = (session.asked_why if ending in (SessionEnd.LIMIT, SessionEnd.ASKED) else None) or str(ending)
    lacking = grouped(session.obstacles) if ending is SessionEnd.CANNOT_START else []
    if lacking:  # all of it in one sentence
        how = f"no job can start here: {', '.join(lacking)}"
    with suppress(OSError):  # nobody reads it, as where the terminal was closed
        if as_json:
            told = {"ending": ending.name.lower(), "why": how, "trouble": session.trouble}
            whole = {"store": context.store.url, "session": session.id, **told, "has_trained": session.has_trained}
            print_json(whole)
        else:
            say(f"session {session.id}: {how}")
            for line in ending_lines(session, without_lacks=bool(lacking)):
                say(line)
            say(f"next: {next_step(session) or ending.next_command}")
    raise typer.Exit(ending.exit_code)


@contextmanager
def _screen() -> Iterator[tuple[Callable[[str], None], Callable[["Session"], None]]]:
    """Yield how to say a line and how to show a session: live on a terminal, lines only elsewhere."""
    if not sys.stderr.isatty():
        yield narrate, lambda session: None
        return
    from rich.console import Console
    from rich.live import Live

    from qcqueue.cli.work import panel

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


def panel(view: View | None) -> RenderableType:
    """Return what to draw for a session."""
    if view is None:
        return Text("looking for a job")
    progress = view.progress
    if progress is None:
        return Text(f"{printable(view.job_name)}  starting its trainer")
    line = Table.grid(padding=(0, 2))
    cells: list[RenderableType] = [Text(printable(view.job_name), style="bold"), Text(progress.phase.label)]
    if progress.epoch:
        cells.append(Text(f"epoch {progress.epoch}/{progress.epochs}"))
    if progress.steps:
        cells.append(ProgressBar(total=progress.steps, completed=progress.step, width=24))
        cells.append(Text(f"step {progress.step}/{progress.steps}"))
    if progress.loss is not None and progress.accuracy is not None:
        cells.append(Text(f"loss {progress.loss:.3f}  accuracy {percent(progress.accuracy)}"))
    if view.epoch_s is not None:
        cells.append(Text(f"{duration(view.epoch_s)} an epoch"))
    line.add_row(*cells)
    why = waiting(view)
    return Group(
        line,
        Text(_saved(view), style="dim"),
        *([Text(f"saving waits: {printable(why)}", style="yellow")] if why else []),
    )


def _saved(view: View) -> str:
    if view.saved is None:
        return "nothing saved yet: an interruption now starts this job from the beginning"
    return f"safe up to {point(view.saved.epochs_done, view.saved.steps_done)}"
