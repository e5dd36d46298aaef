"""Sharing out images: exact totals, even classes, nobody left out, copies together."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcqueue.datasets.format import Split
from qcqueue.datasets.split import class_shares, proportional_totals, split_stratified
from qcqueue.errors import DatasetInvalid
from tests.datasets.adding import added, refused
from tests.datasets.pictures import folder_of, png, three_classes

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


@pytest.mark.parametrize(
    ("count", "seed", "totals", "sha256"),
    [
        (96, 1, None, "5ed7e26f49fe57f7a6aefdfade8b3171ce8d963fbf7d1e9ecd454bd677ba1cef"),
        (50, 7, (30, 11, 9), "d540ed13544ed753a7792843afb334d2600f73f29fa8892c484674e9a85ce371"),
    ],
)
def test_a_seed_splits_as_it_always_did(
    count: int, seed: int, totals: tuple[int, int, int] | None, sha256: str
) -> None:
    # Who adds images again to mend a damaged dataset must get the same one, years later too.
    pictures = [str(index // 2 * 2 if index % 10 < 2 else index).encode() for index in range(count)]
    labels = [index % 3 for index in range(count)]
    splits = split_stratified(labels, pictures, classes=CLASSES, totals=totals, seed=seed)
    assert hashlib.sha256(splits.tobytes()).hexdigest() == sha256


# As it is typed.


@pytest.mark.parametrize(
    ("typed", "totals"),
    [
        ("30,8,7", (30, 8, 7)),
        ("70,15,15", (31, 7, 7)),
        ("70%,15%,15%", (31, 7, 7)),
        ("70, 15, 15 %", (31, 7, 7)),
        ("0.7,0.15,0.15", (31, 7, 7)),
        (".7,.15,.15", (31, 7, 7)),
        ("0.33,0.33,0.34", (15, 15, 15)),
        ("0.33,0.33,0.33", (15, 15, 15)),
        ("33.3,33.3,33.4", (15, 15, 15)),
        ("68,17,15", (30, 8, 7)),
        ("98,1,1", (39, 3, 3)),
    ],
)
def test_a_split_is_counts_or_shares(tmp_path: Path, typed: str, totals: tuple[int, int, int]) -> None:
    summary = added(folder_of(tmp_path / "photos", three_classes(15)), f"--split '{typed}'").summary
    assert (summary.train, summary.validation, summary.test) == totals


@pytest.mark.parametrize("typed", ["68,17,15", "68%,17%,15%"])
def test_of_a_hundred_images_counts_and_per_cent_are_one(typed: str, tmp_path: Path) -> None:
    files = three_classes(34)
    for path in ("good/0.png", "fair/0.png"):
        del files[path]
    summary = added(folder_of(tmp_path / "photos", files), f"--split {typed}").summary
    assert (summary.train, summary.validation, summary.test) == (68, 17, 15)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("30,8,8", "a split of 30,8,8 adds up to 46, but there are 45 images"),
        ("70,15,16", "a split of 70,15,16 adds up to 101, but there are 45 images"),
        ("43,1,1", "a split of 43,1,1 cannot have all 3 classes in every part"),
        ("0.7,0.2,0.2", "--split '0.7,0.2,0.2' adds up to 1.1; shares add up to 1 or to 100"),
        ("70%,20%,20%", "--split '70%,20%,20%' adds up to 110; shares add up to 1 or to 100"),
        ("80,20,0", "--split '80,20,0' leaves nothing for test"),
        ("80,20", "--split '80,20' is not three numbers for training, validation and test"),
        ("a,b,c", "--split 'a,b,c' is not three numbers for training, validation and test"),
        ("-1,2,3", "--split '-1,2,3' is not three numbers for training, validation and test"),
        ("nan,1,1", "--split 'nan,1,1' is not three numbers for training, validation and test"),
        ("1e9,1,1", "--split '1e9,1,1' is not three numbers for training, validation and test"),
    ],
)
def test_a_split_that_cannot_be_is_refused_with_one_that_works(tmp_path: Path, typed: str, sentence: str) -> None:
    path = folder_of(tmp_path / "photos", three_classes(15))
    said, hint = refused(path, f"--split {typed}")
    assert said == sentence
    assert len(added(path, hint).names) == 45


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("options", ["", "--split 70,15,15", "--split 0.7,0.15,0.15", "--split 70%,15%,15%"])
def test_where_every_picture_has_copies_shares_give_way_to_whole_copies(
    tmp_path: Path, times: int, options: str
) -> None:
    files = {
        f"{name}/{number}-{copy}.png": png(f"{name}{number}", side=8)
        for name in "ab"
        for number in range(25)
        for copy in range(times)
    }
    dataset = added(folder_of(tmp_path / "photos", files), options)
    homes = {(image.tobytes(), int(split)) for image, split in zip(dataset.images, dataset.splits, strict=True)}
    assert len(homes) == 50
    assert len(set(zip(dataset.labels.tolist(), dataset.splits.tolist(), strict=True))) == 6
    assert abs(dataset.summary.train / len(files) - 0.69) < 0.05


def test_exact_numbers_that_would_part_copies_stay_refused(tmp_path: Path) -> None:
    files = {f"{n}/{i}-{copy}.png": png(f"{n}{i}", side=8) for n in "ab" for i in range(10) for copy in range(2)}
    path = folder_of(tmp_path / "photos", files)
    assert "too often to keep its copies in one part" in refused(path, "--split 26,7,7")[0]
    assert added(path, "--split 24,8,8").summary.test == 8


def test_one_picture_alone_in_a_class_stays_refused(tmp_path: Path) -> None:
    files = {f"{n}/{i}.png": png(n if n == "a" else f"{n}{i}", side=8) for n in "ab" for i in range(10)}
    assert "too often to keep its copies in one part" in refused(folder_of(tmp_path / "photos", files))[0]
