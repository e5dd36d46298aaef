"""A CSV of `file,label[,group][,split]`: the third way to say which files are the images of which class.

Owns what the columns mean, and the sentence with the line for each thing that is wrong; `table` owns the text, `layout`
class names, `part_names` the spellings of a split. A file named there lies below the CSV's own folder and is reached
through no link, so a table from elsewhere cannot make qcqueue read what was not meant.
"""

import difflib
import re
import shlex
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qcqueue.datasets.format import Split
from qcqueue.datasets.groups import FOLDER, with_groups
from qcqueue.datasets.layout import (
    Arrangement,
    Member,
    arranged,
    check_class_count,
    check_class_name,
    check_twins,
)
from qcqueue.datasets.limits import shown
from qcqueue.datasets.meant_columns import check_unused
from qcqueue.datasets.outline import check_path, composed, leads_out, listed
from qcqueue.datasets.part_names import split_named
from qcqueue.datasets.table import CsvRow, CsvTable, read_table
from qcqueue.errors import DatasetInvalid

ENDINGS = (".csv", ".tsv")
FOLDER_OF_FILE = "^(.+)/"
MISSING_SHOWN = 20
PATH_SHOWN = 40


def is_csv(path: Path) -> bool:
    """Return whether a path is a file that is called a table."""
    return path.suffix.casefold() in ENDINGS and path.is_file()


def arrange_csv(path: Path, *, where: str, group_by: str | None) -> Arrangement:
    """Return the images of a CSV. group_by: a column, or a pattern over the column file; None for the column group.

    Raises: DatasetInvalid: naming the line.
    """
    table = read_table(path, where=where)
    column = _group_column(table, group_by, where=where)
    unused = [name for name in dict.fromkeys(table.columns) if name and name not in ("file", "label", "split", column)]
    check_unused(table, unused, is_grouped=group_by is not None or column is not None, where=where)
    arrangement = arrange_rows(table, root=path.parent, where=where, group_column=column)
    if unused:
        arrangement = replace(arrangement, notes=(*arrangement.notes, f"columns not used: {listed(unused)}"))
    if group_by is not None and column is None:
        return replace(arrangement, members=with_groups(arrangement.members, group_by, where=where))
    said = [f"groups are those of the column {column}"] if column and group_by is None else []
    return replace(arrangement, notes=(*arrangement.notes, *said))


def _group_column(table: CsvTable, group_by: str | None, *, where: str) -> str | None:
    """Return the column that groups, None where a pattern does or nothing. An empty column group asks for nothing."""
    if group_by is None:
        is_used = "group" in table.columns and any(row.fields["group"] for row in table.rows)
        return "group" if is_used else None
    name = composed(group_by.strip()).casefold()
    if name in table.columns:
        return name
    if "(" in group_by:
        return None
    others = [column for column in table.columns if column not in ("file", "label", "split") and column]
    near = difflib.get_close_matches(name, others, n=1)
    if (
        name == FOLDER
        and not others
        and all(re.search(FOLDER_OF_FILE, _slashed(row.fields["file"])) for row in table.rows)
    ):
        raise DatasetInvalid(
            f"{where} has no column folder, and --group-by folder means subfolders of class folders",
            hint=f"--group-by '{FOLDER_OF_FILE}' keeps the files of each folder in one part",
        )
    proposed = near[0] if near else "group" if "group" in others else others[0] if others else None
    raise DatasetInvalid(
        f"{where} has no column {shown(group_by)}" + (f"; did you mean {shown(near[0])}?" if near else ""),
        hint=f"--group-by {shlex.quote(shown(proposed))}"
        if proposed
        else "add a column group, or give a pattern over the files",
    )


def arrange_rows(table: CsvTable, *, root: Path, where: str, group_column: str | None) -> Arrangement:
    """Return the images of a table. group_column: the column whose images stay together, None for no group.

    Raises: DatasetInvalid: naming the line.
    """
    member_of: dict[str, Member] = {}
    line_of: dict[str, int] = {}
    repeated = 0
    for row in table.rows:
        member = _member(row, group_column, has_split="split" in table.columns, where=where)
        known = member_of.setdefault(member.path, member)
        first = line_of.setdefault(member.path, row.line)
        if known != member:
            differing = next(
                name for name in ("class_name", "split", "group") if getattr(known, name) != getattr(member, name)
            )
            raise DatasetInvalid(
                f"lines {first} and {row.line} of {where} name {shown(member.path)} with two "
                f"{'label' if differing == 'class_name' else differing}s",
                hint="remove one of the lines",
            )
        repeated += first != row.line
    if not member_of:
        raise DatasetInvalid(f"{where} lists no images", hint="one line a file, below a first line of file,label")
    members = _found(list(member_of.values()), root, line_of, where=where)
    classes = {member.class_name for member in members}
    check_twins(classes, "classes", where=where)
    check_twins((member.path for member in members), "files", where=where)
    check_class_count(classes, where=where)
    _check_parts(members, where=where)
    return arranged(members, [f"lines that repeat a file: {repeated} (taken once)"] if repeated else [])


