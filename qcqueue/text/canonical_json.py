"""One way to write a value as JSON, so that equal values have equal bytes and equal digests.

Keys sorted, no spaces, UTF-8, floats in Python's shortest form that reads back to the same bits, and no NaN or
infinity: a value that is not a number never reaches a file. What is read may be anybody's, and is refused with one
kind of error, whatever is wrong with it.
"""

import hashlib
import json
import math
import re
from typing import Any

# An escape for half of a letter beyond the first 65,536; two that belong together are one letter.
_HALF_A_LETTER = re.compile(r"\\u[dD][89a-fA-F]")


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`. Raises ValueError for NaN, infinity or a type JSON does not know."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """Return the SHA-256 (hexadecimal) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def parse_json(text: str | bytes) -> Any:
    """Read JSON strictly: UTF-8 without halves of letters, no NaN or infinity, no key that stands twice.

    Raises ValueError: it is none, or is nested so deeply that nobody could use it.
    """
    read = text.decode() if isinstance(text, bytes) else text
    try:
        value = _DECODER.decode(read)
        if _HALF_A_LETTER.search(read):
            canonical_json(value).encode()
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    except UnicodeEncodeError as exc:
        raise ValueError("it holds half of a letter") from exc
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number in it is too large")
    return number


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


# Made once: a look at a long queue reads thousands of short texts.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_refuse_twins)
