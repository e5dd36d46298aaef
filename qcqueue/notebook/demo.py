"""`qcqueue.demo()`: the demo below a cell, with one model of Keras, or with toys where there is no TensorFlow.

`drill.demo` plays it; here it is told in a few lines, and its report is shown.
"""

from dataclasses import replace
from pathlib import Path

from qcqueue.drill.demo import one_model, tour, toys
from qcqueue.errors import QcqueueError
from qcqueue.notebook.report import show_page
from qcqueue.notebook.screen import display_here
from qcqueue.worker.machine import can_train


def demo(folder: Path) -> Path | None:
    """Play the demo in a folder and show its report; return the page, None where a reader was told why not.

    Raises: QcqueueError, where no person reads a screen.
    """
    scenario = replace(one_model() if can_train() else toys(), is_quiet=True)
    try:
        shown = tour(folder, scenario, narrate=print, progress=lambda done, total: None)
    except QcqueueError as exc:
        if display_here() is None:
            raise
        print(f"{exc}\nnext: {exc.next_step}")
        return None
    kills = len(shown.certificate.kills)
    print(f"{shown.certificate.job} was killed {kills} times and equals a run that never was")
    show_page(shown.report)
    return shown.report
