"""Every picture of an import, from its file to pixels; all files that are broken are named at once.

Owns the passes over the files: one, and for `--depth auto` a second over the deep pictures, whose highest value is not
known before. Leaves one picture to `decode` and what depth means for the whole to `depth`. A file that cannot be used
never ends the reading, so that its owner need not start again for the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qcqueue.datasets.decode import read_picture
from qcqueue.datasets.depth import AUTO, Depth, MeasuredPicture, check_depth, choices, remarks, white_for
from qcqueue.datasets.format import Bytes
from qcqueue.datasets.layout import Member
from qcqueue.datasets.limits import shown
from qcqueue.datasets.picture import above, pixels_of
from qcqueue.datasets.tree import Tree
from qcqueue.errors import DatasetInvalid

Progress = Callable[[int, int], None]
"""Told (images done, images in all)."""

BROKEN_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """images: uint8 [image, height, width, 3], in the order of the members. white: of the deep ones, None for the range
    of each. remarks: what the owner should know of how they were scaled."""

    images: Bytes
    white: int | None
    remarks: list[str]


def read_pictures(
    tree: Tree,
    members: Sequence[Member],
    *,
    where: str,
    image_size: tuple[int, int],
    depth: Depth | None,
    progress: Progress,
) -> Read:
    """Return the pixels of every member.

    Raises: DatasetInvalid: files are broken, or their depth would spoil them. ExtraMissing: a DICOM file without
    pydicom.
    """
    images = np.empty((len(members), *image_size, 3), np.uint8)
    broken = _Broken(where=where, total=len(members))
    measured: list[MeasuredPicture] = []
    postponed: list[int] = []
    white = None if depth == AUTO else white_for((), depth)
    for index, member in enumerate(members):
        try:
            picture = read_picture(tree.read(member.path), named=_named(member, where))
            measured.append(MeasuredPicture.of(member.class_name, picture.deep, has_window=picture.has_window))
            if depth == AUTO and picture.deep:
                postponed.append(index)
            elif picture.deep and (problem := above(picture, white)):
                broken.add_too_bright(problem, picture.deep.highest)
            else:
                images[index] = pixels_of(picture, image_size=image_size, white=white)
        except DatasetInvalid as exc:
            broken.add(exc)
        progress(index + 1, len(members) + len(postponed))
    broken.check()
    check_depth(measured, depth, where=where)
    white = white_for(measured, depth)
    for done, index in enumerate(postponed, len(members) + 1):
        picture = read_picture(tree.read(members[index].path), named=_named(members[index], where))
        images[index] = pixels_of(picture, image_size=image_size, white=white)
        progress(done, len(members) + len(postponed))
    return Read(images=images, white=white, remarks=remarks(measured, depth, white))


def _named(member: Member, where: str) -> str:
    return f"{shown(member.path)} in {where}"


class _Broken:
    """The files that cannot be used, and the first of them with their reasons."""

    def __init__(self, *, where: str, total: int) -> None:
        self._where, self._total = where, total
        self._count = 0
        self._first: list[DatasetInvalid] = []
        self._highest: int | None = 0  # None where something else is wrong than values that are too high

    def add(self, problem: DatasetInvalid) -> None:
        self._highest = None
        self._add(problem)

    def add_too_bright(self, sentence: str, highest: int) -> None:
        if self._highest is not None:
            self._highest = max(self._highest, highest)
        self._add(DatasetInvalid(sentence, hint=choices(highest)))

    def check(self) -> None:
        """Raises: DatasetInvalid: there are any."""
        if not self._count:
            return
        if self._count == 1:
            raise self._first[0]
        hints = {problem.hint for problem in self._first}
        hint = choices(self._highest) if self._highest else hints.pop() if len(hints) == 1 else None
        more = self._count - len(self._first)
        raise DatasetInvalid(
            f"{self._count} of the {self._total} images in {self._where} cannot be used",
            problems=[*map(str, self._first), *([f"and {more} more"] if more else [])],
            hint=hint or "copy them again, save them in a usual way, or remove them",
        )

    def _add(self, problem: DatasetInvalid) -> None:
        self._count += 1
        if len(self._first) < BROKEN_SHOWN_MAX:
            self._first.append(problem)
