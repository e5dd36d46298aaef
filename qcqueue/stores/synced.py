"""Folders that another program keeps in step with a cloud: how they are called, and what such programs leave in them.

Owns the table of services; what may not lie in such a folder is said by whoever asks. Always true: a path is judged
both as it was written and where it really leads, and what cannot be looked at is judged by its name alone.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qcqueue.errors import SettingInvalid

MOUNTS = Path("/proc/self/mounts")

# What stands behind the name where somebody has several accounts: "-Contoso", " - Contoso", " (Personal)".
_ACCOUNT = r"(-.+| - .+| \(.+\))?"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncService:
    """names: what its folders are called; at_home: what only a folder directly in somebody's home is taken for.

    files, folders: what it keeps in the folder that it syncs. mounts: the types of file systems that it mounts.
    """

    name: str
    names: str = ""
    at_home: str = ""
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


SERVICES = (
    SyncService(
        name="Google Drive",
        names=rf"(?i:google ?drive){_ACCOUNT}|My ?Drive( \(.+\))?",
        mounts=("fuse.drive", "fuse.google-drive-ocamlfuse"),
    ),
    SyncService(name="OneDrive", names=rf"(?i:onedrive){_ACCOUNT}", mounts=("fuse.onedriver",)),
    SyncService(
        name="Dropbox",
        names=rf"(?i:dropbox){_ACCOUNT}|.+ Dropbox",
        files=(".dropbox",),
        folders=(".dropbox.cache",),
    ),
    SyncService(name="iCloud", names=r"iCloud ?Drive( \(.+\))?|com~apple~CloudDocs"),
    SyncService(name="Box", names="Box Sync|Box-Box", at_home="Box"),
    SyncService(name="Nextcloud", names="(?i:nextcloud)[0-9]*", files=(".nextcloudsync.log",)),
    SyncService(name="ownCloud", names="(?i:owncloud)[0-9]*", files=(".owncloudsync.log",)),
    SyncService(name="pCloud", names="(?i:pcloud)( ?Drive| Sync)?"),
    SyncService(name="MEGA", names="MEGAsync", at_home="MEGA", files=(".megaignore",)),
    SyncService(name="Syncthing", names="(?i:syncthing)", folders=(".stfolder", ".stversions")),
    SyncService(name="Resilio Sync", names="Resilio Sync|BTSync", files=(".sync/ID",)),
    SyncService(name="Synology Drive", names="Synology ?Drive|CloudStation", folders=(".SynologyWorkingDirectory",)),
    SyncService(name="Seafile", at_home="Seafile", folders=(".seafile-data",)),
    SyncService(name="Insync", names="Insync"),
    SyncService(name="Yandex Disk", names=r"Yandex\.Disk"),
    SyncService(name="Proton Drive", names=rf"Proton ?Drive{_ACCOUNT}"),
    SyncService(name="kDrive", names="kDrive[0-9]*"),
    SyncService(name="rclone", mounts=("fuse.rclone",)),
)
# One of these is in every name above. Every command asks, and compiling the patterns takes longer than all the rest.
_WORDS = ("box", "cloud", "disk", "drive", "mega", "seafile", "station", "sync")

# Where macOS keeps the folders of every such program, and where Colab mounts Drive.
_PLACES = (
    (("Library", "CloudStorage"), "macOS"),
    (("Library", "Mobile Documents"), "iCloud"),
    (("/", "content", "drive"), "Google Drive"),
    (("/", "content", "gdrive"), "Google Drive"),
)
_HOMES = (Path("/home"), Path("/Users"))


def refuse_synced(path: Path, *, hint: str) -> None:
    """Raises: SettingInvalid: an absolute path lies where writes are undone or doubled behind our back."""
    written, really = Path(os.path.normpath(path)), Path(os.path.realpath(path))
    for place in dict.fromkeys((written, really)):
        if synced := next(_syncing(place), None):
            folder, service = synced
            leads = "" if place == written else f", which leads to {place},"
            raise SettingInvalid(
                f"{path}{leads} lies in {folder}, which is synced by {service} behind qcqueue's back and loses writes",
                hint=hint,
            )


def _syncing(path: Path) -> Iterator[tuple[str, str]]:
    """Yield which folder of a path is synced, and by what."""
    yield from _by_place(path)
    for folder in (path, *path.parents):
        if any(word in folder.name.lower() for word in _WORDS):
            yield from ((folder.name, service.name) for service in SERVICES if _is_called(folder, service))
    for folder in (path, *path.parents):
        yield from ((str(folder), service.name) for service in SERVICES if _is_marked(folder, service))
    yield from _by_mount(path)


def _by_place(path: Path) -> Iterator[tuple[str, str]]:
    for parts, service in _PLACES:
        for first in range(len(path.parts) - len(parts) + 1):
            if path.parts[first : first + len(parts)] == parts:
                yield str(Path(*parts)), service


def _is_called(folder: Path, service: SyncService) -> bool:
    name = folder.name
    if service.names and re.fullmatch(service.names, name):
        return True
    return bool(service.at_home) and name == service.at_home and _is_a_home(folder.parent)


def _is_a_home(folder: Path) -> bool:
    return folder.parent in _HOMES or folder == Path(os.path.expanduser("~"))  # noqa: PTH111


def _is_marked(folder: Path, service: SyncService) -> bool:
    try:
        return any((folder / name).is_file() for name in service.files) or any(
            (folder / name).is_dir() for name in service.folders
        )
    except OSError:
        return False


def _by_mount(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the mounted file system a path lies on, if that is one which answers before the bytes are safe."""
    kinds = dict(_mounted())
    for folder in (path, *path.parents):
        if kind := kinds.get(str(folder)):
            yield from ((str(folder), service.name) for service in SERVICES if kind in service.mounts)
            return


def _mounted() -> Iterable[tuple[str, str]]:
    """Return where file systems are mounted on this machine, each with its type; the last at a place counts."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return ()
    words = (line.split(" ") for line in lines)
    return [(_unescaped(found[1]), found[2]) for found in words if len(found) > 2]


def _unescaped(text: str) -> str:
    """Return a path as it is, in which the system has written spaces as `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
