"""`python -m tests.support.faults`: play faults of disks on every file call of every command.

Each line that is printed of a play that went wrong says what was wrong and what to type to see it again; `--from` goes
on where a campaign was stopped. Where there is no compiler it says so and ends with 77, which is no success.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from qcqueue.clock import SystemClock
from tests.support.faults.campaign import Play, Stage
from tests.support.faults.preload import Call, NoCompilerError, Trouble, build
from tests.support.faults.scenes import scenes

SKIPPED = 77
STORES = ("folder", "shared")
MEMORY = Path("/dev/shm")
_DRAWN = re.compile(r"(?<=incoming-|fetching-)\w+|\w*\d\w*")


def main(arguments: list[str] | None = None) -> int:
    """Parse, play, print. Returns the exit code: 1 if something was wrong, 77 where nothing can be played."""
    chosen = _parser().parse_args(arguments)
    chosen.store, chosen.command = chosen.store or STORES, chosen.command or list(scenes("folder"))
    chosen.errno = [Trouble(name) for name in chosen.errno or Trouble]
    clock = SystemClock()
    began_s = clock.monotonic_s()
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="qcqueue-faults-", dir=place, ignore_cleanup_errors=True) as root:
        try:
            library = build(Path(root))
        except NoCompilerError as exc:
            print(f"SKIPPED, nothing was tested: {exc}", file=sys.stderr)
            return SKIPPED
        plays = [play for store in chosen.store for play in _campaign(chosen, library, Path(root) / store, store)]
    bad = [play for play in plays if play.wrong]
    for (store, command, trouble), times in Counter((it.store, it.command, it.trouble) for it in plays).items():
        print(f"{times:6}  {store} {command} {trouble}")
    print(f"{sum(play.call is None for play in plays)} calls were not reached this time")
    print(f"{len(plays)} plays in {clock.monotonic_s() - began_s:.0f} s, {len(bad)} of them with something wrong")
    return 1 if bad else 0


def _campaign(chosen: argparse.Namespace, library: Path, root: Path, store: str) -> Iterator[Play]:
    stages: SimpleQueue[Stage] = SimpleQueue()
    for number in range(chosen.workers):
        stages.put(Stage(library, root / str(number), store))

    def play(asked: tuple[str, Trouble, int]) -> Play:
        stage = stages.get()
        try:
            played = stage.play(*asked)
        finally:
            stages.put(stage)
        _show(played, in_full=chosen.tell)
        return played

    with ThreadPoolExecutor(chosen.workers) as pool:
        for command in chosen.command:
            for trouble in chosen.errno:
                stage = stages.get()
                calls = stage.count(command, trouble)
                stages.put(stage)
                last = min(len(calls), chosen.to or len(calls))
                numbers = _once(calls) if chosen.once else range(1, last + 1)
                asked = [at for at in numbers if chosen.first <= at <= last][:: chosen.every]
                print(f"{store} {command} {trouble}: {len(asked)} of {len(calls)} calls", flush=True)
                yield from pool.map(play, [(command, trouble, at) for at in asked])
    for _ in range(chosen.workers):
        stages.get().close()


def _once(calls: list[Call]) -> list[int]:
    """Return the first and the last call of each name on each kind of file, whatever was drawn or counted in a path."""
    kinds = dict[tuple[str, str], list[int]]()
    for call in calls:
        kinds.setdefault((call.name, _DRAWN.sub("#", str(call.path))), []).append(call.number)
    return sorted({at for numbers in kinds.values() for at in (numbers[0], numbers[-1])})


def _show(play: Play, *, in_full: bool) -> None:
    befell = f"{play.call.name} {play.call.path.name}" if play.call else "(not reached)"
    where = f"{play.store} {play.command} {play.trouble} at call {play.at}, {befell}"
    if in_full:
        print(f"{where}: ends with {play.ran.code}\n{play.ran.said}", flush=True)
    for wrong in play.wrong:
        print(f"WRONG  {where}: {wrong}\n       {play.replay} --tell", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/simulate faults", description="Let every file call fail once.")
    commands, troubles = list(scenes("folder")), [str(trouble) for trouble in Trouble]
    parser.add_argument("--store", action="append", choices=STORES, help="a kind of store; all where none is named")
    parser.add_argument("--command", action="append", choices=commands, help="a command; all where none is named")
    parser.add_argument("--errno", action="append", choices=troubles, help="a trouble; all where none is named")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="the first call to fail")
    parser.add_argument("--to", type=int, metavar="N", help="the last call to fail")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="let only every K-th call fail")
    parser.add_argument("--once", action="store_true", help="of calls of one kind on one kind of file, only two")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="how many are played at once")
    parser.add_argument("--tell", action="store_true", help="print what each command said")
    return parser


if __name__ == "__main__":
    sys.exit(main())
