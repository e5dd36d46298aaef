"""Importing a folder or zip: what a person means is understood, and the rest is one sentence that names the thing."""

import os
import stat
import struct
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets import limits
from qcqueue.datasets.format import Split, to_bytes
from qcqueue.datasets.importing import ImportOptions, import_images
from qcqueue.errors import DatasetInvalid
from tests.datasets.pictures import Files, encoded, folder_of, imported, png, three_classes, zip_of


def refusal(path: Path, *, split: tuple[int, int, int] | None = None, image_size: tuple[int, int] = (16, 16)) -> str:
    """Return the sentence with which an import is refused, having checked what every refusal owes its reader."""
    with pytest.raises(DatasetInvalid) as caught:
        imported(path, split=split, image_size=image_size)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert caught.value.hint is not None
    assert caught.value.hint.isprintable()
    return sentence


def entry(name: str, *, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


# What is understood.


def test_a_folder_of_class_folders_becomes_a_dataset(tmp_path: Path) -> None:
    dataset = imported(folder_of(tmp_path / "photos", three_classes(10)), image_size=(12, 12))
    assert dataset.summary.classes == ("fair", "good", "reject")
    assert (dataset.summary.train, dataset.summary.validation, dataset.summary.test) == (20, 5, 5)
    assert (dataset.summary.source, dataset.summary.note) == ("photos", "")
    assert [sorted(set(dataset.part(split)[1].tolist())) for split in Split] == [[0, 1, 2]] * 3


def test_every_image_keeps_its_class_its_name_and_its_pixels(tmp_path: Path) -> None:
    files = three_classes()
    dataset = imported(folder_of(tmp_path / "photos", files), image_size=(12, 12))
    assert len(dataset.names) == len(files)
    for name, label, image in zip(dataset.names, dataset.labels.tolist(), dataset.images, strict=True):
        with Image.open(tmp_path / "photos" / dataset.summary.classes[label] / name) as original:
            assert np.array_equal(np.asarray(original), image)


def test_a_zip_gives_the_same_images_as_its_folder_whatever_the_order_inside(tmp_path: Path) -> None:
    files = three_classes()
    from_folder = imported(folder_of(tmp_path / "photos", files))
    from_zip = imported(zip_of(tmp_path / "photos.zip", dict(reversed(files.items()))))
    assert from_zip.names == from_folder.names
    assert np.array_equal(from_zip.images, from_folder.images)
    assert np.array_equal(from_zip.splits, from_folder.splits)


def test_the_same_files_and_seed_give_the_same_bytes_and_another_seed_another_split(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes(9))
    assert to_bytes(imported(path)) == to_bytes(imported(path))
    assert imported(path).names != imported(path, seed=2).names


@pytest.mark.parametrize("outer", ["photos/", "export/photos/"])
def test_outer_folders_that_hold_nothing_but_one_folder_are_looked_through(tmp_path: Path, outer: str) -> None:
    files = {outer + name: content for name, content in three_classes().items()}
    zipped = imported(zip_of(tmp_path / "photos.zip", files))
    assert zipped.summary.classes == ("fair", "good", "reject")
    assert imported(folder_of(tmp_path / "folder", files)).names == zipped.names


def test_what_file_managers_and_cameras_leave_behind_is_not_there(tmp_path: Path) -> None:
    litter: Files = {
        "__MACOSX/photos/good/._0.png": b"x",
        "photos/.DS_Store": b"x",
        "photos/good/.DS_Store": b"x",
        "photos/good/Thumbs.db": b"x",
        "photos/fair/desktop.ini": b"x",
        "photos/.git/objects/ab.png": b"x",
        "photos/README.txt": b"hello",
    }
    files = {f"photos/{name}": content for name, content in three_classes().items()} | litter
    assert len(imported(zip_of(tmp_path / "photos.zip", files)).names) == 15
    assert len(imported(folder_of(tmp_path / "folder", files)).names) == 15


def test_folders_below_a_class_belong_to_the_class_and_to_the_name(tmp_path: Path) -> None:
    files = three_classes() | {"good/patient 7/left/0.png": png("deep")}
    options = ImportOptions(image_size=(16, 16), include=("**",))
    assert "patient 7/left/0.png" in import_images(folder_of(tmp_path / "photos", files), options).names


def test_names_are_the_same_text_whether_a_mac_or_linux_wrote_them(tmp_path: Path) -> None:
    files = {name.replace("good", "gut für alle"): content for name, content in three_classes().items()}
    apart = {unicodedata.normalize("NFD", name): content for name, content in files.items()}
    assert list(apart) != list(files)
    composed = imported(zip_of(tmp_path / "photos.zip", files))
    assert composed.summary.classes[1] == "gut für alle"
    (tmp_path / "mac").mkdir()
    assert to_bytes(imported(zip_of(tmp_path / "mac" / "photos.zip", apart))) == to_bytes(composed)


def test_images_of_different_modes_sizes_and_kinds_stand_side_by_side(tmp_path: Path) -> None:
    files = three_classes() | {
        "good/grey.jpg": encoded(Image.new("L", (40, 9), 80), "JPEG"),
        "good/deep.png": encoded(Image.fromarray(np.full((9, 9), 30_000, np.uint16))),
        "reject/clear.webp": encoded(Image.new("RGBA", (5, 70), (1, 2, 3, 0)), "WEBP"),
        "fair/print.tif": encoded(Image.new("CMYK", (8, 8), (9, 9, 9, 9)), "TIFF"),
    }
    assert imported(folder_of(tmp_path / "photos", files), image_size=(20, 30)).images.shape == (19, 20, 30, 3)


def test_a_split_in_exact_counts_is_kept_exactly_and_evenly(tmp_path: Path) -> None:
    dataset = imported(folder_of(tmp_path / "photos", three_classes(10)), split=(17, 8, 5))
    assert (dataset.summary.train, dataset.summary.validation, dataset.summary.test) == (17, 8, 5)
    for split, (least, most) in zip(Split, [(5, 6), (2, 3), (1, 2)], strict=True):
        counts = np.bincount(dataset.part(split)[1]).tolist()
        assert least <= min(counts) <= max(counts) <= most


def test_copies_of_a_picture_share_a_split_and_the_note_tells_of_them(tmp_path: Path) -> None:
    files = three_classes(20)
    files |= {f"good/copy {number}.png": files[f"good/{number}.png"] for number in range(6)}
    files["reject/also good.png"] = files["good/9.png"]
    dataset = imported(folder_of(tmp_path / "photos", files))
    homes: dict[bytes, set[int]] = {}
    for image, split in zip(dataset.images, dataset.splits.tolist(), strict=True):
        homes.setdefault(image.tobytes(), set()).add(split)
    assert all(len(splits) == 1 for splits in homes.values())
    assert dataset.summary.note == (
        "pictures present more than once: 7 (copies share a split); pictures in more than one class: 1"
    )


def test_progress_is_told_of_every_image(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = folder_of(tmp_path / "photos", three_classes(3))
    import_images(path, ImportOptions(image_size=(8, 8)), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 9) for done in range(1, 10)]


def test_importing_writes_nothing_beside_the_files(tmp_path: Path) -> None:
    zip_of(tmp_path / "photos.zip", three_classes())
    imported(tmp_path / "photos.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["photos.zip"]


# What is no folder of classes.


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").startswith("there is no folder, zip or CSV /")


def test_a_file_that_is_neither_zip_nor_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png(1))
    assert refusal(tmp_path / "photo.png") == "photo.png is neither a folder nor a zip"


def test_a_pipe_is_refused_without_waiting_for_somebody_to_write_into_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "pipe is neither a folder nor a zip"


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(tmp_path / "gone")
    assert refusal(tmp_path / "photos") == "photos is neither a folder nor a zip"


def test_an_empty_folder_and_an_empty_zip_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert refusal(tmp_path / "photos") == "photos holds no class folders"
    assert refusal(zip_of(tmp_path / "photos.zip", {})) == "photos.zip holds no class folders"


def test_one_class_alone_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", {f"good/{number}.png": png(number) for number in range(9)})
    assert refusal(path) == "photos has one class only, good; two are needed"


def test_an_empty_class_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"doubtful/.DS_Store": b"x"})
    assert refusal(path) == "the class doubtful in photos holds no images"
    zipped = zip_of(tmp_path / "photos.zip", three_classes(), (entry("doubtful/", mode=stat.S_IFDIR | 0o755), b""))
    assert refusal(zipped) == "the class doubtful in photos.zip holds no images"


