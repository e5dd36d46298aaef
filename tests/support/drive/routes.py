"""Which request is which operation. The names are those of the API's methods where it has one; faults match them."""

import re
from collections.abc import Callable, Mapping

from tests.support.drive import endpoints, uploads
from tests.support.drive.call import Call
from tests.support.drive.exchange import Answer, Refusal, Request

FILES = "/drive/v2/files"
ONE = f"{FILES}/(?P<id>[^/]+)"
UPLOAD = f"(?:/resumable)?/upload{FILES}"

ROUTES: tuple[tuple[str, str, str], ...] = (
    ("GET", "/drive/v2/about", "about.get"),
    ("GET", f"{FILES}/generateIds", "files.generateIds"),
    ("GET", FILES, "files.list"),
    ("POST", FILES, "files.insert"),
    ("GET", ONE, "files.get"),
    ("PATCH", ONE, "files.patch"),
    ("PUT", ONE, "files.update"),
    ("DELETE", ONE, "files.delete"),
    ("POST", f"{ONE}/trash", "files.trash"),
    ("POST", f"{ONE}/untrash", "files.untrash"),
    ("POST", f"{ONE}/touch", "files.touch"),
    ("GET", f"{ONE}/revisions", "revisions.list"),
    ("GET", "/drive/v2/changes/startPageToken", "changes.getStartPageToken"),
    ("GET", "/drive/v2/changes", "changes.list"),
    ("POST", UPLOAD, "upload.start"),
    ("PUT", f"{UPLOAD}/(?P<id>[^/]+)", "upload.start"),
    ("PUT", UPLOAD, "upload.chunk"),
    ("POST", "/token", "oauth.token"),
    ("POST", "/device/code", "oauth.device"),
    ("GET", "/auth", "oauth.consent"),
)

PERFORM: Mapping[str, Callable[[Call], Answer]] = {
    "about.get": endpoints.about,
    "files.generateIds": endpoints.generate_ids,
    "files.list": endpoints.list_files,
    "files.insert": endpoints.insert,
    "files.get": endpoints.get,
    "files.media": endpoints.media,
    "files.patch": endpoints.patch,
    "files.update": endpoints.patch,
    "files.delete": endpoints.delete,
    "files.trash": endpoints.trash,
    "files.untrash": endpoints.untrash,
    "files.touch": endpoints.touch,
    "revisions.list": endpoints.revisions,
    "changes.getStartPageToken": endpoints.start_page_token,
    "changes.list": endpoints.changes,
    "upload.multipart": uploads.in_one,
    "upload.media": uploads.in_one,
}


def find(request: Request) -> tuple[str, str]:
    """Return the operation and the id in the path, which may be empty. Raises: Refusal: the emulator has none."""
    for method, pattern, operation in ROUTES:
        if method == request.method and (found := re.fullmatch(pattern, request.path)):
            return _refined(operation, request), found.groupdict().get("id", "")
    raise Refusal(404, "notFound", f"The emulator has no {request.method} {request.path}")


def _refined(operation: str, request: Request) -> str:
    """Tell apart what differs only in its query or headers."""
    upload_type = request.query.get("uploadType", "")
    if operation == "files.get" and request.query.get("alt") == "media":
        return "files.media"
    if "upload_id" in request.query:
        return "upload.status" if uploads.STATUS.fullmatch(request.headers.get("content-range", "")) else "upload.chunk"
    if operation == "upload.start" and upload_type in ("multipart", "media"):
        return f"upload.{upload_type}"
    if operation.startswith("upload.") and upload_type != "resumable":
        raise Refusal(400, "badRequest", f"Invalid uploadType {upload_type}")
    return operation
