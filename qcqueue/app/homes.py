"""A home of a queue as a command names it, opened though its queue may be kept elsewhere; and the settings that follow.

How an address is written is `home_address`'s. Of a server whose address is known with a password from the environment,
that is used; else its library finds one.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from qcqueue.app.context import QueueContext, open_context
from qcqueue.app.home_address import HomeAddress, home_address, stored_home
from qcqueue.app.settings import Settings, load_settings, named_store, rename_home, settings_here
from qcqueue.app.upgrade import SEEN_WITHIN_S, Consent, sign_of_life
from qcqueue.errors import ConflictError, StoreError
from qcqueue.queue.moves import Residence, residence_of
from qcqueue.queue.sessions import unended_sessions
from qcqueue.stores.folder import DATABASE_FILE
from qcqueue.stores.registry import StoreAddress
from qcqueue.text.humanize import count

# Sessions of an older qcqueue are asked for like any other, so nothing is left for the guard to refuse.
_SEEN_TO = Consent(now=True)


@dataclass(frozen=True)
class QueueHome:
    """One end of a copy, as a command in the folder `here` reaches it; environment: that of the process if None."""

    address: HomeAddress
    here: Path
    environment: Mapping[str, str] | None = None

    @property
    def url(self) -> str:
        return self.address.url

    @cached_property
    def settings(self) -> Settings:
        store, server = self.address.store.url, self.address.server
        found = load_settings(store=store, folder=self.here, environment=self.environment)
        known = found.database  # with its password, which counts for nothing in what follows
        return replace(found, database=known if known == server else server, database_source="the command line")

    @cached_property
    def context(self) -> QueueContext:
        return open_context(self.settings, persistent=True, consent=_SEEN_TO)

    def at(self, url: str) -> "QueueHome":
        """Return the home of another address."""
        return replace(self, address=stored_home(url, source=self.url))

    def with_store(self, store: StoreAddress) -> "QueueHome":
        """Return it with a store that has got its own address meanwhile."""
        return replace(self, address=self.address.beside(store))

    def residence(self) -> Residence:
        """Return what it says of where its queue is kept. Raises: StoreMissing: there is none."""
        with self.context.database_itself.read() as tx:
            found = residence_of(tx)
        if behind := self.context.behind():
            raise StoreError(f"{self.url} does not answer: {behind.why}", hint="qcqueue doctor")
        return found

    @property
    def is_empty_file(self) -> bool:
        """Whether its database is a file in which nothing was ever made, as a killed process leaves one."""
        context = self.context
        if context.folder is None or context.slots:
            return False
        with contextlib.suppress(OSError):
            return (context.folder / DATABASE_FILE).stat().st_size == 0
        return False

    def check_answers(self) -> None:
        """Raises: QueueMoved. StoreMissing. SettingInvalid: its store has the files of another queue."""
        with self.context.read():
            pass
        self.context.check_files()

    def check_nobody_works(self, again: str) -> None:
        """Raises: ConflictError: a session is at work, or may be. again: the command to type once it has left."""
        context = self.context
        with context.read() as tx:
            found = unended_sessions(tx, since_s=context.clock.now_s() - SEEN_WITHIN_S)
        at_work = [
            f"{session.id} on {session.host}, {heard}"
            for session in found
            if (heard := sign_of_life(session, store=context.store_itself, cache=context.cache, lease=context.lease))
        ]
        if at_work:
            more = f" and {count(len(at_work) - 1, 'more')}" if len(at_work) > 1 else ""
            raise ConflictError(
                f"a session is at work on {self.url} ({at_work[0]}){more}; a queue is moved when nobody works on it",
                hint=f"stop it, or wait until it has left; then {again}",
            )


def home_of(typed: str, name: str, here: Path, environment: Mapping[str, str] | None = None) -> QueueHome:
    """Return the home that was typed. name: of the argument, for messages. Raises: SettingInvalid."""
    return QueueHome(home_address(typed, source=name), here, environment)


def follow(before: QueueHome, after: QueueHome) -> Path | None:
    """Let the settings file of this folder name another home, where it names the first; return it if that was done."""
    path = settings_here(before.here)
    if path is None:
        return None
    named = load_settings(folder=before.here, environment={})
    if named.store is None or HomeAddress(store=named_store(named), server=named.database) != before.address:
        return None
    to, near = after.address, after.settings
    is_renamed = rename_home(path, to.store, to.server, region=near.region, endpoint=near.endpoint)
    return path if is_renamed else None
