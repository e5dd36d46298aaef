"""Who is signed in to Google Drive, and how a person signs in: on this machine, or for Colab.

A token given in QCQUEUE_TOKEN goes before the one in the user's config folder, and is held in memory only.
"""

import contextlib
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

from qcqueue.app.settings import Settings
from qcqueue.clock import Clock
from qcqueue.errors import ExtraMissing, SettingInvalid, SignInFailed
from qcqueue.stores.drive.token import (
    RENEW_FOR_COLAB,
    RENEW_HERE,
    TOKEN_FILE,
    TOKEN_VARIABLE,
    Token,
    parse_token,
    read_token,
    write_token,
)
from qcqueue.text.humanize import DAY_S, HOUR_S, count, duration

PUBLISH = "publish the app in the Google Cloud console (Google Auth Platform > Audience > Publish app)"


def drive_token(settings: Settings) -> Token:
    """Return the sign-in of this machine. Raises: SignInFailed: there is none, or what is there is none."""
    endpoint, path = settings.drive_endpoint, token_path(settings)
    try:
        if settings.token:
            return parse_token(settings.token, source=TOKEN_VARIABLE, endpoint=endpoint)
        if path.exists():
            return read_token(path, endpoint=endpoint)
    except SettingInvalid as exc:
        raise SignInFailed(str(exc), hint=exc.hint) from None
    raise SignInFailed("nobody is signed in to Google Drive on this machine", hint=renewal(settings))


def token_path(settings: Settings) -> Path:
    return settings.config / TOKEN_FILE


def sign_in_here(settings: Settings, client: Path, *, clock: Clock, narrate: Callable[[str], None]) -> Token:
    """Sign in through the browser of this machine, and keep it in place of what was there.

    Raises: SettingInvalid, ExtraMissing, SignInFailed, StoreBusy.
    """
    with drive_libraries():
        from qcqueue.stores.drive.browser import sign_in_by_browser
        from qcqueue.stores.drive.oauth import read_client

    token = sign_in_by_browser(
        read_client(client),
        endpoint=settings.drive_endpoint,
        open_browser=webbrowser.open,
        narrate=narrate,
        clock=clock,
    )
    write_token(token_path(settings), token)
    return token


def sign_in_by_code(settings: Settings, client: Path, *, clock: Clock, narrate: Callable[[str], None]) -> Token:
    """Sign in by a code that the person types elsewhere, and keep it nowhere.

    Raises: SettingInvalid, ExtraMissing, SignInFailed, StoreBusy.
    """
    with drive_libraries():
        from qcqueue.stores.drive.device import DeviceSignIn
        from qcqueue.stores.drive.oauth import read_client

    device = DeviceSignIn(read_client(client), endpoint=settings.drive_endpoint, clock=clock)
    prompt = device.begin()
    narrate(f"open {prompt.url} and type {prompt.code} within {duration(prompt.expires_in_s)}")
    return device.wait(prompt)


def renewal(settings: Settings) -> str:
    """Return the command that replaces the sign-in of this machine."""
    return RENEW_FOR_COLAB if settings.token else RENEW_HERE


def end_told(ends_at_s: float | None, now_s: float) -> str | None:
    """Return when Google will end a sign-in, in words; None where it is to last."""
    if ends_at_s is None:
        return None
    left_s = max(0.0, ends_at_s - now_s)
    # Cut down: who reads "1 day" has at least one.
    left = count(int(left_s // DAY_S), "day") if left_s >= DAY_S else count(int(left_s // HOUR_S), "hour")
    return f"Google ends it in {left}, as it does while an app is in Testing"


def end_ahead(settings: Settings, now_s: float) -> str | None:
    """Return a warning where this machine's sign-in will end, without asking anybody; a broken one is no news here."""
    with contextlib.suppress(SignInFailed):
        if said := end_told(drive_token(settings).expires_at_s, now_s):
            return f"the sign-in to Google Drive is not for long: {said}; qcqueue doctor says what to do"
    return None


@contextlib.contextmanager
def drive_libraries() -> Iterator[None]:
    """Import within. Raises: ExtraMissing: a library of Drive is not installed."""
    try:
        yield
    except ModuleNotFoundError as exc:
        raise ExtraMissing(
            f"Google Drive needs {exc.name}, which is not installed", hint='pip install "qcqueue[drive]"'
        ) from exc
