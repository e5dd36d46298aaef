"""A byte order mark, as Notepad and PowerShell write one, before any file that a person writes: it is accepted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qcqueue.app.profile import profile_here
from qcqueue.app.settings import Settings, load_settings
from qcqueue.cli.main import run
from qcqueue.stores.drive.client import parse_client, read_client
from qcqueue.stores.drive.sign_in import drive_token
from qcqueue.stores.drive.token import FILE_SCOPE, GOOGLE_TOKEN_URI, TOKEN_FILE, Token, read_token
from tests.cli.queues import House

Write = Callable[[str], bytes]
TOKEN = Token(
    client_id="ada.apps.example",
    client_secret="secret",
    refresh_token="1//for-nobody",
    token_uri=GOOGLE_TOKEN_URI,
    scopes=(FILE_SCOPE,),
    granted_at_s=None,
    account=None,
)
CLIENT = json.dumps({"installed": {"client_id": "ada.apps.example", "client_secret": "secret"}})


def as_utf16_of_the_other_order(text: str) -> bytes:
    return b"\xfe\xff" + text.encode("utf-16-be")


@pytest.fixture(params=["utf-8", "utf-8-sig", "utf-16", "utf-16 of the other order", "utf-8-sig with \\r\\n"])
def written(request: pytest.FixtureRequest) -> Write:
    """How an editor writes a text."""
    match request.param:
        case "utf-16 of the other order":
            return as_utf16_of_the_other_order
        case "utf-8-sig with \\r\\n":
            return lambda text: text.replace("\n", "\r\n").encode("utf-8-sig")
        case encoding:
            return lambda text: text.encode(encoding)


def test_settings(written: Write, tmp_path: Path) -> None:
    (tmp_path / "qcqueue.toml").write_bytes(written('# größer\nstore = "folder:größe"\nprofile = "kaggle"\n'))
    settings = load_settings(folder=tmp_path, environment={"QCQUEUE_CACHE": str(tmp_path)})
    assert (settings.store, settings.profile) == (f"folder:{tmp_path / 'größe'}", "kaggle")


def test_settings_of_a_mark_alone_name_nothing_as_an_empty_file_does(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    (house.folder / "qcqueue.toml").write_bytes(b"\xef\xbb\xbf\r\n")
    assert run(["status"]) == 2
    assert "is empty: it names no queue" in capsys.readouterr().err


def test_a_client_of_the_console(written: Write, tmp_path: Path) -> None:
    (tmp_path / "client.json").write_bytes(written(CLIENT))
    assert read_client(tmp_path / "client.json").client_id == "ada.apps.example"


def test_a_client_or_a_token_that_was_pasted_with_its_mark(tmp_path: Path) -> None:
    assert parse_client(f"\ufeff{CLIENT}", source="QCQUEUE_CLIENT").client_id == "ada.apps.example"
    environment = {"QCQUEUE_TOKEN": f"\ufeff{TOKEN.to_json()}\n", "QCQUEUE_CACHE": str(tmp_path)}
    assert drive_token(load_settings(folder=tmp_path, environment=environment).access()) == TOKEN


def test_a_token(written: Write, tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_bytes(written(TOKEN.to_json()))
    assert read_token(tmp_path / TOKEN_FILE, endpoint=None) == TOKEN


def test_a_study(written: Write, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    study = '# für die Größe\nstudy = "marked"\ndataset = "qc-tiny"\n[[job]]\nmodel = "VGG16"\nweights = "none"\n'
    (house.folder / "study.toml").write_bytes(written(study))
    assert run(["enqueue", "study.toml", "--dry-run"]) == 0, capsys.readouterr().err
    assert "marked/vgg16" in capsys.readouterr().out


def test_limits_of_ones_own(written: Write, tmp_path: Path) -> None:
    limits = "[colab-free.session]\nlow_hours = 2\nlikely_hours = 3\nhigh_hours = 4\n"
    (tmp_path / "profiles.toml").write_bytes(written(limits))
    settings = Settings(store=None, cache=tmp_path, source="nowhere", config=tmp_path, profile="colab-free")
    session = profile_here(settings, {}).session
    assert session is not None
    assert session.p50_s == 3 * 3600
