"""The doctor recognises whatever can be wrong with a queue, each wrong for real, and says what to type or click."""

import dataclasses
import os
import shutil
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.app.doctor import examine
from qcqueue.clock import SystemClock
from qcqueue.stores.checks import Check, CheckStatus
from qcqueue.stores.drive.backend import files_on_drive
from qcqueue.stores.drive.layout import find_home, version_folder
from tests.cli.on_drive import ADA, DAY_S, Laptop, a_laptop
from tests.support.drive.accounts import CANARY, App

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        yield laptop


@pytest.fixture
def queue(ada: Laptop) -> str:
    """The folder of a sound queue of Ada's, who is signed in."""
    ada.sign_in()
    return ada.make_queue()


def findings(ada: Laptop, store: str | None = None) -> dict[str, Check]:
    """Return what is found, by what was looked at; nothing is looked at twice, and no secret is told."""
    found = list(examine(store, clock=SystemClock()))
    for finding in found:
        assert CANARY not in f"{finding.says} {finding.hint}"
        assert (finding.hint is None) == (finding.verdict is CheckStatus.OK)
        assert finding.hint != "qcqueue doctor"
        assert bool(finding.exit_code) == (finding.verdict is CheckStatus.PROBLEM)
    assert len({finding.what for finding in found}) == len(found)
    return {finding.what: finding for finding in found}


def the_problem(ada: Laptop, store: str | None = None) -> Check:
    """Return the one problem: it ends the visit, since the rest would fail for the same reason."""
    *before, last = findings(ada, store).values()
    assert all(finding.verdict is not CheckStatus.PROBLEM for finding in before)
    assert last.verdict is CheckStatus.PROBLEM
    return last


# Google Drive


def test_a_sound_queue_on_drive_has_nothing_wrong(ada: Laptop, queue: str) -> None:
    found = findings(ada)
    assert list(found) == [
        "settings", "cache", "machine", "sign-in", "account", "clock", "Drive", "folder", "database",
    ]  # fmt: skip
    assert {finding.verdict for finding in found.values()} == {CheckStatus.OK}
    assert found["settings"].says == f"the store is gdrive:{queue}, from {ada.folder / 'qcqueue.toml'}"
    assert found["account"].says == ADA
    assert found["folder"].says == f"https://drive.google.com/drive/folders/{queue}"
    assert found["database"].says == "0 jobs"


def test_an_account_can_be_looked_at_before_there_is_a_queue(ada: Laptop) -> None:
    ada.sign_in()
    assert list(findings(ada, "gdrive:new"))[-1] == "Drive"


def test_where_the_sign_in_lies_is_told_and_nothing_of_it(ada: Laptop, queue: str) -> None:
    assert f"from {ada.settings.config / 'drive-token.json'}" in findings(ada)["sign-in"].says
    ada.patch.setenv("QCQUEUE_TOKEN", ada.token().to_json())
    assert findings(ada)["sign-in"].says.startswith("from QCQUEUE_TOKEN")


def test_nobody_is_signed_in(ada: Laptop) -> None:
    found = the_problem(ada, "gdrive:new")
    assert (found.what, found.exit_code) == ("sign-in", 4)
    assert found.says == "nobody is signed in to Google Drive on this machine"
    assert found.hint == "qcqueue login"


def test_the_secret_that_was_pasted_is_no_sign_in(ada: Laptop, queue: str) -> None:
    ada.patch.setenv("QCQUEUE_TOKEN", f"1//{CANARY}")
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("sign-in", 4)
    assert "QCQUEUE_TOKEN does not hold" in found.says


def test_a_sign_in_that_was_taken_back(ada: Laptop, queue: str) -> None:
    ada.emulator.revoke(ada.app, ada.ada)
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("sign-in", 4)
    assert found.says == "Google does not accept this sign-in any more"
    assert found.hint == "sign in again: qcqueue login"


