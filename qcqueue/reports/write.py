"""The one act of the package: all files of a report get their name at once, when all of them are on the disk.

They are written into a hidden folder beside the one that was asked for, which then takes its name. An earlier report is
left as it is until then and put back if anything fails; a power cut between the two renames leaves it whole beside the
new one, under a hidden name, from where the next report puts it back. A folder that holds anything else than what a
report has written is left alone.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qcqueue.errors import ExtraMissing, UserError
from qcqueue.reports.files import DOCUMENT, PAGE, files_of
from qcqueue.reports.study import ReportInput
from qcqueue.stores.files import sync
from qcqueue.stores.regular import read_regular
from qcqueue.stores.scratch import LOCKED, hold, is_nobodys, opened_to_lock, remove_if_nobodys, scratch_folder

_READABLE_BY_ALL = 0o644
_OPEN_TO_ALL = 0o755
_MOST_BYTES = 64 << 20
_EARLIER = "-earlier"
_HINT = "qcqueue report --out ANOTHER-FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """Where the page is. lacks: why some files are not there that could be, and what would help; unread: sentences on
    what could not be read and is in no file."""

    page: Path
    lacks: ExtraMissing | None
    unread: tuple[str, ...]


def write_report(
    study: ReportInput, *, folder: Path, narrate: Callable[[str], None] = lambda text: None
) -> WrittenReport:
    """Write the report as `folder`, in place of an earlier one. narrate is told how far it is.

    Raises: UserError: the folder cannot be written, or holds something that is no report.
    """
    target = check_folder(folder)
    files = files_of(study, narrate)
    with _translated(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target.parent, f".{target.name}-", also_older=False) as made:
            _clear_up(target, files.contents, now_s=made.stat().st_mtime)
            _fill(made, files.contents)
            _refuse_what_is_not_ours(folder, target)
            _put_in_place(made, target)
    return WrittenReport(page=folder / PAGE, lacks=files.lacks, unread=files.unread)


def check_folder(folder: Path) -> Path:
    """Return where a report would be written. Raises: UserError: as `write_report`, before any work is done."""
    with _translated(folder):
        target = folder.resolve()
        _refuse_what_is_not_ours(folder, target)
    return target


def _refuse_what_is_not_ours(folder: Path, target: Path) -> None:
    if target in (here := Path.cwd(), *here.parents):
        raise UserError(f"{folder} is where you are; a report gets a folder of its own", hint="qcqueue report")
    if target.is_dir():
        written = _written_before(target)
        names = (
            path.relative_to(target) for path in sorted(target.rglob("*")) if not path.is_dir() or path.is_symlink()
        )
        foreign = next((name for name in names if name.as_posix() not in written), None)
        if foreign:
            raise UserError(
                f"{folder} holds {str(foreign)!r}, which is no part of a report; a report gets a folder of its own",
                hint=_HINT,
            )
    elif target.exists():
        raise UserError(f"the report cannot be written to {folder}: it is a file", hint=_HINT)


def _written_before(target: Path) -> frozenset[str]:
    """Return what an earlier report says that it has written; before 0.5.0 that was a page alone."""
    try:
        said = json.loads(read_regular(target / DOCUMENT, bytes_max=_MOST_BYTES, follow=False))["files"]
        return frozenset(name for name in said if isinstance(name, str))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return frozenset({PAGE})


def _fill(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.chmod(_READABLE_BY_ALL)
    for within in {path.parent for path in (folder / name for name in files)}:
        sync(within)
    # Temporary folders are private; a report to hand on is not.
    folder.chmod(_OPEN_TO_ALL)


def _put_in_place(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
    else:
        earlier = made.with_name(f"{made.name}{_EARLIER}")
        with opened_to_lock(target) as descriptor:
            hold(descriptor)  # as long as somebody is about to put it back, or to remove it
            target.rename(earlier)
            try:
                made.rename(target)
            except BaseException:
                earlier.rename(target)
                raise
            shutil.rmtree(earlier, ignore_errors=True)
    sync(target.parent)


def _clear_up(target: Path, names: Iterable[PurePosixPath], *, now_s: float) -> None:
    """Put back an earlier report that a killed process has set aside, and remove what else such processes left.

    names: of the files of a report. A folder that looks like ours and holds another file is somebody's.
    """
    ours = re.compile(rf"\.{re.escape(target.name)}-[a-z0-9_]{{8}}(?:{re.escape(LOCKED)})?({_EARLIER})?")
    known = frozenset(map(str, names))
    for path in sorted(target.parent.iterdir()):
        found = ours.fullmatch(path.name)
        if not found or path.is_symlink() or not path.is_dir():
            continue
        if not found[1]:
            if not path.name.endswith(LOCKED) and _holds_only(path, known):
                remove_if_nobodys(path, now_s=now_s)
        elif target.exists():
            remove_if_nobodys(path, now_s=now_s, locked=True)
        elif (path / PAGE).is_file() and is_nobodys(path):
            path.rename(target)


def _holds_only(folder: Path, names: frozenset[str]) -> bool:
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return all(name in names for name in files)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise UserError(f"the report cannot be written to {folder}: {exc.strerror or exc}", hint=_HINT) from exc
    except RuntimeError as exc:
        raise UserError(f"the report cannot be written to {folder}: it is a link to itself", hint=_HINT) from exc
