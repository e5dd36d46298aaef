"""The folder of a queue on Drive: what lies where in it, by ids that are fixed before the first file is made.

    qcqueue/             its properties name all the ids below, and whose account it is
      README.txt         for the person who opens the folder
      versions/          the queue itself, a small file a version; a folder for every 500
      blobs/             states of running jobs
      datasets/          images, under their names
      sessions/          an empty file a session at work: its heartbeat

Making it is one insert after the other, each of which may be repeated by anybody who knows the folder's id.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from qcqueue.errors import (
    CorruptionError,
    OutcomeUnknown,
    SignInFailed,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreMissing,
)
from qcqueue.stores.drive.answers import LOOK
from qcqueue.stores.drive.files import FOLDER, TEXT, About, DriveFile, DriveFiles, NewFile
from qcqueue.stores.drive.token import AS_ANOTHER
from qcqueue.stores.files import move_whole, unfinished
from qcqueue.stores.names import checked, is_word
from qcqueue.stores.regular import read_regular

FORMAT = "1"
TITLE = "qcqueue"
FOLDERS = ("versions", "blobs", "datasets", "sessions")
VERSIONS_A_FOLDER = 500
VERSION_FOLDERS = 200
LATER_BYTES = 100_000
ACCOUNT_BYTES = 100
NOTE_BYTES = 64 << 10
RESTORE = "restore it at https://drive.google.com/drive/trash; nothing is lost until the bin is emptied"
README = """This folder is a queue of training jobs, kept by qcqueue (qcqueue status shows it).

versions/   the queue itself: each small file is one version of its database, the newest counts
blobs/      saved states of models in training; superseded ones are deleted by qcqueue
datasets/   the images
sessions/   an empty file for each session at work

Please do not change, move or delete single files: the names are only for you, qcqueue finds everything by its id.
You may move or rename this folder as a whole. To end the queue, delete the folder and empty Drive's bin.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveLayout:
    """The ids of a queue. first: the slot of its first version; later: a file that names folders for later versions.

    account: whose Drive it is, cut to what a property can hold.
    """

    folder: str
    first: str
    readme: str
    later: str
    versions: str
    blobs: str
    datasets: str
    sessions: str
    account: str

    @property
    def properties(self) -> dict[str, str]:
        return {"qcqueue": FORMAT} | {key: value for key, value in asdict(self).items() if key != "folder"}


def make_home(files: DriveFiles, account: str) -> DriveLayout:
    """Make a new folder at the top of the person's Drive, which they may move. It is to be furnished next."""
    ids = {field.name: files.reserve() for field in fields(DriveLayout) if field.name != "account"}
    home = DriveLayout(**ids, account=known_as(account))
    new = NewFile(id=home.folder, title=TITLE, parent="", properties=home.properties, data=None)
    if files.insert(new) is None and files.find(home.folder) is None:
        raise OutcomeUnknown(
            "Google Drive has made the folder and does not show it yet", hint="qcqueue init --store gdrive:new"
        )
    return home


def furnish(files: DriveFiles, home: DriveLayout) -> None:
    """Make what is missing in the folder; what is there stays."""
    for name in FOLDERS:
        files.insert(NewFile(id=getattr(home, name), title=name, parent=home.folder, data=None))
    files.insert(NewFile(id=home.readme, title="README.txt", parent=home.folder, data=README.encode(), mime_type=TEXT))
    ids = json.dumps([files.reserve() for _ in range(VERSION_FOLDERS)]).encode()
    files.insert(NewFile(id=home.later, title="later folders.json", parent=home.versions, data=ids))


def version_folder(files: DriveFiles, home: DriveLayout, nth: int) -> str:
    """Return the folder for the nth lot of versions, made if need be; lot 0 lies in `versions` itself.

    So does what Drive gives no folder for: tidiness is no reason to refuse a commit. Raises: StoreBusy, SignInFailed.
    """
    if nth <= 0:
        return home.versions
    try:
        folder = _later_folder(files, home, nth)
        first = nth * VERSIONS_A_FOLDER + 1
        title = f"versions {first} to {first + VERSIONS_A_FOLDER - 1}"
        files.insert(NewFile(id=folder, title=title, parent=home.versions, data=None))
    except (StoreBusy, SignInFailed):
        raise
    except (StoreError, CorruptionError):
        return home.versions
    return folder


def find_home(files: DriveFiles, folder: str) -> DriveLayout:
    """Return the ids of a queue, asking Drive.

    Raises: StoreMissing: it is in the bin, or there is none for this account and client. CorruptionError.
    """
    return _home_of(find_folder(files, folder))


