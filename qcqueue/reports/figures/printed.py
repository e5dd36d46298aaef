"""Figures for papers: each as PNG, and all of them in one PDF with a page for each, in the order of their numbers.

They are drawn in two processes of their own, one for each format, because drawing keeps Python's lock. Always true: the
same figures give the same bytes, whoever draws them.
"""

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from qcqueue.reports.figures.figure import ReportFigure
from qcqueue.reports.figures.sheet import styled
from qcqueue.stores.registry import without_secrets

PDF = "figures.pdf"
PNG_DPI = 300
FEWEST_ELSEWHERE = 8
"""For fewer figures another process would take longer to begin than to draw them."""


def printed(figures: Sequence[ReportFigure], drawn: Callable[[], None] = lambda: None) -> dict[str, bytes]:
    """Return every file by its name. drawn is called after each page and each PNG. Raises: ExtraMissing."""
    if not figures:
        return {}
    kinds = (as_png, as_pdf)
    if len(figures) < FEWEST_ELSEWHERE:
        return {name: content for kind in kinds for name, content in _counted(kind(figures), drawn)}
    with ThreadPoolExecutor(len(kinds)) as threads:
        parts = threads.map(lambda kind: dict(_counted(_elsewhere(kind, figures), drawn)), kinds)
        return {name: content for part in parts for name, content in part.items()}


def as_png(figures: Sequence[ReportFigure]) -> Iterator[tuple[str, bytes]]:
    """Yield each figure as PNG. Raises: ExtraMissing."""
    with styled():
        for figure in figures:
            written = io.BytesIO()
            figure.draw().figure.savefig(written, format="png", dpi=PNG_DPI, metadata={"Software": None})
            yield f"{figure.name}.png", written.getvalue()


def as_pdf(figures: Sequence[ReportFigure]) -> Iterator[tuple[str, bytes]]:
    """Yield nothing for each page, then the file. Raises: ExtraMissing."""
    with styled():
        from matplotlib.backends.backend_pdf import PdfPages

        written = io.BytesIO()
        with PdfPages(written, metadata={"Creator": None, "Producer": None, "CreationDate": None}) as pages:
            for figure in figures:
                pages.savefig(figure.draw().figure)
                yield "", b""
        yield PDF, written.getvalue()


FigurePrinter = Callable[[Sequence[ReportFigure]], Iterator[tuple[str, bytes]]]


def _counted(files: Iterator[tuple[str, bytes]], drawn: Callable[[], None]) -> Iterator[tuple[str, bytes]]:
    for name, content in files:
        if not content or name != PDF:
            drawn()
        if name:
            yield name, content


def _elsewhere(kind: FigurePrinter, figures: Sequence[ReportFigure]) -> Iterator[tuple[str, bytes]]:
    """Draw in another process; what it could not is drawn here."""
    # -P: what lies in the folder one stands in is no part of Python.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        env=without_secrets(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    found = []
    with process:
        try:
            pickle.dump((kind, figures), process.stdin)
            process.stdin.close()
            for one in _received(process.stdout):
                found.append(one)
                yield one
        except OSError:
            process.kill()
    if process.returncode:
        names = {name for name, _ in found}
        yield from ((name, content) for name, content in kind(figures) if name and name not in names)


def _received(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    while True:
        try:
            yield pickle.load(stream)
        except (EOFError, pickle.UnpicklingError):
            return


if __name__ == "__main__":
    asked, wanted = pickle.load(sys.stdin.buffer)
    for file in asked(wanted):
        pickle.dump(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
