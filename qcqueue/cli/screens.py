"""What a person sees: pure functions from values to text."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcqueue.cli.table import bar, colour, columns
from qcqueue.core.goodput import largest_first, queue_said
from qcqueue.core.lineage import computation
from qcqueue.core.owners import are_several, named
from qcqueue.core.states import State
from qcqueue.text.humanize import (
    SOON_S,
    ago,
    by,
    by_likely,
    count,
    duration,
    listed,
    moment,
    percent,
    size,
    whole_percent,
)
from qcqueue.text.suggest import printable

if TYPE_CHECKING:
    from qcqueue.app.queue_summary import QueueSummary
    from qcqueue.core.evaluation import Appraisal
    from qcqueue.core.goodput import Goodput
    from qcqueue.core.spec import JobSpec
    from qcqueue.drill.certificate import Certificate
    from qcqueue.drill.kills import Kill
    from qcqueue.queue.forecasts import ForecastLine
    from qcqueue.queue.job_lines import JobLine
    from qcqueue.queue.last_words import LastWords
    from qcqueue.queue.values import DatasetLine, JobDetail

COLOURS = {
    State.RUNNING: "cyan",
    State.DONE: "green",
    State.FAILED: "red",
    State.HELD: "yellow",
    State.CANCELLED: "dim",
}


def first_steps() -> str:
    """What to type on a machine that knows no queue yet."""
    begin = [
        ("qcqueue demo", "see it work: six small models, sessions killed on purpose"),
        ("qcqueue init", "make a queue in this folder"),
    ]
    train, following = ("qcqueue work", "train, and carry on after every interruption"), "qcqueue init"
    if sys.platform == "win32":
        from qcqueue.stores.drive.token import RENEW_HERE

        begin = [
            (RENEW_HERE, "sign in to Google Drive"),
            ("qcqueue init --store gdrive:new", "make a queue there"),
        ]
        train, following = ("qcqueue notebook", "the notebook that trains in Colab"), RENEW_HERE
    steps = [
        *begin,
        ("qcqueue data sample", "images to practise on, nothing to download"),
        ("qcqueue new six-models --out six.toml", "the study of six models, to read and to change"),
        ("qcqueue enqueue six.toml", "put it into the queue"),
        train,
    ]
    lines = (f"  {typed:<37}   {does}" for typed, does in steps)
    return "\n".join(["There is no queue here yet.", "", *lines, "", f"next: {following}"])


def status_screen(
    lines: "Sequence[JobLine]",
    *,
    goodput: "Goodput | None" = None,
    foreseen: "Sequence[ForecastLine]" = (),
    first: str = "",
    now_s: float,
) -> str:
    """Return the table of all jobs, and in a line each: all of it, where the time went, when it was foreseen to end.

    first: what to type where there is no job yet.
    """
    if not lines:
        return f"The queue is empty.\nnext: {first}"
    tells_owners = are_several(line.owner for line in lines)
    rows = [("JOB", "STATE", "PROGRESS", "EPOCHS", "ATTEMPTS", "INTERRUPTED", "CHANGED", *(["OWNER"] * tells_owners))]
    rows += [
        (
            line.name,
            line.state,
            bar(line.epochs if line.state is State.DONE else line.epochs_done, line.epochs),
            f"{line.epochs_done}/{line.epochs}",
            str(line.attempts),
            str(line.interruptions),
            moment(line.updated_at_s, now_s),
            *([named(line.owner)] * tells_owners),
        )
        for line in lines
    ]
    head, *body = columns(rows, right=frozenset({3, 4, 5}))
    painted = [
        colour(text, COLOURS[line.state]) if line.state in COLOURS else text
        for text, line in zip(body, lines, strict=True)
    ]
    bound = [f"{line.name} goes on only on {line.only_on}." for line in lines if line.only_on]
    bound += [_left(line) for line in lines if line.left_by]
    bound += _stuck(lines, now_s)
    spent = [queue_said(goodput)] if goodput and goodput.held_s else []
    ends = _ends(foreseen, now_s)
    return "\n".join([colour(head, "bold"), *painted, "", _summary(lines), *spent, *ends, *bound])


def today(
    lines: "Sequence[JobLine]", *, ahead: "QueueSummary | None" = None, first: str = "", url: str, now_s: float
) -> str:
    """Return the one screen of the day: how far, what is running or next, until when, what to type.

    first: what to type where there is no job yet.
    """
    if not lines:
        return f"The queue in {url} is empty.\nnext: {first}"
    adrift = ahead.adrift if ahead else frozenset()
    running = [line for line in lines if line.state is State.RUNNING and line.name not in adrift]
    failed = [line for line in lines if line.state is State.FAILED]
    said = [_summary(lines)]
    said += [f"{line.name} is running: {_saved(line)}." for line in running]
    said += [
        f"{line.name} was left by a session that vanished: {_saved(line)}." for line in lines if line.name in adrift
    ]
    if ahead and ahead.next:
        line = next(line for line in lines if line.name == ahead.next.job.name)
        said.append(f"Next is {line.name}, {_saved(line)}: {ahead.next.why}.")
    said += [f"{line.name} goes on only on {line.only_on}." for line in lines if line.only_on]
    said += [f"{line.name} failed: {printable(line.failure_message or '')}" for line in failed]
    said += _stuck(lines, now_s)
    said += _ahead(ahead, now_s) if ahead else []
    waiting = [line for line in lines if line.state is State.QUEUED]
    none_can = bool(waiting) and all(line.obstacle for line in waiting)
    held = [] if ahead else [line for line in lines if line.state is State.HELD]
    following = _next_command(running, failed or (waiting if none_can else []), ahead)
    return "\n".join([*said, f"next: {released(held) if held and not (failed or running) else following}"])


def released(held: "Sequence[JobLine]") -> str:
    """Return the command that lets jobs go on which a person has held: all of the first one's study."""
    return f"qcqueue release {held[0].name if len(held) == 1 else f'{held[0].study}/'}"


