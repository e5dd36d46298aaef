"""Trees that their author has split already: which folders are train, validation and test, and what to type to keep it.

Owns where parts may stand: above the classes (`train/cat`), below them (`cat/train`), or with the classes in the names
of the files; `part_names` owns their spellings. A split is never guessed at: without a word of the person's it is
refused, with the mapping that would keep it.
"""

import difflib
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qcqueue.datasets.format import Split
from qcqueue.datasets.limits import shown
from qcqueue.datasets.outline import Outline, base, below, composed, listed, parent
from qcqueue.datasets.part_names import is_lone_part, is_plain_part, part_of, split_named
from qcqueue.datasets.selection import are_images_and_masks, is_image, is_images_only, may_be_image, odd_classes
from qcqueue.errors import DatasetInvalid

SplitFolders = tuple[str, str | None, str | None]
"""The folders of train, validation and test; None for a part that is to be taken from train."""

VIEWS = re.compile("left|right|top|bottom|front|back|rear|side|above|below", re.IGNORECASE)
"""Names of subfolders that hold the views of one thing, so that their folders are classes all the same."""

LABELS_IN_A_CSV = "list the images in a CSV with the columns file,label,split and add that"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolder:
    """One folder with images of one class; split: the part its author put it into, None where there is none."""

    path: str
    class_name: str
    split: Split | None = None


def check_not_split(
    outline: Outline, top: str, *, where: str, takes_all: bool, takes_subfolders: bool, chooses_subfolders: bool
) -> None:
    """Refuse a tree in which train and test would quietly become classes, or be mixed.

    takes_all: the person has said that all in these folders is wanted, so they may be classes of odd names.
    takes_subfolders: subfolders have a meaning of their own, groups. chooses_subfolders: the person has said which of
    them count. Raises: DatasetInvalid: with the mapping.
    """
    children = outline.folders_in(top)
    sites = _sites(children)
    if len(sites) > 1 and not takes_all:
        raise DatasetInvalid(
            f"{where} is already split, with part and class in one name: {listed(map(base, sorted(sites[0])))}",
            hint=f"{LABELS_IN_A_CSV}; or, if these are the classes, --include '*'",
        )
    for site in sites:
        inner = [child for child in site if _class_folders(outline, child)]
        if inner and not all(_holds_images_and_masks(outline, child) for child in inner):
            _refuse_split(outline, top, site, inner, where=where)
        if not takes_all or inner:
            _refuse_flat(outline, site, where=where)
    named = {child: found[0] for child in children if (found := part_of(base(child)))}
    inner = [child for child in named if _class_folders(outline, child)]
    classes_of = [{base(path) for path in _class_folders(outline, child)} for child in inner]
    if len({named[child] for child in inner}) > 1 and set.intersection(*classes_of):
        _refuse_split(outline, top, inner, inner, where=where)
    others = [child for child in children if child not in inner and _class_folders(outline, child)]
    if [split_named(base(child)) for child in inner] == [Split.TRAIN] and not others and not takes_subfolders:
        _refuse_split(outline, top, inner, inner, where=where)
    _check_not_split_inside(outline, top, children, where=where)
    if not takes_subfolders and not chooses_subfolders:
        _check_not_repeated(outline, top, children, where=where)
    if not takes_all:
        _check_no_lone_part(outline, top, children, where=where)


def _check_not_repeated(outline: Outline, top: str, children: Sequence[str], *, where: str) -> None:
    """Refuse folders that hold the same subfolders: the subfolders are the classes, whatever the folders are."""
    inside = {
        child: {base(path) for path in _class_folders(outline, _sole_inner(outline, child))} for child in children
    }
    holders = Counter(name for names in inside.values() for name in names)
    shared = sorted(name for name, count in holders.items() if count > 1)
    sites = [child for child in children if len(inside[child] & set(shared)) > 1]
    if (
        len(sites) < 2
        or any(is_images_only(name) or odd_classes({name: frozenset()}) for name in shared)
        or all(map(VIEWS.fullmatch, shared))
    ):
        return
    is_part = {child: split_named(base(child)) is not None for child in sites}
    is_numbered = len({re.sub(r"\d+", "", base(child)) for child in sites}) == 1
    is_counted = all(re.search(r"\d", name) for name in shared) and "0" not in shared
    if is_counted and not any(is_part.values()) and not is_numbered:
        return  # patient1 and patient2 of every class
    train = next((child for child in sites if split_named(base(child)) == Split.TRAIN), None)
    chosen = train or next((child for child in sites if not is_part[child]), sites[0])
    name = below(_sole_inner(outline, chosen), top)
    raise DatasetInvalid(
        f"the folders {listed(below(child, top) for child in sites)} in {where} hold the same subfolders "
        f"{listed(shared)}: they look like parts of one set, not classes",
        hint=f"{spelled_option((name, None, None))} takes {shown(name)} alone, and a part that is to be kept is named "
        "beside it, such as test=FOLDER; if these are the classes, move the images out of the subfolders",
    )


