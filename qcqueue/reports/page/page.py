"""The whole page: what is missing first, then the comparison, then each model, then how the numbers were made.

Pure and complete in itself: no script, no font, no picture from anywhere, and a content policy that would refuse
them. The present is `as_of_s`, every date is UTC, so the same values give the same bytes on every machine.
"""

from collections.abc import Sequence
from datetime import UTC

from qcqueue.core.outcomes import REMEDIES
from qcqueue.core.states import State
from qcqueue.core.words import count, date, duration, listed
from qcqueue.queue.accounts import Accounts
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.reports.charts.goodput import goodput_figure
from qcqueue.reports.charts.lines import Chart, Line, draw
from qcqueue.reports.charts.scales import counted, measured, shares
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.evidence import method_section, proof_section
from qcqueue.reports.page.goodput import goodput_table
from qcqueue.reports.page.models import model_article
from qcqueue.reports.page.style import style
from qcqueue.reports.page.tables import class_table, cost_table, marks, quality_table, time_table
from qcqueue.reports.palette import dash, paint
from qcqueue.reports.quantities.figures import ModelFigures, figures_of
from qcqueue.reports.quantities.honesty import Note, Quantity, notes_on
from qcqueue.reports.study import Study

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_page(study: Study) -> str:
    """Return the report on some jobs, in their order, as one HTML document."""
    models = figures_of(study.details)
    notes = notes_on(models, study.datasets)
    heading = study.title or _heading(models)
    body = [
        _header(heading, models, study.datasets, as_of_s=study.as_of_s),
        _missing(study.details),
        _results(models, notes) if models else None,
        _overview(models, notes),
        _classes(models, notes),
        _held_time(models, study.accounts) if study.accounts else None,
        _models(models, notes, as_of_s=study.as_of_s),
        proof_section(study.proofs),
        method_section(models, study.datasets) if models else None,
    ]
    return f"<!doctype html>\n{tag('html', _head(heading), tag('body', tag('main', body)), lang='en')}\n"


def _head(heading: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content="qcqueue"),
        tag("title", heading),
        style(),
    )


def _heading(models: Sequence[ModelFigures]) -> str:
    studies = list(dict.fromkeys(model.spec.study for model in models))
    return f"Report on {listed(studies)}" if studies else "Report on an empty queue"


def _header(heading: str, models: Sequence[ModelFigures], datasets: Sequence[DatasetLine], *, as_of_s: float) -> Markup:
    used = {model.dataset_sha256 for model in models}
    about = [_about(line) for line in datasets if line.blob.sha256 in used]
    when = f"As of {date(as_of_s, UTC)} UTC; all times are UTC."
    return tag("header", tag("h1", heading), tag("p", when, class_="quiet lead"), about, _tiles(models))


def _about(line: DatasetLine) -> Markup:
    summary = line.summary
    height, width = summary.image_size
    said = (
        f"Dataset {line.name}: {count(summary.images, 'image')} of {height}×{width} px in "
        f"{count(len(summary.classes), 'class', 'classes')} ({listed(summary.classes)}), {summary.train:,} to train, "
        f"{summary.validation:,} to validate, {summary.test:,} to test."
    )
    return tag("p", said, [" Note: ", tag("strong", f"{summary.note}.")] if summary.note else None)


def _tiles(models: Sequence[ModelFigures]) -> Content:
    if not models:
        return None
    planned = sum(model.epochs_shown for model in models)
    facts = [
        ("Jobs done", f"{sum(model.is_done for model in models)} of {len(models)}"),
        ("Epochs saved", f"{sum(model.epochs_done for model in models):,} of {planned:,}"),
        ("Interruptions", f"{sum(model.interruption_count for model in models):,}"),
        ("Epochs trained again", f"{sum(len(model.redone_epochs) for model in models):,}"),
        ("Time in training", duration(sum(model.times.total_s for model in models))),
    ]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="tiles")


def _missing(details: Sequence[JobDetail]) -> Content:
    if not details:
        return [
            tag("p", "There is no job in this queue, so there is nothing to report yet."),
            tag("p", "next: ", tag("code", "qcqueue enqueue jobs/six-models.toml")),
        ]
    unfinished = [detail for detail in details if detail.line.state is not State.DONE]
    if not unfinished:
        return None
    items = [tag("li", _standing(detail), "; next: ", tag("code", _next_step(detail))) for detail in unfinished]
    head = f"{count(len(unfinished), 'job')} of {len(details)} not finished"
    return tag(
        "section",
        tag("h2", "What is missing"),
        tag("p", f"{head}; all figures are of what is there."),
        tag("ul", items),
    )


