"""`python -m tests.support.simulate`: live worlds from seeds, and replay the one that went wrong.

`--seeds A..B` lives many and says how many a second and what struck; `--seed N` lives one and prints its log. A
world that fails prints its seed, its options, the end of its log, and the command that replays it.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qcqueue.clock import SystemClock
from tests.support.chance import Fault
from tests.support.options import Options, draw_lab, draw_options
from tests.support.world import EVENTS_MOST, Report, World

LOG_TAIL = 40
MEMORY = Path("/dev/shm")


class WorldFailed(AssertionError):
    """A world in which something happened that must never happen."""


def live(seed: int, *, tail: int = LOG_TAIL, draw: Callable[[int], Options] = draw_options) -> Report:
    """Live the world of this seed. Raises: WorldFailed: with what is needed to see it again, `tail` lines of log."""
    options = draw(seed)
    with scratch("world") as root:
        world = World(options, root)
        try:
            return world.run()
        except Exception as exc:
            raise WorldFailed(_explain(options, world.report.log[-tail:], exc)) from exc
        finally:
            world.close()


def main(arguments: list[str] | None = None) -> int:
    """Parse, live, print. Returns the exit code: 1 if a world failed."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Live simulated worlds.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", default="0..99", metavar="A..B", help="the worlds to live, both ends included")
    which.add_argument("--seed", type=int, metavar="N", help="live one world and print its log")
    chosen = parser.parse_args(arguments)
    try:
        return _replay(chosen.seed) if chosen.seed is not None else _live_all(_range(chosen.seeds))
    except WorldFailed as exc:
        print(exc, file=sys.stderr)
        return 1


def _replay(seed: int) -> int:
    print(f"options of world {seed}:\n{draw_options(seed).describe()}\n")
    report = live(seed, tail=EVENTS_MOST)
    print("\n".join(report.log))
    print(f"\nworld {seed} is sound after {report.steps} steps")
    return 0


def _live_all(seeds: Iterable[int]) -> int:
    clock, worlds, steps = SystemClock(), 0, 0
    hits, checked = Counter[Fault](), Counter[str]()
    began_s = clock.monotonic_s()
    for seed in seeds:
        report = live(seed)
        worlds, steps = worlds + 1, steps + report.steps
        hits += report.hits
        checked += report.checked
    took_s = clock.monotonic_s() - began_s
    for kind in Fault:
        print(f"{hits[kind]:8}  {kind}")
    print(f"{sum(checked.values())} checks of {len(checked)} invariants, {steps} session steps")
    print(f"{worlds} worlds are sound, {worlds / took_s:.1f} worlds/s")
    return 0


def _range(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


@contextmanager
def scratch(what: str) -> Iterator[Path]:
    """Yield an empty folder, in memory where the machine has such."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix=f"qcqueue-{what}-") as folder:
        yield Path(folder)


def _explain(options: Options, log: list[str], exc: Exception) -> str:
    story = "\n".join(log)
    is_lab = options == draw_lab(options.seed)
    again = f"live({options.seed}, draw=draw_lab)" if is_lab else f"scripts/simulate --seed {options.seed}"
    return f"{story}\n\nworld {options.seed}: {exc}\n{options.describe()}\n\nreplay it with: {again}"


if __name__ == "__main__":
    sys.exit(main())
