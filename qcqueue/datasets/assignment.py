"""Which image of an arrangement goes into which part, and what its owner should know of that.

Owns the choice between the three ways: the author's own split, whole groups, or image by image; the arithmetic is in
`split` and `grouping`. What an author has put into a part stays there; a part the author lacks is taken from train.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from qcqueue.datasets.format import Bytes, Split
from qcqueue.datasets.grouping import split_grouped
from qcqueue.datasets.layout import Arrangement, Member
from qcqueue.datasets.limits import shown
from qcqueue.datasets.split import (
    ALL_PARTS,
    ARTICLE_SPLIT,
    WHOLE_PERCENT,
    CopiesDoNotFit,
    Parts,
    Shares,
    Totals,
    named_parts,
    proportional_totals,
    split_stratified,
)
from qcqueue.errors import DatasetInvalid


def assign_parts(
    arrangement: Arrangement,
    pictures: Sequence[bytes],
    *,
    split: Totals | Shares | None,
    seed: int,
    where: str,
) -> Bytes:
    """Return the split of every member, uint8 [member].

    pictures: equal for copies of one picture. split: as in `ImportOptions`. Raises: DatasetInvalid.
    """
    members, classes = arrangement.members, arrangement.classes
    if all(member.split is None for member in members):
        return _shared_out(members, pictures, classes, split=split, seed=seed, parts=ALL_PARTS)
    if split is not None:
        raise DatasetInvalid(f"{where} is split already, and --split asks for another", hint="leave out --split")
    splits = np.array([member.split for member in members], np.uint8)
    lacking = _lacking(members)
    if lacking:
        train = [index for index, member in enumerate(members) if member.split == Split.TRAIN]
        splits[train] = _shared_out(
            [members[index] for index in train],
            [pictures[index] for index in train],
            classes,
            split=None,
            seed=seed,
            parts=(Split.TRAIN, *lacking),
        )
    _check_groups_whole(members, splits, where=where)
    return splits


def describe(arrangement: Arrangement, pictures: Sequence[bytes], splits: Bytes) -> list[str]:
    """Return what the owner should know of copies, groups and parts; nothing for most."""
    members = arrangement.members
    indexes_of: defaultdict[bytes, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        indexes_of[picture].append(index)
    copied = [found for found in indexes_of.values() if len(found) > 1]
    torn = sum(len({members[index].class_name for index in found}) > 1 for found in copied)
    leaking = [found for found in copied if len({int(splits[index]) for index in found}) > 1]
    said = []
    if copied:
        said.append(f"pictures present more than once: {len(copied)}" + ("" if leaking else " (copies share a split)"))
    if torn:
        # Two labels on one picture cap every model's accuracy.
        said.append(f"pictures in more than one class: {torn}")
    if leaking:
        said.append(f"pictures in more than one part: {len(leaking)}, such as {_example(members, splits, leaking[0])}")
    return said + _of_author(members, splits) + _of_groups(members, splits)


def _shared_out(
    members: Sequence[Member],
    pictures: Sequence[bytes],
    classes: Sequence[str],
    *,
    split: Totals | Shares | None,
    seed: int,
    parts: Parts,
) -> Bytes:
    label_of = {name: label for label, name in enumerate(classes)}
    labels = [label_of[member.class_name] for member in members]
    if all(member.group is None for member in members):
        try:
            return split_stratified(labels, pictures, classes=classes, totals=split, seed=seed, parts=parts)
        except CopiesDoNotFit:
            is_counted = isinstance(split, tuple) and sum(split) != WHOLE_PERCENT
            splits = None if is_counted else _copies_shared_out(labels, pictures, classes, split, seed, parts)
            if splits is None:
                raise
            return splits
    weights = _weights(split)
    groups = [member.group or "" for member in members]
    chosen = [weights[part] for part in parts]
    return split_grouped(labels, groups, pictures, classes=classes, weights=chosen, seed=seed, parts=parts)


def _copies_shared_out(
    labels: Sequence[int],
    pictures: Sequence[bytes],
    classes: Sequence[str],
    split: Totals | Shares | None,
    seed: int,
    parts: Parts,
) -> Bytes | None:
    """Return parts as near to their shares as whole copies of pictures allow, None where they cannot be had at all."""
    weights = _weights(split)
    alone = [str(index) for index in range(len(labels))]
    try:
        return split_grouped(
            labels, alone, pictures, classes=classes, weights=[weights[part] for part in parts], seed=seed, parts=parts
        )
    except DatasetInvalid:
        return None


def _weights(split: Totals | Shares | None) -> Totals:
    """Return shares for whole groups, which cannot be had in exact numbers."""
    if split is None:
        return ARTICLE_SPLIT
    if isinstance(split, Shares):
        return split.weights
    if sum(split) == WHOLE_PERCENT and min(split) > 0:
        return split
    nearest = proportional_totals(WHOLE_PERCENT, least=1, weights=split if min(split) > 0 else ARTICLE_SPLIT)
    raise DatasetInvalid(
        f"--split {','.join(map(str, split))} counts images, but whole groups can only come near to shares",
        hint=f"--split {','.join(map(str, nearest))}",
    )


def _lacking(members: Sequence[Member]) -> Parts:
    present = {member.split for member in members}
    return tuple(split for split in Split if split not in present)


def _check_groups_whole(members: Sequence[Member], splits: Bytes, *, where: str) -> None:
    """Refuse an author's split that tears a group apart which is to stay together."""
    first: dict[str, int] = {}
    for index, member in enumerate(members):
        if member.group is None:
            continue
        other = first.setdefault(member.group, index)
        if splits[index] != splits[other]:
            raise DatasetInvalid(
                f"the group {shown(member.group)} of {where} is in two parts: "
                f"{_example(members, splits, [other, index])}",
                hint="put it into one part, or leave out the groups or the split",
            )


def _of_author(members: Sequence[Member], splits: Bytes) -> list[str]:
    if all(member.split is None for member in members):
        return []
    lacking = _lacking(members)
    said = ["the author's split was kept"] if len(lacking) < len(Split) - 1 else []
    if not lacking:
        return said
    train = sum(member.split == Split.TRAIN for member in members)
    taken = ", ".join(f"{split.name.lower()} {int((splits == split).sum())}" for split in lacking)
    return [*said, f"taken from the {train} images of train: {taken}"]


def _of_groups(members: Sequence[Member], splits: Bytes) -> list[str]:
    part_of = {
        member.group: Split(int(part)) for member, part in zip(members, splits, strict=True) if member.group is not None
    }
    if not part_of:
        return []
    counts = Counter(part_of.values())
    percent = [round(100 * int((splits == split).sum()) / len(members)) for split in Split]
    parts = [f"{split.name.lower()} {counts[split]} ({percent[split]}% of the images)" for split in Split]
    return [f"groups kept together: {len(part_of)}; {', '.join(parts)}"]


def _example(members: Sequence[Member], splits: Bytes, indexes: Sequence[int]) -> str:
    one = indexes[0]
    other = next(index for index in indexes if splits[index] != splits[one])
    said = [
        f"{shown(f'{members[index].class_name}/{members[index].name}')} in {named_parts([Split(int(splits[index]))])}"
        for index in (one, other)
    ]
    return " and ".join(said)
