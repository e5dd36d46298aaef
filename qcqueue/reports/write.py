"""The one act of the package: the page gets its name only when all of it is on the disk.

An earlier report stays as it is until then, and stays whole whatever happens: power cut, full disk, Ctrl-C.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qcqueue.errors import UserError
from qcqueue.reports.page.page import report_page
from qcqueue.reports.study import Study

NAME = "report.html"
_READABLE_BY_ALL = 0o644


def write_report(study: Study, *, folder: Path) -> Path:
    """Write the report into `folder`, which is made if need be, and return its path.

    Raises: UserError: the folder cannot be written.
    """
    page = report_page(study)
    target = folder / NAME
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _replace(target, page.encode("utf-8"))
    return target


def _replace(target: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".report-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            # Temporary files are private; a page to hand on is not.
            Path(file.name).chmod(_READABLE_BY_ALL)
            Path(file.name).replace(target)
        finally:
            Path(file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        hint = "qcqueue report --out ANOTHER-FOLDER"
        raise UserError(f"the report cannot be written to {folder}: {exc.strerror or exc}", hint=hint) from exc
