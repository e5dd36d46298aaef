"""`data add`: somebody's images become one dataset in memory, or one sentence why not.

Owns the order of the steps; each step has its own module. Everything that names alone can tell is refused before the
first pixel is decoded, and nothing is written anywhere, so a refusal leaves nothing behind. The same files give the
same bytes, from a folder or from a zip of it, on every machine: nothing that was typed decides, but what was asked.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qcqueue.datasets.assignment import assign_parts, describe
from qcqueue.datasets.decode import decode
from qcqueue.datasets.format import Bytes, Dataset, arrange
from qcqueue.datasets.groups import FOLDER, with_groups
from qcqueue.datasets.labels_csv import arrange_csv, is_csv
from qcqueue.datasets.layout import Arrangement, Member, arrange_classes
from qcqueue.datasets.limits import check_size, shown
from qcqueue.datasets.parts import SplitFolders
from qcqueue.datasets.split import Shares, Totals
from qcqueue.datasets.tree import FolderTree, Tree, open_tree
from qcqueue.errors import DatasetInvalid

Progress = Callable[[int, int], None]
"""Told (images done, images in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a person says about images beside where they are.

    image_size: (height, width) in pixels, to which each is resized. split: images in train, validation and test,
    exactly, or shares of them; three whole numbers that add up to 100, where there are not 100 images, are per cent;
    None for the article's 68, 17 and 15 per cent. split_folders: the folders of an author's own split, by their paths
    below the top, None for a part to be taken from train. group_by: "folder", a regular expression with one group that
    is searched in the path below the class folder, or a column of a CSV; images of one group stay in one part.
    include: shell patterns over the path below the class folder, "!" before one leaves out; empty for all that lie
    right in it. seed decides which image goes where.
    """

    image_size: tuple[int, int]
    split: Totals | Shares | None = None
    split_folders: SplitFolders | None = None
    group_by: str | None = None
    include: tuple[str, ...] = ()
    seed: int = 1


def import_images(path: Path, options: ImportOptions, *, progress: Progress = lambda done, total: None) -> Dataset:
    """Return the images of a folder or zip with one folder a class, or of a CSV of files and labels, as a dataset.

    Classes are shared out evenly, and copies of one picture stay in one part.
    Raises: DatasetInvalid: naming the file, class or number that cannot be used.
    """
    where = shown(path.name or str(path))
    with _opened(path, options, where=where) as (tree, arrangement):
        classes, members = arrangement.classes, arrangement.members
        check_size(len(members), options.image_size)
        # The same arithmetic again after decoding, but a wrong --split should not cost minutes to hear of.
        unlike = [index.to_bytes(4, "big") for index in range(len(members))]
        assign_parts(arrangement, unlike, split=options.split, seed=options.seed, where=where)
        images = _decode_all(tree, members, where=where, image_size=options.image_size, progress=progress)
    pictures = [hashlib.sha256(image.tobytes()).digest() for image in images]
    splits = assign_parts(arrangement, pictures, split=options.split, seed=options.seed, where=where)
    label_of = {name: label for label, name in enumerate(classes)}
    return arrange(
        names=[member.name for member in members],
        images=images,
        columns=(
            np.array([label_of[member.class_name] for member in members], np.uint8),
            splits,
            np.zeros(len(members), np.uint8),
        ),
        classes=classes,
        source=where,
        note="; ".join([*describe(arrangement, pictures, splits), *arrangement.notes]),
    )


@contextmanager
def _opened(path: Path, options: ImportOptions, *, where: str) -> Iterator[tuple[Tree, Arrangement]]:
    """Open the images and say which is of which class and group."""
    if is_csv(path):
        for option, value in (("--split-folders", options.split_folders), ("--include", options.include)):
            if value:
                raise DatasetInvalid(
                    f"{option} is for folders and zips; {where} is a CSV",
                    hint="write what you mean into its lines, and the part into a column split",
                )
        arrangement = arrange_csv(path, where=where, group_by=options.group_by)
        yield FolderTree(path.parent, where=where), arrangement
        return
    with open_tree(path) as tree:
        arrangement = arrange_classes(
            tree.listing(),
            where=where,
            include=options.include,
            split_folders=options.split_folders,
            takes_subfolders=options.group_by == FOLDER,
        )
        if options.group_by is not None:
            members = with_groups(arrangement.members, options.group_by, where=where)
            arrangement = replace(arrangement, members=members)
        yield tree, arrangement


def _decode_all(
    tree: Tree, members: Sequence[Member], *, where: str, image_size: tuple[int, int], progress: Progress
) -> Bytes:
    images = np.empty((len(members), *image_size, 3), np.uint8)
    for index, member in enumerate(members):
        named = f"{shown(member.path)} in {where}"
        images[index] = decode(tree.read(member.path), named=named, image_size=image_size)
        progress(index + 1, len(members))
    return images
