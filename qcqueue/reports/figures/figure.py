"""What one figure of a report is: where it stands, what is said of it, and how it is drawn.

Always true: nothing is drawn until somebody asks, and what draws it can travel to another process.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from qcqueue.reports.quantities.caveats import Note, Quantity
from qcqueue.reports.quantities.findings import Findings

if TYPE_CHECKING:
    from qcqueue.reports.figures.sheet import Sheet

MOST_ALONE = 20
"""Of more models small multiples are drawn, instead of a figure for each or a line with a name for each."""


class Section(StrEnum):
    """Where figures stand: a part of the page, or among the files alone, as what the page has as a table."""

    ACCURACY = "accuracy"
    LEARNING = "learning"
    TIMES = "times"
    CLASSES = "classes"
    CALIBRATION = "calibration"
    MODEL = "each-model"
    OPERATIONS = "operations"
    FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigure:
    """One figure. name is unique in its report and names its files; number is its place in the report, from 1.

    title says in one line what is shown, caption how to read it, alt what is to be seen, for those who do not see it.
    notes are the numbers of the notes on what it shows. job is the full name of the job that it is about alone. draw
    gives the figure, 85 mm wide, and is a function of a module or a partial of one.
    """

    name: str
    section: Section
    title: str
    caption: str
    alt: str
    notes: tuple[int, ...]
    draw: "Callable[[], Sheet]"
    job: str | None = None
    number: int = 0


def notes_on_figure(
    findings: Findings, about: Quantity | None, *, jobs: Iterable[str] | None = None
) -> tuple[int, ...]:
    """Return the numbers of the notes on a quantity, ascending. jobs: those that are shown; None for all."""
    shown = {model.name for model in findings.models} if jobs is None else set(jobs)
    return tuple(note.number for note in findings.notes if about in note.touches and not _misses(note, shown))


def _misses(note: Note, jobs: set[str]) -> bool:
    return jobs.isdisjoint(note.jobs)
