"""Which files are the images of which class: pure decisions over the paths of a folder or zip.

Leaves listing to `tree` and `archive`, pixels to `decode`. Takes one folder a class, also below a single outer
folder; what the file manager of a Mac or of Windows left behind is not there; everything else that is not plainly
an image of a class is refused by name rather than guessed at. The answer does not depend on the order of listing.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from qcqueue.datasets.limits import CLASS_NAME_LENGTH_MAX, CLASSES_MAX, DEPTH_MAX, PATH_LENGTH_MAX, shown
from qcqueue.errors import DatasetInvalid

LITTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".dcm", ".heic"}
SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
ONE_FOLDER_A_CLASS = "put the images of each class into one folder named after the class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that stands in a folder or zip, as paths from its top with forward slashes."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of one class. path finds it in its tree; name is the path below the class folder, in NFC."""

    path: str
    class_name: str
    name: str


def check_path(path: str, *, where: str) -> None:
    """Refuse a path that could mean something outside its tree, or nothing at all. Raises: DatasetInvalid."""
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or ".." in parts or "\\" in path or re.match(r"[A-Za-z]:", path):
        raise DatasetInvalid(
            f"{where} holds {shown(path)}, a name that points outside its folder", hint="rename it and pack again"
        )
    is_text = not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path)
    if not is_text or "" in parts or "." in parts or len(path) > PATH_LENGTH_MAX or len(parts) > DEPTH_MAX:
        raise DatasetInvalid(f"{where} holds {shown(path)}, which is not a usable file name", hint="rename it")


def arrange_classes(listing: Listing, *, where: str) -> tuple[tuple[str, ...], tuple[Member, ...]]:
    """Return the class names, sorted, and their files, sorted by class and name. Raises: DatasetInvalid."""
    files = [path for path in listing.files if not _is_litter(path)]
    folders = {path for path in listing.folders if not _is_litter(path)} | _parents(files)
    top = _outer_folder(files, folders)
    files = [path for path in files if path.startswith(top)]
    class_folders = sorted(path for path in folders if path.startswith(top) and _is_child(path, top))
    _check_top(files, class_folders, top, where=where)
    _check_not_split_already(class_folders, folders, where=where)
    members = [_member(path, top) for path in files if "/" in path.removeprefix(top)]
    _check_classes(class_folders, members, top, where=where)
    _check_twins((member.path for member in members), "files", where=where)
    members.sort(key=lambda member: (member.class_name, member.name))
    return tuple(sorted({member.class_name for member in members})), tuple(members)


def _is_litter(path: str) -> bool:
    return any(part.startswith(".") or part.casefold() in LITTER for part in path.split("/"))


def _parents(files: Iterable[str]) -> set[str]:
    return {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}


def _is_child(path: str, top: str) -> bool:
    return "/" not in path.removeprefix(top)


def _outer_folder(files: Sequence[str], folders: set[str]) -> str:
    """Return the prefix below which the class folders stand: "", or that of single outer folders without images."""
    top = ""
    while True:
        inner = [path for path in folders if path.startswith(top) and _is_child(path, top)]
        if len(inner) != 1 or any(path.startswith(top) and _is_child(path, top) for path in files):
            return top
        below = f"{inner[0]}/"
        if not any(path.startswith(below) for path in folders):
            return top
        top = below


def _member(path: str, top: str) -> Member:
    class_name, _, name = _composed(path.removeprefix(top)).partition("/")
    return Member(path=path, class_name=class_name, name=name)


def _check_top(files: Sequence[str], class_folders: Sequence[str], top: str, *, where: str) -> None:
    for path in sorted(files):
        if _is_child(path, top) and PurePosixPath(path).suffix.casefold() in IMAGE_SUFFIXES:
            raise DatasetInvalid(f"{shown(path)} in {where} lies outside any class folder", hint=ONE_FOLDER_A_CLASS)
    if not class_folders:
        raise DatasetInvalid(f"{where} holds no class folders", hint=ONE_FOLDER_A_CLASS)


def _check_not_split_already(class_folders: Sequence[str], folders: set[str], *, where: str) -> None:
    """Refuse train/good, test/good: read as it stands, "train" and "test" would quietly become the classes."""
    names = [PurePosixPath(path).name for path in class_folders]
    is_split = len(names) > 1 and all(name.casefold() in SPLIT_NAMES for name in names)
    if is_split and any(PurePosixPath(folder).parent.name in names for folder in folders):
        raise DatasetInvalid(
            f"{where} is already split into {' and '.join(names)}",
            hint="merge them into one folder a class; qcqueue splits by --split and --seed",
        )


def _check_classes(class_folders: Sequence[str], members: Sequence[Member], top: str, *, where: str) -> None:
    _check_twins(class_folders, "classes", where=where)
    filled = {member.class_name for member in members}
    for path in class_folders:
        name = _composed(path.removeprefix(top))
        if not name.isprintable() or name != name.strip() or len(name) > CLASS_NAME_LENGTH_MAX:
            raise DatasetInvalid(
                f"{where} has a class named {shown(name)}, which would not fit into a table",
                hint=f"rename the folder: {CLASS_NAME_LENGTH_MAX} printable characters at most, no space at either end",
            )
        if name not in filled:
            raise DatasetInvalid(
                f"the class {shown(name)} in {where} holds no images", hint="fill its folder or remove it"
            )
    if len(filled) == 1:
        raise DatasetInvalid(f"{where} has one class only, {shown(*filled)}; two are needed", hint=ONE_FOLDER_A_CLASS)
    if len(filled) > CLASSES_MAX:
        raise DatasetInvalid(f"{where} has {len(filled)} classes; {CLASSES_MAX} is the most", hint=ONE_FOLDER_A_CLASS)


def _check_twins(paths: Iterable[str], kind: str, *, where: str) -> None:
    """Refuse names that a Mac or Windows disk would hold to be one and the same."""
    seen: dict[str, str] = {}
    for path in sorted(paths):
        key = _composed(_composed(path).casefold())
        if (twin := seen.setdefault(key, path)) != path:
            way = "upper and lower case" if _composed(path) != _composed(twin) else "how their accents are encoded"
            raise DatasetInvalid(
                f"the {kind} {shown(twin)} and {shown(path)} in {where} differ only in {way}", hint="rename one of them"
            )


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
