"""A sign-in to Google Drive, as it is kept: google-auth's authorized-user JSON, in a file or in a secret of Colab.

This module needs no library of Google. A token goes to Google's own address whatever the JSON says, so that a
forged file cannot send the secret elsewhere; only beside an emulator on loopback is the emulator's address honoured.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qcqueue.errors import SettingInvalid
from qcqueue.stores.drive.secret_json import is_word, parse_paper, read_paper, word_of
from qcqueue.stores.files import move_whole, unfinished

TOKEN_VARIABLE = "QCQUEUE_TOKEN"
CLIENT_VARIABLE = "QCQUEUE_CLIENT"
TOKEN_FILE = "drive-token.json"
FILE_SCOPE = "https://www.googleapis.com/auth/drive.file"
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"
YEAR_5138_S = 1e11

# What to type for a new sign-in, as hints say it: on this machine, for Colab, and where either may be meant.
RENEW_HERE = "qcqueue login"
RENEW_FOR_COLAB = "qcqueue colab-token"
AS_ANOTHER = f"{RENEW_HERE} --again; for Colab, {RENEW_FOR_COLAB}"
RENEW = f"{RENEW_HERE}; for Colab, {RENEW_FOR_COLAB}"
SIGN_IN_AGAIN = f"sign in again: {RENEW}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A lasting sign-in. granted_at_s: when the person agreed; account: whose Drive it is; None where unknown.

    expires_at_s: when Google ends it, as it said itself; None where it is to last.
    """

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_uri: str
    scopes: tuple[str, ...]
    granted_at_s: float | None
    account: str | None
    expires_at_s: float | None = None

    def to_json(self) -> str:
        """Return the token on one line, secrets included."""
        found = {
            "type": "authorized_user",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
            "token_uri": self.token_uri,
            "scopes": list(self.scopes),
            "granted_at_s": self.granted_at_s,
            "account": self.account,
            "expires_at_s": self.expires_at_s,
        }
        return json.dumps({key: value for key, value in found.items() if value is not None})


def parse_token(text: str, *, source: str, endpoint: str | None) -> Token:
    """Read authorized-user JSON. endpoint: the root URL of an emulator that stands in for Google.

    Raises: SettingInvalid: it is something else, or a sign-in that may not use the files of qcqueue.
    """
    found = parse_paper(text, source=source, hint=RENEW)
    if "installed" in found or "web" in found:
        raise SettingInvalid(f"{source} holds an OAuth client; a sign-in is made with it", hint=RENEW)
    if found.get("type", "authorized_user") != "authorized_user":
        raise SettingInvalid(f"{source} is the sign-in of a service, not of a person", hint=RENEW)
    return Token(
        client_id=word_of(found, "client_id", source=source, hint=RENEW),
        client_secret=word_of(found, "client_secret", source=source, hint=RENEW),
        refresh_token=word_of(found, "refresh_token", source=source, hint=RENEW),
        token_uri=_token_uri(found, source, endpoint),
        scopes=_scopes(found, source),
        granted_at_s=_time(found, "granted_at_s", source),
        account=_account(found, source),
        expires_at_s=_time(found, "expires_at_s", source),
    )


def read_token(path: Path, *, endpoint: str | None) -> Token:
    """Raises: SettingInvalid: the file cannot be read, or holds no sign-in."""
    return parse_token(read_paper(path, hint=RENEW), source=str(path), endpoint=endpoint)


def write_token(path: Path, token: Token) -> None:
    """Write the file whole or not at all, for its owner's eyes only. Raises: SettingInvalid: it cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with unfinished(path.parent) as file:  # which nobody else can read, as every temporary file
            file.write(f"{token.to_json()}\n".encode())
            move_whole(file, path)
    except OSError as exc:
        hint = f"allow it, or set XDG_CONFIG_HOME to a folder of yours; then {RENEW_HERE}"
        raise SettingInvalid(f"{path} cannot be written: {exc.strerror}", hint=hint) from exc


def _token_uri(found: dict[str, Any], source: str, endpoint: str | None) -> str:
    if endpoint is None:
        return GOOGLE_TOKEN_URI
    uri = word_of(found, "token_uri", source=source, hint=RENEW)
    if not uri.startswith(f"{endpoint}/"):
        raise SettingInvalid(f"{source} is no sign-in to the emulator that QCQUEUE_DRIVE_ENDPOINT names", hint=RENEW)
    return uri


def _scopes(found: dict[str, Any], source: str) -> tuple[str, ...]:
    scopes = found.get("scopes")
    if not isinstance(scopes, list) or not all(map(is_word, scopes)) or FILE_SCOPE not in scopes:
        raise SettingInvalid(f"{source} does not allow what qcqueue needs, the scope drive.file", hint=RENEW)
    return tuple(scopes)


def _time(found: dict[str, Any], key: str, source: str) -> float | None:
    time_s = found.get(key)
    if time_s is None:
        return None
    if isinstance(time_s, bool) or not isinstance(time_s, int | float) or not 0 <= time_s < YEAR_5138_S:
        raise SettingInvalid(f"{source}: {key!r} is not a number of seconds", hint=RENEW)
    return float(time_s)


def _account(found: dict[str, Any], source: str) -> str | None:
    return word_of(found, "account", source=source, hint=RENEW) if found.get("account") else None
