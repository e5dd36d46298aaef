"""Create-once slots on Drive: a slot is a reserved file id, and inserting it succeeds for exactly one.

Facts are private properties of the file, so they come with its metadata; each value is kept behind an equals sign,
because Drive does not promise to keep an empty one. A slot is never deleted, only emptied: a create-once name that
could be free again would be none. If a person puts one into the bin it is taken out again before Drive deletes it.
"""

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping

from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreBusy, StoreError
from qcqueue.stores.base import Creation
from qcqueue.stores.drive.answers import LATER
from qcqueue.stores.drive.files import ONE_REQUEST_BYTES, DriveFile, DriveFiles, NewFile
from qcqueue.stores.drive.layout import VERSIONS_A_FOLDER, DriveLayout, in_the_bin, version_folder
from qcqueue.stores.drive.uploads import Source, send
from qcqueue.stores.names import checked

# A property tells the versions of one queue from those of another, for listings.
QUEUE = "queue"
LISTED_MOST = 20
LARGEST_BODY_BYTES = 1 << 30


class DriveSlots:
    """Slots of one queue. home is asked where an id is needed that only the store itself knows."""

    def __init__(self, files: DriveFiles, home: Callable[[], DriveLayout], *, folder: str) -> None:
        self._files = files
        self._home = home
        self._folder = folder
        self._seen: dict[str, Mapping[str, str]] = {}  # what a slot was created with never changes
        self._parents: dict[int, str] = {}
        self._spoilt: set[str] = set()  # created here, and other bytes arrived than were sent
        self._binned = ""  # the folder of what was created last, where that lies in the bin

    @property
    def url(self) -> str:
        return f"gdrive:{self._folder}"

    @property
    def root(self) -> str:
        return self._home().first

    @property
    def is_near(self) -> bool:
        return False

    def reserve(self, number: int) -> str:
        return self._files.reserve()

    def create(self, slot: str, body: bytes, facts: Mapping[str, str]) -> Creation:
        checked(slot, "slot", url=self.url)
        self._check_it_is_kept()
        parent, source = self._parent(facts.get("number", "")), Source.of(io.BytesIO(body))
        new = NewFile(
            id=slot,
            title=f"version {facts.get('number', '')}".rstrip(),
            parent=parent,
            properties={key: f"={value}" for key, value in facts.items()} | {QUEUE: self._folder},
        )
        made = send(self._files, new, source)
        if made or slot in self._spoilt:
            made = self._sound(slot, source, made)
            self._seen[slot] = dict(facts)
            self._binned = parent if made.is_trashed else ""
            return Creation.CREATED
        # Whoever lost wants to see the winner, which may not be visible yet. That it is taken is true whatever it is.
        with contextlib.suppress(StoreError, CorruptionError):
            if winner := self._files.find(slot):
                self._note(winner)
        return Creation.TAKEN

    def facts(self, slot: str) -> Mapping[str, str] | None:
        checked(slot, "slot", url=self.url)
        self._check_it_is_kept()
        if slot not in self._seen:
            # The first slot is known to be taken as soon as the queue exists, so that it is worth waiting for.
            found = self._files.find(slot) if slot == self.root else self._files.get(slot)
            if found is None:
                return None
            self._note(found)
        return self._seen[slot]

    def look_again(self, slot: str) -> Mapping[str, str] | None:
        found = self._files.find(checked(slot, "slot", url=self.url))
        if found is None:
            self._seen.pop(slot, None)
            return None
        self._note(found)
        return self._seen[slot]

    def body(self, slot: str) -> bytes:
        checked(slot, "slot", url=self.url)
        found = self._files.read(slot, 0, LARGEST_BODY_BYTES)
        if found is None:
            raise StoreBusy(f"{self.url} does not show slot {slot} yet", hint="try again in a minute")
        return found

    def truncate(self, slot: str) -> None:
        self._files.empty(checked(slot, "slot", url=self.url))

    def list_slots(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        query = f"properties has {{ key='{QUEUE}' and value='{self._folder}' and visibility='PRIVATE' }}"
        for file in self._files.list(f"{query} and trashed=false", most=LISTED_MOST):
            self._note(file)
            yield file.id, self._seen[file.id]

    def _note(self, file: DriveFile) -> None:
        """Remember the facts of a slot. Raises: StoreMissing: the queue was put into the bin. CorruptionError."""
        if file.was_trashed:
            self._files.untrash(file.id)
        elif file.is_trashed:
            raise in_the_bin()
        self._seen[file.id] = _facts_of(file, self.url)

    def _check_it_is_kept(self) -> None:
        """Raises: StoreMissing: the queue is in the bin, where Drive takes new files without a word."""
        if self._binned:
            folder = self._files.get(self._binned)
            if folder is None or folder.is_trashed:
                raise in_the_bin()
            self._binned = ""

    def _sound(self, slot: str, source: Source, made: DriveFile | None) -> DriveFile:
        """Return the file of a slot created here once Drive has the very bytes, which are sent once more if need be.

        Raises: OutcomeUnknown: it still has others, and the same call again tries again.
        """
        if made is None or not source.is_in(made):
            self._spoilt.add(slot)
            made = self._files.overwrite(slot, source.piece(0)) if source.size_bytes <= ONE_REQUEST_BYTES else None
        if made is None or not source.is_in(made):
            raise OutcomeUnknown(f"slot {slot} in {self.url} did not arrive as it was sent", hint=LATER)
        self._spoilt.discard(slot)
        return made

    def _parent(self, number: str) -> str:
        at = int(number) if number.isdecimal() else 1
        nth = (at - 1) // VERSIONS_A_FOLDER
        if nth not in self._parents:
            self._parents[nth] = version_folder(self._files, self._home(), nth)
        return self._parents[nth]


def _facts_of(file: DriveFile, url: str) -> dict[str, str]:
    facts = {key: value for key, value in file.properties.items() if key != QUEUE}
    if not all(value.startswith("=") for value in facts.values()):
        raise CorruptionError(f"slot {file.id} in {url} is damaged: its facts are not as they were written")
    return {key: value[1:] for key, value in facts.items()}
