"""The first screen: what came out, in a sentence; how far the study is; and what is missing, with the next step."""

from collections.abc import Sequence
from datetime import UTC

from qcqueue.core.outcomes import remedy_for
from qcqueue.core.states import State
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.quantities.comparison import CHANCE, LEVEL, Accuracy, Comparison
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.quantities.timeline import StudyTimeline
from qcqueue.text.humanize import UNKNOWN, count, date, duration, listed, percent


def heading_of(findings: Findings) -> str:
    """Return what the report is called, after the studies of which not all is given up."""
    studies = list(dict.fromkeys(model.spec.study for model in _wanted(findings.models) or findings.models))
    return findings.study.title or (f"Report on {listed(studies)}" if studies else "Report on an empty queue")


def header(findings: Findings) -> Markup:
    """Return the heading, the verdict and the state of things."""
    study, models = findings.study, findings.models
    used = {model.dataset_sha256 for model in models}
    when = f"As of {date(study.as_of_s, UTC)} UTC, when the newest of it was recorded; all times are UTC."
    return tag(
        "header",
        tag("h1", heading_of(findings)),
        [tag("p", sentence, class_="verdict-line") for sentence in verdicts(findings)] if models else None,
        tag("p", when, class_="quiet lead") if study.as_of_s else None,
        _tiles(findings),
        [_about(line) for line in study.datasets if line.blob.sha256 in used],
    )


def verdicts(findings: Findings) -> list[str]:
    """Return what came out, in a sentence or two for each dataset, with its error bar."""
    done = [model for model in findings.models if model.is_done]
    if not done:
        return ["No model is finished yet, so there is no verdict."]
    names = {line.blob.sha256: line.name for line in findings.study.datasets}
    by_images: dict[str, list[ModelFigures]] = {}
    for model in done:
        by_images.setdefault(model.dataset_sha256, []).append(model)
    if len(by_images) == 1:
        return [_verdict(findings, done)]
    return [
        f"{names.get(sha256, 'other images')}: {_verdict(findings, models)}" for sha256, models in by_images.items()
    ]


def _verdict(findings: Findings, done: Sequence[ModelFigures]) -> str:
    """Judge finished models that have answered the same images."""
    comparison = findings.comparisons["test", "best"]
    names = {model.name for model in done}
    read = [it for it in comparison.accuracies if it.job in names]
    if not read:
        return (
            f"{count(len(done), 'model')} finished. What they said of each image could not be read, so there is no "
            "error bar to compare them by."
        )
    most = max(it.value for it in read)
    best = [it for it in read if it.value == most]
    among = _among(findings, done, read)
    if len(read) == 1:
        return f"{best[0].label} judges {percent(most)} of the test images rightly ({_interval(best[0])}){among}."
    if len(best) > 1:
        names_ = listed([it.label for it in best])
        return (
            f"{names_} judge the most test images rightly{among}, equally many: {percent(most)} ({_interval(best[0])})."
        )
    said = f"{best[0].label} judges the most test images rightly{among}: {percent(most)} ({_interval(best[0])})."
    return f"{said} {_against(best[0], read, comparison)}"


def _among(findings: Findings, done: Sequence[ModelFigures], read: Sequence[Accuracy]) -> str:
    """Say of how many models that is, where it is not of all."""
    if len(read) < len(done):
        return f", of the {len(read)} finished models of {len(done)} whose answers could be read"
    asked = sum(model.dataset_sha256 == done[0].dataset_sha256 for model in _wanted(findings.models))
    return f" of the {len(done)} finished models" if 1 < len(done) < asked else ""


def _interval(best: Accuracy) -> str:
    low, high = best.interval.low, best.interval.high
    if not best.interval.is_bound:
        return f"{LEVEL} interval {100 * low:.1f} to {percent(high)}"
    bound = f"at least {percent(low)}" if best.right else f"at most {percent(high)}"
    return f"{bound} with {LEVEL} confidence"


def _against(best: Accuracy, read: Sequence[Accuracy], comparison: Comparison) -> str:
    """Say which of the others the best is better than, and of which that may be luck."""
    found = [
        (other, comparison.pair(best.job, other.job) or comparison.pair(other.job, best.job))
        for other in read
        if other.job != best.job
    ]
    if not all(pair for _, pair in found):
        return "There are too many models to say of which of the others it is surely better."
    beaten = [other.label for other, pair in found if pair and pair.p_adjusted < CHANCE]
    level = [other.label for other, pair in found if pair and pair.p_adjusted >= CHANCE]
    better = f"It is better than {listed(beaten)} by more than luck would have it" if beaten else ""
    same = f"its lead over {listed(level)} may be luck" if level else ""
    sentence = "; ".join(part for part in (better, same) if part)
    return f"{sentence[0].upper()}{sentence[1:]} (McNemar's test, Holm's correction)."


