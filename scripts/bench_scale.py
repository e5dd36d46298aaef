"""How everyday commands grow with the queue: 10, 100 and 1,000 jobs of 90 epochs, beside `status` in the same run.

Each queue is what months of sessions would have left: three attempts a job, hundreds of sessions, two rows a save, and
ten epochs of each job still to be trained. The commands run in turn, a few rounds, and the least of each counts,
because this machine is noisy; what counts is processor time as a ratio to `status`, and wall time is shown beside it.
`claim` is a session from its start to the committed claim, without the trainer's libraries, which load meanwhile in a
process of their own. Called by `scripts/bench scale`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from qcqueue.app.context import create_store
from qcqueue.clock import SystemClock
from qcqueue.database.local import LocalDatabase
from qcqueue.stores.folder import DATABASE_FILE
from tests.support.large import fill, specs

SIZES = (10, 100, 1000)
ROUNDS = 3
TARGET = 3.0
HELD_TO_IT = ("why", "plan", "claim")
BASE = "status"

STUDY = """\
study = "one-more-{number}"
dataset = "images"
[[job]]
model = "VGG16"
epochs = 10
weights = "none"
"""


def main() -> int:
    """Print the table; return 1 where a command takes more than TARGET times what `status` takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds to measure (default: {ROUNDS})")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="JOBS", help="default: 10 100 1000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--claim", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.claim:
        claim()
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            measured[size] = measure(Path(folder) / str(size), size, rounds=options.rounds)
    print(render(measured))
    if options.json:
        options.json.write_text(json.dumps({"schema_version": 1, "jobs": measured, "target": TARGET}, indent=2) + "\n")
    last = measured[options.sizes[-1]]
    return int(any(last[name]["cpu_s"] > TARGET * last[BASE]["cpu_s"] for name in HELD_TO_IT))


def measure(folder: Path, size: int, *, rounds: int) -> dict[str, dict[str, float]]:
    """Return the least wall and processor seconds of each command on a queue of so many jobs, and its most memory."""
    clock = SystemClock()
    folder.mkdir()
    create_store(folder)
    LocalDatabase(folder / DATABASE_FILE).transact(lambda tx: fill(tx, number=size, now_s=clock.now_s()))
    print(f"made: {size} jobs, {(folder / DATABASE_FILE).stat().st_size / 1e6:.0f} MB", file=sys.stderr, flush=True)
    os.environ |= {"QCQUEUE_STORE": f"folder:{folder}", "QCQUEUE_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # all run from bytecode, as they do once installed
    found: dict[str, dict[str, float]] = {}
    for number in range(rounds + 1):
        study = folder / f"more-{number}.toml"
        study.write_text(STUDY.format(number=number))
        for name, command in commands(size, study).items():
            took = seconds(command)
            if number:  # the first round fills the caches of the disk
                found[name] = {key: min(it, found.get(name, took)[key]) for key, it in took.items()}
    return found


def commands(size: int, study: Path) -> dict[str, list[str]]:
    """Return what is measured, by name."""
    job = specs(size)[size // 2].full_name
    typed = {
        BASE: ["status"],
        "the one screen": [],
        "why": ["why", job],
        "plan": ["plan"],
        "quota": ["quota"],
        "show": ["show", job],
        "log": ["log", job],
        "data list": ["data", "list"],
        "enqueue one more": ["enqueue", str(study)],
        "store usage": ["store", "usage"],
        "store verify": ["store", "verify"],
    }
    run = {name: [sys.executable, "-m", "qcqueue", *words] for name, words in typed.items()}
    return {**run, "claim": [sys.executable, __file__, "--claim"]}


def seconds(command: Sequence[str]) -> dict[str, float]:
    """Return what one run of a command took. `store verify` finds that the bytes are not there, and may."""
    clock = SystemClock()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = clock.monotonic_s()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wall_s = clock.monotonic_s() - begun_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 5) or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return {"wall_s": wall_s, "cpu_s": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime}


def claim() -> None:
    """Be a session of this machine until it holds a job, and vanish, as a machine that is taken away."""
    from qcqueue.app.context import open_context
    from qcqueue.app.profile import profile_here
    from qcqueue.app.settings import load_settings
    from qcqueue.app.work import new_session
    from qcqueue.worker.budget import Limits
    from qcqueue.worker.process import TrainerProcess

    settings = load_settings()
    place = open_context(settings, persistent=True)
    session = new_session(place, Limits(), profile=profile_here(settings), narrate=lambda said: None)
    with patch.object(TrainerProcess, "get_ready"):
        while session.view() is None:
            if session.step() is None:
                raise SystemExit(f"nothing was claimed: {session.ending}")
    os._exit(0)


def render(measured: dict[int, dict[str, dict[str, float]]]) -> str:
    """Return the table: for each size wall and processor seconds and the ratio to `status`, and how it all grew."""
    sizes = list(measured)
    lines = [f"{'':20}" + "".join(f"{f'{size} jobs: wall s':>20}{'cpu s':>8}{'x status':>10}" for size in sizes)]
    lines[0] += f"{'growth':>9}"
    for name in measured[sizes[0]]:
        line = f"{name:20}"
        for size in sizes:
            took, base = measured[size][name], measured[size][BASE]
            line += f"{took['wall_s']:20.2f}{took['cpu_s']:8.2f}{took['cpu_s'] / base['cpu_s']:10.2f}"
        growth = measured[sizes[-1]][name]["cpu_s"] / measured[sizes[0]][name]["cpu_s"]
        wanted = f"   (wanted: at most {TARGET:g} x {BASE})" if name in HELD_TO_IT else ""
        lines.append(f"{line}{growth:9.1f}{wanted}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
