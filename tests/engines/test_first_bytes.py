"""What the first bytes of a weights file give away: what it is instead, or that it is cut."""

import gzip
import io
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from qcqueue.engines.keras_tf.weights_file import flaw_of

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9406464\n"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.h5"))
    return buffer.getvalue()


def superblock(version: int, end: int, *, length: int = 8) -> bytes:
    """Return the beginning of HDF5 that says how long it is."""
    start = b"\x89HDF\r\n\x1a\n" + bytes([version])
    if version < 2:
        start += bytes([0, 0, 0, 0, length, length, 0, 4, 0, 16, 0, 0, 0, 0, 0])
        start += bytes(4 if version == 1 else 0)
    else:
        start += bytes([length, length, 0])
    return start + bytes(length) + b"\xff" * length + end.to_bytes(length, "little") + bytes(60)


WEIGHTS = save({"a": np.zeros((40, 3), np.float32), "b": np.ones(7, np.float16)})


@pytest.mark.parametrize(
    ("content", "is_"),
    [
        (b"", "is empty"),
        (b"<!doctype html><title>Sign in</title>", 'is a web page ("Sign in")'),
        (b"\xef\xbb\xbf\r\n  <!DOCTYPE HTML PUBLIC>\n<html>", "is a web page"),
        ("<html><title>\n Bitte anmelden: Gäste\n</title>".encode("utf-16"), 'is a web page ("Bitte anmelden: Gäste")'),
        (b"<!-- saved from url=(0014)about:internet -->\n<html>", "is a web page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "is XML text"),
        (b'{"error": "rate limited"}', "is JSON text"),
        (b"[1, 2]", "is JSON text"),
        (LFS, "is a Git LFS pointer and not the file it stands for, which `git lfs pull` brings"),
        (b"404: Not Found", 'is text that begins with "404: Not Found"'),
        (b"BMW and Mercedes\n", 'is text that begins with "BMW and Mercedes"'),
        (b"   \n\t", "is text without a word"),
        (zipped(metadata_json=b"{}", config_json=b"{}", model_weights_h5=b"x"), "is a .keras archive, which can carry"),
        (zipped(best__data_pkl=b"x", best__version=b"3"), "is a PyTorch file"),
        (zipped(arr_npy=b"x"), "is a NumPy archive"),
        (zipped(vgg16_h5=b"x"), "is a zip archive, which has to be unpacked first"),
        (gzip.compress(b"weights", mtime=0), "is a gzip archive"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "is a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00", "is a rar archive"),
        (tarred(), "is a tar archive"),
        (pickle.dumps({"state_dict": [1.0]}, protocol=2), "is a pickle"),
        (pickle.dumps({"state_dict": [1.0]}, protocol=5), "is a pickle"),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.8.0:\x9f", "is an ONNX model"),
        (b"\x1c\x00\x00\x00TFL3\x14\x00", "is a TFLite model"),
        (b"\x08\x01\x12\xe3\x9a\x01\x0a", "is a SavedModel of TensorFlow"),
        (b"GGUF\x03\x00\x00\x00", "is a GGUF model"),
        (b"\x93NUMPY\x01\x00v\x00", "is a NumPy array"),
        (b"\x89PNG\r\n\x1a\n\x00", "is an image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is an image"),
        (b"%PDF-1.7\n%\xe2\xe3", "is a PDF document"),
        (b"BM\x8a\x00\x00\x00\x00\x00\x00\x00\x8a", "is an image"),
        (b"\xc7\x01\x00\xfe" + bytes(range(256)) * 9, "is neither HDF5 nor safetensors"),
        (bytes(1000), "is neither HDF5 nor safetensors"),
        (b"\x89HDF\r\n\x1a\n", "is HDF5 that was cut short: it has 8 bytes"),
        (superblock(0, 2048), "is HDF5 that was cut short: it has 108 of 2,048 bytes"),
        (superblock(1, 2048, length=4), "is HDF5 that was cut short"),
        (superblock(2, 9_000_000), "is HDF5 that was cut short"),
        (superblock(3, 109), "is HDF5 that was cut short"),
        (superblock(9, 0), "is HDF5 that is damaged in its first bytes"),
        (superblock(0, 96, length=8)[:30], "is HDF5 that was cut short: it has 30 bytes"),
        (WEIGHTS[:20], "is safetensors that was cut short: it has 20 bytes, and its header alone"),
        (WEIGHTS[:-1], "is safetensors that was cut short or added to"),
        (WEIGHTS + b"\x00", "is safetensors that was cut short or added to"),
        (b"\x20\x00\x00\x00\x00\x00\x00\x00{nothing of this is a header, no", "is safetensors whose header is damaged"),
        (b"\x00\x00\x00\x40\x00\x00\x00\x00{" + bytes(20), "is safetensors that was cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_what_is_no_whole_weights_file_is_called_what_it_is(content: bytes, is_: str, tmp_path: Path) -> None:
    (tmp_path / "mine.h5").write_bytes(content)
    said = flaw_of(tmp_path / "mine.h5")
    assert said is not None
    assert said.startswith(is_)
    assert len(said) < 120
    assert said.isprintable()


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        save(
            {"a": np.zeros(3, np.float32)}, metadata={"pad": "x" * (0x8002 - 0x62)}
        ),  # a length that reads as a pickle
        *(superblock(version, 80, length=length) for version in range(4) for length in (4, 8)),
        superblock(0, 100) + b"and what somebody appended",
    ],
    ids=len,
)
def test_whole_weights_have_no_flaw(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.h5").write_bytes(content)
    assert flaw_of(tmp_path / "mine.h5") is None


def test_hdf5_of_every_age_is_whole_until_its_last_byte_is_cut(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for oldest in ("earliest", "v108", "v110", "latest"):
        path = tmp_path / f"{oldest}.h5"
        with h5py.File(path, "w", libver=(oldest, "latest")) as file:
            file.create_dataset("layer/kernel", data=np.arange(1000.0))
        assert flaw_of(path) is None
        whole = path.read_bytes()
        for keep in (9, 40, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:keep])
            assert "cut short" in str(flaw_of(path))


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    (tmp_path / "loop.h5").symlink_to(tmp_path / "loop.h5")
    said = {name: flaw_of(tmp_path / name) for name in ("pipe.h5", "saved", "gone.h5", ".", "loop.h5", "a\x00.h5")}
    assert said["pipe.h5"] == "is no file, but a pipe, a socket or a device"
    assert said["saved"] == "is a folder, a SavedModel of TensorFlow"
    assert said["."] == "is a folder"
    assert said["gone.h5"] == "does not exist"
    assert str(said["loop.h5"]).startswith("cannot be read: ")
    assert str(said["a\x00.h5"]).startswith("cannot be read: ")


def test_a_file_of_any_size_is_judged_by_its_first_bytes(tmp_path: Path) -> None:
    with (tmp_path / "huge.h5").open("wb") as file:
        file.truncate(1 << 40)
    try:
        assert flaw_of(tmp_path / "huge.h5") == "is neither HDF5 nor safetensors"
    finally:
        (tmp_path / "huge.h5").unlink()  # the search for secrets would read all of it


def test_a_laptop_needs_neither_h5py_nor_tensorflow_for_it() -> None:
    heavy = "{'h5py', 'tensorflow', 'keras'}"
    asked = f"import sys; import qcqueue.engines.keras_tf.weights_file; print({heavy} & {{*sys.modules}})"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
