"""Queues of their own, for one run of one job each: in a temporary folder, or beside a queue in any kind of store.

A drill lets two runs of one spec meet, which no queue would hold twice. What is made here is removed again: whoever
opens `room_for` gets a place that is gone afterwards, whatever happens in it.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qcqueue.app.context import QueueContext, create_queue, open_context
from qcqueue.app.settings import Settings, load_settings
from qcqueue.code.trust import Trust
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.drill.kill_points import SessionSetup, run_session
from qcqueue.errors import DrillFailed, StoreError
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.step_choices import pin_choice
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.stores.base import Blob
from qcqueue.stores.registry import StoreAddress, parse_url

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

    `folder:` alone is a folder that lasts as long as the drill, below `cache`.
    Raises: SettingInvalid, ExtraMissing, StoreError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    named = parse_url(f"folder:{cache}" if url == "folder:" else url, source="--store")
    access = _settings(url, cache).access()
    home = replace(named, address=named.backend.beside(named.address, access))
    made: set[StoreAddress] = set() if home.is_new else {home}
    try:
        own = create_queue(_settings(home.url, cache), remember=made.add).url
        if not home.kind.is_path:  # who is killed here leaves it there
            narrate(f"the run that is killed keeps its queue in {own}, which is deleted at the end")
        yield SessionSetup(url=own, cache=cache)
    finally:
        for left in made:
            try:
                left.backend.delete(left.address, access)
            except StoreError as exc:
                narrate(f"{left.url} could not be deleted, which you can do yourself: {exc}")


def make_scratch_queue(
    source: QueueContext, spec: JobSpec, dataset: DatasetLine, place: SessionSetup, attached: Mapping[Blob, str] = {}
) -> ScratchQueue:
    """Put this one job into the empty queue of `place`, with its dataset and the files that belong to it from `source`.

    Whoever has this job drilled has approved its code by that.
    """
    if spec.code_sha256:
        Trust(place.cache, source.clock).approve(spec.code_sha256)
    queue = open_context(_settings(place.url, place.cache), persistent=True)
    copy_dataset(source, queue, dataset)
    copied = {_copy(source, queue, blob): title for blob, title in attached.items()}
    now_s = queue.clock.now_s()
    queue.transact(lambda tx: enqueue(tx, [spec], attached=copied, who="drill", now_s=now_s))
    return ScratchQueue(place=place, queue=queue, job=spec.full_name)


def pin_step(scratch: ScratchQueue, run: JobDetail) -> None:
    """Let the job compute its steps as another run of it did: two measurings may end in two ways."""
    choices = [attempt.step_choice for attempt in run.attempts if attempt.step_choice]
    if choices:
        now_s = scratch.queue.clock.now_s()
        scratch.queue.transact(lambda tx: pin_choice(tx, choices[-1], model=run.spec.model, now_s=now_s))


def finish(scratch: ScratchQueue) -> None:
    """Run sessions, undisturbed, until the job is done. Raises: DrillFailed."""
    code = run_session(scratch.place)
    line = scratch.detail().line
    if line.state is not State.DONE:
        raise DrillFailed(f"{scratch.job} did not finish (exit {code}): {line.failure_message or line.state}")


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


def _settings(url: str, cache: Path) -> Settings:
    return replace(load_settings(store=url), cache=cache, database=None)  # it goes when it is over, all of it
