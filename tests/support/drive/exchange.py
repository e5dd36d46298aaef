"""What goes over the wire, both ways: a request as an endpoint sees it, an answer, and a refusal in Google's shape.

Endpoints return an `Answer` or raise a `Refusal`; only `server` knows sockets.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. headers have lower-case names; cut_short: its sender went away before the whole body came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    cut_short: bool = False

    @classmethod
    def arrived(cls, method: str, target: str, headers: Mapping[str, str], body: bytes, expected: int) -> "Request":
        """Read a request; a long query may come as the body of a POST that overrides its method."""
        parts = urlsplit(target)
        query = parts.query
        if "x-http-method-override" in headers:
            method, query, body, expected = headers["x-http-method-override"].upper(), body.decode(), b"", 0
        values = {name: found[-1] for name, found in parse_qs(query, keep_blank_values=True).items()}
        cut_short = len(body) < expected
        return cls(method=method, path=parts.path, query=values, headers=headers, body=body, cut_short=cut_short)

    def json(self) -> dict[str, Any]:
        """Raises: Refusal: the body is no JSON object."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError as exc:
            raise Refusal(400, "parseError", "Parse Error") from exc
        if not isinstance(found, dict):
            raise Refusal(400, "parseError", "Parse Error")
        return found

    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}

    def flag(self, name: str) -> bool:
        return self.query.get(name, "false").lower() == "true"

    def number(self, name: str, default: int, largest: int) -> int:
        """Raises: Refusal: the parameter is no number from 1 to `largest`."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or not 1 <= int(text) <= largest:
            raise invalid(f"Invalid value '{text}'. Values must be within the range: [1, {largest}]", name)
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        body = json.dumps(value, indent=1).encode()
        return cls(status=status, body=body, headers={"Content-Type": JSON, **(headers or {})})


class Refusal(Exception):
    """An error answer. The shape is that of Google's JSON errors, version 1."""

    def __init__(
        self, status: int, reason: str, message: str, *, location: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self._location = location
        self.headers = headers

    def answer(self) -> Answer:
        error = {"domain": "usageLimits" if self.status == 403 else "global", "reason": self.reason}
        error["message"] = self.message
        if self._location:
            error |= {"locationType": "parameter", "location": self._location}
        body = {"error": {"errors": [error], "code": self.status, "message": self.message}}
        return Answer.json(body, status=self.status, headers=self.headers)


class OAuthRefusal(Refusal):
    """An error of the token endpoints, which have a shape of their own (RFC 6749, 5.2)."""

    def __init__(
        self, status: int, reason: str, message: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, reason, message, headers=headers)

    def answer(self) -> Answer:
        body = {"error": self.reason} | ({"error_description": self.message} if self.message else {})
        return Answer.json(body, status=self.status, headers=self.headers)


def invalid(message: str, location: str = "") -> Refusal:
    return Refusal(400, "invalid", message, location=location)


def not_found(file_id: str) -> Refusal:
    return Refusal(404, "notFound", f"File not found: {file_id}", location="fileId")