def test_a_sign_in_of_an_app_in_testing_that_has_died_after_a_week(ada: Laptop) -> None:
    ada.app.testing = True
    ada.sign_in()
    ada.make_queue()
    ada.let_pass(8 * DAY_S)
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("sign-in", 4)
    assert "it is 8 days old, and while an app is in Testing each lives 7 days" in found.says
    assert "Audience > Publish app" in str(found.hint)
    assert str(found.hint).endswith("qcqueue login")


def test_a_sign_in_of_an_app_in_testing_is_told_ahead_of_its_end(ada: Laptop) -> None:
    ada.app.testing = True
    ada.sign_in()
    ada.make_queue()
    ada.let_pass(2.5 * DAY_S)
    found = findings(ada)["sign-in"]
    assert found.verdict is CheckStatus.WARNING
    assert "Google ends it in 4 days, as it does while an app is in Testing" in found.says
    assert "Audience > Publish app" in str(found.hint)


def test_an_old_sign_in_of_a_published_app_is_as_good_as_a_new_one(ada: Laptop, queue: str) -> None:
    ada.let_pass(100 * DAY_S)
    assert findings(ada)["sign-in"].verdict is CheckStatus.OK


def test_a_client_that_was_deleted_in_the_console(ada: Laptop, queue: str) -> None:
    token = dataclasses.replace(ada.token(), client_id="gone.apps.example")
    ada.patch.setenv("QCQUEUE_TOKEN", token.to_json())
    found = the_problem(ada)
    assert "Google does not know this client" in found.says
    assert "Google Cloud console" in str(found.hint)


def test_a_sign_in_that_allows_too_little(ada: Laptop, queue: str) -> None:
    ada.sign_in("https://www.googleapis.com/auth/drive.appdata")
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("sign-in", 4)
    assert "the scope drive.file" in found.says
    assert "box for Google Drive ticked" in str(found.hint)


def test_an_api_that_is_not_enabled(ada: Laptop, queue: str) -> None:
    ada.app.api_enabled = False
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("Google Drive", 4)
    assert "the Drive API is not switched on" in found.says
    assert "Google Cloud console" in str(found.hint)


def test_a_queue_of_another_account(ada: Laptop, queue: str) -> None:
    ada.types("status")
    ada.sign_in(user=ada.emulator.user("bob@example.com"))
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("Google Drive", 4)
    assert found.says == f"the queue belongs to {ADA}, and this sign-in is bob@example.com"
    assert f"sign in as {ADA}" in str(found.hint)


def test_a_queue_that_neither_this_account_nor_this_machine_ever_saw(ada: Laptop, queue: str) -> None:
    shutil.rmtree(ada.settings.cache)
    ada.sign_in(user=ada.emulator.user("bob@example.com"))
    found = the_problem(ada)
    assert f"sees no folder {queue}" in found.says
    assert "the account and the Cloud project that made it" in str(found.hint)


def test_a_queue_of_another_cloud_project(ada: Laptop, queue: str) -> None:
    ada.sign_in(app=App(name="another"))
    assert "the Cloud project that made it" in str(the_problem(ada).hint)


@pytest.mark.parametrize("name", ["versions", "blobs", "datasets", "sessions"])
def test_one_folder_of_the_queue_alone_in_the_bin(name: str, ada: Laptop, queue: str) -> None:
    ada.types("status")
    owner = ada.emulator.owner(ada.ada)
    folder = next(file for file in owner.files() if file.title == name)
    owner.trash(folder.id)
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("Google Drive", 4)
    assert found.says == f"the folder '{name}' of the queue is in Drive's bin"
    assert "https://drive.google.com/drive/trash" in str(found.hint)
    ada.types("doctor", code=4)
    owner.untrash(folder.id)
    ada.types("doctor")


