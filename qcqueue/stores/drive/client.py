"""OAuth clients of the user's own: the JSON that Google's console lets them download, and where it is found.

What is in a file is hostile until checked, and the addresses in it are not believed. Always true: a file is taken from
the downloads folder only where all that may be meant are of one Cloud project, and which one it was is said.
"""

import contextlib
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path

from qcqueue.errors import SettingInvalid, SignInFailed
from qcqueue.stores.base import Access
from qcqueue.stores.drive.console import MAKE_CLIENT, PAGES
from qcqueue.stores.drive.secret_json import parse_paper, read_paper, word_of
from qcqueue.stores.drive.token import RENEW_HERE
from qcqueue.stores.paths import own_account
from qcqueue.stores.regular import read_regular

DOWNLOADED = re.compile(r"client_secret.*\.json")
LOOKED_AT = 20
_USERS_FOLDER = re.compile(r'^XDG_DOWNLOAD_DIR="(\$HOME/|/)([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A client of a TV, or of a Desktop app. Google gives both a secret, which a file can only hide.

    has_page: whether Google may lead a browser back to a page on this machine, which it does for a Desktop app alone.
    """

    client_id: str
    client_secret: str = field(repr=False)
    has_page: bool = False

    @property
    def project(self) -> str:
        """The number of its Cloud project, with which Google begins an id."""
        return self.client_id.partition("-")[0]


def read_client(path: Path) -> OAuthClient:
    """Read the file the Google Cloud console offers for a client. Raises: SettingInvalid."""
    return parse_client(read_paper(path, hint=MAKE_CLIENT), source=str(path))


def parse_client(text: str, *, source: str) -> OAuthClient:
    """Read a client; addresses in it are not believed. Raises: SettingInvalid: it is none, or one of a web server."""
    found = parse_paper(text, source=source, hint=MAKE_CLIENT)
    if "web" in found:
        raise SettingInvalid(
            f"{source} is the client of a web server; qcqueue needs one of another type", hint=MAKE_CLIENT
        )
    inner = found.get("installed")
    if not isinstance(inner, dict):
        raise SettingInvalid(f"{source} is not a client of the Google Cloud console", hint=MAKE_CLIENT)
    return OAuthClient(
        client_id=word_of(inner, "client_id", source=source, hint=MAKE_CLIENT),
        client_secret=word_of(inner, "client_secret", source=source, hint=MAKE_CLIENT),
        has_page=bool(inner.get("redirect_uris")),
    )


def downloaded_client(access: Access, *, narrate: Callable[[str], None]) -> OAuthClient:
    """Return the client that was downloaded last, and say which one; where there is none, how to make one.

    Raises: SignInFailed: there is none, or there are some of several projects. SettingInvalid: none can be used.
    """
    folder = _downloads_folder(access)
    found, refused = dict[str, tuple[Path, OAuthClient]](), list[SettingInvalid]()
    for path in _newest(folder):
        try:
            client = read_client(path)
        except SettingInvalid as exc:
            refused.append(exc)
        else:
            found.setdefault(client.project, (path, client))
    if len(found) > 1:
        ways = "; or ".join(f"{RENEW_HERE} --client {shlex.quote(str(path))}" for path, _ in found.values())
        raise SignInFailed(f"{folder} holds clients of {len(found)} Cloud projects", hint=ways)
    if found:
        for error in refused:
            narrate(f"passed over: {error}")
        ((path, client),) = found.values()
        narrate(f"the client is {path}")
        return client
    if refused:
        raise refused[0]
    narrate("Google asks for an OAuth client of your own, which is made once. In a browser, with the account to use:")
    for number, page in enumerate(PAGES, 1):
        narrate(f"{number}. {page.title}: {page.url}\n   {' > '.join(page.words)}")
    narrate(f"{len(PAGES) + 1}. Sign in with it: {RENEW_HERE}")
    raise SignInFailed(
        f"{folder} holds no client_secret*.json yet", hint=f"{RENEW_HERE}, once it does; or with --client FILE"
    )


def _downloads_folder(access: Access) -> Path:
    """Return where browsers put what is downloaded, as the settings of the desktop say it, or where it usually is."""
    account = own_account()
    home = Path(access.environ.get("HOME") or access.environ.get("USERPROFILE") or (account[1] if account else "."))
    with contextlib.suppress(OSError, ValueError):
        text = read_regular(access.config.parent / "user-dirs.dirs", bytes_max=1 << 16).decode()
        if named := _USERS_FOLDER.search(text):
            return (home if named[1] != "/" else Path("/")) / named[2]
    return home / "Downloads"


def _newest(folder: Path) -> list[Path]:
    """Return the files that may be clients, the newest first; as many as a person can have meant."""
    try:
        with os.scandir(folder) as entries:
            files = [
                (entry.stat(follow_symlinks=False).st_mtime, entry.path)
                for entry in entries
                if DOWNLOADED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            ]
    except (OSError, ValueError):  # no path can hold what it is called
        return []
    return [Path(path) for _, path in nlargest(LOOKED_AT, files)]
