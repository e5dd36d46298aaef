"""Asking Drive, again and again where that is right: with growing pauses, chance in them, and Google's own wishes.

A request is repeated only because it may be: reads change nothing, and changes name the id of what they change, so
that a second time finds the work of the first. What stays unknown in the end is said to be unknown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from googleapiclient.errors import HttpError
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from qcqueue.clock import Clock, Rng
from qcqueue.errors import OutcomeUnknown, StoreAway, StoreError
from qcqueue.storage.drive.answers import Verdict, verdict_on
from qcqueue.storage.drive.connection import Connection
from qcqueue.storage.drive.token import Token

T = TypeVar("T")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 32.0
NOT_FOUND = 404
NOTHING: Mapping[int, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a caller goes on asking.

    tries: of a request that got no answer, or was put off. tries_away: where Google cannot be reached at all.
    timeout_s: for one answer. lag_s: for how long an id that is not found may only not be visible yet.
    """

    tries: int
    tries_away: int
    timeout_s: float
    lag_s: float


# Somebody waits at a terminal, and can try again.
QUICK = Patience(tries=5, tries_away=1, timeout_s=15.0, lag_s=3.0)
# A session has all the time that its machine lives.
STEADY = Patience(tries=8, tries_away=4, timeout_s=60.0, lag_s=40.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """An answer of the upload protocol, whose statuses are its language."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Caller:
    """Requests of one process to Drive, one at a time. It connects with the first.

    token is asked for the sign-in then; endpoint is the root URL of an emulator that stands in for Google.
    """

    def __init__(
        self, token: Callable[[], Token], *, endpoint: str | None, patience: Patience, clock: Clock, rng: Rng
    ) -> None:
        self.date_s = 0.0
        """What time it was at Google's when the last answer left, in whole seconds."""
        self._token = token
        self._endpoint = endpoint
        self._patience = patience
        self._clock = clock
        self._rng = rng
        self._connection: Connection | None = None

    @property
    def service(self) -> Any:
        """googleapiclient's Drive v2, to make requests with. Raises: SettingInvalid, SignInFailed."""
        return self._connected().service

    def read(self, make: Callable[[], Any], *, accept: Mapping[int, Any] = NOTHING) -> Any:
        """Carry out a request that changes nothing; return its body, or what `accept` has for its status.

        make makes the request anew for each try. Raises: StoreError of some kind.
        """
        return self._persist(lambda: self._execute(make(), accept))

    def find(self, make: Callable[[], Any], *, accept: Mapping[int, Any] = NOTHING) -> Any:
        """As `read`, where what is not found may only not be visible yet; None where it stays away too long."""
        waited_s, number, accept = 0.0, 1, {**accept, NOT_FOUND: None}
        while (found := self.read(make, accept=accept)) is None and waited_s < self._patience.lag_s:
            pause_s = self._pause_s(number)
            self._clock.sleep(pause_s)
            waited_s, number = waited_s + pause_s, number + 1
        return found

    def change(self, make: Callable[[], Any], *, accept: Mapping[int, Any] = NOTHING) -> Any:
        """As `read`, for a request that changes something. Raises: OutcomeUnknown: perhaps it was carried out."""
        return self._persist(lambda: self._execute(make(), accept), changes=True)

    def send(self, uri: str, *, method: str, body: bytes, headers: Mapping[str, str], accept: tuple[int, ...]) -> Raw:
        """Carry out a bare request, once. Raises: as `change` does, where the status is none of `accept`."""
        return self._persist(lambda: self._send(uri, method, body, headers, accept), changes=True, tries_most=1)

    def pause(self, number: int) -> None:
        """Wait before another try of something, the first pause being number 1."""
        self._clock.sleep(self._pause_s(number))

    def _persist(self, ask: Callable[[], T], *, changes: bool = False, tries_most: int | None = None) -> T:
        unknown = False

        def once() -> T:
            nonlocal unknown
            try:
                return ask()
            except Exception as exc:
                verdict = self._judge(exc)
                if verdict is None:
                    raise
                unknown = unknown or (changes and verdict.unknown)
                raise _NoLuck(verdict, tries_most or self._tries(verdict.error)) from exc

        try:
            return Retrying(
                retry=retry_if_exception_type(_NoLuck),
                stop=lambda state: _no_luck(state).is_final(state.attempt_number),
                wait=lambda state: self._pause_s(state.attempt_number, _no_luck(state).verdict.after_s),
                sleep=self._clock.sleep,
                reraise=True,
            )(once)
        except _NoLuck as exc:
            raise _told(exc.verdict.error, unknown=unknown) from exc.__cause__

    def _execute(self, request: Any, accept: Mapping[int, Any]) -> Any:
        request.add_response_callback(self._note_date)
        try:
            return request.execute(http=self._connected().http)
        except HttpError as exc:
            if int(exc.resp.status) in accept:
                return accept[int(exc.resp.status)]
            raise

    def _send(self, uri: str, method: str, body: bytes, headers: Mapping[str, str], accept: tuple[int, ...]) -> Raw:
        answer, content = self._connected().http.request(uri, method=method, body=body, headers=dict(headers))
        self._note_date(answer)
        if int(answer.status) not in accept:
            raise HttpError(answer, content)
        return Raw(status=int(answer.status), headers=answer, content=content)

    def _judge(self, exc: Exception) -> Verdict | None:
        verdict = verdict_on(exc)
        if verdict and not verdict.status and self._connection:
            self._connection.reconnect()  # whatever is left in the sockets belongs to the answer that did not come
        return verdict

    def _connected(self) -> Connection:
        if self._connection is None:
            timeout_s = self._patience.timeout_s
            self._connection = Connection(self._token(), endpoint=self._endpoint, timeout_s=timeout_s)
        return self._connection

    def _tries(self, error: StoreError) -> int:
        return self._patience.tries_away if isinstance(error, StoreAway) else self._patience.tries

    def _pause_s(self, number: int, at_least_s: float = 0.0) -> float:
        grown_s = min(FIRST_PAUSE_S * 2.0 ** (number - 1), LONGEST_PAUSE_S) * self._rng.uniform(0.75, 1.25)
        return max(grown_s, at_least_s)

    def _note_date(self, answer: Any) -> None:
        if date := answer.get("date"):
            self.date_s = parsedate_to_datetime(date).timestamp()


class _NoLuck(Exception):
    """A try that brought nothing. tries_most: how many there may be of its kind."""

    def __init__(self, verdict: Verdict, tries_most: int) -> None:
        super().__init__()
        self.verdict = verdict
        self._tries_most = tries_most

    def is_final(self, number: int) -> bool:
        return not self.verdict.again or number >= self._tries_most


def _no_luck(state: RetryCallState) -> _NoLuck:
    exc = state.outcome.exception() if state.outcome else None
    assert isinstance(exc, _NoLuck), "it is asked about nothing else"
    return exc


def _told(error: StoreError, *, unknown: bool) -> StoreError:
    """Return what to raise in the end: a refusal says nothing of the tries before it that got no answer."""
    if unknown and not isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(f"{error}, and may have done what it was asked", hint=error.hint)
    return error