@pytest.mark.parametrize("name", ["versions", "blobs"])
def test_a_folder_of_the_queue_that_was_deleted_for_good(name: str, ada: Laptop, queue: str) -> None:
    owner = ada.emulator.owner(ada.ada)
    owner.trash(next(file for file in owner.files() if file.title == name).id)
    owner.empty_bin()
    found = the_problem(ada)
    assert found.says == f"the folder '{name}' of the queue is not on Drive any more"
    assert found.exit_code == 4


def test_a_folder_of_later_versions_in_the_bin(ada: Laptop, queue: str) -> None:
    files = files_on_drive(ada.settings.access(), patient=False)
    folder = version_folder(files, find_home(files, queue), 1)
    ada.emulator.owner(ada.ada).trash(folder)
    assert the_problem(ada).says == "the folder 'versions 501 to 1000' of the queue is in Drive's bin"


def test_a_folder_in_the_bin(ada: Laptop, queue: str) -> None:
    ada.emulator.owner(ada.ada).trash(queue)
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("Google Drive", 4)
    assert "in Drive's bin" in found.says
    assert "https://drive.google.com/drive/trash" in str(found.hint)


def test_a_folder_that_was_deleted_for_good(ada: Laptop, queue: str) -> None:
    ada.emulator.owner(ada.ada).delete(queue)
    assert f"sees no folder {queue}" in the_problem(ada).says


def test_a_full_drive(ada: Laptop, queue: str) -> None:
    ada.emulator.owner(ada.ada).leave_free(1_000_000)
    found = findings(ada)
    assert (found["Drive"].verdict, found["Drive"].exit_code) == (CheckStatus.PROBLEM, 4)
    assert found["Drive"].says == "Google Drive, 1.0 MB free: nothing can be saved"
    assert "https://drive.google.com/settings/storage" in str(found["Drive"].hint)
    assert found["database"].verdict is CheckStatus.OK, "a full Drive can still be read"


def test_a_drive_that_will_soon_be_full(ada: Laptop, queue: str) -> None:
    ada.emulator.owner(ada.ada).leave_free(500_000_000)
    found = findings(ada)["Drive"]
    assert (found.verdict, found.says) == (
        CheckStatus.WARNING,
        "Google Drive, 500 MB free: large models need more",
    )


@pytest.mark.parametrize(("ahead_s", "said"), [(600, "ahead of Google's"), (-600, "behind Google's")])
def test_a_clock_that_is_off(ahead_s: float, said: str, ada: Laptop, queue: str) -> None:
    ada.ahead_s = ahead_s
    found = findings(ada)["clock"]
    assert found.verdict is CheckStatus.WARNING
    assert said in found.says
    assert "automatic date and time" in str(found.hint)


def test_a_clock_that_is_a_little_off_is_nobodys_concern(ada: Laptop, queue: str) -> None:
    ada.ahead_s = 200
    assert findings(ada)["clock"].verdict is CheckStatus.OK


def test_no_network_is_told_without_asking_twice(ada: Laptop, queue: str) -> None:
    ada.lose_network()
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("Google Drive", 4)
    assert found.says == "Google does not answer"
    assert "qcqueue status shows what it last saw" in str(found.hint)


def test_libraries_that_are_not_installed(ada: Laptop, queue: str) -> None:
    ada.patch.delitem(sys.modules, "qcqueue.stores.drive.caller")
    ada.patch.setitem(sys.modules, "tenacity", None)
    found = the_problem(ada)
    assert (found.what, found.hint) == ("libraries", 'pip install "qcqueue[drive]"')


def test_a_version_that_is_damaged(ada: Laptop, queue: str) -> None:
    owner = ada.emulator.owner(ada.ada)
    version = next(file for file in owner.files() if file.title == "version 1")
    owner.damage(version.id, b"something else")
    shutil.rmtree(ada.settings.cache)
    found = the_problem(ada)
    assert (found.what, found.exit_code) == ("database", 5)


def test_a_look_changes_nothing_on_drive(ada: Laptop, queue: str) -> None:
    owner = ada.emulator.owner(ada.ada)
    before = owner.changes()
    findings(ada)
    assert owner.changes() == before


