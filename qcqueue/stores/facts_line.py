"""The facts of a slot as one line of JSON, where a slot is a file or an object: its bytes follow."""

import json
from collections.abc import Mapping

from qcqueue.errors import CorruptionError

FACTS_BYTES_MAX = 1 << 16
BODY_BYTES_MAX = 64 << 20
"""More than any version packs into: what is larger is not read."""


def first_line(facts: Mapping[str, str]) -> bytes:
    """Return the line, its end included."""
    return json.dumps(dict(facts), sort_keys=True).encode() + b"\n"


def facts_in(line: bytes, place: object) -> dict[str, str]:
    """Return what a line says. place: of the slot, for messages. Raises: CorruptionError: it is no line of facts."""
    try:
        facts = json.loads(line.decode())
        "".join(facts).encode()  # an escape can stand for half a letter, which no text can hold
        "".join(facts.values()).encode()
    except (AttributeError, TypeError) as exc:
        raise CorruptionError(f"{place} is damaged: its facts are not all text") from exc
    except (ValueError, RecursionError) as exc:
        raise CorruptionError(f"{place} is damaged: it does not begin with a line of facts") from exc
    return dict(facts)