def test_an_image_outside_any_class_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"loose.PNG": png("loose")})
    assert refusal(path) == "loose.PNG in photos lies outside any class folder"


def test_a_folder_that_is_already_split_is_refused_instead_of_taking_train_and_test_for_classes(tmp_path: Path) -> None:
    files = {f"{part}/{name}": png(part + name) for part in ("train", "test") for name in three_classes()}
    assert refusal(folder_of(tmp_path / "photos", files)) == "photos is already split into test and train"


def test_classes_that_differ_only_in_case_are_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"Good/0.png": png("twin")})
    assert refusal(path) == "the classes Good and good in photos differ only in upper and lower case"


def test_classes_that_differ_only_in_the_encoding_of_an_accent_are_refused(tmp_path: Path) -> None:
    twins = {f"{unicodedata.normalize(form, 'für')}/0.png": png(form) for form in ("NFC", "NFD")}
    sentence = refusal(zip_of(tmp_path / "photos.zip", three_classes() | twins))
    assert sentence.endswith("in photos.zip differ only in how their accents are encoded")


def test_files_that_differ_only_in_case_are_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"good/0.PNG": png("twin")})
    assert refusal(path) == "the files good/0.PNG and good/0.png in photos differ only in upper and lower case"


def test_more_classes_than_a_label_can_count_are_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", {f"class {number}/a.png": b"x" for number in range(256)})
    assert refusal(path) == "photos.zip has 256 classes; 255 is the most"