# This machine, and folders


def test_a_sound_folder_has_nothing_wrong(ada: Laptop) -> None:
    ada.types("init")
    found = findings(ada)
    assert list(found) == ["settings", "cache", "machine", "store", "database"]
    assert all(finding.verdict is not CheckStatus.PROBLEM for finding in found.values())


def test_no_store_is_named(ada: Laptop) -> None:
    found = the_problem(ada)
    assert (found.what, found.exit_code, found.hint) == ("settings", 2, "qcqueue init")


def test_a_store_of_no_known_kind(ada: Laptop) -> None:
    assert (the_problem(ada, "ftp:queue").what, the_problem(ada, "ftp:queue").exit_code) == ("settings", 2)


def test_a_setting_that_comes_from_the_environment_is_named(ada: Laptop) -> None:
    ada.types("init")
    ada.patch.setenv("QCQUEUE_STORE", f"folder:{ada.folder / 'queue'}")
    assert findings(ada)["settings"].says.endswith("from QCQUEUE_STORE")


def test_a_folder_without_a_queue(ada: Laptop) -> None:
    found = the_problem(ada, "folder:nowhere")
    assert (found.what, found.exit_code, found.hint) == ("store", 4, "qcqueue init")
    (ada.folder / "empty").mkdir()
    assert the_problem(ada, "folder:empty").what == "database"


def test_a_disk_that_is_not_mounted(ada: Laptop) -> None:
    assert "mount the disk" in str(the_problem(ada, "shared:nowhere").hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(ada: Laptop) -> None:
    ada.types("init")
    (ada.folder / "queue").chmod(0o500)
    assert (the_problem(ada).what, the_problem(ada).exit_code) == ("store", 4)


def test_a_cache_that_is_a_file(ada: Laptop) -> None:
    ada.types("init")
    (ada.folder / "file").touch()
    ada.patch.setenv("QCQUEUE_CACHE", str(ada.folder / "file"))
    found = findings(ada)["cache"]
    assert (found.verdict, found.exit_code) == (CheckStatus.PROBLEM, 2)
    assert "QCQUEUE_CACHE" in str(found.hint)


@pytest.mark.parametrize(("free", "verdict"), [(1_000, CheckStatus.PROBLEM), (1_000_000_000, CheckStatus.WARNING)])
def test_a_disk_that_is_full(free: int, verdict: CheckStatus, ada: Laptop) -> None:
    ada.types("init")
    ada.patch.setattr(shutil, "disk_usage", lambda path: Usage(2 * free, free, free))
    found = findings(ada)
    assert (found["cache"].verdict, found["store"].verdict) == (verdict, verdict)


def test_a_machine_without_tensorflow_is_a_warning_only_where_no_other_could_train(ada: Laptop) -> None:
    ada.patch.setattr("qcqueue.app.doctor.can_train", lambda: False)
    ada.types("init --store folder:queue")
    found = findings(ada)["machine"]
    assert (found.verdict, found.hint) == (CheckStatus.WARNING, 'pip install "qcqueue[train]"')
    ada.sign_in()
    assert findings(ada, "gdrive:new")["machine"].verdict is CheckStatus.OK


def test_the_clock_of_a_shared_disk_counts(ada: Laptop) -> None:
    ada.types("init --store shared:disk")
    assert findings(ada)["clock"].verdict is CheckStatus.OK
    ada.ahead_s = -3600
    assert "behind the disk's" in findings(ada)["clock"].says


def test_the_copy_of_a_disk_that_stopped_answering_is_told_with_its_age(ada: Laptop) -> None:
    ada.types("init --store shared:disk")
    ada.types("status")
    for path in (ada.folder / "disk" / "slots").iterdir():
        path.unlink()
    found = findings(ada)["database"]
    assert found.verdict is CheckStatus.WARNING
    assert "as this machine last saw them" in found.says
