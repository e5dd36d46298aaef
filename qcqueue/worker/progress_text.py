"""Sentences about a session at work and about its jobs, the same on a terminal, in a notebook and in a log.

Pure: from values, or from a view of the session, to words. How they are laid out is for whoever shows them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from qcqueue.core.obstacles import by_lack, grouped, some_of
from qcqueue.core.outcomes import SessionEnd, advice_on
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochMetrics, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.queue.values import Checkpoint
from qcqueue.text.humanize import SOON_S, by_likely, count, duration, listed, percent
from qcqueue.worker.view import View

if TYPE_CHECKING:
    # Whoever shows a session does without the libraries that read and write states.
    from qcqueue.worker.committer import Saved
    from qcqueue.worker.session import Session


def left_unsaved(job_name: str, saved: "Saved | None", written: TrainingRecord | None) -> str:
    """Return what of a job lies on this machine alone: "epochs 12 to 14 of JOB".

    written: the newest record that is not committed, None where only the final evaluation is not.
    """
    if written is None:
        return f"the final evaluation of {job_name}"
    first = (saved.epochs_done if saved else 0) + 1
    last = written.epochs_done + (written.partial.steps_done > 0)
    if last < first:
        return f"the end of epoch {last} of {job_name}"
    return f"epoch {first} of {job_name}" if last == first else f"epochs {first} to {last} of {job_name}"


def left_behind(what: str, *, is_lost: bool) -> str:
    """Return what becomes of work that is not saved. is_lost: its machine, which was lent, takes it along."""
    if is_lost:
        return f"{what} {'go' if what.startswith('epochs') else 'goes'} with this machine"
    return f"not saved: {what}; the next session on this machine saves that"


def where_from(chosen: Checkpoint | None) -> str:
    """Return where a run is taken up, in words."""
    if chosen is None:
        return "starts from the beginning"
    record = chosen.record
    within = f" and {count(record.partial.steps_done, 'step')}" if record.partial.steps_done else ""
    return f"goes on after epoch {record.epochs_done}{within}"


def epoch_line(spec: JobSpec, row: EpochMetrics, epoch_s: float) -> str:
    """Return what is said of an epoch that is saved."""
    return (
        f"epoch {row.epoch} of {spec.epochs} is saved: loss {row.loss:.4f}, accuracy {percent(row.accuracy)}, "
        f"validation loss {row.val_loss:.4f}, accuracy {percent(row.val_accuracy)}, {duration(epoch_s)}"
    )


def studies_foreseen(lines: Iterable[ForecastLine]) -> Iterator[str]:
    """Yield when each study is likely done, of those that are not about to be."""
    for line in lines:
        if line.study and line.likely_s - line.made_at_s >= SOON_S:
            likely = by_likely(line.likely_s, line.low_s, line.high_s, line.made_at_s)
            yield f"{line.study} is likely done by {likely}"


def point(epochs_done: int, steps_done: int) -> str:
    """Return how far a run has come: "epoch 3", "epoch 3 and 12 steps", "12 steps"."""
    parts = [f"epoch {epochs_done}"] if epochs_done else []
    return listed([*parts, *([count(steps_done, "step")] if steps_done else [])]) or "the beginning"


def at_risk(view: View) -> str:
    """Return what would have to be done again if this machine vanished now."""
    progress = view.progress
    if progress is None or not progress.epoch:
        return "nothing"
    saved_epochs, saved_steps = (view.saved.epochs_done, view.saved.steps_done) if view.saved else (0, 0)
    if progress.phase is Phase.EVALUATING:  # all epochs are over, and their steps are no longer told
        epochs = progress.epoch - saved_epochs
        return listed([*([count(epochs, "epoch")] if epochs else []), "the final evaluation"])
    steps_done = (progress.epoch - 1) * progress.steps + progress.step - (progress.phase is Phase.COMPILING)
    lost = max(0, steps_done - saved_epochs * progress.steps - saved_steps)
    epochs, steps = divmod(lost, progress.steps)
    parts = [*([count(epochs, "epoch")] if epochs else []), *([count(steps, "step")] if steps else [])]
    if progress.phase is Phase.VALIDATING:
        parts.append("the validation that is running")
    step_s = progress.step_s if view.epoch_s is None else view.epoch_s / progress.steps
    time = f", about {duration(step_s * lost)}" if lost and step_s is not None else ""
    return f"{listed(parts) or 'nothing'}{time}"


def time_left(view: View) -> str | None:
    """Return how long this job likely trains on, None where no epoch of it was measured here."""
    progress = view.progress
    if progress is None or not progress.steps or view.epoch_s is None:
        return None
    left_s = (progress.epochs - progress.epoch + 1 - progress.step / progress.steps) * view.epoch_s
    return f"about {duration(left_s)} of this job" if left_s > 0 else None


def waiting(view: View) -> str | None:
    """Return why saving waits and what a person can do about it, None where it does not wait."""
    if view.waiting_for is None:
        return None
    hint = f"; {view.waiting_for.hint}" if view.waiting_for.hint else ""
    return f"{view.waiting_for}{hint}"


def ending_lines(session: "Session", *, without_lacks: bool = False) -> Iterator[str]:
    """Yield what there is to say of how a session has left: what it could not take, what it could not save.

    without_lacks: what its machine lacks is said already.
    """
    if session.ending in (SessionEnd.NOTHING_TO_DO, SessionEnd.SET_ASIDE, SessionEnd.CANNOT_START):
        yield from reasons(session, without_lacks=without_lacks)
    elif session.ending in (SessionEnd.FINISHED, SessionEnd.LIMIT):
        yield from grouped(session.obstacles)
    if session.gave_up_on and session.ending in (SessionEnd.NOTHING_SAVED, SessionEnd.UNSAVED):
        yield f"{session.gave_up_on}"
    if session.left_behind:
        yield left_behind(session.left_behind, is_lost=session.is_lent and session.ending is SessionEnd.NOTHING_SAVED)


def next_step(session: "Session") -> str | None:
    """Return what a person is to do about a machine or a store that a session has left for, None for another ending."""
    if session.ending is SessionEnd.CANNOT_START and (lacking := by_lack(session.obstacles)):
        return next(iter(lacking)).advice
    if session.ending in (SessionEnd.SET_ASIDE, SessionEnd.CANNOT_START) and session.trouble:
        return advice_on(session.trouble, job=next(iter(session.obstacles), "JOB"), machine="this machine")
    if session.ending is SessionEnd.NOTHING_SAVED and session.gave_up_on:
        return f"{session.gave_up_on.hint or 'qcqueue doctor'}, then qcqueue work"
    return None


def reasons(session: "Session", *, without_lacks: bool = False) -> Iterator[str]:
    """Yield why a session that had nothing to do took no job: in one line for several with the same in their way."""
    several = {lack for lack, names in by_lack(session.obstacles).items() if len(names) > 1}
    if not without_lacks:
        yield from grouped({name: it for name, it in session.obstacles.items() if it.lack in several})
    alike = defaultdict[str, list[str]](list)
    for name, obstacle in session.obstacles.items():
        if obstacle.lack not in several and not (obstacle.lack and without_lacks):
            alike[obstacle.says].append(name)
    for says, names in alike.items():
        yield f"{some_of(names)} cannot run here: {says}"
    for held in session.busy:
        yield f"{held.job_name} is held by session {held.session_id} on {held.host}"
