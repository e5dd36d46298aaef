"""What a program printed, made fit to be kept and shown: plain text without secrets and without whose home it is.

It only reads and decides; whose home and which secrets is told by whoever asks. Always true: what comes out holds no
order to a terminal, no line without an end, and no value that was named as a secret or has the shape of a known one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from qcqueue.text.suggest import printable

MOST_BYTES = 8 << 10
LONGEST_BEGINNING, LONGEST_END = 700, 300

# Of a text so many characters are looked through; where that is not all, so many of them may be part of a secret.
_LOOKED_AT, _BEGINNING = 64 << 10, 8 << 10

HIDDEN = "[secret]"

# Names of variables, and of keys within their values, that hold what nobody else may read.
_IS_SECRET = re.compile(
    r"token(?!_?uri)|secret|passw|passphrase|credential|api_?key|access_?key|private_?key|auth(?!or)|cookie"
    r"|(?:^|_)(?:key|pass)$|_(?:pwd|dsn)$|^QCQUEUE_CLIENT$",  # PWD itself is where a person is
    re.IGNORECASE,
)
_SHORTEST_SECRET = 8

# What gives a secret away whoever it belongs to: sign-ins of Google, GitHub, Hugging Face, OpenAI, AWS and Slack, any
# JSON web token, the password in an address, and whatever is called a secret where it stands.
_SHAPES = (
    re.compile(r"ya29\.[\w.-]{8,}"),
    re.compile(r"1(?://|%2F%2F)[\w-]{8,}", re.IGNORECASE),
    re.compile(r"GOCSPX-[\w-]{8,}"),
    re.compile(r"AIza[\w-]{30,}"),
    re.compile(r"(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abeprs]-|npm_|pypi-)[\w-]{12,}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\beyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]{0,4000})?"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(r"(?<=\bbearer )[\w.~+/=-]{8,}", re.IGNORECASE),
)
_CALLED = re.compile(
    r"""((?:refresh_?token|access_?token|id_?token|auth_?token|client_?secret|secret_?access_?key|api_?key|password|passwd)
    (?:\\?["'])?\s*[:=]\s*)(\\?["'][^"'\\]+|[^\s"',;&}]+)""",
    re.IGNORECASE | re.VERBOSE,
)

_ESCAPES = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,16}[@-~]"  # colours, and where the cursor goes
    r"|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|\x1b[ -/]{0,16}[0-~]?"
)
_OVERWRITES = re.compile(r"[\r\b]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """What must not be told: where homes are, what their owner is called there, and values that are secret."""

    homes: tuple[str, ...] = ()
    user: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secret values of an environment, each as it is and as an address or JSON would quote it."""
    found: set[str] = set()
    for name, value in environment.items():
        if _IS_SECRET.search(name):
            found.update(_values(value))
    spelled = {spelling for value in found for spelling in (value, quote(value, safe=""), json.dumps(value)[1:-1])}
    return tuple(sorted((it for it in spelled if len(it) >= _SHORTEST_SECRET), key=len, reverse=True))


def _values(value: str) -> Iterator[str]:
    """Yield the secrets in a value: all of it, or, of a JSON document, what stands under telling names."""
    yield value.strip()
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return
    yield from _leaves(document, depth=4)


def _leaves(document: Any, *, depth: int) -> Iterator[str]:
    if isinstance(document, dict) and depth:
        for name, value in document.items():
            if isinstance(value, str) and _IS_SECRET.search(str(name)):
                yield value
            else:
                yield from _leaves(value, depth=depth - 1)


def discreet(text: str, private: Private) -> str:
    """Return a text without secrets, and with `~` for the home of whoever ran it, however that is spelled."""
    for secret in private.secrets:
        text = text.replace(secret, HIDDEN)
    for shape in _SHAPES:
        text = shape.sub(HIDDEN, text)
    text = _CALLED.sub(rf"\1{HIDDEN}", text)
    for home in _homes(private):
        text = home.sub("~", text)
    return text


def _homes(private: Private) -> Iterator[re.Pattern[str]]:
    """Yield how a home may be spelled: its paths, and its owner's folder below homes of any system."""
    between, ends = r"[\\/]{1,4}", r"(?![\w.-]*\w)"
    for home in sorted(set(private.homes), key=len, reverse=True):
        parts = [part for part in re.split(r"[\\/]+", home) if part]
        if parts:  # the home of a container may be "/", which shortens nothing
            yield re.compile(rf"(?<![\w~-]){between}{between.join(map(re.escape, parts))}{ends}")
    if private.user and private.user != "root":
        below = rf"(?:\b[A-Za-z]:)?(?:{between}[\w.-]{{1,64}}){{0,4}}?{between}(?:home|homes|users){between}"
        yield re.compile(rf"{below}{re.escape(private.user)}{ends}", re.IGNORECASE)


def readable(text: str) -> str:
    """Return what is left on a terminal of what was printed: bars that redraw themselves once, colours not at all."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return "\n".join(_plain(_last_drawn(line)) for line in text.split("\n"))


def _last_drawn(line: str) -> str:
    return next((part for part in reversed(_OVERWRITES.split(line)) if part.strip()), "")


def _plain(line: str) -> str:
    return printable(line.replace("\t", "    ").rstrip())


def kept_end(printed: bytes, private: Private, *, most_bytes: int = MOST_BYTES) -> str:
    """Return the end of what was printed, at most so many bytes as UTF-8, whole lines where they are not endless."""
    text = discreet(_end(readable(printed.decode("utf-8", errors="replace"))), private)
    lines = [_clipped(line) for line in text.strip("\n").split("\n")]
    return "\n".join(_last(lines, most_bytes))


def _end(text: str) -> str:
    """Return as much as can matter; it begins with a line or far before what is kept, so no secret is cut in two."""
    end = text[-_LOOKED_AT:]
    return end if end == text else end[end.find("\n", 0, _BEGINNING) + 1 or _BEGINNING :]


def _clipped(line: str) -> str:
    if len(line) <= LONGEST_BEGINNING + LONGEST_END:
        return line
    return f"{line[:LONGEST_BEGINNING]} ... {line[-LONGEST_END:]}"


def _last(lines: Iterable[str], most_bytes: int) -> list[str]:
    """Return the last lines that together, with their ends, have at most so many bytes."""
    kept, left_bytes = list[str](), most_bytes
    for line in reversed(list(lines)):
        left_bytes -= len(line.encode()) + 1
        if left_bytes < 0:
            break
        kept.append(line)
    return list(reversed(kept))
