"""Signing in to the emulator over real HTTP, by browser and by code, and every way in which that does not succeed.

Whatever happens, no secret is said, logged or left in an error: that is looked for after every test.
"""

import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from qcqueue.errors import ClientRefused, QcqueueError, SettingInvalid, SignInFailed, StoreBusy
from qcqueue.stores.drive.browser import PATIENCE_S, sign_in_by_browser
from qcqueue.stores.drive.client import OAuthClient, parse_client, read_client
from qcqueue.stores.drive.device import DevicePrompt, DeviceSignIn
from qcqueue.stores.drive.oauth import google_at, post, refusal
from qcqueue.stores.drive.token import FILE_SCOPE, GOOGLE_TOKEN_URI, Token
from tests.stores_drive.people import Browser, Desk, agree, answer, asked_by, client_file, desk, refuse
from tests.support.drive.accounts import CANARY, Grant
from tests.support.drive.client import Connection
from tests.support.drive.faults import DriveFault

APPDATA = "https://www.googleapis.com/auth/drive.appdata"


@pytest.fixture
def ada() -> Iterator[Desk]:
    with desk() as found:
        yield found


@pytest.fixture(autouse=True)
def _no_secret_is_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    out, err = capfd.readouterr()
    assert CANARY not in caplog.text + out + err


def by_browser(
    ada: Desk, act: Callable[[str], str] = agree, client: OAuthClient | None = None
) -> tuple[Token, Browser]:
    """Sign in with a browser whose person does what `act` says; return the token, and the browser that was used."""
    browser, said = Browser(ada.clock, act), list[str]()
    try:
        token = sign_in_by_browser(
            client or ada.client, endpoint=ada.url, open_browser=browser.open, narrate=said.append, clock=ada.clock
        )
    finally:
        browser.close()
    return token, browser


def by_code(ada: Desk, act: Callable[[DevicePrompt], None] = lambda prompt: None) -> Token:
    """Sign in by a code; `act` arranges what the person will do with it."""
    device = DeviceSignIn(ada.tv, endpoint=ada.url, clock=ada.clock)
    prompt = device.begin()
    act(prompt)
    return device.wait(prompt)


def agreeing(ada: Desk, *scopes: str, after_s: float = 12) -> Callable[[DevicePrompt], None]:
    signing_in = ada.emulator.signing_in
    return lambda prompt: ada.clock.after(after_s, lambda: signing_in.approve(prompt.code, ada.ada, *scopes))


def refused(action: Callable[[], object], kind: type[QcqueueError] = SignInFailed) -> QcqueueError:
    """Return the error of what must fail, whose whole story holds no secret."""
    with pytest.raises(kind) as caught:
        action()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert CANARY not in told
    assert caught.value.hint
    return caught.value


def grants(ada: Desk) -> list[Grant]:
    return list(ada.emulator._accounts.grants.values())


# By browser


def test_a_person_who_agrees_in_the_browser_is_signed_in(ada: Desk) -> None:
    token, browser = by_browser(ada)
    assert (token.account, token.scopes, token.token_uri) == ("ada@example.com", (FILE_SCOPE,), f"{ada.url}/token")
    assert token.granted_at_s == ada.clock.now_s()
    assert token.refresh_token == grants(ada)[0].refresh_token
    assert "close this page" in browser.seen[0]


def test_a_sign_in_opens_the_drive_of_its_person(ada: Desk) -> None:
    token, _ = by_browser(ada)
    stored = grants(ada)[0].stored(ada.url) | {"refresh_token": token.refresh_token}
    with Connection(ada.url, stored) as laptop:
        assert laptop.service.about().get().execute()["user"]["emailAddress"] == "ada@example.com"


def test_the_browser_is_asked_for_the_files_of_qcqueue_and_nothing_else(ada: Desk) -> None:
    said = list[str]()
    browser = Browser(ada.clock, agree)
    sign_in_by_browser(ada.client, endpoint=ada.url, open_browser=browser.open, narrate=said.append, clock=ada.clock)
    browser.close()
    asked = asked_by(said[0].splitlines()[1])
    assert (asked["scope"], asked["code_challenge_method"], asked["response_type"]) == (FILE_SCOPE, "S256", "code")
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert grants(ada)[0].scopes == {FILE_SCOPE}


