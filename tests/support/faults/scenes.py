"""What each command is played on, and what must be true once it has ended and once it was typed again.

A scene is a place before the command: a folder with images and a study, a queue as far as the command needs it. Always
true: what a command said is compared with what another look at the queue finds, and never with what it meant.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from qcqueue.app.context import open_context
from qcqueue.app.session_log import FOLDER as LOGS
from qcqueue.app.settings import load_settings
from qcqueue.clock import seeded
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from tests.support.faults.commands import Commands, Ran

STUDY = """
study = "small"
dataset = "noise"
[defaults]
epochs = 2
batch_size = 4
image_size = [32, 32]
weights = "none"
trainable = "head"
[[job]]
model = "VGG16"
"""
JOB, DATASET, EPOCHS = "small/vgg16", "noise", 2
CLASSES, IMAGES_A_CLASS, SPLIT, SIDE_PX = ("fair", "good"), 4, "4,2,2", 32
LONG_AGO_S = 8 * 86400.0
NO_SUCH, NOTHING_TO_DO, CANNOT_START, RESUMABLE = 2, 7, 8, 20  # exit codes as other people's scripts know them

TEMPORARY = re.compile(
    r"incoming-.*|\.fetching-.*|\.report-.*|\.writing-.*|verify-.*|fetch-.*|.*\.(tmp|trash|new|part)|.*-journal"
    r"|machine\.\w+|queue\.(sqlite|json)\.\d+|trainer-\d+.*|\.qcqueue\.toml.*"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a fresh look at the queue finds. epochs: the official ones of the job; weights_sha256: of its result."""

    datasets: tuple[str, ...]
    state: str | None
    epochs: tuple[int, ...]
    weights_sha256: str | None


