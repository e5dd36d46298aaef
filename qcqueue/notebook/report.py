"""`qcqueue.report(...)` and `qcqueue.results()`: the report in a notebook, or in a plain program.

The page is shown as it lies in its file, inside a frame that runs no script and reaches nothing: `IPython.display`'s
own frame asks the notebook's server for a file, which on Colab is not there to be asked. A frame on Colab lies in one
that is as high as what it shows, so its height is a number and not a share.
"""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qcqueue.app.report import ReportScope, report_on, results_of
from qcqueue.errors import UserError
from qcqueue.notebook.calls import context_of
from qcqueue.notebook.screen import display_here
from qcqueue.reports.quantities.choice import Metric
from qcqueue.text.suggest import clipped

HEIGHT_PX = 900
ITS_OWN_ADDRESS = '<base href="about:srcdoc">'


def report(store: str | None, *, folder: Path, by: str, jobs: Sequence[str]) -> Path:
    """Write the report of some jobs, all where none is named; show its page where a notebook can, return where it lies.

    Raises: QcqueueError.
    """
    if by not in tuple(Metric):
        raise UserError(f"by={clipped(repr(by))} is neither {' nor '.join(Metric)}", hint='by="accuracy"')
    names = (jobs,) if isinstance(jobs, str) else tuple(jobs)
    scope = ReportScope(jobs=names, by=Metric(by))
    written = report_on(context_of(store), folder=folder, certificates=(), narrate=print, scope=scope)
    if written.lacks:
        print(f"without PNG: {written.lacks}; {written.lacks.hint}")
    show_page(written.page)
    return written.page


def results(store: str | None) -> dict[str, Any]:
    """Return every table of the report. Raises: QcqueueError."""
    return results_of(context_of(store))


def show_page(page: Path) -> None:
    """Show the page of a report below the cell, where there is one."""
    if display := display_here():
        shown = {"text/html": frame(page.read_text(encoding="utf-8")), "text/plain": f"Report: {page}"}
        display.display(shown, raw=True)


def frame(page: str) -> str:
    """Return a page of HTML within another, shut off from it.

    Its links to its own parts would lead to the notebook, whose address it has inherited, if nobody said otherwise.
    """
    page = page.replace("<head>", f"<head>{ITS_OWN_ADDRESS}", 1)
    return (
        f'<iframe title="qcqueue report" sandbox srcdoc="{html.escape(page)}" width="100%" height="{HEIGHT_PX}" '
        'style="border:0"></iframe>'
    )