def _check_no_lone_part(outline: Outline, top: str, children: Sequence[str], *, where: str) -> None:
    """Refuse good, bad and test: images of all classes would be one more class."""
    filled = [child for child in children if any(map(may_be_image, outline.files_below(child)))]
    for child in filled if len(filled) > 1 else ():
        if is_lone_part(base(child), [base(other) for other in filled if other != child]):
            name = below(child, top)
            raise DatasetInvalid(
                f"the folder {shown(name)} in {where} is called like a part of a split, beside "
                f"{listed(below(other, top) for other in filled if other != child)}",
                hint=f"is {shown(name)} a class? --include '*' says so; else move it elsewhere, or {LABELS_IN_A_CSV}",
            )


def _holds_images_and_masks(outline: Outline, folder: str) -> bool:
    inner = _class_folders(outline, folder)
    return are_images_and_masks(map(base, inner)) and not any(_class_folders(outline, path) for path in inner)


def _sites(children: Iterable[str]) -> list[list[str]]:
    """Return the sets of folders that are parts of one another's: of several parts, and otherwise named alike."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    parts: defaultdict[str, set[Split]] = defaultdict(set)
    for child in children:
        if found := part_of(base(child)):
            alike[found[1]].append(child)
            parts[found[1]].add(found[0])
    return [alike[rest] for rest in sorted(alike) if len(parts[rest]) > 1]


def _refuse_split(outline: Outline, top: str, site: Sequence[str], inner: Sequence[str], *, where: str) -> None:
    others = [child for child in outline.folders_in(parent(site[0])) if child not in site]
    beside = f", beside {listed(below(child, top) for child in others)}" if others else ""
    flat = [child for child in site if child not in inner]
    without = f"; {listed(below(child, top) for child in flat)} without class folders" if flat else ""
    raise DatasetInvalid(
        f"{where} is already split into {listed(below(child, top) for child in site)}{beside}{without}",
        hint=_mapping_hint({child: below(_sole_inner(outline, child), top) for child in inner}),
    )


def _sole_inner(outline: Outline, folder: str) -> str:
    """Return the folder below a part in which its classes stand, as images does in train/images/cat."""
    while True:
        inner = _class_folders(outline, folder)
        if are_images_and_masks(map(base, inner)):
            inner = [path for path in inner if is_images_only(base(path))]
        if len(inner) != 1 or any(map(may_be_image, outline.files_in(folder))):
            return folder
        if len(_class_folders(outline, inner[0])) < 2 and len(outline.folders_in(inner[0])) != 1:
            return folder
        folder = inner[0]


def _refuse_flat(outline: Outline, site: Sequence[str], *, where: str) -> None:
    example = next((path for child in site for path in outline.files_below(child) if may_be_image(path)), None)
    if example is not None:
        raise DatasetInvalid(
            f"{where} is already split into {listed(map(base, site))}, and they hold no class folders: "
            f"only the names of files such as {shown(example)} can tell the class",
            hint=f"{LABELS_IN_A_CSV}; or, if {listed(map(base, site))} are the classes, --include '*'",
        )


def _check_not_split_inside(outline: Outline, top: str, children: Sequence[str], *, where: str) -> None:
    """Refuse cat/train, cat/test; where the folders of parts hold classes in turn, the split lies one level down."""
    filled = [child for child in children if any(map(may_be_image, outline.files_below(child)))]
    split_inside = {child: sites[0] for child in filled if (sites := _sites(outline.folders_in(child)))}
    for site in split_inside.values():
        inner = [path for path in site if _class_folders(outline, path)]
        if inner:
            _refuse_split(outline, top, site, inner, where=where)
    if split_inside and (len(filled) == 1 or are_images_and_masks(map(base, filled))):
        _refuse_flat(outline, next(iter(split_inside.values())), where=where)
    if split_inside:
        names = Counter(base(path) for site in split_inside.values() for path in site)
        raise DatasetInvalid(
            f"the classes of {where} are already split, each into {listed(sorted(names))}: "
            f"{listed(below(child, top) for child in split_inside)}",
            hint=_mapping_hint({name: name for name in names}),
        )


def _mapping_hint(name_of: Mapping[str, str]) -> str:
    """Return the option that keeps a split. name_of: folders, each as it is typed; the first of a part counts."""
    mapping: dict[Split, str] = {}
    for folder in sorted(name_of, key=lambda folder: (not is_plain_part(base(folder)), folder)):
        found = part_of(base(folder))
        assert found is not None
        # Beside a test, what is called eval is what one looks at while training.
        is_second = found[0] == Split.TEST in mapping
        mapping.setdefault(Split.VALIDATION if is_second else found[0], name_of[folder])
    if Split.TRAIN not in mapping:
        return "call one of the folders train, or name the one to train on with --split-folders train=FOLDER"
    return spelled_option((mapping[Split.TRAIN], mapping.get(Split.VALIDATION), mapping.get(Split.TEST)))


def spelled_option(folders: SplitFolders) -> str:
    """Return a mapping as it is typed in a shell."""
    said = ",".join(f"{split.name.lower()}={name}" for split, name in zip(Split, folders, strict=True) if name)
    return f"--split-folders {shlex.quote(said if said.isprintable() else shown(said))}"


def folders_of_parts(
    outline: Outline, top: str, folders: SplitFolders, *, where: str
) -> tuple[list[ClassFolder], list[str]]:
    """Return the class folders of an author's split and what it leaves out. Raises: DatasetInvalid."""
    given = {split: composed(name) for split, name in zip(Split, folders, strict=True) if name}
    by_name = {composed(below(path, top)): path for path in outline.folders if below(path, top) != path or not top}
    by_name |= {composed(path): path for path in outline.folders if composed(path) not in by_name}
    if all(name in by_name for name in given.values()):
        roots = {split: _sole_inner(outline, _looked_through(outline, by_name[name])) for split, name in given.items()}
        return _parts_above_classes(outline, top, roots, folders, where=where)
    inside = {composed(base(inner)) for child in outline.folders_in(top) for inner in outline.folders_in(child)}
    if all(name in inside for name in given.values()):
        return _parts_below_classes(outline, top, given, where=where)
    absent = [name for name in given.values() if name not in by_name]
    missing = next((name for name in absent if name not in inside), absent[0])
    known = [*sorted(inside), *by_name]
    near = _nearest(missing, known)
    mended = [(_nearest(composed(name), known) or [name])[0] if name else None for name in folders]
    assert mended[0] is not None
    children = outline.folders_in(top)
    if near and len(set(filter(None, mended))) == len(given):
        hint = spelled_option((mended[0], mended[1], mended[2]))
    elif sites := _sites(children):
        hint = _mapping_hint({child: below(child, top) for child in sites[0]})
    else:
        hint = f"its folders: {listed(below(child, top) for child in children)}"
    raise DatasetInvalid(
        f"there is no folder {shown(missing)} in {where}" + (f"; did you mean {shown(near[0])}?" if near else ""),
        hint=hint,
    )


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return the name of a folder that was meant, at most one, itself where it is there."""
    if name in known:
        return [name]
    spelled = {other.casefold(): other for other in reversed(known)}
    return [spelled[near] for near in difflib.get_close_matches(name.casefold(), [*spelled], n=1)]


def _parts_above_classes(
    outline: Outline, top: str, roots: Mapping[Split, str], folders: SplitFolders, *, where: str
) -> tuple[list[ClassFolder], list[str]]:
    for split, root in roots.items():
        for other, other_root in roots.items():
            if split != other and f"{root}/".startswith(f"{other_root}/"):
                raise DatasetInvalid(
                    f"--split-folders: {shown(below(root, top))} cannot be both {_name(split)} and {_name(other)}"
                    if root == other_root
                    else f"--split-folders: {shown(below(root, top))} lies inside {shown(below(other_root, top))}",
                    hint="name a folder of its own for each part",
                )
        if not outline.folders_in(root):
            raise DatasetInvalid(
                f"the folder {shown(below(root, top))} of {where} holds no class folders",
                hint=LABELS_IN_A_CSV if split == Split.TRAIN else _without(folders, split),
            )
        for path in outline.files_in(root):
            if is_image(path):
                raise DatasetInvalid(
                    f"{shown(path)} in {where} lies outside any class folder", hint="move it into one, or remove it"
                )
    found = [
        ClassFolder(path=path, class_name=composed(base(path)), split=split)
        for split, root in roots.items()
        for path in outline.folders_in(root)
    ]
    _check_every_class_in_every_part(found, folders, where=where)
    used = [f"{root}/" for root in roots.values()]
    left_out = [
        below(path, top) for path in outline.folders_in(top) if not any(root.startswith(f"{path}/") for root in used)
    ]
    return found, [name for name in left_out if outline.files_below(f"{top}/{name}" if top else name)]


def _parts_below_classes(
    outline: Outline, top: str, given: Mapping[Split, str], *, where: str
) -> tuple[list[ClassFolder], list[str]]:
    found: list[ClassFolder] = []
    left_out: list[str] = []
    for class_folder in outline.folders_in(top):
        split_of = {name: split for split, name in given.items()}
        for path in outline.files_in(class_folder):
            if is_image(path):
                raise DatasetInvalid(
                    f"{shown(path)} in {where} lies in none of the folders {listed(given.values())}",
                    hint="move it into one of them, or remove it",
                )
        for path in outline.folders_in(class_folder):
            split = split_of.get(composed(base(path)))
            if split is not None:
                found.append(ClassFolder(path=path, class_name=composed(base(class_folder)), split=split))
            elif outline.files_below(path):
                left_out.append(below(path, top))
    names = [given.get(split) for split in Split]
    assert names[0] is not None
    _check_every_class_in_every_part(found, (names[0], names[1], names[2]), where=where)
    return found, left_out


def _check_every_class_in_every_part(found: Sequence[ClassFolder], folders: SplitFolders, *, where: str) -> None:
    classes = {split: {folder.class_name for folder in found if folder.split == split} for split in Split}
    every = set().union(*classes.values())
    for split, name in zip(Split, folders, strict=True):
        missing = sorted(every - classes[split]) if name else []
        if missing:
            holders = [folders[other] or "" for other in Split if missing[0] in classes[other]]
            raise DatasetInvalid(
                f"the class{'es' * (len(missing) > 1)} {listed(missing)} of {where} "
                f"{'are' if len(missing) > 1 else 'is'} in {listed(holders)} but not in {shown(name or '')}",
                hint=_without(folders, *(other for other in Split if missing[0] in classes[other]))
                if split == Split.TRAIN
                else _without(folders, split),
            )


def _without(folders: SplitFolders, *parts: Split) -> str:
    train, validation, test = (None if part in parts else name for part, name in zip(Split, folders, strict=True))
    assert train is not None
    left_out = listed(folders[part] or "" for part in parts)
    return f"{spelled_option((train, validation, test))} leaves {left_out} out and takes that part from train"


def _looked_through(outline: Outline, folder: str) -> str:
    """Return the folder itself, or the one in it that only repeats it, as in seg_train/seg_train."""
    while True:
        inner = outline.folders_in(folder)
        if len(inner) != 1 or any(map(may_be_image, outline.files_in(folder))):
            return folder
        name = base(inner[0])
        is_repeated = composed(name).casefold() == composed(base(folder)).casefold() or split_named(name) is not None
        if not is_repeated:
            return folder
        folder = inner[0]


def _class_folders(outline: Outline, folder: str) -> list[str]:
    """Return the folders right in a part that hold images, looking through one that only repeats its name."""
    inner = outline.folders_in(_looked_through(outline, folder))
    return [path for path in inner if any(map(may_be_image, outline.files_below(path)))]


def _name(split: Split) -> str:
    return split.name.lower()
