"""What an answer of Drive's, or its absence, means: ours as an error, and whether asking again can change it.

Decided by status and by the reason Google documents, never by a message. What the libraries below raise while files are
asked for becomes ours here; what signing in meets, `oauth` judges. Nothing of a request or an address is quoted,
because both can be secrets.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException

import httplib2
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from qcqueue.errors import (
    OutcomeUnknown,
    SignInFailed,
    StoreAway,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
)
from qcqueue.stores.drive.console import ENABLE
from qcqueue.stores.drive.token import SIGN_IN_AGAIN

MAKE_ROOM = (
    "make room at https://drive.google.com/settings/storage, and empty the bin; what waits is saved by itself then"
)
TOO_LITTLE = "this sign-in does not allow what qcqueue needs, the scope drive.file"
LATER = "try again in a minute"
CERTIFICATES = "check the date of this machine, and whether a proxy stands between it and Google"
LOOK = "look into the bin at https://drive.google.com/drive/trash, or sign in with the account that made the queue"

RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
FULL_REASONS = {"storageQuotaExceeded", "quotaExceeded", "teamDriveFileLimitExceeded"}
DENIED = {
    "accessNotConfigured": (
        "the Drive API is not switched on in the Cloud project of this client",
        ENABLE,
    ),
    "insufficientPermissions": (TOO_LITTLE, SIGN_IN_AGAIN),
    "insufficientScopes": (TOO_LITTLE, SIGN_IN_AGAIN),
    "dailyLimitExceeded": ("the Cloud project has used up its requests of the day", "try again tomorrow"),
    "numChildrenInNonRootLimitExceeded": ("the folder holds as many files as Drive allows", "qcqueue doctor"),
}

# Google asks for seconds; a longer wish, or one in another form, is met by the pauses that grow anyway.
LONGEST_WISH_S = 120.0


class ErrorAnswer(Exception):
    """An answer that is no success. It is ours, because the libraries' own quotes the address and the body."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.content = content


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAdvice:
    """error: what to raise in the end. again: whether the same request may fare better; after_s: not before then.

    unknown: the request may have been carried out all the same. status: Drive's, 0 where there was no answer.
    """

    error: StoreError
    again: bool = False
    after_s: float = 0.0
    unknown: bool = False
    status: int = 0


def verdict_on(exc: Exception) -> RetryAdvice | None:
    """Return what an exception of the libraries means, None where it is none of theirs."""
    match exc:
        case ErrorAnswer():
            return verdict_on_answer(exc.status, exc.headers, exc.content)
        case RefreshError():
            return _verdict_on_refresh(exc)
        case TransportError():  # around what went wrong on the way to the sign-in
            cause = exc.args[0] if exc.args else None
            return _away() if isinstance(cause, httplib2.ServerNotFoundError) else _sign_in_is_busy()
        case GoogleAuthError():
            return _not_accepted()
        case httplib2.ServerNotFoundError():
            return _away()
        case ssl.SSLCertVerificationError():
            error = StoreAway("this machine does not trust the connection to Google Drive", hint=CERTIFICATES)
            return RetryAdvice(error=error, unknown=_was_sent_before(exc))
        case ConnectionRefusedError():
            return _away(unknown=_was_sent_before(exc))
        case TimeoutError() | ConnectionError() | ssl.SSLError() | HTTPException() | httplib2.HttpLib2Error():
            return _no_answer("Google Drive did not answer")
        case ValueError():
            return _no_answer("Google Drive gave an answer that this qcqueue does not understand")
        case OSError():
            return _away(unknown=_was_sent_before(exc))
    return None


def verdict_on_answer(status: int, headers: Mapping[str, str], content: bytes) -> RetryAdvice:
    """Return what an answer means that is no success."""
    reason = reason_in(content)
    why = f"{status} {reason or 'no reason given'}"
    if status == 401:
        return RetryAdvice(error=_not_accepted().error, again=True, status=status)
    if status == 403 and reason in FULL_REASONS:
        return RetryAdvice(error=StoreFull("Drive is full", hint=MAKE_ROOM), status=status)
    if status in (408, 429) or status >= 500 or (status == 403 and reason in RATE_REASONS):
        busy = StoreBusy("Google Drive is busy", hint=LATER)
        return RetryAdvice(error=busy, again=True, after_s=_wish_s(headers), unknown=True, status=status)
    if status == 403:
        sentence, hint = DENIED.get(reason, (f"Google Drive refuses access ({why})", "qcqueue doctor"))
        return RetryAdvice(error=StoreDenied(sentence, hint=hint), status=status)
    if status == 404:
        missing = StoreMissing("Google Drive shows this sign-in no such file or folder", hint=LOOK)
        return RetryAdvice(error=missing, status=status)
    return RetryAdvice(
        error=StoreError(f"Google Drive refuses a request ({why})", hint="qcqueue doctor"), status=status
    )


def told(error: StoreError, *, unknown: bool) -> StoreError:
    """Return what to raise in the end: a refusal says nothing of the tries before it that got no answer."""
    if unknown and not isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(f"{error}, and may have done what it was asked", hint=error.hint)
    return error


def reason_in(content: bytes) -> str:
    """Return Google's word for why, "" where the answer holds none: it may be HTML, or cut, or from a proxy."""
    try:
        error = json.loads(content)["error"]
        reason = error["errors"][0]["reason"] if isinstance(error, dict) else error
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""
    return reason if isinstance(reason, str) and reason.isidentifier() and len(reason) <= 60 else ""


def _verdict_on_refresh(exc: RefreshError) -> RetryAdvice:
    """Tell a sign-in that Google refuses, which it says in JSON, from an answer that came from elsewhere.

    google-auth calls a 502 or 504 in HTML final, as it does with everything but four statuses.
    """
    is_plain_text = type(exc) is RefreshError and len(exc.args) == 1
    return _sign_in_is_busy() if exc.retryable or is_plain_text else _not_accepted()


def _not_accepted() -> RetryAdvice:
    return RetryAdvice(error=SignInFailed("Google does not accept this sign-in any more", hint=SIGN_IN_AGAIN))


def _sign_in_is_busy() -> RetryAdvice:
    return RetryAdvice(error=StoreBusy("Google's sign-in is busy", hint=LATER), again=True)


def _away(*, unknown: bool = False) -> RetryAdvice:
    error = StoreAway("Google Drive cannot be reached from this machine", hint="check its connection, then try again")
    return RetryAdvice(error=error, again=True, unknown=unknown)


def _no_answer(sentence: str) -> RetryAdvice:
    return RetryAdvice(error=OutcomeUnknown(sentence, hint=LATER), again=True, unknown=True)


def _was_sent_before(exc: Exception) -> bool:
    """Whether httplib2 was connecting for a second time, unasked, because the first answer had been lost."""
    return isinstance(exc.__context__, HTTPException | ConnectionError)


def _wish_s(headers: Mapping[str, str]) -> float:
    text = str(headers.get("retry-after", ""))
    return min(float(text), LONGEST_WISH_S) if text.isdecimal() else 0.0
