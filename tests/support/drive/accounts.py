"""Who may ask: people, apps (Cloud projects), their OAuth clients, and the grants a person gave to a client.

A grant is one sign-in: one refresh token, one label. The label is what faults, lags and the log of requests call
the client, so give each process a grant of its own. Tokens are worth nothing outside the emulator.
"""

from dataclasses import dataclass, field
from typing import Any

from qcqueue.clock import Rng
from tests.support.drive.choices import Choices
from tests.support.drive.clock import ServerClock
from tests.support.drive.exchange import OAuthRefusal, Refusal

FILE_SCOPE = "https://www.googleapis.com/auth/drive.file"
FULL_SCOPE = "https://www.googleapis.com/auth/drive"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FREE_QUOTA_BYTES = 15 << 30
# In everything that is secret, so that a suite can search for it in all it wrote.
CANARY = "qc-canary-"


@dataclass(slots=True, kw_only=True)
class User:
    """A Google account. other_bytes: what its mail and photos take of the same quota."""

    email: str
    root_id: str
    quota_bytes: int = FREE_QUOTA_BYTES
    other_bytes: int = 0


@dataclass(slots=True, kw_only=True)
class App:
    """A Cloud project: what `drive.file` means by an app. testing: its grants die after a week.

    number: with what the ids of its clients begin.
    """

    name: str
    number: int = 123456789012
    api_enabled: bool = True
    testing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """One client of an app: a desktop app, which a browser leads back to, or a TV, whose person types a code."""

    app: App
    client_id: str
    client_secret: str
    is_tv: bool = False

    def downloaded(self, base_url: str) -> dict[str, dict[str, Any]]:
        """Return what the file of the console says, with the emulator in Google's place; a TV has no page."""
        page = {} if self.is_tv else {"redirect_uris": ["http://localhost"]}
        return {
            "installed": {
                "client_id": self.client_id,
                "project_id": self.app.name,
                "auth_uri": f"{base_url}/auth",
                "token_uri": f"{base_url}/token",
                "client_secret": self.client_secret,
                **page,
            }
        }


@dataclass(slots=True, kw_only=True)
class Grant:
    """One sign-in of a user through a client."""

    label: str
    user: User
    client: OAuthClient
    scopes: frozenset[str]
    refresh_token: str
    granted_s: float
    revoked: bool = False

    @property
    def app(self) -> App:
        return self.client.app

    def stored(self, base_url: str) -> dict[str, Any]:
        """Return the sign-in as JSON for another process, in the shape of google-auth's authorized users."""
        return {
            "type": "authorized_user",
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret,
            "refresh_token": self.refresh_token,
            "token_uri": f"{base_url}/token",
            "scopes": sorted(self.scopes),
        }


@dataclass(slots=True)
class Accounts:
    """Everyone the emulator knows. The caller holds the emulator's lock."""

    clock: ServerClock
    rng: Rng
    choices: Choices
    users: dict[str, User] = field(default_factory=dict)
    clients: dict[str, OAuthClient] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    _access: dict[str, tuple[Grant, float]] = field(default_factory=dict)

    def draw(self, prefix: str, length: int = 32) -> str:
        return prefix + "".join(self.rng.choices(LETTERS, k=length))

    def draw_secret(self, prefix: str, length: int = 32) -> str:
        return self.draw(prefix + CANARY, length)

    def add_user(self, email: str, *, quota_bytes: int = FREE_QUOTA_BYTES, other_bytes: int = 0) -> User:
        user = User(email=email, root_id=self.draw("0A", 17), quota_bytes=quota_bytes, other_bytes=other_bytes)
        self.users[email] = user
        return user

    def add_client(self, app: App, *, is_tv: bool = False) -> OAuthClient:
        client_id = f"{app.number}-{self.draw('', 20)}.apps.example"
        client = OAuthClient(app=app, client_id=client_id, client_secret=self.draw_secret("secret-"), is_tv=is_tv)
        self.clients[client_id] = client
        return client

    def add_grant(self, user: User, client: OAuthClient, label: str, *scopes: str) -> Grant:
        """Sign in. Beyond the allowed number of live tokens of one client, the user's oldest one dies silently."""
        token = self.draw_secret("1//")
        chosen = frozenset(scopes or (FILE_SCOPE,))
        now_s = self.clock.now_s()
        grant = Grant(label=label, user=user, client=client, scopes=chosen, refresh_token=token, granted_s=now_s)
        self.grants[token] = grant
        live = [one for one in self.grants.values() if one.user is user and one.client is client and not one.revoked]
        for oldest in live[: -self.choices.tokens_per_client]:
            oldest.revoked = True
        return grant

    def revoke(self, app: App, user: User) -> None:
        """The user removed the app: every grant of every client of the project dies at once."""
        for grant in self.grants.values():
            if grant.app is app and grant.user is user:
                grant.revoked = True

    def new_access_token(self, grant: Grant) -> str:
        """Raises: OAuthRefusal: the grant is dead."""
        if not self._alive(grant):
            raise OAuthRefusal(400, "invalid_grant", "Token has been expired or revoked.")
        token = self.draw_secret("ya29.")
        self._access[token] = (grant, self.clock.now_s() + self.choices.access_token_ttl_s)
        return token

    def owner_of(self, authorization: str) -> Grant | None:
        """Return whose access token this header carries, expired or not: faults strike a client, not a token."""
        grant, _ = self._access.get(authorization.removeprefix("Bearer "), (None, 0.0))
        return grant

    def admit(self, authorization: str) -> Grant:
        """Return the grant behind a request to the API.

        Raises: Refusal: 401 for a dead or unknown token; 403 where scope or project forbid the API.
        """
        grant, expires_s = self._access.get(authorization.removeprefix("Bearer "), (None, 0.0))
        if grant is None or self.clock.now_s() >= expires_s or not self._alive(grant):
            raise Refusal(401, "authError", "Invalid Credentials", headers=CHALLENGE)
        if not grant.scopes & {FILE_SCOPE, FULL_SCOPE}:
            raise Refusal(403, "insufficientPermissions", "Insufficient Permission")
        if not grant.app.api_enabled:
            raise Refusal(403, "accessNotConfigured", "Drive API has not been used in this project or it is disabled.")
        return grant

    def left_s(self, grant: Grant) -> float | None:
        """Return how long the grant of an app in testing has to live; None is for ever."""
        if not grant.app.testing:
            return None
        return grant.granted_s + self.choices.testing_grant_ttl_s - self.clock.now_s()

    def _alive(self, grant: Grant) -> bool:
        left_s = self.left_s(grant)
        return not grant.revoked and (left_s is None or left_s > 0)
