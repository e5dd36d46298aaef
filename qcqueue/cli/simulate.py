"""The command simulate: what would become of a study, a table and a chart."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.cli.shared import JsonOption, StoreOption, narrate, open_queue, print_json, say
from qcqueue.errors import NOTHING_TO_DO, UserError

if TYPE_CHECKING:
    from qcqueue.app.context import QueueContext
    from qcqueue.app.simulate import Scene
    from qcqueue.planning.laws import Law
    from qcqueue.planning.monte_carlo import Days, MeanWithError, StrategyResult

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
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Sessions as a profile has them, such as colab-free."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="How many campaigns to simulate.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The luck of the first of them.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of every job, such as epochs=3."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a study under a law of session lengths: days, sessions and goodput, one job a session and several."""
    from qcqueue.app.settings import load_settings
    from qcqueue.app.simulate import law_for, law_of_profile, scene_of_files, scene_of_queue
    from qcqueue.planning.monte_carlo import simulate as simulated

    if law and profile:
        raise UserError("--law and --profile both say how long sessions live", hint="give one of them")
    if not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"--seeds {seeds} is not a number of campaigns from 1 to {MOST_SEEDS}", hint="--seeds 100")
    context = queue_of(store, is_needed=not files)
    chosen = law_of_profile(profile, load_settings(store=store)) if profile else law_for(law or DEFAULT_LAW, context)
    if files:
        scene = scene_of_files(files, overrides=settings or [], context=context)
    else:
        assert context is not None, "a queue was asked for"
        if settings:
            raise UserError("--set changes the jobs of a study file, and none is given", hint="qcqueue simulate FILE")
        scene = scene_of_queue(context)
    if not scene.jobs:
        if as_json:
            print_json({"jobs": []})
        narrate("nothing is left to train\nnext: qcqueue")
        raise typer.Exit(NOTHING_TO_DO)
    results = simulated(scene.works, chosen, scene.strategies, costs=scene.costs, seed=seed, seeds=seeds)
    if as_json:
        policies = [result_document(result) for result in results]
        print_json({**scene_document(scene, chosen, seed=seed, seeds=seeds), "policies": policies})
    else:
        say(results_screen(scene, chosen, results, seed=seed, seeds=seeds))


def queue_of(store: str | None, *, is_needed: bool) -> "QueueContext | None":
    """Return the queue of the settings; None where there is none and a study file is enough."""
    from qcqueue.app.settings import load_settings

    if not is_needed and load_settings(store=store).store is None:
        return None
    return open_queue(store)


def results_screen(scene: "Scene", law: "Law", results: "Sequence[StrategyResult]", *, seed: int, seeds: int) -> str:
    """Return what is simulated, a table with a line for each way to go through it, and a chart of days."""
    from qcqueue.cli.table import columns

    head = ("POLICY", "GOODPUT", "SESSIONS", "FIRST RESULT", "MEAN RESULT", "ALL", "LOST EPOCHS")
    rows: list[tuple[str, ...]] = [head, *map(_row, results)]
    lines = [
        *scene_said(scene, law, seed=seed, seeds=seeds),
        "",
        *columns(rows, right=frozenset(range(1, len(head)))),
        *unfinished_said(results, seeds=seeds),
        "",
        *chart([(result.strategy.name, result.days) for result in results]),
        "",
        *(f"{result.strategy.name}: {result.strategy.says}" for result in results),
    ]
    return "\n".join(lines)


def scene_said(scene: "Scene", law: "Law", *, seed: int, seeds: int) -> list[str]:
    """Return in sentences what is simulated."""
    from qcqueue.text.humanize import count, duration

    work_s = sum(work.left_s for work in scene.works)
    luck = "no chance in it" if law.is_certain else f"{count(seeds, 'campaign')} each, seed {seed}"
    return [
        f"{count(len(scene.jobs), 'job')}, about {duration(work_s)} of training; this is a simulation.",
        *scene.says,
        f"sessions ({law.name}): {law.says}; {luck}",
    ]


