"""Asking Drive, again and again where that is right: with growing pauses, chance in them, and Google's own wishes.

A request is repeated only because it may be: reads change nothing, and changes name the id of what they change, so
that a second time finds the work of the first. What stays unknown in the end is said to be unknown.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from qcqueue.clock import Clock, Rng
from qcqueue.errors import SignInFailed, StoreAway, StoreBusy, StoreError
from qcqueue.stores.drive.answers import ErrorAnswer, RetryAdvice, told, verdict_on
from qcqueue.stores.drive.connection import Connection
from qcqueue.stores.drive.token import Token

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 32.0
SIGN_IN_TRIES = 2
NOT_FOUND = 404
NOTHING: Mapping[int, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How long a caller goes on asking.

    tries: of a request that got no answer, or was put off. tries_away: where Google cannot be reached at all.
    timeout_s: for one answer. lag_s: for how long an id that is not found may only not be visible yet.
    """

    tries: int
    tries_away: int
    timeout_s: float
    lag_s: float


# Somebody waits at a terminal, and can try again.
QUICK = RetryLimits(tries=5, tries_away=1, timeout_s=8.0, lag_s=3.0)
# A session has all the time that its machine lives.
STEADY = RetryLimits(tries=8, tries_away=4, timeout_s=60.0, lag_s=40.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """An answer of the upload protocol, whose statuses are its language."""

    status: int
    headers: Mapping[str, str]
    content: bytes


Make = Callable[[], Any]
Reading = Callable[[Any], Any]


def as_it_is(answer: Any) -> Any:
    """Nothing is to be made of an answer."""
    return answer


class Caller:
    """Requests of one process to Drive, one at a time. It connects with the first.

    token is asked for the sign-in then; endpoint is the root URL of an emulator that stands in for Google.
    """

    def __init__(
        self, token: Callable[[], Token], *, endpoint: str | None, patience: RetryLimits, clock: Clock, rng: Rng
    ) -> None:
        self.date_s = 0.0
        """What time it was at Google's when the last answer left, in whole seconds."""
        self._token = token
        self._endpoint = endpoint
        self._patience = patience
        self._clock = clock
        self._rng = rng
        self._connection: Connection | None = None
        self._wished_s = 0.0  # how long the last answer asked for

    @property
    def service(self) -> Any:
        """googleapiclient's Drive v2, to make requests with. Raises: SettingInvalid, SignInFailed."""
        return self._connected().service

    @property
    def files(self) -> Any:
        """That service's requests about files. Raises: as `service` does."""
        return self._connected().files

    def read(self, make: Make, *, accept: Mapping[int, Any] = NOTHING, reading: Reading = as_it_is) -> Any:
        """Carry out a request that changes nothing; return what `reading` makes of it, or what `accept` has for it.

        make makes the request anew for each try; accept knows values for statuses that are no success. An answer that
        `reading` cannot read is none. Raises: StoreError of some kind.
        """
        return self._persist(lambda: self._execute(make(), reading), accept)

    def find(
        self, make: Make, *, accept: Mapping[int, Any] = NOTHING, reading: Reading = as_it_is, lags: int = 1
    ) -> Any:
        """As `read`, where what is not found may only not be visible yet; None where it stays away for so many lags."""
        accept = {**accept, NOT_FOUND: None}
        return self._persist(lambda: self._execute(make(), reading), accept, lags=lags)

    def change(
        self,
        make: Make,
        *,
        accept: Mapping[int, Any] = NOTHING,
        reading: Reading = as_it_is,
        awaiting: bool = False,
    ) -> Any:
        """As `read`, for a request that changes something. awaiting: what is not found may only not be visible yet.

        Raises: OutcomeUnknown: perhaps it was carried out.
        """
        return self._persist(lambda: self._execute(make(), reading), accept, changes=True, lags=int(awaiting))

    def send(self, uri: str, *, method: str, body: bytes, headers: Mapping[str, str], accept: tuple[int, ...]) -> Raw:
        """Carry out a bare request, once. Raises: as `change` does, where the status is none of `accept`."""
        try:
            answer = self._exchange(uri, method, body, headers)
            if answer.status in accept:
                return answer
            raise ErrorAnswer(answer.status, answer.headers, answer.content)
        except Exception as exc:
            verdict = self._judge(exc)
            if verdict is None:
                raise
        raise told(verdict.error, unknown=verdict.unknown)

    def rest(self, exc: StoreBusy, number: int) -> None:
        """Wait before another try of what failed for the number-th time. Raises: `exc`, where patience has ended."""
        if number >= self._tries(exc):
            raise exc
        self._clock.sleep(self._pause_s(number, self._wished_s))

    def _persist(self, ask: Callable[[], T], accept: Mapping[int, Any], *, changes: bool = False, lags: int = 0) -> Any:
        """Ask until there is an answer or patience ends. lags: for how many what is not found may still appear."""
        unknown = False
        first_missed_s: float | None = None

        def once() -> T:
            nonlocal unknown
            try:
                return ask()
            except Exception as exc:
                verdict = self._judge(exc)
                if verdict is None:
                    raise
            unknown = unknown or (changes and verdict.unknown)
            raise _NoLuck(verdict)

        def is_over(state: RetryCallState) -> bool:
            nonlocal first_missed_s
            verdict = _verdict(state)
            if lags and verdict.status == NOT_FOUND:
                first_missed_s = state.idle_for if first_missed_s is None else first_missed_s
                return state.idle_for - first_missed_s >= lags * self._patience.lag_s
            return not verdict.again or state.attempt_number >= self._tries(verdict.error)

        try:
            return Retrying(
                retry=retry_if_exception_type(_NoLuck),
                stop=is_over,
                wait=lambda state: self._pause_s(state.attempt_number, self._wished_s),
                sleep=self._clock.sleep,
                reraise=True,
            )(once)
        except _NoLuck as exc:
            verdict = exc.verdict
        if verdict.status in accept:
            return accept[verdict.status]
        raise told(verdict.error, unknown=unknown)

    def _execute(self, request: Any, reading: Callable[[Any], T]) -> T:
        """Carry out what googleapiclient made. Its own `execute` logs bodies, and breaks on some."""
        answer = self._exchange(request.uri, request.method, request.body, request.headers)
        if answer.status >= 300:
            raise ErrorAnswer(answer.status, answer.headers, answer.content)
        try:
            return reading(request.postproc(answer.headers, answer.content))
        except (KeyError, IndexError, TypeError, AttributeError) as exc:
            raise ValueError("this is not how Drive answers") from exc

    def _exchange(self, uri: str, method: str, body: Any, headers: Mapping[str, str]) -> Raw:
        answer, content = self._connected().http.request(uri, method=method, body=body, headers=dict(headers))
        self._note_date(answer)
        return Raw(status=int(answer.status), headers=answer, content=content)

    def _judge(self, exc: Exception) -> RetryAdvice | None:
        """Return what an exception means, and let go of the sockets of an answer that did not come.

        It stays behind here: a library's exception may quote the address of an upload, which is a key to the account,
        or what the sign-in answered. So nothing is raised `from` it, and only its class is logged.
        """
        verdict = verdict_on(exc)
        if verdict is None:
            return None
        self._wished_s = verdict.after_s
        facts = {"action": "drive_refused", "status": verdict.status, "cause": type(exc).__name__}
        log.debug("drive did not do what was asked", extra=facts)
        if not verdict.status and self._connection:
            self._connection.reconnect()
        return verdict

    def _connected(self) -> Connection:
        if self._connection is None:
            timeout_s = self._patience.timeout_s
            self._connection = Connection(self._token(), endpoint=self._endpoint, timeout_s=timeout_s)
        return self._connection

    def _tries(self, error: StoreError) -> int:
        match error:
            case StoreAway():
                return self._patience.tries_away
            case SignInFailed():  # each of them is three, with a new access token for each
                return SIGN_IN_TRIES
        return self._patience.tries

    def _pause_s(self, number: int, at_least_s: float) -> float:
        grown_s = min(FIRST_PAUSE_S * 2.0 ** (number - 1), LONGEST_PAUSE_S) * self._rng.uniform(0.75, 1.25)
        return max(grown_s, at_least_s)

    def _note_date(self, answer: Any) -> None:
        with contextlib.suppress(ValueError):
            self.date_s = parsedate_to_datetime(answer.get("date", "")).timestamp()


class _NoLuck(Exception):
    """A try that brought nothing."""

    def __init__(self, verdict: RetryAdvice) -> None:
        super().__init__()
        self.verdict = verdict


def _verdict(state: RetryCallState) -> RetryAdvice:
    exc = state.outcome.exception() if state.outcome else None
    assert isinstance(exc, _NoLuck), "it is asked about nothing else"
    return exc.verdict