def _next_command(running: "Sequence[JobLine]", asking: "Sequence[JobLine]", ahead: "QueueSummary | None") -> str:
    """Return what to type; asking: jobs that want a person first."""
    if asking and (asking[0].state is State.FAILED or not running):
        return f"qcqueue why {asking[0].name}"
    if running:
        return "qcqueue status --watch"
    if ahead is None:
        return "qcqueue report"
    return "qcqueue plan --ics come-back.ics" if ahead.next_gpu else "qcqueue work"


def _stuck(lines: "Sequence[JobLine]", now_s: float) -> list[str]:
    from qcqueue.queue.obstacles import stuck

    return [f"{said}." for said in stuck({line.name: line.obstacle for line in lines}, now_s)]


def _left(line: "JobLine") -> str:
    return f"{line.name} was left by session {line.left_by}, whose process is gone; qcqueue work goes on with it."


def _saved(line: "JobLine") -> str:
    return f"{line.epochs_done} of {count(line.epochs, 'epoch')} saved"


def _ahead(ahead: "QueueSummary", now_s: float) -> list[str]:
    """Return when all is likely done, and when a GPU can be had where it comes and goes."""
    said = []
    finish = ahead.finish
    if any(line.likely_s > now_s for line in ahead.foreseen):  # then `status` says these, and no other moment
        said += _ends(ahead.foreseen, now_s)
    elif finish and finish.p50_s >= SOON_S:
        likely, latest = by(now_s + finish.p50_s, now_s), by(now_s + finish.p90_s, now_s)
        and_surely = "" if latest == likely else f", and with 90 % by {latest}"
        said.append(f"All is likely done by {likely}{and_surely} ({ahead.label}).")
    if window := ahead.next_gpu:
        which = f"The next GPU after session {ahead.held_by}" if ahead.held_by else "A GPU"
        said.append(f"{which} is likely to be had {by(window.p50_s, now_s)} ({window.basis}).")
    elif ahead.lends_gpus and not ahead.held_by:
        said.append("A GPU can be had now, as far as is known (your history).")
    return said


def _ends(foreseen: "Sequence[ForecastLine]", now_s: float) -> list[str]:
    """Return when studies were foreseen to be done, of those that are not about to be."""
    return [_foreseen(line, now_s) for line in foreseen if not 0 < line.likely_s - now_s < SOON_S]


def _foreseen(line: "ForecastLine", now_s: float) -> str:
    who = f"session {line.session_id} foresaw {ago(line.made_at_s, now_s)}"
    likely = by_likely(line.likely_s, line.low_s, line.high_s, now_s)
    if line.likely_s < now_s:
        return f"{line.study} was to be done by {likely}, as {who}: ask qcqueue plan."
    return f"{line.study} is likely done by {likely} (as {who})."


