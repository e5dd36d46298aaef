"""`why`: the present state of a job in at most three sentences, and the next thing to type. Decides only.

What a session would take next is asked of the policy that sessions ask, and what is expected is a forecast as `plan`
makes it. Always true: what is said by others, such as an error, is put into one sentence, however many it has.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from statistics import median

from qcqueue.app.queue_summary import QueueView, forecast_at_a_glance, next_gpu, ranked
from qcqueue.core.lineage import bound_to
from qcqueue.core.obstacles import Lack, of_another, too_many_running
from qcqueue.core.outcomes import Outcome, Trouble, advice_on, remedy_for
from qcqueue.core.owners import named
from qcqueue.core.states import State
from qcqueue.planning.cadence import Measured, choose_cadence, explain_cadence
from qcqueue.planning.queue_stats import QueueStats
from qcqueue.planning.survival import Lifetime, mean_life_s
from qcqueue.queue.job_lines import JobLine
from qcqueue.queue.values import AttemptLine, HistoryLine, JobDetail
from qcqueue.text.humanize import ago, by, count, date, duration, fixed, listed, percent

# What a session writes between what was in the way of a job it holds and what a person can do about it.
CHOOSE = ". Choose: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """step: how its steps are computed, and why so; None where that was not chosen yet."""

    why: str
    hint: str
    step: str | None = None


def explain(detail: JobDetail, seen: QueueView) -> Answer:
    """Explain the state of a job, given all that the queue has shown."""
    choice = detail.step_choice
    return replace(_explained(detail, seen), step=f"its steps: {choice.sentence}" if choice else None)


def _explained(detail: JobDetail, seen: QueueView) -> Answer:
    name = detail.line.name
    match detail.line.state:
        case State.QUEUED:
            return _queued(detail, seen)
        case State.RUNNING:
            return _running(detail, seen)
        case State.HELD:
            return _held(detail)
        case State.CANCELLED:
            return Answer(why=_by_a_person(detail), hint=f"qcqueue retry {name}")
        case State.FAILED:
            return _failed(detail)
        case State.DONE:
            return Answer(why=_done(detail), hint="qcqueue report")


def _queued(detail: JobDetail, seen: QueueView) -> Answer:
    name, stats = detail.line.name, seen.stats
    only_on = bound_to(detail.spec.lineage, detail.begun_on) if detail.begun_on else None
    obstacle = detail.line.obstacle
    before = [_how_it_ended(detail.attempts[-1])] if detail.attempts else []
    if obstacle and isinstance(obstacle.kind, Lack):  # it was found later than how that attempt ended
        since = fixed(obstacle.since_s, stats.now_s)
        before = [f"It could not run on {obstacle.host} (since {since}): {_clause(obstacle.says)}."]
    late = _lateness(detail, stats)
    sentences = [
        f"{name} waits for {_what_it_waits_for(detail, stats, only_on)}; {_place(detail.line, seen)}.",
        *before,
        f"{_progress(detail).removesuffix('.')}{late}." if late else _progress_and_more(detail, stats),
    ]
    hint = _what_rules_leave(detail.line, seen) or _what_helps(detail, stats, only_on, is_late=bool(late))
    return Answer(why=" ".join(sentences), hint=hint)


def _what_it_waits_for(detail: JobDetail, stats: QueueStats, only_on: str | None) -> str:
    if only_on:
        return f"a session on {only_on}"
    match detail.spec.device:
        case "cpu":
            return 'a session, with a GPU or without, because its spec says device = "cpu"'
        case "gpu" if without := _sessions_without_gpu(stats):
            which = "the last session" if without == 1 else f"the last {count(without, 'session')}"
            return f"a session with a GPU, which {which} had not"
        case device:
            what = "a session with a GPU" if device == "gpu" else "a session"
            away = next_gpu(stats)
            if stats.at_work or away is None:
                return what
            return f"{what}, and a GPU is likely to be had again {by(away.p50_s, stats.now_s)} ({away.basis})"


def _sessions_without_gpu(stats: QueueStats) -> int:
    """Return how many sessions of those that came last had no GPU."""
    return sum(1 for _ in takewhile(lambda line: line.has_gpu is False, reversed(stats.sessions)))


def _what_rules_leave(line: JobLine, seen: QueueView) -> str | None:
    """Return what to do about a rule that is in the way of a job, None where none is."""
    if line.owner is not None and seen.is_barred(line.owner):
        return f"qcqueue work, in a session of {named(line.owner)}, or on a machine with another profile"
    if line.owner in seen.crowded:
        return f"qcqueue status, or qcqueue store set max_running {seen.crowded[line.owner] + 1}"
    return None


def _place(line: JobLine, seen: QueueView) -> str:
    """Say when a session would take the job, and by which reason of the policy, or which rule is in its way."""
    if line.owner is not None and seen.is_barred(line.owner):
        return f"it is {of_another(line.owner, seen.stats.profile.name).says}"
    if line.owner in seen.crowded:
        return too_many_running(line.owner, seen.crowded[line.owner]).says
    choices = ranked(seen)
    place = next((index for index, choice in enumerate(choices) if choice.job.name == line.name), None)
    if place is None:
        return "a session is just taking it"
    first = choices[0]
    if place == 0:
        return f"it is the next one a session will take: {first.why}"
    others = count(place, "job")
    which = f"{first.job.name}: {first.why}" if place == 1 else f"first {first.job.name}: {first.why}"
    return f"{others} will be taken before it, {which}"


def _lateness(detail: JobDetail, stats: QueueStats) -> str:
    """Return what is to be said of its deadline, to follow upon its progress; nothing where it will likely be met."""
    deadline_s, now_s = detail.spec.deadline_s, stats.now_s
    if deadline_s is None:
        return ""
    if deadline_s <= now_s:
        return f", and its deadline has passed, {date(deadline_s)} (you said)"
    finish = forecast_at_a_glance(stats).jobs.get(detail.line.name)
    if finish is None or now_s + finish.p50_s <= deadline_s:
        return ""
    likely = by(now_s + finish.p50_s, now_s)
    return f", and it will likely miss its deadline, {date(deadline_s)} (you said): it is likely done by {likely}"


def _what_helps(detail: JobDetail, stats: QueueStats, only_on: str | None, *, is_late: bool) -> str:
    name, spec, obstacle = detail.line.name, detail.spec, detail.line.obstacle
    if obstacle and isinstance(obstacle.kind, Lack) and not only_on:
        if obstacle.kind is Lack.TRUST and spec.code_sha256:
            return f"qcqueue work --trust {spec.code_sha256}, on {obstacle.host}, once you know whose code it is"
        if obstacle.kind is Lack.PACKAGES:
            return f"pip install {' '.join(spec.requires)}, on {obstacle.host}, then qcqueue work there"
        return obstacle.advice(name)
    if detail.attempts and (trouble := detail.attempts[-1].trouble):
        return advice_on(trouble, job=name, machine=detail.attempts[-1].host)
    if only_on:
        return f'qcqueue work, there; or qcqueue cancel {name}, and enqueue it under another name with lineage = "any"'
    if spec.device == "gpu" and _sessions_without_gpu(stats):
        return "qcqueue work, on a machine with a GPU; on Colab choose it under Runtime > Change runtime type"
    if is_late:
        return f"qcqueue move {name} first, or qcqueue plan"
    is_away = spec.device != "cpu" and not stats.at_work and next_gpu(stats)
    return "qcqueue quota, and qcqueue work once a GPU is to be had" if is_away else "qcqueue work"


def _running(detail: JobDetail, seen: QueueView) -> Answer:
    name, now_s, live = detail.line.name, seen.stats.now_s, detail.attempts[-1]
    who = f"{name} is held by session {live.session_id} on {live.host}, attempt {live.number}"
    if live.session_id in seen.dead_here:
        who = f"{name} was left by session {live.session_id} on {live.host}, attempt {live.number}"
        after = "The process of that session is gone, so the next one on this machine takes the job over at once."
        hint = "qcqueue work"
    elif live.session_id in seen.gone:
        silent = duration(max(0.0, now_s - seen.gone[live.session_id]))
        after = f"Nothing has been heard of that session for {silent}, so the next one takes it over."
        hint = "qcqueue work"
    else:
        after = "If that session vanishes, the job is claimed again by the next one."
        hint = f"qcqueue status, or qcqueue log {name}"
    begun = f"{who}, begun {ago(live.started_at_s, now_s)}."
    if detail.line.epochs_done or any(row.status == "kept" for row in detail.checkpoints):
        return Answer(why=f"{begun} {after} {_progress_and_more(detail, seen.stats)}", hint=hint)
    unsaved = "Nothing of it is saved yet: an interruption now starts it from the beginning."
    return Answer(why=f"{begun} {after} {unsaved}", hint=hint)


def _held(detail: JobDetail) -> Answer:
    name, last = detail.line.name, _last(detail, State.HELD)
    if last.attempt is None:
        return Answer(why=_by_a_person(detail), hint=f"qcqueue release {name}")
    what, _, choices = last.why.partition(CHOOSE)
    sentences = [
        f"{name} is held by session {last.who}: {_clause(what)}.",
        *([f"Choose: {_clause(choices)}."] if choices else []),
        _progress(detail),
    ]
    return Answer(why=" ".join(sentences), hint=f"qcqueue release {name}, or qcqueue cancel {name}")


def _by_a_person(detail: JobDetail) -> str:
    state = detail.line.state
    last = _last(detail, state)
    return f"{detail.line.name} is {state}: {state} by {last.who}, {last.why}. {_progress(detail)}"


def _last(detail: JobDetail, state: State) -> HistoryLine:
    """Return how it came into its state: it may have been moved since."""
    return next(line for line in reversed(detail.history) if line.what == state)


def _failed(detail: JobDetail) -> Answer:
    cause = detail.line.failure_cause
    assert cause is not None, "the schema says that a failed job has a cause"
    said = _clause(detail.line.failure_message or "")
    return Answer(
        why=f"{detail.line.name} failed, {cause.replace('_', ' ')}: {said}. {_progress(detail)}",
        hint=remedy_for(cause, weights=detail.spec.weights).replace("JOB", detail.line.name),
    )


def _done(detail: JobDetail) -> str:
    result = detail.result
    assert result is not None, "a job is done exactly when it has a result"
    early = " by early stopping" if detail.line.epochs_done < detail.line.epochs else ""
    sentences = [
        f"{detail.line.name} is done after {count(detail.line.epochs_done, 'epoch')}{early}, "
        f"in {count(detail.line.attempts, 'attempt')} with {count(detail.line.interruptions, 'interruption')}.",
        f"Best epoch {result.best.epoch}: validation accuracy {percent(result.best.validation.accuracy)}, "
        f"test accuracy {percent(result.best.test.accuracy)}.",
    ]
    if doubts := [*_doubts(detail)]:
        sentences.append(f"The same job may end with other bits: {listed(doubts)}.")
    return " ".join(sentences)


def _doubts(detail: JobDetail) -> Iterator[str]:
    """Yield why a run is not to be had again bit for bit on any one machine."""
    if detail.spec.determinism == "relaxed":
        yield 'its spec says determinism = "relaxed"'
    lineages = {row.lineage: row.identity.processor for row in detail.official_epochs()}
    if len(lineages) > 1:
        processors = listed(list(dict.fromkeys(lineages.values())), last="then")
        yield f"it has {len(lineages)} lineages, on {processors}"
    for attempt in detail.attempts:
        if attempt.rehearsal and not attempt.rehearsal.is_exact:
            yield f"its {attempt.rehearsal.sentence.removesuffix('.')}"


def _how_it_ended(attempt: AttemptLine) -> str:
    if attempt.trouble:
        ended, reason = f"ended because of {attempt.trouble.on(attempt.host)}", _clause(attempt.reason or "")
        counts = "which is no failure of the job"
        if attempt.trouble is Trouble.UNEXPLAINED:
            counts = "and the job may fail if such an error comes again in another session"
        return f"Attempt {attempt.number} {ended}, {counts}: {reason}."
    if attempt.outcome is Outcome.INTERRUPTED:
        return f"Attempt {attempt.number} was interrupted ({_clause(attempt.reason or '')}), which costs no retry."
    return f"Attempt {attempt.number} ended: {_clause(attempt.reason or '')}."


def _progress(detail: JobDetail) -> str:
    line = detail.line
    if line.epochs_done == 0:
        return f"None of its {count(line.epochs, 'epoch')} is trained yet."
    return f"{line.epochs_done} of {count(line.epochs, 'epoch')} are saved."


def _progress_and_more(detail: JobDetail, stats: QueueStats) -> str:
    """Return how far it is and what is worth knowing of that, in one sentence: doubts, or else how often it saves."""
    progress = _progress(detail).removesuffix(".")
    if doubts := [*_doubts(detail)]:
        return f"{progress}; the same job may end with other bits: {listed(doubts)}."
    measured = _measured(detail, stats)
    if measured is None:
        return f"{progress}."
    saves = explain_cadence(choose_cadence(measured), measured)
    return f"{progress}; {saves[:1].lower()}{saves[1:]}"


def _measured(detail: JobDetail, stats: QueueStats) -> Measured | None:
    """Return what the newest attempt with an epoch measured; what it did not write down is taken from its epochs."""
    epochs = detail.official_epochs()
    if not epochs:
        return None
    newest = max(epoch.attempt for epoch in epochs)
    timings = [epoch.timing for epoch in epochs if epoch.attempt == newest]
    # The first save of a trainer also gets the memory that all others use again; an epoch that was not saved took none.
    stalls = [timing.checkpoint_s for timing in timings[1:] if timing.checkpoint_s]
    pace = next(attempt.pace for attempt in detail.attempts if attempt.number == newest)
    ended = (Lifetime(held_s=it.held_s, was_taken=it.ended_at_s is None) for it in stats.sessions if it.is_over)
    return Measured(
        epoch_s=pace.get("epoch_s") or median(it.train_s - (it.first_step_s or 0.0) + it.val_s for it in timings),
        stall_s=pace.get("stall_s", median(stalls) if stalls else None),
        lag_s=pace.get("lag_s"),
        mean_session_s=mean_life_s(ended),
        steps=int(pace.get("steps", timings[-1].step_count)),
    )


def _clause(text: str) -> str:
    """Return a text as part of a sentence that its own full stops do not end."""
    text = re.sub(r"\.(?=\s+[A-Z0-9])", ";", " ".join(text.split()).rstrip("."))
    return f"it{text[2:]}" if text.startswith("It ") else text
