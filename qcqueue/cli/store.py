"""Commands for the store: what its bytes are for, giving back what nothing needs, checking what is left.

What is settled for all who use it is `queue_rules`', going on with a copy `adoption`'s.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.adoption import adopt
from qcqueue.cli.data import progress_bar
from qcqueue.cli.moving import copy
from qcqueue.cli.panels import command_group
from qcqueue.cli.queue_rules import settle, show
from qcqueue.cli.shared import DryRunOption, JsonOption, NowOption, StoreOption, open_queue, print_json, say

if TYPE_CHECKING:
    from qcqueue.app.gc import CleanUp, Share
    from qcqueue.app.verify import Damage

LONGEST_LIST = 20


def register(app: typer.Typer) -> None:
    group = command_group(
        "Look after the store: bytes by kind, clean-up, a check of everything, moving the queue, rules for its users."
    )
    group.command("usage")(usage)
    group.command("gc")(gc)
    group.command("verify")(verify)
    group.command("adopt")(adopt)
    group.command("set")(settle)
    group.command("show")(show)
    group.command("copy")(copy)
    app.add_typer(group, name="store")


def usage(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say what the bytes of the store are for, by kind and by job, and how many are free."""
    from qcqueue.app.gc import usage as used
    from qcqueue.text.humanize import size

    context = open_queue(store)
    found = used(context)
    if as_json:
        print_json(
            {
                "store": context.store.url,
                "kinds": _documents("kind", found.kinds),
                "jobs": _documents("job", found.jobs),
                "bytes": found.size_bytes,
                "free_bytes": found.free_bytes,
            }
        )
        return
    free = "" if found.free_bytes is None else f", {size(found.free_bytes)} free"
    say("\n".join([*_table("KIND", found.kinds), f"{size(found.size_bytes)} in {context.store.url}{free}"]))
    if found.jobs:
        say("\n".join(["", *_table("JOB", found.jobs), "(a file that several jobs share is counted for each)"]))
    if any(share.name == "clean-up" for share in found.kinds):
        say("next: qcqueue store gc")


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Delete what the plan names.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Show what nothing in the queue needs any more; with --yes, delete it."""
    from qcqueue.app.gc import clean_up, plan_clean_up
    from qcqueue.text.humanize import count, size

    context = open_queue(store, now=now)
    plan, is_real = plan_clean_up(context), yes and not dry_run
    if not as_json:
        say("\n".join(_plan_rows(plan)))
    deleted = None
    if is_real:
        with progress_bar("deleting") as progress:
            deleted = clean_up(context, plan, done=lambda files: progress(files, plan.files))
    if as_json:
        print_json({"store": context.store.url, "dry_run": not is_real, **_plan_document(plan, deleted)})
    elif deleted is not None:
        say(f"deleted: {count(deleted.files, 'file')}, {size(deleted.size_bytes)}")
    elif plan.files:
        say("nothing was deleted\nnext: qcqueue store gc --yes")


def verify(
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that every file is there and has its size; read no bytes.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every version, row and file the queue needs against its digest; exit 5 where something is damaged."""
    from qcqueue.app.verify import verify as verified
    from qcqueue.errors import CorruptionError
    from qcqueue.text.humanize import count, size

    context = open_queue(store)
    with progress_bar("reading") as progress:
        found = verified(context, quick=quick, progress=progress)
    if as_json:
        print_json(
            {
                "store": context.store.url,
                "quick": found.is_quick,
                "blobs": found.blobs,
                "bytes": found.size_bytes,
                "versions": found.versions,
                "rows": found.rows,
                "rows_not_covered": found.rows_not_covered,
                "faults": [_fault_document(fault) for fault in found.faults],
            }
        )
    else:
        how = "counted" if found.is_quick else "read and whole"
        for fault in found.faults:
            say(_fault_rows(fault))
        what = f"{count(found.versions, 'version')} of the queue and {count(found.blobs, 'file')}"
        verdict = f"{count(len(found.faults), 'thing')} damaged" if found.faults else how
        say(f"{what}, {size(found.size_bytes)}: {verdict}")
        if found.rows_not_covered:
            say(f"not covered: {count(found.rows_not_covered, 'row')} of an older qcqueue, without a digest")
    if found.faults:
        raise typer.Exit(CorruptionError.exit_code)


