"""Where a command writes: streams that take any text, and whose errors say whose they are.

Owns standard input, output and error of this process; what to say when one fails is for `main`. Always true: a stream
that was closed before we began reads and writes nothing, so that no file of ours, and no child's, gets its number.
"""

import codecs
import io
import os
import select
import sys
from typing import TextIO

OUTPUT, ERRORS = "standard output", "standard error"
"""What an error of a stream names as its file."""

_STRICT = ("strict", "surrogateescape")


def settle() -> None:
    """Make the streams of this process fit to be written by any command, once, before it opens anything."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _open_nothing(number)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = _settled(sys.stdout, OUTPUT), _settled(sys.stderr, ERRORS)


def is_utf8() -> bool:
    """Return whether standard output writes UTF-8, in which JSON travels."""
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"


def takes(text: str) -> bool:
    """Return whether standard output can write every letter of a text as it is."""
    return text.isascii() or as_written(text) == text


def as_written(text: str) -> str:
    """Return a text as standard output writes it, with letters that it does not have as escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)


class _Stream(io.FileIO):
    """The file behind a stream. It names itself in its errors, and waits where whoever reads is slow."""

    def __init__(self, number: int, named: str) -> None:
        super().__init__(number, "w", closefd=False)
        self._named = named

    def write(self, data: object, /) -> int:
        try:
            while (written := super().write(data)) is None:  # type: ignore[arg-type]
                select.select([], [self.fileno()], [])
        except OSError as exc:
            exc.filename = self._named
            raise
        return written


def _settled(stream: TextIO, named: str) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # somebody else's, who knows better
        return stream
    errors = "backslashreplace" if stream.errors in _STRICT else stream.errors
    if not isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO):
        stream.reconfigure(errors=errors, line_buffering=True)  # the console of Windows, which has every letter
        return stream
    encoding, is_tty = stream.encoding, stream.isatty()
    if sys.platform == "win32" and not os.environ.get("PYTHONIOENCODING"):  # else a file gets its old code page
        encoding = "utf-8"
    raw = _Stream(stream.fileno(), named)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors=errors,
        line_buffering=is_tty or named == ERRORS,
        write_through=named == ERRORS,
    )


def _open_nothing(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)
        os.set_inheritable(number, True)
