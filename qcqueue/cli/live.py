"""The live picture of a session on a terminal."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qcqueue.app.telling import PHASES, point, waiting
from qcqueue.core.spelling import printable
from qcqueue.core.words import duration
from qcqueue.worker.view import View


def panel(view: View | None) -> RenderableType:
    """Return what to draw for a session."""
    if view is None:
        return Text("looking for a job")
    progress = view.progress
    if progress is None:
        return Text(f"{printable(view.job_name)}  starting its trainer")
    line = Table.grid(padding=(0, 2))
    cells: list[RenderableType] = [Text(printable(view.job_name), style="bold"), Text(PHASES[progress.phase])]
    if progress.epoch:
        cells.append(Text(f"epoch {progress.epoch}/{progress.epochs}"))
    if progress.steps:
        cells.append(ProgressBar(total=progress.steps, completed=progress.step, width=24))
        cells.append(Text(f"step {progress.step}/{progress.steps}"))
    if progress.loss is not None and progress.accuracy is not None:
        cells.append(Text(f"loss {progress.loss:.3f}  accuracy {progress.accuracy:.0%}"))
    if view.epoch_s is not None:
        cells.append(Text(f"{duration(view.epoch_s)} an epoch"))
    line.add_row(*cells)
    why = waiting(view)
    return Group(
        line,
        Text(_saved(view), style="dim"),
        *([Text(f"saving waits: {printable(why)}", style="yellow")] if why else []),
    )


def _saved(view: View) -> str:
    if view.saved is None:
        return "nothing saved yet: an interruption now starts this job from the beginning"
    return f"safe up to {point(view.saved.epochs_done, view.saved.steps_done)}"
