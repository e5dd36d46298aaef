"""Who is signed in to Google Drive, and how a person signs in: on this machine, for Colab, or in a notebook.

A token given in QCQUEUE_TOKEN goes before the one in the user's config folder, and is held in memory only. Always true:
of a sign-in only the address and the code that a person must see are ever shown.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.errors import ClientRefused, ExtraMissing, SettingInvalid, SignInFailed, StoreBusy
from qcqueue.stores.base import Access, Ask
from qcqueue.stores.drive.client import OAuthClient, downloaded_client, parse_client, read_client
from qcqueue.stores.drive.console import MAKE_CLIENT
from qcqueue.stores.drive.token import (
    CLIENT_VARIABLE,
    FILE_SCOPE,
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

if TYPE_CHECKING:
    from qcqueue.stores.drive.device import DevicePrompt

MAKE_SECRET = "on your laptop: qcqueue colab-token; paste its line into {} and run this cell again"
OPEN_NOTEBOOK = "open the notebook that qcqueue notebook --with-client writes, which asks you to sign in"

GIVE_TOKEN = f"start its kernel with {TOKEN_VARIABLE}, the line of qcqueue colab-token, in the environment"


def drive_token(access: Access) -> Token:
    """Return the sign-in of this machine. Raises: SignInFailed: there is none, or what is there is none."""
    endpoint, path = access.endpoint, token_path(access)
    try:
        if access.token:
            return parse_token(access.token, source=TOKEN_VARIABLE, endpoint=endpoint)
        if path.exists():
            return read_token(path, endpoint=endpoint)
    except SettingInvalid as exc:
        raise SignInFailed(str(exc), hint=exc.hint) from None
    raise SignInFailed("nobody is signed in to Google Drive on this machine", hint=renewal(access))


def token_path(access: Access) -> Path:
    return access.config / TOKEN_FILE


def sign_in_here(access: Access, client: OAuthClient, *, narrate: Callable[[str], None]) -> Token:
    """Sign in on this machine, and keep it in place of what was there: by a code, as Google lets the client of a TV.

    A client that it does not let, and that has a page, signs in through the browser of this machine.

    Raises: SettingInvalid, ExtraMissing, SignInFailed, StoreBusy.
    """
    import webbrowser

    with drive_libraries():
        from qcqueue.stores.drive.browser import sign_in_by_browser
        from qcqueue.stores.drive.device import DeviceSignIn

    device = DeviceSignIn(client, endpoint=access.endpoint, clock=access.clock)
    try:
        prompt = device.begin()
    except ClientRefused:
        if not client.has_page:
            raise
        token = sign_in_by_browser(
            client, endpoint=access.endpoint, open_browser=webbrowser.open, narrate=narrate, clock=access.clock
        )
    else:
        narrate(_asked(prompt))
        token = device.wait(prompt)
    write_token(token_path(access), token)
    return token


def sign_in_by_code(access: Access, client: OAuthClient, *, show: Callable[[str], None]) -> Token:
    """Sign in by a code that the person types elsewhere, and keep it nowhere.

    Raises: ExtraMissing, SignInFailed, StoreBusy.
    """
    with drive_libraries():
        from qcqueue.stores.drive.device import DeviceSignIn

    device = DeviceSignIn(client, endpoint=access.endpoint, clock=access.clock)
    prompt = device.begin()
    show(_asked(prompt))
    return device.wait(prompt)


def client_here(access: Access, file: Path | None, *, narrate: Callable[[str], None]) -> OAuthClient:
    """Return the client in a file, else that of the sign-in of this machine, else the one that was downloaded last.

    Raises: SettingInvalid, SignInFailed.
    """
    if file:
        return read_client(file)
    if token_path(access).exists():
        return client_of(drive_token(replace(access, token=None)))
    return downloaded_client(access, narrate=narrate)


def client_of(token: Token) -> OAuthClient:
    """Return with which client a sign-in was made; whether it has a page only Google knows."""
    return OAuthClient(client_id=token.client_id, client_secret=token.client_secret, has_page=True)


def by_another(exc: ClientRefused, command: str) -> ClientRefused:
    """Return the error with how to give a command another client than the one that it took by itself."""
    return ClientRefused(str(exc), hint=f"{MAKE_CLIENT}; then {command} --client FILE")


def signed_in(access: Access, ask: Ask) -> Access:
    """Return the access with a sign-in: the one that is there, the provider's secret, or one that a person makes now.

    Raises: SettingInvalid, ExtraMissing, SignInFailed, StoreBusy.
    """
    if access.token or token_path(access).exists():
        return access
    token = ask.secret(TOKEN_VARIABLE)
    if token is None and ask.has_reader:
        client = access.environ.get(CLIENT_VARIABLE)
        if not client:
            secret = ask.secret_help.format(name=TOKEN_VARIABLE)
            hint = (
                f"{MAKE_SECRET.format(secret)}; or {OPEN_NOTEBOOK}" if secret else f"{OPEN_NOTEBOOK}; or {GIVE_TOKEN}"
            )
            raise SignInFailed("this notebook has no sign-in to Google Drive", hint=hint)
        asked = parse_client(client, source=CLIENT_VARIABLE)
        token = sign_in_by_code(access, asked, show=ask.show).to_json()
        ask.show()
    return replace(access, token=token)


def client_for_notebook(access: Access, file: Path | None) -> str:
    """Return what a notebook needs of an OAuth client: that of a file, or of the sign-in of this machine.

    The second may be of another type, so Google is asked where it answers.

    Raises: SettingInvalid, ExtraMissing. SignInFailed: nobody is signed in here. ClientRefused.
    """
    if file:
        client = read_client(file)
    else:
        client = client_of(drive_token(replace(access, token=None)))
        with drive_libraries():
            from qcqueue.stores.drive.device import DeviceSignIn
        try:
            with contextlib.suppress(StoreBusy):
                DeviceSignIn(client, endpoint=access.endpoint, clock=access.clock).begin()
        except ClientRefused as exc:
            raise by_another(exc, "qcqueue notebook") from None
    return json.dumps({"installed": {"client_id": client.client_id, "client_secret": client.client_secret}})


def _asked(prompt: "DevicePrompt") -> str:
    return f"open {prompt.url} and type {prompt.code} within {duration(prompt.expires_in_s)}"


def renewal(access: Access) -> str:
    """Return the command that replaces the sign-in of this machine."""
    return RENEW_FOR_COLAB if access.token else RENEW_HERE


def end_told(ends_at_s: float | None, now_s: float) -> str | None:
    """Return when Google will end a sign-in, in words; None where it is to last."""
    if ends_at_s is None:
        return None
    left_s = max(0.0, ends_at_s - now_s)
    # Cut down: who reads "1 day" has at least one.
    left = count(int(left_s // DAY_S), "day") if left_s >= DAY_S else count(int(left_s // HOUR_S), "hour")
    return f"Google ends it in {left}, as it does while an app is in Testing"


def end_ahead(access: Access) -> str | None:
    """Return a warning where this machine's sign-in will end, without asking anybody; a broken one is no news here."""
    with contextlib.suppress(SignInFailed):
        if said := end_told(drive_token(access).expires_at_s, access.clock.now_s()):
            return f"the sign-in to Google Drive ends soon: {said}; qcqueue doctor says what to do"
    return None


def sees_whole_drive(access: Access) -> bool:
    """Return whether this machine's sign-in opens more on Drive than qcqueue's own files; a broken one opens none."""
    with contextlib.suppress(SignInFailed):
        return any("/auth/drive" in scope for scope in {*drive_token(access).scopes} - {FILE_SCOPE})
    return False


@contextlib.contextmanager
def drive_libraries() -> Iterator[None]:
    """Import within. Raises: ExtraMissing: a library of Drive is not installed."""
    try:
        yield
    except ModuleNotFoundError as exc:
        raise ExtraMissing(
            f"Google Drive needs {exc.name}, which is not installed", hint='pip install "qcqueue[drive]"'
        ) from exc
