"""The tables of the study: one row a model, in one order everywhere, each number with the notes that touch it.

Pure: figures and notes in, markup out. Every table scrolls inside its own box, so that a phone never scrolls the
page sideways; what is not known is a dash, never a zero.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from qcqueue.core.evaluation import Appraisal, ClassScore
from qcqueue.core.words import UNKNOWN, count, duration, percent
from qcqueue.reports.markup import Content, Markup, join, tag
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.figures import ModelFigures
from qcqueue.reports.quantities.honesty import Note, Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its head, shared with its neighbours of the same head, and what its numbers are about."""

    head: str
    unit: str = ""
    about: Quantity | None = None
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and, smaller below it, what it is made of."""

    value: Content
    detail: str | None = None


QUALITY = (
    Column(head="State", is_text=True),
    Column(head="Epochs", about=Quantity.EPOCHS),
    Column(head="Best epoch", about=Quantity.ACCURACY),
    Column(head="Validation accuracy", unit="best epoch", about=Quantity.ACCURACY),
    Column(head="Validation accuracy", unit="last epoch", about=Quantity.ACCURACY),
    Column(head="Test accuracy", unit="best epoch", about=Quantity.TEST_ACCURACY),
    Column(head="Test accuracy", unit="last epoch", about=Quantity.TEST_ACCURACY),
    Column(head="Attempts"),
    Column(head="Interruptions"),
)
COST = (
    Column(head="Processor", is_text=True),
    Column(head="Parameters", unit="trainable", about=Quantity.PARAMETERS),
    Column(head="Parameters", unit="total", about=Quantity.PARAMETERS),
    Column(head="Time per step", unit="median", about=Quantity.TIMES),
    Column(head="Time per step", unit="95th percentile", about=Quantity.TIMES),
    Column(head="Time per epoch", unit="median", about=Quantity.TIMES),
    Column(head="Total time", about=Quantity.TOTAL_TIME),
)
TIME = (
    Column(head="Total", about=Quantity.TOTAL_TIME),
    Column(head="Train", about=Quantity.TOTAL_TIME),
    Column(head="of which first steps", unit="compiling, in no time per step", about=Quantity.TOTAL_TIME),
    Column(head="Validate", about=Quantity.TOTAL_TIME),
    Column(head="Save checkpoints", about=Quantity.TOTAL_TIME),
)


def quality_table(models: Sequence[ModelFigures], notes: Sequence[Note]) -> Markup:
    """Return the table of how good each model became."""
    return _by_model("How good they are", QUALITY, models, notes, _quality)


def cost_table(models: Sequence[ModelFigures], notes: Sequence[Note]) -> Markup:
    """Return the table of what each model cost."""
    return _by_model("What they cost", COST, models, notes, _cost)


def time_table(models: Sequence[ModelFigures], notes: Sequence[Note]) -> Markup:
    """Return the table of what the time was spent on."""
    return _by_model("What the epochs took", TIME, models, notes, _time)


def class_table(
    caption: str, appraisals: Mapping[int, Appraisal], models: Sequence[ModelFigures], notes: Sequence[Note]
) -> Markup:
    """Return precision, recall, F1 and number of images by class; appraisals by the model's place in the report."""
    heads = ("Precision", "Recall", "F1", "Images")
    head = tag(
        "thead",
        tag(
            "tr",
            tag("th", "Model", scope="col", rowspan=2, class_="text model"),
            tag("th", "Class", scope="col", rowspan=2, class_="text"),
            [tag("th", split, scope="colgroup", colspan=len(heads)) for split in ("Validation", "Test")],
        ),
        tag("tr", [tag("th", name, scope="col") for name in heads * 2]),
    )
    bodies = [_class_rows(models[index], index, appraisal, notes) for index, appraisal in appraisals.items()]
    return scrolling(caption, head, bodies)


def scrolling(caption: str, *content: Content, class_: str | None = None) -> Markup:
    """Return a table in a box of its own that scrolls, also by keyboard."""
    return tag(
        "div",
        tag("table", tag("caption", tag("span", caption)), *content, class_=class_),
        class_="scroll",
        role="group",
        aria_label=caption,
        tabindex=0,
    )


def swatch(index: int) -> Markup:
    return tag("span", class_="swatch", style=f"background:{paint(index)}", aria_hidden="true")


def marks(notes: Sequence[Note], about: Quantity | None, *, job: str | None) -> Content:
    """Return the numbers of the notes on one quantity of one job, or of the whole study where job is None."""
    wanted = [
        note
        for note in notes
        if about in note.touches and (note.about_all if job is None else job in note.jobs and not note.about_all)
    ]
    return [
        tag("sup", tag("a", str(note.number), href=f"#note-{note.number}", aria_label=f"note {note.number}"))
        for note in wanted
    ]