def _member(row: CsvRow, group_column: str | None, *, has_split: bool, where: str) -> Member:
    at = f"line {row.line} of {where}"
    path, label = _path(row.fields["file"], at=at), row.fields["label"]
    if not label:
        raise DatasetInvalid(f"{at} has no label for {shown(path)}", hint="write its class there or remove the line")
    check_class_name(label, where=at)
    group = row.fields[group_column] if group_column is not None else None
    if group == "":
        raise DatasetInvalid(
            f"{at} has nothing in the column {shown(group_column or '')}",
            hint="write there what stays together, for an image of its own a name of its own",
        )
    split = None
    if has_split:
        split = split_named(row.fields["split"])
        if split is None:
            raise DatasetInvalid(
                f"{at} has the split {shown(row.fields['split'])}, which is not train, validation or test",
                hint="write one of them in every line, or remove the column split",
            )
    return Member(path=path, class_name=label, name=path, split=split, group=group)


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _path(written: str, *, at: str) -> str:
    path = _slashed(written)
    if not path:
        raise DatasetInvalid(f"{at} names no file", hint="write one there or remove the line")
    if leads_out(path):
        raise DatasetInvalid(
            f"{at} names {shown(written)}, which is not below the folder of the CSV",
            hint="put the CSV above its images and write their paths from there",
        )
    path = "/".join(part for part in path.split("/") if part not in ("", "."))
    check_path(path or ".", where=at)
    return path


def _found(members: Sequence[Member], root: Path, line_of: dict[str, int], *, where: str) -> list[Member]:
    """Return members with their paths as this disk spells them; its accents may stand apart. Raises: DatasetInvalid."""
    folders: dict[str, str | None] = {"": ""}
    paths = [
        _located(member.path, root, folders, at=f"line {line_of[member.path]} of {where} names {shown(member.path)}")
        for member in members
    ]
    missing = [member.path for member, path in zip(members, paths, strict=True) if path is None]
    if missing:
        said = [f"line {line_of[path]} {_short(path)}" for path in missing[:MISSING_SHOWN]]
        more = f" and {len(missing) - len(said)} more" if len(missing) > len(said) else ""
        raise DatasetInvalid(
            f"{len(missing)} of {len(members)} files of {where} are not there: {', '.join(said)}{more}",
            hint="paths count from the folder of the CSV and end as the files do, such as images/1.png",
        )
    return [replace(member, path=path) for member, path in zip(members, paths, strict=True) if path is not None]


def _located(path: str, root: Path, folders: dict[str, str | None], *, at: str, is_file: bool = True) -> str | None:
    """Return a path as the disk spells it, None where it is not there. folders: those that were looked at before."""
    folder, _, name = path.rpartition("/")
    if folder not in folders:
        folders[folder] = _located(folder, root, folders, at=at, is_file=False)
    inside = folders[folder]
    if inside is None:
        return None
    for spelled in dict.fromkeys((name, unicodedata.normalize("NFD", name))):
        here = f"{inside}/{spelled}" if inside else spelled
        try:
            mode = (root / here).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            raise DatasetInvalid(f"{at}, which cannot be read: {exc.strerror}", hint="check its permissions") from exc
        if stat.S_ISLNK(mode):
            raise DatasetInvalid(f"{at}, and {shown(here)} is a link", hint="put the file itself there")
        if not (stat.S_ISREG(mode) if is_file else stat.S_ISDIR(mode)):
            kind = "file" if is_file else "folder"
            raise DatasetInvalid(f"{at}, but {shown(here)} is no {kind}", hint="correct the line or remove it")
        return here
    return None


def _check_parts(members: Sequence[Member], *, where: str) -> None:
    """Refuse a split without train, or with a class missing from one of its parts. Raises: DatasetInvalid."""
    parts = sorted({member.split for member in members if member.split is not None})
    if parts and Split.TRAIN not in parts:
        raise DatasetInvalid(
            f"no line of {where} has the split train", hint="write train there, or remove the column split"
        )
    filled = {(member.class_name, member.split) for member in members}
    for class_name in sorted({member.class_name for member in members}):
        for split in parts:
            if (class_name, split) not in filled:
                raise DatasetInvalid(
                    f"the class {shown(class_name)} of {where} has no image in {split.name.lower()}",
                    hint="give it one, or remove the column split",
                )


def _short(path: str) -> str:
    said = shown(path)
    return said if len(said) <= PATH_SHOWN else f"...{said[-PATH_SHOWN:]}"
