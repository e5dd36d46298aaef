"""Files of ImageNet weights: which one Keras asks for, whether it is whole, and what is said where it cannot be had."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.catalog.models import MODELS, ImageNetFile, imagenet_file
from qcqueue.clock import SystemClock
from qcqueue.engines.keras_tf import pretrained
from qcqueue.engines.keras_tf.pretrained import have, is_here
from qcqueue.errors import WeightsUnavailable
from tests.engines.publisher import Publisher, hdf5, publishing, with_hash

CLOCK = SystemClock()
MOBILE = replace(imagenet_file("MobileNetV2", (32, 32)), least_bytes=10_000)
VGG16 = imagenet_file("VGG16", (75, 75))


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(pretrained, "_known_whole", set())
    with publishing() as publisher:
        monkeypatch.setattr(pretrained, "ADDRESS", publisher.address)
        yield publisher


def forget() -> None:
    """Be another process."""
    pretrained._known_whole.clear()


def refused(file: ImageNetFile) -> str:
    with pytest.raises(WeightsUnavailable) as caught:
        have(file, clock=CLOCK)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert len(said) < 600
    return said


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "keras" / "models").iterdir())


def test_a_file_is_downloaded_once_and_its_hash_written_beside_it(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = hdf5(tmp_path)
    path = have(MOBILE, clock=CLOCK)
    assert path == tmp_path / "keras" / "models" / MOBILE.name
    assert path.read_bytes() == publisher.files[MOBILE.path]
    assert kept(tmp_path) == [MOBILE.name, f"{MOBILE.name}.sha256"]
    subprocess.run(["sha256sum", "--check", "--quiet", f"{MOBILE.name}.sha256"], cwd=path.parent, check=True)
    for _ in range(2):
        forget()
        assert have(MOBILE, clock=CLOCK) == is_here(MOBILE) == path
    assert publisher.asked == {MOBILE.path: 1}


def test_what_is_not_here_is_not_downloaded_by_asking(publisher: Publisher) -> None:
    assert is_here(MOBILE) is None
    assert not publisher.asked


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_the_hash_that_keras_knows_decides(algorithm: str, publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[VGG16.path] = body = hdf5(tmp_path)
    file = with_hash(VGG16, body, algorithm)
    path = have(file, clock=CLOCK)
    path.write_bytes(hdf5(tmp_path, seed=1))
    assert is_here(file) is None
    assert have(file, clock=CLOCK).read_bytes() == body
    assert kept(tmp_path) == [VGG16.name]
    publisher.files[VGG16.path] = hdf5(tmp_path, seed=1)
    path.unlink()
    assert "does not have the hash that Keras expects" in refused(file)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "another", "page"])
def test_a_damaged_file_is_downloaded_again(damage: str, publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = body = hdf5(tmp_path)
    path = have(MOBILE, clock=CLOCK)
    flipped = bytearray(body)
    flipped[-100] ^= 1
    damaged = {"cut": body[:-1], "empty": b"", "flipped": bytes(flipped), "another": hdf5(tmp_path, seed=1)}
    path.write_bytes(damaged.get(damage, b"<html>" * 3000))
    forget()
    assert is_here(MOBILE) is None
    assert have(MOBILE, clock=CLOCK).read_bytes() == body
    assert publisher.asked[MOBILE.path] == 2


def test_a_damaged_file_is_named_where_the_network_is_away(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = body = hdf5(tmp_path)
    path = have(MOBILE, clock=CLOCK)
    path.write_bytes(body[:5000])
    del publisher.files[MOBILE.path]
    said = refused(MOBILE)
    assert f"{path} is HDF5 that was cut short: it has 5,000 of " in said
    assert "Put a whole file in its place" in said


def test_a_file_that_keras_left_half_is_known_by_its_length_alone(publisher: Publisher, tmp_path: Path) -> None:
    """Keras writes straight to the final name, and knows no hash of these files."""
    publisher.files[MOBILE.path] = body = hdf5(tmp_path)
    path = pretrained.folder() / MOBILE.name
    path.parent.mkdir()
    path.write_bytes(body[: len(body) // 2])
    assert is_here(MOBILE) is None
    path.write_bytes(body)
    assert is_here(MOBILE) == path
    path.write_bytes(hdf5(tmp_path)[:200] + bytes(20_000))
    assert is_here(MOBILE) is None
    assert have(MOBILE, clock=CLOCK).read_bytes() == body


def test_whole_hdf5_that_is_smaller_than_the_model_is_not_its_weights(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = hdf5(tmp_path)
    said = refused(imagenet_file("MobileNetV2", (32, 32)))
    assert "was cut short: it has " in said
    assert " of 9,406,464 bytes" in said


def test_fewer_bytes_than_announced_are_no_file(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = body = hdf5(tmp_path)
    publisher.announced[MOBILE.path] = len(body) + 1000
    assert f"ended after {len(body):,} of {len(body) + 1000:,} bytes" in refused(MOBILE)
    publisher.files[MOBILE.path], publisher.announced[MOBILE.path] = body[:-1], None
    assert "is HDF5 that was cut short" in refused(MOBILE)
    assert kept(tmp_path) == []


def test_a_page_that_is_not_there_is_one_sentence(publisher: Publisher) -> None:
    said = refused(MOBILE)
    assert f"answered 404 Not Found for {MOBILE.name}" in said
    for words in ("MobileNetV2", "network", 'weights = "FILE.h5"', 'weights = "none"'):
        assert words in said


def test_a_sign_in_page_is_called_one(publisher: Publisher) -> None:
    publisher.files[MOBILE.path] = b"<!doctype html><title>Hotel WiFi</title>" + b"<p>" * 9000
    assert f'sent for {MOBILE.name} is a web page ("Hotel WiFi")' in refused(MOBILE)


def test_a_server_that_stalls_is_not_waited_for(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "STALLED_S", 0.3)
    publisher.files[MOBILE.path], publisher.stalls = hdf5(tmp_path), True
    assert "nothing came from 127.0.0.1" in refused(MOBILE)
    assert kept(tmp_path) == []


def test_a_network_that_is_away_is_one_sentence(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "ADDRESS", "http://127.0.0.1:1/")
    assert "127.0.0.1:1 cannot be reached: " in refused(MOBILE)
    monkeypatch.setattr(pretrained, "ADDRESS", "http://no-such-host.invalid/")
    assert "no-such-host.invalid cannot be reached: " in refused(MOBILE)


def test_a_copy_that_was_given_is_put_in_its_place_and_nobody_is_asked(publisher: Publisher, tmp_path: Path) -> None:
    given = tmp_path / "blob"
    given.write_bytes(hdf5(tmp_path))
    assert have(MOBILE, clock=CLOCK, given=given).read_bytes() == given.read_bytes()
    assert not publisher.asked
    assert kept(tmp_path) == [MOBILE.name, f"{MOBILE.name}.sha256"]


def test_a_copy_that_is_not_whole_is_not_used(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = body = hdf5(tmp_path)
    (tmp_path / "blob").write_bytes(body[:-7])
    assert have(MOBILE, clock=CLOCK, given=tmp_path / "blob").read_bytes() == body


def test_what_a_killed_process_left_is_removed_once_it_is_old(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[MOBILE.path] = hdf5(tmp_path)
    models = pretrained.folder()
    models.mkdir()
    for name, age_s in (("old", 7200), ("young", 60)):
        part = models / f"{MOBILE.name}.{name}.part"
        part.touch()
        os.utime(part, (part.stat().st_mtime - age_s,) * 2)
    have(MOBILE, clock=CLOCK)
    assert f"{MOBILE.name}.old.part" not in kept(tmp_path)
    assert f"{MOBILE.name}.young.part" in kept(tmp_path)


@pytest.mark.parametrize(
    ("image_size", "side_px"),
    [((96, 96), 96), ((160, 160), 160), ((224, 224), 224), ((32, 32), 224), ((96, 128), 224), ((256, 256), 224)],
)
def test_mobilenet_has_a_file_for_some_square_images(image_size: tuple[int, int], side_px: int) -> None:
    assert f"_1.0_{side_px}_no_top.h5" in imagenet_file("MobileNetV2", image_size).name


ASKS = """
import json, sys
import keras
from keras.src.utils import file_utils

