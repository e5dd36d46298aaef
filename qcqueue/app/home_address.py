"""How a home of a queue is written, as one text: its store, or the database on a server and, after a plus, its store.

    folder:PATH    shared:PATH    gdrive:FOLDER_ID    postgresql://USER@HOST/DATABASE+shared:PATH

It is the same text wherever it stands: typed, and in the other home of a queue that moves. Always true: it holds no
password.
"""

import os
import re
import shlex
from dataclasses import dataclass, replace

from qcqueue.database.address import ServerAddress, refuse_password, server_address
from qcqueue.errors import CorruptionError, SettingInvalid
from qcqueue.stores.registry import STORES, StoreAddress, names_database, parse_url
from qcqueue.text.suggest import shown
from qcqueue.text.urls import bare_url

# A plus in an address of a server is spelt out, so the first that a store follows ends it.
_BESIDE = re.compile(rf"(?P<server>postgres(?:ql)?://.+?)\+(?P<store>(?:{'|'.join(STORES)}):.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAddress:
    """Where a queue is kept. server: that has the database, None where the store has it too."""

    store: StoreAddress
    server: ServerAddress | None = None

    @property
    def url(self) -> str:
        return f"{self.server.url}+{self.store.url}" if self.server else self.store.url

    def is_like(self, other: "HomeAddress") -> bool:
        """Return whether the other may be this one with a store that has got an address of its own."""
        return (self.server, self.store.scheme) == (other.server, other.store.scheme)

    def types(self, command: str) -> str:
        """Return how to type a command of ours on the queue there, whatever this shell names as its database."""
        typed = f"qcqueue {command} --store {shlex.quote(self.store.url)}"
        if self.server:
            return f"QCQUEUE_DATABASE={shlex.quote(self.server.url)} {typed}"
        return f"env -u QCQUEUE_DATABASE {typed}" if os.environ.get("QCQUEUE_DATABASE") else typed

    def beside(self, store: StoreAddress) -> "HomeAddress":
        """Return the address with a store that has got its own meanwhile."""
        return replace(self, store=store)


def home_address(text: str, *, source: str) -> HomeAddress:
    """Return the home that a text names. source: where it was found, for messages. Raises: SettingInvalid."""
    found = _BESIDE.fullmatch(text.strip())
    if found is None and names_database(text):
        raise SettingInvalid(
            f"{source} names a database without a store that is known: {bare_url(text)!r}",
            hint="write its store behind a plus, as in postgresql://USER@HOST/DATABASE+s3://BUCKET/PREFIX",
        )
    if found is None:
        return HomeAddress(store=parse_url(text, source=source))
    server = server_address(found["server"], source=source)
    refuse_password(server, source=source)
    return HomeAddress(store=parse_url(found["store"], source=source), server=server)


def stored_home(text: str, *, source: str) -> HomeAddress:
    """Return the home that a database names. source: its own home. Raises: CorruptionError: it names none."""
    try:
        return home_address(text, source=source)
    except SettingInvalid as exc:
        raise CorruptionError(
            f"the database of {source} says that its queue has to do with {shown(bare_url(text))}, which is no home"
        ) from exc
