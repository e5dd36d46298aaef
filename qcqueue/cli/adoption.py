"""`store adopt`: what is lost with a store that was put back from a copy, and going on with it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.shared import DryRunOption, JsonOption, NowOption, StoreOption, open_queue, print_json, say

if TYPE_CHECKING:
    from qcqueue.app.adopt import Adoption
    from qcqueue.app.context import QueueContext
    from qcqueue.database.known import DatedVersion


def adopt(
    yes: Annotated[bool, typer.Option("--yes", help="Give up what the plan names.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Say what is lost with a store that was put back from a copy; with --yes, go on with it as it is."""
    from qcqueue.app.adopt import adopt as adopted

    context = open_queue(store, now=now)
    found = adopted(context, dry_run=dry_run or not yes)
    if as_json:
        print_json({"store": context.store.url, "dry_run": dry_run or not yes, **_adoption_document(found)})
    elif found is None:
        say(_nothing_to_adopt(context))
    else:
        say("\n".join(_adoption_rows(found)))
        say(
            f"taken over: {context.store.url} goes on\nnext: qcqueue status"
            if found.is_done
            else "nothing was changed\nnext: qcqueue store adopt --yes"
        )


def _nothing_to_adopt(context: "QueueContext") -> str:
    if context.server:
        return f"nothing to adopt: the queue in {context.server.url} goes on as its server has it"
    if context.versions is None:
        return f"nothing to adopt: {context.store.url} is one file on one machine, which goes on as it was put back"
    return f"nothing to adopt: {context.store.url} shows all that this machine has seen of it"


def _adoption_rows(found: "Adoption") -> Iterator[str]:
    from qcqueue.text.humanize import count
    from qcqueue.text.suggest import clipped

    yield f"given up: {found.lost}"
    yield f"goes on:  {found.shown}"
    for job in found.taken.jobs:
        lost = [count(job.epochs, "epoch")] if job.epochs else []
        lost += ["its result"] if job.result else []
        gone = "the job itself" if not lost else f"the job itself, with {' and '.join(lost)}"
        yield f"lost:     {clipped(job.name)}: {gone if job.is_gone else ' and '.join(lost)}"
    for name in found.taken.datasets:
        yield f"lost:     the dataset {clipped(name)}"
    for it in filter(lambda left: left.is_unsaved, found.left):
        how = "its session will notice and leave" if it.is_at_work else "removed too"
        yield f"lost:     what this machine has not saved of {clipped(it.job_name)}, attempt {it.attempt} ({how})"
    for name, number in found.taken.ended:
        yield f"ends:     attempt {number} on {clipped(name)}; the job waits for the next session"
    yield "nothing of the two is joined, and no number of an attempt is used again"


def _adoption_document(found: "Adoption | None") -> dict[str, Any]:
    if found is None:
        return {"adopted": False, "given_up": None, "goes_on": None, "lost": [], "datasets": [], "ended": []}
    return {
        "adopted": found.is_done,
        "given_up": _version_document(found.lost),
        "goes_on": _version_document(found.shown),
        "lost": [
            {"job": it.name, "is_gone": it.is_gone, "epochs": it.epochs, "result": it.result} for it in found.taken.jobs
        ],
        "datasets": list(found.taken.datasets),
        "ended": [{"job": name, "attempt": number} for name, number in found.taken.ended],
    }


def _version_document(it: "DatedVersion") -> dict[str, Any]:
    from qcqueue.text.humanize import iso

    at = None if it.changed_at_s is None else iso(it.changed_at_s)
    return {"number": it.version.number, "author": it.version.author, "at": at}
