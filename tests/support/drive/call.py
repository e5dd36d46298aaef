"""A request once it is known who asks and of which drive: what that caller may see, and how it is shown to them."""

from dataclasses import dataclass, replace
from typing import Any

from tests.support.drive import fields, metadata
from tests.support.drive.accounts import FULL_SCOPE, Grant
from tests.support.drive.choices import Choices
from tests.support.drive.clock import ServerClock
from tests.support.drive.drives import Drive, Upload, is_trashed
from tests.support.drive.exchange import Answer, Refusal, Request, not_found
from tests.support.drive.files import File, resource
from tests.support.drive.metadata import Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """list_lag_s, id_lag_s: how far behind the drive this caller is shown. keep_bytes: of a chunk; None is all."""

    request: Request
    grant: Grant
    drive: Drive
    clock: ServerClock
    choices: Choices
    base_url: str
    file_id: str = ""
    list_lag_s: float = 0.0
    id_lag_s: float = 0.0
    keep_bytes: int | None = None

    @property
    def app(self) -> str:
        return self.grant.app.name

    def sees(self, file: File) -> bool:
        """Under `drive.file` a file exists only for the project that made it."""
        return FULL_SCOPE in self.grant.scopes or file.app == self.app

    def find(self, file_id: str) -> File:
        """Raises: Refusal: 404, which may mean gone, never there, another app's, another user's, or not yet."""
        file = self.drive.files.get(file_id)
        if not file or not self.sees(file) or (file.created_s > self.clock.now_s() - self.id_lag_s and self.id_lag_s):
            raise not_found(file_id)
        return file

    def find_matching(self) -> File:
        """Return the file of the path. Raises: Refusal: 412 where If-Match names another version of it."""
        file = self.find(self.file_id)
        if self.request.headers.get("if-match", "*") not in ("*", file.etag):
            raise Refusal(412, "conditionNotMet", "Precondition Failed")
        return file

    def wanted(self, body: dict[str, Any]) -> Metadata:
        """Read metadata, check its parent, and apply addParents. Raises: Refusal."""
        wanted = metadata.read(body, self.app)
        parent = self.request.query.get("addParents") or wanted.parent
        if parent == "root":
            parent = self.drive.user.root_id
        if parent and parent != self.drive.user.root_id:
            self.drive.check_parent(self.find(parent), parent)
        return replace(wanted, parent=parent)

    def insert(self, wanted: Metadata, upload: Upload | None, mime_type: str | None = None) -> Answer:
        return self.show(self.drive.insert(wanted, self.app, upload, mime_type))

    def change(self, file: File, wanted: Metadata, upload: Upload | None) -> Answer:
        keep_time = self.request.flag("setModifiedDate")
        return self.show(self.drive.change(file, wanted, self.app, upload, keep_time=keep_time))

    def resource(self, file: File, files: dict[str, File] | None = None) -> dict[str, Any]:
        trashed = is_trashed(file, self.drive.files if files is None else files)
        root_id = self.drive.user.root_id
        return resource(file, trashed=trashed, app=self.app, root_id=root_id, base_url=self.base_url)

    def show(self, file: File) -> Answer:
        return self.answer(self.resource(file), headers={"ETag": file.etag})

    def answer(self, value: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
        return Answer.json(fields.pick(value, self.request.query.get("fields", "")), headers=headers)
