"""An `init` that was cut off, and torn settings: nobody gets a second queue, and a sentence says what to do."""

import os
import shlex
from pathlib import Path

import pytest

from qcqueue.app.context import create_store, initialise, open_context
from qcqueue.app.settings import FILE_NAME, load_settings, write_settings
from qcqueue.errors import CorruptionError, QcqueueError, SettingInvalid
from qcqueue.queue.job_lines import job_lines

TORN = {"empty": b"", "blank": b" \n\n", "zeros": b"\0" * 60, "its first line": b"# The queue that qcqueue commands in"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("QCQUEUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def can_be_used(here: Path) -> bool:
    with open_context(load_settings(folder=here)).read() as tx:
        return list(job_lines(tx)) == []


def queues(root: Path) -> list[str]:
    found = [*root.rglob("queue.sqlite"), *root.rglob("slots/first")]
    return sorted(str(path.relative_to(root)) for path in found if "cache" not in path.parts)


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
@pytest.mark.parametrize("kind", ["folder", "shared"])
def test_a_second_init_mends_torn_settings_and_keeps_the_queue(here: Path, kind: str, torn: bytes) -> None:
    initialise(store=f"{kind}:queue", here=here, dry_run=False)
    before, whole = queues(here), (here / FILE_NAME).read_bytes()
    (here / FILE_NAME).write_bytes(torn)

    again = initialise(store=None, here=here, dry_run=False)

    assert not again.is_new
    assert (here / FILE_NAME).read_bytes() == whole
    assert queues(here) == before
    assert can_be_used(here)


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_torn_settings_are_told_with_what_to_type(here: Path, torn: bytes) -> None:
    initialise(store="folder:queue", here=here, dry_run=False)
    (here / FILE_NAME).write_bytes(torn)
    with pytest.raises(SettingInvalid, match="is empty: it names no queue") as caught:
        load_settings(folder=here)
    typed = shlex.split(str(caught.value.hint).partition(",")[0])
    assert typed == ["qcqueue", "init", "--store", "folder:queue"]
    assert not initialise(store=typed[-1], here=here, dry_run=False).is_new
    assert can_be_used(here)


def test_torn_settings_of_a_queue_elsewhere_begin_no_second_one(here: Path, tmp_path: Path) -> None:
    initialise(store=f"folder:{tmp_path / 'elsewhere'}", here=here, dry_run=False)
    (here / FILE_NAME).write_bytes(b"")
    with pytest.raises(SettingInvalid, match="names no queue"):
        initialise(store=None, here=here, dry_run=False)
    assert queues(tmp_path) == ["elsewhere/queue.sqlite"]


def test_torn_settings_hinder_nobody_who_names_a_queue(here: Path) -> None:
    initialise(store="folder:queue", here=here, dry_run=False)
    (here / FILE_NAME).write_bytes(b"")
    assert load_settings(store="folder:queue", folder=here).store == "folder:queue"
    assert load_settings(folder=here, environment={"QCQUEUE_STORE": "folder:queue"}).store == "folder:queue"


@pytest.mark.parametrize("torn", [b'store = "folder:que', b"\xff\xfe\0", b'store = "folder:queue"\n\0\0\0', b"store"])
def test_settings_cut_in_the_middle_are_refused_by_every_command_and_by_init(here: Path, torn: bytes) -> None:
    initialise(store="folder:queue", here=here, dry_run=False)
    (here / FILE_NAME).write_bytes(torn)
    for act in (lambda: load_settings(folder=here), lambda: initialise(store=None, here=here, dry_run=False)):
        with pytest.raises(SettingInvalid, match="not valid TOML") as caught:
            act()
        assert f"rm {here / FILE_NAME}" in str(caught.value.hint)
    assert (here / FILE_NAME).read_bytes() == torn


@pytest.mark.parametrize("what", ["folder", "fifo", "link to nothing"])
def test_what_only_has_the_name_of_settings_is_refused(here: Path, what: str) -> None:
    path = here / FILE_NAME
    match what:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.symlink_to(here / "nowhere")
    for act in (lambda: load_settings(folder=here), lambda: initialise(store=None, here=here, dry_run=False)):
        with pytest.raises(SettingInvalid, match=r"qcqueue\.toml is (a folder|no ordinary file|a link to nothing)"):
            act()
    assert queues(here) == []


def test_a_queue_that_was_never_finished_is_completed_by_the_next_init(here: Path) -> None:
    initialise(store="folder:queue", here=here, dry_run=False)
    (here / "queue" / "queue.sqlite").write_bytes(b"")  # as a kill right after it was made leaves it
    with pytest.raises(CorruptionError, match="never finished") as caught:
        can_be_used(here)
    assert str(caught.value.hint).startswith("qcqueue init, which finishes it")
    assert initialise(store=None, here=here, dry_run=False).is_new
    assert can_be_used(here)


def test_an_init_that_is_refused_leaves_no_settings(here: Path) -> None:
    (here / "queue").write_text("somebody's")
    with pytest.raises(QcqueueError, match="is a file"):
        initialise(store="folder:queue", here=here, dry_run=False)
    assert not (here / FILE_NAME).exists()


@pytest.mark.parametrize(("first", "second"), [("folder", "shared"), ("shared", "folder")])
def test_one_folder_never_holds_queues_of_two_kinds(here: Path, first: str, second: str) -> None:
    initialise(store=f"{first}:queue", here=here, dry_run=False)
    before = queues(here)
    with pytest.raises(SettingInvalid, match="already") as caught:
        initialise(store=f"{second}:queue", here=here, dry_run=False)
    assert caught.value.hint == f"qcqueue init --store {first}:{here / 'queue'}"
    assert queues(here) == before


def test_what_a_killed_init_left_beside_its_settings_goes_with_the_next(here: Path) -> None:
    create_store(here / "queue")
    (here / f".{FILE_NAME}.99999999").write_text("half")
    initialise(store="folder:queue", here=here, dry_run=False)
    assert sorted(path.name for path in here.iterdir()) == ["qcqueue.toml", "queue"]


def test_settings_are_written_whole_or_not_at_all(here: Path) -> None:
    write_settings(here / FILE_NAME, "folder:queue")
    assert [path.name for path in here.iterdir()] == [FILE_NAME]
    assert (here / FILE_NAME).stat().st_mode & 0o044 == 0o044  # readable as any file of this person
