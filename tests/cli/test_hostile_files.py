"""Whatever lies where a file should be: a command ends with one sentence, at once, and waits for nothing.

A pipe that nobody writes to, a device without an end, a folder, a link, a socket, and a file of five gigabytes that has
no byte on the disk: where a person points, it is bad input; where a store keeps something, it is damage.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qcqueue.app.context import create_queue
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.clock import RandomIds
from qcqueue.stores.folder_slots import FolderSlots
from tests.cli.queues import House

SPARSE_BYTES = 5 << 30
CPU_S_MAX = 2.0


def a_shared_queue(folder: Path, *, cache: Path) -> None:
    create_queue(load_settings(store=f"shared:{folder}", environment={"QCQUEUE_CACHE": str(cache)}))


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def a_socket(path: Path) -> None:
    before = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listening:  # whose name may not be as long as that of a folder of tests
        os.chdir(path.parent)
        listening.bind(path.name)
        os.chdir(before)


def a_link_to_another_file(path: Path) -> None:
    (path.parent / "another").write_bytes(b"{}\nSQLite format 3\0")
    path.symlink_to("another")


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("gone")


Put = Callable[[Path], object]
ODD: tuple[Put, ...] = (a_pipe, a_device, a_sparse_file, a_socket, Path.mkdir)
NAMES = [put.__name__ for put in ODD]
LINKS: tuple[Put, ...] = (a_link_to_another_file, a_link_to_nothing)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    begun_s = time.process_time()
    yield
    assert time.process_time() - begun_s < CPU_S_MAX


def answers(capsys: pytest.CaptureFixture[str], typed: str, code: int, *names: str) -> None:
    assert run(typed.split()) == code
    said = capsys.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if not line.startswith("next: ")]
    assert len(lines) == 1, lines
    for name in names:
        assert name in lines[0]


# Where a person points.


@pytest.mark.parametrize("put", [a_pipe, a_device, Path.mkdir])
@pytest.mark.parametrize(
    "typed",
    [
        "enqueue odd",
        "simulate odd",
        "data add odd --name odd",
        "data add odd.csv --name odd",
        "report --certificate odd --out page",
        "login --client odd",
        "colab-token --client odd",
        "notebook --client odd",
        "notebook --out odd.ipynb",
        "drill odd",
    ],
)
def test_what_is_no_file_is_bad_input(typed: str, put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(word for word in typed.split() if word.startswith("odd"))
    if put is Path.mkdir and typed.startswith("data add odd "):
        pytest.skip("a folder is what it takes")
    put(house.folder / name)
    answers(capsys, typed, 2, name)


@pytest.mark.parametrize("put", ODD, ids=NAMES)
def test_weights_that_are_no_file_are_bad_input(put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    put(house.folder / "odd.h5")
    study = 'study = "tiny"\ndataset = "qc-tiny"\n[[job]]\nname = "new"\nmodel = "VGG16"\nweights = "odd.h5"\n'
    house.write("study.toml", study)
    answers(capsys, "enqueue study.toml", 2, "odd.h5")


@pytest.mark.parametrize("put", ODD, ids=NAMES)
def test_settings_that_are_no_file_are_bad_input(put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (house.folder / "qcqueue.toml").unlink()
    put(house.folder / "qcqueue.toml")
    answers(capsys, "status", 2, "qcqueue.toml")


@pytest.mark.parametrize("put", ODD, ids=NAMES)
def test_a_profile_that_is_no_file_is_bad_input(put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.config.mkdir(exist_ok=True)
    (house.config / "qcqueue").mkdir(exist_ok=True)
    put(house.config / "qcqueue" / "profiles.toml")
    answers(capsys, "quota", 2, "profiles.toml")


# Where a store keeps something.


@pytest.mark.parametrize("put", [*ODD, a_link_to_another_file], ids=[*NAMES, "a link"])
def test_a_database_that_is_no_file_is_damage(put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.database.unlink()
    put(house.database)
    answers(capsys, "status", 5, "queue.sqlite")


@pytest.mark.parametrize("put", [a_pipe, a_device, a_socket, Path.mkdir])
def test_a_journal_that_is_no_file_is_damage(put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    put(house.store / "queue.sqlite-journal")
    answers(capsys, "status", 5, "queue.sqlite-journal")


@pytest.mark.parametrize("put", [*ODD, *LINKS])
@pytest.mark.parametrize("which", ["first", "next"])
def test_a_slot_that_is_no_file_is_damage(
    which: str, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    a_shared_queue(store, cache=tmp_path / "another")
    slot = "first"
    if which == "first":
        (store / "slots" / slot).unlink()
    else:
        facts = FolderSlots(store, RandomIds()).facts("first")
        assert facts is not None
        slot = facts["next"]
    put(store / "slots" / slot)
    answers(capsys, f"status --store shared:{store}", 5, slot)


@pytest.mark.parametrize("put", [*ODD, *LINKS])
@pytest.mark.parametrize("name", ["queue.sqlite", "queue.json"])
def test_a_copy_that_is_no_file_is_told_and_not_taken_for_none(
    name: str, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    a_shared_queue(tmp_path / "store", cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").rglob(name)
    kept.unlink()
    put(kept)
    answers(capsys, f"status --store shared:{tmp_path / 'store'}", 4, str(kept))
    kept.rmdir() if kept.is_dir() and not kept.is_symlink() else kept.unlink()
    assert run(["status", "--store", f"shared:{tmp_path / 'store'}"]) == 0
    assert "The queue is empty." in capsys.readouterr().out


@pytest.mark.parametrize("put", [*ODD, *LINKS])
def test_a_blob_that_is_no_file_is_damage(put: Put, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (blob,) = (house.store / "blobs").iterdir()
    blob.unlink()
    put(blob)
    assert run(["store", "verify", "--json"]) == 5
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert any(fault["sha256"] == blob.name.partition(".")[0] for fault in faults)


@pytest.mark.parametrize("put", [*ODD, *LINKS])
def test_a_heartbeat_that_is_no_file_beats(put: Put, house: House) -> None:
    store = house.queue.store
    put(house.store / "heartbeats" / "odd")
    store.beat("odd")
    age_s = store.heartbeat_age_s("odd")
    assert age_s is not None
    assert age_s < 60
