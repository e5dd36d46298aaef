"""Create-once slots in a folder that several machines may share: one file a slot, made by a hard link.

A link either gives whole, synced bytes a name nobody had or fails, also over NFS, where a lost answer can make a link
of our own look taken: callers know what only they wrote. A file is one line of facts in JSON, then the bytes.
Truncating replaces the file by its first line, so the name is never free again.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qcqueue.clock import Ids
from qcqueue.disk import NO_ROOM, NOT_ALLOWED
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreBusy, StoreMissing
from qcqueue.stores.base import Creation
from qcqueue.stores.facts_line import BODY_BYTES_MAX, FACTS_BYTES_MAX, facts_in, first_line
from qcqueue.stores.files import make_folder, move_whole, sync, translated, unfinished
from qcqueue.stores.names import checked, is_word
from qcqueue.stores.regular import NotRegularError, opened

ROOT = "first"


class FolderSlots:
    """Slots as files of one folder."""

    def __init__(self, root: Path, ids: Ids) -> None:
        self._root = root
        self._folder = root / "slots"
        self._ids = ids

    @property
    def url(self) -> str:
        return f"shared:{self._root}"

    @property
    def root(self) -> str:
        return ROOT

    @property
    def is_near(self) -> bool:
        return True

    def make(self) -> None:
        """Make the folder; making it again changes nothing."""
        with translated(self._folder):
            make_folder(self._folder)

    def reserve(self, number: int) -> str:
        return self._ids.new()

    def create(self, slot: str, body: bytes, facts: Mapping[str, str]) -> Creation:
        target = self._path(slot)
        self._check_it_is_there()
        with translated(self._folder), unfinished(self._folder) as writing:
            writing.write(first_line(facts))
            writing.write(body)
            writing.flush()
            os.fsync(writing.fileno())
            return self._link(Path(writing.name), target)

    def facts(self, slot: str) -> Mapping[str, str] | None:
        path = self._path(slot)
        with translated(self._folder):
            try:
                with _opened(path) as reading:
                    return facts_in(reading.readline(FACTS_BYTES_MAX), path)
            except FileNotFoundError:
                self._check_it_is_there()
                return None

    def look_again(self, slot: str) -> Mapping[str, str] | None:
        return self.facts(slot)

    def body(self, slot: str) -> bytes:
        path = self._path(slot)
        with translated(self._folder):
            try:
                with _opened(path) as reading:
                    reading.readline(FACTS_BYTES_MAX)
                    return reading.read(BODY_BYTES_MAX + 1)
            except FileNotFoundError as exc:
                self._check_it_is_there()
                raise StoreBusy(f"{self.url} does not show slot {slot} yet", hint="try again in a moment") from exc

    def truncate(self, slot: str) -> None:
        path = self._path(slot)
        facts = self.facts(slot)
        if facts is None:
            return
        line = first_line(facts)
        with translated(self._folder):
            before = path.stat()
            if before.st_size == len(line):
                return
            with unfinished(self._folder) as writing:
                writing.write(line)
                writing.flush()
                # It keeps its age, or a listing would take old slots for the newest.
                os.utime(writing.name, ns=(before.st_atime_ns, before.st_mtime_ns))
                move_whole(writing, path)

    def list_slots(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        self._check_it_is_there()
        with translated(self._folder), os.scandir(self._folder) as entries:
            found = [
                (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
                for entry in entries
                if is_word(entry.name) and entry.is_file(follow_symlinks=False)
            ]
        for _, slot in sorted(found, reverse=True):
            facts = self.facts(slot)
            if facts is not None:
                yield slot, facts

    def _link(self, whole: Path, target: Path) -> Creation:
        try:
            target.hardlink_to(whole)
        except FileExistsError:
            self._settle(target)
            return Creation.TAKEN
        except OSError as exc:
            if exc.errno in (*NO_ROOM, *NOT_ALLOWED):  # surely not made: no room, a closed folder, a disk without links
                raise
            raise OutcomeUnknown(f"{target}: {exc.strerror}; it may or may not have been made") from exc
        self._settle(target)
        return Creation.CREATED

    def _settle(self, target: Path) -> None:
        """Let a slot and its name reach the disk. One that is taken may be ours, and not have been synced yet.

        Raises: OutcomeUnknown: a power cut may still take it away, so nobody is told that it is made.
        """
        try:
            sync(target)
            sync(self._folder)
        except OSError as exc:
            raise OutcomeUnknown(f"{target}: {exc.strerror}; it may or may not have been made") from exc

    def _path(self, slot: str) -> Path:
        return self._folder / checked(slot, "slot", url=self.url)

    def _check_it_is_there(self) -> None:
        """An unmounted disk looks like a folder without slots; it must not be taken for one."""
        with translated(self._folder):
            is_there = self._folder.is_dir()
        if not is_there:
            raise StoreMissing(f"there is no queue in {self._root}", hint="qcqueue init")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Yield the file of a slot. Raises: CorruptionError: somebody has put something else there. OSError."""
    try:
        with opened(path, bytes_max=FACTS_BYTES_MAX + BODY_BYTES_MAX, follow=False) as (reading, _):
            yield reading
    except NotRegularError as exc:
        raise CorruptionError(f"slot {path.name} in {path.parent} {exc}", hint="qcqueue store verify") from exc
