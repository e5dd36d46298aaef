"""Where the queue and this machine's files are: defaults < `qcqueue.toml` found upward < environment < flags.

One frozen `Settings` is built here and taken apart in `context`; nothing below reads the environment.
"""

import contextlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.clock import Clock, SystemClock
from qcqueue.core.owners import read_owner
from qcqueue.database.address import ServerAddress, refuse_password, server_address
from qcqueue.errors import MachineError, SettingInvalid, SpecInvalid
from qcqueue.stores.base import Access
from qcqueue.stores.files import move_whole, of_this_machine, on_this_machine, sync, unfinished
from qcqueue.stores.paths import expanded, own_account
from qcqueue.stores.registry import StoreAddress, as_url, kind_of, parse_url, scheme_of
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.stores.synced import refuse_synced
from qcqueue.text.decoding import decoded
from qcqueue.text.fields import InvalidValue
from qcqueue.text.suggest import did_you_mean, shown
from qcqueue.text.toml import read_page
from qcqueue.text.urls import bare_url

FILE_NAME = "qcqueue.toml"
KNOWN_KEYS = ("store", "database", "cache", "profile", "region", "endpoint")
MOST_BYTES = 64 << 10
NEXT_STEP = "qcqueue init"
ANOTHER_CACHE = "set QCQUEUE_CACHE to a folder that is only on this machine"

