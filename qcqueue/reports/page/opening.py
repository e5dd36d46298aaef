"""The first screen: which model is chosen, what a referee would ask, how far the study is, and what is missing."""

from collections.abc import Iterator, Sequence
from datetime import UTC

from qcqueue.core.outcomes import remedy_for
from qcqueue.core.states import State
from qcqueue.errors import ExtraMissing
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.quantities.choice import ModelChoice
from qcqueue.reports.quantities.comparison import LEVEL
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.quantities.warnings import ModelWarning
from qcqueue.text.humanize import count, date, listed, percent


def heading_of(findings: Findings) -> str:
    """Return what the report is called, after the studies of which not all is given up."""
    studies = list(dict.fromkeys(model.spec.study for model in _wanted(findings.models) or findings.models))
    return findings.study.title or (f"Report on {listed(studies)}" if studies else "Report on an empty queue")


def header(findings: Findings) -> Markup:
    """Return the heading, the verdict, what a referee would ask, and the state of things."""
    study, models = findings.study, findings.models
    used = {model.dataset_sha256 for model in models}
    when = f"As of {date(study.as_of_s, UTC)} UTC, when the newest of it was recorded; all times are UTC."
    return tag(
        "header",
        tag("h1", heading_of(findings), id="top"),
        [tag("p", sentence, class_="verdict-line") for sentence in verdicts(findings)] if models else None,
        _warnings(findings.warnings),
        _lacks(findings),
        _tiles(findings),
        [_about(line) for line in study.datasets if line.blob.sha256 in used],
        tag("p", when, class_="quiet lead") if study.as_of_s else None,
    )


def verdicts(findings: Findings) -> list[str]:
    """Return which model is chosen and what the test images say of it, for each dataset."""
    if not findings.choices:
        return ["No model is finished yet, so none is chosen."]
    names = {line.blob.sha256: line.name for line in findings.study.datasets}
    several = len(findings.choices) > 1
    return [
        (f"{names.get(choice.dataset_sha256, 'other images')}: " if several else "")
        + " ".join([_chosen(choice, findings), *_tested(choice, findings)])
        for choice in findings.choices
    ]


def _chosen(choice: ModelChoice, findings: Findings) -> str:
    metric, value = choice.by.label, choice.by.said(choice.validation)
    if choice.among == 1:
        return f"{choice.label} is the only finished model{_of_all(choice, findings)}: validation {metric} {value}."
    level = (
        f" {listed(choice.level)} {'has' if len(choice.level) == 1 else 'have'} the same; the lower validation loss "
        "decides."
        if choice.level
        else ""
    )
    return (
        f"{choice.label} has the highest validation {metric} of {choice.among} finished models"
        f"{_of_all(choice, findings)}, {value} at its best epoch {choice.epoch}, and is chosen by it.{level}"
    )


def _of_all(choice: ModelChoice, findings: Findings) -> str:
    """Say of how many jobs that is, where it is not of all."""
    wanted = sum(model.dataset_sha256 == choice.dataset_sha256 for model in _wanted(findings.models))
    return f" of {wanted} jobs" if wanted > choice.among else ""


def _tested(choice: ModelChoice, findings: Findings) -> Iterator[str]:
    if choice.test_accuracy is None or choice.test is None:
        yield "There is no test image to report its result on."
        return
    found = choice.accuracy
    images = f"the {count(found.images, 'test image')}" if found else "the test images"
    interval = f" ({LEVEL} interval {100 * found.interval.low:.1f} to {percent(found.interval.high)})" if found else ""
    f1 = next(model.result.best.test.macro_f1 for model in findings.models if model.name == choice.job and model.result)
    yield f"On {images} its accuracy is {percent(choice.test_accuracy)}{interval} and its macro-F1 {f1:.3f}."
    if found is None:
        why = "its single predictions could not be read" if findings.lacks is None else "scipy is not installed"
        yield f"There is no interval, because {why}."
    elif choice.among > 1:
        yield _against(choice)


def _against(choice: ModelChoice) -> str:
    """Say which of the others the chosen one is better than, which are better, and of which that may be luck."""
    if not (choice.ahead or choice.undecided or choice.behind):
        return "Whether it is better than the others by more than luck was not tested."
    parts = [
        f"it is better than {listed(choice.ahead)} by more than luck" if choice.ahead else "",
        f"its difference from {listed(choice.undecided)} may be luck" if choice.undecided else "",
        f"{listed(choice.behind)} {'is' if len(choice.behind) == 1 else 'are'} better by more than luck"
        if choice.behind
        else "",
    ]
    return f"There {'; '.join(part for part in parts if part)} (McNemar's exact test, Holm's correction)."


def _warnings(warnings: Sequence[ModelWarning]) -> Content:
    if not warnings:
        return None
    items = [tag("li", tag("strong", f"{it.kind}. "), it.text) for it in warnings]
    return tag("section", tag("h2", "Warnings"), tag("ul", items), id="warnings", class_="warnings")


def _lacks(findings: Findings) -> Content:
    if findings.lacks is None:
        return None
    said = f"Intervals, tests and further measures are missing: {findings.lacks}."
    return tag("p", said, " next: ", tag("code", findings.lacks.hint), class_="warning")


def without_figures(lacks: ExtraMissing | None) -> Content:
    """Return why the page has no figures and what to type, nothing where it has them."""
    if lacks is None:
        return None
    return tag("p", f"The figures are missing: {lacks}. next: ", tag("code", lacks.hint), class_="warning")


def _about(line: DatasetLine) -> Markup:
    summary = line.summary
    height, width = summary.image_size
    said = (
        f"Dataset {line.name}: {count(summary.images, 'image')} of {height}×{width} px in "
        f"{count(len(summary.classes), 'class', 'classes')} ({listed(summary.classes)}), {summary.train:,} to train, "
        f"{summary.validation:,} for validation, {summary.test:,} for testing."
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
    ]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="tiles")


def _wanted(models: Sequence[ModelFigures]) -> list[ModelFigures]:
    """Return the models that nobody has given up; what is counted is counted of these."""
    return [model for model in models if model.state is not State.CANCELLED]


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