class Asked(Exception): pass

def get_file(name, origin, cache_subdir=None, file_hash=None, **_):
    raise Asked(json.dumps([name, origin, cache_subdir, file_hash]))

path = file_utils.get_file("here.h5", "http://127.0.0.1:1/here.h5", cache_subdir="models")
file_utils.get_file = get_file
found = [path]
for model, size in json.loads(sys.argv[1]):
    try:
        create = getattr(keras.applications, model)
        create(include_top=False, weights="imagenet", input_shape=(*size, 3), pooling="avg")
    except Asked as exc:
        found.append(json.loads(str(exc)))
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.tensorflow(in_a_child=True)
def test_keras_asks_for_these_very_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    here = pretrained.folder() / "here.h5"
    here.parent.mkdir()
    here.touch()
    sizes = [(model, (max(75, facts.minimum_side_px),) * 2) for model, facts in MODELS.items()]
    sizes += [("MobileNetV2", size) for size in ((96, 96), (160, 128))]
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKS, json.dumps(sizes)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    path, *found = json.loads(asked.stdout)
    assert path == str(here)
    files = [imagenet_file(model, size) for model, size in sizes]
    assert found == [[file.name, pretrained.ADDRESS + file.path, "models", file.digest] for file in files]


def test_where_keras_looks_is_known_without_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pretrained.folder() == tmp_path / ".keras" / "models"
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert pretrained.folder() == tmp_path / "elsewhere" / "models"
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file" / "below"))
    assert pretrained.folder() == Path("/tmp/.keras/models")
