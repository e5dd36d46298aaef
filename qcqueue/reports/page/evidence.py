"""Why the numbers may be believed: the proofs of drills, the definitions, and the digests of what was stored. Pure."""

from collections.abc import Sequence

from qcqueue.core.lineage import software
from qcqueue.queue.values import DatasetLine
from qcqueue.reports.markup import Content, Markup, join, tag
from qcqueue.reports.page.tables import scrolling
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.study import Proof
from qcqueue.text.humanize import count

MOST_SHOWN = 20
"""Of more kills than these, each is folded away."""


def proof_section(proofs: Sequence[Proof]) -> Content:
    """Return what drills have shown, or nothing where there was none."""
    if not proofs:
        return None
    lead = "Each job was run once undisturbed and once killed again and again; the digests of both runs are compared."
    return tag("section", tag("h2", "Proof of exact resume"), tag("p", lead), [_proof(proof) for proof in proofs])


def _proof(proof: Proof) -> list[Content]:
    verdict = "EQUAL" if proof.is_equal else "DIFFERENT"
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", digest, class_="text digest"),
            tag(
                "td",
                "the same" if proof.cut.get(name) == digest else proof.cut.get(name, "missing"),
                class_="text digest",
            ),
        )
        for name, digest in proof.undisturbed.items()
    ]
    head = tag(
        "tr", [tag("th", name, scope="col", class_="text") for name in ("Digest", "Undisturbed run", "Killed run")]
    )
    state = "state-done" if proof.is_equal else "state-failed"
    return [
        tag("h3", f"{proof.job}: ", tag("span", verdict, class_=f"verdict {state}")),
        tag("p", tag("strong", proof.warning)) if proof.warning else None,
        tag("p", f"{count(len(proof.kills), 'kill')}, on {proof.ran_on}.", class_="quiet"),
        [tag("p", fact, class_="quiet") for fact in proof.facts],
        _kills(proof),
        scrolling(f"SHA-256 digests of {proof.job}", tag("thead", head), tag("tbody", rows)),
    ]


def _kills(proof: Proof) -> list[Content]:
    """Each kill in its order; of many only how often each moment was hit is shown at once."""
    each = tag("ol", [tag("li", kill) for kill in proof.kills], class_="story")
    moments = [tag("li", f"{moment}: {times}") for moment, times in proof.kills_by_moment.items()]
    if len(proof.kills) <= MOST_SHOWN:
        return [each]
    return [tag("ul", moments, class_="story"), tag("details", tag("summary", "Each kill"), each)]


def method_section(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> Markup:
    """Return how to read the numbers, and from what they come."""
    said = (
        "Every figure comes from what the sessions stored, and an epoch counts once however often it was trained.",
        "Time per step: each epoch records the median and the 95th percentile of its steps; shown are the medians of "
        "these over all epochs. The first step after each start traces and compiles; it is left out of both and "
        "summed apart.",
        "Time per epoch: the median over epochs of training plus validation, first steps included. Time in training "
        "adds the time in which training waited for checkpoints. Total time is all that machines were held for, with "
        "starting up, waiting and what was lost to a cut.",
        "The best epoch has the lowest validation loss, the earliest of equals. Precision, recall and F1 are by class.",
        "An interruption is a session that vanished; it spends no retry and, with determinism exact, changes no bit.",
    )
    return tag(
        "section",
        tag("h2", "How the numbers were made"),
        tag("ul", [tag("li", sentence) for sentence in said]),
        _provenance(models),
        [tag("p", f"{line.name}: {line.summary.attribution}") for line in datasets if line.summary.attribution],
    )


def _provenance(models: Sequence[ModelFigures]) -> Markup:
    names = (
        "Model",
        "Spec",
        "Dataset",
        "History",
        "Weights, last epoch",
        "Predictions in validation, last epoch",
        "Software",
    )
    head = tag("tr", [tag("th", name, scope="col", class_="text") for name in names])
    rows = [tag("tr", tag("th", model.label, scope="row", class_="model"), _digests(model)) for model in models]
    return scrolling("Where it comes from (first 16 digits of each SHA-256)", tag("thead", head), tag("tbody", rows))


def _digests(model: ModelFigures) -> list[Markup]:
    result = model.result
    digests = [model.spec.digest, model.dataset_sha256]
    digests += (
        [result.history_sha256, result.last.weights_sha256, result.last.predictions_sha256] if result else [""] * 3
    )
    computed_with = [
        ", ".join((*software(identity), count(identity.threads, "thread"))) for identity in model.identities
    ]
    return [
        *[tag("td", digest[:16] or "–", class_="text digest") for digest in digests],
        tag("td", join([tag("div", line) for line in dict.fromkeys(computed_with)]) or "–", class_="text wide"),
    ]
