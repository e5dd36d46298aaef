"""`data add`: somebody's folder or zip of class folders becomes one dataset in memory, or one sentence why not.

Owns the order of the steps; each step has its own module. Everything that names alone can tell is refused before the
first pixel is decoded, and nothing is written anywhere, so a refusal leaves nothing behind. The same files give the
same bytes, from a folder or from a zip of it, on every machine.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qcqueue.datasets.depth import Depth
from qcqueue.datasets.format import Dataset, arrange
from qcqueue.datasets.layout import arrange_classes
from qcqueue.datasets.limits import check_size, shown
from qcqueue.datasets.reading import Progress, read_pictures
from qcqueue.datasets.split import Totals, class_shares, split_stratified
from qcqueue.datasets.tree import open_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a person says about images beside where they are.

    image_size: (height, width) in pixels, to which each is resized. split: images in train, validation and test,
    exactly; None for the article's 68, 17 and 15 per cent. seed decides which image goes where. depth: bits of the
    deep pictures, whose highest number becomes white; None for the whole range of their files.
    """

    image_size: tuple[int, int]
    split: Totals | None = None
    seed: int = 1
    depth: Depth | None = None


def import_images(path: Path, options: ImportOptions, *, progress: Progress = lambda done, total: None) -> Dataset:
    """Return the images of a folder or zip with one folder a class as a dataset.

    Classes are shared out evenly, and copies of one picture stay in one split.
    Raises: DatasetInvalid: naming the file, class or number that cannot be used. ExtraMissing: a file is DICOM, and
    pydicom is not installed.
    """
    image_size, split, seed = options.image_size, options.split, options.seed
    where = shown(path.name or str(path))
    with open_tree(path) as tree:
        classes, members = arrange_classes(tree.listing(), where=where)
        check_size(len(members), image_size)
        label_of = {name: label for label, name in enumerate(classes)}
        labels = [label_of[member.class_name] for member in members]
        # The same arithmetic again after decoding, but a wrong --split should not cost minutes to hear of.
        sizes = Counter(labels)
        class_shares([sizes[label] for label in range(len(classes))], split, classes=classes)
        read = read_pictures(tree, members, where=where, image_size=image_size, depth=options.depth, progress=progress)
    pictures = [hashlib.sha256(image.tobytes()).digest() for image in read.images]
    return arrange(
        names=[member.name for member in members],
        images=read.images,
        columns=(
            np.array(labels, np.uint8),
            split_stratified(labels, pictures, classes=classes, totals=split, seed=seed),
            np.zeros(len(members), np.uint8),
        ),
        classes=classes,
        source=where,
        note="; ".join([*read.remarks, *_copies(pictures, labels)]),
        deep_white=read.white,
    )


def _copies(pictures: Sequence[bytes], labels: Sequence[int]) -> list[str]:
    """Return what the owner should know of copies, or nothing. Two labels on one picture cap every model's accuracy."""
    labels_of: defaultdict[bytes, list[int]] = defaultdict(list)
    for picture, label in zip(pictures, labels, strict=True):
        labels_of[picture].append(label)
    copied = [found for found in labels_of.values() if len(found) > 1]
    torn = sum(len(set(found)) > 1 for found in copied)
    said = [f"pictures present more than once: {len(copied)} (copies share a split)"] if copied else []
    return said + ([f"pictures in more than one class: {torn}"] if torn else [])
