"""Which files are the images of which class: pure decisions over the paths of a folder or zip.

Leaves listing to `tree` and `archive`, pixels to `decode`, an author's own split to `parts`, what lies in a class
folder to `selection`. Takes one folder a class, also below a single outer folder; what is not plainly an image of a
class is left out and said, or refused by name rather than guessed at. Nothing outside the tree influences the answer.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qcqueue.datasets.beside import FileOfClass
from qcqueue.datasets.format import Split
from qcqueue.datasets.limits import CLASS_NAME_LENGTH_MAX, CLASSES_MAX, shown
from qcqueue.datasets.outline import Listing, Outline, base, below, composed, listed, parent
from qcqueue.datasets.part_names import part_of
from qcqueue.datasets.parts import ClassFolder, SplitFolders, check_not_split, spelled_option
from qcqueue.datasets.selection import (
    check_include,
    is_image,
    may_be_image,
    odd_classes,
    select_images,
)
from qcqueue.datasets.split_folders import folders_of_parts
from qcqueue.errors import DatasetInvalid

PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
ONE_FOLDER_A_CLASS = (
    "put the images of each class into one folder named after the class, or list them in a CSV of file,label"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of one class. path finds it in its tree; name is the path below the class folder, in NFC.

    split: the part its author put it into, None where qcqueue splits. group: what stays in one part; None: alone.
    """

    path: str
    class_name: str
    name: str
    split: Split | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The class names, sorted, and their files, sorted by class, name and part; notes: what the owner should know."""

    classes: tuple[str, ...]
    members: tuple[Member, ...]
    notes: tuple[str, ...] = ()


def arrange_classes(
    listing: Listing,
    *,
    where: str,
    include: Sequence[str] = (),
    split_folders: SplitFolders | None = None,
    takes_subfolders: bool = False,
) -> Arrangement:
    """Return which files are the images of which class. The options are those of `ImportOptions`.

    takes_subfolders: a subfolder of a class is a group of its images. Raises: DatasetInvalid.
    """
    include = check_include(include)
    outline = Outline(listing)
    top = _outer_folder(outline)
    # "*" speaks of whole folders; "*.jpg" only of files, and may be typed without a thought of train and test.
    takes_all = any(set(pattern) <= {"*", "/"} for pattern in include)
    left_out: list[str] = []
    _check_not_packed(outline, where=where)
    if split_folders is None:
        _check_top(outline, top, where=where)
        check_not_split(
            outline,
            top,
            where=where,
            takes_all=takes_all,
            takes_subfolders=takes_subfolders,
            chooses_subfolders=any("/" in pattern or "**" in pattern for pattern in include),
        )
        folders = [ClassFolder(path=path, class_name=composed(base(path))) for path in outline.folders_in(top)]
    else:
        folders, left_out = folders_of_parts(outline, top, split_folders, where=where)
    if not takes_all:
        _check_odd_classes(outline, top, folders, where=where)
    members, notes = _members(outline, top, folders, include, where=where, takes_subfolders=takes_subfolders)
    check_classes(folders, members, where=where)
    check_twins((member.path for member in members), "files", where=where)
    if split_folders is None and (example := _part_in_names(members)):
        notes.append(
            f"the names of the files tell train from test, such as {shown(example)}: "
            "to keep that split, list them in a CSV with the columns file,label,split"
        )
    if left_out:
        notes.insert(0, f"left out: {listed(left_out)}")
    return arranged(members, notes)


def arranged(members: Iterable[Member], notes: Iterable[str] = ()) -> Arrangement:
    """Return members in the order that does not depend on how they were listed."""
    return Arrangement(
        classes=tuple(sorted({member.class_name for member in members})),
        members=tuple(sorted(members, key=lambda member: (member.class_name, member.name, member.split or 0))),
        notes=tuple(notes),
    )


def _outer_folder(outline: Outline) -> str:
    """Return the folder in which the class folders stand: the top, or single outer folders without images."""
    top = ""
    while True:
        inner = outline.folders_in(top)
        if len(inner) != 1 or not outline.folders_in(inner[0]) or any(map(is_image, outline.files_in(top))):
            return top
        top = inner[0]


def _members(
    outline: Outline,
    top: str,
    folders: Sequence[ClassFolder],
    include: Sequence[str],
    *,
    where: str,
    takes_subfolders: bool,
) -> tuple[list[Member], list[str]]:
    """Return the images of the class folders, and what the owner should know of those left out."""
    candidates: list[FileOfClass] = []
    split_of: dict[str, Split | None] = {}
    levels = dict.fromkeys([*_levels(top), *(parent(folder.path) for folder in folders)])
    others = [composed(_said(path, top)) for level in levels for path in outline.files_in(level)]
    for folder in folders:
        for path in outline.files_below(folder.path):
            if may_be_image(path):
                name = composed(below(path, folder.path))
                candidates.append(FileOfClass(path=path, class_name=folder.class_name, name=name))
                split_of[path] = folder.split
            else:
                others.append(composed(below(path, top)))
    chosen = select_images(candidates, include, where=where, takes_subfolders=takes_subfolders)
    members = [
        Member(path=one.path, class_name=one.class_name, name=one.name, split=split_of[one.path]) for one in chosen
    ]
    notes = [f"left out as no images: {listed(others)}"] if others else []
    if len(chosen) < len(candidates):
        notes.append(f"left out by --include: {len(candidates) - len(chosen)} of {len(candidates)} files")
    return members, notes


def _check_odd_classes(outline: Outline, top: str, folders: Sequence[ClassFolder], *, where: str) -> None:
    stems_of: dict[str, frozenset[str]] = {}
    for folder in folders:
        files = [base(path).rpartition(".")[0] for path in outline.files_below(folder.path) if may_be_image(path)]
        stems_of[folder.class_name] = stems_of.get(folder.class_name, frozenset()) | frozenset(files)
    odd = odd_classes(dict(sorted(stems_of.items())))
    if not odd:
        return
    others = sorted(folder.path for folder in folders if folder.class_name not in odd)
    it = "them" if len(odd) > 1 else "it"
    hint = f"move {it} elsewhere, or, if {'they are classes' if len(odd) > 1 else 'it is a class'}, --include '*'"
    if len(others) == 1 and outline.folders_in(others[0]) and folders[0].split is None:
        hint = f"{spelled_option((below(others[0], top), None, None))} takes the classes in {shown(base(others[0]))}"
    name, image = next(iter(odd.items()))
    if image is None:
        raise DatasetInvalid(f"the folder {shown(name)} in {where} is no class by its name", hint=hint)
    belonging = [name for name, image in odd.items() if image is not None]
    raise DatasetInvalid(
        f"the folder{'s' * (len(belonging) > 1)} {listed(belonging)} in {where} "
        f"{'are no classes by their names' if len(belonging) > 1 else 'is no class by its name'}: "
        f"{shown(name)} belongs to {shown(image)} beside it",
        hint=hint,
    )


def _part_in_names(members: Sequence[Member]) -> str | None:
    """Return a file of the author's test or validation where every name says to which part it belongs."""
    found: dict[Split, str] = {}
    for member in members:
        part = part_of(base(member.name).rpartition(".")[0])
        if part is None:
            return None
        found.setdefault(part[0], member.path)
    return found.get(Split.TEST, found.get(Split.VALIDATION)) if Split.TRAIN in found else None


