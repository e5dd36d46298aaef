"""How a test connects the real PyDrive2 and googleapiclient to the emulator, without patching either.

It is the connection of `stores.drive`, with PyDrive2's own face beside it and any scope a test wants. Every connection
it opens is closed with it. These libraries are the extra `drive`; nothing else in this package needs them.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from pydrive2.drive import GoogleDrive

from qcqueue.stores.drive import connection
from qcqueue.stores.drive.token import Token
from tests.support.drive.accounts import Grant

TIMEOUT_S = 10.0


class Connection(connection.Connection):
    """One client of the emulator. drive: PyDrive2; service: googleapiclient's Drive v2.

    sign_in: a grant, or in another process what its `stored` said.
    """

    def __init__(self, base_url: str, sign_in: Grant | Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> None:
        stored = sign_in.stored(base_url) if isinstance(sign_in, Grant) else sign_in
        super().__init__(_token(stored), endpoint=base_url, timeout_s=timeout_s)
        self.drive = GoogleDrive(self.auth)

    def new_http(self) -> Any:
        """Return an authorized http of its own, as each thread needs one."""
        return self.auth.Get_Http_Object()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _token(stored: Mapping[str, Any]) -> Token:
    """Return a sign-in of any scope, which `parse_token` would refuse."""
    names = ("refresh_token", "token_uri", "client_id", "client_secret")
    named: dict[str, Any] = {name: str(stored[name]) for name in names}
    return Token(**named, scopes=tuple(stored["scopes"]), granted_at_s=None, account=None)
