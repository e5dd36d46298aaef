"""What an image file says beside its pixels: left out where it is broken, and of it all only the orientation is used.

Knows how PNG, JPEG, WebP and GIF are put together and nothing of what is in the parts; TIFF is `tiff`'s. A part is
left out only by its own name and length, so what is cut or broken among the pixels is as cut and broken afterwards.
Nothing is unpacked here but a camera's note, and no more of it than a note has: a text that is a bomb stays packed.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from qcqueue.datasets.tiff import read_directory

PNG, GIF = b"\x89PNG\r\n\x1a\n", (b"GIF87a", b"GIF89a")
PNG_KEPT = {b"acTL": {8}, b"fcTL": {26}, b"fdAT": range(4, 1 << 31)}
PNG_TRANSPARENCY = {0: {2}, 2: {6}, 3: range(1, 257)}
"""The parts that are not needed for every picture, and yet change what is seen: further pictures and, by the kind of
colour, transparency; with the lengths they may have."""

JPEG_DROPPED = {*range(0xE1, 0xEE), 0xEF, 0xFE}
"""APP1 to APP15 and comments, but not Adobe's APP14, which says what the colours are."""

JPEG_WHOLE = {0xE0: 16, 0xEE: 14}
"""Parts that are believed when they are so long: JFIF and Adobe."""

JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}
WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04
GIF_DROPPED = {0x01, 0xFE, 0xFF}
GIF_CONTROL, GIF_CONTROL_BYTES = 0xF9, 4
EXIF_PREFIX = b"Exif\0\0"
PNG_RAW_NOTE = re.compile(rb"Raw profile type exif\0")
"""How ImageMagick keeps a camera's note in a text: a name, a length, and the note in hexadecimal digits."""

RAW_NOTE_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A file without its metadata. exif: what stood in it, whole or not."""

    content: bytes
    exif: bytes = b""


def bare(content: bytes) -> Bare | None:
    """Return the file without its metadata; None where there is none, or its kind is another."""
    if content.startswith(PNG):
        found = _png(content)
    elif content.startswith(b"\xff\xd8"):
        found = _jpeg(content)
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        found = _webp(content)
    elif content.startswith(GIF):
        found = _gif(content)
    else:
        return None
    return found if found.content != content else None


def orientation(exif: bytes) -> int:
    """Return how a camera says a picture is to be turned, 1 to 8; 1, which is upright, where that cannot be read."""
    directory = read_directory(exif.removeprefix(EXIF_PREFIX))
    turn = directory.orientation if directory else 1
    return turn if 1 <= turn <= 8 else 1


def _png(content: bytes) -> Bare:
    kept, exif, raw, at = [PNG], b"", b"", len(PNG)
    lengths = PNG_KEPT | {b"tRNS": PNG_TRANSPARENCY.get(content[25] if len(content) > 25 else 0, ())}
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            break
        if not kind[0] & 0x20:
            kept.append(content[at:end])
        # Where its checksum is wrong a part is not believed, neither by us nor by those who show pictures.
        elif zlib.crc32(content[at + 4 : end - 4]) == struct.unpack_from(">I", content, end - 4)[0]:
            if length in lengths.get(kind, ()):
                kept.append(content[at:end])
            elif kind == b"eXIf":
                exif = content[at + 8 : end - 4]
            elif kind in (b"zTXt", b"tEXt") and (name := PNG_RAW_NOTE.match(content, at + 8, end - 4)):
                raw = raw or _raw_note(content[name.end() : end - 4], is_packed=kind == b"zTXt")
        at = end
    return Bare(content=b"".join([*kept, content[at:]]), exif=exif or raw)


def _raw_note(text: bytes, *, is_packed: bool) -> bytes:
    """Return the camera's note in a text, as far as it can be read."""
    try:
        if is_packed:
            text = zlib.decompressobj().decompress(text[1:], RAW_NOTE_BYTES_MAX)
        return bytes.fromhex(b"".join(text[:RAW_NOTE_BYTES_MAX].split()[2:]).decode("ascii"))
    except (zlib.error, ValueError):
        return b""


def _jpeg(content: bytes) -> Bare:
    kept, exif, at = [content[:2]], b"", 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF or marker in JPEG_ALONE:
            end = at + (1 if marker == 0xFF else 2)
        else:
            end = at + 2 + max(2, int.from_bytes(content[at + 2 : at + 4]))
        if marker == 0xDA or end > len(content):
            break
        if marker not in JPEG_DROPPED and end - at - 2 >= JPEG_WHOLE.get(marker, 0):
            kept.append(content[at:end])
        elif marker == 0xE1 and not exif and content[at + 4 : at + 10] == EXIF_PREFIX:
            exif = content[at + 4 : end]
        at = end
    return Bare(content=b"".join([*kept, content[at:]]), exif=exif)


def _webp(content: bytes) -> Bare:
    kept, exif, at = [], b"", 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        end = at + 8 + length + length % 2
        if kind == b"VP8X" and end <= len(content) and length >= 10:
            flags = content[at + 8] & ~WEBP_METADATA_FLAGS
            kept.append(content[at : at + 8] + bytes([flags]) + content[at + 9 : end])
        elif kind in WEBP_KEPT:
            kept.append(content[at:end])
        elif kind == b"EXIF":
            exif = content[at + 8 : end]
        at = end
    body = b"WEBP" + b"".join(kept)
    return Bare(content=b"RIFF" + struct.pack("<I", len(body)) + body, exif=exif)


def _gif(content: bytes) -> Bare:
    at = 13 + _palette_bytes(content, 10)
    kept = [content[:at]]
    while at + 2 <= len(content):
        if content[at] == 0x21:
            end = _after_blocks(content, at + 2)
            is_broken = content[at + 1] == GIF_CONTROL and content[at + 2 : at + 3] != bytes([GIF_CONTROL_BYTES])
            if content[at + 1] not in GIF_DROPPED and not is_broken:
                kept.append(content[at:end])
        elif content[at] == 0x2C:
            end = _after_blocks(content, at + 11 + _palette_bytes(content, at + 9))
            kept.append(content[at:end])
        else:
            break
        at = end
    return Bare(content=b"".join([*kept, content[at:]]))


def _palette_bytes(content: bytes, flags_at: int) -> int:
    flags = content[flags_at] if flags_at < len(content) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(content: bytes, at: int) -> int:
    """Return where a row of blocks ends, each with its length before it and an empty one at the end."""
    while at < len(content) and content[at]:
        at += 1 + content[at]
    return at + 1
