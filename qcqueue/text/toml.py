"""Files that a person writes: TOML read with a sentence for each syntax error, and the line on which every key stands.

Studies, profiles and settings are read here, so all of them name a place as FILE:LINE and say what is not known in the
same words. `tomllib` knows no line numbers, so where one is asked for, the text is walked a second time after `tomllib`
found it valid. The walk only has to tell strings and comments from the rest. A key it cannot place falls back to its
table's line, then to line 1: a wrong line would cost a reader a moment, a crash would cost the whole message.
"""

import math
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qcqueue.errors import SpecInvalid
from qcqueue.text.decoding import MARK
from qcqueue.text.fields import InvalidValue, Reader
from qcqueue.text.suggest import clipped, did_you_mean, printable

MOST_BYTES = 1 << 20
MOST_DOTS = 16
AGAIN = "correct this and run the same command again; nothing was changed"

Path = tuple[str | int, ...]

# A string of any kind, a comment, or one character. Strings come first, so that what is inside them is not read.
TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[^\"'#\n=\[\]{}]+"
    r"|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLocation:
    """Where a value was given: the words a problem begins with, and the line by which problems are sorted."""

    label: str
    line: float

    @property
    def where(self) -> str:
        """Where it stands within its file, in words."""
        return f"line {self.line}" if self.label.endswith(f":{self.line}") else self.label

    @classmethod
    def on_command_line(cls, override: str) -> "KeyLocation":
        return cls(label=f"--set {clipped(override)}", line=math.inf)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A file that is valid TOML. A path is table, key; jobs are numbered from 0: ("job", 2, "model").

    What comes from a program and not from a file has no text, and its keys stand on no line.
    """

    file: str
    text: str | None
    data: Mapping[str, Any]

    def place(self, *path: str | int) -> KeyLocation:
        """Return where `path` stands, or else the nearest table around it."""
        if self.text is None:
            number = path[1] if len(path) > 1 and isinstance(path[1], int) else None
            return KeyLocation(label=self.file if number is None else f"{self.file}, job {number + 1}", line=1)
        while path and path not in self._lines:
            path = path[:-1]
        line = self._lines.get(path, 1)
        return KeyLocation(label=f"{self.file}:{line}", line=line)

    @cached_property
    def _lines(self) -> Mapping[Path, int]:
        return _lines(self.text or "")


class Problems:
    """Collects what is wrong with a file, so that a person corrects it once and not once a mistake."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str, float] = {}

    def add(self, place: KeyLocation, key: str, sentence: str) -> None:
        self._found.setdefault(f"{place.label}: {key}: {sentence}", place.line)

    def read(self, reader: Reader, value: Any, place: KeyLocation, key: str) -> Any:
        """Return what a reader makes of a value, None where it is refused."""
        try:
            return reader(value)
        except InvalidValue as refused:
            self.add(place, key, str(refused))
            return None

    def raise_if_any(self) -> None:
        """Raises: SpecInvalid: with a sentence for each, in the order of the lines, as far as they are not too many."""
        if not self._found:
            return
        sentences = sorted(self._found, key=self._found.__getitem__)
        rest = len(sentences) - self._most
        raise SpecInvalid(sentences[: self._most] + ([f"... and {rest} more"] if rest > 0 else []), hint=AGAIN)


def unknown_key(
    key: str,
    allowed: Collection[str],
    *,
    where: str = "",
    known: Collection[str] = (),
    known_as: Mapping[str, str] | None = None,
) -> str:
    """Say that a key is not known, what may stand there, and which of those that are `known` was probably meant."""
    meant = did_you_mean(key, known or allowed, known_as=known_as)
    return f"found an unknown key, allowed {where}are {', '.join(allowed)}{meant}"


def read_page(text: str, *, file: str, of: str) -> Page:
    """Read TOML. of: what the file is, for a message.

    Raises: SpecInvalid: the text is too long or is not TOML; one sentence with the line.
    """
    file = printable(file)
    if len(text) > MOST_BYTES or len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise SpecInvalid([f"{file}:1: size: found more than 1 MB, allowed is up to 1 MB of text"], hint=AGAIN)
    text = text.removeprefix(MARK).replace("\r\n", "\n")
    _refuse_endless_keys(text, file, of)
    try:
        return Page(file=file, text=text, data=tomllib.loads(text))
    except RecursionError:
        sentence = f"{file}:1: syntax: found brackets nested too deeply, allowed are the tables of {of}"
        raise SpecInvalid([sentence], hint=AGAIN) from None
    except ValueError as error:  # mostly TOMLDecodeError; a plain ValueError for a number of thousands of digits
        raise SpecInvalid([_syntax_error(str(error), text, file)], hint=AGAIN) from error


def read_value(written: str) -> Any:
    """Return the value that stands after KEY=, or the words themselves where they are no TOML: they need no quotes."""
    try:
        table = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    return table["value"] if len(table) == 1 else written


# What `tomllib` says, to what a person can do about it. Where nothing fits, its own words must do.
REMEDIES: tuple[tuple[str, str], ...] = (
    ("Cannot declare ('job',) twice", "each job begins with [[job]], in two pairs of brackets"),
    ("Cannot declare", "each table may stand once"),
    ("Cannot overwrite", "each key may stand once in its table"),
    ("Duplicate inline table key", "each key may stand once in its table"),
    ("Invalid value", 'text needs straight quotes, such as optimizer = "adam"'),
    ("Unescaped '\\'", "a path with backslashes needs single quotes"),
    ("Invalid hex value", "a path with backslashes needs single quotes"),
    ("Expected '='", "each line is KEY = VALUE, a [table] or a # comment"),
    ("Invalid statement", "each line is KEY = VALUE, a [table] or a # comment"),
    ("Illegal character '\\n'", "a text ends on its line, with the quote it began with"),
    ("Illegal character", "the line holds an invisible character"),
    ("Found invalid character", "the line holds an invisible character"),
    ("Exceeds the limit", "a number has at most 64 bits"),
)


def _refuse_endless_keys(text: str, file: str, of: str) -> None:
    """Refuse a.a.a.a... before `tomllib` sees it: its memory grows with the square of the dots in a key."""
    line, dots = 1, 0
    for token in TOKEN.findall(text):
        if token == "\n":
            dots = 0
        elif token[0] not in "\"'#" and (dots := dots + token.count(".")) > MOST_DOTS:
            sentence = f"found more than {MOST_DOTS} dots outside of text, allowed are the keys of {of}"
            raise SpecInvalid([f"{file}:{line}: syntax: {sentence}"], hint=AGAIN)
        line += token.count("\n")


def _syntax_error(message: str, text: str, file: str) -> str:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    said = message[: found.start()] if found else message
    rows = text.split("\n")
    line = int(found[1]) if found and found[1] else len(text.rstrip().split("\n"))
    column = f", column {found[2]}" if found and found[2] else ""
    row = clipped(rows[min(line, len(rows)) - 1].strip())
    remedy = next((f"; {remedy}" for start, remedy in REMEDIES if said.startswith(start)), "")
    return f"{file}:{line}: syntax: found `{row}`, which is not valid TOML{column}: {printable(said)}{remedy}"


def _lines(text: str) -> dict[Path, int]:
    """Return the line of every table and key. Jobs are counted, so that the third [[job]] is ("job", 2)."""
    lines: dict[Path, int] = {}
    table: Path = ()
    jobs = 0
    for line, head in _heads(text):
        path = _path(head)
        if head.startswith("[["):
            jobs += path == ("job",)
        if head.startswith("["):
            table = path = ("job", jobs - 1, *path[1:]) if jobs and path[:1] == ("job",) else path
        else:
            path = (*table, *path)
        for end in range(1, len(path) + 1):
            lines.setdefault(path[:end], line)
    return lines


def _heads(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each table header and of each key left of its `=`."""
    line, head, depth, in_value = 1, "", 0, False
    for token in TOKEN.findall(text + "\n"):
        if token == "\n" and depth <= 0:
            if head.strip() and not in_value:
                yield line, head.strip()
            head, depth, in_value = "", 0, False
        elif token == "=" and not in_value:
            yield line, head.strip()
            in_value = True
        elif not token.startswith("#"):
            depth += (token in ("[", "{")) - (token in ("]", "}"))
            head += "" if in_value else token
        line += token.count("\n")


def _path(head: str) -> Path:
    """Return the parts of a header or key. `tomllib` reads it, because it knows quotes, dots and escapes."""
    try:
        value: Any = tomllib.loads(head if head.startswith("[") else f"{head} = 0")
    except (ValueError, RecursionError):
        return ()
    path: list[str] = []
    while isinstance(value, dict) and value:
        key, value = next(iter(value.items()))
        path.append(key)
        value = value[0] if isinstance(value, list) else value
    return tuple(path)
