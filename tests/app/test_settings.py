"""Where settings come from: defaults < the file found upward < the environment < flags."""

from pathlib import Path

import pytest

from qcqueue.app.settings import load_settings, named_store, rename_home, write_settings
from qcqueue.errors import SettingInvalid
from qcqueue.stores.registry import parse_url

FILE = "qcqueue.toml"


def test_without_anything_no_store_is_named_and_the_cache_is_the_users(tmp_path: Path) -> None:
    settings = load_settings(folder=tmp_path, environment={"XDG_CACHE_HOME": str(tmp_path / "caches")})
    assert settings.store is None
    assert settings.source == "nowhere"
    assert settings.cache == tmp_path / "caches" / "qcqueue"


def test_later_beats_earlier(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('store = "folder:/from/file"\ncache = "/cache/from/file"\n')
    environment = {"QCQUEUE_STORE": "folder:/from/environment", "QCQUEUE_CACHE": "/cache/from/environment"}

    written = load_settings(folder=tmp_path, environment={})
    assert (written.store, str(written.cache)) == ("folder:/from/file", "/cache/from/file")
    assert written.source == str(tmp_path / FILE)

    set_outside = load_settings(folder=tmp_path, environment=environment)
    assert (set_outside.store, str(set_outside.cache)) == ("folder:/from/environment", "/cache/from/environment")
    assert set_outside.source == "QCQUEUE_STORE"

    flagged = load_settings(store="folder:/from/flag", folder=tmp_path, environment=environment)
    assert (flagged.store, flagged.source) == ("folder:/from/flag", "--store")


def test_an_empty_variable_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('store = "folder:/from/file"\n')
    settings = load_settings(folder=tmp_path, environment={"QCQUEUE_STORE": "", "QCQUEUE_CACHE": ""})
    assert settings.store == "folder:/from/file"


def test_the_file_is_found_from_any_folder_below_and_the_nearest_wins(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    (tmp_path / FILE).write_text('store = "folder:/outer"\n')
    assert load_settings(folder=below, environment={}).store == "folder:/outer"
    (tmp_path / "a" / FILE).write_text('store = "folder:/inner"\n')
    assert load_settings(folder=below, environment={}).store == "folder:/inner"
    assert load_settings(folder=tmp_path, environment={}).store == "folder:/outer"


def test_a_relative_store_in_the_file_is_beside_the_file(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / FILE).write_text('store = "folder:queue"\n')
    assert load_settings(folder=below, environment={}).store == f"folder:{tmp_path}/queue"


def test_a_relative_store_in_a_flag_is_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_store(load_settings(store="folder:queue")).address == f"{tmp_path / 'queue'}"


def test_the_home_folder_can_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert named_store(load_settings(store="folder:~/queue")).address == f"{tmp_path / 'queue'}"
    assert load_settings(folder=tmp_path, environment={"QCQUEUE_CACHE": "~/cache"}).cache == tmp_path / "cache"


@pytest.mark.parametrize("store", ["folder:queue", 'folder:with "quotes"', "folder:back\\slash", "folder:é"])
def test_what_is_written_is_what_is_read(store: str, tmp_path: Path) -> None:
    write_settings(tmp_path / FILE, store)
    relative = store.removeprefix("folder:")
    assert load_settings(folder=tmp_path, environment={}).store == f"folder:{tmp_path}/{relative}"


def test_settings_are_never_overwritten(tmp_path: Path) -> None:
    write_settings(tmp_path / FILE, "folder:mine")
    with pytest.raises(SettingInvalid, match="meanwhile"):
        write_settings(tmp_path / FILE, "folder:yours")
    assert "mine" in (tmp_path / FILE).read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '# a comment\nstoer = "x"',
            "2: unknown setting 'stoer'; it can be store or database or cache or profile or region or endpoint;",
        ),
        ("store = 7", "1: store is 7; it must be text in quotes"),
        ("\nstore = {}", "2: store is a table; it must be text in quotes"),
        (f"store = 0x{'f' * 5000}", "1: store is a number of more than 64 bits; it must be text in quotes"),
        ('cache = "a"\nstore = folder', "2: syntax: found `store = folder`, which is not valid TOML"),
        (f"store = {'[' * 10_000}", "1: syntax: found brackets nested too deeply, allowed are the tables of settings"),
        (
            f"{'a.' * 9_000}b = 1",
            "1: syntax: found more than 16 dots outside of text, allowed are the keys of settings",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(SettingInvalid) as refused:
        load_settings(folder=tmp_path, environment={})
    assert str(refused.value).startswith(f"{tmp_path / FILE}:{said}")


@pytest.mark.parametrize("endpoint", ["http://h/?X-Sig=CANARY", "https://h/a?sv=1&sig=CANARY", "https://h/#CANARY"])
def test_what_signs_an_endpoint_is_not_shown(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="is no address of a server") as refused:
        load_settings(store="s3://lab/x", folder=tmp_path, environment={"HOME": "/h", "AWS_ENDPOINT_URL": endpoint})
    assert "CANARY" not in str(refused.value) + refused.value.next_step


def test_what_is_written_of_a_bucket_counts_after_the_queue_has_left_it_for_a_folder(tmp_path: Path) -> None:
    text = 'store = "shared:disk"\nregion = "eu-west-1"\nendpoint = "https://s3.lab"\n'
    (tmp_path / "qcqueue.toml").write_text(text)
    found = load_settings(store="s3://lab/x", folder=tmp_path, environment={"HOME": "/h"})
    assert (found.region, found.endpoint) == ("eu-west-1", "https://s3.lab")


def test_a_file_that_follows_into_another_bucket_says_where_that_is_and_nothing_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "qcqueue.toml"
    path.write_text('store = "s3://lab/x"\nregion = "eu-west-1"\nendpoint = "https://s3.lab"\nprofile = "mine"\n')
    assert rename_home(path, parse_url("shared:/disk", source="B"), None)
    assert 'endpoint = "https://s3.lab"' in path.read_text(), "the way back needs it"
    assert rename_home(path, parse_url("az://lab/x", source="B"), None, endpoint="https://az.lab")
    assert path.read_text() == 'store = "az://lab/x"\nendpoint = "https://az.lab"\nprofile = "mine"\n'