def find_folder(files: DriveFiles, folder: str) -> DriveFile:
    """Return what Drive says of a queue's folder now. Raises: StoreMissing: it is in the bin, or not to be seen."""
    found = files.find(folder)
    if found is None:
        raise StoreMissing(
            f"this sign-in sees no folder {folder} on Drive",
            hint="sign in with the account and the Cloud project that made it, or: qcqueue init --store gdrive:new",
        )
    if found.is_trashed:
        raise in_the_bin(f"the folder of the queue, {found.title!r},")
    return found


def check_folders(files: DriveFiles, home: DriveLayout) -> None:
    """Ask Drive for each folder of a queue. Raises: StoreMissing: one is in the bin by itself, or gone for good."""
    for name in FOLDERS:
        found = files.find(getattr(home, name))
        if found is None:
            raise StoreMissing(f"the folder {name!r} of the queue is not on Drive any more", hint=LOOK)
        if found.is_trashed:
            raise in_the_bin(f"the folder {name!r} of the queue")
    query = f"'{home.versions}' in parents and mimeType='{FOLDER}' and trashed=true"
    for later in files.list(query, most=VERSION_FOLDERS):
        raise in_the_bin(f"the folder {later.title!r} of the queue")


def in_the_bin(what: str = "a folder of the queue, or the queue itself,") -> StoreMissing:
    """Return what to raise where the queue lies in the bin: what is written now would be deleted with it."""
    return StoreMissing(f"{what} is in Drive's bin", hint=RESTORE)


class RememberedHome:
    """The ids of a queue, asked of Drive once and then kept in a file of this machine: they never change.

    home: what is known of them already.
    """

    def __init__(self, files: DriveFiles, folder: str, path: Path, *, home: DriveLayout | None = None) -> None:
        self._files = files
        self._folder = folder
        self._path = path
        self._home = home

    def __call__(self) -> DriveLayout:
        """Return the ids. Raises: as `find_home` does, where Drive has to be asked."""
        if self._home is None:
            self._home = self._remembered() or self._keep(find_home(self._files, self._folder))
        return self._home

    def check(self, about: About) -> About:
        """Ask Drive once more for the folder, and whether it is this account's. Raises: as `find_home` does."""
        self._home = self._keep(find_home(self._files, self._folder))
        check_account(self._home, about.account)
        return about

    def _remembered(self) -> DriveLayout | None:
        try:
            found = json.loads(read_regular(self._path, bytes_max=NOTE_BYTES, follow=False))
            home = DriveLayout(**{field.name: str(found[field.name]) for field in fields(DriveLayout)})
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return home if home.folder == self._folder else None

    def _keep(self, home: DriveLayout) -> DriveLayout:
        with contextlib.suppress(OSError):  # it costs the next process a question
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished(self._path.parent) as file:
                file.write(json.dumps(asdict(home)).encode())
                move_whole(file, self._path)
        return home


def check_account(home: DriveLayout, account: str) -> None:
    """Raises: StoreDenied: the queue belongs to another account, whose ids this one cannot use."""
    if home.account != known_as(account):
        raise StoreDenied(
            f"the queue belongs to {home.account}, and this sign-in is {account}",
            hint=f"sign in as {home.account}: {AS_ANOTHER}",
        )


def known_as(account: str) -> str:
    """Return an address as far as a property can hold it."""
    return account.encode()[:ACCOUNT_BYTES].decode(errors="ignore")


def _later_folder(files: DriveFiles, home: DriveLayout, nth: int) -> str:
    """Return the id that is kept for the folder of a lot. Raises: StoreError, CorruptionError: none can be read."""
    said = files.read(home.later, 0, LATER_BYTES)
    try:
        ids = json.loads(said or b"")
        return checked(str(ids[min(nth, len(ids)) - 1]), "folder", url=f"gdrive:{home.folder}")
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise CorruptionError("the list of later folders cannot be read") from exc


def _home_of(folder: DriveFile) -> DriveLayout:
    said: Mapping[str, str] = {**folder.properties, "folder": folder.id}
    ids = [said.get(field.name, "") for field in fields(DriveLayout) if field.name != "account"]
    if said.get("qcqueue") != FORMAT or not said.get("account") or not all(map(is_word, ids)):
        raise CorruptionError(
            f"the folder {folder.title!r} on Drive holds no queue this qcqueue can open",
            hint="pip install --upgrade qcqueue, or qcqueue init --store gdrive:new",
        )
    return DriveLayout(**{field.name: said[field.name] for field in fields(DriveLayout)})