def test_without_a_browser_the_address_that_was_said_is_enough(ada: Desk) -> None:
    browser = Browser(ada.clock, agree)

    def tell(text: str) -> None:
        browser.open(text.splitlines()[1])

    token = sign_in_by_browser(
        ada.client, endpoint=ada.url, open_browser=lambda url: False, narrate=tell, clock=ada.clock
    )
    browser.close()
    assert token.account == "ada@example.com"


def test_a_browser_that_only_comes_back_with_its_answer_is_answered(ada: Desk) -> None:
    """As those of a terminal do: w3m, lynx, or what BROWSER names."""
    token = sign_in_by_browser(
        ada.client,
        endpoint=ada.url,
        open_browser=lambda url: bool(agree(url)),
        narrate=lambda text: None,
        clock=ada.clock,
    )
    assert token.account == "ada@example.com"


@pytest.mark.parametrize("does", ["never comes back", "cannot be opened", "says that there is none"])
def test_whatever_the_browser_does_the_address_is_enough_and_the_limit_holds(does: str, ada: Desk) -> None:
    closed = threading.Event()

    def open_browser(url: str) -> bool:
        if does == "cannot be opened":
            raise OSError("no display")
        return does == "never comes back" and closed.wait(60)

    def sign_in(tell: Callable[[str], None]) -> Token:
        return sign_in_by_browser(
            ada.client, endpoint=ada.url, open_browser=open_browser, narrate=tell, clock=ada.clock
        )

    elsewhere = Browser(ada.clock, agree)

    def tell(text: str) -> None:
        elsewhere.open(text.splitlines()[1])

    assert sign_in(tell).account == "ada@example.com"
    elsewhere.close()
    later = threading.Timer(0.5, ada.clock.sleep, [PATIENCE_S])
    assert "five minutes" in str(refused(lambda: sign_in(lambda text: later.start())))
    closed.set()
    later.join()


def test_a_code_is_worth_nothing_without_the_verifier(ada: Desk) -> None:
    stolen = "A" * 43
    error = refused(lambda: by_browser(ada, lambda url: agree(url, code_challenge=stolen)))
    assert "invalid_grant" in str(error)


def test_an_answer_to_another_question_is_turned_away_and_the_true_one_taken(ada: Desk) -> None:
    turned_away = []

    def be_tricked_first(url: str) -> str:
        turned_away.append(answer(url, state="guessed", code="4/0Aof-somebody-else")[0])
        turned_away.append(answer(url, code="4/0Aof-somebody-else")[0])
        turned_away.append(answer(url, state="guessed", error="access_denied")[0])
        return agree(url)

    token, _ = by_browser(ada, be_tricked_first)
    assert (token.account, turned_away) == ("ada@example.com", [400, 400, 400])


def test_an_answer_to_another_question_alone_signs_nobody_in(ada: Desk) -> None:
    def be_tricked(url: str) -> str:
        page = answer(url, state="guessed", code="4/0Aof-somebody-else")[1]
        ada.clock.sleep(300)
        return page

    assert "five minutes" in str(refused(lambda: by_browser(ada, be_tricked)))


def test_a_person_who_refuses_in_the_browser_is_told_so_in_both_places(ada: Desk) -> None:
    pages = []

    def say_no(url: str) -> str:
        pages.append(refuse(url))
        return pages[0]

    error = refused(lambda: by_browser(ada, say_no))
    assert str(error) == "the sign-in was refused"
    assert "not signed in" in pages[0]


def test_a_person_who_closes_the_browser_is_not_waited_for_for_ever(ada: Desk) -> None:
    def close(url: str) -> str:
        ada.clock.sleep(300)
        return "closed"

    assert "five minutes" in str(refused(lambda: by_browser(ada, close)))


def test_a_person_who_unticks_the_box_is_told_what_is_missing(ada: Desk) -> None:
    error = refused(lambda: by_browser(ada, lambda url: agree(url, scope="openid")))
    assert "not allowed to use its files" in str(error)
    assert "ticked" in str(error.hint)


