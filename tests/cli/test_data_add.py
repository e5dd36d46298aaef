"""Adding images from a shell: each refusal proposes options, and typing these works."""

import shlex
import subprocess
import sys

import pytest

from qcqueue.cli.main import run
from tests.cli.queues import House
from tests.datasets.adding import pictures_at, proposed
from tests.datasets.pictures import Files, folder_of, three_classes


def answered(capfd: pytest.CaptureFixture[str], *typed: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = run(list(typed))
    out, err = capfd.readouterr()
    return code, out, err


def in_classes(pattern: str, *choices: str) -> Files:
    return pictures_at(*(pattern.format(c=c, s=s, i=i) for c in "ab" for s in choices or ("",) for i in range(5)))


@pytest.mark.parametrize(
    ("files", "options"),
    [
        (in_classes("{s}/{c}/{i}.png", "train", "test", "pred"), ()),
        (in_classes("{s}/{c}/{i}.png", "Training Set", "Test Set"), ()),
        (in_classes("{c}/{s}/{i}.png", "train", "val"), ()),
        (in_classes("{c}/{s}/{i}.png", "images", "masks"), ()),
        (in_classes("{c}/{i}{s}.png", "", "_mask"), ()),
        (in_classes("{c}/{s}/{i}.png", "p1", "p2", "p3"), ()),
        (in_classes("{c}/{s}_{i}.png", "p1", "p2", "p3"), ("--group-by", "folder")),
        (three_classes(), ("--split", "9,9,9")),
        (three_classes(), ("--split", "half")),
    ],
)
def test_the_options_a_refusal_proposes_work_as_they_are_typed(
    files: Files, options: tuple[str, ...], empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    folder_of(empty_house.folder / "photos", files)
    before = empty_house.fingerprint()
    code, out, err = answered(capfd, "data", "add", "photos", "--name", "mine", *options)
    assert (code, out) == (2, "")
    sentence, hint = err.splitlines()
    assert sentence.startswith("qcqueue: ")
    assert empty_house.fingerprint() == before
    typed = shlex.split(proposed(hint.removeprefix("next: ")))
    code, out, err = answered(capfd, "data", "add", "photos", "--name", "mine", *typed)
    assert (code, err) == (0, "")
    assert "next: qcqueue new six-models" in out


@pytest.mark.parametrize("size", ["16,12", "16x12", "16X12", "16 x 12", "16, 12", "16×12", "[16, 12]", " 16x12 "])
def test_a_size_means_height_and_width_however_it_is_typed(
    size: str, empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    folder_of(empty_house.folder / "photos", three_classes())
    assert answered(capfd, "data", "add", "photos", "--name", "mine", "--split", "9,3,3", "--image-size", size)[0] == 0
    assert "16x12" in answered(capfd, "data", "list")[1]


@pytest.mark.parametrize(("size", "square"), [("16", "16x16"), ("224,224", "224x224")])
def test_one_number_is_a_square(size: str, square: str, empty_house: House, capfd: pytest.CaptureFixture[str]) -> None:
    folder_of(empty_house.folder / "photos", three_classes())
    assert answered(capfd, "data", "add", "photos", "--name", "mine", "--split", "9,3,3", "--image-size", size)[0] == 0
    assert square in answered(capfd, "data", "list")[1]


@pytest.mark.parametrize("size", ["16,12,3", "16;12", "[16,12", "16x", "x16", "0,16", "16,99999", "16px", "-16", "1.5"])
def test_any_other_size_is_refused(size: str, empty_house: House, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = answered(capfd, "data", "add", "photos", "--name", "mine", f"--image-size={size}")
    assert (code, err.splitlines()[1]) == (2, "next: --image-size 75x75")


def test_a_csv_is_added_and_its_groups_are_told_in_the_note(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    files = in_classes("{c}/{i}.png")
    rows = "".join(f"{path},{path[0]},p{path[2]}\n" for path in files)
    folder_of(empty_house.folder / "photos", files | {"labels.csv": f"file,label,group\n{rows}".encode()})
    code, out, err = answered(capfd, "data", "add", "photos/labels.csv", "--name", "mine", "--split", "60,20,20")
    assert (code, err) == (0, "")
    assert "note: groups kept together: 5; train 3 (60% of the images), validation 1 (20% of the images)" in out


def test_a_pattern_may_be_given_several_times(empty_house: House, capfd: pytest.CaptureFixture[str]) -> None:
    folder_of(empty_house.folder / "photos", in_classes("{c}/{s}/{i}.png", "left", "right", "top"))
    typed = ("data", "add", "photos", "--name", "mine", "--include", "left/*", "--include", "right/*")
    assert "note: left out by --include: 10 of 30 files" in answered(capfd, *typed)[1]


def test_the_commands_for_data_load_no_numbers_before_one_is_run() -> None:
    program = "import sys, qcqueue.cli.data; sys.exit(bool({'numpy', 'PIL', 'csv'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
