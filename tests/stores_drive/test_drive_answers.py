"""What every answer means, and every way in which none comes: a table of statuses, reasons and foreign exceptions."""

import builtins
import errno
import http.client
import inspect
import json
import socket
import ssl
from collections.abc import Iterator
from types import ModuleType

import google.auth.exceptions
import httplib2
import httplib2.error
import pytest
from google.auth.exceptions import RefreshError, TransportError

from qcqueue.errors import (
    OutcomeUnknown,
    SignInFailed,
    SpecInvalid,
    StoreAway,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
)
from qcqueue.stores.drive.answers import ErrorAnswer, RetryAdvice, reason_in, verdict_on, verdict_on_answer

SECRET = "qc-secret-upload-id"


def said(reason: str, status: int = 403) -> bytes:
    error = {"domain": "global", "reason": reason, "message": f"about {SECRET}"}
    return json.dumps({"error": {"errors": [error], "code": status, "message": f"about {SECRET}"}}).encode()


HTML = b"<!DOCTYPE html>\n<title>Error 502 (Server Error)!!1</title>" + SECRET.encode()
CUT = said("userRateLimitExceeded")[:40]

# status, reason, the error in the end, whether asking again may help, whether it may have been carried out
TABLE: list[tuple[int, str, type[StoreError], bool, bool]] = [
    (400, "invalid", StoreError, False, False),
    (401, "authError", SignInFailed, True, False),
    (403, "rateLimitExceeded", StoreBusy, True, True),
    (403, "userRateLimitExceeded", StoreBusy, True, True),
    (403, "sharingRateLimitExceeded", StoreBusy, True, True),
    (403, "storageQuotaExceeded", StoreFull, False, False),
    (403, "quotaExceeded", StoreFull, False, False),
    (403, "teamDriveFileLimitExceeded", StoreFull, False, False),
    (403, "dailyLimitExceeded", StoreDenied, False, False),
    (403, "accessNotConfigured", StoreDenied, False, False),
    (403, "insufficientPermissions", StoreDenied, False, False),
    (403, "insufficientScopes", StoreDenied, False, False),
    (403, "appNotAuthorizedToFile", StoreDenied, False, False),
    (403, "insufficientFilePermissions", StoreDenied, False, False),
    (403, "fileNotDownloadable", StoreDenied, False, False),
    (403, "numChildrenInNonRootLimitExceeded", StoreDenied, False, False),
    (403, "", StoreDenied, False, False),
    (404, "notFound", StoreMissing, False, False),
    (405, "", StoreError, False, False),
    (408, "", StoreBusy, True, True),
    (409, "fileIdInUse", StoreError, False, False),
    (410, "gone", StoreError, False, False),
    (412, "conditionNotMet", StoreError, False, False),
    (413, "uploadTooLarge", StoreError, False, False),
    (416, "", StoreError, False, False),
    (429, "rateLimitExceeded", StoreBusy, True, True),
    (429, "", StoreBusy, True, True),
    (500, "backendError", StoreBusy, True, True),
    (501, "", StoreBusy, True, True),
    (502, "", StoreBusy, True, True),
    (503, "backendError", StoreBusy, True, True),
    (504, "", StoreBusy, True, True),
]


@pytest.mark.parametrize(("status", "reason", "error", "again", "unknown"), TABLE)
def test_an_answer_means_what_the_table_says(
    status: int, reason: str, error: type[StoreError], again: bool, unknown: bool
) -> None:
    verdict = verdict_on_answer(status, {}, said(reason, status) if reason else b"")
    assert (type(verdict.error), verdict.again, verdict.unknown) == (error, again, unknown)
    assert verdict.status == status
    assert_it_says_what_to_do(verdict)


@pytest.mark.parametrize("status", sorted({row[0] for row in TABLE}))
@pytest.mark.parametrize("body", [b"", HTML, CUT, b"\xff\xfe", b"null", b"[]", b"3", b'{"error": "invalid_grant"}'])
def test_a_body_that_is_not_googles_is_judged_by_its_status(status: int, body: bytes) -> None:
    verdict = verdict_on(ErrorAnswer(status, {}, body))
    assert verdict
    assert (type(verdict.error), verdict.again) in {(row[2], row[3]) for row in TABLE if row[0] == status}
    assert_it_says_what_to_do(verdict)


