"""The OAuth endpoints: tokens by refresh, by the device flow, and by a loopback redirect with PKCE.

Nobody sits before a browser here: the loopback flow consents at once as the user its `login_hint` names, or the
only one there is; the device flow waits for `approve` or `deny`.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.support.drive.accounts import FILE_SCOPE, Accounts, Grant, OAuthClient, User
from tests.support.drive.exchange import Answer, OAuthRefusal, Request

DEVICE_SCOPES = {FILE_SCOPE, "https://www.googleapis.com/auth/drive.appdata", "openid", "email", "profile"}
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_TTL_S = 1800
POLL_INTERVAL_S = 5
ONLY_TVS = "Only clients of type 'TVs and Limited Input devices' can use the OAuth 2.0 flow for TV and Limited-Input"


@dataclass(slots=True, kw_only=True)
class Pending:
    """A device that waits for its person."""

    client: OAuthClient
    scopes: list[str]
    user_code: str
    expires_s: float
    polled_s: float = float("-inf")
    user: User | None = None
    denied: bool = False


@dataclass(slots=True)
class SignIn:
    """What is between a person's consent and a grant. The caller holds the emulator's lock."""

    accounts: Accounts
    base_url: str
    devices: dict[str, Pending] = field(default_factory=dict)
    codes: dict[str, tuple[Grant, str, str]] = field(default_factory=dict)

    def approve(self, user_code: str, user: User, *scopes: str) -> None:
        """The person typed the code and agreed: to all that was asked, or to these scopes only."""
        pending = self._waiting(user_code)
        pending.user, pending.scopes = user, list(scopes) or pending.scopes

    def deny(self, user_code: str) -> None:
        self._waiting(user_code).denied = True

    def token(self, request: Request) -> Answer:
        form = request.form()
        client = self._client(form)
        match form.get("grant_type"):
            case "refresh_token":
                grant = self._refreshed(form, client)
                return self._tokens(grant, fresh=False)
            case "authorization_code":
                return self._tokens(self._by_code(form, client), fresh=True)
            case name if name == DEVICE_GRANT:
                return self._tokens(self._by_device(form, client), fresh=True)
        raise OAuthRefusal(400, "unsupported_grant_type", "Invalid grant_type")

    def device_code(self, request: Request) -> Answer:
        form = request.form()
        client = self.accounts.clients.get(form.get("client_id", ""))
        scopes = form.get("scope", "").split()
        if client is None:
            raise OAuthRefusal(401, "invalid_client", "The OAuth client was not found.")
        if not client.is_tv:
            raise OAuthRefusal(401, "invalid_client", ONLY_TVS)
        if not scopes or not set(scopes) <= DEVICE_SCOPES:
            raise OAuthRefusal(400, "invalid_scope", "Some requested scopes cannot be granted to a device.")
        user_code = self.accounts.draw("", 8).upper()
        expires_s = self.accounts.clock.now_s() + DEVICE_TTL_S
        device_code = self.accounts.draw_secret("AH-")
        self.devices[device_code] = Pending(client=client, scopes=scopes, user_code=user_code, expires_s=expires_s)
        page = f"{self.base_url}/device"
        found = {"device_code": device_code, "user_code": user_code, "verification_url": page}
        return Answer.json(found | {"expires_in": DEVICE_TTL_S, "interval": POLL_INTERVAL_S})

    def consent(self, request: Request) -> Answer:
        """Answer the page a browser opens: send the browser back to the loopback address with a code."""
        query = request.query
        client = self.accounts.clients.get(query.get("client_id", ""))
        target = query.get("redirect_uri", "")
        users = self.accounts.users
        user = users.get(query.get("login_hint") or next(iter(users), ""))
        if client is None or user is None or not target.startswith(("http://127.0.0.1:", "http://localhost:")):
            raise OAuthRefusal(400, "invalid_request", "redirect_uri_mismatch")
        if client.is_tv:
            raise OAuthRefusal(400, "invalid_request", "Localhost URI is not allowed for 'NATIVE_DEVICE' client type.")
        code = self.accounts.draw_secret("4/0A")
        grant = self.accounts.add_grant(user, client, f"{user.email} by browser", *query.get("scope", "").split())
        self.codes[code] = (grant, query.get("code_challenge", ""), target)
        back = urlencode({"state": query.get("state", ""), "code": code, "scope": query.get("scope", "")})
        return Answer(status=302, headers={"Location": f"{target}?{back}"})

    def grant_of(self, request: Request) -> Grant | None:
        return self.accounts.grants.get(request.form().get("refresh_token", ""))

    def _client(self, form: dict[str, str]) -> OAuthClient:
        client = self.accounts.clients.get(form.get("client_id", ""))
        if client is None or client.client_secret != form.get("client_secret"):
            raise OAuthRefusal(401, "invalid_client", "The OAuth client was not found.")
        return client

    def _refreshed(self, form: dict[str, str], client: OAuthClient) -> Grant:
        grant = self.accounts.grants.get(form.get("refresh_token", ""))
        if grant is None or grant.client is not client:
            raise OAuthRefusal(400, "invalid_grant", "Bad Request")
        return grant

    def _by_code(self, form: dict[str, str], client: OAuthClient) -> Grant:
        grant, challenge, target = self.codes.pop(form.get("code", ""), (None, "", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proved = not challenge or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        if grant is None or grant.client is not client or not proved or form.get("redirect_uri") != target:
            raise OAuthRefusal(400, "invalid_grant", "Malformed auth code.")
        return grant

    def _by_device(self, form: dict[str, str], client: OAuthClient) -> Grant:
        now_s = self.accounts.clock.now_s()
        device_code = form.get("device_code", "")
        pending = self.devices.get(device_code)
        if pending is None or pending.client is not client:
            raise OAuthRefusal(400, "invalid_grant", "Malformed device code.")
        if pending.denied:
            raise OAuthRefusal(403, "access_denied", "Forbidden")
        if now_s >= pending.expires_s:
            raise OAuthRefusal(400, "expired_token", "The device code has expired.")
        too_soon, pending.polled_s = now_s < pending.polled_s + POLL_INTERVAL_S, now_s
        if too_soon:
            raise OAuthRefusal(403, "slow_down", "Forbidden")
        if pending.user is None:
            raise OAuthRefusal(428, "authorization_pending", "Precondition Required")
        del self.devices[device_code]
        return self.accounts.add_grant(pending.user, client, f"{pending.user.email} by device", *pending.scopes)

    def _waiting(self, user_code: str) -> Pending:
        return next(one for one in self.devices.values() if one.user_code == user_code)

    def _tokens(self, grant: Grant, *, fresh: bool) -> Answer:
        found = {
            "access_token": self.accounts.new_access_token(grant),
            "expires_in": int(self.accounts.choices.access_token_ttl_s),
            "token_type": "Bearer",
            "scope": " ".join(sorted(grant.scopes)),
        }
        if fresh:
            found["refresh_token"] = grant.refresh_token
        if (left_s := self.accounts.left_s(grant)) is not None:
            found["refresh_token_expires_in"] = int(left_s)
        return Answer.json(found)
