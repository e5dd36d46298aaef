"""What the worker cell shows: a session as one block, as HTML and as plain text, and the last sentences after it.

Pure. The block has no script and no colour of its own, so it reads in light and dark; every text is escaped, and
what stands in it is small, because a notebook keeps its output.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, isfinite

from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.states import State
from qcqueue.stores.registry import label_of
from qcqueue.text.humanize import count, duration, moment, percent, size
from qcqueue.text.suggest import printable
from qcqueue.worker.machine import Machine
from qcqueue.worker.progress_text import at_risk, point, time_left, waiting
from qcqueue.worker.view import View

AGAIN = "run this cell again"
ADOPT = "take the store over as it is, with !qcqueue store adopt --store followed by its URL"
# So many of the jobs to come are named, and so many points of a curve drawn at most.
NEXT_JOBS = 3
MOST_POINTS = 100
NEWER = "write a newer notebook on your laptop, with qcqueue notebook, put its cell here, restart the session, and"

_BOX = "border:1px solid;border-radius:6px;padding:8px 12px;max-width:56em;font-family:sans-serif;font-size:14px"
_LABEL = "padding:2px 16px 2px 0;vertical-align:top;white-space:nowrap;opacity:.65;text-align:left"
_TEXT = "padding:2px 0;text-align:left"
_TRACK = "display:inline-block;width:12em;border:1px solid;border-radius:3px;height:.6em;margin-right:.8em"
_CURVE_PX = (168, 24)
_LEAST = 1e-6
_DONE = "display:block;height:100%;background:currentColor;opacity:.7"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockContent:
    """All that is shown at one instant.

    store is its URL, view what the session is doing (None between jobs), news the last lines it said, closing what
    is said at its end, urgent what a person is asked to do right now.
    """

    store: str
    machine: Machine | None
    view: View | None
    news: tuple[str, ...]
    closing: tuple[str, ...]
    urgent: tuple[str, ...]
    now_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the block. share is how much of a bar is full, None for no bar; curve is drawn from left to right."""

    label: str
    text: str
    share: float | None = None
    curve: tuple[float, ...] = ()


def html_of(picture: BlockContent) -> str:
    """Return the block for a notebook."""
    rows = "".join(
        f'<tr style="background:none"><td style="{_LABEL}">{escape(row.label)}</td>'
        f'<td style="{_TEXT}">{_bar(row.share)}{_curve(row.curve)}{escape(printable(row.text))}</td></tr>'
        for row in rows_of(picture)
    )
    return f'<div style="{_BOX}"><table style="border:none;border-collapse:collapse">{rows}</table></div>'


def text_of(picture: BlockContent) -> str:
    """Return the block for whatever shows no HTML."""
    rows = list(rows_of(picture))
    width = max((len(row.label) for row in rows), default=0)
    return "\n".join(f"{row.label:<{width}}  {printable(row.text)}" for row in rows)


def rows_of(picture: BlockContent) -> Iterator[Row]:
    """Yield the lines of the block, top down."""
    yield Row("qcqueue", picture.store)
    if picture.machine:
        without = "" if picture.machine.has_gpu else ", no GPU"
        yield Row("machine", f"{picture.machine.processor}, {count(picture.machine.threads, 'thread')}{without}")
    if picture.view:
        yield from _at_work(picture.view, picture)
    for label, lines in (("news", picture.news), ("please", picture.urgent), ("end", picture.closing)):
        for number, line in enumerate(lines):
            yield Row("" if number else label, line)


def _at_work(view: View, picture: BlockContent) -> Iterator[Row]:
    yield Row("job", f"{view.job_name}, attempt {view.attempt}{f', {view.resumed}' if view.resumed else ''}")
    yield _doing(view)
    yield from _learned(view)
    yield from _saved(view, label_of(picture.store), picture.now_s)
    if view.transfer and view.transfer.size_bytes:
        moved, all_bytes = view.transfer.moved_bytes, view.transfer.size_bytes
        yield Row("moving", f"{size(moved)} of {size(all_bytes)}", moved / all_bytes)
    if why := waiting(view):
        yield Row("saving waits", why)
    yield Row("at risk", at_risk(view))
    ahead = [*([about] if (about := time_left(view)) else []), *view.foreseen]
    if ahead:
        yield Row("left", "; ".join(ahead))
    if view.ahead:
        more = f" and {count(len(view.ahead) - NEXT_JOBS, 'more job', 'more jobs')}" if view.ahead[NEXT_JOBS:] else ""
        yield Row("then", f"{', '.join(view.ahead[:NEXT_JOBS])}{more}")


