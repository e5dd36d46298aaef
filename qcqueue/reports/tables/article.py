"""The table of the article: one row a model with all that is asked of it first, in whatever order a reader wants."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.tables.by_model import MODEL, to_three
from qcqueue.reports.tables.table import Column, Table, Value, of_models
from qcqueue.text.humanize import duration, listed, percent

KEY = "models"
CAPTION = "The models: processor, parameters, times and results"

_ACCURACY, _F1 = "Accuracy", "Macro-F1"

COLUMNS = (
    MODEL,
    Column(key="processor", head="Processor", is_text=True, about=Quantity.TIMES),
    Column(key="trainable_parameters", head="Parameters", unit="trainable", about=Quantity.PARAMETERS),
    Column(key="parameters", head="Parameters", unit="total", about=Quantity.PARAMETERS),
    Column(key="step_s", head="Time", unit="per step", about=Quantity.TIMES, says=duration),
    Column(key="epoch_s", head="Time", unit="per epoch", about=Quantity.TIMES, says=duration),
    Column(key="total_s", head="Time", unit="total", about=Quantity.TOTAL_TIME, says=duration),
    Column(key="best_epoch", head="Best epoch", about=Quantity.ACCURACY),
    Column(key="validation_accuracy", head=_ACCURACY, unit="validation", about=Quantity.ACCURACY, says=percent),
    Column(key="test_accuracy", head=_ACCURACY, unit="test", about=Quantity.TEST_ACCURACY, says=percent),
    Column(key="validation_macro_f1", head=_F1, unit="validation", about=Quantity.ACCURACY, says=to_three),
    Column(key="test_macro_f1", head=_F1, unit="test", about=Quantity.TEST_ACCURACY, says=to_three),
    Column(key="chosen", head="Chosen", is_text=True, says=lambda chosen: "yes" if chosen else ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOrder:
    """One order of the table. key names it in a link, said is how its caption ends, column is the one it sorts by."""

    key: str
    said: str
    column: str


ORDERS: tuple[TableOrder, ...] = (
    TableOrder(key="job", said="in the order of the study", column="job"),
    TableOrder(key="trainable", said="fewest trainable parameters first", column="trainable_parameters"),
    TableOrder(key="parameters", said="fewest parameters first", column="parameters"),
    TableOrder(key="step", said="shortest time per step first", column="step_s"),
    TableOrder(key="epoch", said="shortest time per epoch first", column="epoch_s"),
    TableOrder(key="total", said="shortest total time first", column="total_s"),
    TableOrder(key="best-epoch", said="earliest best epoch first", column="best_epoch"),
    TableOrder(key="validation", said="highest validation accuracy first", column="validation_accuracy"),
    TableOrder(key="test", said="highest test accuracy first", column="test_accuracy"),
    TableOrder(key="validation-f1", said="highest macro-F1 in validation first", column="validation_macro_f1"),
    TableOrder(key="test-f1", said="highest test macro-F1 first", column="test_macro_f1"),
)
"""The first is the order that is shown until another is asked for."""

_HIGHEST_FIRST = frozenset({"validation_accuracy", "test_accuracy", "validation_macro_f1", "test_macro_f1"})


def models_table(findings: Findings) -> Table:
    """Return the table in the order of the study."""
    chosen = frozenset(choice.job for choice in findings.choices)
    rows = [(model.name, *(of(model) for of in _VALUES), model.name in chosen) for model in findings.models]
    return of_models(KEY, CAPTION, COLUMNS, rows, findings.models)


def in_order(table: Table, order: TableOrder) -> Table:
    """Return the table sorted; what is not known comes last, and equals stay in the order of the study."""
    place = [column.key for column in table.columns].index(order.column)
    rows = table.rows if place == 0 else tuple(_sorted(table.rows, place, highest_first=order.column in _HIGHEST_FIRST))
    return replace(table, rows=rows, caption=f"{table.caption}; {order.said}")


def _sorted(rows: Sequence[tuple[Value, ...]], place: int, *, highest_first: bool) -> list[tuple[Value, ...]]:
    def rank(row: tuple[Value, ...]) -> tuple[bool, float]:
        value: Any = row[place]
        return value is None, 0.0 if value is None else -value if highest_first else value

    return sorted(rows, key=rank)


# In the order of the columns, without the first and the last.
_VALUES: tuple[Callable[[ModelFigures], Value], ...] = (
    lambda model: listed(model.processors) if model.processors else None,
    lambda model: model.trainable_parameters,
    lambda model: model.parameters,
    lambda model: model.times.step_s_p50,
    lambda model: model.times.epoch_s_p50,
    lambda model: model.times.total_s if model.epochs_done else None,
    lambda model: model.best_epoch,
    lambda model: model.accuracies.validation_best,
    lambda model: model.accuracies.test_best,
    lambda model: model.result.best.validation.macro_f1 if model.result else None,
    lambda model: model.result.best.test.macro_f1 if model.result else None,
)
