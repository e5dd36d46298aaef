"""Who goes into train, validation and test: pure arithmetic over counts, labels and a seed.

Leaves what a sample is to its callers, and whole groups of different pictures to `grouping`. Always true of an answer:
the totals are exact, every class is in every part, a class's share of a part is within one image of its share of the
whole (unless that one image was needed to keep a small class present), and copies of one picture stay in one part.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcqueue.clock import seeded
from qcqueue.datasets.format import Bytes, Split
from qcqueue.errors import DatasetInvalid

Totals = tuple[int, int, int]
Parts = tuple[Split, ...]

ARTICLE_SPLIT: Totals = (2200, 550, 486)
"""Train, validation and test of the article that this project repeats: 68, 17 and 15 per cent of 3,236."""

WHOLE_PERCENT = 100
MORE = "add images of that class or remove its folder"
ALL_PARTS: Parts = tuple(Split)


class CopiesDoNotFit(DatasetInvalid):
    """Exact numbers cannot be met without a picture in two parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What train, validation and test are to get, in proportion: whole numbers above 0, such as 70, 15 and 15."""

    weights: Totals


def proportional_totals(count: int, *, least: int, weights: Sequence[int] = ARTICLE_SPLIT) -> Totals:
    """Return `count` shared out by largest remainder, as in the article or by `weights`, each part at least `least`."""
    train, validation, test = _shared_out(count, weights, least=least)
    return train, validation, test


def exact_totals(asked: Totals | Shares | None, count: int, *, least: int) -> Totals:
    """Return how many of `count` images each part gets. Numbers that add up to 100 and not to `count` are shares."""
    if isinstance(asked, Shares):
        return proportional_totals(count, least=least, weights=asked.weights)
    if asked is None:
        return proportional_totals(count, least=least)
    if is_percent(asked, count):
        return proportional_totals(count, least=least, weights=asked)
    return asked


def is_percent(asked: Totals, count: int) -> bool:
    """Return whether three whole numbers mean per cent of `count` images and not images."""
    return sum(asked) == WHOLE_PERCENT != count and min(asked) > 0


def split_stratified(
    labels: Sequence[int],
    groups: Sequence[bytes],
    *,
    classes: Sequence[str],
    totals: Totals | Shares | None,
    seed: int,
    parts: Parts = ALL_PARTS,
) -> Bytes:
    """Return the split of every sample, uint8 [sample].

    groups: samples with the same value are copies of one picture and stay together. totals: images a part in exact
    numbers, or shares; None for the article's proportions. parts: those to share out to, all or, without totals, some.
    Raises: DatasetInvalid: the numbers cannot be met. CopiesDoNotFit: not without parting copies.
    """
    sizes = Counter(labels)
    room = class_shares([sizes[label] for label in range(len(classes))], totals, classes=classes, parts=parts)
    rng = seeded(f"split/{seed}")
    order = list(range(len(labels)))
    rng.shuffle(order)
    members: dict[bytes, list[int]] = {}
    for index in order:
        members.setdefault(groups[index], []).append(index)
    splits = np.zeros(len(labels), np.uint8)
    # The big groups first, while there is room for them; the single pictures then fill whatever is left exactly.
    for group in sorted(members.values(), key=len, reverse=True):
        place = _place_with_room(Counter(labels[index] for index in group), room)
        for index in group:
            splits[index] = parts[place]
            room[labels[index]][place] -= 1
    return splits


def class_shares(
    sizes: Sequence[int], asked: Totals | Shares | None, *, classes: Sequence[str], parts: Parts = ALL_PARTS
) -> list[list[int]]:
    """Return images [class][part]: rows add up to `sizes`, columns to what was asked. Raises: DatasetInvalid."""
    check_sizes(sizes, classes, parts=parts)
    if parts == ALL_PARTS:
        totals: Sequence[int] = exact_totals(asked, sum(sizes), least=len(sizes))
        _check_totals(totals, sizes)
    else:
        assert asked is None
        totals = _shared_out(sum(sizes), [ARTICLE_SPLIT[part] for part in parts], least=len(sizes))
    shares = _rounded(sizes, totals)
    for label, row in enumerate(shares):
        for place in range(len(parts)):
            if row[place] == 0:
                _swap_one_in(shares, label, place)
    return shares


def check_sizes(
    sizes: Sequence[int], classes: Sequence[str], *, parts: Parts = ALL_PARTS, what: str = "image", hint: str = MORE
) -> None:
    """Refuse a class that is too small to be in every part. what: that which is shared out. Raises: DatasetInvalid."""
    for name, size in zip(classes, sizes, strict=True):
        if size < len(parts):
            raise DatasetInvalid(
                f"the class {name} has {size} {what}{'s' * (size != 1)}; at least {len(parts)} are needed, "
                f"one each for {named_parts(parts)}",
                hint=hint,
            )


def named_parts(parts: Sequence[Split]) -> str:
    """Return parts as a person says them."""
    names = [part.name.lower() for part in parts]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _check_totals(totals: Sequence[int], sizes: Sequence[int]) -> None:
    hint = f"--split {_listed(proportional_totals(sum(sizes), least=len(sizes)))}"
    if min(totals) < len(sizes):
        raise DatasetInvalid(
            f"a split of {_listed(totals)} cannot have all {len(sizes)} classes in every part", hint=hint
        )
    if sum(totals) != sum(sizes):
        raise DatasetInvalid(
            f"a split of {_listed(totals)} adds up to {sum(totals)}, but there are {sum(sizes)} images", hint=hint
        )


def _shared_out(count: int, weights: Sequence[int], *, least: int) -> list[int]:
    whole = sum(weights)
    totals = [count * share // whole for share in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(count * weights[place] % whole))
    for place in by_remainder[: count - sum(totals)]:
        totals[place] += 1
    while min(totals) < least and max(totals) > least:
        totals[totals.index(min(totals))] += 1
        totals[totals.index(max(totals))] -= 1
    return totals


def _rounded(sizes: Sequence[int], totals: Sequence[int]) -> list[list[int]]:
    """Return the exact shares size*total/count rounded down or up so that every row and column still adds up.

    After rounding down, each row and column lacks a few; giving a row's missing ones to the columns that lack most
    never gets stuck (Gale and Ryser), because the fractions rounded away are themselves one way to fill the gaps.
    """
    count = sum(sizes)
    shares = [[size * total // count for total in totals] for size in sizes]
    lacking = [total - sum(column) for total, column in zip(totals, zip(*shares, strict=True), strict=True)]
    for row, size in zip(shares, sizes, strict=True):
        lost = [size * total % count for total in totals]
        neediest = sorted(range(len(totals)), key=lambda place: (lacking[place], lost[place]), reverse=True)
        for place in neediest[: size - sum(row)]:
            row[place] += 1
            lacking[place] -= 1
    return shares


def _swap_one_in(shares: list[list[int]], label: int, place: int) -> None:
    """Give a class that is missing from a part one image there, against one of the class that has most there."""
    giver = max(range(len(shares)), key=lambda other: shares[other][place])
    other_place = max(range(len(shares[label])), key=lambda candidate: shares[label][candidate])
    assert shares[giver][place] > 1
    assert shares[label][other_place] > 1
    shares[label][place] += 1
    shares[label][other_place] -= 1
    shares[giver][place] -= 1
    shares[giver][other_place] += 1


def _place_with_room(needed: Counter[int], room: list[list[int]]) -> int:
    places = range(len(room[0]))
    fitting = [place for place in places if all(room[label][place] >= count for label, count in needed.items())]
    if not fitting:
        raise CopiesDoNotFit(
            f"one picture stands in the images {needed.total()} times, too often to keep its copies in one part",
            hint="remove the copies: a picture in train and in test makes the test meaningless",
        )
    return max(fitting, key=lambda place: min(room[label][place] for label in needed))


def _listed(totals: Sequence[int]) -> str:
    return ",".join(map(str, totals))
