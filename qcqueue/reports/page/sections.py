"""The sections that compare models: each says what it shows, shows it as a picture, and holds the table beside it."""

from qcqueue.reports.figures.time import held_time_of
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.goodput import goodput_table
from qcqueue.reports.page.misjudged import misjudged_images
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import html_table, marks
from qcqueue.reports.quantities.caveats import Note, Quantity
from qcqueue.reports.tables.judgements import shown_pair_table
from qcqueue.reports.tables.table import Table


def comparison(shown: Shown) -> Markup:
    """Return how good the models are, whether one is better than another, and every note to the numbers."""
    pairs = shown_pair_table(shown.findings)
    return tag(
        "section",
        tag("h2", "Comparison"),
        shown.gallery("accuracy-intervals", "pairs"),
        shown.table("quality"),
        shown.folded("Pair by pair, with intervals", _pairs(shown, pairs) if pairs.rows else None),
        shown.folded("Every accuracy with its interval", shown.table("accuracy")),
        notes_list(shown.findings.notes),
    )


def _pairs(shown: Shown, table: Table) -> list[Content]:
    lead = (
        "Both models answered the same images, so only those count that one got right and the other wrong. McNemar's "
        "exact test asks how often luck alone would share them out so unevenly; Holm's correction allows for the "
        "number of pairs. Intervals are those of the bootstrap over images, computed rather than drawn, each for its "
        "pair alone. All of this is about these images and these trained models; it does not say what another seed "
        "would have trained."
    )
    return [tag("p", lead), html_table(table, shown.findings.notes, shown.places)]


def notes_list(notes: tuple[Note, ...]) -> Content:
    items = [tag("li", note.text, id=f"note-{note.number}") for note in notes]
    return [tag("h3", "Notes to the numbers"), tag("ol", items, class_="notes")] if items else None


def costs(shown: Shown) -> Markup:
    """Return what the models cost: parameters, times, what the time went into, and how these go together."""
    lead = "Of an epoch that was trained more than once the last time counts. First steps compile and stand apart."
    return tag(
        "section",
        tag("h2", "What they cost", marks(shown.findings.notes, Quantity.TIMES, job=None)),
        tag("p", lead, class_="quiet"),
        shown.table("cost"),
        shown.table("time"),
        shown.gallery("total-time", "correlation"),
        shown.folded("Total time in numbers", shown.table("total-time")),
        shown.folded("Every attempt and its machine", shown.table("segments")),
    )


def learning(shown: Shown) -> Content:
    """Return the curves of all models together."""
    pictures = shown.gallery("accuracy-by-epoch", "loss-by-epoch", "accuracy-by-minutes")
    if pictures is None:
        return None
    return tag(
        "section",
        tag("h2", "Learning curves", marks(shown.findings.notes, Quantity.ACCURACY, job=None)),
        tag("p", "Validation, all models. Training curves and seams are with each model below.", class_="quiet"),
        pictures,
    )


def judgements(shown: Shown) -> Content:
    """Return how models judge single classes and images: by class, by severity, how surely, and which images not."""
    if not shown.tables["classes-best"].rows:
        return None
    differs = any(
        model.result and model.result.last.epoch != model.result.best.epoch for model in shown.findings.models
    )
    last = shown.table("classes-last") if differs else None
    return tag(
        "section",
        tag("h2", "What they judge rightly", marks(shown.findings.notes, Quantity.TEST_ACCURACY, job=None)),
        shown.table("classes-best"),
        shown.folded("The same at the last epoch, where it is another", last),
        shown.gallery("severity", "reliability"),
        shown.folded("Accuracy by severity in numbers", shown.table("severity")),
        shown.folded("How sure and how right in numbers", shown.table("calibration")),
        misjudged_images(shown),
    )


def days(shown: Shown) -> Content:
    """Return when there was a machine, and what the time it was held went into."""
    pictures = shown.gallery("timeline", "held-time")
    return tag("section", tag("h2", "Where the time went"), pictures, _held(shown)) if pictures else None


def _held(shown: Shown) -> Content:
    held = held_time_of(shown.findings)
    if not held:
        return shown.folded("Every session", shown.table("sessions"))
    goodput = (
        "Goodput is the share of the time machines were held that went into training and validation whose result was "
        "saved. A job is charged from its claim to its end; a study also for what its sessions spent outside, such as "
        "starting up."
    )
    killed = (
        "Of a session that was killed the time is known until its last sign of life only, so its goodput is an upper "
        "bound. What was never saved is lost in the session that trained it; what was trained again because a save was "
        "damaged is redone in the session that did it again. Sessions of a qcqueue that did not write down its time "
        "are not counted."
    )
    return [
        tag("p", goodput),
        tag("p", killed),
        goodput_table(held),
        shown.folded("Every session", shown.table("sessions")),
    ]