REGION = re.compile(r"[0-9a-z][0-9a-z-]{0,39}", re.ASCII)
SERVER = re.compile(r"https?://[0-9A-Za-z.-]+(?::[1-9][0-9]{0,4})?(?:/[0-9A-Za-z._/-]*)?", re.ASCII)
_STORE_LINE = re.compile(r"""^[ \t]*store[ \t]*=[ \t]*(?:"[^"\n]*"|'[^'\n]*')""", re.MULTILINE)
_DATABASE_LINE = re.compile(r"""^[ \t]*database[ \t]*=[ \t]*(?:"[^"\n]*"|'[^'\n]*')[ \t]*\n""", re.MULTILINE)
_PLACE_LINE = re.compile(
    r"""^[ \t]*(?:region|endpoint)[ \t]*=[ \t]*(?:"[^"\n]*"|'[^'\n]*')[^\n]*(?:\n|\Z)""", re.MULTILINE
)
LOOPBACK = re.compile(r"(?P<root>http://(?:127\.0\.0\.1|localhost):(?P<port>[1-9][0-9]{0,4}))/?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """store is None where nothing names one; source says where it was found, for messages.

    database: the server that keeps the queue beside a store for its files, None where the store keeps it.
    token: a sign-in to Google Drive given directly, which is never written. config: the folder of the one that is; for
    a user without a home it is the cache.
    profile: the name of the provider whose limits count, None where it is found out.
    drive_endpoint: the root URL of an emulator, without a slash at its end, that stands in for Google.
    region, endpoint: where the bucket of the store is, None where it has none or where they need not be said.
    owner: whose the jobs are that are enqueued here, and its sessions, where the store knows no account.
    """

    store: str | None
    cache: Path
    source: str
    config: Path
    database: ServerAddress | None = None
    database_source: str = "nowhere"
    token: str | None = field(default=None, repr=False)
    drive_endpoint: str | None = None
    profile: str | None = None
    region: str | None = None
    endpoint: str | None = None
    owner: str | None = None

    def access(self, *, environ: Mapping[str, str] | None = None, clock: Clock | None = None) -> Access:
        """Return with what this machine reaches the store."""
        return Access(
            cache=self.cache,
            config=self.config,
            token=self.token,
            endpoint=self.drive_endpoint,
            environ=os.environ if environ is None else environ,
            region=self.region,
            server=self.endpoint,
            clock=clock or SystemClock(),
        )


def load_settings(
    *,
    store: str | None = None,
    database: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Build the settings for a command run in `folder`. Raises: SettingInvalid.

    The database of a settings file goes with its own store: who names another store means another queue.
    """
    environment = os.environ if environment is None else environment
    found = _find_upward(folder or Path.cwd())
    written = _read(found) if found else {}
    if found and not written and not (store or environment.get("QCQUEUE_STORE")):
        raise _cut_off(found)
    choices = [
        (store, "--store"),
        (environment.get("QCQUEUE_STORE"), "QCQUEUE_STORE"),
        (written.get("store"), str(found)),
    ]
    chosen, source = next(((value, name) for value, name in choices if value), (None, "nowhere"))
    choices = [(environment.get("QCQUEUE_CACHE"), "QCQUEUE_CACHE"), (written.get("cache"), str(found))]
    cache = next((expanded(value, name) for value, name in choices if value), None) or _user_cache(environment)
    refuse_synced(cache.absolute(), hint=ANOTHER_CACHE)
    kind = kind_of(chosen)
    # What is written of one bucket is not true of a store of another kind, which a flag or the environment may name.
    # Where the file names no bucket, as after its queue was moved out of one, it can only be meant for the one in use.
    of_file = kind_of(written.get("store"))
    is_meant = of_file is None or not of_file.is_placed or scheme_of(written["store"]) == scheme_of(chosen or "")
    near = written if is_meant else {}
    choices = [
        (database, "--database"),
        (environment.get("QCQUEUE_DATABASE", "").strip(), "QCQUEUE_DATABASE"),
        (written.get("database") if _is_same(chosen, written.get("store")) else None, str(found)),
    ]
    server, server_source = next(((value, name) for value, name in choices if value), (None, "nowhere"))
    return Settings(
        database=_database(server, server_source) if server else None,
        database_source=server_source,
        store=as_url(chosen) if chosen else None,
        cache=cache,
        source=source,
        config=_user_config(environment) or cache,
        token=environment.get("QCQUEUE_TOKEN", "").strip() or None,
        drive_endpoint=_loopback(environment.get("QCQUEUE_DRIVE_ENDPOINT")),
        profile=environment.get("QCQUEUE_PROFILE") or written.get("profile") or None,
        region=_region(*_said("region", kind.region_from if kind else (), environment, near, found)),
        endpoint=_server(*_said("endpoint", kind.endpoint_from if kind else (), environment, near, found)),
        owner=_owner(environment.get("QCQUEUE_OWNER", "")),
    )


def named_store(settings: Settings) -> StoreAddress:
    """Return the store that the settings name. Raises: SettingInvalid: they name none, or none that can be used."""
    if settings.store is None:
        raise SettingInvalid(
            f"no store is named: there is no {FILE_NAME} here or above, and QCQUEUE_STORE is not set", hint=NEXT_STEP
        )
    return parse_url(settings.store, source=settings.source)


def refuse_unshared(store: StoreAddress, settings: Settings) -> None:
    """Raises: SettingInvalid: a server has the queue, and the files would lie where other machines cannot reach."""
    if settings.database and not store.kind.is_shared:
        raise SettingInvalid(
            f"{settings.database_source} names a database on a server, for several machines, and {store.url} is "
            "a folder of this machine alone",
            hint="name a store that all of them reach, such as --store shared:PATH; or leave the database out",
        )


def _is_same(chosen: str | None, written: str | None) -> bool:
    """Return whether the store in use is the one that a settings file names."""
    if chosen == written:
        return True
    with contextlib.suppress(SettingInvalid):
        return bool(chosen and written) and parse_url(str(chosen), source="") == parse_url(str(written), source="")
    return False


def _database(url: str, source: str) -> ServerAddress:
    """Return the server that a setting names; only the environment may hold a password. Raises: SettingInvalid."""
    address = server_address(url, source=source)
    if source != "QCQUEUE_DATABASE":
        refuse_password(address, source=source)
    return address


def write_settings(
    path: Path,
    store: str,
    database: ServerAddress | None = None,
    *,
    region: str | None = None,
    endpoint: str | None = None,
) -> None:
    """Write a new settings file, whole and synced or not at all; overwrites none but one that names nothing.

    Raises: DiskFull, DiskFailed. SettingInvalid: somebody else has written one meanwhile.
    """
    text = f"# The queue that qcqueue commands in this folder, and below it, work on.\nstore = {as_text(store)}\n"
    more = {"database": database and database.url, "region": region, "endpoint": endpoint}
    text += "".join(f"{key} = {as_text(it)}\n" for key, it in more.items() if it)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with on_this_machine(path):
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _give_name(unfinished, path)
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        sync(path.parent)


def settings_here(folder: Path) -> Path | None:
    """Return the settings file that commands in a folder go by, None where there is none. Raises: SettingInvalid."""
    return _find_upward(folder)


def rename_home(
    path: Path,
    store: StoreAddress,
    database: ServerAddress | None,
    *,
    region: str | None = None,
    endpoint: str | None = None,
) -> bool:
    """Let a settings file name another home, and leave the rest of it as it was; return whether that could be done.

    region, endpoint: where a bucket is. What was written of another one goes, and stays where the home is no bucket:
    the way back needs it.

    Raises: DiskFull, DiskFailed.
    """
    named = {"store": as_written(store, path.parent), **({"database": database.url} if database else {})}
    if store.kind.is_placed:
        named |= {key: value for key, value in (("region", region), ("endpoint", endpoint)) if value}
    lines = "\n".join(f"{key} = {as_text(value)}" for key, value in named.items())
    with on_this_machine(path):
        before = decoded(read_regular(path, bytes_max=MOST_BYTES))
        kept = _PLACE_LINE.sub("", before) if store.kind.is_placed else before
        after = _STORE_LINE.sub(lambda _: lines, _DATABASE_LINE.sub("", kept), count=1)
        found = read_page(after, file=str(path), of="settings").data
        replaced = ("store", "database", *(("region", "endpoint") if store.kind.is_placed else ()))
        if {key: found[key] for key in replaced if key in found} != named:
            return False  # written in a way that only its author can change
        target = path.resolve()
        with unfinished(target.parent) as file:
            file.write(after.encode())
            shutil.copymode(target, file.name)
            move_whole(file, target)
        sync(target.parent)
    return True


def settle_settings(path: Path) -> None:
    """Let a settings file and its name reach the disk, and clear away what an `init` that was killed left beside it.

    Raises: DiskFailed.
    """
    with on_this_machine(path):
        if path.exists():
            sync(path)
            sync(path.parent)
        for left in path.parent.glob(f".{path.name}.*"):
            if not _lives(left.suffix[1:]):
                with contextlib.suppress(OSError):  # it takes some bytes, and nobody reads it
                    left.unlink(missing_ok=True)


def names_nothing(path: Path) -> bool:
    """Return whether there is a settings file that names no setting at all, as one that was cut while it was written.

    Raises: SettingInvalid: it cannot be read.
    """
    return _is_there(path) and not _read(path)


def _give_name(unfinished: Path, path: Path) -> None:
    if _is_there(path) and names_nothing(path):
        unfinished.replace(path)
        return
    try:
        path.hardlink_to(unfinished)
    except FileExistsError as exc:
        raise SettingInvalid(f"another program has written {path} meanwhile", hint="qcqueue status") from exc
    except OSError:
        if path.exists():
            raise
        unfinished.replace(path)  # a file system without links


def _lives(process: str) -> bool:
    """Return whether a process of this machine has this number, as any may on Windows, where to ask would end it."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, OSError):
        return False
    return True


def _find_upward(folder: Path) -> Path | None:
    return next((path for place in (folder, *folder.parents) if _is_there(path := place / FILE_NAME)), None)


def _is_there(path: Path) -> bool:
    """Return whether there is a settings file of this name.

    Raises: SettingInvalid: something else has its name, or nobody can say. To go on would begin a second queue.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise SettingInvalid(f"{path} is a link to nothing", hint=_anew(path)) from None
        return False
    except PermissionError as exc:
        raise SettingInvalid(f"{path} cannot be looked at: {exc.strerror}", hint=f"chmod u+x {path.parent}") from exc
    except OSError as exc:
        raise of_this_machine(path, exc) from exc
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "no ordinary file"
        raise SettingInvalid(f"{path} is {what}, and should hold the settings", hint=_anew(path, away=True))
    return True


def _cut_off(path: Path) -> SettingInvalid:
    return SettingInvalid(
        f"{path} is empty: it names no queue, perhaps because it was cut off while it was written", hint=_mend(path)
    )


def _mend(path: Path) -> str:
    at_home = "" if path.parent == Path.cwd() else f"cd {path.parent}, then "
    return f"{at_home}qcqueue init --store folder:queue, or with the URL of its queue instead"


def _anew(path: Path, *, away: bool = False) -> str:
    return f"{f'mv {path} {path}.old' if away else f'rm {path}'}, then {_mend(path)}"


def _read(path: Path) -> dict[str, str]:
    """Return what a settings file says; nothing where it is empty, or nothing but the zeros of a power cut."""
    try:
        with on_this_machine(path):
            found = read_regular(path, bytes_max=MOST_BYTES)
        text = decoded(found) if found.strip(b"\0 \t\r\n") else ""
        page = read_page(text, file=str(path), of="settings")
    except NotRegularError as exc:
        raise SettingInvalid(f"{path} {exc}, and no settings file", hint=_anew(path, away=True)) from exc
    except UnicodeDecodeError as exc:
        raise SettingInvalid(f"{path} is not valid TOML: {exc}", hint=f"edit it; or {_anew(path)}") from exc
    except SpecInvalid as exc:
        raise SettingInvalid(str(exc), hint=f"edit it; or {_anew(path)}") from exc
    except MachineError as exc:
        if isinstance(exc.__cause__, PermissionError):
            raise SettingInvalid(f"{path} cannot be read: permission denied", hint=f"chmod u+r {path}") from exc
        raise
    edit = f"edit {path}, then the same again"
    for key, value in page.data.items():
        if key not in KNOWN_KEYS:
            allowed = f"it can be {' or '.join(KNOWN_KEYS)}{did_you_mean(key, KNOWN_KEYS)}"
            raise SettingInvalid(f"{page.place(key).label}: unknown setting {key!r}; {allowed}", hint=edit)
        if not isinstance(value, str):
            sentence = f"{page.place(key).label}: {key} is {shown(value)}; it must be text in quotes"
            raise SettingInvalid(sentence, hint=edit)
    return _with_relative_store(page.data, path.parent)


def as_text(value: str) -> str:
    """Return a value as a settings file has it: text as JSON writes it is text as TOML reads it."""
    return json.dumps(value, ensure_ascii=False)


def as_written(store: StoreAddress, folder: Path) -> str:
    """Return the URL of a store as a settings file in `folder` names it: by a relative path where it lies below."""
    if store.kind.is_path and (path := Path(store.address)).is_relative_to(folder):
        return f"{store.scheme}:{path.relative_to(folder)}"
    return store.url


def _with_relative_store(written: Mapping[str, str], folder: Path) -> dict[str, str]:
    scheme, _, rest = written.get("store", "").partition(":")
    kind = kind_of(scheme)
    if kind and kind.is_path and rest and not (rest.startswith("~") or Path(rest).is_absolute()):
        return {**written, "store": f"{scheme}:{folder / rest}"}
    return dict(written)


def _user_cache(environment: Mapping[str, str]) -> Path:
    """Return the cache where nobody names one. Raises: SettingInvalid: this machine knows no home of its user."""
    if chosen := _absolute(environment.get("XDG_CACHE_HOME")):
        return chosen / "qcqueue"
    if sys.platform == "win32":
        from platformdirs import user_cache_path

        return user_cache_path("qcqueue", appauthor=False)
    home = _home(environment)
    if home is None:
        raise SettingInvalid("this user has no home folder to keep the cache in", hint=ANOTHER_CACHE)
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "qcqueue"


def _user_config(environment: Mapping[str, str]) -> Path | None:
    """Return where a sign-in is kept, None for a user who has no home."""
    if chosen := _absolute(environment.get("XDG_CONFIG_HOME")):
        return chosen / "qcqueue"
    if sys.platform == "win32":
        from platformdirs import user_config_path

        return user_config_path("qcqueue", appauthor=False)
    home = _home(environment)
    return (
        home / ("Library/Application Support" if sys.platform == "darwin" else ".config") / "qcqueue" if home else None
    )


def _home(environment: Mapping[str, str]) -> Path | None:
    """Return the home folder of the user, None where the system knows of none, or only of something relative."""
    if named := _absolute(environment.get("HOME")):
        return named
    account = own_account()
    return _absolute(account[1]) if account else None


def _absolute(path: str | None) -> Path | None:
    """Return a path that is the same from every folder; the XDG specification has others ignored."""
    return Path(path) if path and Path(path).is_absolute() else None


def _owner(text: str) -> str | None:
    """Return whose name the environment gives. Raises: SettingInvalid: it can be nobody's."""
    try:
        return read_owner(text)
    except InvalidValue as exc:
        raise SettingInvalid(f"QCQUEUE_OWNER: {exc}", hint="export QCQUEUE_OWNER=YOU@EXAMPLE.ORG") from exc


def _loopback(url: str | None) -> str | None:
    """Return the root URL of an emulator on this machine. Raises: SettingInvalid: it could be anybody's."""
    if not url:
        return None
    if (found := LOOPBACK.fullmatch(url)) and int(found["port"]) <= 65535:
        return found["root"]
    raise SettingInvalid(
        "QCQUEUE_DRIVE_ENDPOINT is for tests, and can only be http://127.0.0.1:PORT/",
        hint="unset QCQUEUE_DRIVE_ENDPOINT",
    )


def _said(
    key: str, names: tuple[str, ...], environment: Mapping[str, str], written: Mapping[str, str], file: Path | None
) -> tuple[str | None, str]:
    """Return what is said of where a bucket is, and what says so. names: of the variables that may; none, no bucket."""
    said = [(environment.get(name), name) for name in names] + [(written.get(key), str(file))] * bool(names)
    return next(((value, source) for value, source in said if value), (None, ""))


def _region(region: str | None, source: str) -> str | None:
    """Return a region as it is. Raises: SettingInvalid: none is called so."""
    if region and not REGION.fullmatch(region):
        raise SettingInvalid(
            f"the region {shown(region)} (from {source}) is none; it is written like eu-west-1",
            hint="write the region of the bucket there, or nothing",
        )
    return region or None


def _server(url: str | None, source: str) -> str | None:
    """Return the root URL of who keeps a bucket, without a slash at its end. Raises: SettingInvalid."""
    if url and "@" in url:  # what it says is not repeated, as there may be a password in it
        raise SettingInvalid(
            f"the endpoint (from {source}) names an account; credentials are read from the environment alone",
            hint="write it there without what stands before the @, and set the credentials in the environment",
        )
    if url and not SERVER.fullmatch(url):
        raise SettingInvalid(
            f"the endpoint {shown(bare_url(url))} (from {source}) is no address of a server",
            hint="write it there as https://HOST, with :PORT if it has one",
        )
    return url.rstrip("/") if url else None