@pytest.mark.parametrize(
    "error", ["{}", '{"errors": []}', '{"errors": [{}]}', '{"errors": {"reason": "x"}}', '{"errors": [{"reason": 3}]}']
)
def test_an_error_without_a_reason_has_none(error: str) -> None:
    assert reason_in(b'{"error": %s}' % error.encode()) == ""


@pytest.mark.parametrize("reason", ["a" * 61, "an address https://x", SECRET])
def test_a_reason_that_is_no_word_is_not_repeated(reason: str) -> None:
    assert reason_in(said(reason)) == ""


def test_a_body_that_is_deep_without_end_has_no_reason() -> None:
    assert reason_in(b"[" * 100_000) == ""


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999", 120.0),
        ("-1", 0.0),
        ("1.5", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("Tue, 24 Nov 2026 16:00:00 GMT", 0.0),
    ],
)
def test_a_wish_to_wait_is_a_number_of_seconds_and_has_a_limit(header: str, after_s: float) -> None:
    assert verdict_on_answer(429, httplib2.Response({"retry-after": header}), b"").after_s == after_s


# The exceptions of the libraries, each with what it means: error, asked again, may have been carried out.
Meaning = tuple[type[StoreError], bool, bool]
AWAY: Meaning = (StoreAway, True, False)
NO_ANSWER: Meaning = (OutcomeUnknown, True, True)
NOT_ACCEPTED: Meaning = (SignInFailed, False, False)
SIGN_IN_BUSY: Meaning = (StoreBusy, True, False)

HTTPLIB2: dict[str, Meaning] = {
    "HttpLib2Error": NO_ANSWER,
    "HttpLib2ErrorWithResponse": NO_ANSWER,
    "FailedToDecompressContent": NO_ANSWER,
    "MalformedHeader": NO_ANSWER,
    "ProxiesUnavailableError": NO_ANSWER,
    "RedirectLimit": NO_ANSWER,
    "RedirectMissingLocation": NO_ANSWER,
    "RelativeURIError": NO_ANSWER,
    "ServerNotFoundError": AWAY,
    "UnimplementedDigestAuthOptionError": NO_ANSWER,
    "UnimplementedHmacDigestAuthOptionError": NO_ANSWER,
}
GOOGLE_AUTH: dict[str, Meaning] = {
    "GoogleAuthError": NOT_ACCEPTED,
    "TransportError": SIGN_IN_BUSY,
    "RefreshError": SIGN_IN_BUSY,  # made of one text: no refusal, which comes as JSON
    "UserAccessTokenError": NOT_ACCEPTED,
    "DefaultCredentialsError": NOT_ACCEPTED,
    "MutualTLSChannelError": NOT_ACCEPTED,
    "ClientCertError": NOT_ACCEPTED,
    "OAuthError": NOT_ACCEPTED,
    "ReauthFailError": NOT_ACCEPTED,
    "ReauthSamlChallengeFailError": NOT_ACCEPTED,
    "MalformedError": NOT_ACCEPTED,
    "InvalidResource": NOT_ACCEPTED,
    "InvalidOperation": NOT_ACCEPTED,
    "InvalidValue": NOT_ACCEPTED,
    "InvalidType": NOT_ACCEPTED,
    "OSError": NOT_ACCEPTED,
    # Of ways to reach Google that we do not use:
    "TimeoutError": NOT_ACCEPTED,
    "ResponseError": NOT_ACCEPTED,
}
HTTP_CLIENT: dict[str, Meaning] = {
    name: NO_ANSWER for name, kind in inspect.getmembers(http.client, inspect.isclass) if issubclass(kind, Exception)
}


def exceptions_of(module: ModuleType) -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Exception) and getattr(builtins, kind.__name__, None) is not kind:
            yield kind


def made(kind: type[Exception]) -> Exception:
    """Make an exception as its library does, as far as anybody looks."""
    if issubclass(kind, httplib2.error.HttpLib2ErrorWithResponse):
        return kind(SECRET, httplib2.Response({}), SECRET.encode())
    return kind(SECRET)


