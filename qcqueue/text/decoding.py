"""Text files of other people's editors: UTF-8 with or without a byte order mark, or UTF-16 with one, as Notepad has it.

What is wrong with a file that is neither is said by whoever reads it. Always true: no text begins with the mark.
"""

import codecs

MARK = "\ufeff"


def decoded(content: bytes) -> str:
    """Return the text of a file. Raises: UnicodeDecodeError: it is neither UTF-8 nor marked as UTF-16."""
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")
