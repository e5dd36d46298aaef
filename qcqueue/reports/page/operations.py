"""How the study was run: jobs, sessions and kills, what held time went into, proofs, and digests of what was stored."""

from datetime import UTC

from qcqueue.core.goodput import Goodput
from qcqueue.core.outcomes import Outcome
from qcqueue.reports.figures.figure import Section
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.contents import PagePart
from qcqueue.reports.page.evidence import proofs, provenance
from qcqueue.reports.page.goodput import goodput_table
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import scrolling
from qcqueue.reports.quantities.caveats import ranges
from qcqueue.reports.quantities.models import AttemptFigures, ModelFigures
from qcqueue.reports.quantities.timeline import AttemptSpan, StudyTimeline
from qcqueue.reports.tables.goodput import held_time_of
from qcqueue.text.humanize import UNKNOWN, count, date, duration

# Claims, ends and interruptions stand in the table of attempts; where a job stood in the queue changes no number.
_TOLD_ELSEWHERE = frozenset({"enqueued", "moved", "claimed", "interrupted", "stopped", "finished", "failed"})


def operations_part(shown: Shown) -> PagePart:
    """Return everything on how the study was run."""
    held = held_time_of(shown.findings)
    return PagePart(
        id="operations",
        title="Operations",
        content=[
            _tiles(shown),
            shown.gallery(Section.OPERATIONS),
            tag("h3", "Jobs"),
            shown.table("quality", with_names=True),
            tag("h3", "Held time") if held else None,
            _held(shown, held),
            shown.folded("Held time by purpose", shown.table("total-time")),
            tag("h3", "Sessions and attempts"),
            shown.folded("Every session", shown.table("sessions")),
            shown.folded("Every attempt and its machine", shown.table("segments")),
            [_attempts(shown, model) for model in shown.findings.models],
            proofs(shown.findings.study.proofs),
            provenance(shown.findings.models),
        ],
    )


def _tiles(shown: Shown) -> Markup:
    models = shown.findings.models
    facts = [
        ("Sessions", _sessions(shown.findings.timeline)),
        ("Interruptions", f"{sum(model.interruption_count for model in models):,}"),
        ("Epochs trained again", f"{sum(len(model.redone_epochs) for model in models):,}"),
        ("Total time", duration(sum(model.times.total_s for model in models))),
    ]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="tiles")


def _sessions(line: StudyTimeline) -> str:
    if not line.sessions:
        return UNKNOWN
    return f"{len(line.sessions):,}" + (f", {line.killed:,} killed" if line.killed else "")


def _held(shown: Shown, held: list[tuple[str, Goodput]]) -> Content:
    if not held:
        return None
    goodput = (
        "Goodput is the share of held time that went into training and validation whose result was saved. A job is "
        "charged from its claim to its end; a study also for what its sessions spent outside, such as starting up."
    )
    killed = (
        "Of a session that was killed the time is known until its last sign of life only, so its goodput is an upper "
        "bound. What was never saved is lost in the session that trained it; what was trained again because a save was "
        "damaged is redone in the session that did it again. Sessions of a qcqueue that did not write down its time "
        "are not counted."
    )
    return [tag("p", goodput), tag("p", killed), shown.folded("Held time by part", goodput_table(held))]


def _attempts(shown: Shown, model: ModelFigures) -> Content:
    """Return the attempts of one model and what else happened to it, folded."""
    said = f"{count(model.attempt_count, 'attempt')}, {count(model.interruption_count, 'interruption')}"
    if not model.attempts:
        return None
    return shown.folded(f"{model.label}: {said}", _table(shown, model, said), _events(model))


def _table(shown: Shown, model: ModelFigures, said: str) -> Markup:
    sessions = shown.findings.timeline.sessions
    spans = {(it.job, it.number): it for session in sessions for it in session.attempts}
    names = ("Attempt", "Session", "Begun (UTC)", "Lasted", "Epochs brought", "Ended", "Reason")
    head = tag("tr", [tag("th", name, scope="col", class_=None if name == "Lasted" else "text") for name in names])
    rows = [_attempt(attempt, spans.get((model.name, attempt.line.number))) for attempt in model.attempts]
    return scrolling(f"{model.label}: {said}", tag("thead", head), tag("tbody", rows))


def _attempt(attempt: AttemptFigures, span: AttemptSpan | None) -> Markup:
    line = attempt.line
    interrupted = line.outcome is Outcome.INTERRUPTED
    return tag(
        "tr",
        tag("th", f"#{line.number}", scope="row"),
        tag("td", line.session_id, class_="text"),
        tag("td", date(line.started_at_s, UTC), class_="text"),
        # An interruption is found out later: what counts is the last sign of life.
        tag("td", duration(span.ended_s - span.began_s) if span else UNKNOWN),
        tag("td", _brought(attempt), class_="text"),
        tag("td", str(line.outcome or "at work"), class_="text interrupted" if interrupted else "text"),
        tag("td", line.reason or "", class_="text wide"),
    )


def _brought(attempt: AttemptFigures) -> str:
    said = [ranges(attempt.official)] if attempt.official else []
    said += [f"{ranges(attempt.redone)} (trained again later)"] if attempt.redone else []
    said += [f"{ranges(attempt.withdrawn)} (lost with their checkpoint)"] if attempt.withdrawn else []
    return "; ".join(said) or "none"


def _events(model: ModelFigures) -> Content:
    told = [line for line in model.history if line.what not in _TOLD_ELSEWHERE]
    if not told:
        return None
    items = [tag("li", f"{date(line.at_s, UTC)}: {line.what}" + (f", {line.why}" if line.why else "")) for line in told]
    return tag("ul", items, class_="story")
