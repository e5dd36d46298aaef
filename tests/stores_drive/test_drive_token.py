"""A sign-in as it is kept: read back as it was written, refused where it is anything else, and shown to nobody."""

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from qcqueue.errors import SettingInvalid
from qcqueue.stores.drive.token import (
    FILE_SCOPE,
    GOOGLE_TOKEN_URI,
    TOKEN_FILE,
    Token,
    parse_token,
    read_token,
    write_token,
)
from tests.support.drive.accounts import CANARY

EMULATOR = "http://127.0.0.1:8000"
TOKEN = Token(
    client_id="ada.apps.example",
    client_secret=f"secret-{CANARY}1",
    refresh_token=f"1//{CANARY}2",
    token_uri=GOOGLE_TOKEN_URI,
    scopes=(FILE_SCOPE,),
    granted_at_s=1_700_000_000.5,
    account="ada@example.com",
    expires_at_s=1_700_604_800.0,
)
WRITTEN = json.loads(TOKEN.to_json())


def parse(**changed: Any) -> Token:
    """Read the token with some keys changed, and those that are None left out."""
    found = {key: value for key, value in (WRITTEN | changed).items() if value is not None}
    return parse_token(json.dumps(found), source="QCQUEUE_TOKEN", endpoint=None)


def refused(text: str, endpoint: str | None = None) -> str:
    with pytest.raises(SettingInvalid) as caught:
        parse_token(text, source="QCQUEUE_TOKEN", endpoint=endpoint)
    sentence = str(caught.value)
    assert sentence.startswith("QCQUEUE_TOKEN")
    assert CANARY not in sentence
    assert caught.value.__cause__ is None
    return sentence


def test_a_token_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "config" / "qcqueue" / TOKEN_FILE
    write_token(path, TOKEN)
    assert read_token(path, endpoint=None) == TOKEN


def test_the_file_and_its_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "qcqueue" / TOKEN_FILE
    write_token(path, TOKEN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_second_token_replaces_the_first_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / TOKEN_FILE
    path.write_text("an older one")
    path.chmod(0o644)
    write_token(path, TOKEN)
    assert read_token(path, endpoint=None) == TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / TOKEN_FILE
    path.mkdir()
    with pytest.raises(SettingInvalid, match="cannot be written"):
        write_token(path, TOKEN)
    assert list(tmp_path.iterdir()) == [path]


def test_a_token_is_one_line_that_a_person_can_paste() -> None:
    assert "\n" not in TOKEN.to_json()
    assert parse_token(f"  {TOKEN.to_json()}\n", source="QCQUEUE_TOKEN", endpoint=None) == TOKEN


def test_a_token_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("somebody").debug("signed in with %s", TOKEN)
    assert "ada.apps.example" in caplog.text
    assert CANARY not in repr(TOKEN) + str(TOKEN) + caplog.text


def test_what_google_auth_writes_is_a_token_too() -> None:
    token = parse(
        type=None,
        account="",
        granted_at_s=None,
        expires_at_s=None,
        expiry="2026-11-24T12:00:00Z",
        universe_domain="googleapis.com",
    )
    assert (token.refresh_token, token.account) == (TOKEN.refresh_token, None)
    assert (token.granted_at_s, token.expires_at_s) == (None, None)


def test_a_secret_goes_to_google_whatever_the_json_says() -> None:
    assert parse(token_uri="https://thief.example/token").token_uri == GOOGLE_TOKEN_URI
    assert parse(token_uri=None).token_uri == GOOGLE_TOKEN_URI


def test_beside_an_emulator_it_goes_to_that_emulator_or_nowhere() -> None:
    text = json.dumps(WRITTEN | {"token_uri": f"{EMULATOR}/token"})
    assert parse_token(text, source="QCQUEUE_TOKEN", endpoint=EMULATOR).token_uri == f"{EMULATOR}/token"
    for elsewhere in (GOOGLE_TOKEN_URI, f"{EMULATOR}1/token", f"{EMULATOR}@thief.example/"):
        assert "emulator" in refused(json.dumps(WRITTEN | {"token_uri": elsewhere}), endpoint=EMULATOR)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSON object"),
        (f"1//{CANARY}", "JSON object"),
        (f'{{"refresh_token": "1//{CANARY}', "JSON object"),
        (f'["{CANARY}"]', "JSON object"),
        ("[" * 10_000, "JSON object"),
        ("9" * 10_000, "JSON object"),
        (CANARY * 10_000, "too long"),
        (f'{{"installed": {{"client_secret": "{CANARY}"}}}}', "OAuth client"),
        (f'{{"type": "service_account", "private_key": "{CANARY}"}}', "service"),
    ],
)
def test_what_is_no_token_is_refused_unquoted(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize("key", ["client_id", "client_secret", "refresh_token"])
@pytest.mark.parametrize(
    "value", [None, "", 7, True, [CANARY], {"a": CANARY}, f"{CANARY} b", f"{CANARY}\n", f"{CANARY}é", CANARY * 300]
)
def test_what_cannot_be_a_value_is_refused_by_the_name_of_its_key(key: str, value: object) -> None:
    assert repr(key) in refused(json.dumps(WRITTEN | {key: value}))


@pytest.mark.parametrize("scopes", [None, FILE_SCOPE, [], [7], ["https://www.googleapis.com/auth/drive.appdata"]])
def test_a_token_that_may_not_use_our_files_is_refused(scopes: object) -> None:
    assert "drive.file" in refused(json.dumps(WRITTEN | {"scopes": scopes}))


@pytest.mark.parametrize("key", ["granted_at_s", "expires_at_s"])
@pytest.mark.parametrize("time", ['"yesterday"', "true", "-1", "NaN", "Infinity", "1e400", "1" * 400, "[]"])
def test_a_time_that_is_none_is_refused(key: str, time: str) -> None:
    text = json.dumps(WRITTEN | {key: 4711}).replace("4711", time)
    assert key in refused(text)


@pytest.mark.parametrize("account", [7, ["ada"], "ada\nexample", "x" * 5000])
def test_an_account_that_is_none_is_refused(account: object) -> None:
    assert "account" in refused(json.dumps(WRITTEN | {"account": account}))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "missing", tmp_path, strange):
        with pytest.raises(SettingInvalid) as caught:
            read_token(path, endpoint=None)
        assert str(path) in str(caught.value)
