"""A CSV as rows of text: encodings, delimiters and quotes as spreadsheets of all countries write them.

Leaves what the columns mean to `labels_csv`. Columns are found by their names in the first line, in any order and case;
every row knows its line in the file, so that a refusal can name it.
"""

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.datasets.limits import CSV_SIZE_BYTES_MAX, FILES_MAX, reason, shown
from qcqueue.datasets.outline import composed, listed
from qcqueue.errors import DatasetInvalid
from qcqueue.stores.regular import NotRegularError, opened
from qcqueue.text.decoding import decoded

if TYPE_CHECKING:
    import _csv

COLUMNS = ("file", "label", "group", "split")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """One line of the table: its number in the file, counted from 1, and its fields by lower-case name of column."""

    line: int
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """A table as it was read; columns: their names in lower case."""

    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]


def read_table(path: Path, *, where: str) -> CsvTable:
    """Return the lines of a CSV with at least the columns file and label. Raises: DatasetInvalid."""
    try:
        with opened(path) as (file, _):
            content = file.read(CSV_SIZE_BYTES_MAX + 1)
    except NotRegularError as exc:
        raise DatasetInvalid(f"{where} {exc}, and no CSV", hint="check the path") from exc
    except OSError as exc:
        raise DatasetInvalid(f"{where} cannot be read: {exc.strerror}", hint="check its permissions") from exc
    if len(content) > CSV_SIZE_BYTES_MAX:
        raise DatasetInvalid(
            f"{where} is larger than {CSV_SIZE_BYTES_MAX // 1024**2} MiB", hint="leave out the columns nobody needs"
        )
    text = _text(content, where=where)
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.strip().casefold() in {f"sep={delimiter}".strip() for delimiter in DELIMITERS}:  # Excel's own header
        text, skipped = rest, 1
    readings = [_columns(text, delimiter) for delimiter in DELIMITERS]
    columns = max(readings, key=lambda names: (len({"file", "label"} & set(names)), len(names)))
    delimiter = DELIMITERS[readings.index(columns)]
    _check_columns(columns, where=where)
    return CsvTable(columns=columns, rows=tuple(_rows(text, columns, delimiter, skipped, where=where)))


def _text(content: bytes, *, where: str) -> str:
    try:
        return decoded(content)
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise DatasetInvalid(
            f"line {line} of {where} is not UTF-8 text", hint='save it as "CSV UTF-8" and add it again'
        ) from exc


def _columns(text: str, delimiter: str) -> tuple[str, ...]:
    """Return the names of the columns under one delimiter, none where the first line cannot be read with it."""
    try:
        header: list[str] = next(_reader(text, delimiter), [])
    except csv.Error:
        return ()
    return tuple(name.strip().casefold() for name in header)


def _reader(text: str, delimiter: str) -> "_csv.Reader":
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)


def _check_columns(columns: Sequence[str], *, where: str) -> None:
    for name in COLUMNS[:2]:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            said = listed(columns, most=6) if any(columns) else "none"
            raise DatasetInvalid(
                f"{where} has no column {name}; its columns: {said}",
                hint=f"rename its column {shown(near[0])} to {name}"
                if near
                else "its first line must name the columns, such as file,label",
            )
    for name in COLUMNS:
        if columns.count(name) > 1:
            raise DatasetInvalid(f"{where} has two columns {name}", hint="rename one of them")


def _rows(text: str, columns: Sequence[str], delimiter: str, skipped: int, *, where: str) -> Iterator[CsvRow]:
    reader = _reader(text, delimiter)
    count = 0
    try:
        next(reader, None)
        before = reader.line_num
        for fields in reader:
            line, before = before + 1 + skipped, reader.line_num
            if not any(field.strip() for field in fields):
                continue
            count += 1
            if count > FILES_MAX:
                raise DatasetInvalid(f"{where} has more than {FILES_MAX} lines", hint="import fewer")
            if len(fields) > len(columns) and any(field.strip() for field in fields[len(columns) :]):
                raise DatasetInvalid(
                    f"line {line} of {where} has {len(fields)} fields for {len(columns)} columns",
                    hint='a field that holds the delimiter stands in quotes: "a,b"',
                )
            # Of two columns with one name, neither of them ours, the last counts, and nobody asks for it.
            values = [composed(field.strip()) for field in fields] + [""] * len(columns)
            yield CsvRow(line=line, fields=dict(zip(columns, values, strict=False)))
    except csv.Error as exc:
        raise DatasetInvalid(
            f"line {reader.line_num + skipped} of {where} is no line of a CSV: {reason(exc)}", hint="mend its quotes"
        ) from exc
