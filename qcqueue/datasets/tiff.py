"""The first directory of a TIFF file: what it says of its samples, and the same file told in tags Pillow understands.

Pillow reads the pixels; it does not say which numbers they were, and does not know every way to write them down. Here
the directory is read, judged by the caller, and written anew behind the file with the tags that make the pixels, so
that broken ones beside them cannot spoil a picture. The pixels themselves are never touched, and every loop is bounded
by the size of the file.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

SHORT, LONG, LONG8 = 3, 4, 16
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
XMP = 700
SUB_DIRECTORIES_MAX = 64
NUMBERS_MAX = 2_000_000
"""Of one tag: there is none with more than one number for each row of pixels."""

SIGNED_RAW_BITS = 32
UNCOMPRESSED, OLD_JPEG, YCBCR = 1, 6, 6


class Tag(IntEnum):
    NEW_SUBFILE_KIND = 254
    SUBFILE_KIND = 255
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    STRIP_ROWS = 278
    STRIP_SIZES = 279
    PLANAR = 284
    PREDICTOR = 317
    SUB_DIRECTORIES = 330
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_SIZES = 325
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    IMAGE_DEPTH = 32997


PIXEL_TAGS = {
    *(Tag.WIDTH, Tag.HEIGHT, Tag.BITS, Tag.COMPRESSION, Tag.PHOTOMETRIC, 266),
    *(Tag.STRIP_OFFSETS, Tag.SAMPLES, Tag.STRIP_ROWS, Tag.STRIP_SIZES, Tag.PLANAR, 292, 293, Tag.PREDICTOR, 320),
    *(Tag.TILE_WIDTH, Tag.TILE_HEIGHT, Tag.TILE_OFFSETS, Tag.TILE_SIZES, 326, 327, 328, 332, 334, Tag.EXTRA_SAMPLES),
    *(Tag.SAMPLE_FORMAT, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532),
}
"""With those of fax, JPEG, YCbCr and palettes. Not the orientation, which the caller carries out itself."""


_JUDGED = frozenset(Tag)


class TagKind(StrEnum):
    """What one sample is. Who writes "undefined" does not know either; TIFF says to read it as unsigned."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    FLOAT = "floating-point"
    COMPLEX = "complex"


