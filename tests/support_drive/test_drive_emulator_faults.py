"""Every fault at least once, as the real clients meet it, and that a seed decides which come."""

import io
import json
import threading
from http.client import HTTPException, IncompleteRead
from typing import Any

import pytest
from google.auth.exceptions import GoogleAuthError, RefreshError
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload
from httplib2 import HttpLib2Error

from qcqueue.clock import SystemClock
from tests.support.drive.client import Connection
from tests.support.drive.faults import STRIKES, TRANSIENT, DriveFault, DriveFaults
from tests.support_drive.scenes import (
    MB,
    QUARTER_MB,
    Scene,
    get,
    in_chunks,
    insert,
    insert_folder,
    refused,
    reserved,
    scene,
    titles,
)

pytestmark = pytest.mark.racing

DATA = b"checkpoint" * (MB // 10)


@pytest.mark.parametrize(("kind", "left"), [(DriveFault.DROP_BEFORE, 0), (DriveFault.DROP_AFTER, 1)])
def test_a_lost_connection_leaves_open_whether_the_file_was_made(
    laptop: Connection, world: Scene, kind: DriveFault, left: int
) -> None:
    [file_id] = reserved(laptop)
    world.emulator.faults.script(kind, operation="files.insert")
    with pytest.raises(ConnectionError):
        insert(laptop, id=file_id, title="slot")
    assert len(world.owner.files()) == left
    if left:
        assert refused(lambda: insert(laptop, id=file_id, title="slot"))[0] == 409
    else:
        assert insert(laptop, id=file_id, title="slot")["id"] == file_id


def test_httplib2_repeats_by_itself_what_was_lost_quietly(laptop: Connection, world: Scene) -> None:
    world.emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert", quiet=True)
    insert(laptop, title="doubled")
    assert [one.title for one in world.owner.files()] == ["doubled", "doubled"]
    world.emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert", quiet=True)
    [file_id] = reserved(laptop)
    assert refused(lambda: insert(laptop, id=file_id))[0] == 409


def test_a_download_is_cut_in_the_middle(laptop: Connection, world: Scene) -> None:
    file_id = insert(laptop, DATA)["id"]
    world.emulator.faults.script(DriveFault.CUT_ANSWER, operation="files.media")
    download = MediaIoBaseDownload(io.BytesIO(), laptop.service.files().get_media(fileId=file_id), chunksize=MB)
    with pytest.raises(IncompleteRead):
        download.next_chunk()


def test_silence_ends_with_the_timeout_of_the_client(world: Scene) -> None:
    hasty = world.connect("hasty", timeout_s=1.0)
    get(hasty, insert(hasty, title="first")["id"])
    world.emulator.faults.script(DriveFault.STALL, operation="files.insert")
    with pytest.raises(TimeoutError):
        insert(hasty, title="second")
    assert titles(hasty) == {"first", "second"}


def test_an_answer_can_be_slow(laptop: Connection, world: Scene) -> None:
    file_id = insert(laptop, DATA)["id"]
    world.emulator.faults.script(DriveFault.SLOW, operation="files.media", delay_s=0.2)
    clock = SystemClock()
    began_s = clock.monotonic_s()
    assert laptop.service.files().get_media(fileId=file_id).execute() == DATA
    assert clock.monotonic_s() - began_s >= 0.2


@pytest.mark.parametrize(
    ("kind", "details", "expected", "left"),
    [
        (DriveFault.SERVER_ERROR, {"status": 500}, (500, "backendError"), 0),
        (DriveFault.SERVER_ERROR_AFTER, {}, (503, "backendError"), 1),
        (DriveFault.RATE_LIMITED, {"reason": "rateLimitExceeded"}, (403, "rateLimitExceeded"), 0),
        (DriveFault.RATE_LIMITED_AFTER, {}, (403, "userRateLimitExceeded"), 1),
        (DriveFault.FORBIDDEN, {"reason": "storageQuotaExceeded"}, (403, "storageQuotaExceeded"), 0),
        (DriveFault.FORBIDDEN, {"reason": "insufficientPermissions"}, (403, "insufficientPermissions"), 0),
        (DriveFault.FORBIDDEN, {"reason": "accessNotConfigured"}, (403, "accessNotConfigured"), 0),
        (DriveFault.FORBIDDEN, {}, (403, "dailyLimitExceeded"), 0),
        (DriveFault.TOO_MANY, {}, (429, "rateLimitExceeded"), 0),
    ],
)
def test_an_insert_is_answered_by_an_error(
    laptop: Connection, world: Scene, kind: DriveFault, details: dict[str, Any], expected: tuple[int, str], left: int
) -> None:
    world.emulator.faults.script(kind, operation="files.insert", **details)
    assert refused(lambda: insert(laptop, title="slot")) == expected
    assert len(world.owner.files()) == left
    assert world.emulator.faults.hits == {kind: 1}


def test_too_many_requests_say_when_to_come_back(laptop: Connection, world: Scene) -> None:
    world.emulator.faults.script(DriveFault.TOO_MANY, retry_after_s=7, client="laptop", operation="about.get")
    with pytest.raises(HttpError) as caught:
        laptop.service.about().get().execute()
    assert caught.value.resp["retry-after"] == "7"


def test_an_error_can_be_a_page_of_html(laptop: Connection, world: Scene) -> None:
    world.emulator.faults.script(DriveFault.SERVER_ERROR_HTML, operation="about.get")
    with pytest.raises(HttpError) as caught:
        laptop.service.about().get().execute()
    assert caught.value.resp.status == 502
    assert b"<html" in caught.value.content
    world.emulator.faults.script(DriveFault.SERVER_ERROR_HTML, operation="files.insert")
    with pytest.raises(json.JSONDecodeError):
        laptop.drive.CreateFile({"title": "PyDrive2 expects JSON"}).Upload()


def test_a_refused_token_is_refreshed_once_and_the_request_repeated(laptop: Connection, world: Scene) -> None:
    laptop.service.about().get().execute()
    world.emulator.faults.script(DriveFault.UNAUTHORIZED, operation="about.get")
    laptop.service.about().get().execute()
    assert world.emulator.count("oauth.token") == 2


def test_a_refused_refresh_ends_the_sign_in(laptop: Connection, world: Scene) -> None:
    world.emulator.faults.script(DriveFault.REFRESH_REFUSED)
    with pytest.raises(RefreshError, match="invalid_grant"):
        laptop.service.about().get().execute()


@pytest.mark.parametrize("kind", [DriveFault.SERVER_ERROR, DriveFault.TOO_MANY])
def test_google_auth_knows_that_a_failed_refresh_may_work_later(
    laptop: Connection, world: Scene, kind: DriveFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
    world.emulator.faults.script(kind, operation="oauth.token", times=9)
    with pytest.raises(RefreshError) as caught:
        laptop.service.about().get().execute()
    assert caught.value.retryable


@pytest.mark.parametrize(("keep_bytes", "kept"), [(0, 0), (QUARTER_MB, QUARTER_MB), (QUARTER_MB + 9, QUARTER_MB)])
def test_the_server_keeps_less_of_a_chunk_than_was_sent(
    laptop: Connection, world: Scene, keep_bytes: int, kept: int
) -> None:
    world.emulator.faults.script(DriveFault.SHORT_308, keep_bytes=keep_bytes)
    upload = in_chunks(laptop, DATA, 2 * QUARTER_MB, title="checkpoint")
    upload.next_chunk()
    assert upload.resumable_progress == kept
    answer = None
    while answer is None:
        _, answer = upload.next_chunk()
    assert world.owner.read(answer["id"]) == DATA


@pytest.mark.parametrize(("kind", "status"), [(DriveFault.SESSION_LOST, 404), (DriveFault.SESSION_GONE, 410)])
def test_a_lost_session_stays_lost(laptop: Connection, world: Scene, kind: DriveFault, status: int) -> None:
    upload = in_chunks(laptop, DATA)
    upload.next_chunk()
    world.emulator.faults.script(kind)
    assert refused(upload.next_chunk)[0] == status
    upload._in_error_state = True
    assert refused(upload.next_chunk)[0] == 404


def test_storage_is_full_in_the_middle_of_an_upload(laptop: Connection, world: Scene) -> None:
    world.emulator.faults.script(DriveFault.FULL, skip=1)
    upload = in_chunks(laptop, DATA)
    upload.next_chunk()
    assert refused(upload.next_chunk) == (403, "storageQuotaExceeded")


def test_mail_fills_the_drive_while_an_upload_runs(laptop: Connection, world: Scene) -> None:
    upload = in_chunks(laptop, DATA)
    upload.next_chunk()
    world.owner.leave_free(10)
    while upload.resumable_progress + QUARTER_MB < len(DATA):
        upload.next_chunk()
    assert refused(upload.next_chunk) == (403, "storageQuotaExceeded")


def test_a_listing_is_as_late_for_a_client_as_it_is_told(laptop: Connection, session: Connection, world: Scene) -> None:
    old = insert(laptop, title="old")["id"]
    world.emulator.time.advance(60)
    insert(laptop, title="new")
    laptop.service.files().delete(fileId=old).execute()
    world.emulator.listing_lag_s["session-1"] = 30.0
    assert (titles(laptop), titles(session)) == ({"new"}, {"old"})
    world.emulator.time.advance(30)
    assert titles(session) == {"new"}


def test_a_listing_can_be_late_once(laptop: Connection, world: Scene) -> None:
    insert(laptop, title="new")
    world.emulator.faults.script(DriveFault.LATE_LISTING, lag_s=5.0)
    assert titles(laptop) == set()
    assert titles(laptop) == {"new"}


def test_the_feed_of_changes_is_late_too_and_loses_nothing(session: Connection, world: Scene) -> None:
    token = session.service.changes().getStartPageToken().execute()["startPageToken"]
    world.emulator.listing_lag_s["session-1"] = 30.0
    file_id = insert(session, title="new")["id"]
    page = session.service.changes().list(pageToken=token).execute()
    assert (page["items"], page["newStartPageToken"]) == ([], token)
    world.emulator.time.advance(31)
    page = session.service.changes().list(pageToken=page["newStartPageToken"]).execute()
    assert [one["fileId"] for one in page["items"]] == [file_id]


def test_a_young_file_is_404_by_id_for_a_client_that_lags(
    laptop: Connection, session: Connection, world: Scene
) -> None:
    [file_id] = reserved(laptop)
    insert(laptop, id=file_id, title="slot")
    world.emulator.id_lag_s["session-1"] = 10.0
    assert get(laptop, file_id)["title"] == "slot"
    assert refused(lambda: get(session, file_id)) == (404, "notFound")
    assert refused(lambda: insert(session, id=file_id))[0] == 409
    assert refused(lambda: insert(session, parents=[{"id": file_id}]))[0] == 404
    world.emulator.time.advance(10)
    assert get(session, file_id)["title"] == "slot"


def test_an_id_can_be_404_once(laptop: Connection, world: Scene) -> None:
    file_id = insert(laptop, title="slot")["id"]
    world.emulator.faults.script(DriveFault.LATE_ID)
    assert refused(lambda: get(laptop, file_id))[0] == 404
    assert get(laptop, file_id)["id"] == file_id


def test_a_person_bins_the_folder_and_then_empties_the_bin(laptop: Connection, world: Scene) -> None:
    folder = insert_folder(laptop, "queue")
    file_id = insert(laptop, title="slot", parents=[{"id": folder}])["id"]
    world.owner.trash(folder)
    assert get(laptop, folder)["explicitlyTrashed"]
    assert get(laptop, file_id)["labels"]["trashed"]
    world.owner.untrash(folder)
    assert not get(laptop, file_id)["labels"]["trashed"]
    world.owner.trash(folder)
    world.owner.empty_bin()
    assert refused(lambda: get(laptop, file_id))[0] == 404
    assert refused(lambda: insert(laptop, parents=[{"id": folder}])) == (404, "notFound")


def test_the_folder_of_an_upload_can_go_while_it_runs(laptop: Connection, world: Scene) -> None:
    folder = insert_folder(laptop, "queue")
    upload = in_chunks(laptop, DATA, parents=[{"id": folder}])
    upload.next_chunk()
    world.owner.delete(folder)
    upload.next_chunk()
    upload.next_chunk()
    assert refused(upload.next_chunk)[0] == 404


def test_the_server_may_live_in_another_time(laptop: Connection, world: Scene) -> None:
    world.emulator.time.advance(-10 * 365 * 24 * 3600)
    file = insert(laptop, title="then")
    answer, _ = laptop.auth.http.request(f"{world.url}/drive/v2/about")
    year = file["createdDate"][:4]
    assert year in answer["date"]
    assert int(year) < 2020


def test_a_script_strikes_one_client_and_operation_after_some_requests(
    laptop: Connection, session: Connection, world: Scene
) -> None:
    faults = world.emulator.faults
    faults.script(DriveFault.SERVER_ERROR, operation="files.*", client="session-?", skip=1, times=2)
    insert(laptop, title="a")
    insert(session, title="b")
    session.service.about().get().execute()
    for _ in range(2):
        assert refused(lambda: insert(session, title="c"))[0] == 503
    insert(session, title="d")
    assert faults.hits == {DriveFault.SERVER_ERROR: 2}


def test_the_log_tells_every_request_and_its_fault(laptop: Connection, world: Scene) -> None:
    world.emulator.faults.script(DriveFault.DROP_BEFORE, operation="about.get")
    with pytest.raises(ConnectionError):
        laptop.service.about().get().execute()
    told = [(one.client, one.operation, one.status, one.fault) for one in world.emulator.log]
    assert told == [("laptop", "oauth.token", 200, None), ("laptop", "about.get", 0, DriveFault.DROP_BEFORE)]


def strikes_of(seed: int, client: str, others: int) -> list[tuple[DriveFault, object] | None]:
    """Return what 200 inserts of a client meet, with requests of another one in between."""
    faults = DriveFaults(seed)
    faults.rates = dict.fromkeys(DriveFault, 0.05)
    found: list[tuple[DriveFault, object] | None] = []
    for _ in range(200):
        strike = faults.strike("files.insert", client)
        found.append((strike.kind, dict(strike.details)) if strike else None)
        for _ in range(others):
            faults.strike("files.insert", "somebody else")
    return found


def test_the_seed_decides_the_faults_of_a_client_whatever_others_do() -> None:
    assert strikes_of(1, "laptop", others=0) == strikes_of(1, "laptop", others=3)
    assert strikes_of(1, "laptop", others=0) != strikes_of(2, "laptop", others=0)
    assert strikes_of(1, "laptop", others=0) != strikes_of(1, "session", others=0)


def test_every_kind_strikes_where_it_can_and_nothing_when_switched_off() -> None:
    for kind in DriveFault:
        faults = DriveFaults(1)
        faults.rates = {kind: 1.0}
        operations = ["oauth.token", "upload.chunk", "files.list", "files.get", "files.insert"]
        struck = {operation for operation in operations if faults.strike(operation, "laptop")}
        assert struck
        assert (len(struck) == len(operations)) == (kind not in STRIKES)
        faults.flowing = False
        assert not any(faults.strike(operation, "laptop") for operation in operations)


def test_eight_clients_under_fire_never_share_a_slot() -> None:
    """A client that knows only its answers: it repeats one insert until it hears 200 or 409, then reads the slot."""
    with scene(seed=7) as world:
        [*slots] = reserved(world.connect("laptop"), 10)
        clients = [world.connect(f"session-{index}") for index in range(8)]
        quick = [kind for kind in TRANSIENT if kind not in (DriveFault.SLOW, DriveFault.STALL)]
        world.emulator.faults.rates = dict.fromkeys(quick, 0.02)
        won: list[list[str]] = [[] for _ in slots]

        def contend(index: int) -> None:
            http = clients[index].new_http()
            for number, slot in enumerate(slots):
                ask_until(lambda slot=slot: insert_with(clients[index], http, slot, str(index)), {200, 409})
                request = clients[index].service.files().get(fileId=slot)
                if ask_until(lambda request=request: request.execute(http=http), {200})["title"] == str(index):
                    won[number].append(str(index))

        threads = [threading.Thread(target=contend, args=(index,)) for index in range(len(clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(one) for one in won] == [1] * len(slots)
        assert sorted(one.file_id for one in world.owner.changes()) == sorted(slots)
        assert world.emulator.faults.hits.total() > 10


def insert_with(client: Connection, http: Any, slot: str, title: str) -> Any:
    return client.service.files().insert(body={"id": slot, "title": title}).execute(http=http)


def ask_until(ask: Any, wanted: set[int]) -> Any:
    """Repeat a request until its status is one of these; a lost connection is no answer."""
    for _ in range(100):
        try:
            return ask()
        except HttpError as exc:
            if exc.resp.status in wanted:
                return None
        except (OSError, HTTPException, HttpLib2Error, GoogleAuthError):
            continue
    raise AssertionError("no answer in 100 attempts")
