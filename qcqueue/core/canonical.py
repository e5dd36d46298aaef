"""One way to write a value as JSON, so that equal values have equal bytes and equal digests.

Keys sorted, no spaces, UTF-8, floats in Python's shortest form that reads back to the same bits, and no NaN or
infinity: a value that is not a number never reaches a file.
"""

import hashlib
import json
from typing import Any


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`. Raises ValueError for NaN, infinity or a type JSON does not know."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """Return the SHA-256 (hexadecimal) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def parse_json(text: str | bytes) -> Any:
    """Read JSON strictly. Raises ValueError for NaN, infinity or a key that stands twice."""
    return _DECODER.decode(text) if isinstance(text, str) else json.loads(text, **_STRICTLY)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


_STRICTLY: Any = {"parse_constant": _refuse_constant, "object_pairs_hook": _refuse_twins}
# Made once: a look at a long queue reads thousands of short texts.
_DECODER = json.JSONDecoder(**_STRICTLY)
