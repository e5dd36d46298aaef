"""What a person sees: pure functions from values to text."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcqueue.cli.table import bar, colour, columns
from qcqueue.core.goodput_words import largest_first, percent, queue_said
from qcqueue.core.states import State
from qcqueue.core.words import count, duration, listed, moment, size

if TYPE_CHECKING:
    from qcqueue.app.certificate import Certificate
    from qcqueue.app.plug import Kill
    from qcqueue.core.evaluation import Appraisal
    from qcqueue.core.goodput import Goodput
    from qcqueue.queue.overview import JobLine
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
    return "\n".join(
        [
            "There is no queue here yet.",
            "",
            "  qcqueue demo                           see it work: six small models, plugs pulled on purpose",
            "  qcqueue init                           make a queue in this folder",
            "  qcqueue data sample                    images to practise on, nothing to download",
            "  qcqueue enqueue jobs/six-models.toml   the study of six models",
            "  qcqueue work                           train, and carry on after every interruption",
        ]
    )


def status_screen(lines: "Sequence[JobLine]", *, goodput: "Goodput | None" = None, now_s: float) -> str:
    """Return the table of all jobs, one line that sums it up, and one of where the time went as far as is known."""
    if not lines:
        return "The queue is empty.\nnext: qcqueue enqueue jobs/tiny.toml"
    rows = [("JOB", "STATE", "PROGRESS", "EPOCHS", "ATTEMPTS", "CUTS", "CHANGED")]
    rows += [
        (
            line.name,
            line.state,
            bar(line.epochs if line.state is State.DONE else line.epochs_done, line.epochs),
            f"{line.epochs_done}/{line.epochs}",
            str(line.attempts),
            str(line.interruptions),
            moment(line.updated_at_s, now_s),
        )
        for line in lines
    ]
    head, *body = columns(rows, right=frozenset({3, 4, 5}))
    painted = [
        colour(text, COLOURS[line.state]) if line.state in COLOURS else text
        for text, line in zip(body, lines, strict=True)
    ]
    bound = [f"{line.name} goes on only on {line.only_on}." for line in lines if line.only_on]
    spent = [queue_said(goodput)] if goodput and goodput.held_s else []
    return "\n".join([colour(head, "bold"), *painted, "", _summary(lines), *spent, *bound])


def today(lines: "Sequence[JobLine]", *, url: str, now_s: float) -> str:
    """Return the one screen of the day: how far, what is running or next, what to type."""
    if not lines:
        return f"The queue in {url} is empty.\nnext: qcqueue enqueue jobs/tiny.toml"
    running = [line for line in lines if line.state is State.RUNNING]
    waiting = [line for line in lines if line.state is State.QUEUED]
    failed = [line for line in lines if line.state is State.FAILED]
    said = [_summary(lines)]
    said += [f"{line.name} is running: {line.epochs_done} of {line.epochs} epochs saved." for line in running]
    if waiting:
        said.append(f"Next is {waiting[0].name}, {waiting[0].epochs_done} of {waiting[0].epochs} epochs saved.")
        said += [f"{line.name} goes on only on {line.only_on}." for line in waiting if line.only_on]
    said += [f"{line.name} failed: {line.failure_message}" for line in failed]
    return "\n".join([*said, f"next: {_next_command(running, waiting, failed)}"])


def _next_command(running: "Sequence[JobLine]", waiting: "Sequence[JobLine]", failed: "Sequence[JobLine]") -> str:
    if failed:
        return f"qcqueue why {failed[0].name}"
    if running:
        return "qcqueue status --watch"
    return "qcqueue work" if waiting else "qcqueue report"


def _summary(lines: "Sequence[JobLine]") -> str:
    states = Counter(line.state for line in lines)
    done, total = sum(line.epochs_done for line in lines), sum(line.epochs for line in lines)
    parts = [f"{states[state]} {state}" for state in State if states[state]]
    return f"{count(len(lines), 'job')}: {listed(parts)}. {done} of {count(total, 'epoch')} saved."


def detail_screen(
    detail: "JobDetail", *, goodput: "Goodput | None" = None, kept_bytes: int | None = None, now_s: float
) -> str:
    """Return everything about one job, most important first. kept_bytes: of all that its kept states are made of."""
    line, spec = detail.line, detail.spec
    said = [
        f"{colour(line.name, 'bold')}  {line.state}, {line.epochs_done} of {line.epochs} epochs saved, "
        f"{count(line.attempts, 'attempt')}, {count(line.interruptions, 'interruption')}",
        f"{spec.model} on {spec.dataset}, batch {spec.batch_size}, {spec.optimizer} {spec.learning_rate:g}, "
        f"weights {spec.weights}, trains {spec.trainable}, determinism {spec.determinism}, seed {spec.seed}",
    ]
    if line.failure_message:
        said.append(f"failed: {line.failure_message}")
    if detail.result:
        said += ["", *_result_lines("best", detail.result.best), *_result_lines("last", detail.result.last)]
    said += ["", *_epoch_table(detail), "", *_attempt_table(detail, now_s)]
    if goodput and goodput.held_s:
        said += ["", *_time_table(goodput)]
    return "\n".join([*said, "", *_space(detail, kept_bytes)])


def story(detail: "JobDetail", *, now_s: float) -> str:
    """Return a job's history, one line an event."""
    rows = [
        (moment(line.at_s, now_s), line.what, f"#{line.attempt}" if line.attempt else "", line.who, line.why)
        for line in detail.history
    ]
    return "\n".join(columns(rows))


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
    from qcqueue.app.certificate import ran_on, versions_of

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
        said.append(f"  {name:<24}{undisturbed[:32]}…  {'the same' if same else f'but cut: {cut[:32]}…'}")
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
        f"{which} epoch {appraisal.epoch}: validation accuracy {appraisal.validation.accuracy:.1%}, "
        f"test accuracy {appraisal.test.accuracy:.1%}",
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
            f"{row.metrics.accuracy:.1%}",
            f"{row.metrics.val_loss:.4f}",
            f"{row.metrics.val_accuracy:.1%}",
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
            f"{row.outcome}: {row.reason}" if row.outcome else "at work",
        )
        for row in detail.attempts
    ]
    return columns(rows)


def _time_table(goodput: "Goodput") -> list[str]:
    rows = [("where the time went", "", ""), ("held", duration(goodput.held_s), "")]
    rows.append(("goodput", duration(goodput.productive_s), percent(goodput.goodput or 0.0)))
    rows += [
        (f"  {part.label}", duration(spent_s), percent(spent_s / goodput.held_s))
        for part, spent_s in largest_first(goodput)
    ]
    return columns(rows, right=frozenset({1, 2}))


def _space(detail: "JobDetail", kept_bytes: int | None) -> list[str]:
    kept = {row.state_sha256 for row in detail.checkpoints if row.status == "kept"}
    return [f"{count(len(kept), 'state')} kept" + ("" if kept_bytes is None else f", {size(kept_bytes)}")]
