"""`doctor`: everything a queue needs, looked at one by one, from the settings to the last byte of room.

It decides what is wrong and what to do; nothing is repaired, and nothing changes but this machine's cache. What one
problem would only repeat is not looked at any more. Google Drive is looked at by `doctor_drive`.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qcqueue.app.checks import Finding, clock_against, database_of, fine, forecast_of, problem, room, warning
from qcqueue.app.context import QueueContext, open_workplace
from qcqueue.app.session_log import newest_log
from qcqueue.app.settings import Settings, folder_of, kind_of, load_settings
from qcqueue.app.sweep import size_of_cache
from qcqueue.clock import Clock, RandomIds
from qcqueue.errors import ExtraMissing, QcqueueError, SettingInvalid, StoreMissing
from qcqueue.stores.files import translated
from qcqueue.text.humanize import count, size
from qcqueue.worker.machine import can_train, this_machine

# What the database itself and one small state take.
LEAST_BYTES = 50_000_000
TIDY_DISK = "delete what you do not need from this disk"


def examine(store: str | None, *, clock: Clock) -> Iterator[Finding]:
    """Yield what is found, each as soon as it is known."""
    try:
        settings = load_settings(store=store)
        place = open_workplace(settings)
    except ExtraMissing as exc:
        yield problem("libraries", exc)
        return
    except SettingInvalid as exc:
        yield problem("settings", exc)
        return
    yield fine("settings", f"the store is {settings.store}, from {settings.source}")
    yield from _machine(settings)
    if kind_of(place.store.url) == "gdrive":
        from qcqueue.app.doctor_drive import examine_drive

        yield from examine_drive(settings, place, clock)
    else:
        yield from _folder(settings, place, clock)


def _machine(settings: Settings) -> Iterator[Finding]:
    try:
        settings.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.cache):
            pass
        machine = this_machine(settings.cache, RandomIds())
    except OSError as exc:
        unusable = SettingInvalid(
            f"the cache {settings.cache} cannot be used: {exc.strerror}", hint="set QCQUEUE_CACHE to a folder of yours"
        )
        yield problem("cache", unusable)
        return
    yield room(
        "cache",
        f"{settings.cache}, which holds {size(size_of_cache(settings.cache))}",
        shutil.disk_usage(settings.cache).free,
        needed_bytes=LEAST_BYTES,
        hint=f"{TIDY_DISK}, or set QCQUEUE_CACHE to a folder on a larger one",
    )
    if log := newest_log(settings.cache):
        yield fine("session log", f"{log}, of the session that was at work here last")
    if can_train():
        gpu = "" if machine.has_gpu else ", no GPU"
        yield fine("machine", f"trains on {machine.processor}, {count(machine.threads, 'thread')}{gpu}")
    elif kind_of(settings.store or "") == "folder":  # no other machine will
        yield warning("machine", "TensorFlow is not installed, so nothing can train", 'pip install "qcqueue[train]"')
    else:
        yield fine("machine", "enqueues and looks; it does not train, as TensorFlow is not installed")


def _folder(settings: Settings, place: QueueContext, clock: Clock) -> Iterator[Finding]:
    assert settings.store is not None, "open_workplace has asked for it"
    folder, is_shared = folder_of(settings.store, source=settings.source), kind_of(settings.store) == "shared"
    try:
        _check_written(folder, is_shared=is_shared)
    except QcqueueError as exc:
        yield problem("store", exc)
        return
    free_bytes = shutil.disk_usage(folder).free
    yield room("store", place.store.url, free_bytes, needed_bytes=LEAST_BYTES, hint=TIDY_DISK)
    if is_shared:
        from qcqueue.stores.shared import DiskClock

        yield clock_against(DiskClock(folder).now_s(), clock.now_s(), "the disk's")
    yield database_of(place)
    yield from forecast_of(place, free_bytes)


def _check_written(folder: Path, *, is_shared: bool) -> None:
    """Raises: StoreMissing. StoreError: nothing can be written there."""
    if not folder.is_dir():
        hint = "mount the disk it is on, or make a queue: qcqueue init" if is_shared else "qcqueue init"
        raise StoreMissing(f"there is no folder {folder}", hint=hint)
    with translated(folder), tempfile.TemporaryFile(dir=folder):
        pass
