"""What both ways to sign in share: whom to ask, one request, and what an answer grants to the user's own client.

Our own code rather than google-auth-oauthlib's: the library below it logs every request with its secrets, waits for
ever on a silent server, and speaks to an emulator only where a switch of the whole process allows plain HTTP.
An error of this module says what Google's reason code is, and quotes nothing else of an answer.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

import httplib2

from qcqueue.errors import ClientRefused, SignInFailed, StoreBusy
from qcqueue.stores.drive.client import OAuthClient
from qcqueue.stores.drive.console import MAKE_CLIENT, PUBLISH
from qcqueue.stores.drive.secret_json import is_word
from qcqueue.stores.drive.token import FILE_SCOPE, GOOGLE_TOKEN_URI, SIGN_IN_AGAIN, Token

TIMEOUT_S = 30.0
LONGEST_END_S = 10 * 365 * 24 * 3600
REASONS = {
    "access_denied": "the sign-in was refused",
    "expired_token": "nobody typed the code in time",
}
# Google says the same of a client that it does not know, and of one of another type than the sign-in needs.
CLIENT_REASONS = ("invalid_client", "deleted_client", "unauthorized_client")
NO_SUCH_CLIENT = "Google does not know this client, or it is of another type than this sign-in needs"
UNANSWERED = f"{SIGN_IN_AGAIN}; where Google's page says that access is blocked, first {PUBLISH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Google:
    """Where to ask. consent: the page for a browser; device: a code to type elsewhere; about: whose Drive it is."""

    consent: str
    token: str
    device: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of Google's; empty where it was no JSON object."""

    status: int
    found: Mapping[str, Any] = field(repr=False)

    @property
    def reason(self) -> str:
        """Why it is a refusal, in Google's word for it."""
        return reason_of(self.found.get("error"))


def google_at(endpoint: str | None) -> Google:
    """Return Google's addresses, or those of the emulator at `endpoint`."""
    if endpoint is None:
        return Google(
            consent="https://accounts.google.com/o/oauth2/v2/auth",
            token=GOOGLE_TOKEN_URI,
            device="https://oauth2.googleapis.com/device/code",
            about="https://www.googleapis.com/drive/v2/about",
        )
    return Google(
        consent=f"{endpoint}/auth",
        token=f"{endpoint}/token",
        device=f"{endpoint}/device/code",
        about=f"{endpoint}/drive/v2/about",
    )


def post(url: str, form: Mapping[str, str]) -> Reply:
    """Raises: StoreBusy: there was no answer, or one that asks to come again."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _ask(url, method="POST", body=urlencode(form), headers=headers)


def signed_in(reply: Reply, client: OAuthClient, google: Google, *, granted_at_s: float) -> Token:
    """Return the sign-in that Google's answer holds. Raises: SignInFailed: it is a refusal, or grants too little."""
    found = reply.found
    refresh_token, access_token, scope = (found.get(key) for key in ("refresh_token", "access_token", "scope"))
    if reply.status != 200:
        raise refusal(reply.reason)
    if not isinstance(scope, str) or FILE_SCOPE not in scope.split():
        raise SignInFailed(
            "qcqueue was not allowed to use its files in Google Drive",
            hint=f"leave the box for Google Drive ticked, and {SIGN_IN_AGAIN}",
        )
    if not is_word(refresh_token):
        raise SignInFailed("Google's answer holds no lasting sign-in", hint=SIGN_IN_AGAIN)
    return Token(
        client_id=client.client_id,
        client_secret=client.client_secret,
        refresh_token=str(refresh_token),
        token_uri=google.token,
        scopes=(FILE_SCOPE,),
        granted_at_s=granted_at_s,
        account=_account(google, access_token),
        expires_at_s=ends_at_s(reply, now_s=granted_at_s),
    )


def ends_at_s(reply: Reply, *, now_s: float) -> float | None:
    """Return when Google will end the sign-in that this answer is about, as it does for an app in Testing."""
    left_s = reply.found.get("refresh_token_expires_in")
    return now_s + left_s if isinstance(left_s, int) and 0 <= left_s < LONGEST_END_S else None


def refusal(reason: str) -> SignInFailed:
    """Return the error for Google's word for why not."""
    if reason in CLIENT_REASONS:
        return ClientRefused(NO_SUCH_CLIENT, hint=MAKE_CLIENT)
    sentence = REASONS.get(reason, f"Google did not accept the sign-in ({reason})")
    return SignInFailed(sentence, hint=UNANSWERED if reason in REASONS else SIGN_IN_AGAIN)


def reason_of(error: object) -> str:
    """Return what can only be one of Google's words, however hostile the answer."""
    return error if isinstance(error, str) and re.fullmatch("[a-z_]{1,40}", error) else "no reason given"


def _account(google: Google, access_token: object) -> str | None:
    """Return whose Drive it is, as a courtesy: a sign-in stands also where Drive does not answer."""
    if not is_word(access_token):
        return None
    try:
        reply = _ask(f"{google.about}?fields=user", headers={"Authorization": f"Bearer {access_token}"})
    except StoreBusy:
        return None
    user = reply.found.get("user")
    address = user.get("emailAddress") if isinstance(user, dict) else None
    return address if is_word(address) else None


def _ask(url: str, **request: Any) -> Reply:
    """Raises: StoreBusy: from nothing, as the errors of the libraries below may quote a request."""
    http = httplib2.Http(timeout=TIMEOUT_S)
    http.follow_redirects = False
    try:
        answer, body = http.request(url, **request)
    except (OSError, HTTPException, httplib2.HttpLib2Error):
        raise StoreBusy("Google does not answer", hint="try again when this machine is online") from None
    finally:
        http.close()
    if answer.status == 429 or answer.status >= 500:
        raise StoreBusy("Google is busy", hint="try again in a minute")
    return Reply(status=answer.status, found=_object(body))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