def _doing(view: View) -> Row:
    progress = view.progress
    if progress is None:
        return Row("now", "fetching what the job needs" if view.resumed is None else "starting the trainer")
    parts = [progress.phase.label]
    if progress.epoch:
        parts.append(f"epoch {progress.epoch} of {progress.epochs}")
    if progress.steps:
        parts.append(f"step {progress.step} of {progress.steps}")
    if progress.loss is not None and progress.accuracy is not None:
        parts.append(f"loss {progress.loss:.3f}, accuracy {percent(progress.accuracy)}")
    if view.epoch_s is not None:
        parts.append(f"{duration(view.epoch_s)} an epoch")
    return Row("now", " · ".join(parts), progress.step / progress.steps if progress.steps else None)


def _learned(view: View) -> Iterator[Row]:
    """Yield the validation accuracy of all epochs that are saved, where there is a curve to see."""
    history = [row for row in view.history if isfinite(row.val_accuracy)]
    curve = tuple(row.val_accuracy for row in history)
    if len(curve) > 1:
        best = max(history, key=lambda row: row.val_accuracy)
        said = f"validation accuracy {percent(curve[-1])}, best {percent(best.val_accuracy)} after epoch {best.epoch}"
        yield Row("learned", said, curve=curve[:: -ceil(len(curve) / MOST_POINTS)][::-1])


def _saved(view: View, store: str, now_s: float) -> Iterator[Row]:
    if view.written:
        reached = point(view.written.epochs_done, view.written.partial.steps_done)
        yield Row("written", f"{reached}, on this machine's disk, not yet confirmed on {store}")
    if view.saved:
        reached = point(view.saved.epochs_done, view.saved.steps_done)
        yield Row("safe", f"{reached}, confirmed on {store} {moment(view.saved.at_s, now_s)}")
    else:
        yield Row("safe", "nothing yet")


def _curve(values: Sequence[float]) -> str:
    """Return a small picture of a curve, from its lowest value to its highest."""
    if not values:
        return ""
    low, across = min(values), _CURVE_PX[0] / (len(values) - 1)
    up = (_CURVE_PX[1] - 2) / max(max(values) - low, _LEAST)
    points = " ".join(f"{at * across:.0f},{_CURVE_PX[1] - 1 - (it - low) * up:.0f}" for at, it in enumerate(values))
    width, height = _CURVE_PX
    line = f'<polyline points="{points}" fill="none" stroke="currentColor"/>'
    return f'<svg width="{width}" height="{height}" style="margin-right:.8em" aria-hidden="true">{line}</svg>'


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    return f'<span style="{_TRACK}"><span style="{_DONE};width:{min(share, 1):.0%}"></span></span>'


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingFacts:
    """What a session left: the states of all jobs, and what there is to say of those it did not take or save.

    gpu_help: how to come to the GPU that jobs wait for, as `providers.base` words it; None where none does. idle_help:
    what to do with a machine that goes on counting, as worded there.
    """

    states: Sequence[State]
    reasons: Sequence[str]
    gpu_help: str | None
    idle_help: str = ""


def closing(ending: SessionEnd, left: ClosingFacts | None, *, has_trained: bool) -> tuple[str, ...]:
    """Return the last sentences; left is None where the queue could not be read any more."""
    how = ending.notebook(has_trained=has_trained)
    if ending is SessionEnd.NEWER_QUEUE:  # from here nobody can say what is left
        return how, f"next: {NEWER} {AGAIN}"
    if ending is SessionEnd.PUT_BACK:
        return how, f"next: {ADOPT}, and {AGAIN}"
    if ending is SessionEnd.MOVED:
        return how, f"next: write the place that it is in now into the cell, as the session has said it, and {AGAIN}"
    return tuple([how, *(_queue(left) if left else [f"next: {AGAIN}"])])


def _queue(left: ClosingFacts) -> Iterator[str]:
    yield from left.reasons
    waiting = sum(state in (State.QUEUED, State.RUNNING) for state in left.states)
    failed = sum(state is State.FAILED for state in left.states)
    if failed:
        yield f"{count(failed, 'job')} failed; on your laptop: qcqueue status, then qcqueue why JOB"
    if left.gpu_help:
        yield f"next: {left.gpu_help}, and {AGAIN}"
    elif waiting:
        yield f"{count(waiting, 'job')} {'remains' if waiting == 1 else 'remain'}; next: {AGAIN}"
    elif left.states:
        yield "no job waits; on your laptop: qcqueue report"
    else:
        yield "the queue is empty; on your laptop: qcqueue enqueue FILE"
    if left.idle_help:
        yield left.idle_help
