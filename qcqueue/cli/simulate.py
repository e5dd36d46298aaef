"""The command simulate: what would become of a study, a table and a chart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.shared import JsonOption, StoreOption, narrate, print_json, say, workplace
from qcqueue.errors import NOTHING_TO_DO, UserError

if TYPE_CHECKING:
    from qcqueue.app.context import QueueContext
    from qcqueue.app.simulate import Scene
    from qcqueue.planning.campaigns.compare import Comparison, Days, Estimate, Outcome

MOST_SEEDS = 100_000
BAR = 40
DEFAULT_LAW = "exponential"


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Study files. Default: what is left of the queue.")
    ] = None,
    law: Annotated[
        str | None,
        typer.Option(
            "--law",
            metavar="NAME",
            help="How long sessions live: fixed, exponential (the default), bathtub, weibull, days-off, spells-off, "
            "kaggle, studio, or history for the sessions of this queue.",
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="Sessions that were, as CSV: begins_s,held_s in each line."),
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="What to compare: qcqueue, one-job, fifo, longest, round-robin, day-restart or script-N, which saves "
            "every N epochs; may be repeated. Default: all.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="How many campaigns to play with each.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The luck of the first of them.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of every job, such as epochs=3."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a study under laws of session lengths: days, sessions and goodput, beside other ways to do it."""
    from qcqueue.app.simulate import law_for, scene_of_files, scene_of_queue, strategies_for
    from qcqueue.planning.campaigns.compare import compare

    if law and trace:
        raise UserError("--law and --trace both say how long sessions live", hint="give one of them")
    if not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"--seeds {seeds} is not a number of campaigns from 1 to {MOST_SEEDS}", hint="--seeds 100")
    place = _queue(store, is_needed=not files)
    chosen = law_for(law or DEFAULT_LAW, trace=trace, place=place)
    strategies = strategies_for(policies or [])
    if files:
        scene = scene_of_files(files, overrides=settings or [], place=place)
    else:
        assert place is not None, "a queue was asked for"
        if settings:
            raise UserError("--set changes the jobs of a study file, and none is given", hint="qcqueue simulate FILE")
        scene = scene_of_queue(place)
    if not scene.jobs:
        if as_json:
            print_json({"jobs": []})
        narrate("nothing is left to train")
        raise typer.Exit(NOTHING_TO_DO)
    found = compare(scene.works, chosen, strategies, costs=scene.costs, seed=seed, seeds=seeds)
    if as_json:
        print_json(comparison_document(scene, found))
    else:
        say(comparison_screen(scene, found))


def comparison_screen(scene: "Scene", found: "Comparison") -> str:
    """Return what is simulated, a table with a line for each policy, and a chart of days."""
    from qcqueue.text.humanize import count, duration

    work_s = sum(work.left_s for work in scene.works)
    played = "no chance in it" if found.law.is_certain else f"{count(found.seeds, 'campaign')} each, seed {found.seed}"
    lines = [
        f"{count(len(scene.jobs), 'job')}, about {duration(work_s)} of training; this is played on paper.",
        *scene.says,
        f"sessions ({found.law.name}): {found.law.says}; {played}",
        "",
        *_table(found),
        "",
        *_chart(found),
        "",
        *(f"{outcome.strategy.name}: {outcome.strategy.says}" for outcome in found.outcomes),
        "clairvoyant: knows when every session ends; nobody needs fewer sessions or has results earlier",
        f"goodput at best, for work without end: {found.best_goodput:.1%} (closed form, sessions of "
        f"{duration(found.law.mean_s)} on average)",
    ]
    return "\n".join(lines)


def comparison_document(scene: "Scene", found: "Comparison") -> dict[str, Any]:
    """Return all of it for `--json`. Margins are halves of 95 % intervals, null where one campaign tells none."""
    return {
        "law": {"name": found.law.name, "says": found.law.says, "mean_s": found.law.mean_s},
        "seed": found.seed,
        "seeds": found.seeds,
        "jobs": [
            {
                "name": job.work.name,
                "epochs": job.work.epochs,
                "epoch_s": job.work.epoch_s,
                "basis": job.cost.basis,
                "said": job.cost.said,
            }
            for job in scene.jobs
        ],
        "costs": {
            "start_s": scene.costs.start_s,
            "switch_s": scene.costs.switch_s,
            "stall_s": scene.costs.stall_s,
            "lag_s": scene.costs.lag_s,
        },
        "says": list(scene.says),
        "best_goodput": found.best_goodput,
        "clairvoyant": {"sessions": _pair(found.fewest_sessions), **_days_document(found.earliest)},
        "policies": [_outcome_document(outcome) for outcome in found.outcomes],
    }


