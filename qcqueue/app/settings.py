"""Where the queue and this machine's files are: defaults < `qcqueue.toml` found upward < environment < flags.

One frozen `Settings` is built here and taken apart in `workplace`; nothing below reads the environment.
"""

import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.errors import SettingInvalid
from qcqueue.storage.regular import NotRegularError, read_regular

FILE_NAME = "qcqueue.toml"
KNOWN_KEYS = ("store", "cache", "profile")
MOST_BYTES = 64 << 10
FOLDER_KINDS = ("folder", "shared")
DRIVE_FOLDER = re.compile(r"new|[0-9A-Za-z_-]{10,120}")
NEXT_STEP = "qcqueue init"

# A synced folder answers before the bytes are safe, and two machines can both believe they wrote last.
SYNCED_FOLDERS = ("Google Drive", "GoogleDrive", "My Drive", "MyDrive", "Dropbox", "OneDrive", "iCloud Drive")

LOOPBACK = re.compile(r"(?P<root>http://(?:127\.0\.0\.1|localhost):(?P<port>[1-9][0-9]{0,4}))/?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """store is None where nothing names one; source says where it was found, for messages.

    token: a sign-in to Google Drive given directly, which is never written. config: the folder of the one that is.
    profile: the name of the provider whose limits count, None where it is found out.
    drive_endpoint: the root URL of an emulator, without a slash at its end, that stands in for Google.
    """

    store: str | None
    cache: Path
    source: str
    config: Path
    token: str | None = field(default=None, repr=False)
    drive_endpoint: str | None = None
    profile: str | None = None


def load_settings(
    *, store: str | None = None, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Build the settings for a command run in `folder`. Raises: SettingInvalid."""
    environment = os.environ if environment is None else environment
    found = _find_upward(folder or Path.cwd())
    written = _read(found) if found else {}
    choices = [
        (store, "--store"),
        (environment.get("QCQUEUE_STORE"), "QCQUEUE_STORE"),
        (written.get("store"), str(found)),
    ]
    chosen, source = next(((value, name) for value, name in choices if value), (None, "nowhere"))
    choices = [(environment.get("QCQUEUE_CACHE"), "QCQUEUE_CACHE"), (written.get("cache"), str(found))]
    cache = next((_expanded(value, name) for value, name in choices if value), None)
    return Settings(
        store=chosen,
        cache=cache or _user_cache(environment),
        source=source,
        config=_user_config(environment),
        token=environment.get("QCQUEUE_TOKEN", "").strip() or None,
        drive_endpoint=_loopback(environment.get("QCQUEUE_DRIVE_ENDPOINT")),
        profile=environment.get("QCQUEUE_PROFILE") or written.get("profile") or None,
    )


def kind_of(url: str) -> str:
    """Return the kind of store a URL names: `folder`, `shared` or `gdrive`, if it is a good one."""
    return url.partition(":")[0]


def folder_of(url: str, *, source: str) -> Path:
    """Return the path of a store URL, `folder:PATH` or `shared:PATH`.

    Raises: SettingInvalid: another scheme, no path, or a place that is synced behind our back.
    """
    scheme, _, rest = url.partition(":")
    if scheme not in FOLDER_KINDS or not rest:
        raise _unknown_kind(url, source)
    path = _expanded(rest, source).absolute()
    refuse_synced(path)
    return path


def drive_folder_of(url: str, *, source: str) -> str:
    """Return the id of the folder that `gdrive:FOLDER_ID` names, or "new". Raises: SettingInvalid."""
    scheme, _, rest = url.partition(":")
    if scheme != "gdrive" or not DRIVE_FOLDER.fullmatch(rest):
        raise _unknown_kind(url, source)
    return rest


def _unknown_kind(url: str, source: str) -> SettingInvalid:
    return SettingInvalid(
        f"the store {url!r} (from {source}) is none of folder:PATH, shared:PATH and gdrive:FOLDER_ID",
        hint="qcqueue init --store folder:queue, or --store gdrive:new for a new folder on Google Drive",
    )


def refuse_synced(path: Path) -> None:
    """Raises: SettingInvalid: the path lies where writes are undone or doubled behind our back."""
    synced = next((part for part in path.parts if part in SYNCED_FOLDERS), None)
    if synced or path.parts[:3] == ("/", "content", "drive"):
        raise SettingInvalid(
            f"{path} lies in {synced or 'a mounted Drive'}, which is synced behind qcqueue's back and loses writes",
            hint="qcqueue init --store folder:queue, in a folder that is only on this machine",
        )


def write_settings(path: Path, store: str) -> None:
    """Write a new settings file; never overwrites one."""
    with path.open("x", encoding="utf-8") as file:
        # Text as JSON writes it is text as TOML reads it, quotes and backslashes included.
        written = json.dumps(store, ensure_ascii=False)
        file.write(f"# The queue that qcqueue commands in this folder, and below it, work on.\nstore = {written}\n")


def _find_upward(folder: Path) -> Path | None:
    return next((path for place in (folder, *folder.parents) if (path := place / FILE_NAME).exists()), None)


def _read(path: Path) -> dict[str, str]:
    try:
        written = tomllib.loads(read_regular(path, bytes_max=MOST_BYTES).decode())
    except NotRegularError as exc:
        raise SettingInvalid(
            f"{path} {exc}, and no settings file", hint=f"move {path} away, then qcqueue init"
        ) from exc
    except (ValueError, RecursionError) as exc:  # not TOML, or not UTF-8
        raise SettingInvalid(f"{path} is not valid TOML: {exc}", hint=f"edit {path}") from exc
    except OSError as exc:
        raise SettingInvalid(f"{path} cannot be read: {exc.strerror}") from exc
    for key, value in written.items():
        if key not in KNOWN_KEYS:
            raise SettingInvalid(f"{path}: unknown setting {key!r}; it can be {' or '.join(KNOWN_KEYS)}")
        if not isinstance(value, str):
            raise SettingInvalid(f"{path}: {key} is {value!r}; it must be text in quotes")
    return _with_relative_store(written, path.parent)


def _with_relative_store(written: dict[str, str], folder: Path) -> dict[str, str]:
    scheme, _, rest = written.get("store", "").partition(":")
    if scheme in FOLDER_KINDS and rest and not Path(rest).expanduser().is_absolute():
        return written | {"store": f"{scheme}:{folder / rest}"}
    return written


def _expanded(text: str, source: str) -> Path:
    """Return a path as it was written, `~` included, if a file system can have it. Raises: SettingInvalid."""
    try:
        if not text.isprintable():
            raise SettingInvalid(f"the path {text!r} (from {source}) holds an invisible character")
        path = Path(text).expanduser()
        path.exists()
    except RuntimeError as exc:
        raise SettingInvalid(f"the path {text!r} (from {source}) begins with the home of an unknown user") from exc
    except OSError as exc:
        raise SettingInvalid(f"the path {text!r} (from {source}) cannot be used: {exc.strerror}") from exc
    return path


def _user_cache(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("XDG_CACHE_HOME"):
        return Path(chosen) / "qcqueue"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "qcqueue"


def _user_config(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("XDG_CONFIG_HOME"):
        return Path(chosen) / "qcqueue"
    return Path.home() / ("Library/Application Support" if sys.platform == "darwin" else ".config") / "qcqueue"


def _loopback(url: str | None) -> str | None:
    """Return the root URL of an emulator on this machine. Raises: SettingInvalid: it could be anybody's."""
    if not url:
        return None
    if (found := LOOPBACK.fullmatch(url)) and int(found["port"]) <= 65535:
        return found["root"]
    raise SettingInvalid("QCQUEUE_DRIVE_ENDPOINT is for tests, and can only be http://127.0.0.1:PORT/")
