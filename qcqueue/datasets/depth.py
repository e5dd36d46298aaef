"""Which value of a deep picture becomes white, decided for a whole import: pure decisions over what was measured.

A picture is deep when it stores more than 8 bits a sample. Without a word from the owner each is scaled by the most its
file can hold, and that is refused where it would spoil pictures: where half of a class or more hardly use their range,
which is when all but 1 in 1,000 values are under a quarter of it, or where one class would come out darker than another
for no reason but its files. With `--depth` one number holds for all.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from qcqueue.datasets.deep import DEEPEST_BITS, Deep, Used, bits_for, white_of
from qcqueue.datasets.limits import shown
from qcqueue.errors import DatasetInvalid

AUTO: Literal["auto"] = "auto"
Depth = int | Literal["auto"]
"""Bits a sample, of which all ones are white; or the highest value of the import, whatever it is."""

DEPTH_BITS_MIN, DEPTH_BITS_MAX = 8, DEEPEST_BITS
CLASSES_NAMED_MAX = 6
SHARES_APART = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPicture:
    """One picture of the import. deep: what a deep one uses of its range."""

    class_name: str
    deep: Used | None = None
    has_window: bool = False

    @classmethod
    def of(cls, class_name: str, found: Deep | None, *, has_window: bool) -> "MeasuredPicture":
        return cls(class_name=class_name, deep=found.used() if found else None, has_window=has_window)


def check_depth(pictures: Sequence[MeasuredPicture], depth: Depth | None, *, where: str) -> None:
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
    highest = max(deep, key=lambda used: (used.highest, used.full))
    shares = [found.share for found in classes.values()]
    dim = [found.is_dim for found in classes.values() if found.deep]
    if max(shares) - min(shares) > SHARES_APART or (any(dim) and not all(dim)):
        said = f"the depth of the pictures in {where} differs between classes: {_words(classes)}"
    elif not any(dim):
        return
    elif all(used.is_dim and not used.is_black and used.bulk == used.highest for used in deep):
        said = (
            f"{len(deep)} pictures in {where} have more than 8 bits, but the highest value is {highest.highest} of "
            f"{highest.full}: most of their contrast would be lost"
        )
    else:
        said = f"most of the contrast of the pictures in {where} would be lost: {_words(classes)}"
    raise DatasetInvalid(said, hint=_hint(classes, highest.highest))


def white_for(pictures: Iterable[MeasuredPicture], depth: Depth | None) -> int | None:
    """Return the value that becomes white in every deep picture; None for the range of each file."""
    if depth == AUTO:
        return max(1, max((picture.deep.highest for picture in pictures if picture.deep), default=1))
    return white_of(depth) if depth is not None else None


def remarks(pictures: Sequence[MeasuredPicture], depth: Depth | None, white: int | None) -> list[str]:
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
    """The pictures of one class: count of all, windows of those shown through one, deep the deep ones."""

    count: int
    windows: int
    deep: Sequence[Used]

    @property
    def share(self) -> float:
        """Of deep ones, 0 to 1."""
        return len(self.deep) / self.count

    @property
    def dim(self) -> Sequence[Used]:
        return [used for used in self.deep if used.is_dim]

    @property
    def is_dim(self) -> bool:
        return bool(self.deep) and 2 * len(self.dim) >= len(self.deep)

    @property
    def least(self) -> Used | None:
        """Of the least used range, the picture that uses most; of dim ones where the class is dim."""
        widest: dict[int, Used] = {}
        for used in self.dim if self.is_dim else self.deep:
            widest[used.full] = max(used, widest.get(used.full, used), key=lambda one: (one.share, one.highest))
        return min(widest.values(), key=lambda used: used.share, default=None)

    def words(self, name: str) -> str:
        others = [*(["8 bits"] if self._shallow else []), *(["a DICOM window"] if self.windows else [])]
        if self.least is None:
            return f"{name} has {' or '.join(others)}"
        who = f"{name} has"
        if self.is_dim and len(self.dim) < len(self.deep):
            who = f"{len(self.dim)} of {len(self.deep)} {'deep ' if others else ''}pictures in {name} have"
        return f"{who} {self.least.words()}{' beside ' + ' and '.join(others) if others else ''}"

    @property
    def _shallow(self) -> int:
        return self.count - len(self.deep) - self.windows


def _by_class(pictures: Iterable[MeasuredPicture]) -> dict[str, _Class]:
    found: defaultdict[str, list[MeasuredPicture]] = defaultdict(list)
    for picture in pictures:
        found[picture.class_name].append(picture)
    return {
        name: _Class(
            count=len(of_it),
            windows=sum(picture.has_window for picture in of_it),
            deep=[picture.deep for picture in of_it if picture.deep],
        )
        for name, of_it in sorted(found.items())
    }


def _words(classes: dict[str, _Class]) -> str:
    named = list(classes.items())
    if len(named) > CLASSES_NAMED_MAX:  # those that use least of their range first, so that the rest may be cut
        named.sort(key=lambda item: (not item[1].is_dim, least.share if (least := item[1].least) else 1))
    words = ", ".join(found.words(shown(name)) for name, found in named[:CLASSES_NAMED_MAX])
    more = len(named) - CLASSES_NAMED_MAX
    return f"{words} and {more} more" if more > 0 else words


def _hint(classes: dict[str, _Class], highest: int) -> str:
    """Return what to type; and what else to do where a class has brighter values than it seems to be meant for."""
    dim = [used for found in classes.values() if found.is_dim for used in found.dim]
    if any(used.is_black for used in dim):
        return f"--depth {bits_for(highest)} if they are meant to be so dark, or save them again with 0 as black"
    bulk = max((used.bulk for used in dim), default=0)
    is_within = any(
        used.highest > bulk for found in classes.values() if found.is_dim for used in found.deep
    )  # a single pixel, or a single picture
    if is_within and bits_for(bulk) < bits_for(highest):
        return (
            f"--depth {bits_for(highest)} if they are meant to be so dark, or leave out what is above {bulk} and give "
            f"--depth {bits_for(bulk)}"
        )
    return choices(highest)


def choices(highest: int) -> str:
    """Return what to type where a value so high is to be kept."""
    return f"--depth {bits_for(highest)}, or --depth auto"
