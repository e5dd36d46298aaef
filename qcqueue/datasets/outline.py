"""What stands where in a folder or zip: its paths as they were listed, judged, and as a tree to look around in.

Leaves listing to `tree` and `archive`, meaning to `layout`. A path has forward slashes and counts from the top; the
answers do not depend on the order of listing, and what `litter` knows is not there.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from qcqueue.datasets.limits import DEPTH_MAX, PATH_LENGTH_MAX, shown
from qcqueue.datasets.litter import is_litter
from qcqueue.errors import DatasetInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that stands in a folder or zip, as paths from its top with forward slashes."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


class Outline:
    """A listing without litter as a tree. The top is called ""."""

    def __init__(self, listing: Listing) -> None:
        self.files = tuple(sorted(path for path in listing.files if not is_litter(path)))
        given = {path for path in listing.folders if not is_litter(path)}
        self.folders = frozenset(given | _parents([*self.files, *given]))
        self._files_in: defaultdict[str, list[str]] = defaultdict(list)
        self._folders_in: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.files:
            self._files_in[parent(path)].append(path)
        for path in sorted(self.folders):
            self._folders_in[parent(path)].append(path)

    def files_in(self, folder: str) -> list[str]:
        """Return the files right in a folder, sorted."""
        return list(self._files_in.get(folder, ()))

    def folders_in(self, folder: str) -> list[str]:
        """Return the folders right in a folder, sorted."""
        return list(self._folders_in.get(folder, ()))

    def files_below(self, folder: str) -> list[str]:
        """Return the files in a folder and in all folders below it."""
        inner = [path for child in self.folders_in(folder) for path in self.files_below(child)]
        return self.files_in(folder) + inner


def check_path(path: str, *, where: str) -> None:
    """Refuse a path that could mean something outside its tree, or nothing at all. Raises: DatasetInvalid."""
    parts = path.removesuffix("/").split("/")
    holds = f"{where} holds {shown(path)}"
    if leads_out(path) or "\\" in path:
        raise DatasetInvalid(f"{holds}, a name that points outside its folder", hint="rename it and pack again")
    is_text = not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path)
    if not is_text or "" in parts or "." in parts or len(path) > PATH_LENGTH_MAX:
        raise DatasetInvalid(f"{holds}, which is not a usable file name", hint="rename it")
    if len(parts) > DEPTH_MAX:
        raise DatasetInvalid(
            f"{holds}, which lies too deep: {DEPTH_MAX} is the most that a path may have of folders and file",
            hint="move it further up",
        )


def leads_out(path: str) -> bool:
    """Return whether a path starts at the root of a disk or climbs above its own folder."""
    return path.startswith("/") or ".." in path.split("/") or re.match(r"[A-Za-z]:", path) is not None


def parent(path: str) -> str:
    """Return the folder a path stands in, "" for the top."""
    return path.rpartition("/")[0]


def base(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def below(path: str, folder: str) -> str:
    """Return a path as counted from a folder it lies in."""
    return path.removeprefix(f"{folder}/") if folder else path


def composed(text: str) -> str:
    """Return the one spelling of a text whose accents a Mac stores apart from their letters (NFC)."""
    return unicodedata.normalize("NFC", text)


def listed(names: Iterable[str], *, most: int = 4) -> str:
    """Return names as a person lists them, the first few of many."""
    said = [shown(name) for name in names]
    if len(said) > most:
        said = [*said[: most - 1], f"{len(said) - most + 1} more"]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def _parents(paths: Iterable[str]) -> set[str]:
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"."}
