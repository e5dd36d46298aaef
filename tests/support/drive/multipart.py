"""A multipart/related body of two parts, metadata and bytes, as clients really send it: some end lines with LF.

The standard library's parser would do for texts; it is not used because the bytes must come out as they went in.
"""

import re

from tests.support.drive.exchange import invalid

BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


def split(content_type: str, body: bytes) -> tuple[bytes, str | None, bytes]:
    """Return (metadata, type of the bytes, the bytes). Raises: Refusal: not two parts."""
    found = BOUNDARY.search(content_type)
    if not found:
        raise invalid("Missing boundary", "Content-Type")
    dashes = b"--" + found.group(1).encode()
    end_of_line = b"\r\n" if body.startswith(dashes + b"\r\n") else b"\n"
    # The line end before a boundary belongs to the boundary.
    parts = (end_of_line + body).split(end_of_line + dashes)
    if len(parts) != 4 or not parts[3].startswith(b"--"):
        raise invalid("Malformed multipart body.")
    (_, about), (headers, data) = (_part(part, end_of_line) for part in parts[1:3])
    return about, _content_type(headers), data


def _part(part: bytes, end_of_line: bytes) -> tuple[bytes, bytes]:
    headers, _, body = part.removeprefix(end_of_line).partition(end_of_line * 2)
    return headers, body


def _content_type(headers: bytes) -> str | None:
    for line in headers.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.strip()
    return None
