"""The tables of time: segments, groups and parts of held time, sessions, correlations."""

from qcqueue.core.goodput import Part, PartGroup
from qcqueue.reports.quantities.caveats import Quantity, ranges
from qcqueue.reports.quantities.correlation import Cost
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.segments import Segment
from qcqueue.reports.tables.by_model import MODEL, to_four
from qcqueue.reports.tables.table import Column, Table, Value, of_models
from qcqueue.text.humanize import duration, iso, listed, percent

_SOFTWARE = ("tensorflow", "keras")
_BESIDE = ("cuda", "cudnn", "python", "numpy")


def segment_table(findings: Findings) -> Table:
    """Return every attempt with its machine and its times: first steps, which compile, stand apart."""
    columns = (
        MODEL,
        Column(key="attempt", head="Attempt"),
        Column(key="host", head="Host", is_text=True),
        Column(key="processor", head="Processor", is_text=True, about=Quantity.TIMES),
        *(Column(key=name, head="Software", unit=name, is_text=True) for name in (*_SOFTWARE, *_BESIDE)),
        Column(key="deterministic", head="Deterministic", is_text=True, says=lambda it: "yes" if it else "no"),
        Column(key="lineages", head="Lineage", is_text=True),
        Column(key="outcome", head="Ended", is_text=True),
        Column(key="epochs", head="Epochs", is_text=True),
        *(
            Column(key=f"step_s_{name}", head="Time per step", unit=unit, about=Quantity.TIMES, says=duration)
            for name, unit in _PERCENTILES[1:]
        ),
        *(
            Column(key=f"epoch_s_{name}", head="Time per epoch", unit=unit, about=Quantity.TIMES, says=duration)
            for name, unit in _PERCENTILES
        ),
        Column(key="first_steps_s", head="First steps", says=duration),
        Column(key="train_s", head="Train", says=duration),
        Column(key="val_s", head="Validate", says=duration),
        Column(key="checkpoint_s", head="Save checkpoints", says=duration),
    )
    rows = tuple(_segment(segment) for segment in findings.segments)
    return of_models("segments", "Every attempt, on what machine and how fast", columns, rows, findings.models)


_PERCENTILES = (("p5", "5th percentile"), ("p50", "median"), ("p95", "95th percentile"))


def _segment(it: Segment) -> tuple[Value, ...]:
    known = it.identity
    return (
        it.job,
        it.attempt,
        it.host,
        known.processor if known else None,
        *(known.versions.get(name) if known else None for name in _SOFTWARE),
        *(getattr(known, name) or None if known else None for name in _BESIDE),
        known.deterministic if known else None,
        ranges(it.lineages) or None,
        str(it.outcome) if it.outcome else None,
        ranges(it.epochs) or None,
        *((it.step_s.p50, it.step_s_p95) if it.step_s else (None, None)),
        *((it.epoch_s.p5, it.epoch_s.p50, it.epoch_s.p95) if it.epoch_s else (None, None, None)),
        it.first_steps_s,
        it.train_s,
        it.val_s,
        it.checkpoint_s,
    )


def purpose_table(findings: Findings) -> Table:
    """Return what machines were held for, job by job: the purposes add up to the time held."""
    columns = (
        MODEL,
        Column(key="held_s", head="Held", says=duration),
        *(Column(key=f"{it}_s", head=it.capitalize(), about=Quantity.TOTAL_TIME, says=duration) for it in PartGroup),
    )
    rows = tuple(
        (it.job, it.held_s, *((it.seconds[group] for group in PartGroup) if it.seconds else [None] * len(PartGroup)))
        for it in findings.spending
    )
    return of_models("total-time", "Held time by purpose", columns, rows, findings.models)


