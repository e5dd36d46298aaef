"""Where the queue and this machine's cache are: defaults < `qcqueue.toml` found upward < environment < flags.

One frozen `Settings` is built here and taken apart in `workplace`; nothing below reads the environment.
"""

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qcqueue.errors import SettingInvalid

FILE_NAME = "qcqueue.toml"
KNOWN_KEYS = ("store", "cache")
KINDS = ("folder", "shared")
NEXT_STEP = "qcqueue init"

# A synced folder answers before the bytes are safe, and two machines can both believe they wrote last.
SYNCED_FOLDERS = ("Google Drive", "GoogleDrive", "My Drive", "MyDrive", "Dropbox", "OneDrive", "iCloud Drive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """store is None where nothing names one; source says where it was found, for messages."""

    store: str | None
    cache: Path
    source: str


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
    return Settings(store=chosen, cache=cache or _user_cache(environment), source=source)


def kind_of(url: str) -> str:
    """Return the kind of store a URL names, which `folder_of` has approved: `folder` or `shared`."""
    return url.partition(":")[0]


def folder_of(url: str, *, source: str) -> Path:
    """Return the path of a store URL, `folder:PATH` or `shared:PATH`.

    Raises: SettingInvalid: another scheme, no path, or a place that is synced behind our back.
    """
    scheme, _, rest = url.partition(":")
    if scheme not in KINDS or not rest:
        raise SettingInvalid(
            f"the store {url!r} (from {source}) is neither folder:PATH nor shared:PATH, the kinds this version has",
            hint="qcqueue init --store folder:queue",
        )
    path = _expanded(rest, source).absolute()
    refuse_synced(path)
    return path


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
    return next((path for place in (folder, *folder.parents) if (path := place / FILE_NAME).is_file()), None)


def _read(path: Path) -> dict[str, str]:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
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
    if scheme in KINDS and rest and not Path(rest).expanduser().is_absolute():
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
