"""Folders that only look like classes: parts of a set in other words, a test set beside classes, masks of a class."""

from itertools import product
from pathlib import Path

import pytest

from qcqueue.datasets.format import Split
from qcqueue.datasets.part_names import split_named
from tests.datasets.adding import added, pictures_at, proposed, refused
from tests.datasets.pictures import Files, folder_of, zip_of


def nested(*parts: str, classes: tuple[str, ...] = ("a", "b"), each: int = 5) -> Files:
    return pictures_at(*(f"{part}/{name}/{n}.jpg" for part, name, n in product(parts, classes, range(each))))


def flat(*names: str, each: int = 5) -> Files:
    return pictures_at(*(f"{name}/{n}.jpg" for name, n in product(names, range(each))))


# Parts in other words.


@pytest.mark.parametrize(
    "parts",
    [
        ("entrainement", "validation", "test"),
        ("apprentissage", "validation", "test"),
        ("entrenamiento", "validación", "prueba"),
        ("Trainingsdaten", "Validierung", "Testdaten"),
        ("treino", "validacao", "teste"),
        ("训练集", "验证集", "测试集"),
        ("обучение", "валидация", "тест"),
        ("трейн", "val", "unseen"),
    ],
)
def test_a_part_is_known_in_other_languages(tmp_path: Path, parts: tuple[str, str, str]) -> None:
    assert tuple(map(split_named, parts)) == tuple(Split)
    path = folder_of(tmp_path / "photos", nested(*parts))
    dataset = added(path, refused(path)[1])
    assert (dataset.summary.train, dataset.summary.validation, dataset.summary.test) == (10, 10, 10)
    assert dataset.summary.classes == ("a", "b")
    assert "already split" in refused(folder_of(tmp_path / "flat", flat(*parts)))[0]


@pytest.mark.parametrize(
    ("parts", "classes", "taken"),
    [
        (("fold1", "fold2"), ("a", "b"), "fold1"),
        (("fold1", "fold2"), ("1", "2"), "fold1"),
        (("train", "later"), ("class1", "class2"), "train"),
        (("color", "grayscale"), ("a", "b"), "color"),
        (("zoo", "home", "test"), ("cat", "dog"), "home"),
        (("round1/images", "round2/images"), ("a", "b"), "round1/images"),
    ],
)
@pytest.mark.parametrize("options", ["", "--include '*'", "--include '*.jpg'"])
def test_folders_with_the_same_subfolders_are_no_classes(
    tmp_path: Path, parts: tuple[str, ...], classes: tuple[str, ...], taken: str, options: str
) -> None:
    path = folder_of(tmp_path / "photos", nested(*parts, classes=classes))
    sentence, hint = refused(path, options)
    assert "already split" in sentence or "they look like parts of one set, not classes" in sentence
    assert "--include" not in hint
    assert proposed(hint) == f"--split-folders train={taken}"
    assert added(path, proposed(hint)).summary.classes == tuple(sorted(classes))


@pytest.mark.parametrize(
    "inside", [("patient1", "patient2"), ("001", "002"), ("left", "right"), ("images", "masks"), ("2024-01", "2024-02")]
)
def test_subfolders_that_hold_no_classes_leave_their_folders_classes(tmp_path: Path, inside: tuple[str, str]) -> None:
    hint = refused(folder_of(tmp_path / "photos", nested("a", "b", classes=inside)))[1]
    assert added(tmp_path / "photos", proposed(hint)).summary.classes == ("a", "b")


@pytest.mark.parametrize("inner", ["images", "JPEGImages", "x/images"])
def test_a_folder_between_the_part_and_its_classes_stands_in_the_hint(tmp_path: Path, inner: str) -> None:
    path = folder_of(tmp_path / "photos", nested(f"train/{inner}", f"test/{inner}"))
    hint = refused(path)[1]
    assert hint == f"--split-folders train=train/{inner},test=test/{inner}"
    assert added(path, hint).summary.classes == ("a", "b")
    assert added(path, "--split-folders train=train,test=test").summary.classes == ("a", "b")


