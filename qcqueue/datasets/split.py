"""Who goes into train, validation and test: pure arithmetic over counts, labels and a seed.

Leaves what a sample is to its callers. Always true of an answer: the totals are exact, every class is in every
split, a class's share of a split is within one image of its share of the whole (unless that one image was needed
to keep a small class present), and samples of one group are never in two splits.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from qcqueue.clock import seeded
from qcqueue.datasets.format import Bytes, Split
from qcqueue.errors import DatasetInvalid

Totals = tuple[int, int, int]

ARTICLE_SPLIT: Totals = (2200, 550, 486)
"""Train, validation and test of the article that this project repeats: 68, 17 and 15 per cent of 3,236."""


def proportional_totals(count: int, *, least: int) -> Totals:
    """Return `count` shared out as in the article by largest remainder, each part at least `least`."""
    whole = sum(ARTICLE_SPLIT)
    parts = [count * share // whole for share in ARTICLE_SPLIT]
    by_remainder = sorted(Split, key=lambda split: -(count * ARTICLE_SPLIT[split] % whole))
    for split in by_remainder[: count - sum(parts)]:
        parts[split] += 1
    while min(parts) < least and max(parts) > least:
        parts[parts.index(min(parts))] += 1
        parts[parts.index(max(parts))] -= 1
    return parts[0], parts[1], parts[2]


def split_stratified(
    labels: Sequence[int], groups: Sequence[bytes], *, classes: Sequence[str], totals: Totals | None, seed: int
) -> Bytes:
    """Return the split of every sample, uint8 [sample].

    groups: samples with the same value are copies of one picture and stay together. totals: images a split in
    exact numbers; None for the article's proportions.
    Raises: DatasetInvalid: the numbers cannot be met.
    """
    sizes = Counter(labels)
    room = class_shares([sizes[label] for label in range(len(classes))], totals, classes=classes)
    rng = seeded(f"split/{seed}")
    order = list(range(len(labels)))
    rng.shuffle(order)
    members: dict[bytes, list[int]] = {}
    for index in order:
        members.setdefault(groups[index], []).append(index)
    splits = np.zeros(len(labels), np.uint8)
    # The big groups first, while there is room for them; the single pictures then fill whatever is left exactly.
    for group in sorted(members.values(), key=len, reverse=True):
        split = _split_with_room(Counter(labels[index] for index in group), room)
        for index in group:
            splits[index] = split
            room[labels[index]][split] -= 1
    return splits


def class_shares(sizes: Sequence[int], totals: Totals | None, *, classes: Sequence[str]) -> list[list[int]]:
    """Return images [class][split]: rows add up to `sizes`, columns to `totals`. Raises: DatasetInvalid."""
    _check_sizes(sizes, totals, classes)
    chosen = totals or proportional_totals(sum(sizes), least=len(sizes))
    shares = _rounded(sizes, chosen)
    for label, row in enumerate(shares):
        for split in Split:
            if row[split] == 0:
                _swap_one_in(shares, label, split)
    return shares


def _check_sizes(sizes: Sequence[int], totals: Totals | None, classes: Sequence[str]) -> None:
    for name, size in zip(classes, sizes, strict=True):
        if size < len(Split):
            raise DatasetInvalid(
                f"the class {name} has {size} image{'s' * (size != 1)}; at least {len(Split)} are needed, "
                "one each for train, validation and test",
                hint="add images of that class or remove its folder",
            )
    if totals is None:
        return
    if min(totals) < len(classes):
        raise DatasetInvalid(
            f"a split of {_listed(totals)} cannot have all {len(classes)} classes in every part",
            hint=f"give train, validation and test at least {len(classes)} images each",
        )
    if sum(totals) != sum(sizes):
        raise DatasetInvalid(
            f"a split of {_listed(totals)} adds up to {sum(totals)}, but there are {sum(sizes)} images",
            hint=f"--split {_listed(proportional_totals(sum(sizes), least=len(classes)))}",
        )


def _rounded(sizes: Sequence[int], totals: Totals) -> list[list[int]]:
    """Return the exact shares size*total/count rounded down or up so that every row and column still adds up.

    After rounding down, each row and column lacks a few; giving a row's missing ones to the columns that lack most
    never gets stuck (Gale and Ryser), because the fractions rounded away are themselves one way to fill the gaps.
    """
    count = sum(sizes)
    shares = [[size * total // count for total in totals] for size in sizes]
    lacking = [total - sum(column) for total, column in zip(totals, zip(*shares, strict=True), strict=True)]
    for row, size in zip(shares, sizes, strict=True):
        lost = [size * total % count for total in totals]
        neediest = sorted(Split, key=lambda split: (lacking[split], lost[split]), reverse=True)
        for split in neediest[: size - sum(row)]:
            row[split] += 1
            lacking[split] -= 1
    return shares


def _swap_one_in(shares: list[list[int]], label: int, split: Split) -> None:
    """Give a class that is missing from a split one image there, against one of the class that has most there."""
    giver = max(range(len(shares)), key=lambda other: shares[other][split])
    other_split = max(Split, key=lambda candidate: shares[label][candidate])
    assert shares[giver][split] > 1
    assert shares[label][other_split] > 1
    shares[label][split] += 1
    shares[label][other_split] -= 1
    shares[giver][split] -= 1
    shares[giver][other_split] += 1


def _split_with_room(needed: Counter[int], room: list[list[int]]) -> Split:
    fitting = [split for split in Split if all(room[label][split] >= count for label, count in needed.items())]
    if not fitting:
        raise DatasetInvalid(
            f"one picture stands in the images {needed.total()} times, too often to keep its copies in one split",
            hint="remove the copies: a picture in train and in test makes the test meaningless",
        )
    return max(fitting, key=lambda split: min(room[label][split] for label in needed))


def _listed(totals: Totals) -> str:
    return ",".join(str(total) for total in totals)
