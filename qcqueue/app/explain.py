"""`why`: the present state of a job in at most three sentences, and the next thing to type. Decides only."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from qcqueue.core.lineage import bound_to
from qcqueue.core.outcomes import REMEDIES, Outcome
from qcqueue.core.states import State
from qcqueue.core.words import ago, count
from qcqueue.queue.overview import JobLine
from qcqueue.queue.sessions import SessionLine
from qcqueue.queue.values import AttemptLine, JobDetail
from qcqueue.scheduling.cadence import Measured, choose_cadence, explain_cadence
from qcqueue.scheduling.lifetimes import Lifetime, mean_life_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    why: str
    hint: str


def explain(
    detail: JobDetail, queue: Sequence[JobLine], sessions: Sequence[SessionLine] = (), *, now_s: float
) -> Answer:
    """Explain the state of `detail`, given all jobs in the order of the queue and every session there was."""
    name = detail.line.name
    match detail.line.state:
        case State.QUEUED:
            return _queued(detail, queue, sessions)
        case State.RUNNING:
            return Answer(why=_running(detail, sessions, now_s), hint=f"qcqueue status, or qcqueue log {name}")
        case State.HELD:
            return Answer(
                why=f"{name} is held: {_last_story(detail)}. {_progress(detail)}", hint=f"qcqueue release {name}"
            )
        case State.CANCELLED:
            return Answer(
                why=f"{name} is cancelled: {_last_story(detail)}. {_progress(detail)}", hint=f"qcqueue retry {name}"
            )
        case State.FAILED:
            return _failed(detail)
        case State.DONE:
            return Answer(why=_done(detail), hint="qcqueue report")


def _queued(detail: JobDetail, queue: Sequence[JobLine], sessions: Sequence[SessionLine]) -> Answer:
    name, only_on = detail.line.name, detail.begun_on and bound_to(detail.spec.lineage, detail.begun_on)
    waiting = [line.name for line in queue if line.state == State.QUEUED]
    ahead = waiting.index(name)
    place = "it is the next one a session will take" if ahead == 0 else f"{count(ahead, 'job')} will be taken before it"
    ended = detail.attempts[-1] if detail.attempts else None
    before = f" {_how_it_ended(ended)}" if ended else ""
    where = f" on {only_on}" if only_on else ""
    return Answer(
        why=f"{name} waits for a session{where}; {place}.{before} {_progress_and_saves(detail, sessions)}",
        hint=(
            f'qcqueue work, there; or qcqueue cancel {name}, and enqueue it under another name with lineage = "any"'
            if only_on
            else "qcqueue work"
        ),
    )


def _running(detail: JobDetail, sessions: Sequence[SessionLine], now_s: float) -> str:
    live = detail.attempts[-1]
    return (
        f"{detail.line.name} is held by session {live.session_id} on {live.host}, attempt {live.number}, "
        f"begun {ago(live.started_at_s, now_s)}. If that session vanishes, the job is claimed again by the next one. "
        f"{_progress_and_saves(detail, sessions)}"
    )


def _failed(detail: JobDetail) -> Answer:
    cause = detail.line.failure_cause
    assert cause is not None, "the schema says that a failed job has a cause"
    kind = cause.replace("_", " ")
    return Answer(
        why=f"{detail.line.name} failed, {kind}: {detail.line.failure_message}. {_progress(detail)}",
        hint=REMEDIES[cause].replace("JOB", detail.line.name),
    )


def _done(detail: JobDetail) -> str:
    result = detail.result
    assert result is not None, "a job is done exactly when it has a result"
    early = " by early stopping" if detail.line.epochs_done < detail.line.epochs else ""
    return (
        f"{detail.line.name} is done after {count(detail.line.epochs_done, 'epoch')}{early}, "
        f"in {count(detail.line.attempts, 'attempt')} with {count(detail.line.interruptions, 'interruption')}. "
        f"Best epoch {result.best.epoch}: validation accuracy {result.best.validation.accuracy:.1%}, "
        f"test accuracy {result.best.test.accuracy:.1%}."
    )


def _how_it_ended(attempt: AttemptLine) -> str:
    if attempt.outcome is Outcome.INTERRUPTED:
        return f"Attempt {attempt.number} was interrupted ({attempt.reason}), which costs no retry."
    return f"Attempt {attempt.number} ended: {attempt.reason}."


def _last_story(detail: JobDetail) -> str:
    last = detail.history[-1]
    return f"{last.what} by {last.who}, {last.why}"


def _progress(detail: JobDetail) -> str:
    line = detail.line
    if line.epochs_done == 0:
        return f"None of its {count(line.epochs, 'epoch')} is trained yet."
    return f"{line.epochs_done} of {count(line.epochs, 'epoch')} are saved."


def _progress_and_saves(detail: JobDetail, sessions: Sequence[SessionLine]) -> str:
    """Return how far it is, and how often it saves with the numbers behind that, in one sentence."""
    measured = _measured(detail, sessions)
    if measured is None:
        return _progress(detail)
    saves = explain_cadence(choose_cadence(measured), measured)
    return f"{_progress(detail).removesuffix('.')}; {saves[:1].lower()}{saves[1:]}"


def _measured(detail: JobDetail, sessions: Sequence[SessionLine]) -> Measured | None:
    """Return what the newest attempt with an epoch measured; what it did not write down is taken from its epochs."""
    epochs = detail.official_epochs()
    if not epochs:
        return None
    newest = max(epoch.attempt for epoch in epochs)
    timings = [epoch.timing for epoch in epochs if epoch.attempt == newest]
    # The first save of a trainer also gets the memory that all others use again; an epoch that was not saved took none.
    stalls = [timing.checkpoint_s for timing in timings[1:] if timing.checkpoint_s]
    pace = next(attempt.pace for attempt in detail.attempts if attempt.number == newest)
    ended = (Lifetime(held_s=it.held_s, was_taken=it.ended_at_s is None) for it in sessions if it.is_over)
    return Measured(
        epoch_s=pace.get("epoch_s") or median(it.train_s - (it.first_step_s or 0.0) + it.val_s for it in timings),
        stall_s=pace.get("stall_s", median(stalls) if stalls else None),
        lag_s=pace.get("lag_s"),
        mean_session_s=mean_life_s(ended),
        steps=int(pace.get("steps", timings[-1].step_count)),
    )
