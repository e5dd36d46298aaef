"""The emulator itself: it admits a request, lets a fault strike, carries it out under one lock, and keeps a log.

It knows no sockets: `server` asks `respond` for every request that arrives. All that a test sets up or looks at
is reached from here.
"""

import threading
from dataclasses import dataclass
from types import TracebackType

from qcqueue.clock import Clock, seeded
from tests.support.drive import routes
from tests.support.drive.accounts import FREE_QUOTA_BYTES, Accounts, App, Grant, OAuthClient, User
from tests.support.drive.call import Call
from tests.support.drive.choices import Choices
from tests.support.drive.clock import ServerClock
from tests.support.drive.drives import Drive
from tests.support.drive.exchange import Answer, Refusal, Request
from tests.support.drive.faults import DriveFault, DriveFaults, Strike
from tests.support.drive.owner import Owner
from tests.support.drive.server import Server
from tests.support.drive.signin import SignIn
from tests.support.drive.strikes import after, before
from tests.support.drive.throttle import Throttle
from tests.support.drive.uploads import CHUNK_BYTES, Uploads

LAG_S = 60.0
FAR_PAST_S = 1e9


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request in the log: who, what, and the status that was sent; 0 where nothing was."""

    client: str
    operation: str
    path: str
    status: int
    sent_bytes: int
    fault: DriveFault | None


class DriveEmulator:
    """Google Drive on loopback. A context manager: the server runs inside it, and is gone after it.

    bytes_a_second: how fast bodies move, each way, all clients together; None is as fast as this machine can.
    """

    def __init__(
        self, clock: Clock, *, seed: int = 1, choices: Choices | None = None, bytes_a_second: float | None = None
    ) -> None:
        self.time = ServerClock(clock)
        self.uplink, self.downlink = Throttle(clock, bytes_a_second), Throttle(clock, bytes_a_second)
        self.choices = choices or Choices()
        self.faults = DriveFaults(seed)
        self.log: list[Exchange] = []
        self.listing_lag_s: dict[str, float] = {}
        self.id_lag_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._accounts = Accounts(self.time, seeded(seed), self.choices)
        self._drives: dict[str, Drive] = {}
        self._uploads = Uploads()
        self._server = Server(self)
        self.url = self._server.url
        self.signing_in = SignIn(self._accounts, self.url)

    def __enter__(self) -> "DriveEmulator":
        self._server.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.stop()

    def user(self, email: str, *, quota_bytes: int = FREE_QUOTA_BYTES, other_bytes: int = 0) -> User:
        """Open an account."""
        with self._lock:
            user = self._accounts.add_user(email, quota_bytes=quota_bytes, other_bytes=other_bytes)
            self._drives[email] = Drive(user, self.time, self.choices, lambda: self._accounts.draw("1", 32))
            return user

    def sign_in(self, label: str, user: User, app: App, *scopes: str) -> Grant:
        """Return a grant of its own for one client; without scopes it is `drive.file`."""
        with self._lock:
            same_app = (one for one in self._accounts.clients.values() if one.app is app)
            client = next(same_app, None) or self._accounts.add_client(app)
            return self._accounts.add_grant(user, client, label, *scopes)

    def new_client(self, app: App, *, is_tv: bool = False) -> OAuthClient:
        """Make another OAuth client of the app, to sign in with over HTTP."""
        with self._lock:
            return self._accounts.add_client(app, is_tv=is_tv)

    def delete_client(self, client_id: str) -> None:
        """Delete a client in the console."""
        with self._lock:
            del self._accounts.clients[client_id]

    def revoke(self, app: App, user: User) -> None:
        with self._lock:
            self._accounts.revoke(app, user)

    def owner(self, user: User) -> Owner:
        return Owner(self._drives[user.email], self._lock)

    def count(self, operation: str = "", client: str = "") -> int:
        """Return how many requests there were."""
        with self._lock:
            return sum(operation in ("", one.operation) and client in ("", one.client) for one in self.log)

    def respond(self, request: Request) -> tuple[Answer | None, Strike | None]:
        """Return the answer, None where the connection is to be lost, and what struck, for the way back."""
        try:
            operation, file_id = routes.find(request)
        except Refusal as refusal:
            return refusal.answer(), None
        with self._lock:
            client = self._client(operation, request)
            strike = None if request.cut_short else self.faults.strike(operation, client)
            answer = self._struck(operation, request, file_id, strike)
            self._note(client, operation, request, answer, strike)
        return (None if request.cut_short else answer), strike

    def _struck(self, operation: str, request: Request, file_id: str, strike: Strike | None) -> Answer | None:
        if strike and strike.kind in (DriveFault.SESSION_LOST, DriveFault.SESSION_GONE, DriveFault.FULL):
            self._uploads.forget(request)
        if strike and (prevented := before(strike, operation)):
            return prevented.answer
        try:
            answer = self._perform(operation, request, file_id, strike)
        except Refusal as refusal:
            answer = refusal.answer()
        return after(strike, operation, answer) if strike else answer

    def _perform(self, operation: str, request: Request, file_id: str, strike: Strike | None) -> Answer:
        match operation:
            case "oauth.token":
                return self.signing_in.token(request)
            case "oauth.device":
                return self.signing_in.device_code(request)
            case "oauth.consent":
                return self.signing_in.consent(request)
            case "upload.chunk" | "upload.status":
                return self._uploads.put(request, self.time.now_s(), _kept(strike, len(request.body)))
        call = self._call(request, file_id, strike)
        if request.cut_short:
            raise Refusal(400, "badRequest", "The body is not whole")
        if operation == "upload.start":
            return self._uploads.start(call, self._accounts.draw_secret("ABPtcP", 40))
        return routes.PERFORM[operation](call)

    def _call(self, request: Request, file_id: str, strike: Strike | None) -> Call:
        grant = self._accounts.admit(request.headers.get("authorization", ""))
        return Call(
            request=request,
            grant=grant,
            drive=self._drives[grant.user.email],
            clock=self.time,
            choices=self.choices,
            base_url=self.url,
            file_id=file_id,
            list_lag_s=_lag_s(strike, DriveFault.LATE_LISTING, LAG_S) or self.listing_lag_s.get(grant.label, 0.0),
            id_lag_s=_lag_s(strike, DriveFault.LATE_ID, FAR_PAST_S) or self.id_lag_s.get(grant.label, 0.0),
        )

    def _client(self, operation: str, request: Request) -> str:
        """Return the label of who asks, as well as it can be known before they are admitted."""
        if operation.startswith("oauth."):
            grant = self.signing_in.grant_of(request)
        elif "upload_id" in request.query:
            grant = self._uploads.grant_of(request)
        else:
            grant = self._accounts.owner_of(request.headers.get("authorization", ""))
        return grant.label if grant else "unknown"

    def _note(
        self, client: str, operation: str, request: Request, answer: Answer | None, strike: Strike | None
    ) -> None:
        status = answer.status if answer and not request.cut_short else 0
        kind = strike.kind if strike else None
        self.log.append(Exchange(client, operation, request.path, status, len(request.body), kind))


def _lag_s(strike: Strike | None, kind: DriveFault, default_s: float) -> float:
    return float(strike.details.get("lag_s", default_s)) if strike and strike.kind is kind else 0.0


def _kept(strike: Strike | None, size: int) -> int | None:
    """Return how much of a chunk is stored under this strike; None is all of it."""
    if not strike or strike.kind is not DriveFault.SHORT_308:
        return None
    share = float(strike.details.get("keep_share", 0.5))
    kept = int(strike.details.get("keep_bytes", size * share))
    return min(kept, max(0, size - 1)) // CHUNK_BYTES * CHUNK_BYTES