def _standing(detail: JobDetail) -> str:
    line = detail.line
    if line.state is State.FAILED and line.failure_cause:
        return f"{line.name} failed: {line.failure_message}. Remedy: {REMEDIES[line.failure_cause]}"
    return f"{line.name} is {line.state}, {line.epochs_done} of {count(line.epochs, 'epoch')} saved"


def _next_step(detail: JobDetail) -> str:
    line = detail.line
    return {
        State.QUEUED: "qcqueue work",
        State.RUNNING: "qcqueue status --watch",
        State.HELD: f"qcqueue release {line.name}",
    }.get(line.state, f"qcqueue why {line.name}" if line.state is State.FAILED else f"qcqueue retry {line.name}")


def _results(models: Sequence[ModelFigures], notes: Sequence[Note]) -> Markup:
    items = [tag("li", note.text, id=f"note-{note.number}") for note in notes]
    return tag(
        "section",
        tag("h2", "Comparison"),
        quality_table(models, notes),
        cost_table(models, notes),
        time_table(models, notes),
        [tag("h3", "Notes to the numbers"), tag("ol", items, class_="notes")] if items else None,
    )


def _overview(models: Sequence[ModelFigures], notes: Sequence[Note]) -> Content:
    if not any(model.curve for model in models):
        return None
    accuracy, loss = _overview_chart(models, "accuracy"), _overview_chart(models, "loss")
    return tag(
        "section",
        tag("h2", "Learning curves", marks(notes, Quantity.ACCURACY, job=None)),
        tag("p", "Validation, all models. Training curves and seams are with each model below.", class_="quiet"),
        tag("div", tag("figure", accuracy), tag("figure", loss), class_="charts"),
    )


def _overview_chart(models: Sequence[ModelFigures], quantity: str) -> Markup:
    lines = tuple(
        Line(
            label=model.label,
            points=tuple((row.epoch, getattr(row, f"val_{quantity}")) for row in model.curve),
            paint=paint(index),
            dash=dash(index),
        )
        for index, model in enumerate(models)
        if model.curve
    )
    values = [value for line in lines for _, value in line.points]
    is_share = quantity == "accuracy"
    return draw(
        Chart(
            key=f"all-{quantity}",
            title=f"Validation {quantity} by epoch, all models",
            description=f"One line each for {listed([line.label for line in lines])}; the values stand in the tables.",
            y_name=f"validation {quantity} " + ("(%)" if is_share else "(cross-entropy)"),
            x=counted(max(model.epochs_shown for model in models)),
            y=shares(values) if is_share else measured(values),
            lines=lines,
        )
    )


def _classes(models: Sequence[ModelFigures], notes: Sequence[Note]) -> Content:
    results = {index: model.result for index, model in enumerate(models) if model.result}
    if not results:
        return None
    best = {index: result.best for index, result in results.items()}
    last = {index: result.last for index, result in results.items() if result.last.epoch != result.best.epoch}
    return tag(
        "section",
        tag("h2", "By class", marks(notes, Quantity.TEST_ACCURACY, job=None)),
        class_table("Precision, recall and F1 at the best epoch", best, models, notes),
        class_table("Precision, recall and F1 at the last epoch, where it is another", last, models, notes)
        if last
        else None,
    )


def _held_time(models: Sequence[ModelFigures], accounts: Accounts) -> Content:
    """Return what the time that machines were held went into, of the studies and of the jobs in this report."""
    studies = list(dict.fromkeys(model.spec.study for model in models))
    rows = [(f"{study}, all of it", accounts.studies[study]) for study in studies if study in accounts.studies]
    rows += [(model.name, accounts.jobs[model.name]) for model in models if model.name in accounts.jobs]
    known = [(name, goodput) for name, goodput in rows if goodput.held_s]
    if not known:
        return None
    return tag(
        "section",
        tag("h2", "Where the time went"),
        tag(
            "p",
            "Goodput is the share of the time machines were held that went into training and validation whose result "
            "was saved. A job is charged from its claim to its end; a study also for what its sessions spent outside, "
            "such as starting up.",
        ),
        tag(
            "p",
            "Of a session that was killed the time is known until its last sign of life only, so its goodput is an "
            "upper bound. What was never saved is lost in the session that trained it; what was trained again because "
            "a save was damaged is redone in the session that did it again. Sessions of a qcqueue that did not write "
            "down its time are not counted.",
        ),
        goodput_figure(known),
        goodput_table(known),
    )


def _models(models: Sequence[ModelFigures], notes: Sequence[Note], *, as_of_s: float) -> Content:
    if not models:
        return None
    articles = [model_article(model, index, notes, as_of_s=as_of_s) for index, model in enumerate(models)]
    return tag("section", tag("h2", "Model by model"), articles)
