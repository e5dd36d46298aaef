"""Sentences about a session at work, the same on a terminal and in a notebook.

Pure: from a view of the session to words. How they are laid out is for whoever shows them.
"""

from collections.abc import Iterator, Mapping

from qcqueue.core.outcomes import advice_on
from qcqueue.core.phases import Phase
from qcqueue.core.words import count, duration, listed
from qcqueue.worker.fate import left_behind
from qcqueue.worker.session import Session
from qcqueue.worker.view import Ending, View

PHASES: Mapping[Phase, str] = {
    "starting": "loading TensorFlow",
    "loading": "reading the images",
    "building": "building the model",
    "compiling": "compiling the first step; this can take a minute",
    "waiting": "waiting for the saved state to arrive",
    "restoring": "taking up the saved state",
    "training": "training",
    "saving": "saving",
    "validating": "validating",
    "evaluating": "final evaluation",
}


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
    if progress.phase == "evaluating":  # all epochs are over, and their steps are no longer told
        epochs = progress.epoch - saved_epochs
        return listed([*([count(epochs, "epoch")] if epochs else []), "the final evaluation"])
    steps_done = (progress.epoch - 1) * progress.steps + progress.step - (progress.phase == "compiling")
    lost = max(0, steps_done - saved_epochs * progress.steps - saved_steps)
    epochs, steps = divmod(lost, progress.steps)
    parts = [*([count(epochs, "epoch")] if epochs else []), *([count(steps, "step")] if steps else [])]
    if progress.phase == "validating":
        parts.append("the validation that is running")
    time = f", about {duration(view.epoch_s * lost / progress.steps)}" if lost and view.epoch_s is not None else ""
    return f"{listed(parts) or 'nothing'}{time}"


def waiting(view: View) -> str | None:
    """Return why saving waits and what a person can do about it, None where it does not wait."""
    if view.waiting_for is None:
        return None
    hint = f"; {view.waiting_for.hint}" if view.waiting_for.hint else ""
    return f"{view.waiting_for}{hint}"


def ending_lines(session: Session) -> Iterator[str]:
    """Yield what there is to say of how a session has left: what it could not take, what it could not save."""
    if session.ending in (Ending.NOTHING_TO_DO, Ending.SET_ASIDE, Ending.CANNOT_START):
        yield from reasons(session)
    if session.gave_up_on and session.ending in (Ending.NOTHING_SAVED, Ending.UNSAVED):
        yield f"{session.gave_up_on}"
    if session.left_behind:
        yield left_behind(session.left_behind, is_lost=session.is_lent and session.ending is Ending.NOTHING_SAVED)


def next_step(session: Session) -> str | None:
    """Return what a person is to do about a machine or a store that a session has left for, None for another ending."""
    if session.ending in (Ending.SET_ASIDE, Ending.CANNOT_START) and session.trouble:
        return advice_on(session.trouble, job=next(iter(session.obstacles), "JOB"), machine="this machine")
    if session.ending is Ending.NOTHING_SAVED and session.gave_up_on:
        return f"{session.gave_up_on.hint or 'qcqueue doctor'}, then qcqueue work"
    return None


def reasons(session: Session) -> Iterator[str]:
    """Yield why a session that had nothing to do took no job."""
    for name, why in session.obstacles.items():
        yield f"{name} cannot run here: {why}"
    for held in session.busy:
        yield f"{held.job_name} is held by session {held.session_id} on {held.host}"
