"""`login` goes on where it was left: what stands of a sign-in, with which client the next is made, what Google misses.

How to make a client says `client`, signing in itself is `sign_in`'s. Always true: of what is missing the first thing
alone is named, with the page of Google's console where it is done, and the same command goes on after it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from qcqueue.errors import ClientRefused, SignInFailed, StoreBusy
from qcqueue.stores.base import Access
from qcqueue.stores.checks import CheckStatus
from qcqueue.stores.drive.client import OAuthClient, downloaded_client, read_client
from qcqueue.stores.drive.sign_in import client_of, drive_libraries, drive_token, token_path


def next_client(
    access: Access, file: Path | None, *, again: bool, narrate: Callable[[str], None]
) -> OAuthClient | None:
    """Return the client to sign in with: of a file, else of a sign-in that is over, else the one downloaded last.

    None where nothing is to be done, as the sign-in of this machine is good and lasts; again: it is to be another.

    Raises: SettingInvalid, ExtraMissing. SignInFailed: there is no client yet. StoreBusy: Google is away.
    """
    with drive_libraries():
        from qcqueue.stores.drive.checks import check_sign_in
    if file:
        return read_client(file)
    here, client = replace(access, token=None), None
    if token_path(here).exists():
        try:
            token = drive_token(here)
            client = client_of(token)
            check = check_sign_in(token, here)
            if check.verdict is CheckStatus.OK and not again:
                return None
            narrate(f"the sign-in {check.says}")
        except ClientRefused as exc:
            client = None
            narrate(str(exc))
        except SignInFailed as exc:
            narrate(str(exc))
    return client or downloaded_client(access, narrate=narrate)


def account_of(access: Access) -> str | None:
    """Return whose Drive the sign-in of this machine opens, None where Drive does not answer.

    Raises: StoreDenied: something is missing in the Cloud project, such as the Drive API. SignInFailed.
    """
    with drive_libraries():
        from qcqueue.stores.drive.backend import files_on_drive
    try:
        return files_on_drive(replace(access, token=None), patient=False).about().account
    except StoreBusy:
        return None
