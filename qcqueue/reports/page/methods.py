"""How it was done, in sentences to paste into a paper; the notes that limit the numbers; and how to cite. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from qcqueue.core.lineage import software
from qcqueue.core.spec import JobSpec
from qcqueue.queue.values import DatasetLine
from qcqueue.reports.markup import Content, tag
from qcqueue.reports.page.contents import PagePart
from qcqueue.reports.quantities.caveats import Note
from qcqueue.reports.quantities.choice import Metric
from qcqueue.reports.quantities.comparison import LEVEL
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.study import Proof
from qcqueue.text.humanize import count, listed

# Of these no bit of a run depends, or another sentence tells of them.
_TOLD_APART = frozenset({"deadline_s", "lineage"})


def methods_part(findings: Findings) -> PagePart:
    """Return the paragraph, the notes and the citation."""
    sentences = list(sentences_on(findings))
    return PagePart(
        id="methods",
        title="Methods",
        content=[
            tag("p", "To paste; every number in it is of this study.", class_="quiet"),
            tag("blockquote", tag("p", " ".join(sentences))),
            notes_list(findings.notes),
            tag("h3", "How to cite"),
            tag("p", tag("code", citation(findings))),
            [
                tag(
                    "details", tag("summary", f"Sources of the dataset {line.name}"), tag("p", line.summary.attribution)
                )
                for line in findings.study.datasets
                if line.summary.attribution
            ],
        ],
    )


def notes_list(notes: Sequence[Note]) -> Content:
    items = [tag("li", note.text, id=f"note-{note.number}") for note in notes]
    return [tag("h3", "Notes to the numbers"), tag("ol", items, class_="notes")] if items else None


def citation(findings: Findings) -> str:
    """Return what a list of references says of the tool; its version is that of the report where it is known."""
    version = findings.study.version
    return "The qcqueue developers. qcqueue: resumable training jobs for quota-limited GPUs" + (
        f", version {version}." if version else "."
    )


def sentences_on(findings: Findings) -> Iterator[str]:
    """Yield the sentences of the methods: data, models, settings, selection, statistics, machines, interruptions."""
    models = findings.models
    used = {model.dataset_sha256 for model in models}
    for line in findings.study.datasets:
        if line.blob.sha256 in used:
            yield _data(line)
    yield from _trained(models)
    yield from _selected(findings)
    yield from _computed(models)
    yield from _interrupted(findings)


def _data(line: DatasetLine) -> str:
    summary = line.summary
    height, width = summary.image_size
    note = f" ({summary.note})" if summary.note else ""
    return (
        f"The dataset {line.name}{note} holds {count(summary.images, 'image')} of {height}×{width} pixels in "
        f"{count(len(summary.classes), 'class', 'classes')} ({listed(summary.classes)}), parted once into "
        f"{summary.train:,} for training, {summary.validation:,} for validation and {summary.test:,} for testing."
    )


def _trained(models: Sequence[ModelFigures]) -> Iterator[str]:
    names = list(dict.fromkeys(model.spec.model for model in models))
    specs = [model.spec for model in models]
    unusual = dict.fromkeys(name for spec in specs for name in spec.unusual if name not in _TOLD_APART)
    same = {name: value for name, value in _settings(specs[0], unusual).items() if _is_shared(name, specs)}
    yield (
        f"{listed(names)} {'were' if len(names) > 1 else 'was'} trained with {listed(list(same.values()))}"
        + (" each." if len(models) > 1 else ".")
    )
    said = [_settings(spec, unusual) for spec in specs]
    if any(it.keys() - same.keys() for it in said):
        each = [
            f"{model.label} with {listed([it[name] for name in it if name not in same])}"
            for model, it in zip(models[:_MOST_NAMED], said, strict=False)
        ]
        left = len(models) - _MOST_NAMED
        yield f"They differed: {'; '.join(each)}" + (f"; and {left} more, in provenance.zip." if left > 0 else ".")


_MOST_NAMED = 12


def _settings(spec: JobSpec, unusual: Iterable[str]) -> dict[str, str]:
    """Return every setting that decides what is learned, in words, by its key; unusual: keys that few jobs have."""
    height, width = spec.image_size
    weights = {"none": "random first weights", "file": "first weights from a file"}.get(
        spec.weights, f"{spec.weights} weights"
    )
    of_its_own = {
        "code_sha256": f"optimizer, loss and layers as its function has compiled them (code {spec.code_sha256})"
    }
    of_catalogue = {
        "optimizer": f"the optimizer {spec.optimizer}",
        "learning_rate": f"a learning rate of {spec.learning_rate:g}",
        "weights": weights,
        "trainable": "all layers trainable" if spec.trainable == "all" else "the head alone trainable",
        "dropout": f"dropout {spec.dropout:g}" if spec.dropout else "no dropout",
        "augment": "no augmentation" if spec.augment == "none" else f"augmentation {spec.augment}",
    }
    said = {
        "epochs": count(spec.epochs, "epoch"),
        "batch_size": f"a batch size of {spec.batch_size}",
        **(of_its_own if spec.is_own else of_catalogue),
        "image_size": f"images of {height}×{width} pixels",
        "precision": f"{spec.precision} precision",
        "early_stopping": f"early stopping after {count(spec.early_stopping, 'epoch')} without a lower validation loss"
        if spec.early_stopping
        else "no early stopping",
        "seed": f"seed {spec.seed}",
    }
    return said | {name: f"{name.replace('_', ' ')} {getattr(spec, name)}" for name in unusual if name not in said}


def _is_shared(name: str, specs: Sequence[JobSpec]) -> bool:
    """Return whether a setting is that of all; what a function of a person has settled is nobody else's."""
    is_settled = len({spec.is_own for spec in specs}) == 1 or name not in _OF_CATALOGUE
    return is_settled and all(getattr(spec, name) == getattr(specs[0], name) for spec in specs)


