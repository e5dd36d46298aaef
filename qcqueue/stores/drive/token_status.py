"""How a sign-in stands with Google: still good or not, for which scopes, and until when.

One question to the token endpoint, in which google-auth would keep to itself what is not an access token. The access
token that comes with the answer is let go: who asks wants to know, not to do.
"""

from dataclasses import dataclass

from qcqueue.stores.drive.oauth import ends_at_s, google_at, post
from qcqueue.stores.drive.token import Token

IS_OVER = "invalid_grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatus:
    """refusal: Google's word for why it does not accept the sign-in, None where it does. scopes: what it allows.

    ends_at_s: when Google will end it; None where it is to last.
    """

    refusal: str | None
    scopes: tuple[str, ...] = ()
    ends_at_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was good once: it ran out, or was taken back."""
        return self.refusal == IS_OVER


def standing_of(token: Token, *, endpoint: str | None, now_s: float) -> TokenStatus:
    """Ask Google. endpoint: the root URL of an emulator that stands in for it. Raises: StoreBusy: it is away."""
    form = {
        "grant_type": "refresh_token",
        "client_id": token.client_id,
        "client_secret": token.client_secret,
        "refresh_token": token.refresh_token,
    }
    reply = post(google_at(endpoint).token, form)
    if reply.status != 200:
        return TokenStatus(refusal=reply.reason)
    scope = reply.found.get("scope")
    scopes = tuple(scope.split()) if isinstance(scope, str) else token.scopes
    return TokenStatus(refusal=None, scopes=scopes, ends_at_s=ends_at_s(reply, now_s=now_s))
