"""The tables with one row a model, or some rows for each: how good, at what cost, by class, epoch by epoch."""

from collections.abc import Callable, Iterator, Sequence

from qcqueue.core.evaluation import Appraisal, Evaluation
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.tables.table import JOB, Column, Table, Value, of_models
from qcqueue.text.humanize import duration, listed, percent

MODEL = Column(key=JOB, head="Model", is_text=True)


def to_three(value: float) -> str:
    return f"{value:.3f}"


def to_four(value: float) -> str:
    return f"{value:.4g}"


QUALITY = (
    MODEL,
    # What everybody looks for first stands where a phone shows it.
    *(
        Column(
            key=f"{split}_accuracy_{epoch}",
            head=f"{split.capitalize()} accuracy",
            unit=f"{epoch} epoch",
            about=Quantity.TEST_ACCURACY if split == "test" else Quantity.ACCURACY,
            says=percent,
        )
        for split in ("test", "validation")
        for epoch in ("best", "last")
    ),
    Column(key="best_epoch", head="Best epoch", about=Quantity.ACCURACY),
    Column(key="state", head="State", is_text=True),
    Column(key="epochs_done", head="Epochs", unit="done", about=Quantity.EPOCHS),
    Column(key="epochs_planned", head="Epochs", unit="planned", about=Quantity.EPOCHS),
    Column(key="attempts", head="Attempts"),
    Column(key="interruptions", head="Interruptions"),
)
COST = (
    MODEL,
    Column(key="processor", head="Processor", is_text=True, about=Quantity.TIMES),
    Column(key="trainable_parameters", head="Parameters", unit="trainable", about=Quantity.PARAMETERS),
    Column(key="parameters", head="Parameters", unit="total", about=Quantity.PARAMETERS),
    Column(key="step_s_p50", head="Time per step", unit="median", about=Quantity.TIMES, says=duration),
    Column(key="step_s_p95", head="Time per step", unit="95th percentile", about=Quantity.TIMES, says=duration),
    Column(key="epoch_s_p5", head="Time per epoch", unit="5th percentile", about=Quantity.TIMES, says=duration),
    Column(key="epoch_s_p50", head="Time per epoch", unit="median", about=Quantity.TIMES, says=duration),
    Column(key="epoch_s_p95", head="Time per epoch", unit="95th percentile", about=Quantity.TIMES, says=duration),
    Column(key="total_s", head="Total time", about=Quantity.TOTAL_TIME, says=duration),
)
TIME = (
    MODEL,
    Column(key="total_s", head="Total time", about=Quantity.TOTAL_TIME, says=duration),
    Column(key="train_s", head="Train", about=Quantity.TOTAL_TIME, says=duration),
    Column(key="first_steps_s", head="of which first steps", unit="time", about=Quantity.TOTAL_TIME, says=duration),
    Column(key="first_steps_epochs", head="of which first steps", unit="in epochs", about=Quantity.TOTAL_TIME),
    Column(key="validate_s", head="Validate", about=Quantity.TOTAL_TIME, says=duration),
    Column(key="checkpoint_s", head="Save checkpoints", about=Quantity.TOTAL_TIME, says=duration),
    # Of single steps an epoch keeps its median and its 95th percentile; this is how far those medians differ.
    *(
        Column(
            key=f"step_s_p50_p{share}",
            head="Median step of an epoch",
            unit=f"{share}th percentile",
            about=Quantity.TIMES,
            says=duration,
        )
        for share in (5, 95)
    ),
)
EPOCHS = (
    MODEL,
    Column(key="epoch", head="Epoch"),
    Column(key="attempt", head="Attempt"),
    Column(key="loss", head="Training", unit="loss", says=to_four),
    Column(key="accuracy", head="Training", unit="accuracy", says=percent),
    Column(key="val_loss", head="Validation", unit="loss", says=to_four),
    Column(key="val_accuracy", head="Validation", unit="accuracy", says=percent),
    Column(key="learning_rate", head="Learning rate", says=to_four),
    Column(key="train_s", head="Time", unit="training", says=duration),
    Column(key="val_s", head="Time", unit="validation", says=duration),
    Column(key="checkpoint_s", head="Time", unit="checkpoint", says=duration),
    Column(key="first_step_s", head="Time per step", unit="first", says=duration),
    Column(key="step_s_p50", head="Time per step", unit="median", says=duration),
    Column(key="step_s_p95", head="Time per step", unit="95th percentile", says=duration),
    Column(key="processor", head="Processor", is_text=True),
)
CLASSES = (
    MODEL,
    Column(key="class", head="Class", is_text=True),
    *(
        Column(
            key=f"{split}_{score}",
            head=split.capitalize(),
            unit=score.capitalize() if score != "support" else "Images",
            about=Quantity.PRECISION if score == "precision" else Quantity.TEST_ACCURACY,
            says=to_three if score != "support" else "{:,}".format,
        )
        for split in ("validation", "test")
        for score in ("precision", "recall", "f1", "support")
    ),
)
CONFUSION = (
    MODEL,
    Column(key="weights", head="Weights", is_text=True),
    Column(key="epoch", head="Epoch"),
    Column(key="split", head="Split", is_text=True),
    Column(key="true_class", head="True class", is_text=True),
    Column(key="said_class", head="Predicted class", is_text=True),
    Column(key="images", head="Images", unit="count", about=Quantity.TEST_ACCURACY),
    Column(key="share_of_true_class", head="Images", unit="share", about=Quantity.TEST_ACCURACY, says=percent),
)


