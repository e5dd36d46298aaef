"""Commands that only look: the one screen, status, show, log, why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.shared import (
    JobArgument,
    JsonOption,
    MineOption,
    StoreOption,
    open_queue,
    owner_here,
    print_json,
    say,
    tell_age,
)
from qcqueue.text.suggest import printable

if TYPE_CHECKING:
    from qcqueue.app.context import QueueContext
    from qcqueue.app.status import QueueStatus
    from qcqueue.queue.job_lines import JobLine
    from qcqueue.queue.last_words import LastWords
    from qcqueue.queue.values import JobDetail

WATCH_EVERY_S = 2.0
CLEAR = "\033[2J\033[H"


def register(app: typer.Typer) -> None:
    app.callback(invoke_without_command=True)(one_screen)
    for command in (status, show, log, why):
        app.command()(command)


def one_screen(
    command: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    store: StoreOption = None,
) -> None:
    """Resumable training jobs for quota-limited GPUs. Alone: how far it is, and what to type next."""
    if version:
        from importlib.metadata import version as installed

        say(f"qcqueue {installed('qcqueue')}")
        raise typer.Exit
    if command.invoked_subcommand is not None:
        return
    from qcqueue.app.queue_summary import see, summary_of
    from qcqueue.app.settings import load_settings
    from qcqueue.cli.screens import first_steps, today

    settings = load_settings(store=store)
    if settings.store is None:
        say(first_steps())
        return
    context = open_queue(store)
    seen = see(context, settings)
    tell_age(context)
    ahead = summary_of(seen) if seen.stats.ahead else None
    say(
        today(seen.lines, ahead=ahead, first=_first(context, seen.lines), url=context.store.url, now_s=seen.stats.now_s)
    )


def status(
    store: StoreOption = None,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds until Ctrl-C.")] = False,
    mine: MineOption = False,
) -> None:
    """Say how far every job is."""
    from qcqueue.cli.screens import status_screen
    from qcqueue.core.owners import named

    context = open_queue(store)
    owner = owner_here(context, "qcqueue status") if mine else None
    if as_json:
        print_json(_status_json(context, owner))
        return

    def screen() -> str:
        seen = _status(context, owner)
        if owner and not seen.lines:
            return f"No job here belongs to {named(owner)}.\nnext: qcqueue status"
        return status_screen(
            seen.lines,
            goodput=seen.accounts.whole,
            foreseen=seen.foreseen,
            first=_first(context, seen.lines),
            now_s=context.clock.now_s(),
        )

    say(screen())
    while watch:
        context.clock.sleep(WATCH_EVERY_S)
        typer.echo(CLEAR, nl=False)
        say(screen())


def show(job: JobArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show everything the queue knows of a job."""
    from qcqueue.app.documents import detail_document
    from qcqueue.app.vanished import here_and_now
    from qcqueue.cli.screens import detail_screen

    context = open_queue(store)
    detail = _detail(context, job)
    detail = replace(detail, line=here_and_now(context, [detail.line])[0])
    with context.read() as tx:
        from qcqueue.queue.blobs import kept_bytes_of
        from qcqueue.queue.sessions import accounts_of, session_lines

        goodput = accounts_of(session_lines(tx)).jobs.get(detail.line.name)
        kept_bytes = kept_bytes_of(tx, detail.line.name)
    if as_json:
        print_json({"store": context.store.url, "as_of": _now(context), **detail_document(detail, goodput)})
    else:
        say(detail_screen(detail, goodput=goodput, kept_bytes=kept_bytes, now_s=context.clock.now_s()))


def log(
    job: JobArgument,
    store: StoreOption = None,
    as_json: JsonOption = False,
    full: Annotated[
        bool, typer.Option("--full", help="With the end of what its trainers said, where attempts did not go well.")
    ] = False,
) -> None:
    """Tell a job's story: who did what, when and why."""
    from qcqueue.app.documents import history_document
    from qcqueue.cli.screens import story

    context = open_queue(store)
    detail = _detail(context, job)
    words = _words(context, detail) if full else ()
    if as_json:
        said = {"last_words": [{"attempt": it.attempt, "lines": list(it.lines)} for it in words]} if full else {}
        print_json({"name": detail.line.name, "history": history_document(detail), **said})
    else:
        say(story(detail, now_s=context.clock.now_s(), words=words))


def why(job: JobArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Explain why a job is in its present state, and what to do about it."""
    from qcqueue.app.documents import step_document
    from qcqueue.app.explain import explain
    from qcqueue.app.queue_summary import see
    from qcqueue.app.settings import load_settings
    from qcqueue.app.vanished import here_and_now
    from qcqueue.cli.screens import words_in_brief

    context = open_queue(store)
    detail = _detail(context, job)
    answer = explain(detail, see(context, load_settings(store=store)))
    words = _telling_words(context, detail)
    if as_json:
        said: dict[str, Any] = {"last_words": {"attempt": words.attempt, "lines": list(words.end)}} if words else {}
        line = here_and_now(context, [detail.line])[0]
        said |= {"step": step_document(detail)}
        print_json({"name": line.name, "state": line.state, "why": answer.why, "next": answer.hint, **said})
    else:
        say(printable(answer.why))
        if answer.step:
            say(printable(answer.step))
        if words:
            say(f"{words_in_brief(words)}\n  (all of it: qcqueue log {detail.line.name} --full)")
        say(f"next: {printable(answer.hint)}")


def _status(context: "QueueContext", owner: str | None) -> "QueueStatus":
    from qcqueue.app.status import status_of

    status = status_of(context, owner=owner)
    tell_age(context)
    return status


def _first(context: "QueueContext", lines: "Sequence[JobLine]") -> str:
    """Return what to type where there is no job yet."""
    if lines:
        return ""
    from qcqueue.catalog.studies import first_study
    from qcqueue.queue.datasets import list_datasets

    with context.read() as tx:
        datasets = list_datasets(tx)
    return first_study(datasets[-1].name if datasets else None)


def _detail(context: "QueueContext", job: str) -> "JobDetail":
    from qcqueue.queue.job_detail import job_detail

    with context.read() as tx:
        detail = job_detail(tx, job)
    tell_age(context)
    return detail


def _words(context: "QueueContext", detail: "JobDetail") -> "tuple[LastWords, ...]":
    from qcqueue.queue.last_words import last_words_of

    with context.read() as tx:
        return last_words_of(tx, detail.line.name)


def _telling_words(context: "QueueContext", detail: "JobDetail") -> "LastWords | None":
    """Return what the trainer of a job's newest attempt said, where that may say why the job is as it is."""
    from qcqueue.core.states import State

    if detail.line.state in (State.DONE, State.CANCELLED) or not detail.attempts:
        return None
    return next((it for it in _words(context, detail) if it.attempt == detail.attempts[-1].number), None)


def _status_json(context: "QueueContext", owner: str | None) -> dict[str, Any]:
    from qcqueue.app.documents import status_document

    standing = status_document(_status(context, owner))
    return {"store": context.store.url, "as_of": _now(context), **standing}


def _now(context: "QueueContext") -> str:
    from qcqueue.text.humanize import iso

    return iso(context.as_of_s())
