"""Whole groups in one part: no patient in two, every class in every part, shares as near as whole groups allow."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.datasets import groups as grouped
from qcqueue.datasets.format import Dataset, Split, to_bytes
from qcqueue.datasets.grouping import split_grouped
from qcqueue.datasets.split import ALL_PARTS, ARTICLE_SPLIT
from qcqueue.errors import DatasetInvalid
from tests.datasets.adding import added, pictures_at, proposed, refused
from tests.datasets.pictures import Files, folder_of, png, zip_of


def patients(pattern: str, *, count: int = 6, each: int = 3) -> Files:
    """Return images of patients, who have images in both classes."""
    return pictures_at(*(pattern.format(*chosen) for chosen in product("ab", range(count), range(each))))


def homes(dataset: Dataset, separator: str) -> dict[str, set[int]]:
    """Return the parts in which each patient is, by the beginning of the names."""
    found: dict[str, set[int]] = {}
    for name, split in zip(dataset.names, dataset.splits.tolist(), strict=True):
        found.setdefault(name.split(separator)[0], set()).add(split)
    return found


def singles(count: int) -> list[bytes]:
    return [str(index).encode() for index in range(count)]


# Sharing out.


@st.composite
def grouped_labels(draw: st.DrawFn) -> tuple[list[int], list[str]]:
    """Draw classes of three groups or more, some of which have images of another class too."""
    labels: list[int] = []
    names: list[str] = []
    class_count = draw(st.integers(2, 5))
    for label in range(class_count):
        for number in range(draw(st.integers(3, 9))):
            size, other = draw(st.integers(1, 12)), draw(st.integers(0, 3))
            labels += [label] * size + [draw(st.integers(0, class_count - 1))] * other
            names += [f"{label}-{number}"] * (size + other)
    return labels, names


@given(drawn=grouped_labels(), seed=st.integers(0, 99))
def test_no_group_is_in_two_parts_and_every_class_is_in_every_part(
    drawn: tuple[list[int], list[str]], seed: int
) -> None:
    labels, names = drawn
    classes = [str(label) for label in range(max(labels) + 1)]
    splits = split_grouped(
        labels, names, singles(len(labels)), classes=classes, weights=ARTICLE_SPLIT, seed=seed
    ).tolist()
    assert len(set(zip(names, splits, strict=True))) == len(set(names))
    assert len(set(zip(labels, splits, strict=True))) == 3 * len(classes)


@given(sizes=st.lists(st.integers(1, 9), min_size=12, max_size=60), seed=st.integers(0, 99))
def test_shares_are_missed_by_less_than_the_largest_group(sizes: list[int], seed: int) -> None:
    names = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    splits = split_grouped(
        [0] * len(names), names, singles(len(names)), classes=["a"], weights=(70, 15, 15), seed=seed
    ).tolist()
    for part, weight in zip(Split, (70, 15, 15), strict=True):
        assert abs(splits.count(part) - len(names) * weight / 100) < max(sizes)


@given(sizes=st.lists(st.integers(1, 9), min_size=3, max_size=6), seed=st.integers(0, 9))
def test_of_a_few_groups_no_other_way_comes_nearer(sizes: list[int], seed: int) -> None:
    names = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    weights = (60, 20, 20)

    def off(places: tuple[int, ...]) -> float:
        held = [sum(size for size, place in zip(sizes, places, strict=True) if place == part) for part in Split]
        return sum((count * 100 - weight * len(names)) ** 2 for count, weight in zip(held, weights, strict=True))

    splits = split_grouped(
        [0] * len(names), names, singles(len(names)), classes=["a"], weights=weights, seed=seed
    ).tolist()
    chosen = tuple(dict(zip(names, splits, strict=True)).values())
    allowed = [places for places in product(range(3), repeat=len(sizes)) if len(set(places)) == 3]
    assert off(chosen) == min(map(off, allowed))


def test_the_same_seed_gives_the_same_groups_and_another_seed_others() -> None:
    names = [str(number // 3) for number in range(90)]
    first, again, other = (
        split_grouped([0, 1, 2] * 30, names, singles(90), classes="abc", weights=ARTICLE_SPLIT, seed=seed).tolist()
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@given(copies=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=12), seed=st.integers(0, 9))
def test_copies_of_a_picture_join_the_groups_that_hold_them(copies: list[tuple[int, int]], seed: int) -> None:
    names = [str(number // 2) for number in range(60)]
    pictures = singles(60)
    for one, other in copies:
        pictures[one] = pictures[other]
    splits = split_grouped([0] * 60, names, pictures, classes=["a"], weights=ARTICLE_SPLIT, seed=seed).tolist()
    for keys in (names, pictures):
        assert len(set(zip(keys, splits, strict=True))) == len(set(keys))


def test_a_part_that_is_not_asked_for_gets_nothing() -> None:
    parts = (Split.TRAIN, Split.VALIDATION)
    names = [str(number // 2) for number in range(40)]
    splits = split_grouped(
        [0, 1] * 20, names, singles(40), classes="ab", weights=(80, 20), seed=1, parts=parts
    ).tolist()
    assert Counter(splits) == {Split.TRAIN: 32, Split.VALIDATION: 8}


def test_a_class_of_two_groups_is_refused_with_its_name_and_numbers() -> None:
    with pytest.raises(DatasetInvalid, match="the class b has 2 groups; at least 3 are needed, one each for train"):
        split_grouped([0] * 6 + [1] * 2, list("abcdefgh"), singles(8), classes="ab", weights=ARTICLE_SPLIT, seed=1)


def test_groups_that_cannot_give_every_class_to_every_part_are_refused_and_not_bent() -> None:
    # Seven patients, seven classes, three patients a class, any two classes share one: no three parts can do it.
    lines = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]
    labels = [label for label, line in enumerate(lines) for _ in line]
    names = [str(patient) for line in lines for patient in line]
    with pytest.raises(DatasetInvalid, match="no way was found to have the class "):
        split_grouped(labels, names, singles(21), classes="abcdefg", weights=ARTICLE_SPLIT, seed=1)


def test_many_groups_are_shared_out_within_seconds_and_nearly_exactly() -> None:
    names = [str(number // 2) for number in range(20_000)]
    splits = split_grouped(
        [number % 3 for number in range(20_000)], names, singles(20_000), classes="abc", weights=(70, 15, 15), seed=1
    ).tolist()
    assert [splits.count(part) for part in ALL_PARTS] == [14_000, 3_000, 3_000]


# What a group is.


@pytest.mark.parametrize(
    ("pattern", "options", "separator"),
    [
        ("{}/patient{}/{}.jpg", "--group-by folder", "/"),
        ("{}/patient{}/left/{}.jpg", "--group-by folder", "/"),
        ("{}/p{}_{}.jpg", r"--group-by 'p(\d+)_'", "_"),
        ("{}/p{}-{}.jpg", "--group-by '^([^-]+)-'", "-"),
        ("{}/p{}/{}.jpg", "--group-by '^(p[0-9])/' --include '*/*'", "/"),
    ],
)
def test_a_patient_of_two_classes_is_in_one_part(tmp_path: Path, pattern: str, options: str, separator: str) -> None:
    dataset = added(folder_of(tmp_path / "photos", patients(pattern)), options)
    found = homes(dataset, separator)
    assert len(found) == 6
    assert all(len(parts) == 1 for parts in found.values())
    parts = "train 4 (67% of the images), validation 1 (17% of the images), test 1 (17% of the images)"
    assert dataset.summary.note.startswith(f"groups kept together: 6; {parts}")


@pytest.mark.parametrize("split", ["", "--split 50,25,25", "--split 0.5,0.25,0.25", "--split 50%,25%,25%"])
def test_groups_take_shares(tmp_path: Path, split: str) -> None:
    path = folder_of(tmp_path / "photos", patients("{}/p{}/{}.jpg", count=4))
    dataset = added(path, f"--group-by folder {split}")
    assert (dataset.summary.train, dataset.summary.validation, dataset.summary.test) == (12, 6, 6)


def test_counts_are_refused_with_shares_that_work(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", patients("{}/p{}/{}.jpg"))
    sentence, hint = refused(path, "--group-by folder --split 20,8,8")
    assert sentence == "--split 20,8,8 counts images, but whole groups can only come near to shares"
    assert len(added(path, f"--group-by folder {hint}").names) == 36


def test_the_groups_are_the_same_from_a_folder_a_moved_one_and_a_zip(tmp_path: Path) -> None:
    files = patients("{}/p{}/{}.jpg")
    paths = (
        folder_of(tmp_path / "here" / "photos", files),
        folder_of(tmp_path / "there" / "photos", {f"p1/{name}": content for name, content in files.items()}),
        zip_of(tmp_path / "photos", {f"photos/{name}": content for name, content in files.items()}),
    )
    assert len({to_bytes(added(path, "--group-by folder")) for path in paths}) == 1


def test_an_author_who_tears_a_patient_apart_is_refused_and_otherwise_kept(tmp_path: Path) -> None:
    files = pictures_at(
        *(
            f"{part}/{label}/{part[:2]}{number}_{view}.jpg"
            for part in ("train", "test")
            for label in "ab"
            for number in range(5)
            for view in range(2)
        )
    )
    options = "--split-folders train=train,test=test --group-by '^([^_]+)_'"
    dataset = added(folder_of(tmp_path / "photos", files), options)
    assert all(len(parts) == 1 for parts in homes(dataset, "_").values())
    assert "taken from the 20 images of train: validation 4" in dataset.summary.note
    folder_of(tmp_path / "photos", {"test/b/tr0_9.jpg": png("torn")})
    assert refused(tmp_path / "photos", options)[0] == (
        "the group tr0 of photos is in two parts: a/tr0_0.jpg in train and b/tr0_9.jpg in test"
    )


@pytest.mark.parametrize(
    ("group_by", "sentence"),
    [
        ("folder", "a/p0_0.jpg in photos lies in no subfolder of its class, which --group-by folder needs"),
        (r"(q\d)_", r"a/p0_0.jpg in photos holds nothing that --group-by '(q\d)_' finds"),
        (r"p\d(x?)", r"a/p0_0.jpg in photos holds nothing that --group-by 'p\d(x?)' finds"),
        (r"p\d", r"--group-by 'p\d' has no group in brackets; one is needed"),
    ],
)
def test_a_grouping_that_finds_nothing_is_refused_with_one_that_does(
    tmp_path: Path, group_by: str, sentence: str
) -> None:
    path = folder_of(tmp_path / "photos", patients("{}/p{}_{}.jpg"))
    said, hint = refused(path, f'--group-by "{group_by}"')
    assert said == sentence
    assert len(homes(added(path, proposed(hint)), "_")) == 6


@pytest.mark.parametrize("group_by", ["(p", "[", "(?P<n", "*", "((p)(q))", "(a)" * 100, "(" * 150 + ")" * 150, " "])
def test_what_is_no_pattern_with_one_group_is_refused_in_one_sentence(tmp_path: Path, group_by: str) -> None:
    path = folder_of(tmp_path / "photos", patients("{}/p{}_{}.jpg", count=3, each=1))
    assert refused(path, f"--group-by '{group_by}'")[0].startswith("--group-by ")


def test_a_pattern_that_would_never_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped, "MATCHING_S_MAX", 1)
    path = folder_of(
        tmp_path / "photos", pictures_at(*(f"{label}/{'x' * 40}{number}.jpg" for label in "ab" for number in range(3)))
    )
    assert refused(path, "--group-by '(x+x+)+y'")[0] == "--group-by '(x+x+)+y' takes more than 1 s over 6 names"


def test_an_image_beside_the_subfolders_of_patients_is_named(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", patients("{}/p{}/{}.jpg") | pictures_at("a/loose.jpg"))
    assert refused(path, "--group-by folder")[0].startswith("a/loose.jpg in photos lies in no subfolder of its class")


def test_masks_of_patients_are_named_and_left_out_by_the_pattern_proposed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", patients("{}/p{}/images/{}.jpg") | patients("{}/p{}/masks/{}.jpg"))
    said, hint = refused(path, "--group-by folder")
    assert "p0/images, p0/masks" in said
    assert len(added(path, f"--group-by folder {hint}").names) == 36