def _about(line: DatasetLine) -> Markup:
    summary = line.summary
    height, width = summary.image_size
    said = (
        f"Dataset {line.name}: {count(summary.images, 'image')} of {height}×{width} px in "
        f"{count(len(summary.classes), 'class', 'classes')} ({listed(summary.classes)}), {summary.train:,} to train, "
        f"{summary.validation:,} to validate, {summary.test:,} to test."
    )
    return tag("p", said, [" Note: ", tag("strong", f"{summary.note}.")] if summary.note else None)


def _tiles(findings: Findings) -> Content:
    models, wanted = findings.models, _wanted(findings.models)
    if not models:
        return None
    planned = sum(model.epochs_shown for model in wanted)
    facts = [
        ("Jobs done", f"{sum(model.is_done for model in wanted)} of {len(wanted)}"),
        ("Epochs saved", f"{sum(model.epochs_done for model in wanted):,} of {planned:,}"),
        ("Sessions", _sessions(findings.timeline)),
        ("Interruptions", f"{sum(model.interruption_count for model in models):,}"),
        ("Epochs trained again", f"{sum(len(model.redone_epochs) for model in models):,}"),
        ("Time in training", duration(sum(model.times.total_s for model in models))),
    ]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="tiles")


def _wanted(models: Sequence[ModelFigures]) -> list[ModelFigures]:
    """Return the models that nobody has given up; what is counted is counted of these."""
    return [model for model in models if model.state is not State.CANCELLED]


def _sessions(line: StudyTimeline) -> str:
    if not line.sessions:
        return UNKNOWN
    return f"{len(line.sessions):,}" + (f", {line.killed:,} killed" if line.killed else "")


def missing(findings: Findings) -> Content:
    """Return what is not there, why, and what to type next; nothing where everything is there."""
    details = findings.study.details
    if not details:
        return [
            tag("p", "There is no job in this queue, so there is nothing to report yet."),
            tag("p", "next: ", tag("code", "qcqueue new six-models --out six-models.toml")),
        ]
    wanted = [detail for detail in details if detail.line.state is not State.CANCELLED]
    unfinished = [detail for detail in wanted if detail.line.state is not State.DONE]
    cancelled = [detail for detail in details if detail.line.state is State.CANCELLED]
    if not unfinished and not cancelled and not findings.unread:
        return None
    heads = (
        (
            f"{count(len(unfinished), 'job')} of {len(wanted)} not finished; all figures are of what is there.",
            unfinished,
        ),
        (f"{count(len(cancelled), 'job')} cancelled, and in no count.", cancelled),
    )
    lists = [_jobs(head, jobs) for head, jobs in heads]
    return tag("section", tag("h2", "What is missing"), *lists, _unread(findings.unread))


def _jobs(head: str, details: Sequence[JobDetail]) -> Content:
    if not details:
        return None
    items = [tag("li", _standing(detail), "; next: ", tag("code", _next_step(detail))) for detail in details]
    return [tag("p", head), tag("ul", items)]


def _unread(sentences: Sequence[str]) -> Content:
    if not sentences:
        return None
    lead = "Some of what is stored could not be read, and what would be made of it is not in this report."
    return [tag("p", lead), tag("ul", [tag("li", sentence) for sentence in sentences])]


def _standing(detail: JobDetail) -> str:
    line = detail.line
    if line.state is State.FAILED and line.failure_cause:
        remedy = remedy_for(line.failure_cause, weights=detail.spec.weights)
        return f"{line.name} failed: {line.failure_message}. Remedy: {remedy}"
    return f"{line.name} is {line.state}, {line.epochs_done} of {count(line.epochs, 'epoch')} saved"


def _next_step(detail: JobDetail) -> str:
    line = detail.line
    return {
        State.QUEUED: "qcqueue work",
        State.RUNNING: "qcqueue status --watch",
        State.HELD: f"qcqueue release {line.name}",
    }.get(line.state, f"qcqueue why {line.name}" if line.state is State.FAILED else f"qcqueue retry {line.name}")
