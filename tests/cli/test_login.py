"""`qcqueue login` as a guide: from nothing to a sign-in, whatever is missing, and how it goes on after each step.

Whatever happens, no secret is said or logged: that is looked for after every test.
"""

import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qcqueue.cli.main import run
from qcqueue.stores.drive.client import OAuthClient
from qcqueue.stores.drive.console import AUDIENCE, CLIENTS, DRIVE_API, PAGES
from qcqueue.stores.drive.token import TOKEN_FILE, parse_token, read_token
from tests.stores_drive.people import Browser, Desk, agree, client_file, desk, ours
from tests.support.drive.accounts import CANARY, App
from tests.support.drive.faults import DriveFault

Types = Callable[..., tuple[str, str]]
DAY_S = 24 * 3600


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Ada at a laptop that was never used, before an emulator and a clock that stand in for Google and for time."""
    (tmp_path / "Downloads").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    for name in ("QCQUEUE_TOKEN", "QCQUEUE_STORE"):
        monkeypatch.delenv(name, raising=False)
    with desk() as found:
        monkeypatch.setenv("QCQUEUE_DRIVE_ENDPOINT", f"{found.url}/")
        monkeypatch.setattr("qcqueue.clock.SystemClock", lambda: found.clock)
        yield found


@pytest.fixture
def types(ada: Desk, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Types]:
    """Type a command; return what it says on stdout and stderr."""
    caplog.set_level(logging.DEBUG)

    def ask(typed: str, *, code: int = 0) -> tuple[str, str]:
        found = run(typed.split())
        out, err = capfd.readouterr()
        assert found == code, out + err
        assert CANARY not in err + ("" if typed.startswith("colab-token") else out)
        return out, err

    yield ask
    assert CANARY not in caplog.text


@pytest.fixture
def browser(ada: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    found = Browser(ada.clock, agree)
    monkeypatch.setattr("webbrowser.open", found.open)
    yield found
    found.close()


def download(folder: Path, client: OAuthClient, *, age_s: float = 0, kind: str = "installed") -> Path:
    """Let the console download the file of a client."""
    path = client_file(folder / "Downloads", client, name=f"client_secret_{client.client_id}.json", kind=kind)
    os.utime(path, (1_700_000_000 - age_s,) * 2)
    return path


def agreeing(ada: Desk, *, after_s: float = 7) -> None:
    """Ada types the code on her phone after a while, and agrees."""
    signing_in = ada.emulator.signing_in
    ada.clock.after(after_s, lambda: signing_in.approve(list(signing_in.devices.values())[-1].user_code, ada.ada))


def kept(folder: Path) -> Path:
    return folder / "config" / "qcqueue" / TOKEN_FILE


def sign_in(ada: Desk, types: Types, folder: Path) -> Path:
    """Sign in with a client of a TV; return its file."""
    path = download(folder, ada.tv)
    agreeing(ada)
    types("login")
    return path


# From nothing


def test_from_nothing_it_names_the_pages_in_their_order_and_ends_as_not_signed_in(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    out, err = types("login", code=4)
    assert out == ""
    assert re.findall(r"^\d\. .*?: (https://\S+)$", err, re.MULTILINE) == [page.url for page in PAGES]
    for page in PAGES:
        assert " > ".join(page.words) in err
    assert err.splitlines()[-3:] == [
        "5. Sign in with it: qcqueue login",
        f"qcqueue: {tmp_path}/Downloads holds no client_secret*.json yet",
        "next: qcqueue login, once it does; or with --client FILE",
    ]
    assert ada.emulator.log == []
    assert not kept(tmp_path).exists()


def test_without_a_downloads_folder_it_says_the_same(ada: Desk, types: Types, tmp_path: Path) -> None:
    (tmp_path / "Downloads").rmdir()
    assert f"{tmp_path}/Downloads holds no client_secret*.json yet" in types("login", code=4)[1]


@pytest.mark.parametrize("written", ["$HOME/Scaricati", "{}/Scaricati"])
def test_the_folder_that_the_desktop_names_is_the_one(written: str, ada: Desk, types: Types, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    line = f'XDG_DESKTOP_DIR="$HOME/Scrivania"\nXDG_DOWNLOAD_DIR="{written.format(tmp_path)}"\n'
    (tmp_path / "config" / "user-dirs.dirs").write_text(line)
    assert f"{tmp_path}/Scaricati holds no client_secret*.json yet" in types("login", code=4)[1]


@pytest.mark.parametrize("written", ["$HOME/", "$HOME", ""])
def test_a_downloads_folder_that_is_switched_off_is_none(written: str, ada: Desk, types: Types, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="{written}"\n')
    assert f"{tmp_path}/Downloads holds no client_secret*.json yet" in types("login", code=4)[1]


# With a client in the downloads folder


def test_a_client_of_a_tv_signs_in_by_a_code(ada: Desk, types: Types, tmp_path: Path) -> None:
    path = download(tmp_path, ada.tv)
    agreeing(ada)
    out, err = types("login")
    assert out.splitlines() == [
        "signed in as ada@example.com; qcqueue sees only the files it makes",
        f"written: {kept(tmp_path)}",
        "next: qcqueue init --store gdrive:new",
    ]
    said, asked = err.splitlines()
    assert said == f"the client is {path}"
    assert re.fullmatch(rf"open {ada.url}/device and type \S+ within 30 min 00 s", asked)
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600


def test_a_client_of_a_desktop_app_signs_in_by_the_browser(
    ada: Desk, types: Types, browser: Browser, tmp_path: Path
) -> None:
    download(tmp_path, ada.client)
    out, err = types("login")
    assert out.startswith("signed in as ada@example.com")
    assert f"{ada.url}/auth?" in err
    assert len(browser.seen) == 1


def test_of_several_clients_of_one_project_the_newest_is_taken_and_named(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    download(tmp_path, ada.client, age_s=60)
    path = download(tmp_path, ada.tv)
    agreeing(ada)
    assert types("login")[1].startswith(f"the client is {path}\n")


def test_of_clients_of_several_projects_none_is_taken(ada: Desk, types: Types, tmp_path: Path) -> None:
    other = ours(ada.emulator.new_client(App(name="mail", number=987654321098), is_tv=True))
    paths = [download(tmp_path, ada.tv), download(tmp_path, other, age_s=60)]
    _, err = types("login", code=4)
    assert err.splitlines() == [
        f"qcqueue: {tmp_path}/Downloads holds clients of 2 Cloud projects",
        f"next: qcqueue login --client {paths[0]}; or qcqueue login --client {paths[1]}",
    ]
    assert ada.emulator.log == []
    agreeing(ada)
    assert types(f"login --client {paths[0]}")[0].startswith("signed in as ada@example.com")


def test_what_is_no_client_is_passed_over(ada: Desk, types: Types, tmp_path: Path) -> None:
    path = download(tmp_path, ada.tv, age_s=60)
    folder = tmp_path / "Downloads"
    os.mkfifo(folder / "client_secret_pipe.json")
    (folder / "client_secret_link.json").symlink_to(path)
    (folder / "client_secret_folder.json").mkdir()
    (folder / "client_secret_zero.json").touch()
    with (folder / "client_secret_vast.json").open("wb") as vast:
        vast.truncate(1 << 40)
    (folder / "client_secret_latin.json").write_bytes(b"\xff\xfe\xfa")
    (folder / "client_secret_deep.json").write_text("[" * 10_000)
    download(tmp_path, OAuthClient(client_id="1-web.apps.example", client_secret="x"), kind="web")
    agreeing(ada)
    out, err = types("login")
    assert out.startswith("signed in as ada@example.com")
    assert len(re.findall("^passed over: ", err, re.MULTILINE)) == 5
    assert "is the client of a web server" in err


def test_the_client_of_a_web_server_alone_is_told_with_the_page_to_make_another(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    download(tmp_path, ada.tv, kind="web")
    sentence, hint = types("login", code=2)[1].splitlines()
    assert "web server; qcqueue needs one of another type" in sentence
    assert CLIENTS.url in hint
    assert "TVs and Limited Input devices" in hint


def test_a_client_that_google_does_not_know_is_told_with_the_page_to_make_another(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    download(tmp_path, OAuthClient(client_id="1-gone.apps.example", client_secret="x"))
    *_, sentence, hint = types("login", code=4)[1].splitlines()
    assert "does not know this client, or it is of another type" in sentence
    assert CLIENTS.url in hint
    assert not kept(tmp_path).exists()


# What does not succeed, and what was still missing


def test_a_refused_a_late_and_a_hasty_sign_in(ada: Desk, types: Types, tmp_path: Path) -> None:
    download(tmp_path, ada.tv)
    signing_in = ada.emulator.signing_in
    ada.clock.after(7, lambda: signing_in.deny(next(iter(signing_in.devices.values())).user_code))
    *_, sentence, hint = types("login", code=4)[1].splitlines()
    assert sentence == "qcqueue: the sign-in was refused"
    assert AUDIENCE.url in hint
    *_, sentence, hint = types("login", code=4)[1].splitlines()
    assert sentence == "qcqueue: nobody typed the code in time"
    assert AUDIENCE.url in hint
    assert not kept(tmp_path).exists()
    ada.emulator.faults.script(DriveFault.SERVER_ERROR, operation="oauth.token")
    agreeing(ada)
    assert types("login")[0].startswith("signed in as ada@example.com")


def test_offline_nothing_is_lost_and_it_says_so(
    ada: Desk, types: Types, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(ada, types, tmp_path)
    before = kept(tmp_path).read_text()
    monkeypatch.setenv("QCQUEUE_DRIVE_ENDPOINT", "http://127.0.0.1:9/")
    kept(tmp_path).write_text(before.replace(ada.url, "http://127.0.0.1:9"))
    sentence, hint = types("login", code=4)[1].splitlines()
    assert sentence == "qcqueue: Google does not answer"
    assert "online" in hint
    assert kept(tmp_path).read_text().count("refresh_token") == 1


def test_a_drive_that_is_away_costs_a_sign_in_the_name_of_its_account_alone(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    ada.emulator.faults.script(DriveFault.SERVER_ERROR, operation="about.get", times=20)
    sign_in(ada, types, tmp_path)
    out, _ = types("login")
    assert out.startswith(f"signed in already, by {kept(tmp_path)}")


def test_an_api_that_is_not_switched_on_is_named_with_its_page_and_the_same_command_goes_on(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    ada.app.api_enabled = False
    download(tmp_path, ada.tv)
    agreeing(ada)
    out, err = types("login", code=4)
    assert f"written: {kept(tmp_path)}" in out
    for _ in range(2):
        *_, sentence, hint = err.splitlines()
        assert sentence == "qcqueue: the Drive API is not switched on in the Cloud project of this client"
        assert DRIVE_API.url in hint
        _, err = types("login", code=4)
    ada.app.api_enabled = True
    out, err = types("login")
    assert (out.splitlines(), err) == (
        [f"signed in already as ada@example.com, by {kept(tmp_path)}", "next: qcqueue init --store gdrive:new"],
        "",
    )
    assert len(ada.emulator._accounts.grants) == 1


def test_an_app_in_testing_is_told_with_its_page_and_the_same_command_signs_in_for_good(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    ada.app.testing = True
    path = download(tmp_path, ada.tv)
    agreeing(ada)
    assert AUDIENCE.url in types("login")[1]
    ada.app.testing = False
    path.unlink()
    agreeing(ada)
    out, err = types("login")
    assert "Google ends it in 7 days" in err.splitlines()[0]
    assert out.startswith("signed in as ada@example.com")
    assert read_token(kept(tmp_path), endpoint=ada.url).expires_at_s is None
    assert types("login")[0].startswith("signed in already")


@pytest.mark.parametrize("why", ["taken back", "dead after a week"])
def test_a_sign_in_that_is_over_is_made_anew_with_its_own_client(
    why: str, ada: Desk, types: Types, tmp_path: Path
) -> None:
    ada.app.testing = why == "dead after a week"
    sign_in(ada, types, tmp_path).unlink()
    if ada.app.testing:
        ada.clock.sleep(8 * DAY_S)
        ada.emulator.time.advance(0)
    else:
        ada.emulator.revoke(ada.app, ada.ada)
    agreeing(ada)
    out, err = types("login")
    assert "Google does not accept this sign-in any more" in err
    assert ("it is 8 days old, and while an app is in Testing each lives 7 days" in err) == ada.app.testing
    assert out.startswith("signed in as ada@example.com")


def test_where_the_client_was_deleted_the_one_in_the_downloads_folder_is_taken(
    ada: Desk, types: Types, tmp_path: Path
) -> None:
    sign_in(ada, types, tmp_path).unlink()
    ada.emulator.delete_client(ada.tv.client_id)
    *_, hint = types("login", code=4)[1].splitlines()
    assert hint == "next: qcqueue login, once it does; or with --client FILE"
    download(tmp_path, ours(ada.emulator.new_client(ada.app, is_tv=True)))
    agreeing(ada)
    assert types("login")[0].startswith("signed in as ada@example.com")


def test_somebody_else_signs_in_with_the_client_that_is_here(
    ada: Desk, types: Types, browser: Browser, tmp_path: Path
) -> None:
    download(tmp_path, ada.client).rename(tmp_path / "client.json")
    types("login --client client.json")
    ada.emulator.user("bob@example.com")
    browser.act = lambda url: agree(url, login_hint="bob@example.com")
    assert types("login")[0].startswith("signed in already as ada@example.com")
    assert types("login --again")[0].startswith("signed in as bob@example.com")


def test_a_kept_file_that_holds_no_sign_in_is_said_and_replaced(ada: Desk, types: Types, tmp_path: Path) -> None:
    kept(tmp_path).parent.mkdir(parents=True)
    kept(tmp_path).write_text("{}")
    download(tmp_path, ada.tv)
    agreeing(ada)
    out, err = types("login")
    assert f"{kept(tmp_path)}: 'client_id' is missing" in err
    assert out.startswith("signed in as ada@example.com")


# For Colab, from the same client


def test_a_token_for_colab_is_made_with_the_client_of_this_machine(ada: Desk, types: Types, tmp_path: Path) -> None:
    sign_in(ada, types, tmp_path).unlink()
    agreeing(ada)
    out, _ = types("colab-token")
    token = parse_token(out, source="QCQUEUE_TOKEN", endpoint=ada.url)
    here = read_token(kept(tmp_path), endpoint=ada.url)
    assert (token.client_id, token.account) == (here.client_id, "ada@example.com")
    assert token.refresh_token != here.refresh_token


@pytest.mark.parametrize("command", ["colab-token", "notebook --with-client --store gdrive:1AbCdEfGhIj"])
def test_a_client_of_a_desktop_app_cannot_sign_in_on_colab_and_that_is_said_here(
    command: str, ada: Desk, types: Types, browser: Browser, tmp_path: Path
) -> None:
    download(tmp_path, ada.client)
    types("login")
    sentence, hint = types(command, code=4)[1].splitlines()
    assert "of another type than this sign-in needs" in sentence
    assert CLIENTS.url in hint
    assert hint.endswith(f" {command.split()[0]} --client FILE")
    assert not (tmp_path / "colab_worker.ipynb").exists()


def test_only_a_notebook_that_is_asked_to_holds_the_client(ada: Desk, types: Types, tmp_path: Path) -> None:
    sign_in(ada, types, tmp_path)
    notebook = tmp_path / "colab_worker.ipynb"
    types("notebook --store gdrive:1AbCdEfGhIj")
    assert CANARY not in notebook.read_text()
    out, _ = types("notebook --store gdrive:1AbCdEfGhIj --with-client")
    assert "the notebook holds your client's secret, so share it with nobody" in out
    written = notebook.read_text()
    notebook.unlink()  # before the suite looks for secrets in all that it wrote
    assert ada.tv.client_secret in written
    assert read_token(kept(tmp_path), endpoint=ada.url).refresh_token not in written


def test_a_notebook_with_the_client_can_be_written_offline(ada: Desk, types: Types, tmp_path: Path) -> None:
    sign_in(ada, types, tmp_path)
    ada.emulator.faults.script(DriveFault.DROP_BEFORE, operation="oauth.device")
    types("notebook --store gdrive:1AbCdEfGhIj --with-client")
    (tmp_path / "colab_worker.ipynb").unlink()


def test_who_is_signed_in_nowhere_gets_no_notebook_with_a_client(ada: Desk, types: Types) -> None:
    sentence, hint = types("notebook --store gdrive:1AbCdEfGhIj --with-client", code=4)[1].splitlines()
    assert "nobody is signed in" in sentence
    assert hint == "next: qcqueue login"
