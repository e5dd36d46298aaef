"""JSON files that somebody else wrote: a client of the Google console, a token pasted by hand.

They are hostile until checked, and they hold secrets: what is wrong with one is told by its name and the key, never
by its content, and no error carries the error of the JSON reader, which quotes what it read.
"""

import json
from pathlib import Path
from typing import Any

from qcqueue.errors import SettingInvalid
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.decoding import MARK, decoded

LARGEST_CHARS = 16 * 1024
LARGEST_BYTES = 4 * LARGEST_CHARS
LONGEST_WORD = 2048


def read_paper(path: Path, *, hint: str) -> str:
    """Return the text of a small file. Raises: SettingInvalid: it cannot be read, or is no text."""
    try:
        return decoded(read_regular(path, bytes_max=LARGEST_BYTES))
    except NotRegularError as exc:
        raise SettingInvalid(f"{path} {exc}", hint=hint) from None
    except OSError as exc:
        raise SettingInvalid(f"{path} cannot be read: {exc.strerror}", hint=hint) from exc
    except ValueError:
        raise SettingInvalid(f"{path} is not text in UTF-8", hint=hint) from None


def parse_paper(text: str, *, source: str, hint: str) -> dict[str, Any]:
    """Return a JSON object. Raises: SettingInvalid: `text` is none, or too long for one of ours."""
    if len(text) > LARGEST_CHARS:
        raise SettingInvalid(f"{source} is too long to be what it should be", hint=hint)
    try:
        found = json.loads(text.lstrip().removeprefix(MARK))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SettingInvalid(f"{source} does not hold a JSON object", hint=hint)
    return found


def word_of(found: dict[str, Any], key: str, *, source: str, hint: str) -> str:
    """Return a value that must be one word of ASCII. Raises: SettingInvalid."""
    word = found.get(key)
    if not is_word(word):
        raise SettingInvalid(f"{source}: {key!r} is missing or not what Google writes there", hint=hint)
    return str(word)


def is_word(value: object) -> bool:
    """Whether this can be an id, a token or an address: printable ASCII, without spaces, of sane length."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and all("!" <= char <= "~" for char in value)
