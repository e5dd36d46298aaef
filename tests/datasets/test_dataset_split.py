"""Sharing out images: exact totals, even classes, nobody left out, copies together."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcqueue.datasets.format import Split
from qcqueue.datasets.split import class_shares, proportional_totals, split_stratified
from qcqueue.errors import DatasetInvalid

CLASSES = ("good", "fair", "reject")


def singles(count: int) -> list[bytes]:
    return [str(index).encode() for index in range(count)]


def test_the_articles_number_of_images_gets_the_articles_split() -> None:
    assert proportional_totals(3236, least=3) == (2200, 550, 486)


@pytest.mark.parametrize(
    ("count", "totals"), [(96, (65, 16, 15)), (9, (3, 3, 3)), (12, (6, 3, 3)), (100, (68, 17, 15))]
)
def test_other_numbers_get_the_same_proportions_with_room_for_every_class(
    count: int, totals: tuple[int, int, int]
) -> None:
    assert proportional_totals(count, least=3) == totals


@given(sizes=st.lists(st.integers(3, 400), min_size=2, max_size=12), data=st.data())
def test_shares_have_exact_rows_and_columns_and_no_class_is_missing_anywhere(
    sizes: list[int], data: st.DataObject
) -> None:
    spare = sum(sizes) - 3 * len(sizes)
    assume(spare >= 0)
    first = data.draw(st.integers(0, spare))
    second = data.draw(st.integers(0, spare - first))
    totals = (len(sizes) + first, len(sizes) + second, len(sizes) + spare - first - second)
    shares = class_shares(sizes, totals, classes=[str(index) for index in range(len(sizes))])
    assert [sum(row) for row in shares] == sizes
    assert tuple(sum(column) for column in zip(*shares, strict=True)) == totals
    assert min(min(row) for row in shares) >= 1


@given(sizes=st.lists(st.integers(30, 900), min_size=2, max_size=8))
def test_a_class_has_its_share_of_every_split_within_one_image(sizes: list[int]) -> None:
    totals = proportional_totals(sum(sizes), least=len(sizes))
    shares = class_shares(sizes, totals, classes=[str(index) for index in range(len(sizes))])
    for size, row in zip(sizes, shares, strict=True):
        for split in Split:
            assert abs(row[split] - size * totals[split] / sum(sizes)) <= 1


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    labels = [index % 3 for index in range(90)]
    first, again, other = (
        split_stratified(labels, singles(90), classes=CLASSES, totals=None, seed=seed).tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@given(copies=st.lists(st.integers(0, 25), min_size=90, max_size=90), seed=st.integers(0, 99))
def test_copies_of_one_picture_stay_in_one_split_and_the_totals_stay_exact(copies: list[int], seed: int) -> None:
    labels = [index % 3 for index in range(90)]
    groups = [bytes([copy]) if copy < 10 else str(index).encode() for index, copy in enumerate(copies)]
    assume(Counter(groups).most_common(1)[0][1] <= 9)
    splits = split_stratified(labels, groups, classes=CLASSES, totals=(60, 15, 15), seed=seed).tolist()
    assert Counter(splits) == {0: 60, 1: 15, 2: 15}
    homes = {group: {split for split, other in zip(splits, groups, strict=True) if other == group} for group in groups}
    assert all(len(home) == 1 for home in homes.values())


def test_a_picture_repeated_too_often_for_any_split_is_refused() -> None:
    with pytest.raises(DatasetInvalid, match="stands in the images 8 times"):
        split_stratified([0] * 8 + [1] * 8, [b"same"] * 8 + singles(8), classes=("a", "b"), totals=None, seed=1)


@pytest.mark.parametrize(
    ("totals", "sentence"),
    [
        ((10, 3, 3), "a split of 10,3,3 adds up to 16, but there are 15 images"),
        ((11, 4, 0), "a split of 11,4,0 cannot have all 3 classes in every part"),
        ((20, -3, -2), "a split of 20,-3,-2 cannot have all 3 classes in every part"),
    ],
)
def test_a_split_that_cannot_be_met_is_refused_with_its_numbers(totals: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(DatasetInvalid) as caught:
        class_shares([5, 5, 5], totals, classes=CLASSES)
    assert str(caught.value) == sentence
    assert caught.value.hint


def test_a_split_that_does_not_add_up_is_answered_with_one_that_does() -> None:
    with pytest.raises(DatasetInvalid) as caught:
        class_shares([5, 5, 5], (10, 3, 3), classes=CLASSES)
    assert caught.value.hint == "--split 9,3,3"


def test_a_class_too_small_for_three_splits_is_refused_by_name() -> None:
    with pytest.raises(DatasetInvalid, match="the class fair has 2 images; at least 3 are needed"):
        class_shares([9, 2, 9], None, classes=CLASSES)
