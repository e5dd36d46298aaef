"""Which value of a deep picture becomes white, decided for a whole import: pure decisions over what was measured.

A picture is deep when it stores more than 8 bits a sample. Without a word from the owner each is scaled by the most its
file can hold, and that is refused where it would spoil pictures: where the range is hardly used, or where one class
would come out darker than another for no reason but its files. With `--depth` one number holds for all.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from qcqueue.datasets.deep import DEEPEST_BITS, Deep, bits_for, is_dim, white_of
from qcqueue.datasets.limits import shown
from qcqueue.errors import DatasetInvalid

AUTO: Literal["auto"] = "auto"
Depth = int | Literal["auto"]
"""Bits a sample, of which all ones are white; or the highest value of the import, whatever it is."""

DEPTH_BITS_MIN, DEPTH_BITS_MAX = 8, DEEPEST_BITS
CLASSES_NAMED_MAX = 6
SHARES_APART = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One picture of the import. deep: (highest value, full range) of a deep one."""

    class_name: str
    deep: tuple[int, int] | None = None
    has_window: bool = False

    @classmethod
    def of(cls, class_name: str, found: Deep | None, *, has_window: bool) -> "Measured":
        return cls(class_name=class_name, deep=(found.highest, found.full) if found else None, has_window=has_window)


def check_depth(pictures: Sequence[Measured], depth: Depth | None, *, where: str) -> None:
    """Refuse an import that would spoil its deep pictures. Raises: DatasetInvalid: with what was found."""
    deep = [picture.deep for picture in pictures if picture.deep]
    if depth is not None:
        if not deep:
            raise DatasetInvalid(
                f"no picture in {where} has more than 8 bits, so --depth {depth} would change nothing",
                hint="leave --depth out",
            )
        return
    if not deep:
        return
    classes = _by_class(pictures)
    highest, full = max(deep)
    shares = [found.share for found in classes.values()]
    dim = [found.is_dim for found in classes.values() if found.range]
    if max(shares) - min(shares) > SHARES_APART or (any(dim) and not all(dim)):
        raise DatasetInvalid(
            f"the depth of the pictures in {where} differs between classes: {_words(classes)}", hint=choices(highest)
        )
    if all(dim):
        raise DatasetInvalid(
            f"{len(deep)} pictures in {where} have more than 8 bits, but the highest value is {highest} of {full}: "
            "most of their contrast would be lost",
            hint=choices(highest),
        )


def white_for(pictures: Iterable[Measured], depth: Depth | None) -> int | None:
    """Return the value that becomes white in every deep picture; None for the range of each file."""
    if depth == AUTO:
        return max(1, max((picture.deep[0] for picture in pictures if picture.deep), default=1))
    return white_of(depth) if depth is not None else None


def remarks(pictures: Sequence[Measured], depth: Depth | None, white: int | None) -> list[str]:
    """Return what the owner should know of how the pictures were scaled."""
    said: list[str] = []
    shallow = sum(picture.deep is None and not picture.has_window for picture in pictures)
    if white is not None:
        highest = ", their highest value" if depth == AUTO else ""
        said.append(f"deep pictures scaled by {white}{highest} (--depth {depth})")
        if shallow:
            said.append(f"pictures of 8 bits beside them, scaled by 255: {shallow}")
    if windows := sum(picture.has_window for picture in pictures):
        said.append(f"DICOM pictures shown through the window in their file: {windows}")
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """The pictures of one class. share: of deep ones, 0 to 1. range: (highest, full) of the least used range."""

    share: float
    range: tuple[int, int] | None

    @property
    def is_dim(self) -> bool:
        return self.range is not None and is_dim(*self.range)

    def words(self) -> str:
        if self.range is None:
            return "has 8 bits"
        return f"has values up to {self.range[0]} of {self.range[1]}{'' if self.share == 1 else ' beside 8 bits'}"


def _by_class(pictures: Iterable[Measured]) -> dict[str, _Class]:
    counts: defaultdict[str, int] = defaultdict(int)
    deep_counts: defaultdict[str, int] = defaultdict(int)
    highest: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for picture in pictures:
        counts[picture.class_name] += 1
        if picture.deep:
            deep_counts[picture.class_name] += 1
            value, full = picture.deep
            highest[picture.class_name][full] = max(value, highest[picture.class_name].get(full, 0))
    return {
        name: _Class(
            share=deep_counts[name] / count,
            range=min(
                ((value, full) for full, value in highest[name].items()),
                key=lambda found: found[0] / found[1],
                default=None,
            ),
        )
        for name, count in sorted(counts.items())
    }


def _words(classes: dict[str, _Class]) -> str:
    named = list(classes.items())
    if len(named) > CLASSES_NAMED_MAX:  # those that use least of their range first, so that the rest may be cut
        named.sort(key=lambda item: item[1].range[0] / item[1].range[1] if item[1].range else 1)
    words = ", ".join(f"{shown(name)} {found.words()}" for name, found in named[:CLASSES_NAMED_MAX])
    more = len(named) - CLASSES_NAMED_MAX
    return f"{words} and {more} more" if more > 0 else words


def choices(highest: int) -> str:
    """Return what to type where a value so high is to be kept."""
    return f"--depth {bits_for(highest)}, or --depth auto"
