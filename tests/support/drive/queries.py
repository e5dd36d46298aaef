"""The query grammar of `files.list` (v2), read into a predicate over files.

    'ID' in parents · title = 'x' · title contains 'x' · mimeType = 'x' · trashed = true · modifiedDate > 'time'
    properties has { key='k' and value='v' and visibility='PRIVATE' } · and · or · not · ( )

Blanks are free; a quote and a backslash in a text are escaped by a backslash. As on the live service `title =`
ignores case and `title contains` is true of words that begin with the text, of which 26 letters count. Anything
else is refused: an unknown term that matched everything would hide a mistake.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.drive.clock import seconds
from tests.support.drive.drives import is_trashed
from tests.support.drive.exchange import invalid
from tests.support.drive.files import File

TOKEN = re.compile(r"\s*(?:('(?:\\.|[^'\\])*')|([A-Za-z]+)|(<=|>=|!=|[=<>(){}]))")
PREFIX_LETTERS = 26
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a query is asked: the files there are, the root folder, and the app that asks."""

    files: dict[str, File]
    root_id: str
    app: str


Predicate = Callable[[File, Scene], bool]


def parse(text: str) -> Predicate:
    """Return what the query says; an empty one says everything. Raises: Refusal: it is not in the grammar."""
    return _Parser(text).read() if text.strip() else lambda file, scene: True


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while text[position:].strip():
            if not (found := TOKEN.match(text, position)):
                raise _wrong()
            self._tokens.append(found.group().strip())
            position = found.end()

    def read(self) -> Predicate:
        found = self._either()
        if self._tokens:
            raise _wrong()
        return found

    def _either(self) -> Predicate:
        terms = [self._both()]
        while self._next_is("or"):
            terms.append(self._both())
        return lambda file, scene: any(term(file, scene) for term in terms)

    def _both(self) -> Predicate:
        terms = [self._one()]
        while self._next_is("and"):
            terms.append(self._one())
        return lambda file, scene: all(term(file, scene) for term in terms)

    def _one(self) -> Predicate:
        if self._next_is("not"):
            term = self._one()
            return lambda file, scene: not term(file, scene)
        if self._next_is("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._term()

    def _term(self) -> Predicate:
        first = self._take()
        if first.startswith("'"):
            self._expect("in")
            self._expect("parents")
            return _in_parents(_unquoted(first))
        match first:
            case "title":
                return self._title()
            case "mimeType":
                return self._mime_type()
            case "trashed":
                return self._trashed()
            case "modifiedDate":
                return self._modified()
            case "properties":
                return self._properties()
        raise _wrong()

    def _title(self) -> Predicate:
        how, text = self._take(), self._text().casefold()
        if how == "contains":
            prefix = text[:PREFIX_LETTERS]
            return lambda file, scene: any(word.startswith(prefix) for word in _beginnings(file.title.casefold()))
        return _equality(how, lambda file: file.title.casefold() == text)

    def _mime_type(self) -> Predicate:
        how, text = self._take(), self._text()
        if how == "contains":
            return lambda file, scene: file.mime_type.startswith(text)
        return _equality(how, lambda file: file.mime_type == text)

    def _trashed(self) -> Predicate:
        how, word = self._take(), self._take()
        if how not in ("=", "!=") or word not in ("true", "false"):
            raise _wrong()
        wanted = (word == "true") == (how == "=")
        return lambda file, scene: is_trashed(file, scene.files) == wanted

    def _modified(self) -> Predicate:
        compare, text = COMPARISONS.get(self._take()), self._text()
        if compare is None:
            raise _wrong()
        try:
            time_s = seconds(text)
        except ValueError as exc:
            raise _wrong() from exc
        return lambda file, scene: compare(file.modified_s, time_s)

    def _properties(self) -> Predicate:
        self._expect("has")
        self._expect("{")
        wanted: dict[str, str] = {}
        while not wanted or self._next_is("and"):
            name = self._take()
            self._expect("=")
            wanted[name] = self._text()
        self._expect("}")
        if not {"key", "value"} <= wanted.keys() <= {"key", "value", "visibility"}:
            raise _wrong()
        return _has_property(wanted["key"], wanted["value"], wanted.get("visibility", "PRIVATE"))

    def _text(self) -> str:
        token = self._take()
        if not token.startswith("'"):
            raise _wrong()
        return _unquoted(token)

    def _take(self) -> str:
        if not self._tokens:
            raise _wrong()
        return self._tokens.pop(0)

    def _expect(self, token: str) -> None:
        if not self._next_is(token):
            raise _wrong()

    def _next_is(self, token: str) -> bool:
        found = self._tokens[:1] == [token]
        if found:
            del self._tokens[0]
        return found


def _in_parents(folder_id: str) -> Predicate:
    return lambda file, scene: file.parent == (scene.root_id if folder_id == "root" else folder_id)


def _equality(how: str, same: Callable[[File], bool]) -> Predicate:
    if how not in ("=", "!="):
        raise _wrong()
    return lambda file, scene: same(file) == (how == "=")


def _has_property(key: str, value: str, visibility: str) -> Predicate:
    def found(file: File, scene: Scene) -> bool:
        owner = scene.app if visibility == "PRIVATE" else None
        return any((one.key, one.value, one.app) == (key, value, owner) for one in file.properties)

    return found


def _beginnings(title: str) -> list[str]:
    """Return the title from each of its words on."""
    return [title[found.start() :] for found in re.finditer(r"\w+", title)]


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _wrong() -> Exception:
    return invalid("Invalid Value", "q")
