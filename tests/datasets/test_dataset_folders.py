"""Folders that are no classes: an author's split, subfolders, masks, thumbnails, litter. Named, never mixed in."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest

from qcqueue.datasets.format import Dataset, Split, to_bytes
from qcqueue.datasets.litter import is_litter
from qcqueue.datasets.part_names import part_of, split_named
from qcqueue.datasets.selection import matches
from tests.datasets.adding import added, pictures_at, proposed, refused
from tests.datasets.pictures import Files, folder_of, png, three_classes, zip_of

PARTS = ("train", "validation", "test")


def tree(pattern: str, *choices: Iterable[object]) -> Files:
    return pictures_at(*(pattern.format(*chosen) for chosen in product(*choices)))


def split_tree(*parts: str, each: int = 3) -> Files:
    return tree("{}/{}/{}.jpg", parts, "ab", range(each))


def counts(dataset: Dataset) -> tuple[int, int, int]:
    return dataset.summary.train, dataset.summary.validation, dataset.summary.test


# What an author has split.


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, Split.TRAIN) for name in ("train", "Training", "training_set", "trainingdata", "TrainingData")),
        *(
            (name, Split.TRAIN)
            for name in ("train_data", "seg_train", "images_train", "01_train", "train2017", "trainval")
        ),
        *((name, Split.VALIDATION) for name in ("val", "Valid", "validation_set", "dev", "seg_val", "2. Validation")),
        *((name, Split.TEST) for name in ("test", "Testing", "test-set", "test1", "eval", "holdout", "Hold-Out set")),
    ],
)
def test_a_part_is_known_in_any_spelling(name: str, split: Split) -> None:
    assert split_named(name) == split


@pytest.mark.parametrize("name", ["control", "invalid", "contest", "latest", "strain", "pred", "unlabeled", "latex"])
def test_an_ordinary_word_is_no_part(name: str) -> None:
    assert part_of(name) is None


def test_a_name_made_of_words_that_overlap_is_judged_at_once() -> None:
    assert part_of("dataset" * 30 + "y") is None


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "val", "test"),
        ("training_set", "validation_set", "test_set"),
        ("TrainingData", "DevData", "HoldoutData"),
        ("01_train", "02_valid", "03_eval"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("export/Train Set", "export/Val Set", "export/Test Set"),
        ("train_256px", "val_256px", "test_256px"),
    ],
)
def test_the_split_of_an_author_is_refused_with_the_mapping_that_keeps_it(
    tmp_path: Path, parts: tuple[str, str, str]
) -> None:
    path = folder_of(tmp_path / "photos", split_tree(*parts))
    sentence, hint = refused(path)
    assert sentence.startswith("photos is already split into ")
    dataset = added(path, hint)
    assert counts(dataset) == (6, 6, 6)
    assert dataset.summary.classes == ("a", "b")
    assert dataset.summary.note == "the author's split was kept"


@pytest.mark.parametrize(
    ("parts", "hint"),
    [
        (("train", "eval", "test"), "--split-folders train=train,validation=eval,test=test"),
        (("train", "val", "eval"), "--split-folders train=train,validation=val,test=eval"),
        (("training", "dev", "val", "test"), "--split-folders train=training,validation=val,test=test"),
    ],
)
def test_of_two_folders_for_one_part_the_plainer_name_counts(tmp_path: Path, parts: tuple[str, ...], hint: str) -> None:
    assert refused(folder_of(tmp_path / "photos", split_tree(*parts)))[1] == hint


def test_every_image_stays_in_the_part_its_author_chose(tmp_path: Path) -> None:
    files = split_tree("train", "val", "test")
    dataset = added(folder_of(tmp_path / "photos", files), "--split-folders train=train,val=val,test=test")
    whole = {
        (split, "ab"[label], name)
        for split, label, name in zip(dataset.splits, dataset.labels, dataset.names, strict=True)
    }
    assert whole == {
        (Split[{"val": "VALIDATION"}.get(part, part.upper())], label, name)
        for part, label, name in (path.split("/") for path in files)
    }


def test_folders_beside_the_parts_are_named_and_left_out(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", split_tree("train", "test", "pred") | pictures_at("unlabeled/1.jpg"))
    sentence, hint = refused(path)
    assert sentence == "photos is already split into test and train, beside pred and unlabeled"
    assert hint == "--split-folders train=train,test=test"
    assert added(path, hint).summary.note.endswith("left out: pred and unlabeled")


@pytest.mark.parametrize(
    ("parts", "sizes", "taken"),
    [
        (("train", "test"), (8, 2, 10), "validation 2"),
        (("train", "val"), (8, 10, 2), "test 2"),
    ],
)
def test_a_part_that_is_missing_is_taken_from_train_and_said(
    tmp_path: Path, parts: tuple[str, str], sizes: tuple[int, int, int], taken: str
) -> None:
    path = folder_of(tmp_path / "photos", split_tree(*parts, each=5))
    dataset = added(path, refused(path)[1])
    assert counts(dataset) == sizes
    assert dataset.summary.note == f"the author's split was kept; taken from the 10 images of train: {taken}"


def test_a_test_set_without_classes_is_named_and_the_rest_can_be_taken(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", split_tree("train", each=5) | tree("test/{}.jpg", range(4)))
    sentence, hint = refused(path)
    assert sentence == "photos is already split into test and train; test without class folders"
    assert hint == "--split-folders train=train"
    assert counts(added(path, hint)) == (6, 2, 2)


def test_a_split_one_level_down_beside_other_folders_is_found(tmp_path: Path) -> None:
    files = tree("data/{}/{}/{}.jpg", ("train", "test"), "ab", range(5)) | pictures_at("docs/cover.jpg")
    path = folder_of(tmp_path / "photos", files)
    assert refused(path)[1] == "--split-folders train=data/train,test=data/test"
    assert counts(added(path, refused(path)[1])) == (8, 2, 10)


def test_a_split_inside_every_class_is_kept_by_the_same_option(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}/{}.jpg", "ab", ("train", "test", "extra"), range(5)))
    sentence, hint = refused(path)
    assert sentence == "the classes of photos are already split, each into test and train: a and b"
    dataset = added(path, hint)
    assert counts(dataset) == (8, 2, 10)
    assert dataset.summary.note.endswith("left out: a/extra and b/extra")


@pytest.mark.parametrize("outer", ["", "data/", "x/y/"])
def test_a_flat_split_is_refused_with_its_reason_and_a_way_out(tmp_path: Path, outer: str) -> None:
    path = folder_of(tmp_path / "photos", tree(outer + "{}/{}.{}.jpg", ("train", "test"), ("cat", "dog"), range(4)))
    sentence, hint = refused(path)
    assert "already split into test and train, and they hold no class folders" in sentence
    assert f"{outer}test/cat.0.jpg" in sentence
    assert hint.startswith("list the images in a CSV with the columns file,label,split")
    lines = [f"{file.relative_to(path)},{file.name[:3]},{file.parent.name}\n" for file in path.rglob("*.jpg")]
    (path / "labels.csv").write_text("file,label,split\n" + "".join(lines), encoding="utf-8")
    assert added(path / "labels.csv").summary.classes == ("cat", "dog")


def test_part_and_class_in_one_name_is_refused(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}_{}/{}.jpg", ("train", "test"), ("cat", "dog"), range(4)))
    assert refused(path)[0] == "photos is already split, with part and class in one name: test_cat and train_cat"


@pytest.mark.parametrize("names", [("test", "control"), ("train", "bus", "car"), ("valid", "invalid"), ("dev", "prod")])
def test_a_class_that_is_called_like_a_part_is_a_class(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}.jpg", names, range(4)))
    assert added(path).summary.classes == tuple(sorted(names))


def test_two_classes_that_are_called_like_parts_are_classes_where_that_is_said(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}.jpg", ("train", "test"), range(4)))
    assert "--include '*'" in refused(path)[1]
    assert "already split" in refused(path, "--include '*.jpg'")[0]
    assert added(path, "--include '*'").summary.classes == ("test", "train")


def test_a_class_missing_from_a_part_is_named(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", split_tree("train", "test") | tree("train/c/{}.jpg", range(3)))
    sentence, hint = refused(path, refused(path)[1])
    assert sentence == "the class c of photos is in train but not in test"
    assert added(path, hint).summary.classes == ("a", "b", "c")


def test_a_picture_in_two_parts_is_told_with_the_number_and_an_example(tmp_path: Path) -> None:
    files = split_tree("train", "val", "test")
    files["test/a/1.jpg"] = files["train/a/0.jpg"]
    files["test/a/2.jpg"] = files["val/a/0.jpg"]
    dataset = added(folder_of(tmp_path / "photos", files), "--split-folders train=train,validation=val,test=test")
    assert dataset.summary.note == (
        "pictures present more than once: 2; "
        "pictures in more than one part: 2, such as a/0.jpg in train and a/1.jpg in test; the author's split was kept"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("train=trian,test=test", "there is no folder trian in photos; did you mean train?"),
        ("train=nowhere,test=test", "there is no folder nowhere in photos"),
        ("train=train,test=train/a", "--split-folders: train/a lies inside train"),
        ("tarin=train", "--split-folders: there is no part 'tarin'; did you mean 'train'?"),
        ("train", "--split-folders 'train' does not say which folder is which part"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_in_one_sentence(tmp_path: Path, options: str, sentence: str) -> None:
    path = folder_of(tmp_path / "photos", split_tree("train", "test", each=5))
    said, hint = refused(path, f"--split-folders {options}")
    assert said == sentence
    if hint.startswith("--split-folders"):
        assert added(path, hint).summary.classes == ("a", "b")


@pytest.mark.parametrize(
    "options",
    [
        "--split-folders validation=train",
        "--split-folders train=train,training=test",
        "--split-folders train=train,test=train",
        "--split-folders train=train,test=",
        "--split-folders train=train --split 70,15,15",
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(tmp_path: Path, options: str) -> None:
    assert "--split" in refused(folder_of(tmp_path / "photos", split_tree("train", "test")), options)[0]


def test_a_split_is_the_same_from_a_folder_a_moved_one_and_a_zip(tmp_path: Path) -> None:
    files = split_tree("train", "test", "pred", each=5)
    mapping = "--split-folders train=train,test=test"
    paths = (
        folder_of(tmp_path / "here" / "photos", files),
        folder_of(tmp_path / "there" / "photos", {f"outer/{name}": content for name, content in files.items()}),
        zip_of(tmp_path / "photos", {f"photos/{name}": content for name, content in files.items()}),
    )
    assert len({to_bytes(added(path, mapping)) for path in paths}) == 1


# What lies in a class folder.


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        (("{}/images/{}.png", "{}/masks/{}.png"), "--include 'images/*'"),
        (("{}/img/{}.png", "{}/ground_truth/{}.png"), "--include 'img/*'"),
        (("{}/{}.png", "{}/Segmentation/{}.png"), "--include '*'"),
        (("{}/{}.png", "{}/thumbs/{}.png"), "--include '*'"),
        (("{}/[img] 1/{}.png", "{}/[mask] 1/{}.png"), "--include '[[]img] 1/*'"),
        (("{}/scans/raw/{}.png", "{}/labels/raw/{}.png"), "--include 'scans/**'"),
    ],
)
def test_masks_and_thumbnails_in_subfolders_are_named_with_the_pattern_for_the_images(
    tmp_path: Path, files: tuple[str, str], hint: str
) -> None:
    images, others = files
    path = folder_of(tmp_path / "photos", tree(images, "ab", range(5)) | tree(others, "ab", range(5)))
    said, proposal = refused(path)
    assert said.startswith("the class a in photos has subfolders: ")
    assert proposed(proposal) == hint
    dataset = added(path, hint)
    assert len(dataset.names) == 10
    assert dataset.summary.note == "left out by --include: 10 of 20 files"


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ("{}/{}.png", "{}/{}_mask.png"),
        ("{}/{}.png", "{}/{}_segmentation.png"),
        ("{}/ISIC_{}.jpg", "{}/ISIC_{}_superpixels.png"),
        ("{0}/{0} ({1}).png", "{0}/{0} ({1})_mask_1.png"),
        ("{}/img_{}.png", "{}/mask_{}.png"),
        ("{}/{}.jpg", "{}/{}.mask.jpg"),
        ("{}/{}.jpg", "{}/thumb-{}.jpg"),
        ("{}/{}.jpg", "{}/{}.png"),
        ("{}/{}.jpg", "{}/{}-150x150.jpg"),
        ("{}/img {}.jpg", "{}/img {} (1024x768).jpg"),
        ("{}/{}.jpg", "{}/{}_small.jpg"),
        ("{}/{}.jpg", "{}/{}-Large.jpg"),
        ("{}/{}.jpg", "{}/{}@2x.jpg"),
        ("{}/{}.jpg", "{}/{}-edited.jpg"),
        ("{}/{}.jpg", "{}/{}_anno.png"),
        ("{}/{}.png", "{}/{}_lesion.png"),
        ("{}/{}.jpg", "{}/{}.webp"),
        ("{}/{}.jpg", "{}/{}.HEIC"),
        ("{}/{}.tif", "{}/{}.jpg"),
    ],
)
def test_masks_and_thumbnails_beside_images_are_counted_and_left_out_by_the_pattern_proposed(
    tmp_path: Path, image: str, other: str
) -> None:
    images = tree(image, "ab", range(5))
    path = folder_of(tmp_path / "photos", images | tree(other, "ab", range(5)))
    said, hint = refused(path)
    assert said.startswith("photos holds 10 files that by name belong to an image beside them, such as a/")
    assert {f"{'ab'[label]}/{name}" for label, name in zip(*added_names(path, hint), strict=True)} == set(images)
    assert len(added(path, "--include '**'").names) == 20


def test_every_size_of_an_image_is_left_out_by_one_pattern(tmp_path: Path) -> None:
    sizes = [f"{width}x{width + number}" for width in (100, 300, 768) for number in range(5)]
    files = tree("{}/{}.jpg", "ab", range(5)) | tree("{}/{}-{}.jpg", "ab", range(5), sizes)
    path = folder_of(tmp_path / "photos", files)
    hint = refused(path)[1]
    assert hint == "--include '!*-[0-9]*x[0-9]*.*' leaves them out, --include '**' takes them too"
    assert len(added(path, hint).names) == 10


def test_files_made_in_several_ways_are_left_out_by_one_hint(tmp_path: Path) -> None:
    made = ("{}/{}-150x150.jpg", "{}/{}-300x200.jpg", "{}/{}_thumb.jpg", "{}/{}.webp", "{}/{}@2x.jpg")
    files = tree("{}/{}.jpg", "ab", range(3)) | {k: v for one in made for k, v in tree(one, "ab", range(3)).items()}
    path = folder_of(tmp_path / "photos", files)
    sentence, hint = refused(path)
    assert sentence.endswith("30 files that by name belong to an image beside them, such as a/0-150x150.jpg to 0.jpg")
    assert len(added(path, proposed(hint)).names) == 6


@pytest.mark.parametrize(
    "name", ["{}_small", "{} large", "{}-640x480", "{}@2x", "{}_copy", "{} (1)", "small_{}", "edited {}"]
)
def test_a_picture_that_stands_without_its_original_is_a_picture(tmp_path: Path, name: str) -> None:
    others = tree("{}/o{}.jpg", "ab", range(3))
    path = folder_of(tmp_path / "photos", others | tree("{}/" + name + ".jpg", "ab", range(3)))
    assert len(added(path).names) == 12


def test_copies_by_their_names_are_pictures_of_the_class(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}{}.jpg", "ab", range(3), ("", "_copy", " (1)", "_2", "-1")))
    assert len(added(path).names) == 30


def test_a_name_with_two_endings_here_and_there_means_two_pictures(tmp_path: Path) -> None:
    files = tree("{}/{}.jpg", "ab", range(5)) | tree("{}/{}.png", "ab", (1, 7, 8))
    assert len(added(folder_of(tmp_path / "photos", files)).names) == 16


@pytest.mark.parametrize("inside", ["small", "more", "1024px"])
def test_of_images_with_a_subfolder_beside_them_the_images_are_offered_first(tmp_path: Path, inside: str) -> None:
    files = tree("{}/{}.jpg", "ab", range(5)) | tree("{}/{}/{}.jpg", "ab", [inside], range(5))
    path = folder_of(tmp_path / "photos", files)
    hint = refused(path)[1]
    assert proposed(hint) == "--include '*'"
    assert len(added(path, proposed(hint)).names) == 10


def added_names(path: Path, options: str) -> tuple[list[int], tuple[str, ...]]:
    dataset = added(path, options)
    return dataset.labels.tolist(), dataset.names


@pytest.mark.parametrize("names", [("mask", "no_mask"), ("label_ok", "label_torn"), ("seg", "whole")])
def test_classes_of_masks_and_labels_are_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    path = folder_of(tmp_path / "photos", tree("{0}/{0}_{1}.jpg", names, range(4)))
    assert added(path).summary.classes == names


def test_a_folder_of_thumbnails_beside_the_classes_is_no_class_unless_that_is_said(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}.jpg", ("a", "b", "thumbnails"), range(4)))
    assert refused(path)[0] == "the folder thumbnails in photos is no class by its name"
    assert added(path, "--include '*'").summary.classes == ("a", "b", "thumbnails")


def test_classes_below_images_and_below_masks_can_be_taken_from_images(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}/{}.jpg", ("images", "masks"), "ab", range(4)))
    dataset = added(path, refused(path)[1])
    assert (dataset.summary.classes, len(dataset.names)) == (("a", "b"), 8)


def test_subfolders_of_patients_are_named_with_both_choices(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/patient{}/{}.jpg", "ab", range(4), range(2)))
    said, hint = refused(path)
    assert said == "the class a in photos has subfolders: patient0, patient1, patient2 and patient3"
    assert hint == "--include '*/*' takes them all, or --group-by folder keeps each subfolder in one part"
    assert len(added(path, "--include '*/*'").names) == len(added(path, "--group-by folder").names) == 16


@pytest.mark.parametrize(
    ("pattern", "name", "is_match"),
    [
        ("*", "1.png", True),
        ("*", "images/1.png", False),
        ("*/*", "images/1.png", True),
        ("**", "a/b/1.png", True),
        ("images/**", "images/left/1.png", True),
        ("images/**", "masks/1.png", False),
        ("**/*.PNG", "1.png", True),
        ("**/left/*", "a/b/left/1.png", True),
        ("[!m]*/*", "masks/1.png", False),
        ("?.png", "12.png", False),
        ("**/**/**/x", "a/b/c/d/e/y", False),
    ],
)
def test_a_pattern_is_a_shell_pattern_below_the_class_folder(pattern: str, name: str, is_match: bool) -> None:
    assert matches(name, pattern) is is_match


def test_several_patterns_add_up_and_a_mark_leaves_out(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}/{}.jpg", "ab", ("left", "right", "top"), range(4)))
    assert len(added(path, "--include 'left/*' --include 'right/*'").names) == 16
    dataset = added(path, "--include '**' --include '!top/*'")
    assert (len(dataset.names), dataset.summary.note) == (16, "left out by --include: 8 of 24 files")


@pytest.mark.parametrize("options", ["--include left", "--include 'lfet/*'", "--include 'left/*.png'"])
def test_a_pattern_that_takes_nothing_is_refused_with_one_that_does(tmp_path: Path, options: str) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/left/{}.jpg", "ab", range(4)))
    said, hint = refused(path, options)
    assert "takes none of the images of photos" in said
    assert len(added(path, hint).names) == 8


@pytest.mark.parametrize(
    "options", ["--include ''", "--include '/etc/*'", "--include '../*'", f"--include {'*' * 300}"]
)
def test_a_pattern_that_means_nothing_is_refused(tmp_path: Path, options: str) -> None:
    assert "is not a pattern" in refused(folder_of(tmp_path / "photos", three_classes()), options)[0]


def test_what_is_no_image_by_its_ending_is_left_out_and_said(tmp_path: Path) -> None:
    extra = ("labels.csv", "good/notes.txt", "good/LICENSE")
    files = three_classes() | dict.fromkeys(extra, b"text") | {"good/Thumbs.db": b"x"}
    dataset = added(folder_of(tmp_path / "photos", files))
    assert dataset.summary.note == "left out as no images: labels.csv, good/LICENSE and good/notes.txt"
    assert len(dataset.names) == 15


def test_a_half_downloaded_image_is_said(tmp_path: Path) -> None:
    files = three_classes() | {"good/7.jpg.crdownload": b"x", "good/8.jpg.part": b"x", "good/9.jpg.!sync": b"x"}
    note = added(folder_of(tmp_path / "photos", files)).summary.note
    assert note == "left out as no images: good/7.jpg.crdownload, good/8.jpg.part and good/9.jpg.!sync"


@pytest.mark.parametrize("ending", ["xmp", "AAE", "THM", "jpg.xmp", "pp3"])
def test_what_a_camera_notes_beside_an_image_is_left_out_and_said(tmp_path: Path, ending: str) -> None:
    files = three_classes() | {f"good/0.{ending}": b"x"}
    assert added(folder_of(tmp_path / "photos", files)).summary.note == f"left out as no images: good/0.{ending}"


@pytest.mark.parametrize("name", ["RECYCLED", "Recycle Bin", "trashbox"])
def test_a_bin_that_might_be_a_class_is_asked_about(tmp_path: Path, name: str) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}.jpg", ("a", "b", name), range(4)))
    assert refused(path)[0] == f"the folder {name} in photos is no class by its name"
    assert name in added(path, "--include '*'").summary.classes


def test_an_image_without_an_ending_is_an_image(tmp_path: Path) -> None:
    files = three_classes() | {"good/0001": png("bare"), "good/IMG.2": png("number")}
    assert {"0001", "IMG.2"} < set(added(folder_of(tmp_path / "photos", files)).names)


def test_a_readme_beside_an_outer_folder_hides_no_class(tmp_path: Path) -> None:
    files = {f"photos/{name}": content for name, content in three_classes().items()} | {"readme.md": b"x"}
    dataset = added(folder_of(tmp_path / "download", files))
    assert dataset.summary.classes == ("fair", "good", "reject")
    assert dataset.summary.note == "left out as no images: readme.md"


# What programs leave behind.


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir",
        "#recycle",
        "#snapshot",
        "lost+found",
        ".DS_Store",
        "._x",
        "Thumbs.db",
        "desktop.ini",
        "$RECYCLE.BIN",
        ".Trash-1000",
        ".Spotlight-V100",
        ".fseventsd",
        ".TemporaryItems",
        ".ipynb_checkpoints",
        "@Recycle",
        "@Recently-Snapshot",
        ".@__thumb",
        "ehthumbs_vista.db",
        "x.tmp",
        "~$1.docx",
        "SYNOPHOTO_THUMB_M.jpg",
        "SYNOFILE_THUMB_S.png",
        ".syncthing.1.jpg.tmp",
        "__MACOSX",
        "1.jpg@SynoEAStream",
        "~snapshot",
        "Icon\r",
        "System Volume Information",
        "Network Trash Folder",
        "Temporary Items",
        "TheVolumeSettingsFolder",
        "@eaDir@tmp",
        "1.jpg:Zone.Identifier",
        "1.jpg~",
        "Icon_",
        "Icon?",
        "pspbrwse.jbf",
        "1.jpg.sb-1a2b3c4d-Xy12",
        ".sb-1a2b3c4d-Xy12",
    ],
)
def test_what_programs_leave_behind_is_not_there_as_a_file_or_a_folder(tmp_path: Path, name: str) -> None:
    assert is_litter(name)
    files = three_classes() | {f"good/{name}": b"x", f"{name}/1.png": b"x", f"fair/{name}/deep/1.png": b"x"}
    dataset = added(folder_of(tmp_path / "photos", files))
    assert (len(dataset.names), dataset.summary.note) == (15, "")
    assert len(added(zip_of(tmp_path / "photos.zip", files)).names) == 15


def test_an_empty_bin_is_no_empty_class_and_a_link_in_it_is_not_followed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes())
    for name in ("#recycle", "lost+found", "@eaDir"):
        (path / name).mkdir()
    (path / "@eaDir" / "link.png").symlink_to("/etc/hostname")
    assert added(path).summary.classes == ("fair", "good", "reject")


@pytest.mark.parametrize("name", ["recycled", "@home", "#1", "thumbs up", "icon", "temporary", "snapshots"])
def test_a_class_that_is_called_a_little_like_litter_is_a_class(tmp_path: Path, name: str) -> None:
    path = folder_of(tmp_path / "photos", tree("{}/{}.jpg", ("other", name), range(4)))
    assert name in added(path).summary.classes
