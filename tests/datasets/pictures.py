"""Small real images, folders and zips for these tests. Every picture differs unless a test asks for the same one."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.depth import Depth
from qcqueue.datasets.format import Dataset
from qcqueue.datasets.importing import ImportOptions, import_images

Files = dict[str, bytes]
Values = npt.NDArray[np.unsignedinteger[Any]]


def png(seed: int | str, *, side: int = 12) -> bytes:
    noise = np.frombuffer(seeded(f"picture/{seed}").randbytes(side * side * 3), np.uint8)
    return encoded(Image.fromarray(noise.reshape(side, side, 3)))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def three_classes(each: int = 5) -> Files:
    return {
        f"{name}/{number}.png": png(f"{name}{number}") for name in ("good", "fair", "reject") for number in range(each)
    }


def folder_of(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zip_of(path: Path, files: Mapping[str, bytes], *extra: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for info, content in extra:
            archive.writestr(info, content)
    return path


def imported(
    path: Path,
    *,
    image_size: tuple[int, int] = (16, 16),
    split: tuple[int, int, int] | None = None,
    seed: int = 1,
    depth: Depth | None = None,
) -> Dataset:
    return import_images(path, ImportOptions(image_size=image_size, split=split, seed=seed, depth=depth))


def chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """A part of a PNG."""
    found = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", found)


def png16(values: Values) -> bytes:
    """A PNG of 16 bits a sample, which Pillow does not write. values: [height, width] or [height, width, 2 to 4]."""
    height, width = values.shape[:2]
    colours = {1: 0, 2: 4, 3: 2, 4: 6}[values.size // (height * width)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(
    pixels: bytes,
    shape: tuple[int, int],
    *,
    bits: Sequence[int] = (8,),
    photometric: int = 1,
    order: str = "<",
    more: Mapping[int, Sequence[int]] | None = None,
    odd: Sequence[tuple[int, int, int, int]] = (),
) -> bytes:
    """A TIFF in one strip. shape: height, width. more: numbers of further tags; odd: whole entries (tag, type, count,
    value), however wrong."""
    height, width = shape
    tags: dict[int, Sequence[int]] = {256: [width], 257: [height], 258: bits, 259: [1], 262: [photometric]}
    tags |= {273: [8], 277: [len(bits)], 278: [height], 279: [len(pixels)]} | dict(more or {})
    pixels += bytes(len(pixels) % 2)
    entries: list[tuple[int, int, int, bytes]] = []
    for tag, numbers in tags.items():
        field = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            field, pixels = struct.pack(order + "I", 8 + len(pixels)), pixels + field
        entries.append((tag, 4, len(numbers), field))
    entries += [(tag, kind, count, struct.pack(order + "I", value)) for tag, kind, count, value in odd]
    found = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8 + len(pixels)) + pixels
    found += struct.pack(order + "H", len(entries))
    for tag, kind, count, field in sorted(entries):
        found += struct.pack(order + "HHI", tag, kind, count) + field
    return found + bytes(4)


def ramp(highest: int, *, side: int = 8, bands: int = 1) -> npt.NDArray[np.uint32]:
    """Values from 0 to the highest one. Returns: [side, side], or [side, side, band] with each band like the first."""
    values = np.linspace(0, highest, side * side).round().astype(np.uint32).reshape(side, side)
    return values if bands == 1 else np.repeat(values[..., None], bands, axis=-1)


def ramp_in_8_bits(highest: int, white: int, *, side: int = 8) -> npt.NDArray[np.uint8]:
    """What the ramp is to come out as where `white` becomes 255."""
    return np.rint(ramp(highest, side=side) * 255.0 / white).astype(np.uint8)
