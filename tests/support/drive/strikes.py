"""What a fault makes of a request: an answer in its place, no answer at all, or another than the true one.

Faults of the wire (slow, stalled, cut) leave the answer alone; `server` acts on them when it sends.
"""

from dataclasses import dataclass

from tests.support.drive.exchange import Answer, OAuthRefusal, Refusal
from tests.support.drive.faults import DriveFault, Strike

HTML = (
    b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n<p>That's an error."
    b" The server encountered a temporary error and could not complete your request. Please try again."
)


@dataclass(frozen=True, slots=True)
class Prevented:
    """The request is not carried out; this is sent, or the connection is lost where it is None."""

    answer: Answer | None


def before(strike: Strike, operation: str) -> Prevented | None:
    """Return what comes of a request that is not carried out; None where it is."""
    details = strike.details
    match strike.kind:
        case DriveFault.DROP_BEFORE:
            return Prevented(None)
        case DriveFault.SERVER_ERROR:
            return Prevented(_server_error(strike, operation))
        case DriveFault.SERVER_ERROR_HTML:
            headers = {"Content-Type": "text/html; charset=UTF-8"}
            return Prevented(Answer(status=int(details.get("status", 502)), body=HTML, headers=headers))
        case DriveFault.RATE_LIMITED:
            return Prevented(_rate_limited(strike))
        case DriveFault.FORBIDDEN:
            reason = str(details.get("reason", "dailyLimitExceeded"))
            return Prevented(Refusal(403, reason, f"Refused: {reason}").answer())
        case DriveFault.TOO_MANY:
            return Prevented(_too_many(str(details.get("retry_after_s", 1)), operation))
        case DriveFault.UNAUTHORIZED:
            return Prevented(Refusal(401, "authError", "Invalid Credentials").answer())
        case DriveFault.REFRESH_REFUSED:
            return Prevented(OAuthRefusal(400, "invalid_grant", "Token has been expired or revoked.").answer())
        case DriveFault.SESSION_LOST:
            return Prevented(Refusal(404, "notFound", "Upload session not found.").answer())
        case DriveFault.SESSION_GONE:
            return Prevented(Refusal(410, "gone", "Upload session is gone.").answer())
        case DriveFault.FULL:
            message = "The user's Drive storage quota has been exceeded."
            return Prevented(Refusal(403, "storageQuotaExceeded", message).answer())
    return None


def after(strike: Strike, operation: str, answer: Answer) -> Answer | None:
    """Return what is sent instead of the true answer of a request that was carried out."""
    match strike.kind:
        case DriveFault.DROP_AFTER:
            return None
        case DriveFault.SERVER_ERROR_AFTER:
            return _server_error(strike, operation)
        case DriveFault.RATE_LIMITED_AFTER:
            return _rate_limited(strike)
    return answer


def _server_error(strike: Strike, operation: str) -> Answer:
    status = int(strike.details.get("status", 503))
    if operation.startswith("oauth."):
        return OAuthRefusal(status, "internal_failure", "Backend Error").answer()
    return Refusal(status, "backendError", "Backend Error").answer()


def _too_many(retry_after_s: str, operation: str) -> Answer:
    headers = {"Retry-After": retry_after_s}
    if operation.startswith("oauth."):
        return OAuthRefusal(429, "rate_limit_exceeded", "Too Many Requests", headers=headers).answer()
    return Refusal(429, "rateLimitExceeded", "Too Many Requests", headers=headers).answer()


def _rate_limited(strike: Strike) -> Answer:
    return Refusal(403, str(strike.details.get("reason", "userRateLimitExceeded")), "User Rate Limit Exceeded").answer()
