"""Where time went: the days of a study, what machines were held for, and how costs go together."""

from collections.abc import Iterator
from itertools import chain

from qcqueue.core.goodput import Goodput, PartGroup
from qcqueue.core.outcomes import Outcome
from qcqueue.reports.charts import bars, heatmap, timeline
from qcqueue.reports.charts.goodput import goodput_figure
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.scales import spent
from qcqueue.reports.palette import paint, paint_of_time, tint
from qcqueue.reports.quantities.correlation import Correlation, Cost
from qcqueue.reports.quantities.cost import Spending
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.timeline import AttemptSpan, HowEnded, SessionGap, SessionSpan
from qcqueue.text.humanize import count, duration

# This picture says `restart`, and its stalls are paler.
_KINDS = {group: bars.Kind(name=group.label, paint=paint_of_time(group)) for group in PartGroup} | {
    PartGroup.STALL: bars.Kind(name=PartGroup.STALL.label, paint=tint(paint_of_time(PartGroup.STALL), 0.5)),
    PartGroup.RESTART: bars.Kind(name=PartGroup.RESTART.value, paint=paint_of_time(PartGroup.RESTART)),
}


def time_pictures(findings: Findings) -> Iterator[Picture]:
    """Yield the timeline, total times, held time and the correlations, as far as there is anything to show."""
    if findings.timeline.sessions:
        yield _timeline(findings)
    known = [it for it in findings.spending if it.held_s]
    if known:
        yield _total_time(known)
    if held := held_time_of(findings):
        yield goodput_figure(held)
    if any(cell.coefficient is not None for row in findings.correlation.rows for cell in row):
        yield _correlation(findings)


def held_time_of(findings: Findings) -> list[tuple[str, Goodput]]:
    """Return what held time went into, of the studies and then of the jobs in the report, if any is known."""
    accounts = findings.study.accounts
    if accounts is None:
        return []
    studies = dict.fromkeys(model.spec.study for model in findings.models)
    rows = [(f"{study}, all of it", accounts.studies[study]) for study in studies if study in accounts.studies]
    rows += [(model.name, accounts.jobs[model.name]) for model in findings.models if model.name in accounts.jobs]
    return [(name, goodput) for name, goodput in rows if goodput.held_s]


def _timeline(findings: Findings) -> Picture:
    line = findings.timeline
    attempts = list(chain.from_iterable(session.attempts for session in line.sessions))
    rows = [
        timeline.JobRow(
            label=model.label,
            paint=paint(place),
            blocks=tuple(_attempt(it) for it in attempts if it.job == model.name),
            said=count(sum(it.job == model.name for it in attempts), "attempt"),
        )
        for place, model in enumerate(findings.models)
    ]
    sessions_said = f"{count(len(line.sessions), 'session')}, {duration(line.held_s)}"
    killed = f"{line.killed} of them killed" if line.killed else "none of them killed"
    return timeline.draw(
        timeline.Timeline(
            key="timeline",
            title="Sessions, and what they worked on",
            description=f"{sessions_said}, {killed}; what is between them is time without a machine.",
            start_s=min(it.began_s for it in line.sessions),
            end_s=max(it.ended_s for it in line.sessions),
            sessions=tuple(_session(it) for it in line.sessions),
            sessions_said=sessions_said,
            gaps=tuple(map(_gap, line.gaps)),
            jobs=tuple(rows),
        )
    )


def _session(it: SessionSpan) -> timeline.Block:
    said = f"{it.host}, {duration(it.ended_s - it.began_s)}, {it.said or it.end.replace('_', ' ')}"
    return timeline.Block(start_s=it.began_s, end_s=it.ended_s, ending=it.end, said=said)


def _gap(it: SessionGap) -> timeline.Gap:
    after = " after a kill" if it.follows is HowEnded.KILLED else ""
    return timeline.Gap(start_s=it.began_s, end_s=it.ended_s, said=f"no machine{after}, {duration(it.seconds)}")


def _attempt(it: AttemptSpan) -> timeline.Block:
    ending = {None: HowEnded.AT_WORK, Outcome.INTERRUPTED: HowEnded.KILLED}.get(it.outcome, HowEnded.LEFT)
    said = f"attempt {it.number}, {duration(it.ended_s - it.began_s)}, {it.outcome or 'at work'}"
    return timeline.Block(start_s=it.began_s, end_s=it.ended_s, ending=ending, said=said)


def _total_time(known: list[Spending]) -> Picture:
    return bars.draw(
        bars.Bars(
            key="total-time",
            title="Held time of each model, by purpose",
            description="One bar a model: "
            + "; ".join(f"{it.label} {duration(it.held_s or 0.0)}" for it in known)
            + ". The parts stand in the table.",
            x_name="held time",
            x=spent(max(it.held_s or 0.0 for it in known)),
            kinds=tuple(_KINDS.values()),
            bars=tuple(_bar(it) for it in known),
        )
    )


def _bar(it: Spending) -> bars.Bar:
    seconds = [it.seconds[group] if it.seconds else 0.0 for group in _KINDS]
    return bars.Bar(
        label=it.label,
        said=duration(it.held_s or 0.0),
        pieces=tuple(seconds),
        piece_titles=tuple(
            f"{kind.name}: {duration(value)}" for kind, value in zip(_KINDS.values(), seconds, strict=True)
        ),
    )


def _correlation(findings: Findings) -> Picture:
    names = tuple(cost.label for cost in Cost)
    rows = findings.correlation.rows
    fewest, most = (limit(cell.models for row in rows for cell in row) for limit in (min, max))
    over = count(most, "model") if fewest == most else f"{fewest} to {count(most, 'model')}"
    return heatmap.draw(
        heatmap.Heatmap(
            key="correlation",
            title=f"Correlation: Pearson's r over {over}",
            description="Each quantity against each other; the values stand in the table of correlations.",
            row_names=names,
            column_names=names,
            cells=tuple(tuple(_correlation_cell(cell) for cell in row) for row in rows),
        )
    )


def _correlation_cell(cell: Correlation) -> heatmap.Cell:
    value = cell.coefficient
    if value is None:
        return heatmap.Cell(share=None, text="")
    return heatmap.Cell(share=value, text=f"{value:+.2f}".replace("-", "\u2212"))