def test_a_connection_the_browser_never_uses_holds_nobody_up(ada: Desk) -> None:
    idle = []

    def connect_ahead(url: str) -> str:
        where = urlsplit(asked_by(url)["redirect_uri"])
        idle.append(socket.create_connection((where.hostname, where.port)))
        return agree(url)

    token, _ = by_browser(ada, connect_ahead)
    idle[0].close()
    assert token.account == "ada@example.com"


def test_a_google_that_is_away_can_be_asked_again(ada: Desk) -> None:
    for fault in (DriveFault.SERVER_ERROR, DriveFault.SERVER_ERROR_HTML, DriveFault.TOO_MANY):
        ada.emulator.faults.script(fault, operation="oauth.token")
        refused(lambda: by_browser(ada), StoreBusy)


def test_a_drive_that_is_away_costs_the_name_of_the_account_only(ada: Desk) -> None:
    ada.emulator.faults.script(DriveFault.SERVER_ERROR, operation="about.get")
    token, _ = by_browser(ada)
    assert (token.account, token.scopes) == (None, (FILE_SCOPE,))


def test_a_client_google_does_not_know_is_told_apart(ada: Desk) -> None:
    forgotten = OAuthClient(client_id=ada.client.client_id, client_secret=f"old-{CANARY}")
    error = refused(lambda: by_browser(ada, client=forgotten))
    assert "does not know this client" in str(error)
    assert "console" in str(error.hint)


def test_a_sign_in_revokes_nothing(ada: Desk) -> None:
    (first, _), (second, _) = by_browser(ada), by_browser(ada)
    assert first.refresh_token != second.refresh_token
    assert not any(grant.revoked for grant in grants(ada))
    assert {one.operation for one in ada.emulator.log} == {"oauth.consent", "oauth.token", "about.get"}


# By code


def test_a_person_who_types_the_code_is_signed_in(ada: Desk) -> None:
    token = by_code(ada, agreeing(ada))
    assert (token.account, token.scopes, token.token_uri) == ("ada@example.com", (FILE_SCOPE,), f"{ada.url}/token")
    assert token.granted_at_s == ada.clock.now_s()
    assert grants(ada)[0].scopes == {FILE_SCOPE}
    assert ada.clock.slept_s == [5, 5, 5]


def test_a_prompt_shows_the_person_what_they_need_and_no_more(ada: Desk) -> None:
    prompt = DeviceSignIn(ada.tv, endpoint=ada.url, clock=ada.clock).begin()
    assert prompt.url == f"{ada.url}/device"
    assert (prompt.expires_in_s, prompt.interval_s) == (1800, 5)
    assert prompt.code in repr(prompt)
    assert prompt.device_code not in repr(prompt)


def test_who_asks_too_often_asks_less_often(ada: Desk) -> None:
    device = DeviceSignIn(ada.tv, endpoint=ada.url, clock=ada.clock)
    prompt = device.begin()
    hasty = DevicePrompt(
        url=prompt.url, code=prompt.code, device_code=prompt.device_code, expires_in_s=1800, interval_s=1
    )
    agreeing(ada, after_s=20)(prompt)
    assert device.wait(hasty).account == "ada@example.com"
    assert ada.clock.slept_s == [1, 1, 6, 6, 6]


def test_a_google_that_is_away_for_a_while_is_asked_on(ada: Desk) -> None:
    kinds = (DriveFault.SERVER_ERROR, DriveFault.SERVER_ERROR_HTML, DriveFault.TOO_MANY, DriveFault.DROP_BEFORE)
    for kind in kinds:
        ada.emulator.faults.script(kind, operation="oauth.token")
    assert by_code(ada, agreeing(ada)).account == "ada@example.com"
    assert set(ada.emulator.faults.hits) == set(kinds)


def test_a_person_who_refuses_the_code_ends_the_wait(ada: Desk) -> None:
    signing_in = ada.emulator.signing_in
    error = refused(lambda: by_code(ada, lambda prompt: ada.clock.after(12, lambda: signing_in.deny(prompt.code))))
    assert str(error) == "the sign-in was refused"
    assert len(ada.clock.slept_s) == 3


