"""How a sign-in stands with Google is asked of Google, and told without a secret."""

import json
from dataclasses import replace

import pytest

from qcqueue.errors import StoreBusy
from qcqueue.stores.drive.token import FILE_SCOPE, Token, parse_token
from qcqueue.stores.drive.token_status import TokenStatus, standing_of
from tests.stores_drive.people import Desk, desk
from tests.support.drive.accounts import CANARY
from tests.support.drive.faults import DriveFault

WEEK_S = 7 * 24 * 3600


def token_at(here: Desk, *scopes: str) -> Token:
    stored = here.emulator.sign_in("laptop", here.ada, here.app, *scopes).stored(here.url)
    return parse_token(json.dumps(stored | {"scopes": [FILE_SCOPE]}), source="the test", endpoint=here.url)


def standing(here: Desk, token: Token) -> TokenStatus:
    return standing_of(token, endpoint=here.url, now_s=here.clock.now_s())


def test_a_good_sign_in_is_good_for_its_scopes_and_without_an_end() -> None:
    with desk() as here:
        assert standing(here, token_at(here)) == TokenStatus(refusal=None, scopes=(FILE_SCOPE,), ends_at_s=None)


def test_a_sign_in_that_allows_something_else_says_what() -> None:
    with desk() as here:
        appdata = "https://www.googleapis.com/auth/drive.appdata"
        assert standing(here, token_at(here, appdata)).scopes == (appdata,)


def test_a_sign_in_of_an_app_in_testing_says_when_it_ends() -> None:
    with desk() as here:
        here.app.testing = True
        token, ends_at_s = token_at(here), here.clock.now_s() + WEEK_S
        here.clock.sleep(WEEK_S / 2)
        assert standing(here, token).ends_at_s == ends_at_s
        here.clock.sleep(WEEK_S / 2)
        assert standing(here, token).is_over


def test_a_client_that_is_gone_is_another_thing_than_a_sign_in_that_is_over() -> None:
    with desk() as here:
        found = standing(here, replace(token_at(here), client_id="gone"))
        assert (found.refusal, found.is_over) == ("invalid_client", False)


def test_a_google_that_is_away_says_nothing_of_the_sign_in() -> None:
    with desk() as here:
        token = token_at(here)
        here.emulator.faults.script(DriveFault.SERVER_ERROR, operation="oauth.token")
        with pytest.raises(StoreBusy) as caught:
            standing(here, token)
        assert CANARY not in f"{caught.value} {caught.value.hint}"
