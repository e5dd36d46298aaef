"""Where the database of a queue is named, which store it goes with, and what of it whoever works is given."""

from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.notebook_file import notebook_text
from qcqueue.app.per_gpu import environment_of
from qcqueue.app.settings import load_settings, write_settings
from qcqueue.database.address import server_address
from qcqueue.errors import SettingInvalid
from qcqueue.stores.registry import without_secrets

FILE = "qcqueue.toml"
URL = "postgresql://ada@db.lab/queue"
OTHER = "postgresql://ada@db.lab/another"
SECRET = "hush-hush"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_text(f'store = "shared:disk"\ndatabase = "{URL}"\n')
    return tmp_path


def named(here: Path, *, store: str | None = None, **environment: str) -> tuple[str | None, str]:
    settings = load_settings(store=store, folder=here, environment=environment)
    return settings.database.url if settings.database else None, settings.database_source


def test_the_environment_comes_before_the_file(here: Path) -> None:
    assert named(here) == (URL, str(here / FILE))
    assert named(here, QCQUEUE_DATABASE=OTHER) == (OTHER, "QCQUEUE_DATABASE")
    assert named(here, QCQUEUE_DATABASE=" ") == (URL, str(here / FILE))


def test_the_database_of_a_file_goes_with_its_store_and_with_no_other(here: Path) -> None:
    assert named(here, store=f"shared:{here / 'disk'}")[0] == URL
    assert named(here, store="shared:/another")[0] is None
    assert named(here, QCQUEUE_STORE="shared:/another")[0] is None
    assert named(here, store="shared:/another", QCQUEUE_DATABASE=OTHER)[0] == OTHER
    assert named(here, store="no store at all")[0] is None


def test_only_the_environment_may_hold_a_password(here: Path) -> None:
    with_password = URL.replace("@", f":{SECRET}@")
    settings = load_settings(folder=here, environment={"QCQUEUE_DATABASE": with_password})
    assert settings.database
    assert settings.database.password == SECRET
    assert SECRET not in repr(settings)
    (here / FILE).write_text(f'store = "shared:disk"\ndatabase = "{with_password}"\n')
    for refused in ({}, {"database": with_password}):
        with pytest.raises(SettingInvalid, match="holds a password") as caught:
            load_settings(**refused, folder=here, environment={})
        assert SECRET not in str(caught.value) + caught.value.next_step


def test_what_is_written_is_read_again_without_a_password(tmp_path: Path) -> None:
    address = server_address(URL.replace("@", f":{SECRET}@"), source="here")
    write_settings(tmp_path / FILE, "shared:disk", address)
    assert SECRET not in (tmp_path / FILE).read_text()
    assert named(tmp_path)[0] == URL


def test_a_folder_of_this_machine_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    settings = load_settings(store="folder:queue", folder=tmp_path, environment={"QCQUEUE_DATABASE": URL})
    with pytest.raises(SettingInvalid, match="QCQUEUE_DATABASE names a database on a server, for several machines"):
        open_context(settings)


def test_a_child_without_business_there_is_given_no_way_to_the_server() -> None:
    given = {"PATH": "/bin", "QCQUEUE_DATABASE": URL, "PGPASSWORD": SECRET, "PGPASSFILE": "/home/ada/.pgpass"}
    assert without_secrets(given) == without_secrets(given, but_for="gdrive:new") == {"PATH": "/bin"}


def test_the_session_on_a_gpu_finds_the_password_in_its_memory(here: Path) -> None:
    environment = {"QCQUEUE_DATABASE": URL.replace("@", f":{SECRET}@")}
    settings = load_settings(folder=here, environment=environment)
    assert environment_of("0", settings, {})["PGPASSWORD"] == SECRET


def test_a_notebook_carries_the_address_and_asks_for_the_library() -> None:
    text = notebook_text("gdrive:folder", database=URL, from_index=True)
    assert URL in text
    assert "[train,drive,postgres]" in text
    assert "QCQUEUE_DATABASE" not in notebook_text("gdrive:folder", from_index=True)