class Place:
    """A folder with a person's files, a queue in it, and the cache of its machine."""

    def __init__(self, root: Path, commands: Commands) -> None:
        self._commands = commands
        self.root = root
        self.here = root / "here"
        self.cache = root / "cache"

    def furnish(self) -> None:
        """Make the place anew, with images and a study and nothing else."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.here.mkdir(parents=True)
        self.cache.mkdir()
        rng = seeded("faults")
        for number, name in enumerate(CLASSES):
            (self.here / "scans" / name).mkdir(parents=True)
            for index in range(IMAGES_A_CLASS):
                pixels = bytes(min(255, rng.randint(0, 160) + 45 * number) for _ in range(SIDE_PX * SIDE_PX * 3))
                image = Image.frombytes("RGB", (SIDE_PX, SIDE_PX), pixels)
                image.save(self.here / "scans" / name / f"{index}.png")
        (self.here / "study.toml").write_text(STUDY)

    def types(self, *arguments: str, faults: Mapping[str, str] | None = None) -> Ran:
        """Run a command to its end."""
        return self._commands.run(arguments, folder=self.here, environment=self._environment | dict(faults or {}))

    @property
    def _environment(self) -> dict[str, str]:
        return {"QCQUEUE_CACHE": str(self.cache), "HOME": str(self.root)}

    def look(self) -> Seen | None:
        """Look at the queue as another process does; None where there is none, as `init` leaves it when it fails."""
        if not (self.here / "queue").exists() or not (self.here / "qcqueue.toml").exists():
            return None
        place = open_context(load_settings(folder=self.here, environment=self._environment))
        with place.read() as tx:
            named = [line.name for line in job_lines(tx)]
            detail = job_detail(tx, JOB) if JOB in named else None
            return Seen(
                datasets=tuple(line.name for line in list_datasets(tx)),
                state=str(detail.line.state) if detail else None,
                epochs=tuple(row.metrics.epoch for row in detail.official_epochs()) if detail else (),
                weights_sha256=detail.result.last.weights_sha256 if detail and detail.result else None,
            )

    def temporary(self) -> list[Path]:
        """Return what lies here under a name that nobody will look for, or belongs to no session that lives."""
        found = [path for path in self.root.rglob("*") if TEMPORARY.fullmatch(path.name)]
        found += (self.cache / "spool").glob("*")
        found += (self.cache / "sessions").glob("*")
        return sorted({path.relative_to(self.root) for path in found})

    def digest(self) -> str:
        """Return the digest of all names and bytes that lie here, but for what sessions logged."""
        seen = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            if path.parent.name == LOGS:
                continue
            if path.is_file() and not path.is_symlink():
                seen.update(hashlib.sha256(path.read_bytes()).digest())
            seen.update(f"{path.relative_to(self.root)} {path.lstat().st_mode}\n".encode())
        return seen.hexdigest()

    def grow_old(self) -> None:
        """Let what is temporary in the store be of last week: it may be another machine's, and gc waits for that."""
        for path in (self.root / name for name in self.temporary()):
            if path.is_relative_to(self.here / "queue"):
                before = path.lstat().st_mtime
                os.utime(path, (before - LONG_AGO_S, before - LONG_AGO_S), follow_symlinks=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A command, and what it is played on.

    prepare: the commands that come before. before: what else is done to the place. judge: what is wrong once the
    command has ended, in sentences; finally: what is wrong once it was typed again. codes: how it may end under a
    fault. again: how it may end when it is typed again.
    """

    name: str
    arguments: Sequence[str]
    prepare: int
    judge: Callable[[Place, Ran, Seen | None], Iterable[str]]
    finally_: Callable[[Place, Ran, Seen | None], Iterable[str]]
    codes: frozenset[int] = frozenset({0, 2, 4})
    again: frozenset[int] = frozenset({0})
    before: Callable[[Place], None] = lambda place: None


def history(kind: str) -> tuple[tuple[str, ...], ...]:
    """Return what a person types one after the other; a scene begins after the first few of it."""
    add = ("data", "add", "scans", "--name", DATASET, "--image-size", f"{SIDE_PX}x{SIDE_PX}", "--split", SPLIT)
    return (("init", "--store", f"{kind}:queue"), add, ("enqueue", "study.toml"), ("work",))


def scenes(kind: str) -> dict[str, Scene]:
    init, add, enqueue, work = history(kind)
    listed = (
        Scene(name="init", arguments=init, prepare=0, judge=_init, finally_=_empty),
        Scene(name="data-add", arguments=add, prepare=1, judge=_add, finally_=_added),
        Scene(name="enqueue", arguments=enqueue, prepare=2, judge=_enqueue, finally_=_enqueued),
        Scene(
            name="work",
            arguments=work,
            prepare=3,
            judge=_work,
            finally_=_done,
            codes=frozenset({0, 2, 4, CANNOT_START, RESUMABLE}),
            again=frozenset({0, NOTHING_TO_DO}),
        ),
        Scene(
            name="gc", arguments=("store", "gc", "--yes"), prepare=4, before=_litter, judge=_nothing, finally_=_clean
        ),
        Scene(
            name="fetch",
            arguments=("fetch", JOB, "--format", "safetensors", "--out", "weights"),
            prepare=4,
            judge=_fetch,
            finally_=_fetched,
        ),
        Scene(
            name="remove",
            arguments=("remove", "small/", "--yes"),
            prepare=4,
            judge=_remove,
            finally_=_removed,
            again=frozenset({0, NO_SUCH}),
        ),
        Scene(name="report", arguments=("report", "--out", "report"), prepare=4, judge=_report, finally_=_reported),
    )
    return {scene.name: scene for scene in listed}


# What a command said, against what is there.


def _nothing(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    return iter(())


def _init(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if ran.code == 0 and seen is None:
        yield "it said that a queue is made, and there is none"


def _add(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    yield from _told(ran, is_there=seen is not None and DATASET in seen.datasets, what="the dataset")


def _enqueue(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    yield from _told(ran, is_there=seen is not None and seen.state is not None, what="the job")


def _told(ran: Ran, *, is_there: bool, what: str) -> Iterator[str]:
    if ran.code == 0 and not is_there:
        yield f"it said that {what} is saved, and it is not there"
    if ran.code > 0 and is_there and "may or may not have been saved" not in ran.said:
        yield f"it refused {what}, and it is there"


def _work(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    saved = {int(number) for number in re.findall(r"epoch (\d+) of \d+ is saved", ran.said)}
    if seen is None:
        yield "the queue cannot be seen any more"
    elif lost := saved - set(seen.epochs):
        yield f"it said that epoch {min(lost)} is saved, and it is not there"
    elif seen.state == "failed":
        yield "the job has failed"
    elif ran.code in (CANNOT_START, RESUMABLE) and seen.state != "queued":
        yield f"it said that the job goes back to the queue, and it is {seen.state}"
    elif ran.code == 0 and seen.state != "done":
        yield f"it said that the job is done, and it is {seen.state}"


def _fetch(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if ran.code == 0 and not list((place.here / "weights").glob("*.safetensors")):
        yield "it said that the weights are written, and they are not there"


def _remove(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if seen is None:
        yield "the queue cannot be seen any more"
    elif ran.code == 0 and seen.state is not None:
        yield f"it said that the job is removed, and it is {seen.state}"
    elif ran.code > 0 and seen.state is None and "may or may not have been saved" not in ran.said:
        yield "it refused to remove the job, and it is gone"
    elif seen.state is not None and (seen.state, len(seen.epochs)) != ("done", EPOCHS):
        yield f"half of the job is gone: it is {seen.state} with epochs {seen.epochs}"


def _report(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if ran.code == 0 and not (place.here / "report" / "report.html").exists():
        yield "it said that the report is written, and it is not there"


# What is there once the command was typed again.


def _empty(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if seen is None:
        yield "no second init mends it"
    if sorted(path.name for path in place.here.iterdir()) != ["qcqueue.toml", "queue", "scans", "study.toml"]:
        yield f"there is more than a queue: {[path.name for path in place.here.iterdir()]}"
    if (place.here / "queue" / "slots").exists() and (place.here / "queue" / "queue.sqlite").exists():
        yield "there are two queues"


def _added(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if seen is None or DATASET not in seen.datasets:
        yield "the dataset is not there after a second try"


def _enqueued(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if seen is None or seen.state != "queued":
        yield "the job is not queued after a second try"


def _done(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if seen is None or seen.state != "done" or seen.epochs != tuple(range(1, EPOCHS + 1)):
        yield f"the job is {seen.state if seen else 'nowhere'} after a second try, with epochs {seen and seen.epochs}"
    yield from _sound(place)


def _clean(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if left := [path for path in (place.here / "queue" / "blobs").glob("*litter*")]:
        yield f"{left[0].name} is still there after a second try"
    yield from _done(place, ran, seen)


def _fetched(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    yield from _fetch(place, ran, seen)
    yield from _done(place, ran, seen)


def _removed(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    if seen is None or seen.state is not None:
        yield "the job is still there after a second try"
    blobs = place.here / "queue" / "blobs"
    for path in blobs.iterdir():
        os.utime(path, (1e9, 1e9))
    place.types("store", "gc", "--yes")
    if len(left := sorted(path.name for path in blobs.iterdir())) != 1:
        yield f"beside the dataset there is still {len(left) - 1} files after a clean-up: {left}"
    yield from _sound(place)


def _reported(place: Place, ran: Ran, seen: Seen | None) -> Iterator[str]:
    yield from _report(place, ran, seen)
    page = (place.here / "report" / "report.json").read_bytes() if not list(_report(place, ran, seen)) else b"{}"
    if "files" not in json.loads(page):
        yield "the report is not whole"


def _sound(place: Place) -> Iterator[str]:
    verified = place.types("store", "verify")
    if verified.code:
        yield f"store verify ends with {verified.code}: {verified.said.strip()[:300]}"


def _litter(place: Place) -> None:
    """Leave what gc is for: bytes of an attempt that is over, and half of a file."""
    blobs = place.here / "queue" / "blobs"
    orphan = blobs / f"{'0' * 64}.litter-1.litter"
    for path in (orphan, blobs / "incoming-litter"):
        path.write_bytes(b"litter")
        os.utime(path, (1e9, 1e9))
