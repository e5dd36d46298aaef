"""What is looked at on Google Drive before the queue: the sign-in, the account, the clock, the room, the folder.

In this order, because each needs what is before it: the first that fails is the one to repair, and ends the visit.
Nothing of a token is ever said but where it lies, whose it is, and when it ends.
"""

from collections.abc import Generator

from qcqueue.errors import QcqueueError, SignInFailed, StoreBusy
from qcqueue.stores.base import Access
from qcqueue.stores.checks import Check, Reached, clock_against, fine, problem, room, warning
from qcqueue.stores.drive.answers import MAKE_ROOM, TOO_LITTLE
from qcqueue.stores.drive.backend import BACKEND, NEW, files_on_drive, remembered_home
from qcqueue.stores.drive.console import PUBLISH
from qcqueue.stores.drive.layout import check_account, check_folders
from qcqueue.stores.drive.oauth import refusal
from qcqueue.stores.drive.sign_in import drive_token, end_told, renewal, token_path
from qcqueue.stores.drive.space import KEPT_FREE_BYTES
from qcqueue.stores.drive.token import FILE_SCOPE, TOKEN_VARIABLE, Token
from qcqueue.stores.drive.token_status import standing_of
from qcqueue.text.humanize import DAY_S, HOUR_S, duration

TESTING_GRANT_S = 7 * DAY_S
OFFLINE = "check this machine's connection; until then, qcqueue status shows what it last saw"


def check_drive(address: str, access: Access) -> Generator[Check, None, Reached | None]:
    """Yield what is found, up to the first thing that keeps the next from being looked at: see `Backend.check`."""
    try:
        return (yield from _checks(address, access))
    except StoreBusy as exc:
        exc.hint = OFFLINE
        yield problem("Google Drive", exc)
    except SignInFailed as exc:
        yield problem("sign-in", exc)
    except QcqueueError as exc:
        yield problem("Google Drive", exc)
    return None


def _checks(address: str, access: Access) -> Generator[Check, None, Reached | None]:
    token = drive_token(access)
    yield check_sign_in(token, access)
    files = files_on_drive(access, patient=False)
    about = files.about()
    yield fine("account", about.account)
    yield clock_against(files.caller.date_s, access.clock.now_s(), "Google's")
    yield room("Drive", "Google Drive", about.free_bytes, needed_bytes=KEPT_FREE_BYTES, hint=MAKE_ROOM)
    if address == NEW:
        return None
    home = remembered_home(files, address, access)
    check_account(home(), about.account)  # first, as it says more than that another account sees no such folder
    home.check(about)
    check_folders(files, home())
    yield fine("folder", str(BACKEND.link(address)))
    return Reached(free_bytes=about.free_bytes)


def check_sign_in(token: Token, access: Access) -> Check:
    """Ask Google whether a sign-in is good, and whether it will last.

    Raises: SignInFailed: it is no good any more, or never was for this. StoreBusy: Google cannot be asked.
    """
    now_s = access.clock.now_s()
    standing = standing_of(token, endpoint=access.endpoint, now_s=now_s)
    if standing.is_over:
        raise _over(token, access, now_s)
    if standing.refusal:
        raise refusal(standing.refusal)
    if FILE_SCOPE not in standing.scopes:
        raise SignInFailed(
            TOO_LITTLE,
            hint=f"sign in again, and leave the box for Google Drive ticked: {renewal(access)}",
        )
    where = f"from {TOKEN_VARIABLE if access.token else token_path(access)}"
    if said := end_told(standing.ends_at_s or token.expires_at_s, now_s):
        return warning("sign-in", f"{where}; {said}", f"{PUBLISH}, then: {renewal(access)}")
    return fine("sign-in", f"{where}, accepted by Google")


def _over(token: Token, access: Access, now_s: float) -> SignInFailed:
    """Return the error for a sign-in that was good once; most that die early were made while the app was in Testing."""
    sentence = "Google does not accept this sign-in any more"
    age_s = 0.0 if token.granted_at_s is None else now_s - token.granted_at_s
    if age_s < TESTING_GRANT_S - HOUR_S:
        return SignInFailed(sentence, hint=f"sign in again: {renewal(access)}")
    return SignInFailed(
        f"{sentence}: it is {duration(age_s)} old, and while an app is in Testing each lives 7 days",
        hint=f"{PUBLISH}, then: {renewal(access)}",
    )
