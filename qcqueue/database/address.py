"""Where a database server is, as a URL names it: postgresql://USER@HOST:PORT/DATABASE.

It asks nobody and imports no library. Always true: `url` is what is shown, stored and compared, and it holds no
password; one that a URL brings is kept beside it, for whoever connects.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from qcqueue.errors import SettingInvalid
from qcqueue.text.humanize import listed
from qcqueue.text.suggest import clipped, did_you_mean

SCHEMES = ("postgresql", "postgres")
FORM = "postgresql://USER@HOST/DATABASE"
PASSWORD = "PGPASSWORD"
"""The variable in which the libraries of PostgreSQL look for a password, and the name of a secret that holds one."""

# What libpq calls them. None of them can hold a secret; of sslkey only the path is said.
OPTIONS = (
    "host",
    "options",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "gssencmode",
    "target_session_attrs",
)
SECRETS = ("password", "sslpassword")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
KEEP_IT = f"take the password out, and set {PASSWORD}, or write it into ~/.pgpass"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """A database on a server. host: "" is this machine's socket; port, user: None as libpq decides.

    password: None where the environment or ~/.pgpass has it. options: of the connection, as libpq calls them.
    """

    database: str
    host: str = ""
    port: int | None = None
    user: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    password: str | None = field(default=None, repr=False, compare=False)

    @property
    def url(self) -> str:
        user = "" if self.user is None else f"{quote(self.user, safe='')}@"
        port = "" if self.port is None else f":{self.port}"
        asked = f"?{urlencode(self.options, quote_via=quote)}" if self.options else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{user}{host}{port}/{quote(self.database, safe='')}{asked}"

    @property
    def server(self) -> str:
        """Return what a sentence calls the server."""
        host = self.host or dict(self.options).get("host") or "this machine"
        return host if self.port is None else f"{host}:{self.port}"


def server_address(url: str, *, source: str) -> ServerAddress:
    """Return what the URL of a database means. source: where it was found, for messages.

    Raises: SettingInvalid: it names no database on a server of a known kind; nothing of a password is said.
    """
    hint = f"it is written as {FORM}"
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:  # whose words hold a part of the URL, which may be one of a password
        raise SettingInvalid(f"the database from {source} is no URL that can be read", hint=hint) from None
    if parts.scheme not in SCHEMES or parts.fragment or not _is_plain(url.strip()):
        raise SettingInvalid(f"the database from {source} is no {FORM}", hint=hint)
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in parts.path.removeprefix("/"):
        raise SettingInvalid(f"the database from {source} names a server, and no database of it", hint=hint)
    options, secrets = _options(parts, source)
    secrets += [unquote(parts.password)] if parts.password is not None else []
    host, user = unquote(parts.hostname or ""), None if parts.username is None else unquote(parts.username)
    # What is written as %00 ends a text for libpq, which would go on with what stands before it.
    if any(_CONTROL.search(text) for text in (database, host, user or "", *secrets, *(value for _, value in options))):
        raise SettingInvalid(f"the database from {source} has a control character in it, written with %", hint=hint)
    return ServerAddress(
        database=database,
        host=host,
        port=port,
        user=user,
        options=options,
        password=secrets[-1] if secrets else None,
    )


def refuse_password(address: ServerAddress, *, source: str) -> None:
    """Raises: SettingInvalid: a password stands where others read it: in a file, or in a list of processes."""
    if address.password is not None:
        raise SettingInvalid(f"the database from {source} holds a password, which does not belong there", hint=KEEP_IT)


def _options(parts: SplitResult, source: str) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Return the options of a connection, and the passwords among them."""
    found = parse_qsl(parts.query, keep_blank_values=True)
    for name, _ in found:
        if name not in OPTIONS and name not in SECRETS:
            allowed = f"it can be {listed(OPTIONS, last='or')}{did_you_mean(name, OPTIONS)}"
            raise SettingInvalid(
                f"the database from {source} has the option {clipped(name)!r}; {allowed}",
                hint="take it out; libpq reads others from the environment",
            )
    secrets = [value for name, value in found if name in SECRETS]
    return tuple((name, value) for name, value in found if name not in SECRETS), secrets


def _is_plain(url: str) -> bool:
    return url.isprintable() and " " not in url and bool(re.fullmatch(r"[^:]+://.*", url))
