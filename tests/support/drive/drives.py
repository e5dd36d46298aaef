"""One person's Drive: its files now and at any moment before, its bytes, reserved ids, quota and feed of changes.

Every change goes through `_record`, which gives it the next change number; nothing is forgotten, so that a late
listing can be answered as the drive was then. Permission and lag are asked in `endpoints`. Who calls holds the
emulator's lock.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tests.support.drive import metadata
from tests.support.drive.accounts import User
from tests.support.drive.choices import Choices
from tests.support.drive.clock import ServerClock
from tests.support.drive.exchange import Refusal, invalid, not_found
from tests.support.drive.files import OCTETS, Content, File, Revision
from tests.support.drive.metadata import Metadata


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a file; None where it was deleted for good. before: the last it was."""

    number: int
    when_s: float
    file_id: str
    file: File | None
    before: File | None


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that have arrived, and what they are."""

    data: bytes
    content: Content

    @classmethod
    def of(cls, data: bytes) -> "Upload":
        return cls(data, Content.of(data))


class Drive:
    """The files of one user."""

    def __init__(self, user: User, clock: ServerClock, choices: Choices, draw_id: Callable[[], str]) -> None:
        self.user = user
        self.files: dict[str, File] = {}
        self.changes: list[Change] = []
        self.data: dict[str, bytes] = {}
        self._clock = clock
        self._choices = choices
        self._draw_id = draw_id
        self._reserved: dict[str, float] = {}
        self._used_up: set[str] = set()

    def reserve(self, count: int) -> list[str]:
        """Return ids that only this user can insert."""
        ids = [self._draw_id() for _ in range(count)]
        self._reserved |= dict.fromkeys(ids, self._clock.now_s())
        return ids

    def insert(self, wanted: Metadata, app: str, upload: Upload | None, mime_type: str | None = None) -> File:
        """Make a file: of all inserts with one id, exactly one gets here alive.

        Raises: Refusal: 409 taken, 400 not reserved, 403 storageQuotaExceeded.
        """
        file_id = wanted.id or self.reserve(1)[0]
        self.check_free(file_id)
        self.check_room(upload.content.size if upload else 0)
        parent = wanted.parent or self.user.root_id
        self._check_children(parent)
        now_s = self._clock.now_s()
        file = File(
            id=file_id,
            app=app,
            title=wanted.title if wanted.title is not None else "Untitled",
            mime_type=wanted.mime_type or mime_type or OCTETS,
            parent=parent,
            properties=metadata.merged((), wanted, app, merge=True),
            description=wanted.description,
            created_s=now_s,
            modified_s=now_s,
            version=1,
        )
        self._used_up.add(file_id)
        return self._record(self._with_content(file, upload or Upload.of(b"")))

    def change(self, file: File, wanted: Metadata, app: str, upload: Upload | None, *, keep_time: bool) -> File:
        """Change what `wanted` says, and the content where there is one; a content makes a revision.

        Raises: Refusal: the properties are too many, or there is no room.
        """
        if upload:
            self.check_room(upload.content.size - file.size)
        properties = metadata.merged(file.properties, wanted, app, merge=self._choices.properties_merge)
        changed = replace(
            file,
            title=file.title if wanted.title is None else wanted.title,
            mime_type=wanted.mime_type or file.mime_type,
            parent=wanted.parent or file.parent,
            description=file.description if wanted.description is None else wanted.description,
            properties=properties,
            modified_s=wanted.modified_s if keep_time and wanted.modified_s is not None else self._clock.now_s(),
        )
        return self._record(self._with_content(changed, upload) if upload else changed)

    def touch(self, file: File) -> File:
        return self._record(replace(file, modified_s=self._clock.now_s()))

    def set_trashed(self, file: File, trashed: bool) -> File:
        return file if file.trashed == trashed else self._record(replace(file, trashed=trashed))

    def delete(self, file: File) -> None:
        """Remove a file for good, and all that lies below a folder."""
        for child in [one for one in self.files.values() if one.parent == file.id]:
            self.delete(child)
        del self.files[file.id]
        self.data.pop(file.id, None)
        self.changes.append(Change(len(self.changes) + 1, self._clock.now_s(), file.id, None, file))

    def at(self, time_s: float) -> dict[str, File]:
        """Return the files as they were."""
        past: dict[str, File] = {}
        for change in self.changes:
            if change.when_s > time_s:
                continue
            past.pop(change.file_id, None)
            if change.file:
                past[change.file_id] = change.file
        return past

    def check_free(self, file_id: str) -> None:
        """Raises: Refusal: the id is taken, or nobody reserved it for this user, or too long ago."""
        taken = file_id in self.files or (file_id in self._used_up and not self._choices.deleted_ids_are_free)
        if taken:
            raise Refusal(409, "fileIdInUse", "A file already exists with the provided ID.", location="file.id")
        reserved_s = self._reserved.get(file_id)
        ttl_s = self._choices.reserved_ttl_s
        if reserved_s is None or (ttl_s is not None and self._clock.now_s() > reserved_s + ttl_s):
            raise invalid("The provided file ID is not usable.", "file.id")

    def check_room(self, size: int) -> None:
        """Raises: Refusal: so many more bytes do not fit. What has none always fits."""
        if size > 0 and size > self.user.quota_bytes - self.user.other_bytes - self.used_bytes():
            raise Refusal(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")

    def check_parent(self, folder: File | None, folder_id: str) -> None:
        """Raises: Refusal: a file cannot lie there."""
        if folder_id == self.user.root_id:
            return
        if folder is None:
            raise not_found(folder_id)
        if not folder.is_folder:
            raise Refusal(403, "parentNotAFolder", "The specified parent is not a folder.", location="parents")

    def used_bytes(self) -> int:
        """Return what the files take, those in the bin too; revisions before the last take nothing."""
        return sum(file.size for file in self.files.values())

    def trashed_bytes(self) -> int:
        return sum(file.size for file in self.files.values() if is_trashed(file, self.files))

    def _check_children(self, parent: str) -> None:
        if parent == self.user.root_id or len(self.files) < self._choices.children_limit:
            return
        if sum(one.parent == parent for one in self.files.values()) >= self._choices.children_limit:
            reason = "numChildrenInNonRootLimitExceeded"
            raise Refusal(403, reason, "The limit for this folder's number of children has been exceeded.")

    def _with_content(self, file: File, upload: Upload) -> File:
        if file.is_folder:
            return file
        self.data[file.id] = upload.data
        revision = Revision(id=self._draw_id(), modified_s=file.modified_s, content=upload.content)
        return replace(file, revisions=(*file.revisions, revision))

    def _record(self, file: File) -> File:
        before = self.files.get(file.id)
        file = replace(file, version=before.version + 1 if before else 1)
        self.files[file.id] = file
        self.changes.append(Change(len(self.changes) + 1, self._clock.now_s(), file.id, file, before))
        return file


def is_trashed(file: File, files: dict[str, File]) -> bool:
    """Return whether the file or a folder above it is in the bin."""
    above: File | None = file
    while above and not above.trashed:
        above = files.get(above.parent or "")
    return above is not None


def newest_of_each(changes: Iterable[Change]) -> list[Change]:
    """Return the last change of each file, in order."""
    last = {change.file_id: change for change in changes}
    return sorted(last.values(), key=lambda change: change.number)
