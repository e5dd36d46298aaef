"""A study over an emulated Drive, in real processes: a laptop, machines that train and are killed, and nothing else.

`live` plays one study from a seed: images and a job from the laptop, sessions that die by SIGKILL in the middle of a
request drawn by chance, other machines or the same that go on, the laptop that comes back and reads. Every command is
typed as a person types it, and typed again where a person would. Afterwards the job's digests are held against those of
a run nothing happened to, and all that ever became of a file on the Drive against what may become of it.
`python -m tests.support.study --seeds A..B` plays many, several at once; `--seed N` plays one and tells it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from qcqueue.clock import Rng, SystemClock, seeded
from tests.support import forks
from tests.support.drive.accounts import App, User
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.faults import DriveFault
from tests.support.drive.files import File

SIDE_PX = 32
CLASSES = ("fair", "good", "reject")
IMAGES_A_CLASS = 20
SPLIT = "42,9,9"
STUDY = """
study = "small"
dataset = "noise"
[defaults]
epochs = 3
batch_size = 8
image_size = [32, 32]
weights = "none"
trainable = "head"
augment = "flips"
dropout = 0.2
[[job]]
model = "{model}"
"""
VGG16 = "VGG16"
QUOTA_BYTES = 1 << 30
STATE_BYTES = 60_000_000
VERSIONS_BYTES = 5_000_000
LOOK_EVERY_S = 0.01
LIMIT_S = 600.0
TYPED_MOST = 40
SESSIONS_MOST = 30

# Requests in the middle of which a session may be killed, and how many of each a short session surely makes.
DEADLY = {
    "upload.chunk": 5,
    "upload.start": 2,
    "upload.multipart": 6,
    "files.delete": 1,
    "files.media": 2,
    "files.get": 6,
}

MACHINES = ("first", "second")

# How a session may end: done, no store, job lost, nothing to do, killed.
ENDINGS = (0, 4, 6, 7, -signal.SIGKILL)

# Longer than the lease, by Google's clock.
A_WHILE_S = 700.0


# What --seeds plays: every fault, in one of twenty requests each.
RATE = 0.05
KILLS = 2
AT_ONCE = 4


class StudyFailed(AssertionError):
    """A study in which something happened that must never happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A session on `machine`. dies_in: the kind of request in the middle of whose nth it is killed; "" for none."""

    machine: str
    dies_in: str = ""
    nth: int = 0


@dataclass(kw_only=True)
class Report:
    """What happened. hits: the faults that struck; requests: how many there were of each kind."""

    seed: int
    log: list[str] = field(default_factory=list)
    kills: int = 0
    sessions: int = 0
    hits: Counter[DriveFault] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A folder, a cache, and a sign-in of its own."""

    name: str
    folder: Path
    environment: Mapping[str, str]

    @property
    def said(self) -> str:
        """What its sessions have said."""
        return (self.folder / "said.log").read_text(encoding="utf-8")

    def types(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return forks.run(arguments, folder=self.folder, environment=self.environment, limit_s=LIMIT_S)

    def begins(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command in a process group of its own."""
        with (self.folder / "said.log").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "qcqueue", *arguments],
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def undisturbed(folder: Path, *, model: str = VGG16, environment: Mapping[str, str] = {}) -> dict[str, Any]:
    """Train the job in a queue of this machine, where nothing happens to it; return its result."""
    own = _bare() | dict(environment) | {"QCQUEUE_CACHE": str(folder / "cache")}
    machine = Machine(name="quiet", folder=folder, environment=own)

    def insist(machine: Machine, *arguments: str) -> str:
        done = machine.types(*arguments)
        _demand(done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    insist(machine, "init")
    _bring_work(machine, folder, insist, model=model)
    insist(machine, "work")
    return dict(json.loads(insist(machine, "show", _job_of(model), "--json"))["result"])


def live(
    seed: int,
    folder: Path,
    expected: Mapping[str, Any],
    *,
    rates: Mapping[DriveFault, float] | None = None,
    turns: Sequence[Turn] | None = None,
    model: str = VGG16,
    environment: Mapping[str, str] = {},
) -> Report:
    """Live one study below `folder`, an empty one. expected: the result of an `undisturbed` run.

    rates: how often each fault strikes a request. turns: the first sessions, drawn from the seed where none are given.
    environment: what its processes find beside what every machine has.
    Raises: StudyFailed: with the seed and what happened.
    """
    report, rng = Report(seed=seed), seeded(f"study {seed}")
    turns = _draw_turns(rng) if turns is None else turns
    try:
        with DriveEmulator(SystemClock(), seed=seed) as emulator:
            _Study(emulator, folder, report, rng, rates or {}, model, environment).live(turns, expected)
    except AssertionError as exc:
        story = "\n".join(report.log)
        raise StudyFailed(
            f"{story}\n\nstudy {seed}: {exc}\nreplay it with: scripts/simulate drive --seed {seed}"
        ) from exc
    return report


class _Study:
    def __init__(
        self,
        emulator: DriveEmulator,
        folder: Path,
        report: Report,
        rng: Rng,
        rates: Mapping[DriveFault, float],
        model: str,
        environment: Mapping[str, str],
    ) -> None:
        self._emulator = emulator
        self._folder = folder
        self._report = report
        self._rng = rng
        self._app = App(name="qcqueue")
        self._ada: User = emulator.user("ada@example.com", quota_bytes=QUOTA_BYTES)
        self._owner = emulator.owner(self._ada)
        self._foreign = self._owner.put("holiday.jpg", b"not ours", app="photos")
        self._rates = dict(rates)
        self._model = model
        self._environment = dict(environment)
        self._store = ""
        # A stall is as long as a person's patience in a test; a late listing hides the last minute.
        emulator.faults.details = {DriveFault.STALL: {"for_s": 0.5}, DriveFault.SLOW: {"delay_s": 0.2}}

    def live(self, turns: Sequence[Turn], expected: Mapping[str, Any]) -> None:
        laptop = self._machine("laptop")
        self._emulator.faults.rates = self._rates
        self._insist(laptop, "init", "--store", "gdrive:new")
        self._store = (laptop.folder / "qcqueue.toml").read_text().split('"')[1]
        _bring_work(laptop, self._folder, self._insist, model=self._model)
        for turn in turns:
            self._session(turn)
        while (state := self._ask(laptop)["state"]) != "done":
            _demand(state in ("queued", "running"), f"the job is {state}")
            _demand(self._report.sessions < SESSIONS_MOST, "the job does not come to its end")
            self._session(Turn(machine=self._rng.choice(MACHINES)))
        self._look_back(laptop, expected)

    def _session(self, turn: Turn) -> None:
        """Let a session work, to its end or to the middle of a request."""
        self._report.sessions += 1
        label = f"{turn.machine}, session {self._report.sessions}"
        machine = self._machine(turn.machine, sign_in=label)
        self._tell(label, f"begins, to die in request {turn.nth} of {turn.dies_in}" if turn.dies_in else "begins")
        working, clock = machine.begins("work"), SystemClock()
        end_s = clock.monotonic_s() + LIMIT_S
        while working.poll() is None and clock.monotonic_s() < end_s:
            if turn.dies_in and self._emulator.count(turn.dies_in, label) >= turn.nth:
                os.killpg(working.pid, signal.SIGKILL)
                working.wait()
                self._report.kills += 1
            else:
                clock.sleep(LOOK_EVERY_S)
        self._tell(label, f"ends with {working.returncode}")
        if working.returncode not in ENDINGS:
            raise StudyFailed(f"{label} ended with {working.returncode}:\n{machine.said}")
        self._emulator.time.advance(A_WHILE_S)

    def _look_back(self, laptop: Machine, expected: Mapping[str, Any]) -> None:
        self._emulator.faults.flowing = False
        shown = self._ask(laptop)
        self._report.attempts = shown["attempts"]
        self._report.hits = self._emulator.faults.hits
        self._report.requests = Counter(one.operation for one in self._emulator.log)
        _demand(shown["result"] == expected, f"other bits: {shown['result']} instead of {expected}")
        report = laptop.types("report", "--out", "report")
        _demand(report.returncode == 0, report.stderr)
        self._judge_the_drive()

    def _judge_the_drive(self) -> None:
        changes, files = self._owner.changes(), self._owner.files()
        inserted = Counter(change.file_id for change in changes if change.before is None)
        _demand(set(inserted.values()) == {1}, "an id was inserted twice")
        versions = [change for change in changes if _is_version(change.file or change.before)]
        _demand(all(change.file for change in versions), "a version was deleted")
        _demand(not any(file.trashed for file in files), "something lies in the bin")
        foreign = [change for change in changes if change.file_id == self._foreign.id]
        _demand(len(foreign) == 1, "a file of another app was touched")
        used_bytes = sum(file.size for file in files)
        # An upload that was whole and not yet named by a commit when its machine was lost stays behind.
        most_bytes = (4 + self._report.kills) * STATE_BYTES + VERSIONS_BYTES
        _demand(used_bytes <= most_bytes, f"{used_bytes:,} bytes are used, and {most_bytes:,} are enough")

    def _machine(self, name: str, *, sign_in: str | None = None) -> Machine:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        grant = self._emulator.sign_in(sign_in or name, self._ada, self._app)
        environment = (
            _bare()
            | self._environment
            | {
                "QCQUEUE_CACHE": str(folder / "cache"),
                "QCQUEUE_TOKEN": json.dumps(grant.stored(self._emulator.url)),
                "QCQUEUE_DRIVE_ENDPOINT": self._emulator.url,
            }
        )
        if self._store:
            environment["QCQUEUE_STORE"] = self._store
        return Machine(name=name, folder=folder, environment=environment)

    def _ask(self, laptop: Machine) -> dict[str, Any]:
        return dict(json.loads(self._insist(laptop, "show", _job_of(self._model), "--json")))

    def _insist(self, machine: Machine, *arguments: str) -> str:
        """Type a command until the store lets it through, as a person does."""
        for _ in range(TYPED_MOST):
            done = machine.types(*arguments)
            self._tell(machine.name, f"qcqueue {' '.join(arguments)} -> {done.returncode} {done.stderr.strip()[:300]}")
            if done.returncode == 0:
                return done.stdout
            _demand(done.returncode == 4, f"{arguments} ended with {done.returncode}:\n{done.stderr}")
        raise StudyFailed(f"{arguments} does not come through")

    def _tell(self, who: str, what: str) -> None:
        self._report.log.append(f"{who}: {what}")


def _draw_turns(rng: Rng) -> list[Turn]:
    kinds = [rng.choice(sorted(DEADLY)) for _ in range(KILLS)]
    return [Turn(machine=rng.choice(MACHINES), dies_in=kind, nth=rng.randint(1, DEADLY[kind])) for kind in kinds]


def _job_of(model: str) -> str:
    return f"small/{model.lower()}"


def _bring_work(machine: Machine, folder: Path, insist: Callable[..., str], *, model: str) -> None:
    """Put the images and the job into the queue."""
    _draw_images(folder / "scans")
    (machine.folder / "study.toml").write_text(STUDY.format(model=model))
    size = f"{SIDE_PX}x{SIDE_PX}"
    insist(machine, "data", "add", str(folder / "scans"), "--name", "noise", "--image-size", size, "--split", SPLIT)
    insist(machine, "enqueue", "study.toml")


def _draw_images(folder: Path) -> None:
    """Draw images whose classes differ in colour; the same ones every time."""
    rng = seeded("images")
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(IMAGES_A_CLASS):
            pixels = bytes(min(255, rng.randint(0, 160) + 45 * number) for _ in range(SIDE_PX * SIDE_PX * 3))
            Image.frombytes("RGB", (SIDE_PX, SIDE_PX), pixels).save(folder / name / f"{index:02d}.png")


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}


def _is_version(file: File | None) -> bool:
    return file is not None and file.title.startswith("version ")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StudyFailed(otherwise)


def main(arguments: list[str] | None = None) -> int:
    """Parse, play, print. Returns the exit code: 1 if a study failed."""
    parser = argparse.ArgumentParser(prog="scripts/simulate drive", description="Play studies over an emulated Drive.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", default="0..9", metavar="A..B", help="the studies to play, both ends included")
    which.add_argument("--seed", type=int, metavar="N", help="play one study and tell it")
    chosen = parser.parse_args(arguments)
    first, _, last = chosen.seeds.partition("..")
    seeds = range(int(first), int(last) + 1) if chosen.seed is None else range(chosen.seed, chosen.seed + 1)
    rates = dict.fromkeys(DriveFault, RATE)
    with tempfile.TemporaryDirectory(prefix="qcqueue-study-") as root, ThreadPoolExecutor(AT_ONCE) as pool:
        expected = undisturbed(_folder(Path(root), "undisturbed"))
        played = pool.map(lambda seed: _played(seed, _folder(Path(root), str(seed)), expected, rates), seeds)
        outcomes = [_shown(outcome, in_full=chosen.seed is not None) for outcome in played]
    reports = [outcome for outcome in outcomes if isinstance(outcome, Report)]
    hits = sum((report.hits for report in reports), Counter[DriveFault]())
    print("\n".join(f"{times:8}  {kind}" for kind, times in hits.most_common()))
    kills = sum(report.kills for report in reports)
    print(f"{len(reports)} of {len(outcomes)} studies are sound, {kills} sessions killed")
    return 0 if len(reports) == len(outcomes) else 1


def _played(
    seed: int, folder: Path, expected: Mapping[str, Any], rates: Mapping[DriveFault, float]
) -> Report | StudyFailed:
    try:
        return live(seed, folder, expected, rates=rates)
    except StudyFailed as exc:
        return exc


def _shown(outcome: Report | StudyFailed, *, in_full: bool) -> Report | StudyFailed:
    if isinstance(outcome, StudyFailed):
        print(outcome, file=sys.stderr, flush=True)
    else:
        told = "\n".join(outcome.log) + "\n" if in_full else ""
        struck = sum(outcome.hits.values())
        print(
            f"{told}study {outcome.seed}: sound; {outcome.kills} kills, {outcome.sessions} sessions, {struck} faults "
            f"in {sum(outcome.requests.values())} requests",
            flush=True,
        )
    return outcome


def _folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name


if __name__ == "__main__":
    sys.exit(main())