def _table(title: str, shares: "Sequence[Share]") -> list[str]:
    from qcqueue.cli.table import columns
    from qcqueue.text.humanize import size
    from qcqueue.text.suggest import printable

    rows = [(printable(share.name), f"{share.files:,}", size(share.size_bytes)) for share in shares]
    return columns([(title, "FILES", "SIZE"), *rows], right=frozenset({1, 2}))


def _plan_rows(plan: "CleanUp") -> Iterator[str]:
    """Yield the plan for a person: the largest first, and of many only how many more."""
    from qcqueue.cli.table import columns
    from qcqueue.text.humanize import count, duration, size
    from qcqueue.text.suggest import clipped, printable

    doomed = [(it.blob.size_bytes, it.blob.sha256[:12] or "?", it.owner, it.age_s, str(why)) for it, why in plan.blobs]
    doomed += [(it.size_bytes, it.path.name, "", it.age_s, "its writer was killed") for it in plan.leftovers]
    doomed.sort(key=lambda row: (-row[0], row[1]))
    if doomed:
        rows = [
            (clipped(name), size(size_bytes), duration(age_s), clipped(owner) or "-", why)
            for size_bytes, name, owner, age_s, why in doomed[:LONGEST_LIST]
        ]
        yield from columns([("FILE", "SIZE", "AGE", "ATTEMPT", "WHY"), *rows], right=frozenset({1}))
    if len(doomed) > LONGEST_LIST:
        yield f"... and {count(len(doomed) - LONGEST_LIST, 'more file', 'more files')}"
    if plan.states:
        states, size_bytes = count(len(plan.states), "done job"), sum(it.size_bytes for it in plan.states)
        names = [printable(it.name) for it in plan.states[:LONGEST_LIST]]
        more = f" and {len(plan.states) - LONGEST_LIST} more" if len(plan.states) > LONGEST_LIST else ""
        yield f"kept of {states} beside the weights, {size(size_bytes)}: {', '.join(names)}{more}"
    yield f"to delete: {count(plan.files, 'file')}, {size(plan.size_bytes)}" if plan.files else "nothing to clean up"
    stays = [f"{count(it.files, 'file')} {it.name} ({size(it.size_bytes)})" for it in plan.stays if it.files]
    if stays:
        yield f"stays: {', '.join(stays)}"


def _plan_document(plan: "CleanUp", deleted: "Share | None") -> dict[str, Any]:
    return {
        "delete": [
            {
                "sha256": it.blob.sha256,
                "place": it.blob.place,
                "bytes": it.blob.size_bytes,
                "owner": it.owner,
                "age_s": round(it.age_s, 3),
                "why": str(why),
            }
            for it, why in plan.blobs
        ],
        "leftovers": [
            {"file": it.path.name, "bytes": it.size_bytes, "age_s": round(it.age_s, 3)} for it in plan.leftovers
        ],
        "states": _documents("job", plan.states),
        "bytes": plan.size_bytes,
        "stays": _documents("kind", plan.stays),
        "deleted": deleted.files if deleted else 0,
        "deleted_bytes": deleted.size_bytes if deleted else 0,
    }


def _fault_rows(fault: "Damage") -> str:
    from qcqueue.cli.table import colour
    from qcqueue.text.suggest import printable

    row = f"{colour('damaged', 'red')}  {fault.what}: {printable(fault.why)}\n  costs: {fault.costs}"
    return f"{row}\n  next: {fault.hint}" if fault.hint else row


def _fault_document(fault: "Damage") -> dict[str, Any]:
    return {
        "what": fault.what,
        "kind": fault.kind,
        "sha256": fault.sha256,
        "jobs": list(fault.jobs),
        "why": fault.why,
        "costs": fault.costs,
        "hint": fault.hint,
    }


def _documents(key: str, shares: "Sequence[Share]") -> list[dict[str, Any]]:
    return [{key: share.name, "files": share.files, "bytes": share.size_bytes} for share in shares]