def _summary(lines: "Sequence[JobLine]") -> str:
    states = Counter(line.state for line in lines)
    done, total = sum(line.epochs_done for line in lines), sum(line.epochs for line in lines)
    parts = [f"{states[state]} {state}" for state in State if states[state]]
    return f"{count(len(lines), 'job')}: {listed(parts)}. {done} of {count(total, 'epoch')} saved."


def _trained_by(spec: "JobSpec") -> str:
    """Return what trains a model; of a person's own, that its code says it."""
    if spec.is_own:
        return "its optimizer, loss and layers as its function has compiled them"
    return f"{spec.optimizer} {spec.learning_rate:g}, weights {spec.weights}, trains {spec.trainable}"


def _shown(value: object) -> str:
    return listed([str(it) for it in value]) if isinstance(value, tuple) else str(value)


def detail_screen(
    detail: "JobDetail", *, goodput: "Goodput | None" = None, kept_bytes: int | None = None, now_s: float
) -> str:
    """Return everything about one job, most important first. kept_bytes: of all that its kept states are made of."""
    line, spec = detail.line, detail.spec
    said = [
        f"{colour(line.name, 'bold')}  {line.state}, {line.epochs_done} of {line.epochs} epochs saved, "
        f"{count(line.attempts, 'attempt')}, {count(line.interruptions, 'interruption')}",
        f"{spec.model} on {spec.dataset}, batch {spec.batch_size}, {_trained_by(spec)}, "
        f"determinism {spec.determinism}, seed {spec.seed}"
        + "".join(f", {name.replace('_', ' ')} {_shown(it)}" for name, it in spec.unusual.items()),
        computation(spec, [epoch.identity for epoch in detail.official_epochs()]),
    ]
    if line.owner is not None:
        said.append(f"of {named(line.owner)}")
    if line.failure_message:
        said.append(f"failed: {printable(line.failure_message)}")
    if line.left_by:
        said.append(_left(line))
    if detail.result:
        said += ["", *_result_lines("best", detail.result.best), *_result_lines("last", detail.result.last)]
    said += ["", *_epoch_table(detail), "", *_attempt_table(detail, now_s)]
    said += [f"#{row.number}: {row.rehearsal.sentence}" for row in detail.attempts if row.rehearsal]
    said += [printable(f"#{row.number}: {row.step_choice.sentence}") for row in detail.attempts if row.step_choice]
    if goodput and goodput.held_s:
        said += ["", *_time_table(goodput)]
    return "\n".join([*said, "", *_space(detail, kept_bytes)])


def story(detail: "JobDetail", *, now_s: float, words: "Sequence[LastWords]" = ()) -> str:
    """Return a job's history, one line an event, and below it all that is kept of what its trainers said."""
    rows = [
        (moment(line.at_s, now_s), line.what, f"#{line.attempt}" if line.attempt else "", line.who, line.why)
        for line in detail.history
    ]
    return "\n".join([*columns(rows), *(line for said in words for line in ("", *_all_words(said)))])


def _all_words(said: "LastWords") -> list[str]:
    return [colour(f"what the trainer of attempt {said.attempt} said last", "bold"), *_indented(said.lines)]


def words_in_brief(said: "LastWords") -> str:
    """Return the end of what a trainer said."""
    return "\n".join([f"its trainer said last, in attempt {said.attempt}:", *_indented(said.end)])


def _indented(lines: "Sequence[str]") -> list[str]:
    # They come from a queue, and whoever wrote them there need not have cleaned them.
    return [f"  {printable(line)}" for line in lines]


def dataset_table(lines: "Sequence[DatasetLine]") -> str:
    """Return the table of all datasets."""
    if not lines:
        return "There are no datasets yet.\nnext: qcqueue data sample, or qcqueue data add PATH --name qc-images"
    rows = [("DATASET", "IMAGES", "SIZE", "CLASSES", "SPLIT", "STORED")]
    rows += [
        (
            line.name,
            str(line.summary.images),
            "x".join(map(str, line.summary.image_size)),
            ", ".join(line.summary.classes),
            f"{line.summary.train}/{line.summary.validation}/{line.summary.test}",
            size(line.blob.size_bytes),
        )
        for line in lines
    ]
    return "\n".join(columns(rows, right=frozenset({1})))