def goodput_table(findings: Findings) -> Table:
    """Return every part of held time of every study and job, in seconds."""
    columns = (
        Column(key="of", head="Of", is_text=True),
        Column(key="held_s", head="Held", says=duration),
        Column(key="goodput", head="Goodput", says=percent),
        *(
            Column(key=f"{part}_s", head=part.label.capitalize(), about=Quantity.TOTAL_TIME, says=duration)
            for part in Part
        ),
    )
    accounts = findings.study.accounts
    known = {**accounts.studies, **accounts.jobs} if accounts else {}
    rows = tuple(
        (name, it.held_s, it.goodput, *(it.seconds[part] for part in Part)) for name, it in known.items() if it.held_s
    )
    return Table(key="held-time", caption="Held time by part", columns=columns, rows=rows, subjects=(0,))


def session_table(findings: Findings) -> Table:
    """Return every life of a machine: when, how long, how it ended, and what it worked on."""
    columns = (
        Column(key="session", head="Session", is_text=True),
        Column(key="host", head="Host", is_text=True),
        Column(key="processor", head="Processor", is_text=True),
        Column(key="began_utc", head="Began (UTC)", is_text=True),
        Column(key="ended_utc", head="Last sign of life (UTC)", is_text=True),
        Column(key="held_s", head="Held", says=duration),
        Column(key="end", head="Ended", is_text=True, says=lambda end: end.replace("_", " ")),
        Column(key="said", head="Reason", is_text=True),
        Column(key="jobs", head="Worked on", is_text=True),
    )
    rows = tuple(
        (
            it.id,
            it.host,
            it.processor,
            iso(it.began_s),
            iso(it.ended_s),
            it.held_s,
            str(it.end),
            it.said,
            listed([f"{attempt.job} #{attempt.number}" for attempt in it.attempts]) if it.attempts else None,
        )
        for it in findings.timeline.sessions
    )
    return Table(key="sessions", caption="Sessions in the order of coming", columns=columns, rows=rows)


def spending_table(findings: Findings) -> Table:
    """Return the validation accuracy each model had reached after so much of its total time."""
    columns = (
        MODEL,
        Column(key="epoch", head="Epoch"),
        Column(key="minutes", head="Total time", unit="so far, minutes", about=Quantity.TOTAL_TIME, says=to_four),
        Column(key="val_accuracy", head="Validation accuracy", about=Quantity.ACCURACY, says=percent),
    )
    rows = tuple((it.job, one.epoch, one.minutes, one.val_accuracy) for it in findings.spending for one in it.curve)
    return of_models("accuracy-by-minutes", "Validation accuracy against total time", columns, rows, findings.models)


def sentence_case(words: str) -> str:
    """Return words with a capital at their beginning and everything else as it is: macro-F1 keeps its own."""
    return words[:1].upper() + words[1:]


def correlation_table(findings: Findings) -> Table:
    """Return Pearson's coefficient for each pair of quantities, over the models for which both are known."""
    columns = (
        Column(key="cost", head="Pearson's r", is_text=True, says=lambda name: sentence_case(Cost(name).label)),
        *(
            Column(
                key=cost.replace(" ", "_"),
                head=sentence_case(cost.label),
                about=_ABOUT_COST.get(cost),
                says="{:+.2f}".format,
            )
            for cost in Cost
        ),
        Column(key="models_fewest", head="Models", unit="at least"),
    )
    rows = tuple(
        (str(row[0].row), *(cell.coefficient for cell in row), min(cell.models for cell in row))
        for row in findings.correlation.rows
    )
    caption = "Correlation of parameters, times and test results over the models"
    labels = {model.name: model.label for model in findings.models}
    return Table(key="correlation", caption=caption, columns=columns, rows=rows, labels=labels, is_of_all=True)


_ABOUT_COST = {
    Cost.PARAMETERS: Quantity.PARAMETERS,
    Cost.TRAINABLE_PARAMETERS: Quantity.PARAMETERS,
    Cost.STEP_TIME: Quantity.TIMES,
    Cost.EPOCH_TIME: Quantity.TIMES,
    Cost.TRAINING_TIME: Quantity.TOTAL_TIME,
    Cost.ACCURACY: Quantity.TEST_ACCURACY,
    Cost.MACRO_F1: Quantity.TEST_ACCURACY,
}
