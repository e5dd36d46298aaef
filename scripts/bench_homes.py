"""Measure what a commit costs at each home of the database that is a server, beside the least that the server can do.

Four processes, each a machine of its own, commit at once and do the bare thing in between, so that both are measured
under the same load: to put an object of the size of a version where none is of its name. Each home is measured as it is
reached on this machine, and over a line on which a request takes LINE_S more, as it does to a bucket in a cloud; there
the bound is judged, since on loopback nearly all of a commit is its own arithmetic. The median is that of a commit that
came first; the mean holds the waiting of those that did not.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import mean, median

from bench_homes_postgres import WORKERS, claims_a_second, measure_commits

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.conformance.processes import race
from qcqueue.database.versioned import VersionedDatabase
from tests.support.contenders import commit
from tests.support.servers.between import Asked, between
from tests.support.servers.places import SlotsInBucket
from tests.support.servers.postgres import programs
from tests.support.servers.running import PROGRAMS, kill_servers

MACHINES = 4
COMMITS = 25
LINE_S = 0.02
VERSION_BYTES = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of each bare thing and of each commit, of all machines. judged: whether the bound holds for these."""

    bare_s: list[float]
    commit_s: list[float]
    judged: bool

    @property
    def ratio(self) -> float:
        return median(self.commit_s) / median(self.bare_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A row. bare: what is done beside a commit, in words. most: how many of these a commit may take."""

    bare: str
    most: float
    measure: Callable[[], Mapping[str, Cost]]


def measure_bucket(scheme: str) -> dict[str, Cost]:
    """Return what commits cost in a bucket: on this machine, and over a line."""
    found = {}
    with SlotsInBucket(scheme).running() as place, tempfile.TemporaryDirectory() as folder:
        for name, line_s in (("loopback", 0.0), (f"{1000 * LINE_S:.0f} ms a request", LINE_S)):
            here = Path(folder) / name.replace(" ", "-")
            with _over_a_line(place, line_s) as away:
                _machine(away, here, "onlooker").create()
                told = [here / f"machine-{number}.json" for number in range(MACHINES)]
                race(_put_and_commit, [(away, here, path) for path in told])
            said = [json.loads(path.read_text()) for path in told]
            bare_s, commit_s = ([seconds for answer in said for seconds in answer[which]] for which in (0, 1))
            found[name] = Cost(bare_s=bare_s, commit_s=commit_s, judged=line_s > 0)
    return found


def measure_server() -> dict[str, Cost]:
    """Return what commits cost on a PostgreSQL of this machine."""
    bare_s, commit_s = measure_commits()
    return {"loopback": Cost(bare_s=bare_s, commit_s=commit_s, judged=True)}


HOMES: Mapping[str, Home] = {
    PROGRAMS[scheme].name: Home(bare="put", most=most, measure=lambda scheme=scheme: measure_bucket(scheme))  # type: ignore[misc]
    for scheme, most in (("s3", 2.0), ("az", 2.0))
    if PROGRAMS[scheme].is_there
} | ({"PostgreSQL": Home(bare="transaction", most=3.0, measure=measure_server)} if programs() else {})


@contextmanager
def _over_a_line(place: SlotsInBucket, line_s: float) -> Iterator[SlotsInBucket]:
    """Yield a place whose requests all take so much longer."""
    if not line_s:
        yield place
        return

    def wait(asked: Asked) -> None:
        SystemClock().sleep(line_s)

    assert place.server
    with between(place.server.endpoint, wait) as proxy:
        yield replace(place, server=replace(place.server, endpoint=proxy.endpoint))


def _machine(place: SlotsInBucket, here: Path, name: str) -> VersionedDatabase:
    return VersionedDatabase(
        place.attach(here), copy=here / f"copy-{name}", clock=SystemClock(), ids=RandomIds(), author=name
    )


def _put_and_commit(place: SlotsInBucket, here: Path, told: Path, together: Barrier) -> None:
    clock, bucket, database = SystemClock(), place.objects(here), _machine(place, here, told.stem)
    with database.read():
        pass
    together.wait()
    bare_s, commit_s = [], []
    for number in range(COMMITS):
        began_s = clock.monotonic_s()
        assert bucket.create(f"bare/{told.stem}-{number}", bytes(VERSION_BYTES))
        put_s = clock.monotonic_s()
        commit(database, f"{told.stem}-{number}")
        bare_s.append(put_s - began_s)
        commit_s.append(clock.monotonic_s() - put_s)
    told.write_text(json.dumps([bare_s, commit_s]))


def render(found: Mapping[str, Mapping[str, Cost]]) -> str:
    lines = [f"{'home':<14}{'reached over':<18}{'bare':>10}{'commit, median':>17}{'mean':>10}{'ratio':>8}"]
    for home, costs in found.items():
        for name, cost in costs.items():
            lines.append(
                f"{home:<14}{name:<18}{1000 * median(cost.bare_s):>7.1f} ms{1000 * median(cost.commit_s):>14.1f} ms"
                f"{1000 * mean(cost.commit_s):>7.1f} ms{cost.ratio:>8.2f}"
            )
        where = next(name for name, cost in costs.items() if cost.judged)
        lines.append(f"{'':<14}target ({where}): at most {HOMES[home].most:g} of a bare {HOMES[home].bare}")
    return "\n".join(lines)


def main() -> int:
    """Print the table; return 1 where a bound is broken, 7 where this machine has no server."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--claims", type=int, nargs="*", default=[200], metavar="JOBS", help="also claim from such queues on a server"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    if not HOMES:
        print("no server is on this machine: scripts/servers installs them", file=sys.stderr)
        return 7
    try:
        found = {name: home.measure() for name, home in HOMES.items()}
        claims = {jobs: claims_a_second(jobs) for jobs in options.claims} if "PostgreSQL" in HOMES else {}
    finally:
        kill_servers()
    print(render(found))
    for jobs, a_second in claims.items():
        print(f"{'PostgreSQL':<14}{a_second:.1f} claims a second by {WORKERS} workers from a queue of {jobs:,} jobs")
    if options.json:
        figures = {
            home: {name: {"bare_s": it.bare_s, "commit_s": it.commit_s} for name, it in costs.items()}
            for home, costs in found.items()
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    kept = [it.ratio <= HOMES[home].most for home, costs in found.items() for it in costs.values() if it.judged]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
