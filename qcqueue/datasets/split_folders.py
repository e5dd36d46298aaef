"""An author's split that a person keeps with `--split-folders`: the class folders of each part, above or below classes.

Leaves finding such a split, and the hint to keep it, to `parts`. Every class is in every part that was named, no part
lies in another, and what is left out beside them is told.
"""

import difflib
from collections.abc import Mapping, Sequence

from qcqueue.datasets.format import Split
from qcqueue.datasets.limits import shown
from qcqueue.datasets.outline import Outline, base, below, composed, listed, parent
from qcqueue.datasets.parts import (
    LABELS_IN_A_CSV,
    ClassFolder,
    SplitFolders,
    looked_through,
    mapping_hint,
    part_sites,
    sole_inner,
    spelled_option,
)
from qcqueue.datasets.selection import is_image
from qcqueue.errors import DatasetInvalid


def folders_of_parts(
    outline: Outline, top: str, folders: SplitFolders, *, where: str
) -> tuple[list[ClassFolder], list[str]]:
    """Return the class folders of an author's split and what it leaves out. Raises: DatasetInvalid."""
    given = {split: composed(name) for split, name in zip(Split, folders, strict=True) if name}
    by_name = {composed(below(path, top)): path for path in outline.folders if below(path, top) != path or not top}
    by_name |= {composed(path): path for path in outline.folders if composed(path) not in by_name}
    if all(name in by_name for name in given.values()):
        roots = {split: sole_inner(outline, looked_through(outline, by_name[name])) for split, name in given.items()}
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
    elif sites := part_sites(children):
        hint = mapping_hint({child: below(child, top) for child in sites[0]})
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
                both = f"{split.name.lower()} and {other.name.lower()}"
                raise DatasetInvalid(
                    f"--split-folders: {shown(below(root, top))} cannot be both {both}"
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
    for root in roots.values():  # such as the masks beside train/images
        beside = [] if parent(root) == top else outline.folders_in(parent(root))
        left_out += [below(path, top) for path in beside if not any(one.startswith(f"{path}/") for one in used)]
    filled = [name for name in dict.fromkeys(left_out) if outline.files_below(f"{top}/{name}" if top else name)]
    return found, filled


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