def test_a_person_who_does_not_come_ends_the_wait_too(ada: Desk) -> None:
    assert "in time" in str(refused(lambda: by_code(ada)))
    assert sum(ada.clock.slept_s) == 1800


def test_a_code_that_google_says_has_expired_is_not_asked_about_again(ada: Desk) -> None:
    assert "in time" in str(refused(lambda: by_code(ada, lambda prompt: ada.emulator.time.advance(1800))))
    assert len(ada.clock.slept_s) == 1


def test_a_person_who_gives_the_code_too_little_is_told_what_is_missing(ada: Desk) -> None:
    error = refused(lambda: by_code(ada, agreeing(ada, APPDATA)))
    assert "not allowed to use its files" in str(error)


def test_a_client_that_may_not_sign_in_by_code_is_told_apart(ada: Desk) -> None:
    nobody = OAuthClient(client_id="nobody.apps.example", client_secret="x")
    for client in (nobody, ada.client):
        error = refused(DeviceSignIn(client, endpoint=ada.url, clock=ada.clock).begin, ClientRefused)
        assert "another type" in str(error)
        assert "TVs" in str(error.hint)


@pytest.mark.parametrize("reason", ["invalid_client", "deleted_client", "unauthorized_client"])
def test_whatever_google_calls_it_a_client_that_it_refuses_is_told_with_the_page_to_make_one(reason: str) -> None:
    error = refusal(reason)
    assert isinstance(error, ClientRefused)
    assert "https://console.cloud.google.com/auth/clients" in str(error.hint)


def test_a_google_that_is_away_gives_no_code(ada: Desk) -> None:
    ada.emulator.faults.script(DriveFault.SERVER_ERROR, operation="oauth.device")
    device = DeviceSignIn(ada.tv, endpoint=ada.url, clock=ada.clock)
    refused(device.begin, StoreBusy)
    unheard = DeviceSignIn(ada.tv, endpoint="http://127.0.0.1:9", clock=ada.clock)
    refused(unheard.begin, StoreBusy)


def test_while_the_app_is_in_testing_every_token_says_when_its_grant_dies(ada: Desk) -> None:
    ada.app.testing = True
    by_browser(ada)
    form = grants(ada)[0].stored(ada.url) | {"grant_type": "refresh_token"}
    ada.emulator.time.advance(24 * 3600)
    words = {key: str(form[key]) for key in ("client_id", "client_secret", "refresh_token", "grant_type")}
    assert post(f"{ada.url}/token", words).found["refresh_token_expires_in"] == 6 * 24 * 3600
    ada.app.testing = False
    assert "refresh_token_expires_in" not in post(f"{ada.url}/token", words).found


# The client's file


def test_a_client_is_read_and_the_addresses_beside_it_are_not_believed(ada: Desk, tmp_path: Path) -> None:
    client = read_client(client_file(tmp_path, ada.client))
    assert client == ada.client
    assert CANARY not in repr(client)
    assert google_at(None).token == GOOGLE_TOKEN_URI


def test_the_client_of_a_web_server_is_refused_by_its_kind(ada: Desk, tmp_path: Path) -> None:
    error = refused(lambda: read_client(client_file(tmp_path, ada.client, kind="web")), SettingInvalid)
    assert "web server" in str(error)
    assert "Desktop app" in str(error.hint)


@pytest.mark.parametrize(
    "text",
    ["", "client", "[]", "{}", f'"{CANARY}"', '{"installed": 7}', '{"installed": {}}', f'{{"installed": ["{CANARY}"]}}']
    + [f'{{"installed": {{"client_id": "a", "client_secret": {secret}}}}}' for secret in (f'"{CANARY} "', "7", '""')],
)
def test_what_is_no_client_is_refused_unquoted(text: str) -> None:
    error = refused(lambda: parse_client(text, source="client.json"), SettingInvalid)
    assert str(error).startswith("client.json")


def test_a_client_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        assert str(path) in str(refused(lambda path=path: read_client(path), SettingInvalid))  # type: ignore[misc]
