"""The endpoints of the API that take and give JSON, and the download: one function each, named in `routes`.

The caller is known and admitted; the emulator's lock is held.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from tests.support.drive import queries
from tests.support.drive.call import Call
from tests.support.drive.clock import rfc3339
from tests.support.drive.drives import Change, newest_of_each
from tests.support.drive.exchange import Answer, Refusal, invalid
from tests.support.drive.files import File

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
LARGEST_PAGE = 1000
ORDERS: dict[str, Callable[[File], Any]] = {
    "title": lambda file: file.title.casefold(),
    "createdDate": lambda file: file.created_s,
    "modifiedDate": lambda file: file.modified_s,
    "quotaBytesUsed": lambda file: file.size,
    "folder": lambda file: not file.is_folder,
}


def about(call: Call) -> Answer:
    user, drive = call.drive.user, call.drive
    return call.answer(
        {
            "kind": "drive#about",
            "name": user.email.partition("@")[0],
            "user": {"kind": "drive#user", "displayName": user.email, "emailAddress": user.email},
            "rootFolderId": user.root_id,
            "quotaType": "LIMITED",
            "quotaBytesTotal": str(user.quota_bytes),
            "quotaBytesUsed": str(drive.used_bytes()),
            "quotaBytesUsedAggregate": str(drive.used_bytes() + user.other_bytes),
            "quotaBytesUsedInTrash": str(drive.trashed_bytes()),
            "largestChangeId": str(len(drive.changes)),
        }
    )


def generate_ids(call: Call) -> Answer:
    ids = call.drive.reserve(call.request.number("maxResults", 10, LARGEST_PAGE))
    return call.answer({"kind": "drive#generatedIds", "space": "drive", "ids": ids})


def list_files(call: Call) -> Answer:
    """A page is a cut through the list as it is when asked for: what moves between two pages is seen twice, or not."""
    query = call.request.query
    limit = call.request.number("maxResults", 100, LARGEST_PAGE)
    files = call.drive.at(call.clock.now_s() - call.list_lag_s) if call.list_lag_s else call.drive.files
    predicate = queries.parse(query.get("q", ""))
    scene = queries.Scene(files, call.drive.user.root_id, call.app)
    found = [file for file in files.values() if call.sees(file) and predicate(file, scene)]
    start = _read_page_token(query.get("pageToken", ""), query.get("q", ""))
    items = _ordered(found, query.get("orderBy") or "modifiedDate desc")[start : start + limit]
    page = {"kind": "drive#fileList", "incompleteSearch": False, "items": [call.resource(one, files) for one in items]}
    if start + limit < len(found):
        page["nextPageToken"] = _page_token(start + limit, query.get("q", ""))
    return call.answer(page)


def insert(call: Call) -> Answer:
    return call.insert(call.wanted(call.request.json()), None)


def get(call: Call) -> Answer:
    return call.show(call.find(call.file_id))


def media(call: Call) -> Answer:
    """Return the bytes, or the range of them that was asked for."""
    file = call.find(call.file_id)
    if file.is_folder:
        raise Refusal(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
    data = call.drive.data[file.id]
    headers = {"Content-Type": file.mime_type, "ETag": file.etag}
    found = RANGE.fullmatch(call.request.headers.get("range", ""))
    if not found or found.group() == "bytes=-":
        return Answer(body=data, headers=headers)
    first, last = found.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start > end:
        return Answer(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Answer(status=206, body=data[start : end + 1], headers=headers)


def patch(call: Call) -> Answer:
    file = call.find_matching()
    return call.change(file, call.wanted(call.request.json()), None)


def delete(call: Call) -> Answer:
    call.drive.delete(call.find_matching())
    return Answer(status=204)


def trash(call: Call) -> Answer:
    return call.show(call.drive.set_trashed(call.find(call.file_id), True))


def untrash(call: Call) -> Answer:
    return call.show(call.drive.set_trashed(call.find(call.file_id), False))


def touch(call: Call) -> Answer:
    return call.show(call.drive.touch(call.find(call.file_id)))


def revisions(call: Call) -> Answer:
    items = [
        {
            "kind": "drive#revision",
            "id": one.id,
            "modifiedDate": rfc3339(one.modified_s),
            "fileSize": str(one.content.size),
            "md5Checksum": one.content.md5,
            "pinned": False,
        }
        for one in call.find(call.file_id).revisions
    ]
    return call.answer({"kind": "drive#revisionList", "items": items})


def start_page_token(call: Call) -> Answer:
    token = str(len(call.drive.changes) + 1)
    return call.answer({"kind": "drive#startPageToken", "startPageToken": token})


def changes(call: Call) -> Answer:
    """One entry a file, its newest; the last page says from where to ask next time."""
    token = call.request.query.get("pageToken") or call.request.query.get("startChangeId") or "1"
    if not token.isdecimal():
        raise invalid("Invalid Value", "pageToken")
    limit = call.request.number("maxResults", 100, LARGEST_PAGE)
    horizon_s = call.clock.now_s() - call.list_lag_s
    shown = [one for one in call.drive.changes[max(0, int(token) - 1) :] if one.when_s <= horizon_s]
    newest = [one for one in newest_of_each(shown) if _changed_in_sight(call, one)]
    items = [_change(call, one) for one in newest[:limit]]
    page: dict[str, Any] = {"kind": "drive#changeList", "items": items}
    page["largestChangeId"] = str(len(call.drive.changes))
    if len(newest) > limit:
        page["nextPageToken"] = str(newest[limit].number)
    else:
        page["newStartPageToken"] = str(shown[-1].number + 1 if shown else int(token))
    return call.answer(page)


def _changed_in_sight(call: Call, change: Change) -> bool:
    file = change.file or change.before
    return file is not None and call.sees(file)


def _change(call: Call, change: Change) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": "drive#change", "id": str(change.number), "fileId": change.file_id}
    entry |= {"type": "file", "deleted": change.file is None, "modificationDate": rfc3339(change.when_s)}
    return entry | ({"file": call.resource(change.file)} if change.file else {})


def _ordered(files: list[File], order_by: str) -> list[File]:
    """Sort by the last key first, as stable sorts are chained."""
    for part in reversed(order_by.split(",")):
        name, _, direction = part.strip().partition(" ")
        if name not in ORDERS or direction.strip() not in ("", "desc"):
            raise invalid("Invalid Value", "orderBy")
        files = sorted(files, key=ORDERS[name], reverse=bool(direction))
    return files


def _page_token(start: int, query: str) -> str:
    return base64.urlsafe_b64encode(f"{start}/{query}".encode()).decode()


def _read_page_token(token: str, query: str) -> int:
    if not token:
        return 0
    try:
        start, _, asked = base64.urlsafe_b64decode(token).decode().partition("/")
    except ValueError as exc:
        raise invalid("Invalid Value", "pageToken") from exc
    if asked != query or not start.isdecimal():
        raise invalid("Invalid Value", "pageToken")
    return int(start)
