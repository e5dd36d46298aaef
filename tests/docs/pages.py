"""The pages people read, taken apart: headings, links, blocks of code, and what is to be typed.

Only as much of Markdown is understood as these pages use: fences, inline code, links and headings at the left edge.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|&& |\$\()(qcqueue(?: .*?)?)(?=\)\"|$| &&)")
_PLACEHOLDER = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code and the language it says it is in, its lines without what they are indented by."""

    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    for indent, language, body in _FENCE.findall(text):
        yield Block(language, re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))


def prose(text: str) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    return _LINK.findall(_INLINE.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """Return what a link may end in, as GitHub makes it of headings."""
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(text))
    }


def typed(text: str) -> Iterator[list[str]]:
    """Yield the words of every `qcqueue` command of a page, in blocks and in sentences."""
    for block in blocks(text):
        if block.language in ("console", "bash"):
            for line in block.text.splitlines():
                yield from map(_words, _COMMAND.findall(line.removeprefix("$ ").partition(" #")[0].rstrip()))
    for code in _INLINE.findall(prose(text)):
        if code.startswith("qcqueue ") and _PLACEHOLDER not in code:
            yield _words(code.replace("\\|", "|"))


def _words(command: str) -> list[str]:
    command = command.partition(" > ")[0]  # where its output goes is the shell's
    return ["1" if word == "N" else word for word in shlex.split(command)[1:]]  # N stands for a number
