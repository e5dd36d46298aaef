"""What an answer of Drive's, or its absence, means: ours as an error, and whether asking again can change it.

Decided by status and by the reason Google documents, never by a message. What the libraries below raise is translated
here and nowhere else; nothing of a request or an address is quoted, because both can be secrets.
"""

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import httplib2
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from googleapiclient.errors import HttpError

from qcqueue.errors import OutcomeUnknown, SignInFailed, StoreAway, StoreBusy, StoreDenied, StoreError, StoreFull

LOGIN = "sign in again: qcqueue login --client client.json; for Colab, qcqueue colab-token --client tv.json"
MAKE_ROOM = (
    "make room at https://drive.google.com/settings/storage, and empty the bin; what waits is saved by itself then"
)
LATER = "try again in a minute"

RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
FULL_REASONS = {"storageQuotaExceeded", "quotaExceeded", "teamDriveFileLimitExceeded"}
DENIED = {
    "accessNotConfigured": (
        "the Drive API is not switched on in the Cloud project of this client",
        "enable the Google Drive API in the Google Cloud console, wait two minutes, then: qcqueue doctor",
    ),
    "insufficientPermissions": ("this sign-in does not allow what qcqueue needs, the scope drive.file", LOGIN),
    "insufficientScopes": ("this sign-in does not allow what qcqueue needs, the scope drive.file", LOGIN),
    "dailyLimitExceeded": ("the Cloud project has used up its requests of the day", "try again tomorrow"),
    "numChildrenInNonRootLimitExceeded": ("the folder holds as many files as Drive allows", "qcqueue doctor"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """error: what to raise in the end. again: whether the same request may fare better; after_s: not before then.

    unknown: the request may have been carried out all the same. status: Drive's, 0 where there was no answer.
    """

    error: StoreError
    again: bool = False
    after_s: float = 0.0
    unknown: bool = False
    status: int = 0


def verdict_on(exc: Exception) -> Verdict | None:
    """Return what a library's exception means, None where it is none of theirs."""
    match exc:
        case HttpError():
            return verdict_on_answer(int(exc.resp.status), exc.resp, exc.content)
        case RefreshError():
            if exc.retryable:
                return Verdict(error=StoreBusy("Google's sign-in is busy", hint=LATER), again=True)
            return Verdict(error=SignInFailed("Google does not accept this sign-in any more", hint=LOGIN))
        case TransportError() | httplib2.ServerNotFoundError():
            return _away()
        case GoogleAuthError():
            return Verdict(error=SignInFailed("Google does not accept this sign-in", hint=LOGIN))
        case ConnectionRefusedError():
            return _away()
        case TimeoutError() | ConnectionError() | HTTPException() | httplib2.HttpLib2Error() | ValueError():
            return _no_answer()
        case OSError():
            return _away()
    return None


def verdict_on_answer(status: int, headers: Any, content: bytes) -> Verdict:
    """Return what an answer means that is no success."""
    reason = reason_in(content)
    if status == 401:
        return Verdict(error=SignInFailed("Google does not accept this sign-in", hint=LOGIN), again=True, status=status)
    if status == 403 and reason in FULL_REASONS:
        return Verdict(error=StoreFull("Drive is full", hint=MAKE_ROOM), status=status)
    if status in (408, 429) or status >= 500 or (status == 403 and reason in RATE_REASONS):
        busy = StoreBusy("Google Drive is busy", hint=LATER)
        return Verdict(error=busy, again=True, after_s=_retry_after_s(headers), unknown=True, status=status)
    if status == 403:
        sentence, hint = DENIED.get(
            reason, (f"Google Drive refuses access ({reason or 'no reason given'})", "qcqueue doctor")
        )
        return Verdict(error=StoreDenied(sentence, hint=hint), status=status)
    return Verdict(
        error=StoreError(f"Google Drive refuses a request ({status} {reason or 'no reason given'})"), status=status
    )


def reason_in(content: bytes) -> str:
    """Return Google's word for why, "" where the answer holds none: it may be HTML, or cut, or from a proxy."""
    try:
        error = json.loads(content)["error"]
        reason = error["errors"][0]["reason"] if isinstance(error, dict) else error
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return reason if isinstance(reason, str) and reason.isidentifier() and len(reason) <= 60 else ""


def _away() -> Verdict:
    error = StoreAway("Google Drive cannot be reached from this machine", hint="check its connection, then try again")
    return Verdict(error=error, again=True)


def _no_answer() -> Verdict:
    return Verdict(error=OutcomeUnknown("Google Drive did not answer", hint=LATER), again=True, unknown=True)


def _retry_after_s(headers: Any) -> float:
    text = str(headers.get("retry-after", ""))
    return min(float(text), 120.0) if text.isdecimal() else 0.0