def test_one_hint_mends_all_folders_that_were_mistyped(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", nested("train", "val", "test"))
    for typed in ("train=Train,validation=Val,test=Test", "train=trian,validation=Vall,test=TST"):
        hint = refused(path, f"--split-folders {typed}")[1]
        assert hint == "--split-folders train=train,validation=val,test=test"
    assert added(path, hint).summary.test == 10


# A part beside classes.


@pytest.mark.parametrize(
    "names",
    [
        ("good", "bad", "test"),
        ("train", "pred"),
        ("a", "b", "Validation"),
        ("cat", "dog", "test_set"),
        ("a", "b", "testing"),
        ("gut", "Testdaten"),
    ],
)
def test_a_part_beside_classes_is_asked_about(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = folder_of(tmp_path / "photos", flat(*names))
    sentence, hint = refused(path)
    assert "is called like a part of a split, beside " in sentence
    assert " a class? --include '*' says so; else move it elsewhere, or list the images in a CSV" in hint
    assert added(path, "--include '*'").summary.classes == tuple(sorted(names))


@pytest.mark.parametrize(
    "names",
    [
        ("test", "control"),
        ("train", "bus", "car"),
        ("valid", "invalid"),
        ("dev", "prod"),
        ("seen", "unseen"),
        ("test tube", "flask"),
        ("passed_test", "failed"),
    ],
)
def test_a_class_called_a_little_like_a_part_is_a_class(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert added(folder_of(tmp_path / "photos", flat(*names))).summary.classes == tuple(sorted(names))


@pytest.mark.parametrize("outer", ["{part}/{name}", "{name}/{part}"])
def test_classes_of_faces_with_masks_keep_their_split(tmp_path: Path, outer: str) -> None:
    parts, names = ("train", "val", "test"), ("mask", "no_mask")
    folders = (outer.format(part=part, name=name) for part, name in product(parts, names))
    path = folder_of(tmp_path / "photos", flat(*folders))
    assert added(path, refused(path)[1]).summary.classes == names


def test_parts_of_images_and_masks_are_looked_into_or_called_flat(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "deep", nested("train/images", "train/masks", "test/images", "test/masks"))
    hint = refused(path)[1]
    assert hint == "--split-folders train=train/images,test=test/images"
    dataset = added(path, hint)
    assert (len(dataset.names), dataset.summary.classes) == (20, ("a", "b"))
    assert dataset.summary.note.endswith("left out: train/masks and test/masks")
    path = folder_of(tmp_path / "flat", nested("train", "test", classes=("image", "mask")))
    assert "they hold no class folders" in refused(path)[0]


@pytest.mark.parametrize("others", ["labels", "masks", "annotations"])
def test_images_and_labels_each_with_train_and_val_are_no_classes(tmp_path: Path, others: str) -> None:
    path = folder_of(tmp_path / "photos", nested("images", others, classes=("train", "val")))
    sentence, hint = refused(path)
    assert "they hold no class folders" in sentence
    assert hint.startswith("list the images in a CSV")
    sentence, hint = refused(path, "--split-folders train=train,validation=val")
    assert sentence == f"the folder {others} in photos is no class by its name"


# Masks of a class as a class.


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        (("benign", "benign_mask", "malign", "malign_mask"), "s benign_mask and malign_mask"),
        (("benign", "benign masks", "malign"), " benign masks"),
        (("benign", "benign_GT", "malign"), " benign_GT"),
        (("Benign", "Malign", "MalignMask"), " MalignMask"),
        (("a", "b", "seg_b"), " seg_b"),
        (("image", "mask"), " mask"),
        (("img", "annotated"), " annotated"),
    ],
)
@pytest.mark.parametrize("outer", ["", "train/"])
def test_masks_of_a_class_are_named_and_are_classes_only_where_that_is_said(
    tmp_path: Path, names: tuple[str, ...], odd: str, outer: str
) -> None:
    path = folder_of(tmp_path / "photos", flat(*(outer + name for name in names)))
    options = "--split-folders train=train" if outer else ""
    sentence, hint = refused(path, options)
    assert sentence.startswith(f"the folder{odd} in photos ")
    assert "by its name" in sentence or "by their names" in sentence
    assert "--include '*'" in hint
    assert added(path, f"{options} --include '*'").summary.classes == tuple(sorted(names))


@pytest.mark.parametrize(
    "names", [("mask", "no_mask"), ("face", "mask"), ("with_mask", "without_mask"), ("label", "tag")]
)
def test_a_class_of_masks_is_a_class(tmp_path: Path, names: tuple[str, str]) -> None:
    assert added(folder_of(tmp_path / "photos", flat(*names))).summary.classes == names


def test_an_empty_pattern_is_shown_as_it_is_typed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", flat("a", "b"))
    assert refused(path, "--include ''")[0] == "--include '' is not a pattern of paths below a class folder"
    assert refused(path, "--include '/x y'")[0] == "--include '/x y' is not a pattern of paths below a class folder"


@pytest.mark.parametrize("pattern", ["{}/{}_{}.jpg", "{}/{}.{}.jpg", "{}/{} ({}).jpg"])
def test_a_split_in_the_names_of_files_is_said(tmp_path: Path, pattern: str) -> None:
    files = (pattern.format(*chosen) for chosen in product(("cat", "dog"), range(4), ("train", "test")))
    note = added(folder_of(tmp_path / "photos", pictures_at(*files))).summary.note
    assert note.startswith("the names of the files tell train from test, such as cat/0")
    assert note.endswith("to keep that split, list them in a CSV with the columns file,label,split")


def test_names_of_which_some_speak_of_a_test_say_nothing_of_a_split(tmp_path: Path) -> None:
    files = pictures_at(*(f"{label}/{n}{name}.jpg" for label in "ab" for n in range(3) for name in ("", "_test")))
    assert added(folder_of(tmp_path / "photos", files)).summary.note == ""


@pytest.mark.parametrize("name", ["x.zip", "photos/x.zip", "a/b/X.ZIP", "x.tar.gz", "x.7z"])
def test_an_archive_in_an_archive_is_called_that(tmp_path: Path, name: str) -> None:
    for path in (zip_of(tmp_path / "photos.zip", {name: b"x"}), folder_of(tmp_path / "photos", {name: b"x"})):
        sentence, hint = refused(path)
        assert sentence == f"{path.name} holds no images but another archive, {name}"
        assert hint == f"unpack {name.rpartition('/')[2]} first"
