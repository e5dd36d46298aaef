"""A CSV of files and labels: columns by name, a sentence with the line for what is wrong, nothing above its folder."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from qcqueue.datasets.format import Split, to_bytes
from tests.datasets.adding import added, pictures_at, proposed, refused
from tests.datasets.pictures import folder_of

FILES = [f"images/{label}{number}.png" for label in ("cat", "dog") for number in range(6)]


def label_of(path: str) -> str:
    return path.removeprefix("images/")[:3]


def csv_of(root: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    """Return a CSV beside twelve images."""
    folder_of(root, pictures_at(*FILES))
    path = root / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(header: str = "file,label", pattern: str = "{file},{label}") -> str:
    """Return a header and a line for each image; number counts from 0."""
    rows = [pattern.format(file=file, label=label_of(file), number=number) for number, file in enumerate(FILES)]
    return "\n".join([header, *rows]) + "\n"


# What is understood.


@pytest.mark.parametrize(
    "text",
    [
        lines(),
        "\ufeff" + lines(),
        lines().replace("\n", "\r\n"),
        lines("Label;FILE;Remark", "{label};{file};x, y"),
        lines("file\tlabel", "{file}\t{label}"),
        lines('"file", "label"', '"{file}", " {label} "'),
        "sep=;\n" + lines("file;label", "{file};{label}"),
        lines("remark,remark,file,label", ",,./{file},{label}"),
        lines().replace("images/", "images\\"),
        lines().replace("\n", "\n\n"),
        lines().encode("utf-16"),
    ],
)
def test_a_csv_is_read_as_any_program_writes_it(tmp_path: Path, text: str | bytes) -> None:
    dataset = added(csv_of(tmp_path, text))
    assert dataset.summary.classes == ("cat", "dog")
    assert set(dataset.names) == set(FILES)
    assert [dataset.summary.classes[label] for label in dataset.labels] == [label_of(name) for name in dataset.names]
    assert (dataset.summary.train, dataset.summary.validation, dataset.summary.test) == (8, 2, 2)


def test_the_order_of_lines_and_the_place_of_the_folder_change_nothing(tmp_path: Path) -> None:
    header, *rows = lines().splitlines()
    first = added(csv_of(tmp_path / "here", lines()))
    other = added(csv_of(tmp_path / "there", "\n".join([header, *reversed(rows)])))
    assert to_bytes(first) == to_bytes(other)


def test_a_name_composed_in_the_csv_finds_the_file_whose_accent_stands_apart(tmp_path: Path) -> None:
    path = csv_of(tmp_path, lines() + "images/fuer-für.png,cat\n")
    folder_of(tmp_path, pictures_at(unicodedata.normalize("NFD", "images/fuer-für.png")))
    assert "images/fuer-für.png" in added(path).names


def test_a_line_that_stands_twice_is_taken_once_and_said(tmp_path: Path) -> None:
    dataset = added(csv_of(tmp_path, lines() + f"./{FILES[0]},cat\n"))
    assert (len(dataset.names), dataset.summary.note) == (12, "lines that repeat a file: 1 (taken once)")


def test_the_authors_split_in_a_column_is_kept(tmp_path: Path) -> None:
    spelled = ("Training", "train", "val", "test")
    text = "\n".join(["file,label,split"] + [f"{f},{label_of(f)},{spelled[n % 4]}" for n, f in enumerate(FILES)])
    dataset = added(csv_of(tmp_path, text))
    expected = {file: (0, 0, 1, 2)[number % 4] for number, file in enumerate(FILES)}
    assert dict(zip(dataset.names, dataset.splits.tolist(), strict=True)) == expected


def test_a_part_that_the_column_lacks_is_taken_from_train(tmp_path: Path) -> None:
    text = lines("file,label,split", "{file},{label},{number}")
    for number in range(12):
        text = text.replace(f",{number}\n", ",test\n" if number % 6 == 5 else ",train\n")
    dataset = added(csv_of(tmp_path, text))
    assert {name for name, split in zip(dataset.names, dataset.splits, strict=True) if split == Split.TEST} == {
        FILES[5],
        FILES[11],
    }
    assert dataset.summary.note == "the author's split was kept; taken from the 10 images of train: validation 2"


@pytest.mark.parametrize(
    ("column", "options"), [("group", ""), ("Patient", "--group-by patient"), ("group", "--group-by GROUP")]
)
def test_a_column_keeps_groups_together(tmp_path: Path, column: str, options: str) -> None:
    text = "\n".join([f"file,label,{column}"] + [f"{f},{label_of(f)},p{n % 4}" for n, f in enumerate(FILES)])
    dataset = added(csv_of(tmp_path, text), options)
    of = {file: number % 4 for number, file in enumerate(FILES)}
    homes = {(of[name], split) for name, split in zip(dataset.names, dataset.splits.tolist(), strict=True)}
    assert len(homes) == 4
    assert dataset.summary.note.startswith("groups kept together: 4; train 2 (50% of the images)")
    assert dataset.summary.note.endswith("groups are those of the column group") is (options == "")


def test_a_pattern_over_the_files_groups_too(tmp_path: Path) -> None:
    dataset = added(csv_of(tmp_path, lines()), r"--group-by '(\d)\.png'")
    assert dataset.summary.note.startswith("groups kept together: 6; ")


def test_files_in_folders_of_patients_can_be_grouped_by_the_pattern_proposed(tmp_path: Path) -> None:
    files = [f"p{patient}/{label}{number}.png" for patient in range(4) for label in "ab" for number in range(2)]
    folder_of(tmp_path, pictures_at(*files))
    path = tmp_path / "labels.csv"
    path.write_text("file,label\n" + "".join(f"{file},{file[3]}\n" for file in files), encoding="utf-8")
    assert added(path, proposed(refused(path, "--group-by folder")[1])).summary.note.startswith(
        "groups kept together: 4"
    )


def test_an_empty_column_group_asks_for_nothing_and_is_said_to_be_unused(tmp_path: Path) -> None:
    note = added(csv_of(tmp_path, lines("file,label,group", "{file},{label},"))).summary.note
    assert note == "columns not used: group"


def valued(column: str, *values: str) -> str:
    """Return a table with one more column, whose values follow one another."""
    rows = [f"{file},{label_of(file)},{values[number % len(values)]}" for number, file in enumerate(FILES)]
    return "\n".join([f"file,label,{column}", *rows]) + "\n"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("set", ("train", "val", "test")),
        ("Subset", ("Training", "Testing")),
        ("usage", ("Training", "PublicTest", "PrivateTest")),
        ("partition", ("TRAIN", "TEST")),
        ("fold", ("train", "validation")),
        ("phase", ("train", "dev", "test")),
        ("x", ("train", "", "test")),
    ],
)
def test_a_split_in_a_column_of_another_name_is_refused_and_counts_once_renamed(
    tmp_path: Path, column: str, values: tuple[str, ...]
) -> None:
    path = csv_of(tmp_path, valued(column, *values))
    sentence, hint = refused(path)
    assert sentence.startswith(f"the column {column.lower()} of labels.csv holds the parts of a split, such as ")
    assert hint.startswith(f"rename the column {column.lower()} to split")
    if all(values) and "PublicTest" not in values:
        path.write_text(valued("split", *values), encoding="utf-8")
        assert added(path).summary.note.startswith("the author's split was kept")
    path.write_text(lines(), encoding="utf-8")
    assert added(path).summary.note == ""


@pytest.mark.parametrize(
    "column", ["patient", "patient_id", "PatientID", "subject", "Subject ID", "case_id", "groups", "animal"]
)
def test_groups_in_a_column_of_another_name_are_refused_with_the_option_that_keeps_them(
    tmp_path: Path, column: str
) -> None:
    path = csv_of(tmp_path, valued(column, "p1", "p2", "p3", "p4"))
    sentence, hint = refused(path)
    assert sentence.startswith(f"the column {column.lower()} of labels.csv says which images belong together")
    assert added(path, proposed(hint)).summary.note.startswith("groups kept together: 4")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("remark", ("fine", "blurred")),
        ("fold", ("0", "1", "2")),
        ("patient", tuple(map(str, range(12)))),
        ("patient", ("",)),
        ("quality", ("valid", "invalid")),
        ("set", ("test",)),
    ],
)
def test_another_column_is_said_to_be_unused(tmp_path: Path, column: str, values: tuple[str, ...]) -> None:
    assert added(csv_of(tmp_path, valued(column, *values))).summary.note == f"columns not used: {column}"


def test_a_second_column_of_patients_is_only_said_where_groups_or_a_split_are_given(tmp_path: Path) -> None:
    text = valued("patient,group", "p1,g1", "p2,g2", "p3,g3", "p4,g4")
    assert "columns not used: patient" in added(csv_of(tmp_path, text)).summary.note
    text = valued("patient,split", "p1,train", "p2,val", "p3,test")
    assert "columns not used: patient" in added(csv_of(tmp_path / "other", text)).summary.note


def test_the_pixels_are_those_of_the_files(tmp_path: Path) -> None:
    dataset = added(csv_of(tmp_path, lines()))
    assert len({image.tobytes() for image in dataset.images}) == 12
    assert dataset.images.dtype == np.uint8


# What is refused, with its line.


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("images/cat0.png,", "line 14 of labels.csv has no label for images/cat0.png"),
        (",cat", "line 14 of labels.csv names no file"),
        ("../outside.png,cat", "line 14 of labels.csv names ../outside.png, which is not below the folder of the CSV"),
        ("images/../../x.png,cat", "line 14 of labels.csv names images/../../x.png, which is not below the folder"),
        ("/etc/hostname,cat", "line 14 of labels.csv names /etc/hostname, which is not below the folder of the CSV"),
        ("C:\\x.png,cat", "line 14 of labels.csv names C:\\x.png, which is not below the folder of the CSV"),
        ("images,cat", "line 14 of labels.csv names images, but images is no file"),
        ("images/cat0.png,dog", "lines 2 and 14 of labels.csv name images/cat0.png with two labels"),
        ("images/cat0.png,cat,x", "line 14 of labels.csv has 3 fields for 2 columns"),
        ('images/cat0.png,"cat', "line 14 of labels.csv is no line of a CSV: unexpected end of data"),
        ("images/cat0.png," + "c" * 65, "line 14 of labels.csv has a class named " + "c" * 65),
        ('images/cat0.png,"a\tb"', "line 14 of labels.csv has a class named 'a\\tb', which would not fit into a table"),
        ("images/cat9.png,cat", "1 of 13 files of labels.csv are not there: line 14 images/cat9.png"),
        ("images/link.png,cat", "line 14 of labels.csv names images/link.png, and images/link.png is a link"),
        ("linked/cat0.png,cat", "line 14 of labels.csv names linked/cat0.png, and linked is a link"),
        ("images/pipe,cat", "line 14 of labels.csv names images/pipe, but images/pipe is no file"),
        ("images/Cat0.png,cat", "1 of 13 files of labels.csv are not there: line 14 images/Cat0.png"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_with_its_number(tmp_path: Path, line: str, sentence: str) -> None:
    path = csv_of(tmp_path, f"{lines()}{line}\n")
    (tmp_path / "images" / "link.png").symlink_to("cat0.png")
    (tmp_path / "linked").symlink_to("images")
    os.mkfifo(tmp_path / "images" / "pipe")
    assert refused(path)[0].startswith(sentence)


def test_the_number_of_a_line_counts_what_a_quoted_field_breaks_and_what_excel_puts_first(tmp_path: Path) -> None:
    text = 'sep=;\nfile;label;remark\nimages/cat0.png;cat;"two\nlines"\n;cat;\n'
    assert refused(csv_of(tmp_path, text))[0] == "line 5 of labels.csv names no file"


def test_all_missing_files_are_counted_and_the_first_twenty_named(tmp_path: Path) -> None:
    text = lines() + "".join(f"images/cat{number}.jpg,cat\n" for number in range(25))
    sentence = refused(csv_of(tmp_path, text))[0]
    assert sentence.startswith("25 of 37 files of labels.csv are not there: line 14 images/cat0.jpg, line 15 ")
    assert sentence.endswith("line 33 images/cat19.jpg and 5 more")
    assert len(sentence) < 700


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "labels.csv has no column file; its columns: none"),
        ("file,label\n", "labels.csv lists no images"),
        (lines("filename,label"), "labels.csv has no column file; its columns: filename and label"),
        (lines("file,class"), "labels.csv has no column label; its columns: file and class"),
        (lines("file,label,File", "{file},{label},x"), "labels.csv has two columns file"),
        (lines().encode().replace(b"cat\n", "für\n".encode("latin-1")), "line 2 of labels.csv is not UTF-8 text"),
        (lines(pattern="{file},same"), "labels.csv has one class only, same; two are needed"),
        (lines() + "images/dog0.png,Dog\n", "lines 8 and 14 of labels.csv name images/dog0.png with two labels"),
        (lines().replace("dog5.png,dog", "dog5.png,Dog"), "the classes Dog and dog in labels.csv differ only in upper"),
        (lines("file,label,split", "{file},{label},later"), "line 2 of labels.csv has the split later, which is not"),
        (lines("file,label,split", "{file},{label},"), "line 2 of labels.csv has the split '', which is not"),
        (lines("file,label,split", "{file},{label},test"), "no line of labels.csv has the split train"),
        (
            lines("file,label,group", "{file},{label},p{number}") + "images/cat0.png,cat,\n",
            "line 14 of labels.csv has nothing in the column group",
        ),
        (b"\x00\x01\x02PNG", "labels.csv has no column file"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    assert refused(csv_of(tmp_path, text))[0].startswith(sentence)


def test_a_class_missing_from_a_part_and_a_group_in_two_are_refused(tmp_path: Path) -> None:
    text = lines("file,label,split,group", "{file},{label},train,p{number}")
    only_cats = text.replace("cat0.png,cat,train", "cat0.png,cat,test")
    assert refused(csv_of(tmp_path, only_cats))[0] == "the class dog of labels.csv has no image in test"
    both = only_cats.replace("dog0.png,dog,train", "dog0.png,dog,test").replace(
        "dog1.png,dog,train,p7", "dog1.png,dog,train,p6"
    )
    assert refused(csv_of(tmp_path, both))[0].startswith("the group p6 of labels.csv is in two parts: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--include '*'", "--include is for folders and zips; labels.csv is a CSV"),
        ("--split-folders train=images", "--split-folders is for folders and zips; labels.csv is a CSV"),
        ("--split 70,15,15", "labels.csv is split already, and --split asks for another"),
        ("--group-by grop", "labels.csv has no column grop; did you mean group?"),
    ],
)
def test_an_option_that_contradicts_the_csv_is_refused(tmp_path: Path, options: str, sentence: str) -> None:
    text = lines("file,label,split,group", "{file},{label},train,p{number}")
    assert refused(csv_of(tmp_path, text), options)[0] == sentence


def test_a_csv_beyond_a_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv_of(tmp_path, lines())
    monkeypatch.setattr("qcqueue.datasets.table.FILES_MAX", 10)
    assert refused(path)[0] == "labels.csv has more than 10 lines"
    monkeypatch.setattr("qcqueue.datasets.table.CSV_SIZE_BYTES_MAX", 100)
    assert refused(path)[0] == "labels.csv is larger than 0 MiB"


def test_a_csv_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "labels.csv")[0].startswith("there is no folder, zip or CSV ")
    (tmp_path / "labels.csv").mkdir()
    assert refused(tmp_path / "labels.csv")[0] == "labels.csv holds no class folders"
