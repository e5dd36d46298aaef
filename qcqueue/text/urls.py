"""How an address that is refused is shown: without whatever in it can be a secret.

Nobody knows what a mistyped address was meant to be, so more is left out than a good one would have to lose. Always
true: an account, a password, a query and a fragment are never shown.
"""

import re

_LEFT_OUT = "..."
_QUERY = re.compile(r"[?#].*", re.DOTALL)
# A colon that no port follows, as in postgresql://USER:PASSWORD/DATABASE.
_NO_PORT = re.compile(r"(?<=//)[^/]*:(?![0-9]{1,5}(?:/|$))[^/]*")


def bare_url(url: str) -> str:
    """Return an address with dots for all that stands before its last @, and for all from a ? or a # on."""
    scheme, colon, rest = url.partition(":")
    if not colon:
        scheme, rest = "", url
    before, at, place = rest.rpartition("@")
    if at and _QUERY.search(before):  # whether the @ is part of the query cannot be known
        return f"{_bare_scheme(scheme)}{colon}{_LEFT_OUT}"
    slashes = "//" if before.startswith("//") else ""
    place = _QUERY.sub(lambda found: f"{found[0][0]}{_LEFT_OUT}", place)
    if not at:
        place = _NO_PORT.sub(_LEFT_OUT, place)
    return f"{_bare_scheme(scheme)}{colon}{f'{slashes}{_LEFT_OUT}@' if at else ''}{place}"


def _bare_scheme(text: str) -> str:
    """Return what stands before the first colon, unless that can be no scheme."""
    return text if not re.search(r"[@?#]", text) else _LEFT_OUT
