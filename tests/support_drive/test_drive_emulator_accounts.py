"""Who sees what, what it costs, what changed, and how people sign in and are thrown out."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httplib2
import pytest
from google.auth.exceptions import RefreshError

from tests.support.drive.accounts import FILE_SCOPE, FULL_SCOPE, App
from tests.support.drive.choices import Choices
from tests.support.drive.client import Connection
from tests.support.drive.signin import DEVICE_GRANT
from tests.support_drive.scenes import MB, Scene, get, in_chunks, insert, insert_folder, refused, scene, titles


def ask_about(client: Connection) -> dict[str, Any]:
    found: dict[str, Any] = client.service.about().get().execute()
    return found


def changed(client: Connection, token: str, **how: Any) -> dict[str, Any]:
    page: dict[str, Any] = client.service.changes().list(pageToken=token, **how).execute()
    return page


def start_token(client: Connection) -> str:
    return str(client.service.changes().getStartPageToken().execute()["startPageToken"])


def post(url: str, **form: str) -> tuple[int, dict[str, Any]]:
    http = httplib2.Http(timeout=5)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer, body = http.request(url, "POST", urlencode(form), headers=headers)
    finally:
        http.close()
    return int(answer.status), json.loads(body)


def test_under_drive_file_another_app_does_not_exist(laptop: Connection, world: Scene) -> None:
    other = world.connect("rclone", app=App(name="rclone"))
    file_id = insert(laptop, title="ours")["id"]
    assert titles(other) == set()
    assert refused(lambda: get(other, file_id)) == (404, "notFound")
    assert refused(lambda: insert(other, parents=[{"id": file_id}]))[0] == 404
    assert refused(lambda: insert(other, id=file_id))[0] == 409
    assert titles(world.connect("colab", FULL_SCOPE, app=App(name="colab"))) == {"ours"}


def test_two_clients_of_one_app_share_its_files(laptop: Connection, session: Connection) -> None:
    file_id = insert(laptop, title="ours")["id"]
    assert get(session, file_id)["title"] == "ours"


def test_what_a_person_puts_into_the_folder_is_not_ours(laptop: Connection, world: Scene) -> None:
    folder = insert_folder(laptop, "queue")
    mine = insert(laptop, b"x", title="twice", parents=[{"id": folder}])
    world.owner.put("twice", b"y", parent=folder)
    world.owner.duplicate(mine["id"], app="the web interface")
    found = laptop.service.files().list(q=f"'{folder}' in parents").execute()["items"]
    assert [one["id"] for one in found] == [mine["id"]]


def test_private_properties_are_seen_by_their_app_alone(laptop: Connection, world: Scene) -> None:
    public = {"key": "b", "value": "2", "visibility": "PUBLIC"}
    file_id = insert(laptop, properties=[{"key": "a", "value": "1"}, public])["id"]
    other = world.connect("other", FULL_SCOPE, app=App(name="other"))
    assert [one["key"] for one in get(other, file_id)["properties"]] == ["b"]


def test_the_bin_counts_until_a_file_is_deleted_for_good(laptop: Connection) -> None:
    file_id = insert(laptop, b"x" * 1000)["id"]
    laptop.service.files().trash(fileId=file_id).execute()
    about = ask_about(laptop)
    assert (about["quotaBytesUsed"], about["quotaBytesUsedInTrash"]) == ("1000", "1000")
    laptop.service.files().delete(fileId=file_id).execute()
    about = ask_about(laptop)
    assert (about["quotaBytesUsed"], about["quotaBytesUsedInTrash"]) == ("0", "0")


def test_earlier_revisions_take_no_space(laptop: Connection) -> None:
    file_id = insert(laptop, b"x" * 1000)["id"]
    laptop.service.files().update(fileId=file_id, media_body=in_chunks(laptop, b"y" * 10).resumable).execute()
    assert ask_about(laptop)["quotaBytesUsed"] == "10"
    assert len(laptop.service.revisions().list(fileId=file_id).execute()["items"]) == 2


def test_a_full_drive_takes_folders_and_empty_files_and_no_bytes(laptop: Connection, world: Scene) -> None:
    kept = insert(laptop, b"x" * 1000)["id"]
    world.owner.leave_free(10)
    insert_folder(laptop, "queue")
    insert(laptop, title="slot")
    insert(laptop, b"y" * 10)
    assert refused(lambda: insert(laptop, b"z")) == (403, "storageQuotaExceeded")
    assert refused(in_chunks(laptop, b"z" * MB).execute) == (403, "storageQuotaExceeded")
    about = ask_about(laptop)
    assert about["quotaBytesUsedAggregate"] == about["quotaBytesTotal"]
    laptop.service.files().delete(fileId=kept).execute()
    insert(laptop, b"z")


def test_a_folder_can_be_full(world: Scene) -> None:
    with scene(Choices(children_limit=2)) as small:
        laptop = small.connect("laptop")
        inside = [{"id": insert_folder(laptop, "queue")}]
        insert(laptop, parents=inside)
        insert(laptop, parents=inside)
        assert refused(lambda: insert(laptop, parents=inside)) == (403, "numChildrenInNonRootLimitExceeded")


def test_the_feed_tells_the_newest_change_of_each_file_once(laptop: Connection, session: Connection) -> None:
    token = start_token(session)
    kept = insert(laptop, title="one")["id"]
    gone = insert(laptop, title="two")["id"]
    laptop.service.files().patch(fileId=kept, body={"title": "renamed"}).execute()
    laptop.service.files().delete(fileId=gone).execute()
    page = changed(session, token)
    assert [(one["fileId"], one["deleted"]) for one in page["items"]] == [(kept, False), (gone, True)]
    assert page["items"][0]["file"]["title"] == "renamed"
    assert "file" not in page["items"][1]
    assert changed(session, page["newStartPageToken"])["items"] == []


def test_the_feed_comes_in_pages_and_says_at_the_last_where_to_go_on(laptop: Connection) -> None:
    token = start_token(laptop)
    for index in range(5):
        insert(laptop, title=str(index))
    found, pages = [], 0
    while True:
        page = changed(laptop, token, maxResults=2)
        found += [one["file"]["title"] for one in page["items"]]
        pages += 1
        if "newStartPageToken" in page:
            break
        token = page["nextPageToken"]
    assert (found, pages) == (list("01234"), 3)
    assert page["newStartPageToken"] == start_token(laptop)
    assert refused(lambda: changed(laptop, "yesterday"))[0] == 400


def test_the_feed_passes_over_other_apps(laptop: Connection, world: Scene) -> None:
    token = start_token(laptop)
    world.owner.put("holiday.jpg", b"x")
    page = changed(laptop, token)
    assert page["items"] == []
    assert page["newStartPageToken"] == start_token(laptop)


def test_a_token_is_refreshed_when_it_has_expired(laptop: Connection, world: Scene) -> None:
    ask_about(laptop)
    world.emulator.time.advance(3601)
    ask_about(laptop)
    assert world.emulator.count("oauth.token", "laptop") == 2


def test_a_revoked_project_is_out_with_all_its_clients(laptop: Connection, session: Connection, world: Scene) -> None:
    ask_about(laptop)
    world.emulator.revoke(world.app, world.ada)
    for client in (laptop, session):
        with pytest.raises(RefreshError, match="invalid_grant"):
            ask_about(client)


def test_a_sign_in_dies_after_a_week_while_the_app_is_in_testing(laptop: Connection, world: Scene) -> None:
    world.app.testing = True
    world.emulator.time.advance(7 * 24 * 3600 - 60)
    ask_about(laptop)
    world.emulator.time.advance(61)
    with pytest.raises(RefreshError, match="invalid_grant"):
        ask_about(laptop)


def test_too_many_sign_ins_of_one_client_kill_the_oldest(world: Scene) -> None:
    with scene(Choices(tokens_per_client=2)) as small:
        first, second, third = (small.connect(label) for label in ("first", "second", "third"))
        with pytest.raises(RefreshError, match="invalid_grant"):
            ask_about(first)
        ask_about(second)
        ask_about(third)


def test_an_api_that_is_not_enabled_and_a_scope_that_is_too_small_are_told_apart(world: Scene) -> None:
    mail = world.connect("mail", "https://mail.google.com/")
    assert refused(lambda: ask_about(mail)) == (403, "insufficientPermissions")
    world.app.api_enabled = False
    assert refused(lambda: ask_about(world.connect("laptop"))) == (403, "accessNotConfigured")


def test_a_device_waits_for_its_person(world: Scene) -> None:
    url, client = world.url, world.emulator.new_client(world.app, is_tv=True)
    asked, device = post(f"{url}/device/code", client_id=client.client_id, scope=FILE_SCOPE)
    assert asked == 200
    form = {"client_id": client.client_id, "client_secret": client.client_secret, "grant_type": DEVICE_GRANT}
    form["device_code"] = device["device_code"]
    assert post(f"{url}/token", **form) == (428, _error("authorization_pending", "Precondition Required"))
    assert post(f"{url}/token", **form) == (403, _error("slow_down", "Forbidden"))
    world.emulator.signing_in.approve(device["user_code"], world.ada)
    world.emulator.time.advance(device["interval"])
    status, tokens = post(f"{url}/token", **form)
    assert status == 200
    assert tokens["refresh_token"]
    assert post(f"{url}/token", **form)[1]["error"] == "invalid_grant"


def test_a_device_can_be_refused_forgotten_or_too_curious(world: Scene) -> None:
    url, client = world.url, world.emulator.new_client(world.app, is_tv=True)
    assert post(f"{url}/device/code", client_id=client.client_id, scope=FULL_SCOPE)[1]["error"] == "invalid_scope"
    assert post(f"{url}/device/code", client_id="nobody", scope=FILE_SCOPE)[1]["error"] == "invalid_client"
    form = {"client_id": client.client_id, "client_secret": client.client_secret, "grant_type": DEVICE_GRANT}
    _, denied = post(f"{url}/device/code", client_id=client.client_id, scope=FILE_SCOPE)
    _, late = post(f"{url}/device/code", client_id=client.client_id, scope=FILE_SCOPE)
    world.emulator.signing_in.deny(denied["user_code"])
    assert post(f"{url}/token", device_code=denied["device_code"], **form)[1]["error"] == "access_denied"
    world.emulator.time.advance(late["expires_in"])
    assert post(f"{url}/token", device_code=late["device_code"], **form)[1]["error"] == "expired_token"


def test_each_way_to_sign_in_is_for_clients_of_one_type(world: Scene) -> None:
    desktop, tv = world.emulator.new_client(world.app), world.emulator.new_client(world.app, is_tv=True)
    asked, answer = post(f"{world.url}/device/code", client_id=desktop.client_id, scope=FILE_SCOPE)
    assert (asked, answer["error"]) == (401, "invalid_client")
    http = httplib2.Http(timeout=5)
    page, _ = http.request(
        f"{world.url}/auth?{urlencode({'client_id': tv.client_id, 'redirect_uri': 'http://localhost:1/'})}"
    )
    http.close()
    assert page.status == 400


def test_a_loopback_sign_in_proves_itself_by_its_verifier(world: Scene) -> None:
    url, client = world.url, world.emulator.new_client(world.app)
    verifier, target = "v" * 64, "http://127.0.0.1:1/"
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    form = {"client_id": client.client_id, "client_secret": client.client_secret, "redirect_uri": target}
    form |= {"grant_type": "authorization_code"}

    def consent() -> str:
        asked = {"client_id": client.client_id, "redirect_uri": target, "scope": FILE_SCOPE, "state": "s"}
        query = urlencode(asked | {"code_challenge": digest, "code_challenge_method": "S256"})
        http = httplib2.Http(timeout=5)
        http.follow_redirects = False
        answer, _ = http.request(f"{url}/auth?{query}")
        http.close()
        back = parse_qs(urlsplit(answer["location"]).query)
        assert back["state"] == ["s"]
        return str(back["code"][0])

    assert post(f"{url}/token", code=consent(), code_verifier="wrong", **form)[1]["error"] == "invalid_grant"
    code = consent()
    status, tokens = post(f"{url}/token", code=code, code_verifier=verifier, **form)
    assert (status, tokens["scope"]) == (200, FILE_SCOPE)
    assert post(f"{url}/token", code=code, code_verifier=verifier, **form)[1]["error"] == "invalid_grant"


def test_a_wrong_secret_gets_no_token(world: Scene) -> None:
    grant = world.emulator.sign_in("laptop", world.ada, world.app)
    form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "client_id": grant.client.client_id}
    assert post(f"{world.url}/token", client_secret="wrong", **form)[1]["error"] == "invalid_client"
    form["client_secret"] = grant.client.client_secret
    assert post(f"{world.url}/token", **form)[0] == 200
    assert post(f"{world.url}/token", **form | {"grant_type": "password"})[1]["error"] == "unsupported_grant_type"


def _error(reason: str, message: str) -> dict[str, str]:
    return {"error": reason, "error_description": message}


def test_a_sign_in_travels_to_another_process_as_json(world: Scene) -> None:
    stored = json.loads(json.dumps(world.emulator.sign_in("session-1", world.ada, world.app).stored(world.url)))
    with Connection(world.url, stored) as elsewhere:
        assert ask_about(elsewhere)["user"]["emailAddress"] == "ada@example.com"
    assert world.emulator.count("about.get", "session-1") == 1


def test_a_client_can_be_downloaded_as_from_the_console(world: Scene) -> None:
    client = world.emulator.new_client(world.app)
    file = client.downloaded(world.url)["installed"]
    assert (file["client_id"], file["client_secret"]) == (client.client_id, client.client_secret)
    assert file["token_uri"] == f"{world.url}/token"
    assert file["redirect_uris"] == ["http://localhost"]
    tv = world.emulator.new_client(world.app, is_tv=True)
    assert "redirect_uris" not in tv.downloaded(world.url)["installed"]
