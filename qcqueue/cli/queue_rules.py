"""`store set` and `store show`: what is settled for all who use a queue, and settling it."""

from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.shared import DryRunOption, JsonOption, NowOption, StoreOption, open_queue, print_json, say, say_next

if TYPE_CHECKING:
    from qcqueue.queue.rules import RuleLine


def settle(
    name: Annotated[str, typer.Argument(metavar="NAME", help="policy, or max_running.")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="shortest or fair; a number of jobs of each owner, or none.")
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    now: NowOption = False,
) -> None:
    """Settle for all who use the queue by which policy jobs are chosen, or how many of an owner run at once."""
    from qcqueue.queue.rules import settle as settled_in

    context = open_queue(store, now=now)
    settled = context.transact(
        lambda tx: settled_in(tx, name, value, who=context.who, now_s=context.clock.now_s()), dry_run=dry_run
    )
    if as_json:
        told = {"name": settled.name, "value": settled.now, "before": settled.before}
        print_json({"store": context.store.url, **told, "dry_run": dry_run})
        return
    if settled.is_changed:
        would = "would be settled" if dry_run else "settled"
        say(f"{would}: {settled.name} is {settled.now}, was {settled.before}: {settled.says}")
    else:
        say(f"{settled.name} is {settled.now} already: {settled.says}")
    say_next("qcqueue store show", dry_run=dry_run and settled.is_changed)


def show(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say what is settled for all who use the queue, by whom, and since when."""
    from qcqueue.cli.shared import tell_age
    from qcqueue.queue.rules import rule_lines
    from qcqueue.text.humanize import iso

    context = open_queue(store)
    with context.read() as tx:
        lines = rule_lines(tx)
    tell_age(context)
    if as_json:
        told = [
            {
                "name": line.name,
                "value": line.value,
                "says": line.says,
                "by": line.by,
                "at": None if line.at_s is None else iso(line.at_s),
            }
            for line in lines
        ]
        print_json({"store": context.store.url, "settings": told})
        return
    from qcqueue.cli.table import columns

    rows = [(line.name, line.value, line.says, _since(line, context.clock.now_s())) for line in lines]
    say("\n".join(columns([("SETTING", "VALUE", "MEANS", "SETTLED"), *rows])))
    say("next: qcqueue store set policy fair, or another of these")


def _since(line: "RuleLine", now_s: float) -> str:
    from qcqueue.text.humanize import ago
    from qcqueue.text.suggest import clipped

    if line.by is None or line.at_s is None:
        return "by nobody"
    return f"by {clipped(line.by)}, {ago(line.at_s, now_s)}"