@pytest.mark.parametrize("name", ["x" * 65, " good", "good ", "a\u200bb", "\u202eevil"])
def test_a_class_name_that_would_not_fit_into_a_table_is_refused(tmp_path: Path, name: str) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes() | {f"{name}/a.png": png("odd")})
    assert "which would not fit into a table" in refusal(path)


def test_a_class_with_too_few_images_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"rare/0.png": png("rare")})
    assert refusal(path).startswith("the class rare has 1 image; at least 3 are needed")


def test_a_split_that_does_not_add_up_is_refused_before_any_image_is_read(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"good/0.png": b"not an image"})
    assert refusal(path, split=(10, 3, 3)) == "a split of 10,3,3 adds up to 16, but there are 15 images"


@pytest.mark.parametrize("image_size", [(0, 75), (75, -1), (75, 9999)])
def test_an_impossible_image_size_is_refused(tmp_path: Path, image_size: tuple[int, int]) -> None:
    path = folder_of(tmp_path / "photos", three_classes())
    assert refusal(path, image_size=image_size).startswith("an image size of ")


# What is no image.


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("good/notes", b"blurred, see mail", "good/notes in photos is not an image that qcqueue can read"),
        ("good/empty.png", b"", "good/empty.png in photos is empty"),
        ("fair/cut.png", png("cut", side=40)[:900], "fair/cut.png in photos is damaged or cut short"),
    ],
)
def test_a_file_that_is_no_whole_image_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    assert refusal(folder_of(tmp_path / "photos", three_classes() | {name: content})).startswith(sentence)


