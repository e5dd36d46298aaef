"""Partial responses: `fields=items(id,parents/id),nextPageToken` picks what of an answer is sent.

A name stands for all that is below it, `a/b` and `a(b,c)` go down, `*` is everything. Lists are gone through.
"""

import re
from typing import Any

from tests.support.drive.exchange import invalid

TOKEN = re.compile(r"\s*([A-Za-z0-9_*]+|[(),/])")

Mask = dict[str, "Mask"]


def pick(value: Any, fields: str) -> Any:
    """Return what `fields` asks for; everything where it is empty. Raises: Refusal."""
    return _masked(value, _Parser(fields).read()) if fields else value


def _masked(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [_masked(one, mask) for one in value]
    if isinstance(value, dict):
        return {name: _masked(value[name], below) for name, below in mask.items() if name in value}
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = TOKEN.findall(text)
        if "".join(self._tokens) != re.sub(r"\s", "", text):
            raise self._wrong()

    def read(self) -> Mask:
        mask = self._list()
        if self._tokens:
            raise self._wrong()
        return mask

    def _list(self) -> Mask:
        mask: Mask = {}
        while True:
            name, below = self._one()
            mask[name] = mask.get(name, {}) | below
            if not self._next_is(","):
                return mask

    def _one(self) -> tuple[str, Mask]:
        if not self._tokens or self._tokens[0] in "(),/":
            raise self._wrong()
        name = self._tokens.pop(0)
        if self._next_is("/"):
            return name, dict([self._one()])
        if self._next_is("("):
            below = self._list()
            if not self._next_is(")"):
                raise self._wrong()
            return name, below
        return name, {}

    def _next_is(self, token: str) -> bool:
        found = self._tokens[:1] == [token]
        if found:
            del self._tokens[0]
        return found

    def _wrong(self) -> Exception:
        return invalid(f"Invalid field selection {self._text}", "fields")
