"""Whole groups into train, validation and test: all images of one patient, site or day in one part.

Owns the search, which is exact for a few groups and otherwise greedy with improvements; leaves what a group is to
`groups`. Always true of an answer: no group and no picture is in two parts, every class is in every part, and the same
input and seed give the same answer. The shares are met as nearly as whole groups allow, never exactly by breaking one.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from qcqueue.clock import Rng, seeded
from qcqueue.datasets.format import Bytes
from qcqueue.datasets.split import ALL_PARTS, Parts, check_sizes, named_parts
from qcqueue.errors import DatasetInvalid

EXACT_MOST = 8
"""So many groups are tried in every way: 3 to the 8th is 6,561."""

SWAPS_MOST, BEGINNINGS_MOST, BEGINNINGS, ROUNDS_MOST = 60, 2000, 6, 12
"""Up to so many groups are exchanged in pairs, or placed from several beginnings; rounds of improvements at most."""

Group = tuple[tuple[int, int], ...]
"""Of one group: (label, images)."""


def split_grouped(
    labels: Sequence[int],
    groups: Sequence[str],
    pictures: Sequence[bytes],
    *,
    classes: Sequence[str],
    weights: Sequence[int],
    seed: int,
    parts: Parts = ALL_PARTS,
) -> Bytes:
    """Return the part of every sample, uint8 [sample], with each group and all copies of a picture in one part.

    weights: how much each of `parts` is to get, in proportion.
    Raises: DatasetInvalid: a class has too few groups, or no way of giving every class to every part was found.
    """
    joined = _joined(groups, pictures)
    members = [[labels[index] for index in one] for one in joined]
    known: list[Group] = [tuple(sorted(Counter(one).items())) for one in members]
    held = Counter(label for group in known for label, _ in group)
    check_sizes(
        [held[label] for label in range(len(classes))],
        classes,
        parts=parts,
        what="group",
        hint="add images of other groups, or group less; groups that share a picture count as one",
    )
    placing = _best(known, len(classes), weights, seeded(f"groups/{seed}"))
    missing = [(label, row.index(0)) for label, row in enumerate(placing.counts) if 0 in row]
    if missing:
        label, place = missing[0]
        raise DatasetInvalid(
            f"no way was found to have the class {classes[label]} in {parts[place].name.lower()} as well: "
            f"whole groups cannot give every class to {named_parts(parts)}",
            hint="make the groups smaller, or leave out --group-by",
        )
    splits = np.zeros(len(labels), np.uint8)
    for indexes, place in zip(joined, placing.places, strict=True):
        splits[indexes] = parts[place]
    return splits


def _joined(groups: Sequence[str], pictures: Sequence[bytes]) -> list[list[int]]:
    """Return the samples that must stay together: by group, by picture, and by what these have in common."""
    root = list(range(len(groups)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    first: dict[str | bytes, int] = {}
    for index, keys in enumerate(zip(groups, pictures, strict=True)):
        for key in keys:
            one, other = find(index), find(first.setdefault(key, index))
            root[max(one, other)] = min(one, other)
    found: dict[int, list[int]] = {}
    for index in range(len(groups)):
        found.setdefault(find(index), []).append(index)
    return list(found.values())


class _Placing:
    """Groups in their parts and what that costs: squared deviations of parts and of classes in parts from their shares.

    All numbers are whole: a deviation is counted in images times the sum of the weights. A class that is missing from
    a part costs more than all deviations together.
    """

    def __init__(self, groups: Sequence[Group], class_count: int, weights: Sequence[int]) -> None:
        self.groups = groups
        self.sizes = [sum(count for _, count in group) for group in groups]
        self.places = [0] * len(groups)
        self.counts = [[0] * len(weights) for _ in range(class_count)]
        self._totals = [0] * len(weights)
        self._whole = sum(weights)
        sizes: Counter[int] = Counter()
        for group in groups:
            sizes.update(dict(group))
        self._shares = [[sizes[label] * weight for weight in weights] for label in range(class_count)]
        self._total_shares = [sizes.total() * weight for weight in weights]
        self._class_count = class_count
        self._absent = 2 * len(weights) * (class_count + 1) ** 2 * (sizes.total() * self._whole) ** 2 + 1
        self.cost = class_count * len(weights) * self._absent
        self.cost += sum(share**2 for row in self._shares for share in row)
        self.cost += class_count * sum(share**2 for share in self._total_shares)

    def change(self, index: int, place: int, sign: int) -> int:
        """Return how the cost changes where a group is put into a part (sign 1) or taken out of it (sign -1)."""
        off = self._totals[place] * self._whole - self._total_shares[place]
        step = sign * self.sizes[index] * self._whole
        change = self._class_count * step * (2 * off + step)
        for label, count in self.groups[index]:
            held = self.counts[label][place]
            off = held * self._whole - self._shares[label][place]
            step = sign * count * self._whole
            change += step * (2 * off + step)
            if held == 0 or held + sign * count == 0:
                change -= sign * self._absent
        return change

    def put(self, index: int, place: int, sign: int = 1) -> None:
        """Put a group into a part, or take it out of it (sign -1)."""
        self.cost += self.change(index, place, sign)
        self.places[index] = place
        self._totals[place] += sign * self.sizes[index]
        for label, count in self.groups[index]:
            self.counts[label][place] += sign * count

    def begin(self, order: Sequence[int]) -> None:
        """Put every group where it helps most, one after the other."""
        for index in order:
            self.put(index, min(range(len(self._totals)), key=lambda place: self.change(index, place, 1)))

    def moved(self, index: int) -> bool:
        """Move a group to where it costs least; return whether that is elsewhere."""
        here = self.places[index]
        self.put(index, here, -1)
        self.put(index, min([here, *range(len(self._totals))], key=lambda place: self.change(index, place, 1)))
        return self.places[index] != here

    def exchanged(self, one: int, other: int) -> bool:
        """Exchange the places of two groups where that costs less; return whether it did."""
        here, there, before = self.places[one], self.places[other], self.cost
        if here == there:
            return False
        self._exchange(one, other)
        if self.cost < before:
            return True
        self._exchange(one, other)
        return False

    def _exchange(self, one: int, other: int) -> None:
        here, there = self.places[one], self.places[other]
        self.put(one, here, -1)
        self.put(other, there, -1)
        self.put(one, there)
        self.put(other, here)


def _best(groups: Sequence[Group], class_count: int, weights: Sequence[int], rng: Rng) -> _Placing:
    """Return the best placing that was found; of equals the first, in an order that `rng` decides."""
    order = list(range(len(groups)))
    rng.shuffle(order)
    if len(order) <= EXACT_MOST:
        return _best_of_all(_Placing(groups, class_count, weights), order, len(weights))
    sizes = _Placing(groups, class_count, weights).sizes
    beginnings = [sorted(order, key=lambda index: -sizes[index])]
    if len(order) <= BEGINNINGS_MOST:
        beginnings += [rng.sample(order, len(order)) for _ in range(BEGINNINGS - 1)]
    placings = []
    for beginning in beginnings:
        placing = _Placing(groups, class_count, weights)
        placing.begin(beginning)
        _improve(placing, beginning)
        placings.append(placing)
    return min(placings, key=lambda placing: placing.cost)


def _best_of_all(placing: _Placing, order: Sequence[int], place_count: int) -> _Placing:
    """Try every way, each by undoing the least of the one before."""
    best: tuple[int, list[int]] | None = None

    def place_from(number: int) -> None:
        nonlocal best
        if number == len(order):
            if best is None or placing.cost < best[0]:
                best = placing.cost, list(placing.places)
            return
        for place in range(place_count):
            placing.put(order[number], place)
            place_from(number + 1)
            placing.put(order[number], place, -1)

    place_from(0)
    assert best is not None
    for index, place in enumerate(best[1]):
        placing.put(index, place)
    return placing


def _improve(placing: _Placing, order: Sequence[int]) -> None:
    for _ in range(ROUNDS_MOST):
        moved = [placing.moved(index) for index in order]
        pairs = combinations(order, 2) if len(order) <= SWAPS_MOST else ()
        exchanged = [placing.exchanged(one, other) for one, other in pairs]
        if not any(moved) and not any(exchanged):
            return