def test_all_broken_files_are_named_at_once_each_with_its_reason(tmp_path: Path) -> None:
    files = three_classes() | {
        "good/1.png": b"",
        "fair/notes": b"blurred",
        "reject/cut.png": png("cut", side=40)[:900],
        "reject/float.tif": encoded(Image.new("F", (9, 9)), "TIFF"),
    }
    path = folder_of(tmp_path / "photos", files)
    told: list[tuple[int, int]] = []
    with pytest.raises(DatasetInvalid) as caught:
        import_images(path, ImportOptions(image_size=(8, 8)), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (18, 18)
    assert caught.value.args == ("4 of the 18 images in photos cannot be used",)
    assert [problem.split(" in photos ")[0] for problem in caught.value.problems] == [
        "fair/notes",
        "good/1.png",
        "reject/cut.png",
        "reject/float.tif",
    ]
    assert caught.value.problems[1] == "good/1.png in photos is empty"
    assert str(caught.value).split("\n") == [*caught.value.args, *caught.value.problems]
    assert caught.value.hint == "copy them again, save them in a usual way, or remove them"


def test_of_very_many_broken_files_the_first_are_named_and_all_are_counted(tmp_path: Path) -> None:
    files = three_classes() | {f"good/broken {number:02}.png": b"" for number in range(25)}
    with pytest.raises(DatasetInvalid) as caught:
        imported(folder_of(tmp_path / "photos", files))
    assert caught.value.args == ("25 of the 40 images in photos cannot be used",)
    assert caught.value.problems[19:] == ("good/broken 19.png in photos is empty", "and 5 more")
    assert caught.value.hint == "remove it or copy it again"


def test_a_broken_member_of_a_zip_does_not_hide_the_others(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes() | {"reject/0.png": b""})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DatasetInvalid) as caught:
        imported(path)
    assert [problem.split(" in ")[0] for problem in caught.value.problems] == ["good/0.png", "reject/0.png"]


def test_a_file_larger_than_any_image_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcqueue.datasets.tree.FILE_SIZE_BYTES_MAX", 1000)
    path = folder_of(tmp_path / "photos", three_classes() | {"good/huge.bmp": bytes(1001)})
    assert refusal(path).startswith("good/huge.bmp in photos is larger than")


def test_a_file_that_cannot_be_read_any_more_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes())

    def remove_one(done: int, total: int) -> None:
        (path / "reject" / "4.png").unlink(missing_ok=True)

    with pytest.raises(DatasetInvalid, match=r"^reject/4.png in photos cannot be read: No such file or directory$"):
        import_images(path, ImportOptions(image_size=(8, 8)), progress=remove_one)


# What reaches out of its tree.


@pytest.mark.parametrize("target", ["/etc/hostname", "../../outside.png", "1.png"])
def test_a_link_in_a_folder_is_refused_by_name(tmp_path: Path, target: str) -> None:
    path = folder_of(tmp_path / "photos", three_classes())
    (tmp_path / "outside.png").write_bytes(png("outside"))
    (path / "good" / "link.png").symlink_to(target)
    assert refusal(path) == "good/link.png in photos is a link"


def test_a_linked_class_folder_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes())
    (path / "linked").symlink_to(tmp_path)
    assert refusal(path) == "linked in photos is a link"


def test_a_pipe_among_the_images_is_refused_by_name(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes())
    os.mkfifo(path / "good" / "pipe.png")
    assert refusal(path) == "good/pipe.png in photos is not an ordinary file"


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", three_classes() | {"good/" + "a/" * 20 + "deep.png": png("deep")})
    assert "which lies too deep" in refusal(path)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "good/../../evil.png",
        "/etc/evil.png",
        "C:/evil.png",
        "c:evil.png",
        "good\\..\\..\\evil.png",
        "..",
    ],
)
def test_a_zip_with_a_member_outside_its_folder_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes(), (entry(name), png("evil")))
    assert refusal(path) == f"photos.zip holds {name}, a name that points outside its folder"
    assert [found.name for found in tmp_path.iterdir()] == ["photos.zip"]


@pytest.mark.parametrize("name", ["good//a.png", "good/\x1b[2J.png", "good/a\n.png", "g" * 1025])
def test_a_zip_with_an_absurd_name_is_refused_and_the_name_cannot_reach_the_terminal(tmp_path: Path, name: str) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes(), (entry(name), png("odd")))
    sentence = refusal(path)
    assert sentence.endswith("which is not a usable file name")
    assert len(sentence) < 250