def _queue(store: str | None, *, is_needed: bool) -> "QueueContext | None":
    """Return the queue of the settings; None where there is none and a study file is enough."""
    from qcqueue.app.settings import load_settings

    if not is_needed and load_settings(store=store).store is None:
        return None
    return workplace(store)


def _table(found: "Comparison") -> list[str]:
    from qcqueue.cli.table import columns

    head = ("POLICY", "GOODPUT", "SESSIONS", "EXTRA", "WORST", "FIRST RESULT", "MEAN RESULT", "ALL", "LOST EPOCHS")
    earliest = found.earliest
    rows: list[tuple[str, ...]] = [head, *map(_row, found.outcomes)]
    rows.append(
        (
            "clairvoyant",
            "",
            _number(found.fewest_sessions),
            "",
            "",
            *map(_days, (earliest.first_s, earliest.mean_s, earliest.all_s)),
            "",
        )
    )
    return columns(rows, right=frozenset(range(1, len(head)))) + _unfinished(found)


def _row(outcome: "Outcome") -> tuple[str, ...]:
    days = outcome.days
    return (
        outcome.strategy.name,
        f"{outcome.goodput.mean:.1%}",
        _number(outcome.sessions, outcome),
        _number(outcome.extra_sessions, outcome),
        f"+{outcome.worst_extra}",
        *(_days(it, outcome) for it in (days.first_s, days.mean_s, days.all_s)),
        f"{outcome.lost_epochs.mean:.1f}",
    )


def _unfinished(found: "Comparison") -> list[str]:
    from qcqueue.planning.campaigns.play import MOST_SESSIONS
    from qcqueue.text.humanize import count

    return [
        f"{outcome.strategy.name}: {count(outcome.unfinished, 'campaign')} of {found.seeds} not done after "
        f"{MOST_SESSIONS} sessions, so its days and sessions are at least what is shown (≥)"
        for outcome in found.outcomes
        if outcome.unfinished
    ]


def _chart(found: "Comparison") -> list[str]:
    """Return a bar for each: dark until the mean result, light from there until all are done."""
    rows = [(outcome.strategy.name, outcome.days) for outcome in found.outcomes]
    rows.append(("clairvoyant", found.earliest))
    longest_s = max(days.all_s.mean for _, days in rows) or 1.0
    width = max(len(name) for name, _ in rows)
    return [
        "days until the mean result (█) and until all are done (░)",
        *(f"{name.ljust(width)}  {_bar(days, longest_s)} {_in_days(days.all_s.mean):.1f}" for name, days in rows),
    ]


def _bar(days: "Days", longest_s: float) -> str:
    dark = round(days.mean_s.mean / longest_s * BAR)
    whole = max(dark, round(days.all_s.mean / longest_s * BAR), 1)
    return "█" * dark + "░" * (whole - dark)


def _number(it: "Estimate", outcome: "Outcome | None" = None) -> str:
    return f"{_at_least(outcome)}{it.mean:.2f}{_margin(it.margin)}"


def _days(it: "Estimate", outcome: "Outcome | None" = None) -> str:
    return f"{_at_least(outcome)}{_in_days(it.mean):.2f}{_margin(_in_days(it.margin))} d"


def _at_least(outcome: "Outcome | None") -> str:
    return "≥" if outcome and outcome.unfinished else ""


def _margin(margin: float) -> str:
    """Return how sure a mean is; nothing where it is certain, or where one campaign cannot tell."""
    return f" ±{margin:.2f}" if 0.005 <= margin < float("inf") else ""


def _in_days(seconds: float) -> float:
    from qcqueue.text.humanize import DAY_S

    return seconds / DAY_S


def _outcome_document(outcome: "Outcome") -> dict[str, Any]:
    return {
        "name": outcome.strategy.name,
        "says": outcome.strategy.says,
        "goodput": _pair(outcome.goodput),
        "best_of_campaign": outcome.best_of_campaign,
        "sessions": _pair(outcome.sessions),
        "extra_sessions": {**_pair(outcome.extra_sessions), "worst": outcome.worst_extra},
        **_days_document(outcome.days),
        "lost_epochs": _pair(outcome.lost_epochs),
        "switches": _pair(outcome.switches),
        "unfinished": outcome.unfinished,
    }


def _days_document(days: "Days") -> dict[str, Any]:
    return {"first_s": _pair(days.first_s), "mean_s": _pair(days.mean_s), "all_s": _pair(days.all_s)}


def _pair(it: "Estimate") -> dict[str, float | None]:
    return {"mean": it.mean, "margin": it.margin if it.margin < float("inf") else None}
