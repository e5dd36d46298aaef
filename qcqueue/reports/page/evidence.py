"""Why the numbers may be believed: the proofs of drills, and the digests of what was stored. Pure."""

from collections.abc import Sequence

from qcqueue.core.lineage import software
from qcqueue.reports.markup import Content, Markup, join, tag
from qcqueue.reports.page.tables import scrolling
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.study import Proof
from qcqueue.text.humanize import count

MOST_SHOWN = 20
"""Of more kills than these, each is folded away."""


def proofs(found: Sequence[Proof]) -> Content:
    """Return what drills have shown, or nothing where there was none."""
    if not found:
        return None
    lead = "Each job was run once undisturbed and once killed again and again; the digests of both runs are compared."
    return [tag("h3", "Proof of exact resume"), tag("p", lead), [_proof(proof) for proof in found]]


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
        tag("h4", f"{proof.job}: ", tag("span", verdict, class_=f"verdict {state}")),
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


def provenance(models: Sequence[ModelFigures]) -> Content:
    """Return from what the numbers of each model come."""
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
    table = scrolling("First 16 digits of each SHA-256, and software", tag("thead", head), tag("tbody", rows))
    return [tag("h3", "Provenance"), table]


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