def scene_document(scene: "Scene", law: "Law", *, seed: int, seeds: int) -> dict[str, Any]:
    """Return what is simulated for `--json`."""
    return {
        "law": {"name": law.name, "says": law.says, "mean_s": law.mean_s},
        "seed": seed,
        "seeds": seeds,
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
    }


def result_document(result: "StrategyResult") -> dict[str, Any]:
    """Return a result for `--json`. Margins are halves of 95 % intervals, null where one campaign tells none."""
    return {
        "name": result.strategy.name,
        "says": result.strategy.says,
        "goodput": pair(result.goodput),
        "sessions": pair(result.sessions),
        **days_document(result.days),
        "lost_epochs": pair(result.lost_epochs),
        "switches": pair(result.switches),
        "unfinished": result.unfinished,
    }


def days_document(days: "Days") -> dict[str, Any]:
    return {"first_s": pair(days.first_s), "mean_s": pair(days.mean_s), "all_s": pair(days.all_s)}


def pair(estimate: "MeanWithError") -> dict[str, float | None]:
    return {"mean": estimate.mean, "margin": estimate.margin if estimate.margin < float("inf") else None}


def unfinished_said(results: "Sequence[StrategyResult]", *, seeds: int) -> list[str]:
    from qcqueue.planning.simulator import MOST_SESSIONS
    from qcqueue.text.humanize import count

    return [
        f"{result.strategy.name}: {count(result.unfinished, 'campaign')} of {seeds} not done after "
        f"{MOST_SESSIONS} sessions, so its days and sessions are at least what is shown (≥)"
        for result in results
        if result.unfinished
    ]


def chart(rows: "Sequence[tuple[str, Days]]") -> list[str]:
    """Return a bar for each name: dark until the mean result, light from there until all are done."""
    longest_s = max(days.all_s.mean for _, days in rows) or 1.0
    width = max(len(name) for name, _ in rows)
    return [
        "days until the mean result (█) and until all are done (░)",
        *(f"{name.ljust(width)}  {_bar(days, longest_s)} {_in_days(days.all_s.mean):.1f}" for name, days in rows),
    ]


def number_cell(estimate: "MeanWithError", result: "StrategyResult | None" = None) -> str:
    """Return a mean and how sure it is, for a table; of a result with unfinished campaigns it is said to be a least."""
    return f"{_at_least(result)}{estimate.mean:.2f}{_margin(estimate.margin)}"


def days_cells(days: "Days", result: "StrategyResult | None" = None) -> tuple[str, str, str]:
    """Return when the first, the mean and the last result come, for a table."""
    first, mean, last = (_days(it, result) for it in (days.first_s, days.mean_s, days.all_s))
    return first, mean, last


def _row(result: "StrategyResult") -> tuple[str, ...]:
    return (
        result.strategy.name,
        f"{result.goodput.mean:.1%}",
        number_cell(result.sessions, result),
        *days_cells(result.days, result),
        f"{result.lost_epochs.mean:.1f}",
    )


def _bar(days: "Days", longest_s: float) -> str:
    dark = round(days.mean_s.mean / longest_s * BAR)
    whole = max(dark, round(days.all_s.mean / longest_s * BAR), 1)
    return "█" * dark + "░" * (whole - dark)


def _days(estimate: "MeanWithError", result: "StrategyResult | None") -> str:
    return f"{_at_least(result)}{_in_days(estimate.mean):.2f}{_margin(_in_days(estimate.margin))} d"


def _at_least(result: "StrategyResult | None") -> str:
    return "≥" if result and result.unfinished else ""


def _margin(margin: float) -> str:
    """Return how sure a mean is; nothing where it is certain, or where one campaign cannot tell."""
    return f" ±{margin:.2f}" if 0.005 <= margin < float("inf") else ""


def _in_days(seconds: float) -> float:
    from qcqueue.text.humanize import DAY_S

    return seconds / DAY_S
