"""Trees that their author has split already: which folders are train, validation and test, and what to type to keep it.

Owns where parts may stand: above the classes (`train/cat`), below them (`cat/train`), or with the classes in the names
of the files; `part_names` owns their spellings, `split_folders` what `--split-folders` takes. A split is never guessed
at: without a word of the person's it is refused, with the mapping that would keep it.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qcqueue.datasets.format import Split
from qcqueue.datasets.limits import shown
from qcqueue.datasets.outline import Outline, base, below, composed, listed, parent
from qcqueue.datasets.part_names import is_lone_part, is_plain_part, part_of, split_named
from qcqueue.datasets.selection import are_images_and_masks, is_images_only, may_be_image, odd_classes
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
    sites = part_sites(children)
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
            _refuse_flat(outline, site, where=where, may_be_classes=not inner)
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
    inside = {child: {base(path) for path in _class_folders(outline, sole_inner(outline, child))} for child in children}
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
    name = below(sole_inner(outline, chosen), top)
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


def part_sites(children: Iterable[str]) -> list[list[str]]:
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
        hint=mapping_hint({child: below(sole_inner(outline, child), top) for child in inner}),
    )


def sole_inner(outline: Outline, folder: str) -> str:
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


def _refuse_flat(outline: Outline, site: Sequence[str], *, where: str, may_be_classes: bool) -> None:
    example = next((path for child in site for path in outline.files_below(child) if may_be_image(path)), None)
    if example is not None:
        raise DatasetInvalid(
            f"{where} is already split into {listed(map(base, site))}, and they hold no class folders: "
            f"only the names of files such as {shown(example)} can tell the class",
            hint=LABELS_IN_A_CSV
            + (f"; or, if {listed(map(base, site))} are the classes, --include '*'" if may_be_classes else ""),
        )


def _check_not_split_inside(outline: Outline, top: str, children: Sequence[str], *, where: str) -> None:
    """Refuse cat/train, cat/test; where the folders of parts hold classes in turn, the split lies one level down."""
    filled = [child for child in children if any(map(may_be_image, outline.files_below(child)))]
    split_inside = {child: sites[0] for child in filled if (sites := part_sites(outline.folders_in(child)))}
    for site in split_inside.values():
        inner = [path for path in site if _class_folders(outline, path)]
        if inner:
            _refuse_split(outline, top, site, inner, where=where)
    if split_inside and (len(filled) == 1 or are_images_and_masks(map(base, filled))):
        _refuse_flat(outline, next(iter(split_inside.values())), where=where, may_be_classes=False)
    if split_inside:
        names = Counter(base(path) for site in split_inside.values() for path in site)
        raise DatasetInvalid(
            f"the classes of {where} are already split, each into {listed(sorted(names))}: "
            f"{listed(below(child, top) for child in split_inside)}",
            hint=mapping_hint({name: name for name in names}),
        )


def mapping_hint(name_of: Mapping[str, str]) -> str:
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


def looked_through(outline: Outline, folder: str) -> str:
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
    inner = outline.folders_in(looked_through(outline, folder))
    return [path for path in inner if any(map(may_be_image, outline.files_below(path)))]
