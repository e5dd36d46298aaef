"""`doctor`: everything a queue needs, looked at one by one, from the settings to the last byte of room.

It looks at this machine and at the queue; at the store its backend does. It decides what is wrong and what to do;
nothing is repaired, and nothing changes but this machine's cache. What one problem would only repeat is not looked at.
"""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from qcqueue.app.context import QueueContext, open_context
from qcqueue.app.session_log import newest_log
from qcqueue.app.settings import Settings, load_settings, named_store
from qcqueue.app.space_check import ADVICE, whose
from qcqueue.app.sweep import size_of_cache
from qcqueue.clock import Clock, RandomIds
from qcqueue.errors import ExtraMissing, QcqueueError, SettingInvalid
from qcqueue.stores.checks import LEAST_BYTES, TIDY_DISK, Check, fine, problem, room, warning
from qcqueue.text.humanize import ago, count, size
from qcqueue.worker.machine import can_train, this_machine


def examine(store: str | None, *, clock: Clock) -> Iterator[Check]:
    """Yield what is found, each as soon as it is known."""
    try:
        settings = load_settings(store=store)
        context, named = open_context(settings), named_store(settings)
    except ExtraMissing as exc:
        yield problem("libraries", exc)
        return
    except SettingInvalid as exc:
        yield problem("settings", exc)
        return
    yield fine("settings", f"the store is {settings.store}, from {settings.source}{_server(settings)}")
    yield from _machine(settings, is_shared=named.kind.is_shared)
    reached = yield from named.backend.check(named.address, settings.access(clock=clock))
    if reached:
        yield from _files(context)
        yield _database(context)
        yield from _rules(context)
        yield from _jobs(context)
        yield from _forecast(context, reached.free_bytes)


def _machine(settings: Settings, *, is_shared: bool) -> Iterator[Check]:
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
    if sys.platform == "win32":
        yield fine("machine", "enqueues and looks; sessions work in Colab, or here in WSL")
    elif can_train():
        gpu = "" if machine.has_gpu else ", no GPU"
        yield fine("machine", f"trains on {machine.processor}, {count(machine.threads, 'thread')}{gpu}")
    elif not is_shared:  # no other machine will
        yield warning("machine", "TensorFlow is not installed, so only toys can train", 'pip install "qcqueue[train]"')
    else:
        yield fine("machine", "enqueues and looks; it does not train, as TensorFlow is not installed")


def _forecast(context: QueueContext, free_bytes: int | None) -> Iterator[Check]:
    """Judge whether what is still to run fits; nothing where nothing is, or where the queue cannot be read."""
    from qcqueue.core.space_forecast import forecast
    from qcqueue.queue.pending import unfinished

    try:
        with context.read() as tx:
            needs = forecast(unfinished(tx))
    except QcqueueError:  # which `_database` says
        return
    if not needs.jobs:
        return
    free = "there is no limit" if free_bytes is None else f"{size(free_bytes)} are free"
    says = f"{whose(needs)} will take about {size(needs.more_bytes)} more, and {free}"
    if free_bytes is None or needs.more_bytes <= free_bytes:
        yield fine("forecast", says)
    else:
        yield warning("forecast", f"{says}: work stops when it is full", ADVICE)


def _rules(context: QueueContext) -> Iterator[Check]:
    """Say what is settled for all who use the queue; nothing where nothing is, or where the queue cannot be read."""
    from qcqueue.queue.rules import rule_lines

    try:
        with context.read() as tx:
            settled = [line for line in rule_lines(tx) if not line.is_usual]
    except SettingInvalid as exc:
        yield problem("rules", exc)
        return
    except QcqueueError:  # which `_database` says
        return
    if settled:
        yield fine("rules", "; ".join(f"{line.name} is {line.value}: {line.says}" for line in settled))


def _jobs(context: QueueContext) -> Iterator[Check]:
    """Say which jobs sessions could not run; nothing where none are, or where the queue cannot be read."""
    from qcqueue.queue.job_lines import job_lines
    from qcqueue.queue.obstacles import KnownObstacle, stuck

    found = dict[str, KnownObstacle]()
    with contextlib.suppress(QcqueueError), context.read() as tx:  # `_database` says why
        found = {line.name: line.obstacle for line in job_lines(tx) if line.obstacle}
    if found:
        name = next(iter(found))
        yield warning("jobs", "; ".join(stuck(found, context.clock.now_s())), found[name].advice(name))


def _server(settings: Settings) -> str:
    if settings.database is None:
        return ""
    return f"; the queue is kept in {settings.database.url}, from {settings.database_source}"


def _files(context: QueueContext) -> Iterator[Check]:
    """See that the store has the files of this queue; whether the database answers is said after."""
    try:
        context.check_files()
    except SettingInvalid as exc:
        yield problem("files", exc)
    except QcqueueError:
        pass


def _database(context: QueueContext) -> Check:
    """Read the queue, as `status` would."""
    from qcqueue.queue.job_lines import job_lines

    try:
        with context.read() as tx:
            lines = job_lines(tx)
    except QcqueueError as exc:
        return problem("database", exc)
    jobs, now_s = count(len(lines), "job"), context.clock.now_s()
    if behind := context.behind():
        says = f"{jobs}, as this machine last saw them, {ago(behind.since_s, now_s)}: {behind.why}"
        return warning("database", says, "try again when the store answers")
    changed = f", changed {ago(max(line.updated_at_s for line in lines), now_s)}" if lines else ""
    where = f" in {context.server.url}" if context.server else ""
    return fine("database", f"{jobs}{where}{changed}")
