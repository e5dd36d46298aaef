"""Temporary files and folders: those of the dead go, those of the living stay, and those of a person are not ours."""

import os
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.conformance.processes import kill_now, running
from qcqueue.stores.files import INCOMING, unfinished
from qcqueue.stores.scratch import LOCKED, OLD_S, scratch_folder, sweep

NOW_S = 2_000_000_000.0
PREFIX = ".fetching-"


def write_in_a_folder(parent: Path, pipe: Pipe) -> None:
    with scratch_folder(parent, PREFIX) as folder:
        (folder / "half").write_bytes(b"half")
        pipe.send("writes")
        pipe.recv()


def write_a_file(parent: Path, pipe: Pipe) -> None:
    with unfinished(parent) as file:
        file.write(b"half")
        file.flush()
        pipe.send("writes")
        pipe.recv()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_goes_at_once_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    with running(write_in_a_folder, tmp_path) as (process, pipe):
        pipe.recv()
        [theirs] = names(tmp_path)
        with scratch_folder(tmp_path, PREFIX) as mine:
            assert names(tmp_path) == sorted([theirs, mine.name])
        assert names(tmp_path) == [theirs]
        kill_now(process, pipe)
    assert names(tmp_path) == [theirs]
    with scratch_folder(tmp_path, PREFIX) as mine:
        assert names(tmp_path) == [mine.name]
    assert names(tmp_path) == []


def test_a_file_on_its_way_goes_with_its_writer(tmp_path: Path) -> None:
    with running(write_a_file, tmp_path) as (process, pipe):
        pipe.recv()
        assert sweep(tmp_path, INCOMING, now_s=NOW_S) == 0  # however old it seems
        kill_now(process, pipe)
    assert sweep(tmp_path, INCOMING, now_s=0.0) == 1
    assert names(tmp_path) == []


def test_what_an_older_version_left_goes_after_a_day(tmp_path: Path) -> None:
    for name, age_s in (("incoming-abcdefgh", OLD_S + 1), ("incoming-ijklmnop", OLD_S - 1)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (NOW_S - age_s, NOW_S - age_s))
    assert sweep(tmp_path, INCOMING, now_s=NOW_S, also_older=False) == 0
    assert sweep(tmp_path, INCOMING, now_s=NOW_S) == 1
    assert names(tmp_path) == ["incoming-ijklmnop"]


@pytest.mark.parametrize(
    "name", ["incoming-mail", "incoming-2026-11-30", "my-incoming-abcdefgh.tmp", "incoming-ABCDEFGH"]
)
def test_what_has_another_name_is_a_persons(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    os.utime(tmp_path / name, (0, 0))
    assert sweep(tmp_path, INCOMING, now_s=NOW_S) == 0
    assert names(tmp_path) == [name]


def test_what_is_linked_or_piped_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_bytes(b"mine")
    (tmp_path / f".fetching-abcdefgh{LOCKED}").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / f".fetching-ijklmnop{LOCKED}")
    sweep(tmp_path, PREFIX, now_s=NOW_S)
    assert (tmp_path / "mine" / "thesis").read_bytes() == b"mine"


def test_a_folder_that_is_not_there_is_swept_in_no_time(tmp_path: Path) -> None:
    assert sweep(tmp_path / "nowhere", PREFIX, now_s=NOW_S) == 0
