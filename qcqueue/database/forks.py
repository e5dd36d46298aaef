"""What lies beside the way to the newest version of a queue: branches that others have left there.

A store that is put back file by file, or over one that went on, keeps versions that nobody finds any more. It decides
only what they are, from a way and a listing that was made before it. Always true: what somebody who took the queue over
has named as given up is no branch any more, nor is what follows there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qcqueue.database.version import GIVEN_UP_MAX, MARK_LETTERS, Version
from qcqueue.text.suggest import clipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Versions that follow one another, oldest first. begins_on_way: whether the version before them is of the way."""

    versions: tuple[Version, ...]
    begins_on_way: bool

    @property
    def head(self) -> Version:
        return self.versions[-1]

    @property
    def marks(self) -> tuple[str, ...]:
        """What whoever gives it up says of it: all of it is found from its first, and its newest may be known."""
        named = (self.head, self.versions[0], *reversed(self.versions))
        return tuple(dict.fromkeys(version.mark for version in named))[:GIVEN_UP_MAX]

    def told(self, url: str) -> str:
        """Say which versions these are, and what is odd about them."""
        why = "another one follows there" if self.begins_on_way else "the version before is gone"
        first, last = self.versions[0].number, self.head.number
        which = f"version {first}" if first == last else f"versions {first} to {last}"
        return f"{which} in {url} (slot {self.head.slot}, by {clipped(self.head.author)}): {why}"


def branches(way: Sequence[Version], listed: Iterable[Version]) -> tuple[Branch, ...]:
    """Return what a listing shows beside a way, and newer than where that begins."""
    on_way = {version.mark for version in way}
    given_up = {mark for version in way for mark in version.gave_up[1:]}
    found: dict[str, list[Version]] = {}  # by the mark of their newest
    for version in sorted(listed, key=lambda version: version.number):
        before = version.before[:MARK_LETTERS]
        if version.mark in on_way or version.number < way[0].number:
            continue
        if version.mark in given_up or before in given_up:
            given_up.add(version.mark)
            continue
        found[version.mark] = [*found.pop(before, []), version]
    return tuple(
        Branch(versions=tuple(versions), begins_on_way=versions[0].before[:MARK_LETTERS] in on_way)
        for versions in found.values()
    )
