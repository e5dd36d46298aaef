"""A queue on Google Drive as a person types it: making it, filling it, looking at it, offline, or signed in wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from qcqueue.stores.drive.sign_in import token_path
from tests.cli.on_drive import ADA, Laptop, a_laptop
from tests.cli.queues import JOB, STUDY
from tests.support.drive.accounts import CANARY
from tests.support.drive.faults import DriveFault

IMAGES = 60


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        laptop.sign_in()
        yield laptop


@pytest.fixture
def queue(ada: Laptop) -> str:
    return ada.make_queue()


def titles(ada: Laptop) -> list[str]:
    return sorted(file.title for file in ada.emulator.owner(ada.ada).files())


def in_folder(ada: Laptop, title: str) -> list[str]:
    """Return the titles in a folder of the queue."""
    files = ada.emulator.owner(ada.ada).files()
    folder = next(file.id for file in files if file.title == title)
    return [file.title for file in files if file.parent == folder]


# init


def test_a_new_queue_says_where_to_look_at_it_and_what_to_type(ada: Laptop) -> None:
    out, err = ada.types("init --store gdrive:new")
    folder = next(file.id for file in ada.emulator.owner(ada.ada).files() if file.title == "qcqueue")
    assert err == ""
    assert out.splitlines() == [
        f"made: a queue in gdrive:{folder}",
        f"look at it: https://drive.google.com/drive/folders/{folder}",
        f"written: {ada.folder / 'qcqueue.toml'}",
        "next: qcqueue data sample",
    ]


@pytest.mark.parametrize("again", ["init --store gdrive:new", "init", "init --store gdrive:{queue}"])
def test_making_it_again_says_so_and_changes_nothing(again: str, ada: Laptop, queue: str) -> None:
    before, written = titles(ada), (ada.folder / "qcqueue.toml").read_text()
    out, _ = ada.types(again.format(queue=queue))
    assert out.splitlines() == [
        f"there is a queue in gdrive:{queue} already",
        f"look at it: https://drive.google.com/drive/folders/{queue}",
        "next: qcqueue data sample",
    ]
    assert (titles(ada), (ada.folder / "qcqueue.toml").read_text()) == (before, written)


def test_a_folder_that_has_another_kind_of_queue_gets_none_on_drive_beside_it(ada: Laptop) -> None:
    ada.types("init")
    _, err = ada.types("init --store gdrive:new", code=2)
    assert "qcqueue.toml names the queue folder:" in err
    assert titles(ada) == []


def test_a_rehearsal_makes_nothing(ada: Laptop) -> None:
    out, _ = ada.types("init --store gdrive:new --dry-run")
    assert out.splitlines() == [
        "would be made: a queue in gdrive:new",
        f"would be written: {ada.folder / 'qcqueue.toml'}",
        "next: the same command without --dry-run",
    ]
    assert titles(ada) == []
    assert list(ada.folder.iterdir()) == []


@pytest.mark.parametrize("again", ["init", "init --store gdrive:new", "init --store {url}"])
@pytest.mark.parametrize(("operation", "after"), [("files.insert", 1), ("files.insert", 4), ("upload.multipart", 0)])
def test_a_making_that_was_cut_is_finished_by_typing_it_again(
    operation: str, after: int, again: str, ada: Laptop
) -> None:
    ada.emulator.faults.script(DriveFault.FORBIDDEN, operation=operation, skip=after)
    out, err = ada.types("init --store gdrive:new", code=4)
    assert out == ""
    url = str(ada.settings.store)
    assert two_lines(err)[1].endswith(f"; then qcqueue init --store {url}, which finishes what was begun")
    assert ada.types(again.format(url=url))[0].startswith(f"made: a queue in {url}\n")
    assert titles(ada).count("qcqueue") == 1
    assert ada.types("status")[0].startswith("The queue is empty.")


def test_a_new_queue_is_only_made_where_its_name_can_be_kept(ada: Laptop) -> None:
    ada.patch.setenv("QCQUEUE_STORE", "gdrive:new")
    sentence, hint = two_lines(ada.types("init", code=2)[1])
    assert sentence.startswith("qcqueue: QCQUEUE_STORE names gdrive:new")
    assert hint.endswith("qcqueue init --store gdrive:new")
    (ada.folder / "qcqueue.toml").write_text('store = "gdrive:new"\n')
    two_lines(ada.types("init --store gdrive:new", code=2)[1])
    assert titles(ada) == []


def test_another_machine_joins_by_the_id_of_the_folder(ada: Laptop, queue: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    ada.patch.chdir(other)
    ada.patch.setenv("QCQUEUE_CACHE", str(other / "cache"))
    assert ada.types(f"init --store gdrive:{queue}")[0].startswith(f"there is a queue in gdrive:{queue} already\n")
    assert ada.types("status")[0].startswith("The queue is empty.")


def test_who_joins_where_commands_go_on_with_another_queue_is_refused(ada: Laptop, queue: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    ada.patch.chdir(other)
    ada.types("init")
    sentence, hint = two_lines(ada.types(f"init --store gdrive:{queue}", code=2)[1])
    assert f"{other / 'qcqueue.toml'} names the queue folder:{other / 'queue'}" in sentence
    assert hint.endswith(f".old, then: qcqueue init --store gdrive:{queue}")
    (other / "qcqueue.toml").rename(other / "qcqueue.toml.old")
    assert ada.types(f"init --store gdrive:{queue}")[0].startswith(f"there is a queue in gdrive:{queue} already\n")
    assert ada.types("status")[0].startswith("The queue is empty.")


# Work of every day


def test_what_one_machine_enqueues_another_one_sees(ada: Laptop, queue: str, tmp_path: Path) -> None:
    a_study(ada)
    ada.types("enqueue study.toml")
    ada.patch.setenv("QCQUEUE_CACHE", str(tmp_path / "another"))
    document = json.loads(ada.types("status --json")[0])
    assert document["store"] == f"gdrive:{queue}"
    assert [(job["name"], job["state"]) for job in document["jobs"]] == [("tiny/vgg16", "queued")]


def test_a_rehearsed_enqueue_adds_no_version(ada: Laptop, queue: str) -> None:
    a_study(ada)
    before = titles(ada)
    assert "would be enqueued  tiny/vgg16" in ada.types("enqueue study.toml --dry-run")[0]
    assert titles(ada) == before


def test_the_practice_set_lies_in_datasets_under_its_name(ada: Laptop, queue: str) -> None:
    pytest.importorskip("skimage")
    ada.types(f"data sample --images {IMAGES}")
    (title,) = in_folder(ada, "datasets")
    assert title.startswith("qc-images")
    assert in_folder(ada, "blobs") == []


def test_images_lie_in_datasets_under_their_name_and_are_stored_once(ada: Laptop, queue: str) -> None:
    a_dataset(ada)
    (title,) = in_folder(ada, "datasets")
    assert title.startswith("qc-tiny")
    assert "it was there already" in ada.types("data add scans --name qc-tiny --split 3,3,3")[0]
    assert len(in_folder(ada, "datasets")) == 1
    assert "qc-tiny" in ada.types("data list")[0]


# Offline


def test_offline_status_answers_from_the_copy_and_says_how_old_it_is(ada: Laptop, queue: str) -> None:
    a_study(ada)
    ada.types("enqueue study.toml")
    online = ada.types("status")[0]
    ada.lose_network()
    ada.ahead_s = 3 * 3600
    out, err = ada.types("status")
    assert out.splitlines()[0] == online.splitlines()[0]
    assert "tiny/vgg16" in out
    assert err == "last seen 3 h ago; Google Drive cannot be reached from this machine\n"


def test_a_queue_on_drive_is_planned_for_colab_offline_too(ada: Laptop, queue: str) -> None:
    a_study(ada)
    ada.types("enqueue study.toml --set epochs=20000")  # nothing is foreseen of the next minutes
    assert ada.types("quota")[0].splitlines()[0] == (
        "Google Colab, free: profile colab-free, because the queue is on Google Drive and no session has come yet."
    )
    ada.lose_network()
    out, err = ada.types("plan")
    assert "of training left on Tesla T4 (estimated)." in out
    assert "Google Drive cannot be reached from this machine" in err
    assert "All is likely done by " in ada.types("")[0]


def test_offline_a_change_waits_for_the_network(ada: Laptop, queue: str) -> None:
    a_study(ada)
    ada.types("status")
    ada.lose_network()
    out, err = ada.types("enqueue study.toml", code=4)
    assert out == ""
    assert two_lines(err)[0] == "qcqueue: Google Drive cannot be reached from this machine"


def test_a_machine_that_never_saw_the_queue_has_nothing_to_show_offline(
    ada: Laptop, queue: str, tmp_path: Path
) -> None:
    ada.patch.setenv("QCQUEUE_CACHE", str(tmp_path / "another"))
    ada.lose_network()
    out, err = ada.types("status", code=4)
    assert out == ""
    assert two_lines(err)


# Signed in wrong


def nobody(ada: Laptop) -> None:
    token_path(ada.settings.access()).unlink()


def garbage(ada: Laptop) -> None:
    ada.patch.setenv("QCQUEUE_TOKEN", f"1//{CANARY}")


def taken_back(ada: Laptop) -> None:
    ada.emulator.revoke(ada.app, ada.ada)


def another_account(ada: Laptop) -> None:
    ada.patch.setenv("QCQUEUE_TOKEN", ada.token(user=ada.emulator.user("bob@example.com")).to_json())


SIGNED_IN_WRONG: dict[str, tuple[Callable[[Laptop], None], str]] = {
    "nobody": (nobody, "nobody is signed in to Google Drive on this machine"),
    "garbage": (garbage, "QCQUEUE_TOKEN does not hold a JSON object"),
    "taken back": (taken_back, "Google does not accept this sign-in any more"),
    "another account": (another_account, "this sign-in sees no folder"),
}


@pytest.mark.parametrize("how", SIGNED_IN_WRONG)
@pytest.mark.parametrize("line", ["status", "enqueue study.toml", "init"])
def test_a_wrong_sign_in_is_one_sentence_and_what_to_type(
    line: str, how: str, ada: Laptop, queue: str, tmp_path: Path
) -> None:
    a_study(ada)
    ada.patch.setenv("QCQUEUE_CACHE", str(tmp_path / "another"))  # which has no copy to answer from
    spoil, said = SIGNED_IN_WRONG[how]
    spoil(ada)
    out, err = ada.types(line, code=4)
    sentence, hint = two_lines(err)
    assert out == ""
    assert said in sentence
    assert hint.startswith("next: ")
    assert CANARY not in err
    assert "Traceback" not in err


def test_the_account_of_the_queue_is_named_to_another_one_on_a_machine_that_knows_it(ada: Laptop, queue: str) -> None:
    ada.types("status")
    another_account(ada)
    assert f"the queue belongs to {ADA}" in ada.types("doctor", code=4)[0]


@pytest.mark.parametrize(
    "url",
    [
        "gdrive:",
        "gdrive:short",
        "gdrive:a/b/c/d/e/f/g",
        "gdrive:../../../etc",
        "gdrive:https://drive.google.com/drive/folders/1AbCdEfGhIj",
        "GDRIVE:1AbCdEfGhIjKl",
        f"gdrive:{'a' * 121}",
    ],
)
def test_an_address_that_names_no_folder_of_drive_is_bad_input(url: str, ada: Laptop) -> None:
    for line in (f"status --store {url}", f"init --store {url}"):
        out, err = ada.types(line, code=2)
        assert out == ""
        assert "gdrive:FOLDER_ID" in two_lines(err)[0]
    assert ada.emulator.log == []


def two_lines(err: str) -> tuple[str, str]:
    """Return what happened and what to type next: all that a failure says."""
    first, second = err.splitlines()
    return first, second


def a_dataset(ada: Laptop) -> None:
    """Give the queue the images of the study."""
    for name in ("good", "fair", "reject"):
        folder = ada.folder / "scans" / name
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("L", (4, 4), number).save(folder / f"{number}.png")
    ada.types("data add scans --name qc-tiny --split 3,3,3")


def a_study(ada: Laptop) -> None:
    a_dataset(ada)
    (ada.folder / "study.toml").write_text(STUDY + JOB)
