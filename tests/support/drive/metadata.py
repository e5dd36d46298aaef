"""The metadata a client sends, read and checked against the limits the API documents.

Reading decides nothing about the drive: whether a parent exists or an id is free is asked in `drives`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.drive.clock import seconds
from tests.support.drive.exchange import invalid
from tests.support.drive.files import Property

PROPERTY_BYTES = 124
PROPERTIES_OF_A_FILE = 100
PROPERTIES_OF_A_KIND = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a body said; None is what it did not say. A property's value is None where the client removes it."""

    id: str | None = None
    title: str | None = None
    mime_type: str | None = None
    parent: str | None = None
    description: str | None = None
    modified_s: float | None = None
    properties: tuple[tuple[Property, bool], ...] | None = None


def read(body: Mapping[str, Any], app: str) -> Metadata:
    """Raises: Refusal: a value has the wrong form."""
    parents = body.get("parents")
    if parents is not None and (not isinstance(parents, list) or len(parents) > 1):
        raise invalid("A file has one parent", "parents")
    stated = body.get("properties")
    return Metadata(
        id=_text(body, "id"),
        title=_text(body, "title"),
        mime_type=_text(body, "mimeType"),
        parent=str(parents[0].get("id", "")) if parents else None,
        description=_text(body, "description"),
        modified_s=_time(body.get("modifiedDate")),
        properties=None if stated is None else tuple(_property(one, app) for one in stated),
    )


def merged(before: Iterable[Property], change: Metadata, app: str, *, merge: bool) -> tuple[Property, ...]:
    """Return a file's properties after a change. Raises: Refusal: too many."""
    if change.properties is None:
        return tuple(before)
    kept = {(one.key, one.app): one for one in before if merge or one.app not in (None, app)}
    for one, removed in change.properties:
        kept.pop((one.key, one.app), None)
        if not removed:
            kept[one.key, one.app] = one
    for kind in (app, None):
        if sum(one.app == kind for one in kept.values()) > PROPERTIES_OF_A_KIND:
            raise invalid(f"A file has at most {PROPERTIES_OF_A_KIND} properties of one visibility", "properties")
    if len(kept) > PROPERTIES_OF_A_FILE:
        raise invalid(f"A file has at most {PROPERTIES_OF_A_FILE} properties", "properties")
    return tuple(kept.values())


def _property(stated: Any, app: str) -> tuple[Property, bool]:
    """Return the property and whether it is to be removed. PRIVATE is the default."""
    if not isinstance(stated, dict) or not isinstance(stated.get("key"), str):
        raise invalid("A property needs a key", "properties")
    visibility = stated.get("visibility", "PRIVATE")
    if visibility not in ("PRIVATE", "PUBLIC"):
        raise invalid(f"Invalid visibility {visibility}", "properties")
    key, value = stated["key"], stated.get("value")
    if len(key.encode()) + len(str(value or "").encode()) > PROPERTY_BYTES:
        raise invalid(f"Key and value of a property have at most {PROPERTY_BYTES} bytes", "properties")
    owner = app if visibility == "PRIVATE" else None
    return Property(key=key, value=str(value or ""), app=owner), value is None


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"Invalid value for {name}", name)
    return value


def _time(text: Any) -> float | None:
    try:
        return None if text is None else seconds(str(text))
    except ValueError as exc:
        raise invalid(f"Invalid time {text}", "modifiedDate") from exc
