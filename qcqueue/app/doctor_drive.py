"""What `doctor` looks at on Google Drive: the sign-in, the account, the clock, the room, the folder, the queue in it.

In this order, because each needs what is before it: the first that fails is the one to repair, and ends the visit.
Nothing of a token is ever said but where it lies, whose it is, and when it ends.
"""

from collections.abc import Iterator

from qcqueue.app.checks import Finding, clock_against, database_of, fine, forecast_of, problem, room, warning
from qcqueue.app.context import QueueContext
from qcqueue.app.drive import NEW, files_on_drive, page_of, part_of_this_machine
from qcqueue.app.settings import Settings, drive_folder_of
from qcqueue.app.sign_in import PUBLISH, drive_token, end_told, renewal, token_path
from qcqueue.clock import Clock
from qcqueue.errors import QcqueueError, SignInFailed, StoreBusy
from qcqueue.stores.drive.answers import MAKE_ROOM, TOO_LITTLE
from qcqueue.stores.drive.layout import RememberedHome, check_account
from qcqueue.stores.drive.oauth import refusal
from qcqueue.stores.drive.space import KEPT_FREE_BYTES
from qcqueue.stores.drive.token import FILE_SCOPE, TOKEN_VARIABLE, Token
from qcqueue.stores.drive.token_status import standing_of
from qcqueue.text.humanize import DAY_S, HOUR_S, duration

TESTING_GRANT_S = 7 * DAY_S
OFFLINE = "check this machine's connection; until then, qcqueue status shows what it last saw"


def examine_drive(settings: Settings, place: QueueContext, clock: Clock) -> Iterator[Finding]:
    """Yield what is found, up to the first thing that keeps the next from being looked at."""
    try:
        yield from _findings(settings, place, clock)
    except StoreBusy as exc:
        exc.hint = OFFLINE
        yield problem("Google Drive", exc)
    except SignInFailed as exc:
        yield problem("sign-in", exc)
    except QcqueueError as exc:
        yield problem("Google Drive", exc)


def _findings(settings: Settings, place: QueueContext, clock: Clock) -> Iterator[Finding]:
    token = drive_token(settings)
    yield _sign_in(token, settings, clock.now_s())
    files = files_on_drive(settings, persistent=False)
    about = files.about()
    yield fine("account", about.account)
    yield clock_against(files.caller.date_s, clock.now_s(), "Google's")
    yield room("Drive", "Google Drive", about.free_bytes, needed_bytes=KEPT_FREE_BYTES, hint=MAKE_ROOM)
    folder = drive_folder_of(str(settings.store), source=settings.source)
    if folder == NEW:
        return
    home = RememberedHome(files, folder, part_of_this_machine(settings.cache, folder) / "home.json")
    check_account(home(), about.account)  # first, as it says more than that another account sees no such folder
    home.check(about)
    yield fine("folder", str(page_of(place.store.url)))
    yield database_of(place)
    yield from forecast_of(place, about.free_bytes)


def _sign_in(token: Token, settings: Settings, now_s: float) -> Finding:
    """Raises: SignInFailed: it is no good any more, or never was for this. StoreBusy: Google cannot be asked."""
    standing = standing_of(token, endpoint=settings.drive_endpoint, now_s=now_s)
    if standing.is_over:
        raise _over(token, settings, now_s)
    if standing.refusal:
        raise refusal(standing.refusal)
    if FILE_SCOPE not in standing.scopes:
        raise SignInFailed(
            TOO_LITTLE,
            hint=f"sign in again, and leave the box for Google Drive ticked: {renewal(settings)}",
        )
    where = f"from {TOKEN_VARIABLE if settings.token else token_path(settings)}"
    if said := end_told(standing.ends_at_s or token.expires_at_s, now_s):
        return warning("sign-in", f"{where}; {said}", f"{PUBLISH}, then: {renewal(settings)}")
    return fine("sign-in", f"{where}, accepted by Google")


def _over(token: Token, settings: Settings, now_s: float) -> SignInFailed:
    """Return the error for a sign-in that was good once; most that die early were made while the app was in Testing."""
    sentence = "Google does not accept this sign-in any more"
    age_s = 0.0 if token.granted_at_s is None else now_s - token.granted_at_s
    if age_s < TESTING_GRANT_S - HOUR_S:
        return SignInFailed(sentence, hint=f"sign in again: {renewal(settings)}")
    return SignInFailed(
        f"{sentence}: it is {duration(age_s)} old, and while an app is in Testing each lives 7 days",
        hint=f"{PUBLISH}, then: {renewal(settings)}",
    )
