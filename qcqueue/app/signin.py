"""Who is signed in to Google Drive, and how a person signs in: on this machine, or for Colab.

A token given in QCQUEUE_TOKEN goes before the one in the user's config folder, and is held in memory only.
"""

import contextlib
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

from qcqueue.app.settings import Settings
from qcqueue.clock import Clock
from qcqueue.core.words import duration
from qcqueue.errors import ExtraMissing, SignInFailed
from qcqueue.storage.drive.token import TOKEN_FILE, TOKEN_VARIABLE, Token, parse_token, read_token, write_token


def drive_token(settings: Settings) -> Token:
    """Return the sign-in of this machine. Raises: SignInFailed: there is none. SettingInvalid: it cannot be read."""
    endpoint = settings.drive_endpoint
    if settings.token:
        return parse_token(settings.token, source=TOKEN_VARIABLE, endpoint=endpoint)
    path = token_path(settings)
    if not path.exists():
        raise SignInFailed(
            "nobody is signed in to Google Drive on this machine", hint="qcqueue login --client client.json"
        )
    return read_token(path, endpoint=endpoint)


def token_path(settings: Settings) -> Path:
    return settings.config / TOKEN_FILE


def sign_in_here(settings: Settings, client: Path, *, clock: Clock, narrate: Callable[[str], None]) -> Token:
    """Sign in through the browser of this machine, and keep it in place of what was there.

    Raises: SettingInvalid, ExtraMissing, SignInFailed, StoreBusy.
    """
    with drive_libraries():
        from qcqueue.storage.drive.browser import sign_in_by_browser
        from qcqueue.storage.drive.oauth import read_client

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
        from qcqueue.storage.drive.device import DeviceSignIn
        from qcqueue.storage.drive.oauth import read_client

    device = DeviceSignIn(read_client(client), endpoint=settings.drive_endpoint, clock=clock)
    prompt = device.begin()
    narrate(f"open {prompt.url} and type {prompt.code} within {duration(prompt.expires_in_s)}")
    return device.wait(prompt)


@contextlib.contextmanager
def drive_libraries() -> Iterator[None]:
    """Import within. Raises: ExtraMissing: a library of Drive is not installed."""
    try:
        yield
    except ModuleNotFoundError as exc:
        raise ExtraMissing(
            f"Google Drive needs {exc.name}, which is not installed", hint='pip install "qcqueue[drive]"'
        ) from exc