def _by_model(
    caption: str,
    columns: Sequence[Column],
    models: Sequence[ModelFigures],
    notes: Sequence[Note],
    cells: Callable[[ModelFigures], Sequence[Cell]],
) -> Markup:
    rows = [
        tag(
            "tr",
            model_head(model, index),
            [
                _cell(column, cell, marks(notes, column.about, job=model.name))
                for column, cell in zip(columns, cells(model), strict=True)
            ],
        )
        for index, model in enumerate(models)
    ]
    return scrolling(caption, _heads(columns, notes), tag("tbody", rows))


def _cell(column: Column, cell: Cell, noted: Content) -> Markup:
    detail = tag("span", cell.detail, class_="detail") if cell.detail else None
    return tag("td", cell.value, noted, detail, class_="text" if column.is_text else None)


def _heads(columns: Sequence[Column], notes: Sequence[Note]) -> Markup:
    """Return two rows: heads, one over all neighbours that share it, and below them the units."""
    upper = [
        tag(
            "th",
            head,
            marks(notes, group[0].about, job=None),
            scope="colgroup" if len(group) > 1 else "col",
            colspan=len(group) if len(group) > 1 else None,
            rowspan=None if group[0].unit else 2,
            class_="text" if group[0].is_text else None,
        )
        for head, members in groupby(columns, key=lambda column: column.head)
        for group in [list(members)]
    ]
    lower = [tag("th", column.unit, scope="col", class_="unit") for column in columns if column.unit]
    model = tag("th", "Model", scope="col", rowspan=2, class_="text model")
    return tag("thead", tag("tr", model, upper), tag("tr", lower))


def model_head(model: ModelFigures, index: int, *, rows: int | None = None, noted: Content = None) -> Markup:
    """Return the head of a model's row, or of its `rows` rows."""
    name = None if model.label == model.name else tag("span", model.name, class_="detail")
    return tag(
        "th",
        swatch(index),
        model.label,
        noted,
        name,
        scope="row" if rows is None else "rowgroup",
        rowspan=rows,
        class_="model",
    )


def _quality(model: ModelFigures) -> list[Cell]:
    accuracies = model.accuracies
    return [
        Cell(tag("span", str(model.state), class_=f"state-{model.state}")),
        Cell(f"{model.epochs_done:,} of {model.spec.epochs:,}"),
        Cell(_whole(model.best_epoch)),
        Cell(percent(accuracies.validation_best)),
        Cell(percent(accuracies.validation_last)),
        Cell(percent(accuracies.test_best)),
        Cell(percent(accuracies.test_last)),
        Cell(f"{model.attempt_count:,}"),
        Cell(f"{model.interruption_count:,}"),
    ]


def _cost(model: ModelFigures) -> list[Cell]:
    times = model.times
    return [
        Cell(join([tag("div", name) for name in model.processors]) or UNKNOWN),
        Cell(_whole(model.trainable_parameters)),
        Cell(_whole(model.parameters)),
        Cell(_seconds(times.step_s_p50)),
        Cell(_seconds(times.step_s_p95)),
        Cell(_seconds(times.epoch_s_p50)),
        Cell(_seconds(times.total_s if model.epochs_done else None)),
    ]


def _time(model: ModelFigures) -> list[Cell]:
    times = model.times
    spent = (times.total_s, times.train_s, times.first_steps_s, times.val_s, times.checkpoint_s)
    cells = [Cell(_seconds(seconds if model.epochs_done else None)) for seconds in spent]
    if times.first_steps_epochs:
        cells[2] = Cell(cells[2].value, f"in {count(times.first_steps_epochs, 'epoch')}")
    return cells


def _class_rows(model: ModelFigures, index: int, appraisal: Appraisal, notes: Sequence[Note]) -> Markup:
    names = list(appraisal.validation.per_class)
    noted = marks(notes, Quantity.TEST_ACCURACY, job=model.name)
    rows = [
        tag(
            "tr",
            model_head(model, index, rows=len(names), noted=noted) if place == 0 else None,
            tag("th", name, scope="row"),
            _scores(appraisal.validation.per_class[name]),
            _scores(appraisal.test.per_class[name]),
        )
        for place, name in enumerate(names)
    ]
    return tag("tbody", rows)


def _scores(score: ClassScore) -> list[Markup]:
    shares = [tag("td", f"{value:.3f}") for value in (score.precision, score.recall, score.f1)]
    return [*shares, tag("td", f"{score.support:,}")]


def _whole(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _seconds(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else duration(seconds)