def refused(text: str, *said: object, retryable: bool = False) -> Exception:
    """Make what google-auth raises of an answer of the sign-in: its text, and its JSON if it was any."""
    return RefreshError(text, *said, retryable=retryable)  # type: ignore[no-untyped-call]


def on_the_way_to_the_sign_in(exc: Exception) -> Exception:
    return TransportError(exc)  # type: ignore[no-untyped-call]


def meaning(exc: Exception) -> Meaning:
    verdict = verdict_on(exc)
    assert verdict, f"nobody knows what {type(exc)} means"
    assert verdict.status == 0
    assert_it_says_what_to_do(verdict)
    return type(verdict.error), verdict.again, verdict.unknown


@pytest.mark.parametrize(
    ("module", "known"),
    [
        (httplib2, HTTPLIB2),
        (httplib2.error, HTTPLIB2),
        (google.auth.exceptions, GOOGLE_AUTH),
        (http.client, HTTP_CLIENT),
    ],
)
def test_every_exception_of_a_library_has_a_meaning(module: ModuleType, known: dict[str, Meaning]) -> None:
    """A release that grows one fails here, until somebody has decided what it means."""
    found = {kind.__name__: kind for kind in exceptions_of(module)}
    assert set(found) <= set(known)
    assert {name: meaning(made(kind)) for name, kind in found.items()} == {name: known[name] for name in found}


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, SECRET), AWAY),
        (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), AWAY),
        (OSError(errno.ENETUNREACH, SECRET), AWAY),
        (OSError(errno.EHOSTUNREACH, SECRET), AWAY),
        (TimeoutError(SECRET), NO_ANSWER),
        (TimeoutError(errno.ETIMEDOUT, SECRET), NO_ANSWER),
        (ConnectionResetError(errno.ECONNRESET, SECRET), NO_ANSWER),
        (BrokenPipeError(errno.EPIPE, SECRET), NO_ANSWER),
        (http.client.IncompleteRead(SECRET.encode(), 7), NO_ANSWER),
        (http.client.RemoteDisconnected(SECRET), NO_ANSWER),
        (ssl.SSLEOFError(8, SECRET), NO_ANSWER),
        (ssl.SSLError(1, SECRET), NO_ANSWER),
        (ssl.SSLCertVerificationError(1, SECRET), (StoreAway, False, False)),
        (json.JSONDecodeError(SECRET, SECRET, 0), NO_ANSWER),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), NO_ANSWER),
        (refused("invalid_grant", {"error": "invalid_grant", SECRET: SECRET}), NOT_ACCEPTED),
        (refused("invalid_client", {"error": "invalid_client"}), NOT_ACCEPTED),
        (refused("internal_failure", {"error": "internal_failure"}, retryable=True), SIGN_IN_BUSY),
        (refused(HTML.decode()), SIGN_IN_BUSY),  # a 502 or 504, which google-auth calls final
        (on_the_way_to_the_sign_in(httplib2.ServerNotFoundError(SECRET)), AWAY),
        (on_the_way_to_the_sign_in(http.client.IncompleteRead(b"", 7)), SIGN_IN_BUSY),
        (on_the_way_to_the_sign_in(http.client.RemoteDisconnected(SECRET)), SIGN_IN_BUSY),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_answer_means(exc: Exception, expected: Meaning) -> None:
    assert meaning(exc) == expected


@pytest.mark.parametrize("then", [ConnectionRefusedError(SECRET), socket.gaierror(SECRET), OSError(SECRET)])
def test_who_connects_again_unasked_after_a_lost_answer_may_have_been_heard(then: OSError) -> None:
    """httplib2 repeats a request whose connection was lost; that it cannot be repeated says nothing of the first."""
    then.__context__ = http.client.RemoteDisconnected(SECRET)
    assert meaning(then) == (StoreAway, True, True)


@pytest.mark.parametrize("exc", [TypeError(), AttributeError(), KeyError(), AssertionError(), SpecInvalid(["x"])])
def test_what_is_nobodys_answer_is_not_judged(exc: Exception) -> None:
    assert verdict_on(exc) is None


def assert_it_says_what_to_do(verdict: RetryAdvice) -> None:
    error = verdict.error
    assert error.hint
    assert SECRET not in f"{error}{error.hint}"
    assert "\n" not in str(error)
    assert "http" not in str(error)