def by_model(
    key: str,
    caption: str,
    columns: tuple[Column, ...],
    models: Sequence[ModelFigures],
    rows: Callable[[ModelFigures], Iterator[tuple[Value, ...]]],
) -> Table:
    """Return a table of some rows a model; rows give the values behind the job's name."""
    return of_models(key, caption, columns, ((model.name, *row) for model in models for row in rows(model)), models)


def quality_table(models: Sequence[ModelFigures]) -> Table:
    """Return the accuracies of each job and how far it is."""
    return by_model("quality", "Accuracy and state of every job", QUALITY, models, _quality)


def cost_table(models: Sequence[ModelFigures]) -> Table:
    """Return what each model cost."""
    return by_model("cost", "Parameters and times", COST, models, _cost)


def time_table(models: Sequence[ModelFigures]) -> Table:
    """Return what the time of the epochs that count went into; a first step compiles and is in no time per step."""
    return by_model("time", "Total time by part", TIME, models, _time)


def epoch_table(models: Sequence[ModelFigures]) -> Table:
    """Return every epoch that counts."""
    return by_model("epochs", "Every epoch that counts", EPOCHS, models, _epochs)


def class_table(which: str, models: Sequence[ModelFigures]) -> Table:
    """Return precision, recall, F1 and number of images by class. which: "best" or "last" epoch."""
    caption = f"Precision, recall and F1 at the {which} epoch"
    return by_model(f"classes-{which}", caption, CLASSES, models, lambda model: _classes(model, which))


def confusion_table(models: Sequence[ModelFigures]) -> Table:
    """Return every cell of every confusion matrix, counted and as a share of the true class."""
    return by_model("confusion", "Confusion matrices, cell by cell", CONFUSION, models, _cells)


def _quality(model: ModelFigures) -> Iterator[tuple[Value, ...]]:
    accuracies = model.accuracies
    yield (
        accuracies.test_best,
        accuracies.test_last,
        accuracies.validation_best,
        accuracies.validation_last,
        model.best_epoch,
        str(model.state),
        model.epochs_done,
        model.spec.epochs,
        model.attempt_count,
        model.interruption_count,
    )


def _cost(model: ModelFigures) -> Iterator[tuple[Value, ...]]:
    times = model.times
    yield (
        listed(model.processors) if model.processors else None,
        model.trainable_parameters,
        model.parameters,
        times.step_s_p50,
        times.step_s_p95,
        times.epoch_s_p5,
        times.epoch_s_p50,
        times.epoch_s_p95,
        times.total_s if model.epochs_done else None,
    )


def _time(model: ModelFigures) -> Iterator[tuple[Value, ...]]:
    times = model.times
    if not model.epochs_done:
        yield (None,) * (len(TIME) - 1)
        return
    yield (
        times.total_s,
        times.train_s,
        times.first_steps_s,
        times.first_steps_epochs,
        times.val_s,
        times.checkpoint_s,
        times.step_medians_s.p5 if times.step_medians_s else None,
        times.step_medians_s.p95 if times.step_medians_s else None,
    )


def _epochs(model: ModelFigures) -> Iterator[tuple[Value, ...]]:
    for line in model.epochs:
        metrics, timing = line.metrics, line.timing
        yield (
            metrics.epoch,
            line.attempt,
            metrics.loss,
            metrics.accuracy,
            metrics.val_loss,
            metrics.val_accuracy,
            metrics.learning_rate,
            timing.train_s,
            timing.val_s,
            timing.checkpoint_s,
            timing.first_step_s,
            timing.step_s_p50,
            timing.step_s_p95,
            line.identity.processor,
        )


def _appraisals(model: ModelFigures) -> Iterator[tuple[str, Appraisal]]:
    if model.result:
        yield "best", model.result.best
        yield "last", model.result.last


def _classes(model: ModelFigures, which: str) -> Iterator[tuple[Value, ...]]:
    for weights, appraisal in _appraisals(model):
        if weights == which:
            for name in appraisal.validation.per_class:
                yield (name, *_scores(appraisal.validation, name), *_scores(appraisal.test, name))


def _scores(evaluation: Evaluation, name: str) -> tuple[Value, ...]:
    score = evaluation.per_class[name]
    precision = None if name in evaluation.never_predicted else score.precision
    return precision, score.recall, score.f1, score.support


def _cells(model: ModelFigures) -> Iterator[tuple[Value, ...]]:
    for weights, appraisal in _appraisals(model):
        for split, evaluation in (("validation", appraisal.validation), ("test", appraisal.test)):
            for is_, said, images, share in _matrix(evaluation):
                yield (weights, appraisal.epoch, split, is_, said, images, share)


def _matrix(evaluation: Evaluation) -> Iterator[tuple[str, str, int, float | None]]:
    classes = list(evaluation.per_class)
    for is_, row in zip(classes, evaluation.confusion_matrix, strict=True):
        for said, images in zip(classes, row, strict=True):
            yield is_, said, images, images / sum(row) if sum(row) else None
