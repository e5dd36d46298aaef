"""Queues of their own, for one run of one job each: in a temporary folder, on a shared disk, or on Google Drive.

A drill lets two runs of one spec meet, which no queue would hold twice. What is made here is removed again: whoever
opens `room_for` gets a place that is gone afterwards, whatever happens in it.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qcqueue.app.context import QueueContext, create_shared_store, create_store, open_workplace
from qcqueue.app.settings import Settings, drive_folder_of, folder_of, kind_of, load_settings
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.drill.kill_points import SessionSetup, run_session
from qcqueue.errors import DrillFailed, SettingInvalid, StoreError
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.stores.base import Blob

Narrate = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchQueue:
    """A queue of its own for one run of one job."""

    place: SessionSetup
    queue: QueueContext
    job: str

    def detail(self) -> JobDetail:
        with self.queue.read() as tx:
            return job_detail(tx, self.job)


@contextlib.contextmanager
def room_for(url: str, *, cache: Path, narrate: Narrate) -> Iterator[SessionSetup]:
    """Make an empty queue in the store that `url` names, beside all that is there; remove it at the end.

    `folder:` alone is a folder that lasts as long as the drill, below `cache`. On Drive it is a folder of its own.
    Raises: SettingInvalid, StoreError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    if url == "folder:":
        url = f"folder:{cache}"
    if kind_of(url) == "gdrive":
        with _on_drive(url, cache=cache, narrate=narrate) as place:
            yield place
        return
    folder = folder_of(url, source="--store")
    if not folder.is_dir():
        raise SettingInvalid(f"{folder} is no folder; a drill makes one of its own in it", hint=f"mkdir {folder}")
    with _folder_in(folder) as home:
        if kind_of(url) == "shared":
            create_shared_store(home, cache=cache)
        else:
            create_store(home)
        yield SessionSetup(url=f"{kind_of(url)}:{home}", cache=cache)


def make_ring(
    source: QueueContext, spec: JobSpec, dataset: DatasetLine, place: SessionSetup, weights: Mapping[Blob, str] = {}
) -> ScratchQueue:
    """Put this one job into the empty queue of `place`, with its dataset and weights file from `source`."""
    queue = open_workplace(_settings(place.url, place.cache), persistent=True)
    copy_dataset(source, queue, dataset)
    copied = {_copy(source, queue, blob): title for blob, title in weights.items()}
    now_s = queue.clock.now_s()
    queue.transact(lambda tx: enqueue(tx, [spec], weights=copied, who="drill", now_s=now_s))
    return ScratchQueue(place=place, queue=queue, job=spec.full_name)


def finish(ring: ScratchQueue) -> None:
    """Run sessions, undisturbed, until the job is done. Raises: DrillFailed."""
    code = run_session(ring.place)
    line = ring.detail().line
    if line.state is not State.DONE:
        raise DrillFailed(f"{ring.job} did not finish (exit {code}): {line.failure_message or line.state}")


def copy_dataset(source: QueueContext, target: QueueContext, dataset: DatasetLine) -> DatasetLine:
    """Bring a dataset from one queue to another; return it as it lies there."""
    blob = _copy(source, target, dataset.blob)
    now_s = target.clock.now_s()
    target.transact(lambda tx: add_dataset(tx, dataset.name, blob, dataset.summary, who="drill", now_s=now_s))
    return replace(dataset, blob=blob)


def _copy(source: QueueContext, target: QueueContext, blob: Blob) -> Blob:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blob"
        source.store.fetch(blob, path)
        return target.store.put(path)


@contextlib.contextmanager
def _folder_in(folder: Path) -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="qcqueue-drill-", dir=folder, ignore_cleanup_errors=True)
    except OSError as exc:
        raise SettingInvalid(f"{folder} cannot be written: {exc.strerror}", hint="--store folder:ANOTHER") from exc
    with made as home:
        yield Path(home)


@contextlib.contextmanager
def _on_drive(url: str, *, cache: Path, narrate: Narrate) -> Iterator[SessionSetup]:
    """A new folder at the top of the Drive of whoever is signed in, and of the folder that `url` names, if any.

    It is not made inside that one: what lies in the folder of a queue belongs to that queue.
    """
    from qcqueue.app.drive import NEW, create_on_drive, files_on_drive
    from qcqueue.stores.drive.layout import find_folder

    settings = _settings(url, cache)
    named = drive_folder_of(url, source="--store")
    if named != NEW:
        find_folder(files_on_drive(settings, persistent=False), named)
    made: list[str] = []
    try:
        home, _ = create_on_drive(settings, f"gdrive:{NEW}", dry_run=False, remember=made.append)
        narrate(f"the run that is killed keeps its queue in {home}, which is deleted at the end")
        yield SessionSetup(url=home, cache=cache)
    finally:
        for left in made:
            try:
                files_on_drive(settings, persistent=True).delete(drive_folder_of(left, source="--store"))
            except StoreError as exc:
                narrate(f"{left} could not be deleted, which you can do yourself: {exc}")


def _settings(url: str, cache: Path) -> Settings:
    return replace(load_settings(store=url), cache=cache)
