"""Uploads by the real client: in chunks, cut off, resumed, refused; and downloads of a part."""

import hashlib
import io
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from googleapiclient.http import MediaInMemoryUpload, MediaIoBaseDownload

from tests.support.drive import multipart
from tests.support.drive.choices import Choices
from tests.support.drive.client import Connection
from tests.support.drive.exchange import Refusal
from tests.support_drive.scenes import MB, QUARTER_MB, Scene, get, in_chunks, insert, refused, reserved, scene, titles

DATA = bytes(range(251)) * (MB // 251 + 1)


def finished(upload: Any) -> dict[str, Any]:
    answer: dict[str, Any] | None = None
    while answer is None:
        _, answer = upload.next_chunk()
    return answer


def session_uri(client: Connection, *, size: int | None = None, **body: Any) -> str:
    """Open a session by hand, as no client library will send what a broken client sends."""
    headers = {"Content-Type": "application/json"} | ({"X-Upload-Content-Length": str(size)} if size else {})
    root = client.service._rootDesc["rootUrl"]
    opened, _ = client.auth.http.request(
        f"{root}upload/drive/v2/files?uploadType=resumable", "POST", json.dumps(body), headers=headers
    )
    assert opened.status == 200
    return str(opened["location"])


def put(client: Connection, uri: str, data: bytes, content_range: str | None) -> tuple[int, str | None]:
    """Send a chunk; return the status and what the server says it has."""
    headers = {} if content_range is None else {"Content-Range": content_range}
    answer, _ = client.auth.http.request(uri, "PUT", data, headers=headers)
    return int(answer.status), answer.get("range")


def test_a_file_arrives_in_chunks(laptop: Connection, world: Scene) -> None:
    [file_id] = reserved(laptop)
    file = finished(in_chunks(laptop, DATA, id=file_id, title="checkpoint"))
    assert (file["id"], file["title"]) == (file_id, "checkpoint")
    assert file["sha256Checksum"] == hashlib.sha256(DATA).hexdigest()
    assert world.emulator.count("upload.chunk") == -(-len(DATA) // QUARTER_MB)


def test_an_empty_file_is_one_chunk_without_a_range(laptop: Connection) -> None:
    assert finished(in_chunks(laptop, b""))["fileSize"] == "0"


def test_content_is_replaced_by_an_upload_to_the_same_id(laptop: Connection, world: Scene) -> None:
    file = insert(laptop, b"old", title="notes")
    media = MediaInMemoryUpload(DATA, resumable=True)
    new = laptop.service.files().update(fileId=file["id"], media_body=media).execute()
    assert new["md5Checksum"] == hashlib.md5(DATA).hexdigest()
    assert world.owner.read(file["id"]) == DATA


def test_fields_asked_for_at_the_start_are_sent_at_the_end(laptop: Connection) -> None:
    media = MediaInMemoryUpload(DATA, resumable=True)
    uploading = laptop.service.files().insert(body={"title": "x"}, media_body=media, fields="sha256Checksum")
    assert uploading.uri.endswith("uploadType=resumable")
    answer = uploading.execute()
    assert answer["sha256Checksum"] == hashlib.sha256(DATA).hexdigest()


def test_another_process_goes_on_with_an_upload_by_its_uri(laptop: Connection, session: Connection) -> None:
    begun = in_chunks(laptop, DATA, title="checkpoint")
    begun.next_chunk()
    begun.next_chunk()
    resumed = in_chunks(session, DATA)
    resumed.resumable_uri, resumed._in_error_state = begun.resumable_uri, True
    assert finished(resumed)["sha256Checksum"] == hashlib.sha256(DATA).hexdigest()


def test_a_finished_upload_answers_with_its_file_when_asked_again(laptop: Connection) -> None:
    upload = in_chunks(laptop, b"bytes")
    file = finished(upload)
    again, body = laptop.auth.http.request(upload.resumable_uri, "PUT", headers={"Content-Range": "bytes */5"})
    assert again.status == 200
    assert file["id"].encode() in body


def test_the_server_says_how_much_it_has(laptop: Connection) -> None:
    uri = session_uri(laptop)
    assert put(laptop, uri, b"", "bytes */*") == (308, None)
    assert put(laptop, uri, DATA[:QUARTER_MB], f"bytes 0-{QUARTER_MB - 1}/*") == (308, f"bytes=0-{QUARTER_MB - 1}")
    assert put(laptop, uri, b"", f"bytes */{2 * QUARTER_MB}") == (308, f"bytes=0-{QUARTER_MB - 1}")


def test_a_chunk_that_overlaps_what_came_before_adds_only_the_rest(laptop: Connection, world: Scene) -> None:
    uri = session_uri(laptop)
    put(laptop, uri, DATA[:QUARTER_MB], f"bytes 0-{QUARTER_MB - 1}/*")
    assert put(laptop, uri, DATA[: QUARTER_MB + 5], f"bytes 0-{QUARTER_MB + 4}/{QUARTER_MB + 5}")[0] == 200
    assert world.owner.read(world.owner.files()[0].id) == DATA[: QUARTER_MB + 5]


@pytest.mark.parametrize(
    ("size", "content_range"),
    [
        (1000, "bytes 0-999/*"),
        (QUARTER_MB, f"bytes {QUARTER_MB}-{2 * QUARTER_MB - 1}/*"),
        (QUARTER_MB, f"bytes 0-{QUARTER_MB}/{QUARTER_MB + 1}"),
        (QUARTER_MB, "bytes nonsense"),
        (QUARTER_MB, f"bytes 0-{QUARTER_MB - 1}/{8 * QUARTER_MB}"),
    ],
    ids=["odd size", "gap", "other length than stated", "no range", "other total than declared"],
)
def test_a_chunk_that_breaks_the_protocol_is_refused(laptop: Connection, size: int, content_range: str) -> None:
    uri = session_uri(laptop, size=4 * QUARTER_MB)
    assert put(laptop, uri, DATA[:size], content_range)[0] == 400


def test_an_upload_without_a_length_is_refused(laptop: Connection, world: Scene) -> None:
    uri = urlsplit(session_uri(laptop))
    with socket.create_connection((str(uri.hostname), uri.port or 0), 5) as raw:
        raw.sendall(f"PUT {uri.path}?{uri.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 411")


def test_what_came_of_a_chunk_before_its_sender_died_is_kept(laptop: Connection) -> None:
    location = session_uri(laptop)
    uri = urlsplit(location)
    with socket.create_connection((str(uri.hostname), uri.port or 0), 5) as raw:
        head = f"PUT {uri.path}?{uri.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {MB}\r\n"
        raw.sendall(f"{head}Content-Range: bytes 0-{MB - 1}/{MB}\r\n\r\n".encode() + DATA[: QUARTER_MB + 99])
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1000) == b""
    assert put(laptop, location, b"", f"bytes */{MB}") == (308, f"bytes=0-{QUARTER_MB - 1}")


def test_a_session_dies_after_a_week(laptop: Connection, world: Scene) -> None:
    upload = in_chunks(laptop, DATA)
    upload.next_chunk()
    world.emulator.time.advance(7 * 24 * 3600)
    assert refused(upload.next_chunk)[0] == 404


def test_a_resumable_insert_that_loses_the_race_is_refused_at_its_end(laptop: Connection, session: Connection) -> None:
    [file_id] = reserved(laptop)
    slow = in_chunks(laptop, DATA[:10], id=file_id, title="slow")
    uri = session_uri(laptop, id=file_id)
    insert(session, id=file_id, title="quick")
    assert put(laptop, uri, b"bytes", "bytes 0-4/5")[0] == 409
    assert refused(slow.execute)[0] == 409
    assert put(laptop, uri, b"", "bytes */5")[0] == 404


def test_that_a_taken_id_is_refused_only_at_the_end_is_a_choice() -> None:
    with scene(Choices(conflict_at_end=True)) as world:
        laptop = world.connect("laptop")
        file_id = insert(laptop, id=reserved(laptop)[0])["id"]
        upload = in_chunks(laptop, DATA, id=file_id)
        upload.next_chunk()
        assert refused(lambda: finished(upload))[0] == 409


def test_a_single_request_carries_five_megabytes_at_most(laptop: Connection) -> None:
    assert refused(lambda: insert(laptop, b"x" * 5_000_001))[0] == 413


def test_bytes_alone_can_be_uploaded_too(laptop: Connection, world: Scene) -> None:
    uri = f"{laptop.service._rootDesc['rootUrl']}upload/drive/v2/files?uploadType=media"
    answer, _ = laptop.auth.http.request(uri, "POST", b"bytes", headers={"Content-Type": "text/plain"})
    assert answer.status == 200
    [file] = world.owner.files()
    assert (file.title, file.mime_type, world.owner.read(file.id)) == ("Untitled", "text/plain", b"bytes")


def test_an_unknown_kind_of_upload_is_refused(laptop: Connection) -> None:
    uri = f"{laptop.service._rootDesc['rootUrl']}upload/drive/v2/files?uploadType=carrier"
    assert laptop.auth.http.request(uri, "POST", b"")[0].status == 400


@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n"])
def test_the_bytes_of_a_multipart_body_come_out_as_they_went_in(end_of_line: bytes) -> None:
    data = b"\r\n--b\n\r--\r"
    lines = [b"--bb", b"Content-Type: application/json", b"", b"{}"]
    lines += [b"--bb", b"Content-Type: a/b", b"", data, b"--bb--"]
    assert multipart.split('multipart/related; boundary="bb"', end_of_line.join(lines)) == (b"{}", "a/b", data)
    with pytest.raises(Refusal):
        multipart.split("multipart/related; boundary=other", end_of_line.join(lines))


def test_a_download_goes_in_ranges(laptop: Connection, world: Scene) -> None:
    file_id = finished(in_chunks(laptop, DATA, MB))["id"]
    target = io.BytesIO()
    download = MediaIoBaseDownload(target, laptop.service.files().get_media(fileId=file_id), chunksize=QUARTER_MB)
    done = False
    while not done:
        _, done = download.next_chunk()
    assert target.getvalue() == DATA
    assert world.emulator.count("files.media") == -(-len(DATA) // QUARTER_MB)


@pytest.mark.parametrize(
    ("wanted", "status", "content_range", "body"),
    [
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-2", 206, "bytes 8-9/10", b"89"),
        ("bytes=5-99", 206, "bytes 5-9/10", b"56789"),
        ("bytes=10-", 416, "bytes */10", b""),
    ],
)
def test_a_range_is_what_was_asked_for(
    laptop: Connection, wanted: str, status: int, content_range: str, body: bytes
) -> None:
    file = insert(laptop, b"0123456789")
    answer, found = laptop.auth.http.request(file["downloadUrl"], headers={"Range": wanted})
    assert (answer.status, answer["content-range"], found) == (status, content_range, body)


def test_an_empty_file_has_no_range_and_still_downloads(laptop: Connection) -> None:
    file_id = insert(laptop, title="empty")["id"]
    target = io.BytesIO()
    _, done = MediaIoBaseDownload(target, laptop.service.files().get_media(fileId=file_id)).next_chunk()
    assert done
    assert target.getvalue() == b""


def test_a_folder_has_no_bytes(laptop: Connection) -> None:
    folder = insert(laptop, mimeType="application/vnd.google-apps.folder")
    assert "fileSize" not in folder
    ask = laptop.service.files().get_media(fileId=folder["id"])
    assert refused(ask.execute) == (403, "fileNotDownloadable")


def test_a_cut_upload_leaves_no_file(laptop: Connection) -> None:
    upload = in_chunks(laptop, DATA, title="half")
    upload.next_chunk()
    assert titles(laptop) == set()


def test_downloaded_bytes_can_be_damaged_behind_the_checksum(laptop: Connection, world: Scene) -> None:
    file = insert(laptop, b"right")
    world.owner.damage(file["id"], b"wrong")
    assert laptop.service.files().get_media(fileId=file["id"]).execute() == b"wrong"
    assert get(laptop, file["id"])["md5Checksum"] == file["md5Checksum"]