def certificate_screen(certificate: "Certificate") -> str:
    """Return what a drill has shown."""
    from qcqueue.drill.certificate import ran_on, versions_of

    verdict = colour("EQUAL", "green") if certificate.is_equal else colour("DIFFERENT", "red")
    said = [
        f"{colour(certificate.job, 'bold')}  {verdict}  {count(len(certificate.kills), 'SIGKILL')} "
        f"(seed {certificate.seed}), {count(certificate.interruptions, 'interruption')} recorded, "
        f"{certificate.kills_in_attempts} of the kills fell inside an attempt",
        f"  kills: {listed([f'{times} {moment}' for moment, times in certificate.kills_by_moment.items()]) or 'none'}",
        f"  {count(certificate.attempts, 'attempt')}, {certificate.step_resumes} gone on from within an epoch"
        f"{_cost(certificate)}",
        f"  {ran_on(certificate.identity)}",
        f"  {versions_of(certificate)}",
    ]
    for name, undisturbed in certificate.undisturbed.items():
        cut = certificate.cut[name]
        same = undisturbed == cut
        said.append(f"  {name:<24}{undisturbed[:32]}…  {'the same' if same else f'but interrupted: {cut[:32]}…'}")
    return "\n".join(said)


def kill_list(kills: "Sequence[tuple[str, Kill]]") -> str:
    """Return every kill, one line each."""
    rows = [("KILLED", "MOMENT", "AFTER")]
    rows += [(name, kill.moment, duration(kill.after_s)) for name, kill in kills]
    return "\n".join(columns(rows))


def _cost(certificate: "Certificate") -> str:
    if certificate.lost_s is None or certificate.redone_s is None:
        return ""
    return f", {duration(certificate.lost_s)} of work lost, {duration(certificate.redone_s)} done again"


def _result_lines(which: str, appraisal: "Appraisal") -> list[str]:
    return [
        f"{which} epoch {appraisal.epoch}: validation accuracy {percent(appraisal.validation.accuracy)}, "
        f"test accuracy {percent(appraisal.test.accuracy)}",
        f"  weights {appraisal.weights_sha256[:16]}…  predictions {appraisal.predictions_sha256[:16]}…",
    ]


def _epoch_table(detail: "JobDetail") -> list[str]:
    epochs = detail.official_epochs()
    if not epochs:
        return ["no epoch is trained yet"]
    rows = [("EPOCH", "LOSS", "ACCURACY", "VAL LOSS", "VAL ACC", "TRAIN", "VALIDATE", "SAVE", "STEP", "ATTEMPT")]
    rows += [
        (
            str(row.metrics.epoch),
            f"{row.metrics.loss:.4f}",
            percent(row.metrics.accuracy),
            f"{row.metrics.val_loss:.4f}",
            percent(row.metrics.val_accuracy),
            duration(row.timing.train_s),
            duration(row.timing.val_s),
            duration(row.timing.checkpoint_s),
            "" if row.timing.step_s_p50 is None else duration(row.timing.step_s_p50),
            f"#{row.attempt}",
        )
        for row in epochs
    ]
    return columns(rows, right=frozenset(range(9)))


def _attempt_table(detail: "JobDetail", now_s: float) -> list[str]:
    if not detail.attempts:
        return ["no session has worked on it yet"]
    rows = [("ATTEMPT", "SESSION", "BEGUN", "LASTED", "EPOCHS", "OUTCOME")]
    rows += [
        (
            f"#{row.number}",
            f"{row.session_id} on {row.host}",
            moment(row.started_at_s, now_s),
            duration((row.ended_at_s or now_s) - row.started_at_s),
            str(len(row.epochs)),
            f"{row.outcome}: {row.reason}"
            if row.outcome
            else "its process is gone"
            if row.session_id == detail.line.left_by
            else "at work",
        )
        for row in detail.attempts
    ]
    return columns(rows)


def _time_table(goodput: "Goodput") -> list[str]:
    rows = [("where the time went", "", ""), ("held", duration(goodput.held_s), "")]
    rows.append(("goodput", duration(goodput.productive_s), whole_percent(goodput.goodput or 0.0)))
    rows += [
        (f"  {part.said}", duration(spent_s), whole_percent(spent_s / goodput.held_s))
        for part, spent_s in largest_first(goodput)
    ]
    return columns(rows, right=frozenset({1, 2}))


def _space(detail: "JobDetail", kept_bytes: int | None) -> list[str]:
    kept = {row.state_sha256 for row in detail.checkpoints if row.status == "kept"}
    return [f"{count(len(kept), 'state')} kept" + ("" if kept_bytes is None else f", {size(kept_bytes)}")]
