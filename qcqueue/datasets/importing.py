"""`data add`: somebody's images become one dataset in memory, or one sentence why not.

Owns the order of the steps; each step has its own module. Everything that names alone can tell is refused before the
first pixel is decoded, and nothing is written anywhere, so a refusal leaves nothing behind. The same files give the
same bytes, from a folder or from a zip of it, on every machine: nothing that was typed decides, but what was asked.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qcqueue.datasets.assignment import assign_parts, describe
from qcqueue.datasets.depth import Depth
from qcqueue.datasets.format import Dataset, arrange
from qcqueue.datasets.groups import FOLDER, with_groups
from qcqueue.datasets.labels_csv import arrange_csv, is_csv
from qcqueue.datasets.layout import Arrangement, arrange_classes
from qcqueue.datasets.limits import check_size, shown
from qcqueue.datasets.parts import SplitFolders
from qcqueue.datasets.reading import Progress, read_pictures
from qcqueue.datasets.split import Shares, Totals
from qcqueue.datasets.tree import FolderTree, Tree, open_tree
from qcqueue.errors import DatasetInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a person says about images beside where they are.

    image_size: (height, width) in pixels, to which each is resized. split: images in train, validation and test,
    exactly, or shares of them; three whole numbers that add up to 100, where there are not 100 images, are per cent;
    None for the article's 68, 17 and 15 per cent. split_folders: the folders of an author's own split, by their paths
    below the top, None for a part to be taken from train. group_by: "folder", a regular expression with one group that
    is searched in the path below the class folder, or a column of a CSV; images of one group stay in one part.
    include: shell patterns over the path below the class folder, "!" before one leaves out; empty for all that lie
    right in it. seed decides which image goes where. depth: bits of
    the deep pictures, whose highest number becomes white; None for the whole range of their files.
    """

    image_size: tuple[int, int]
    split: Totals | Shares | None = None
    split_folders: SplitFolders | None = None
    group_by: str | None = None
    include: tuple[str, ...] = ()
    seed: int = 1
    depth: Depth | None = None


def import_images(path: Path, options: ImportOptions, *, progress: Progress = lambda done, total: None) -> Dataset:
    """Return the images of a folder or zip with one folder a class, or of a CSV of files and labels, as a dataset.

    Classes are shared out evenly, and copies of one picture stay in one part.
    Raises: DatasetInvalid: naming the file, class or number that cannot be used. ExtraMissing: a file is DICOM, and
    pydicom is not installed.
    """
    where = shown(path.name or str(path))
    with _opened(path, options, where=where) as (tree, arrangement):
        classes, members = arrangement.classes, arrangement.members
        check_size(len(members), options.image_size)
        # The same arithmetic again after decoding, but a wrong --split should not cost minutes to hear of.
        unlike = [index.to_bytes(4, "big") for index in range(len(members))]
        assign_parts(arrangement, unlike, split=options.split, seed=options.seed, where=where)
        read = read_pictures(
            tree, members, where=where, image_size=options.image_size, depth=options.depth, progress=progress
        )
    pictures = [hashlib.sha256(image.tobytes()).digest() for image in read.images]
    splits = assign_parts(arrangement, pictures, split=options.split, seed=options.seed, where=where)
    label_of = {name: label for label, name in enumerate(classes)}
    return arrange(
        names=[member.name for member in members],
        images=read.images,
        columns=(
            np.array([label_of[member.class_name] for member in members], np.uint8),
            splits,
            np.zeros(len(members), np.uint8),
        ),
        classes=classes,
        source=where,
        note="; ".join([*read.remarks, *describe(arrangement, pictures, splits), *arrangement.notes]),
        deep_white=read.white,
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
