"""Who is signed in to a store in a notebook: a secret of the machine's provider, or a person who reads the screen.

What a kind of store needs, and how it is signed in to, is its backend's. Always true: the token stays in this process's
memory, and nothing of it is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from qcqueue.app.profile import provider_here
from qcqueue.app.settings import Settings
from qcqueue.clock import Clock
from qcqueue.database.address import PASSWORD
from qcqueue.notebook.screen import Screen
from qcqueue.stores.base import Ask
from qcqueue.stores.registry import STORES, backend_of, scheme_of


@dataclass(frozen=True, slots=True)
class _AskInNotebook:
    """Implements `stores.base.Ask`."""

    screen: Screen
    environment: Mapping[str, str]

    @property
    def has_reader(self) -> bool:
        return self.screen.has_reader

    @property
    def secret_help(self) -> str:
        return provider_here(self.environment).secret_help

    def secret(self, name: str) -> str | None:
        return provider_here(self.environment).secret(name, say=self.screen.say)

    def show(self, *lines: str) -> None:
        self.screen.ask(*lines)


def signed_in(settings: Settings, environment: Mapping[str, str], screen: Screen, clock: Clock) -> Settings:
    """Return the settings with a sign-in, where their store wants one. Raises: SignInFailed, SettingInvalid."""
    scheme = scheme_of(settings.store or "")
    if scheme not in STORES:  # which whoever opens it will say
        return settings
    access = settings.access(environ=environment, clock=clock)
    ask = _AskInNotebook(screen, environment)
    signed = backend_of(scheme).sign_in(access, ask)
    settings = settings if signed is access else replace(settings, token=signed.token)
    return _with_password(settings, environment, ask)


def _with_password(settings: Settings, environment: Mapping[str, str], ask: Ask) -> Settings:
    """Return the settings with the password of their server, where this machine's provider keeps one."""
    server = settings.database
    if server is None or server.password is not None or environment.get(PASSWORD):
        return settings
    password = ask.secret(PASSWORD)
    return replace(settings, database=replace(server, password=password)) if password else settings