def test_a_zip_that_hides_the_end_of_a_name_behind_a_nul_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes() | {"good/aXexe": png("nul")})
    path.write_bytes(path.read_bytes().replace(b"good/aXexe", b"good/a\0exe"))
    assert refusal(path) == r"photos.zip holds 'good/a\x00exe', which is not a usable file name"


def test_a_link_in_a_zip_is_refused_by_name(tmp_path: Path) -> None:
    link = entry("good/link.png", mode=stat.S_IFLNK | 0o777)
    path = zip_of(tmp_path / "photos.zip", three_classes(), (link, b"/etc/hostname"))
    assert refusal(path) == "good/link.png in photos.zip is a link"


def test_a_device_in_a_zip_is_refused_by_name(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes(), (entry("good/tty", mode=stat.S_IFCHR | 0o666), b""))
    assert refusal(path) == "good/tty in photos.zip is not an ordinary file"


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_that_stands_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes(), (entry("good/0.png"), png("second")))
    assert refusal(path) == "good/0.png stands twice in photos.zip"


# What is a bomb, locked, or broken.


def test_a_zip_that_unpacks_to_hundreds_of_times_its_size_is_refused_unopened(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", {f"{name}/zeros.bmp": bytes(40 * 1024**2) for name in ("good", "reject")})
    assert "times its size, which no zip of photographs does" in refusal(path)


def test_a_zip_of_blank_scans_is_no_bomb(tmp_path: Path) -> None:
    blank = encoded(Image.new("RGB", (300, 300)), "BMP")
    files = three_classes() | {f"reject/blank {number}.bmp": blank for number in range(2)}
    assert len(imported(zip_of(tmp_path / "photos.zip", files)).names) == 17


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("FILES_MAX", 10, "photos.zip holds more than 10 files"),
        ("TREE_SIZE_BYTES_MAX", 1000, "photos.zip would unpack to 0 GiB; 0 GiB is the most"),
        ("FILE_SIZE_BYTES_MAX", 100, "good/0.png in photos.zip would unpack to more than 0 MiB"),
    ],
)
def test_a_zip_beyond_a_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, sentence: str
) -> None:
    assert hasattr(limits, limit)
    monkeypatch.setattr(f"qcqueue.datasets.archive.{limit}", value)
    assert refusal(zip_of(tmp_path / "photos.zip", three_classes())) == sentence


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcqueue.datasets.tree.FILES_MAX", 10)
    assert refusal(folder_of(tmp_path / "photos", three_classes())) == "photos holds more than 10 files"


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    content[first + 8] |= 1
    path.write_bytes(content)
    assert refusal(path) == "good/0.png in photos.zip is encrypted"


def test_a_member_packed_in_an_unknown_way_is_refused_by_name(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        place = content.index(signature) + offset
        content[place : place + 2] = struct.pack("<H", 97)
    path.write_bytes(content)
    assert refusal(path) == "good/0.png in photos.zip is packed in a way qcqueue cannot read: WavPack"


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.98])
def test_a_zip_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert refusal(path) == "the zip photos.zip is damaged or cut short"


def test_a_member_whose_bytes_have_changed_is_refused_by_name(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "photos.zip", three_classes())
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    assert refusal(path).startswith("good/0.png in photos.zip is damaged: ")


def test_a_zip_broken_at_random_is_imported_or_refused_in_one_sentence(tmp_path: Path) -> None:
    rng = seeded("broken zips")
    whole = zip_of(tmp_path / "photos.zip", three_classes(3)).read_bytes()
    directory = whole.index(b"PK\x01\x02")
    path = tmp_path / "broken.zip"
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            content[rng.choice([rng.randrange(len(content)), rng.randrange(directory, len(content))])] = rng.randrange(
                256
            )
        path.write_bytes(content)
        try:
            assert len(imported(path).names) <= 9
        except DatasetInvalid as error:
            assert all(line.isprintable() for line in str(error).split("\n"))  # noqa: PT017 - both endings are right; what must not happen is a third