_OF_CATALOGUE = frozenset({"optimizer", "learning_rate", "weights", "trainable", "dropout", "augment", "code_sha256"})


def _selected(findings: Findings) -> Iterator[str]:
    metric = Metric(findings.study.by).label
    yield (
        "Of each model the weights of the epoch with the lowest validation loss were evaluated, and the model was "
        f"chosen by validation {metric}. The test images chose nothing; they were used to report these weights alone."
    )
    if findings.lacks is None and any(model.result for model in findings.models):
        yield (
            f"Intervals of accuracies are Wilson's, those of areas under curves the bootstrap's over test images, at "
            f"{LEVEL}; models were compared on the same test images by McNemar's exact test with Holm's correction. "
            "Measures were computed with scikit-learn and tests with SciPy."
        )


def _computed(models: Sequence[ModelFigures]) -> Iterator[str]:
    processors = list(dict.fromkeys(name for model in models for name in model.processors))
    identities = list(dict.fromkeys(identity for model in models for identity in model.identities))
    if processors:
        with_ = list(dict.fromkeys(listed([*software(it), f"Python {it.python}"]) for it in identities))
        yield f"Training ran on {listed(processors)} with {listed(with_, last='or')}."


def _interrupted(findings: Findings) -> Iterator[str]:
    models = findings.models
    cuts, sessions = sum(model.interruption_count for model in models), len(findings.timeline.sessions)
    where = f" in {count(sessions, 'session')}" if sessions else ""
    if cuts:
        times = count(cuts, "time")
        yield f"qcqueue ran the jobs{where}; they were interrupted {times} and went on from the last saved epoch."
    else:
        yield f"qcqueue ran the jobs{where}, and none was interrupted."
    exact = [model.label for model in models if model.epochs and _is_exact(model)]
    rest = [model.label for model in models if model.epochs and not _is_exact(model)]
    if exact:
        whose = f"The runs of {listed(exact)}" if rest else "All runs"
        yield (
            f"{whose} used deterministic operations on one kind of machine each, so that an interrupted run ends with "
            "the bits of an undisturbed one."
        )
    if rest:
        yield f"The runs of {listed(rest)} are complete, but not bit for bit what one machine alone would have given."
    for proof in findings.study.proofs:
        yield _proved(proof)


def _is_exact(model: ModelFigures) -> bool:
    return (
        model.spec.determinism == "exact"
        and all(it.deterministic for it in model.identities)
        and not model.lineage_changes
    )


def _proved(proof: Proof) -> str:
    verdict = "the same" if proof.is_equal else "not the same"
    digest = proof.cut.get("weights") or next(iter(proof.cut.values()), "")
    said = f" (certificate: SHA-256 {digest[:16]}…)" if digest else ""
    return (
        f"In a drill on {proof.ran_on} the job {proof.job}, killed {count(len(proof.kills), 'time')}, gave {verdict} "
        f"bits as undisturbed{said}."
    )