KINDS = {
    1: TagKind.UNSIGNED,
    2: TagKind.SIGNED,
    3: TagKind.FLOAT,
    4: TagKind.UNSIGNED,
    5: TagKind.COMPLEX,
    6: TagKind.COMPLEX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEntry:
    """One tag as it stands in the file. field: its values, or where they are when they are too long for it."""

    kind: int
    count: int
    field: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """order: "<" or ">". is_big: with offsets of 8 bytes. following: where the next directory stands, 0 for none.

    is_cut: the file ends before its last entry.
    """

    content: bytes
    order: str
    is_big: bool
    entries: Mapping[int, TagEntry]
    following: int
    is_cut: bool = False

    @property
    def bits(self) -> tuple[int, ...]:
        """Bits of each sample of a pixel."""
        count = self.number(Tag.SAMPLES, 1)
        found = self.numbers(Tag.BITS) or (1,)
        return found * count if len(found) == 1 and 0 < count < 1000 else found

    @property
    def kind(self) -> TagKind | None:
        """What the samples are; None where they differ or nobody knows the number."""
        kinds = {KINDS.get(number) for number in self.numbers(Tag.SAMPLE_FORMAT) or (1,)}
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def is_white_zero(self) -> bool:
        return self.number(Tag.PHOTOMETRIC, 1) == 0

    @property
    def is_planar(self) -> bool:
        """Whether each band is stored for itself."""
        return len(self.bits) > 1 and self.number(Tag.PLANAR, 1) == 2

    @property
    def is_preview(self) -> bool:
        """Whether it shows in small what another directory of the file shows whole, as in raw files of cameras."""
        is_reduced = self.number(Tag.NEW_SUBFILE_KIND, 0) & 1 or self.number(Tag.SUBFILE_KIND, 1) == 2
        if is_reduced and (self.following or Tag.SUB_DIRECTORIES in self.entries):
            return True
        return any(other > self._area for other in self._areas_below())

    @property
    def _area(self) -> int:
        return self.number(Tag.WIDTH, 0) * self.number(Tag.HEIGHT, 0)

    def _areas_below(self) -> Iterator[int]:
        for start in self.numbers(Tag.SUB_DIRECTORIES)[:SUB_DIRECTORIES_MAX]:
            entries = dict(_entries(self.content, start, self.order, self.is_big))
            below = Directory(
                content=self.content, order=self.order, is_big=self.is_big, entries=entries, following=0, is_cut=False
            )
            yield below._area

    @property
    def orientation(self) -> int:
        if Tag.ORIENTATION in self.entries:
            return self.number(Tag.ORIENTATION, 1)
        written = re.search(rb'tiff:Orientation(?:="|>)([0-9])', self._bytes(XMP))
        return int(written[1]) if written else 1

    def number(self, tag: int, default: int) -> int:
        return next(iter(self.numbers(tag)), default)

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; none where it is missing, broken, endless, or holds something else."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in WHOLE_NUMBERS or entry.count > NUMBERS_MAX:
            return ()
        data = self._bytes(tag)
        return struct.unpack(f"{self.order}{len(data) // SIZES[entry.kind]}{WHOLE_NUMBERS[entry.kind]}", data)

    def _bytes(self, tag: int) -> bytes:
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in SIZES:
            return b""
        size = SIZES[entry.kind] * entry.count
        if size <= len(entry.field):
            return entry.field[:size]
        offset = _unpacked(self.order + ("Q" if self.is_big else "I"), entry.field, 0)
        return self.content[offset : offset + size] if offset + size <= len(self.content) else b""


def read_directory(content: bytes) -> Directory | None:
    """Return the first directory, with as many entries as are whole; None where the file has none."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < 8:
        return None
    version = _unpacked(order + "H", content, 2)
    if version not in (42, 43):
        return None
    is_big = version == 43
    offset_format = order + ("Q" if is_big else "I")
    start = _unpacked(offset_format, content, 8 if is_big else 4)
    entries = dict(_entries(content, start, order, is_big))
    if not entries:
        return None
    after = start + (8 if is_big else 2) + (20 if is_big else 12) * _count(content, start, order, is_big)
    following = _unpacked(offset_format, content, after)
    # One that is not there is damage beside the picture, not a second picture.
    is_there = following and any(_entries(content, following, order, is_big))
    return Directory(
        content=content,
        order=order,
        is_big=is_big,
        entries=entries,
        following=following if is_there else 0,
        is_cut=after > len(content),
    )


def is_tiff(content: bytes) -> bool:
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def check_directory(directory: Directory) -> None:
    """Refuse a file that ends before it has said what its samples are. Raises: ValueError."""
    if directory.is_cut or any(
        tag in directory.entries and not directory.numbers(tag) for tag in (Tag.BITS, Tag.SAMPLE_FORMAT)
    ):
        raise ValueError("what it says of its pixels is cut short")


def check_whole(directory: Directory) -> None:
    """Refuse a file that ends before its pixels do, which what is written behind it would hide.

    Raises: ValueError.
    """
    width, height = directory.number(Tag.WIDTH, 0), directory.number(Tag.HEIGHT, 0)
    if not width or not height:
        raise ValueError("it does not say how wide and high it is")
    compression = directory.number(Tag.COMPRESSION, UNCOMPRESSED)
    if compression == OLD_JPEG or directory.number(Tag.PHOTOMETRIC, 1) == YCBCR:
        return  # Where their pixels are can not be told from these tags.
    planes = len(directory.bits) if directory.is_planar else 1
    pixel_bits = directory.bits[0] if directory.is_planar else sum(directory.bits)
    if tiles := directory.numbers(Tag.TILE_OFFSETS):
        across, down = (
            max(1, directory.number(Tag.TILE_WIDTH, width)),
            max(1, directory.number(Tag.TILE_HEIGHT, height)),
        )
        offsets, sizes = tiles, directory.numbers(Tag.TILE_SIZES)
        count, rows = -(-width // across) * -(-height // down), down
    else:
        offsets, sizes = directory.numbers(Tag.STRIP_OFFSETS), directory.numbers(Tag.STRIP_SIZES)
        across, down = width, min(height, directory.number(Tag.STRIP_ROWS, height)) or height
        count, rows = -(-height // down), height % down or down
    if len(offsets) < count * planes:
        raise ValueError("its pixels are not all there")
    row_bytes = (across * pixel_bits + 7) // 8
    for index, offset in enumerate(offsets[: count * planes]):
        if compression != UNCOMPRESSED:
            size = sizes[index] if index < len(sizes) else 1
        else:
            size = row_bytes * (rows if index % count == count - 1 else down)
        if offset + size > len(directory.content):
            raise ValueError("its pixels are cut short")


def plain(directory: Directory) -> bytes:
    """Return the file with nothing but its pixels to read, and those so that Pillow knows how.

    Numbers of more than 8 bits come out as they are stored: white is not inverted, 16 bits come out as unsigned and 32
    as signed, because those are the ways Pillow knows for both orders of bytes.
    """
    changes: dict[int, tuple[int, ...] | None] = {}
    if max(directory.bits) > 8 and len(directory.bits) <= 2 and directory.is_white_zero:
        changes[Tag.PHOTOMETRIC] = (1,)
    changes[Tag.SAMPLE_FORMAT] = (2,) if directory.bits == (SIGNED_RAW_BITS,) else None
    return _rewritten(directory, changes)


def bands_apart(directory: Directory) -> Iterator[bytes]:
    """Yield, of a planar file, one grey file for each band."""
    bands = len(directory.bits)
    for band in range(bands):
        changes: dict[int, tuple[int, ...] | None] = {}
        for tag in (Tag.STRIP_OFFSETS, Tag.STRIP_SIZES, Tag.TILE_OFFSETS, Tag.TILE_SIZES):
            if found := directory.numbers(tag):
                each = len(found) // bands
                changes[tag] = found[band * each : (band + 1) * each]
        yield _rewritten(directory, changes | _grey(directory))


def bands_side_by_side(directory: Directory) -> bytes:
    """Return a file of interleaved bands as one grey file that is wider by their number. It has no predictor."""
    bands = len(directory.bits)
    changes: dict[int, tuple[int, ...] | None] = {Tag.WIDTH: (directory.number(Tag.WIDTH, 0) * bands,)}
    if Tag.TILE_WIDTH in directory.entries:
        changes[Tag.TILE_WIDTH] = (directory.number(Tag.TILE_WIDTH, 0) * bands,)
    return _rewritten(directory, changes | _grey(directory))


def _grey(directory: Directory) -> dict[int, tuple[int, ...] | None]:
    """Return what a file of one band says of itself where this one says something else."""
    return {
        Tag.BITS: directory.bits[:1],
        Tag.SAMPLES: (1,),
        Tag.PHOTOMETRIC: (1,),
        Tag.PLANAR: (1,),
        Tag.EXTRA_SAMPLES: None,
        Tag.SAMPLE_FORMAT: None,
    }


def _rewritten(directory: Directory, changes: Mapping[int, tuple[int, ...] | None]) -> bytes:
    """Append a directory of the tags that make the pixels, with those changed or left out that `changes` names.

    Numbers that could not be read here are left out too, so that nobody makes something else of them.
    """
    order, is_big = directory.order, directory.is_big
    offset_format, kind = (order + "Q", LONG8) if is_big else (order + "I", LONG)
    content = bytearray(directory.content)
    entries = {
        tag: entry
        for tag, entry in directory.entries.items()
        if tag in PIXEL_TAGS and (tag not in _JUDGED or directory.numbers(tag))
    }
    for tag, numbers in changes.items():
        entries.pop(tag, None)
        if numbers is not None:
            kind_of_it = SHORT if max(numbers, default=0) < 1 << 16 else kind
            data = struct.pack(f"{order}{len(numbers)}{WHOLE_NUMBERS[kind_of_it]}", *numbers)
            if len(data) > struct.calcsize(offset_format):
                content += bytes(-len(content) % 8)
                field = struct.pack(offset_format, len(content))
                content += data
            else:
                field = data.ljust(struct.calcsize(offset_format), b"\0")
            entries[tag] = TagEntry(kind=kind_of_it, count=len(numbers), field=field)
    content += bytes(-len(content) % 8)
    struct.pack_into(offset_format, content, 8 if is_big else 4, len(content))
    content += struct.pack(order + ("Q" if is_big else "H"), len(entries))
    for tag, entry in sorted(entries.items()):
        content += struct.pack(order + ("HHQ" if is_big else "HHI"), tag, entry.kind, entry.count) + entry.field
    return bytes(content + struct.pack(offset_format, directory.following))


def _entries(content: bytes, start: int, order: str, is_big: bool) -> Iterator[tuple[int, TagEntry]]:
    """Yield the entries that are whole. Of a tag that stands twice the first counts."""
    head, size = order + ("HHQ" if is_big else "HHI"), 20 if is_big else 12
    first = start + (8 if is_big else 2)
    seen: set[int] = set()
    for at in range(first, first + size * _count(content, start, order, is_big), size):
        if at + size > len(content):
            return
        tag, kind, count = struct.unpack_from(head, content, at)
        if tag not in seen:
            seen.add(tag)
            yield tag, TagEntry(kind=kind, count=count, field=content[at + struct.calcsize(head) : at + size])


def _count(content: bytes, start: int, order: str, is_big: bool) -> int:
    return _unpacked(order + ("Q" if is_big else "H"), content, start) if start else 0


def _unpacked(form: str, content: bytes, at: int) -> int:
    """Return the number that stands there, 0 where the file is too short."""
    if at + struct.calcsize(form) > len(content):
        return 0
    number: int = struct.unpack_from(form, content, at)[0]
    return number
