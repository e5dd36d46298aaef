"""Signing in with no page of ours for a browser: a short code here, which a person types on a page of Google's.

This is how a laptop and Colab get a token each from one client. Google allows it to clients of the type "TVs and
Limited Input devices", and for few scopes; `drive.file` is one of them. Whoever waits asks no more often than Google
wants to be asked.
"""

from dataclasses import dataclass, field

from qcqueue.clock import Clock
from qcqueue.errors import SignInFailed, StoreBusy
from qcqueue.stores.drive.client import OAuthClient
from qcqueue.stores.drive.oauth import Reply, google_at, post, refusal, signed_in
from qcqueue.stores.drive.secret_json import is_word
from qcqueue.stores.drive.token import FILE_SCOPE, RENEW_FOR_COLAB, Token

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL_S = 5.0
SLOWER_BY_S = 5.0
LONGEST_INTERVAL_S = 60.0
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePrompt:
    """What to tell the person: the page to open and the code to type there. device_code: ours, for no eyes."""

    url: str
    code: str
    expires_in_s: float
    interval_s: float
    device_code: str = field(repr=False)


class DeviceSignIn:
    """One sign-in by device. endpoint: the root URL of an emulator that stands in for Google."""

    def __init__(self, client: OAuthClient, *, endpoint: str | None, clock: Clock) -> None:
        self._client = client
        self._google = google_at(endpoint)
        self._clock = clock

    def begin(self) -> DevicePrompt:
        """Raises: ClientRefused: the client may not do this. SignInFailed, StoreBusy: Google is away."""
        reply = post(self._google.device, {"client_id": self._client.client_id, "scope": FILE_SCOPE})
        if reply.status != 200:
            raise refusal(reply.reason)
        url, code, device_code = (reply.found.get(key) for key in ("verification_url", "user_code", "device_code"))
        if not (is_word(url) and is_word(code) and is_word(device_code)):
            raise SignInFailed("Google's answer holds no code to type", hint=RENEW_FOR_COLAB)
        return DevicePrompt(
            url=str(url),
            code=str(code),
            expires_in_s=_seconds(reply, "expires_in", LONGEST_WAIT_S, LONGEST_WAIT_S),
            interval_s=_seconds(reply, "interval", INTERVAL_S, LONGEST_INTERVAL_S),
            device_code=str(device_code),
        )

    def wait(self, prompt: DevicePrompt) -> Token:
        """Ask until the person has answered. Raises: SignInFailed: they refused, gave too little, or were too late."""
        form = {
            "grant_type": DEVICE_GRANT,
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret,
            "device_code": prompt.device_code,
        }
        interval_s, deadline_s = prompt.interval_s, self._clock.monotonic_s() + prompt.expires_in_s
        while self._clock.monotonic_s() < deadline_s:
            self._clock.sleep(interval_s)
            try:
                reply = post(self._google.token, form)
            except StoreBusy:
                continue  # the person may still be typing, and the next question costs nothing
            match reply.reason:
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval_s += SLOWER_BY_S
                case _:
                    return signed_in(reply, self._client, self._google, granted_at_s=self._clock.now_s())
        raise refusal("expired_token")


def _seconds(reply: Reply, key: str, default_s: float, longest_s: float) -> float:
    """Return a number of the answer, kept to what is sane."""
    found = reply.found.get(key)
    return float(min(found, longest_s)) if isinstance(found, int) and found > 0 else default_s
