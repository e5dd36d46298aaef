"""What a reader must know beside a number: every hole and every difference, as notes that name what they touch.

Pure. A note is about some jobs and some quantities; the tables put its number at each of them, so that no
figure can be read without it. A new kind of doubt is one more function in `_JOB_NOTES` or `_STUDY_NOTES`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from qcqueue.core.evaluation import Appraisal
from qcqueue.core.states import State
from qcqueue.core.study import SETTING_KEYS
from qcqueue.queue.values import DatasetLine
from qcqueue.reports.quantities.models import LineageChange, ModelFigures
from qcqueue.text.humanize import count, duration, listed

# Keys that say how often, where and how exactly something is learned, and not what.
_NOT_WHAT_IS_LEARNED = frozenset({"determinism", "device", "seed", "lineage"})

# Keys of a spec that change what is learned; models that differ in one of them are not compared alone by model.
_COMPARED = tuple(it.field for name, it in SETTING_KEYS.items() if it.decides_bits and name not in _NOT_WHAT_IS_LEARNED)


class Quantity(Enum):
    """What a note can be about; tables and figures ask for the notes of what they show."""

    EPOCHS = auto()
    TIMES = auto()
    TOTAL_TIME = auto()
    PARAMETERS = auto()
    ACCURACY = auto()
    TEST_ACCURACY = auto()
    PRECISION = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """jobs holds full names; about_all says that the note is about the study and not about single jobs of it."""

    number: int
    text: str
    touches: frozenset[Quantity]
    jobs: frozenset[str]
    about_all: bool


@dataclass(frozen=True, slots=True)
class _Caveat:
    text: str
    touches: frozenset[Quantity]
    jobs: frozenset[str]


_MEASURED = frozenset({Quantity.ACCURACY, Quantity.TEST_ACCURACY, Quantity.PRECISION})
_TIMED = frozenset({Quantity.TIMES, Quantity.TOTAL_TIME})


def notes_on(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> tuple[Note, ...]:
    """Return all notes, numbered from 1: those about the whole study first, then job by job."""
    found = [doubt for kind in _STUDY_NOTES for doubt in kind(models, datasets)]
    found += [doubt for model in models for kind in _JOB_NOTES for doubt in kind(model)]
    everyone = frozenset(model.name for model in models)
    return tuple(
        Note(
            number=number,
            text=doubt.text,
            touches=doubt.touches,
            jobs=doubt.jobs,
            about_all=doubt.jobs == everyone and len(everyone) > 1,
        )
        for number, doubt in enumerate(found, start=1)
    )


def _dataset_notes(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> Iterator[_Caveat]:
    for line in datasets:
        jobs = frozenset(model.name for model in models if model.dataset_sha256 == line.blob.sha256)
        if line.summary.note and jobs:
            yield _Caveat(f"Dataset {line.name}: {line.summary.note}.", _MEASURED, jobs)


def _several_datasets(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> Iterator[_Caveat]:
    names = _distinct(model.spec.dataset for model in models)
    if len({model.dataset_sha256 for model in models}) > 1:
        said = listed(names) if len(names) > 1 else f"{names[0]} in more than one version"
        yield _Caveat(
            f"The jobs were not trained on the same images ({said}), so their accuracies cannot be compared.",
            _MEASURED,
            _everyone(models),
        )


def _several_settings(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> Iterator[_Caveat]:
    differing = [
        f"{key.replace('_', ' ')} is {listed(values, last='or')}"
        for key in _COMPARED
        if len(values := _distinct(str(getattr(model.spec, key)) for model in models)) > 1
    ]
    if differing:
        yield _Caveat(
            f"The jobs differ in more than the model: {'; '.join(differing)}.",
            _MEASURED | _TIMED,
            _everyone(models),
        )


def _machines_differ(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> Iterator[_Caveat]:
    processors = _distinct(name for model in models for name in model.processors)
    if len(processors) > 1 and len(models) > 1:
        yield _Caveat(
            f"Times were measured on different processors ({listed(processors)}) and are shown as measured: "
            "compare those of one processor only.",
            _TIMED,
            _everyone(models),
        )


def _older_losses(models: Sequence[ModelFigures], datasets: Sequence[DatasetLine]) -> Iterator[_Caveat]:
    older = [model.name for model in models if model.result and model.result.loss_rule == "clipped"]
    if older:
        yield _Caveat(
            f"The validation and test losses of {listed(older)} count a confident misclassification 16.1 at most, as "
            "qcqueue did up to 0.5.1; those of Keras, and of later jobs, have no such bound. Their best epochs were "
            "chosen by them.",
            _MEASURED,
            frozenset(older),
        )


def _unfinished(model: ModelFigures) -> Iterator[_Caveat]:
    if model.is_done:
        return
    so_far = f"{model.epochs_done} of {count(model.spec.epochs, 'epoch')}"
    because = f": {model.failure}" if model.state is State.FAILED and model.failure else ""
    yield _Caveat(
        f"{model.name} is not finished ({model.state}{because}). Figures cover {so_far}; parameters, test accuracy "
        "and everything by class are known only after the final evaluation.",
        frozenset(Quantity) - {Quantity.TIMES},
        frozenset({model.name}),
    )


def _stopped_early(model: ModelFigures) -> Iterator[_Caveat]:
    if model.is_done and model.epochs_done < model.spec.epochs:
        yield _Caveat(
            f"{model.name} ended by early stopping after {model.epochs_done} of {count(model.spec.epochs, 'epoch')}: "
            f"{count(model.spec.early_stopping, 'epoch')} in a row had brought no lower validation loss.",
            frozenset({Quantity.EPOCHS, Quantity.TOTAL_TIME}),
            frozenset({model.name}),
        )


def _relaxed(model: ModelFigures) -> Iterator[_Caveat]:
    if model.spec.determinism == "relaxed" or not all(identity.deterministic for identity in model.identities):
        yield _Caveat(
            f"{model.name} was trained with relaxed determinism: the same run would not give quite the same numbers.",
            _MEASURED,
            frozenset({model.name}),
        )


def _new_lineage(model: ModelFigures) -> Iterator[_Caveat]:
    if model.lineage_changes:
        yield _Caveat(
            f"{model.name} began a new lineage at {listed([_change(change) for change in model.lineage_changes])}. It "
            "is complete, but not bit for bit what one machine alone would have given.",
            _MEASURED,
            frozenset({model.name}),
        )


def _change(change: LineageChange) -> str:
    if change.before is None:
        return f"epoch {change.epoch}"
    changed = [
        f"{key.replace('_', ' ')} from {getattr(change.before, key)} to {getattr(change.after, key)}"
        for key in change.before.differences(change.after)
    ]
    return f"epoch {change.epoch}" + (f" ({listed(changed)})" if changed else "")


def _several_processors(model: ModelFigures) -> Iterator[_Caveat]:
    if len(model.processors) > 1:
        yield _Caveat(f"The times of {model.name} mix {listed(model.processors)}.", _TIMED, frozenset({model.name}))


def _redone(model: ModelFigures) -> Iterator[_Caveat]:
    if model.redone_epochs:
        yield _Caveat(
            f"{model.name} trained {_epochs(model.redone_epochs)} again, from an earlier checkpoint. Only the last "
            f"time counts; {duration(model.replaced_s)} of training are in no figure.",
            frozenset({Quantity.EPOCHS, Quantity.TOTAL_TIME}),
            frozenset({model.name}),
        )


def _withdrawn(model: ModelFigures) -> Iterator[_Caveat]:
    if model.withdrawn_epochs:
        yield _Caveat(
            f"{model.name} had trained {_epochs(model.withdrawn_epochs)} too, whose checkpoint was found damaged; they "
            "count again once they are trained again.",
            frozenset({Quantity.EPOCHS, Quantity.TOTAL_TIME, Quantity.ACCURACY}),
            frozenset({model.name}),
        )


def _epochs(numbers: Sequence[int]) -> str:
    return f"{'epochs' if len(numbers) > 1 else 'epoch'} {ranges(numbers)}"


def _never_predicted(model: ModelFigures) -> Iterator[_Caveat]:
    if model.result is None:
        return
    best, last = model.result.best, model.result.last
    at = _missing_at(best, "best") + (_missing_at(last, "last") if last.epoch != best.epoch else [])
    if at:
        yield _Caveat(
            f"{model.name} never predicts {'; nor '.join(at)}: a class that is never predicted has no precision.",
            frozenset({Quantity.PRECISION}),
            frozenset({model.name}),
        )


def _missing_at(appraisal: Appraisal, which: str) -> list[str]:
    """Say which classes are never predicted at one epoch, together where it is the same of both splits."""
    missing = {"validation": appraisal.validation.never_predicted, "test": appraisal.test.never_predicted}
    alike = dict[tuple[str, ...], list[str]]()
    for split, classes in missing.items():
        alike.setdefault(classes, []).append(split)
    return [
        f"{listed(classes, last='or')} for any {listed(splits, last='or')} image at its {which} epoch"
        for classes, splits in alike.items()
        if classes
    ]


def _no_step_times(model: ModelFigures) -> Iterator[_Caveat]:
    if model.epochs_done and model.times.step_s_p50 is None:
        yield _Caveat(
            f"{model.name} has no time per step: every epoch was a single step, the one that compiles.",
            frozenset({Quantity.TIMES}),
            frozenset({model.name}),
        )


_STUDY_NOTES: tuple[Callable[[Sequence[ModelFigures], Sequence[DatasetLine]], Iterable[_Caveat]], ...] = (
    _dataset_notes,
    _several_datasets,
    _several_settings,
    _machines_differ,
    _older_losses,
)
_JOB_NOTES: tuple[Callable[[ModelFigures], Iterable[_Caveat]], ...] = (
    _unfinished,
    _stopped_early,
    _relaxed,
    _new_lineage,
    _several_processors,
    _redone,
    _withdrawn,
    _never_predicted,
    _no_step_times,
)


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as a person writes them: "3", "1–4 and 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return listed([f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _everyone(models: Sequence[ModelFigures]) -> frozenset[str]:
    return frozenset(model.name for model in models)
