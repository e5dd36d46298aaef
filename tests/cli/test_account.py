"""Signing in as a person types it: what they read, what they can paste, and what is left on their disk."""

import json
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qcqueue.cli.main import run
from qcqueue.stores.drive.oauth import UNANSWERED
from qcqueue.stores.drive.token import FILE_SCOPE, TOKEN_FILE, parse_token, read_token
from tests.stores_drive.people import Browser, Desk, agree, client_file, desk, refuse
from tests.support.drive.accounts import CANARY

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Ada in a folder of her own, before an emulator and a clock that stand in for Google and for time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("QCQUEUE_TOKEN", raising=False)
    with desk() as found:
        monkeypatch.setenv("QCQUEUE_DRIVE_ENDPOINT", f"{found.url}/")
        monkeypatch.setattr("qcqueue.clock.SystemClock", lambda: found.clock)
        yield found


@pytest.fixture
def types(capfd: pytest.CaptureFixture[str]) -> Type:
    """Type a command; return its exit code and what it says on stdout and stderr."""

    def ask(typed: str) -> tuple[int, str, str]:
        code = run(typed.split())
        return code, *capfd.readouterr()

    return ask


@pytest.fixture
def browsing(ada: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    browser = Browser(ada.clock, agree)
    monkeypatch.setattr("webbrowser.open", browser.open)
    yield browser
    browser.close()


def kept(folder: Path) -> Path:
    return folder / "config" / "qcqueue" / TOKEN_FILE


def type_the_code(ada: Desk) -> None:
    """Ada reads the code after a while, types it on her phone and agrees."""
    signing_in = ada.emulator.signing_in
    ada.clock.after(7, lambda: signing_in.approve(next(iter(signing_in.devices.values())).user_code, ada.ada))


def test_login_opens_the_browser_keeps_the_token_and_says_what_is_next(
    ada: Desk, browsing: Browser, types: Type, tmp_path: Path
) -> None:
    client_file(tmp_path, ada.client)
    code, out, err = types("login --client client.json")
    assert (code, out.splitlines()) == (
        0,
        [
            "signed in as ada@example.com; qcqueue sees only the files it makes",
            f"written: {kept(tmp_path)}",
            "next: qcqueue init --store gdrive:new",
        ],
    )
    assert err.splitlines()[1].startswith(f"{ada.url}/auth?")
    assert CANARY not in out + err
    assert len(browsing.seen) == 1


def test_what_login_keeps_is_for_its_owner_alone_and_for_our_files_alone(
    ada: Desk, browsing: Browser, types: Type, tmp_path: Path
) -> None:
    client_file(tmp_path, ada.client)
    types("login --client client.json")
    path = kept(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["scopes"] == [FILE_SCOPE]
    assert read_token(path, endpoint=ada.url).account == "ada@example.com"


def test_a_sign_in_that_google_will_end_is_warned_of_at_once_and_remembered(
    ada: Desk, browsing: Browser, types: Type, tmp_path: Path
) -> None:
    ada.app.testing = True
    client_file(tmp_path, ada.client)
    _, out, err = types("login --client client.json")
    assert out.splitlines()[-1] == "next: qcqueue init --store gdrive:new"
    assert "Google ends it in 7 days, as it does while an app is in Testing" in err
    assert "Audience > Publish app" in err
    token = read_token(kept(tmp_path), endpoint=ada.url)
    assert token.expires_at_s == ada.clock.now_s() + 7 * 24 * 3600
    client_file(tmp_path, ada.tv, name="tv.json")
    type_the_code(ada)
    _, out, err = types("colab-token --client tv.json")
    assert "Google ends it in 7 days" in err
    assert parse_token(out, source="QCQUEUE_TOKEN", endpoint=ada.url).expires_at_s is not None


def test_a_sign_in_that_lasts_is_warned_of_nothing(ada: Desk, browsing: Browser, types: Type, tmp_path: Path) -> None:
    client_file(tmp_path, ada.client)
    assert "Google ends it" not in types("login --client client.json")[2]
    assert read_token(kept(tmp_path), endpoint=ada.url).expires_at_s is None


def test_a_second_login_replaces_the_first(ada: Desk, browsing: Browser, types: Type, tmp_path: Path) -> None:
    client_file(tmp_path, ada.client)
    types("login --client client.json")
    first = read_token(kept(tmp_path), endpoint=ada.url)
    assert types("login --client client.json")[0] == 0
    assert read_token(kept(tmp_path), endpoint=ada.url).refresh_token != first.refresh_token
    assert [path.name for path in kept(tmp_path).parent.iterdir()] == [TOKEN_FILE]


def test_a_login_that_was_refused_keeps_what_was_there(
    ada: Desk, browsing: Browser, types: Type, tmp_path: Path
) -> None:
    client_file(tmp_path, ada.client)
    types("login --client client.json")
    before = kept(tmp_path).read_bytes()
    browsing.act = refuse
    code, out, err = types("login --client client.json")
    assert (code, out) == (4, "")
    assert err.splitlines()[-2:] == ["qcqueue: the sign-in was refused", f"next: {UNANSWERED}"]
    assert kept(tmp_path).read_bytes() == before


def test_colab_token_prints_one_line_to_paste_and_writes_nothing(ada: Desk, types: Type, tmp_path: Path) -> None:
    client = client_file(tmp_path, ada.tv, name="tv.json")
    type_the_code(ada)
    code, out, err = types("colab-token --client tv.json")
    assert (code, out.count("\n")) == (0, 1)
    assert parse_token(out, source="QCQUEUE_TOKEN", endpoint=ada.url).account == "ada@example.com"
    asked, explained = err.splitlines()
    assert asked.startswith(f"open {ada.url}/device and type ")
    for step in ("the key", "QCQUEUE_TOKEN", "paste", "Notebook access"):
        assert step in explained
    assert CANARY not in err
    assert list(tmp_path.rglob("*")) == [client]


def test_colab_token_leaves_the_sign_in_of_the_laptop_alone(
    ada: Desk, browsing: Browser, types: Type, tmp_path: Path
) -> None:
    client_file(tmp_path, ada.client)
    types("login --client client.json")
    before = kept(tmp_path).read_bytes()
    client_file(tmp_path, ada.tv, name="tv.json")
    type_the_code(ada)
    out = types("colab-token --client tv.json")[1]
    assert kept(tmp_path).read_bytes() == before
    assert json.loads(out)["refresh_token"] != json.loads(before)["refresh_token"]


@pytest.mark.parametrize("command", ["login", "colab-token"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("", "does not hold a JSON object"),
        (f'"{CANARY}"', "does not hold a JSON object"),
        (f'{{"web": {{"client_secret": "{CANARY}"}}}}', "web server"),
        (f'{{"type": "authorized_user", "refresh_token": "{CANARY}"}}', "not a client of the Google Cloud console"),
    ],
)
def test_a_file_that_is_no_client_is_refused_and_nothing_is_asked(
    command: str, content: str | None, said: str, ada: Desk, types: Type, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "client.json").touch(mode=0o600)
        (tmp_path / "client.json").write_text(content)
    code, out, err = types(f"{command} --client client.json")
    assert (code, out) == (2, "")
    sentence, hint = err.splitlines()
    assert sentence.startswith("qcqueue: client.json ")
    assert said in sentence
    assert "console" in hint
    assert CANARY not in err
    assert ada.emulator.log == []
    assert not kept(tmp_path).exists()


@pytest.mark.parametrize("command", ["login", "colab-token"])
def test_without_the_libraries_of_drive_the_command_says_what_to_install(
    command: str, ada: Desk, types: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("oauth", "browser", "device"):
        monkeypatch.delitem(sys.modules, f"qcqueue.stores.drive.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "httplib2", None)
    client_file(tmp_path, ada.tv)
    code, _, err = types(f"{command} --client client.json")
    assert code == 2
    assert err.splitlines() == [
        "qcqueue: Google Drive needs httplib2, which is not installed",
        'next: pip install "qcqueue[drive]"',
    ]


@pytest.mark.parametrize("elsewhere", ["https://127.0.0.1:1/", "http://thief.example:80/", "here"])
def test_nobody_signs_in_at_a_place_that_is_not_this_machine(
    elsewhere: str, ada: Desk, types: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCQUEUE_DRIVE_ENDPOINT", elsewhere)
    client_file(tmp_path, ada.client)
    code, _, err = types("login --client client.json")
    assert code == 2
    assert "QCQUEUE_DRIVE_ENDPOINT" in err
