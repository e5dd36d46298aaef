"""`scripts/research`: our policy beside other ways to do a study, and beside what nobody can do better.

All are simulated on the same luck, as `qcqueue simulate` does it for ours alone. Without a file it is what is left of
the queue; nothing in it is changed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from campaigns.compare import ComparedResult, Comparison, compare
from campaigns.strategies import STRATEGIES, strategies_for
from campaigns.trace import read_trace
from qcqueue.app.simulate import Scene, law_for, scene_of_files, scene_of_queue
from qcqueue.cli.shared import print_json, say
from qcqueue.cli.simulate import (
    DEFAULT_LAW,
    chart,
    days_cells,
    days_document,
    number_cell,
    pair,
    queue_of,
    result_document,
    scene_document,
    scene_said,
    unfinished_said,
)
from qcqueue.cli.table import columns
from qcqueue.errors import QcqueueError
from qcqueue.planning.laws import LAWS
from qcqueue.text.humanize import duration

HEAD = ("POLICY", "GOODPUT", "SESSIONS", "EXTRA", "WORST", "FIRST RESULT", "MEAN RESULT", "ALL", "LOST EPOCHS")


def main(typed: Sequence[str] | None = None) -> int:
    arguments = parsed(typed)
    try:
        scene, found = simulated(arguments)
    except QcqueueError as exc:
        print(exc, *([f"next: {exc.hint}"] if exc.hint else []), sep="\n", file=sys.stderr)
        return exc.exit_code
    if arguments.json:
        print_json(comparison_document(scene, found))
    else:
        say(comparison_screen(scene, found))
    return 0


def parsed(typed: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/research", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="study files; else what is left of a queue")
    lives = parser.add_mutually_exclusive_group()
    lives.add_argument("--law", default=DEFAULT_LAW, metavar="NAME", help=f"{', '.join(LAWS)} or history")
    lives.add_argument("--trace", type=Path, metavar="FILE", help="sessions that were, as CSV: begins_s,held_s")
    policies = f"{', '.join(STRATEGIES)} or script-N; may be repeated (default: all)"
    parser.add_argument("--policy", action="append", metavar="NAME", help=policies)
    parser.add_argument("--seeds", type=positive, default=100, metavar="N", help="campaigns of each (default 100)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the luck of the first of them")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of every job")
    parser.add_argument("--store", metavar="URL")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(typed)


def positive(typed: str) -> int:
    number = int(typed)
    if number < 1:
        raise ValueError
    return number


def simulated(arguments: argparse.Namespace) -> tuple[Scene, Comparison]:
    """Put together what was asked for and compare. Raises: QcqueueError: some of it makes no sense."""
    strategies = strategies_for(arguments.policy or [])
    queue = queue_of(arguments.store, is_needed=not arguments.files)
    law = read_trace(arguments.trace) if arguments.trace else law_for(arguments.law, queue)
    if arguments.files:
        scene = scene_of_files(arguments.files, overrides=arguments.set, context=queue)
    else:
        assert queue is not None, "a queue was asked for"
        scene = scene_of_queue(queue)
    return scene, compare(scene.works, law, strategies, costs=scene.costs, seed=arguments.seed, seeds=arguments.seeds)


def comparison_screen(scene: Scene, found: Comparison) -> str:
    """Return what is simulated, a table with a line for each policy, and a chart of days."""
    results = [compared.result for compared in found.results]
    clairvoyant = ("clairvoyant", "", number_cell(found.fewest_sessions), "", "", *days_cells(found.earliest), "")
    lines = [
        *scene_said(scene, found.law, seed=found.seed, seeds=found.seeds),
        "",
        *columns([HEAD, *map(_row, found.results), clairvoyant], right=frozenset(range(1, len(HEAD)))),
        *unfinished_said(results, seeds=found.seeds),
        "",
        *chart([*((result.strategy.name, result.days) for result in results), ("clairvoyant", found.earliest)]),
        "",
        *(f"{result.strategy.name}: {result.strategy.says}" for result in results),
        "clairvoyant: knows when every session ends; nobody needs fewer sessions or has results earlier",
        f"goodput at best, for work without end: {found.best_goodput:.1%} (closed form, sessions of "
        f"{duration(found.law.mean_s)} on average)",
    ]
    return "\n".join(lines)


def comparison_document(scene: Scene, found: Comparison) -> dict[str, object]:
    return {
        **scene_document(scene, found.law, seed=found.seed, seeds=found.seeds),
        "best_goodput": found.best_goodput,
        "clairvoyant": {"sessions": pair(found.fewest_sessions), **days_document(found.earliest)},
        "policies": [
            {
                **result_document(compared.result),
                "best_of_campaign": compared.best_of_campaign,
                "extra_sessions": {**pair(compared.extra_sessions), "worst": compared.worst_extra},
            }
            for compared in found.results
        ],
    }


def _row(compared: ComparedResult) -> tuple[str, ...]:
    result = compared.result
    return (
        result.strategy.name,
        f"{result.goodput.mean:.1%}",
        number_cell(result.sessions, result),
        number_cell(compared.extra_sessions, result),
        f"+{compared.worst_extra}",
        *days_cells(result.days, result),
        f"{result.lost_epochs.mean:.1f}",
    )


if __name__ == "__main__":
    sys.exit(main())
