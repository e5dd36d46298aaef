"""Small real images, folders and zips for these tests. Every picture differs unless a test asks for the same one."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.format import Dataset
from qcqueue.datasets.importing import ImportOptions, import_images

Files = dict[str, bytes]


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
    path: Path, *, image_size: tuple[int, int] = (16, 16), split: tuple[int, int, int] | None = None, seed: int = 1
) -> Dataset:
    return import_images(path, ImportOptions(image_size=image_size, split=split, seed=seed))
