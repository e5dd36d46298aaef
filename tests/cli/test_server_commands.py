"""Commands on a queue that a PostgreSQL server keeps: making it, looking after it, and keeping its password secret."""

import json
import os
import shutil
from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from tests.cli.queues import one_of_each, with_images
from tests.support.servers.on_postgres import needs_postgres
from tests.support.servers.postgres import PASSWORD, Server, server, stopped

pytestmark = [pytest.mark.servers, pytest.mark.racing]

LOOKS = (
    *("", "status", "status --json", "show done", "log done", "why done", "plan", "quota", "data list", "doctor"),
    *("store usage", "store gc", "store adopt", "report", "export tensorboard"),
)
CHANGES = (
    "hold queued",
    "release queued",
    "cancel queued",
    "retry cancelled",
    "move queued first",
    "remove failed --yes",
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    needs_postgres()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return server()


@pytest.fixture
def url(lab: Server) -> str:
    return lab.url(lab.new_database(), password=None)


def said_by(line: str, capfd: pytest.CaptureFixture[str], *, code: int = 0) -> str:
    capfd.readouterr()
    ended = run(line.split())
    out, err = capfd.readouterr()
    assert PASSWORD not in out + err
    assert ended == code, f"{line}: {out}{err}"
    return out + err


def test_one_command_makes_both_and_a_second_changes_nothing(
    url: str, lab: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = f"init --database {url} --store shared:disk"
    assert "would be made" in said_by(f"{line} --dry-run", capfd)
    assert os.listdir() == []  # noqa: PTH208
    assert f"made: a queue in {url}, its files in shared:{tmp_path / 'disk'}" in said_by(line, capfd)
    written = Path("qcqueue.toml").read_text()
    assert f'database = "{url}"' in written
    before = lab.sql("SELECT * FROM settings", database=url.rpartition("/")[2])
    for again in (line, "init"):
        assert "already" in said_by(again, capfd)
    assert Path("qcqueue.toml").read_text() == written
    assert lab.sql("SELECT * FROM settings", database=url.rpartition("/")[2]) == before
    assert "ok       database      0 jobs in postgresql://" in said_by("doctor", capfd)


@pytest.mark.parametrize("cut", ["after the store", "before the settings"])
def test_a_making_that_was_cut_is_finished_by_the_same_again(
    url: str, capfd: pytest.CaptureFixture[str], cut: str, lab: Server
) -> None:
    line = f"init --database {url} --store shared:disk"
    said_by(line, capfd)
    Path("qcqueue.toml").unlink()
    if cut == "after the store":
        lab.sql("DROP OWNED BY owner", "GRANT ALL ON SCHEMA public TO owner", database=url.rpartition("/")[2])
    said_by(line, capfd)
    assert "0 jobs" in said_by("doctor", capfd)


def test_a_folder_of_one_machine_is_refused_beside_a_server(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = said_by(f"init --database {url} --store folder:queue", capfd, code=2)
    assert "a folder of this machine alone" in said
    assert os.listdir() == []  # noqa: PTH208


def test_a_password_in_a_file_or_on_the_command_line_is_refused(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with_password = url.replace("owner@", f"owner:{PASSWORD}@")
    said = said_by(f"init --database {with_password} --store shared:disk", capfd, code=2)
    assert "PGPASSWORD" in said
    Path("qcqueue.toml").write_text(f'store = "shared:disk"\ndatabase = "{with_password.replace(PASSWORD, "hush")}"\n')
    assert "holds a password" in said_by("status", capfd, code=2)


def test_a_password_in_the_environment_opens_it_and_is_shown_and_written_nowhere(
    url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("QCQUEUE_DATABASE", url.replace("owner@", f"owner:{PASSWORD}@"))
    said_by("init --store shared:disk", capfd)
    assert url in Path("qcqueue.toml").read_text()
    for line in ("status", "doctor", "status --json", "store verify"):
        said_by(line, capfd)
    assert url in said_by("notebook --out worker.ipynb", capfd)
    assert url in Path("worker.ipynb").read_text()
    assert all(PASSWORD not in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


def test_every_command_works_on_it(url: str, capfd: pytest.CaptureFixture[str], lab: Server) -> None:
    said_by(f"init --database {url} --store shared:disk", capfd)
    queue = open_context(load_settings())
    with_images(queue)
    one_of_each(queue)
    for line in (*LOOKS, *CHANGES):
        said_by(line, capfd)
    assert "the store does not have it" in said_by("store verify", capfd, code=5), "its files are only pretended"
    shown = json.loads(said_by("status --json", capfd).splitlines()[-1])
    assert len(shown["jobs"]) > 3


def test_while_its_server_is_away_commands_say_so_and_change_nothing(
    url: str, lab: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    said_by(f"init --database {url} --store shared:disk", capfd)
    with stopped(lab):
        for line in ("status", "work", "store verify", "store gc --yes", "doctor"):
            said = said_by(line, capfd, code=4)
            assert "cannot be reached from this machine" in said
            assert "Traceback" not in said


def test_a_store_with_the_files_of_another_queue_is_refused_before_anything_is_deleted(
    url: str, lab: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    other = lab.url(lab.new_database(), password=None)
    said_by(f"init --database {url} --store shared:disk", capfd)
    Path("qcqueue.toml").unlink()
    said_by(f"init --database {other} --store shared:another", capfd)
    Path("qcqueue.toml").unlink()
    assert "holds the files of the queue in" in said_by(f"init --database {other} --store shared:disk", capfd, code=2)
    Path("qcqueue.toml").write_text(f'store = "shared:disk"\ndatabase = "{other}"\n')
    for line in ("store gc --yes", "work", "doctor"):
        assert "files of the queue in" in said_by(line, capfd, code=2)
    Path("qcqueue.toml").write_text(f'store = "shared:third"\ndatabase = "{other}"\n')
    assert "does not hold the files" in said_by("init", capfd, code=2)


def test_nothing_is_stored_read_or_counted_in_the_store_of_another_queue(
    url: str, lab: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = lab.url(lab.new_database(), password=None)
    said_by(f"init --database {url} --store shared:disk", capfd)
    Path("qcqueue.toml").unlink()
    said_by(f"init --database {other} --store shared:another", capfd)
    queue = open_context(load_settings())
    with_images(queue)
    one_of_each(queue)
    said_by("new tiny --out tiny.toml", capfd)
    Path("qcqueue.toml").write_text(f'store = "shared:disk"\ndatabase = "{other}"\n')
    before = sorted(path for path in Path("disk").rglob("*") if path.is_file())
    for line in (
        *("data sample --patterns", "enqueue tiny.toml", "store verify"),
        *("store usage", "store gc", "fetch done", "report", f"store copy {other}+shared:disk folder:new"),
    ):
        assert "files of the queue in" in said_by(line, capfd, code=2), line
    assert sorted(path for path in Path("disk").rglob("*") if path.is_file()) == before
    assert not Path("new").exists()


def test_whoever_joins_with_another_name_for_the_server_gets_the_same_queue(
    url: str, lab: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    said_by(f"init --database {url} --store shared:disk", capfd)
    Path("qcqueue.toml").unlink()
    line = f"init --database {url.replace('127.0.0.1', 'localhost')} --store shared:disk"
    assert "already" in said_by(line, capfd)
    assert "localhost" in Path("qcqueue.toml").read_text()
    assert "0 jobs" in said_by("doctor", capfd)
    Path("qcqueue.toml").unlink()
    restored = lab.url(lab.new_database(like=url.rpartition("/")[2]), password=None)
    assert "already" in said_by(f"init --database {restored} --store shared:disk", capfd)


def test_a_store_whose_queue_is_on_a_server_says_where_without_one(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    said_by(f"init --database {url} --store shared:disk", capfd)
    Path("qcqueue.toml").write_text('store = "shared:disk"\n')
    for line in ("status", "work", "hold x"):
        said = said_by(line, capfd, code=4)
        assert f"the queue of shared:{Path('disk').absolute()} is kept in {url}" in said
        assert "QCQUEUE_DATABASE" in said


def test_a_store_with_a_queue_of_its_own_gets_no_second_one(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    said_by("init --store shared:disk", capfd)
    Path("qcqueue.toml").unlink()
    said = said_by(f"init --database {url} --store shared:disk", capfd, code=2)
    assert "has a queue of its own already" in said
    shutil.rmtree("disk")
    said_by(f"init --database {url} --store shared:disk", capfd)


def test_a_settings_file_that_names_the_store_alone_is_not_passed_over(
    url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said_by("init --store shared:disk", capfd)
    shutil.rmtree("disk")
    said = said_by(f"init --database {url} --store shared:disk", capfd, code=2)
    assert f'database = "{url}"' in said
    assert not Path("disk").exists()