def _levels(top: str) -> list[str]:
    """Return a folder and all it lies in, the top first."""
    parts = top.split("/") if top else []
    return ["/".join(parts[:count]) for count in range(len(parts) + 1)]


def _said(path: str, top: str) -> str:
    """Return how to call a file so that outer folders make no difference."""
    return below(path, top) if f"{path}/".startswith(f"{top}/") else base(path)


def _check_not_packed(outline: Outline, *, where: str) -> None:
    packed = [path for path in outline.files if path.casefold().endswith(PACKED)]
    if packed and not any(map(may_be_image, outline.files)):
        raise DatasetInvalid(
            f"{where} holds no images but another archive, {shown(packed[0])}",
            hint=f"unpack {shown(base(packed[0]))} first" if len(packed) == 1 else "unpack its archives first",
        )


def _check_top(outline: Outline, top: str, *, where: str) -> None:
    for path in outline.files_in(top):
        if is_image(path):
            raise DatasetInvalid(f"{shown(path)} in {where} lies outside any class folder", hint=ONE_FOLDER_A_CLASS)
    if not outline.folders_in(top):
        raise DatasetInvalid(f"{where} holds no class folders", hint=ONE_FOLDER_A_CLASS)


def check_classes(folders: Sequence[ClassFolder], members: Sequence[Member], *, where: str) -> None:
    """Refuse class names that do not fit, and classes that hold nothing, all or too much. Raises: DatasetInvalid."""
    for split in {folder.split for folder in folders}:
        check_twins((folder.path for folder in folders if folder.split == split), "classes", where=where)
    check_twins({folder.class_name for folder in folders}, "classes", where=where)
    filled = Counter((member.class_name, member.split) for member in members)
    for folder in folders:
        check_class_name(folder.class_name, where=where)
        if not filled[folder.class_name, folder.split]:
            part = f", {folder.split.name.lower()} part," if folder.split is not None else ""
            raise DatasetInvalid(
                f"the class {shown(folder.class_name)}{part} in {where} holds no images",
                hint="fill its folder or remove it",
            )
    check_class_count({member.class_name for member in members}, where=where)


def check_class_name(name: str, *, where: str) -> None:
    """Refuse a class name that no table could show. Raises: DatasetInvalid."""
    if not name.isprintable() or name != name.strip() or not name or len(name) > CLASS_NAME_LENGTH_MAX:
        raise DatasetInvalid(
            f"{where} has a class named {shown(name)}, which would not fit into a table",
            hint=f"rename it: {CLASS_NAME_LENGTH_MAX} printable characters at most, no space at either end",
        )


def check_class_count(classes: set[str], *, where: str) -> None:
    """Refuse one class alone, and more than a label can count. Raises: DatasetInvalid."""
    if len(classes) == 1:
        raise DatasetInvalid(f"{where} has one class only, {shown(*classes)}; two are needed", hint=ONE_FOLDER_A_CLASS)
    if len(classes) > CLASSES_MAX:
        raise DatasetInvalid(f"{where} has {len(classes)} classes; {CLASSES_MAX} is the most", hint=ONE_FOLDER_A_CLASS)


def check_twins(names: Iterable[str], kind: str, *, where: str) -> None:
    """Refuse names that a Mac or Windows disk would hold to be one and the same. Raises: DatasetInvalid."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        key = composed(composed(name).casefold())
        if (twin := seen.setdefault(key, name)) != name:
            way = "upper and lower case" if composed(name) != composed(twin) else "how their accents are encoded"
            raise DatasetInvalid(
                f"the {kind} {shown(twin)} and {shown(name)} in {where} differ only in {way}", hint="rename one of them"
            )
