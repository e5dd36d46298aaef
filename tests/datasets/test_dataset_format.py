"""The blob: what is written comes back, equal datasets have equal bytes, and anything else is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from qcqueue.datasets.format import Dataset, Split, arrange, load, load_mapped, to_bytes
from qcqueue.errors import CorruptionError, DigestMismatch, UnknownFormat

Reader = Callable[[Path], Dataset]


@pytest.fixture(params=[load, load_mapped], scope="module")
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


def small_dataset() -> Dataset:
    images = np.arange(6 * 8 * 9 * 3, dtype=np.uint32).astype(np.uint8).reshape(6, 8, 9, 3)
    return arrange(
        names=["f", "e", "d", "c", "b", "ä"],
        images=images,
        columns=(
            np.array([1, 0, 1, 0, 1, 0], np.uint8),
            np.array([2, 2, 1, 1, 0, 0], np.uint8),
            np.array([3, 0, 1, 0, 2, 0], np.uint8),
        ),
        classes=("good", "reject"),
        source="a test",
        note="not real",
        attribution="by nobody",
    )


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_dataset_comes_back_from_its_blob_as_it_was(read: Reader, tmp_path: Path) -> None:
    before = small_dataset()
    after = read(written(tmp_path / "blob", to_bytes(before)))
    assert after.summary == before.summary
    assert after.names == before.names
    for field in ("images", "labels", "splits", "severities"):
        assert np.array_equal(getattr(after, field), getattr(before, field))
    assert to_bytes(after) == to_bytes(before)


def test_samples_stand_in_the_order_of_split_class_and_name_and_the_summary_counts_them() -> None:
    dataset = small_dataset()
    assert dataset.names == ("ä", "b", "c", "d", "e", "f")
    assert (dataset.summary.train, dataset.summary.validation, dataset.summary.test) == (2, 2, 2)
    images, labels = dataset.part(Split.TEST)
    assert labels.tolist() == [0, 1]
    assert np.array_equal(images, dataset.images[4:])


def test_the_order_in_which_samples_were_given_does_not_reach_the_bytes() -> None:
    dataset = small_dataset()
    order = [3, 1, 5, 0, 2, 4]
    shuffled = arrange(
        names=[dataset.names[index] for index in order],
        images=dataset.images[order],
        columns=(dataset.labels[order], dataset.splits[order], dataset.severities[order]),
        classes=dataset.summary.classes,
        source=dataset.summary.source,
        note=dataset.summary.note,
        attribution=dataset.summary.attribution,
    )
    assert to_bytes(shuffled) == to_bytes(dataset)


def test_an_image_array_with_unusual_strides_is_written_as_the_pixels_it_shows(read: Reader, tmp_path: Path) -> None:
    dataset = small_dataset()
    mirrored = replace(dataset, images=dataset.images[:, :, ::-1])
    after = read(written(tmp_path / "blob", to_bytes(mirrored)))
    assert np.array_equal(after.images, dataset.images[:, :, ::-1])


def test_the_worked_example_of_the_docstring_reads_a_blob_without_qcqueue(tmp_path: Path) -> None:
    dataset = small_dataset()
    path = written(tmp_path / "blob", to_bytes(dataset))
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["qcqueue"])
        index = (file.get_tensor("splits") == 1).nonzero()[0][1]
        picture = file.get_slice("images")[index : index + 1][0]
    assert about["names"][index] == "d"
    assert np.array_equal(picture, dataset.images[3])


def test_a_blob_of_a_newer_format_is_refused_as_newer(read: Reader, tmp_path: Path) -> None:
    content = save({"images": np.zeros(1, np.uint8)}, metadata={"qcqueue": '{"format":2}'})
    with pytest.raises(UnknownFormat, match="newer qcqueue"):
        read(written(tmp_path / "blob", content))


@pytest.mark.parametrize(
    "about",
    ["", "[]", "{}", "null", '{"format":"1"}', '{"format":1,"summary":[],"names":[]}', '{"a":1,"a":2}', "[" * 9999],
)
def test_a_blob_with_other_metadata_is_refused(read: Reader, tmp_path: Path, about: str) -> None:
    content = save({"images": np.zeros(1, np.uint8)}, metadata={"qcqueue": about})
    with pytest.raises(DigestMismatch, match="is not a dataset"):
        read(written(tmp_path / "blob", content))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff" * 64, to_bytes(small_dataset())[:-1]])
def test_a_file_that_is_no_blob_or_half_a_blob_is_refused(read: Reader, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DigestMismatch, match="is not a dataset"):
        read(written(tmp_path / "blob", content))


def test_a_missing_blob_is_refused(read: Reader, tmp_path: Path) -> None:
    with pytest.raises(DigestMismatch):
        read(tmp_path / "blob")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'"train":2', b'"train":1', "splits are not of the size"),
        (b'"image_size":[8,9]', b'"image_size":[9,8]', "do not fit together"),
        (b'["good","reject"]', b'["good reject!"]', "out of range"),
    ],
)
def test_a_blob_that_contradicts_itself_is_refused_with_the_reason(
    read: Reader, tmp_path: Path, old: bytes, new: bytes, problem: str
) -> None:
    # safetensors keeps the metadata as a string inside JSON, so its quotes stand escaped in the file.
    old, new = (text.replace(b'"', b'\\"') for text in (old, new))
    content = to_bytes(small_dataset())
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(old, new)
    assert header != content[8 : 8 + length]
    with pytest.raises(DigestMismatch, match=problem):
        read(written(tmp_path / "blob", len(header).to_bytes(8, "little") + header + content[8 + length :]))


def test_a_blob_whose_samples_are_out_of_order_is_refused(read: Reader, tmp_path: Path) -> None:
    dataset = small_dataset()
    with safe_open(written(tmp_path / "blob", to_bytes(dataset)), framework="numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["splits"] = tensors["splits"][::-1].copy()
    with pytest.raises(DigestMismatch, match="out of order"):
        read(written(tmp_path / "blob", save(tensors, metadata=metadata)))


@given(place=st.integers(0, 1200), flipped=st.integers(1, 255))
def test_one_wrong_byte_never_ends_in_anything_but_a_dataset_or_a_refusal(
    read: Reader, tmp_path_factory: pytest.TempPathFactory, place: int, flipped: int
) -> None:
    content = bytearray(to_bytes(small_dataset()))
    content[place] ^= flipped
    path = written(tmp_path_factory.getbasetemp() / "flipped", bytes(content))
    try:
        assert len(read(path).names) == 6
    except CorruptionError as error:
        assert "dataset" in str(error)  # noqa: PT017 - both endings are right; what must not happen is a third


def test_the_pixels_of_a_mapped_dataset_stay_in_the_file_until_they_are_looked_at(tmp_path: Path) -> None:
    mapped = load_mapped(written(tmp_path / "blob", to_bytes(small_dataset())))
    assert isinstance(mapped.images, np.memmap)
    assert not mapped.images.flags.writeable
