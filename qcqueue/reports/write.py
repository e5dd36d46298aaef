"""The one act of the package: all files of a report get their name at once, when all of them are on the disk.

They are written into a folder beside the one that was asked for, which then takes its name. An earlier report stays as
it is until then, and stays whole whatever happens: power cut, full disk, Ctrl-C. A folder that holds anything else is
left alone.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qcqueue.errors import ExtraMissing, UserError
from qcqueue.reports.files import PAGE, files_of, is_of_a_report
from qcqueue.reports.study import Study

_READABLE_BY_ALL = 0o644
_OPEN_TO_ALL = 0o755
_HINT = "qcqueue report --out ANOTHER-FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where the page is. lacks: why some files are not there that could be, and what would help."""

    page: Path
    lacks: ExtraMissing | None


def write_report(study: Study, *, folder: Path) -> Written:
    """Write the report as `folder`, in place of an earlier one.

    Raises: UserError: the folder cannot be written, or holds something that is no report.
    """
    target = folder.resolve()
    _refuse_what_is_not_ours(folder, target)
    files = files_of(study)
    with _translated(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            _fill(made, files.contents)
            _put_in_place(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return Written(page=folder / PAGE, lacks=files.lacks)


def _refuse_what_is_not_ours(folder: Path, target: Path) -> None:
    if target.is_dir():
        foreign = sorted(path.name for path in target.iterdir() if not is_of_a_report(path.name))
        if foreign:
            raise UserError(
                f"{folder} holds {foreign[0]!r}, which is no part of a report; a report gets a folder of its own",
                hint=_HINT,
            )
    elif target.exists():
        raise UserError(f"the report cannot be written to {folder}: it is a file", hint=_HINT)


def _fill(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.chmod(_READABLE_BY_ALL)
    # Temporary folders are private; a report to hand on is not.
    folder.chmod(_OPEN_TO_ALL)


def _put_in_place(made: Path, target: Path) -> None:
    """Let `made` be `target`. Between two renames the earlier report stands under another name, whole."""
    if not target.exists():
        made.rename(target)
        return
    earlier = made.with_name(f"{made.name}-earlier")
    target.rename(earlier)
    try:
        made.rename(target)
    except BaseException:
        earlier.rename(target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise UserError(f"the report cannot be written to {folder}: {exc.strerror or exc}", hint=_HINT) from exc
