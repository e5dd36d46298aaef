"""Files through the real clients: made once, read, changed under a condition, binned, and deleted for good."""

import hashlib
import threading
from pathlib import Path

import pytest
from pydrive2.files import ApiRequestError

from tests.support.drive.choices import Choices
from tests.support.drive.client import Connection
from tests.support_drive.scenes import (
    FOLDER,
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


def test_about_says_whose_drive_it_is_and_what_is_free(laptop: Connection, world: Scene) -> None:
    about = laptop.drive.GetAbout()
    assert about["user"]["emailAddress"] == "ada@example.com"
    assert int(about["quotaBytesTotal"]) == world.ada.quota_bytes
    assert about["rootFolderId"] == world.ada.root_id


def test_pydrive2_uploads_lists_and_reads_a_file(laptop: Connection, tmp_path: Path) -> None:
    file = laptop.drive.CreateFile({"title": "notes", "properties": [{"key": "k", "value": "v"}]})
    file.SetContentString("Grüße")
    file.Upload()
    listed = laptop.drive.ListFile({"q": "title='notes' and trashed=false", "maxResults": 1000}).GetList()
    assert [one["id"] for one in listed] == [file["id"]]
    assert laptop.drive.CreateFile({"id": file["id"]}).GetContentString() == "Grüße"
    listed[0].GetContentFile(tmp_path / "copy")
    assert (tmp_path / "copy").read_text(encoding="utf-8") == "Grüße"


def test_pydrive2_renames_rewrites_bins_and_deletes_a_file(laptop: Connection, world: Scene) -> None:
    file = laptop.drive.CreateFile({"title": "notes"})
    file.SetContentString("one")
    file.Upload()
    file["title"] = "renamed"
    file.Upload()
    file.SetContentString("two")
    file.Upload()
    assert world.owner.read(file["id"]) == b"two"
    assert [one["md5Checksum"] for one in file.GetRevisions()] == [hashlib.md5(x).hexdigest() for x in (b"one", b"two")]
    file.Trash()
    assert get(laptop, file["id"])["labels"]["trashed"]
    file.UnTrash()
    file.Delete()
    assert world.owner.files() == []


def test_checksums_and_sizes_come_with_the_answer_to_an_insert(laptop: Connection) -> None:
    data = bytes(range(256)) * 40 + b"\r\n--\n\r"
    file = insert(laptop, data, title="blob")
    assert file["fileSize"] == str(len(data))
    assert file["md5Checksum"] == hashlib.md5(data).hexdigest()
    assert file["sha1Checksum"] == hashlib.sha1(data).hexdigest()
    assert file["sha256Checksum"] == hashlib.sha256(data).hexdigest()


def test_one_id_is_inserted_once_whatever_the_second_insert_carries(laptop: Connection, session: Connection) -> None:
    [file_id] = reserved(laptop)
    insert(laptop, id=file_id, title="first")
    assert refused(lambda: insert(session, id=file_id, title="second")) == (409, "fileIdInUse")
    assert refused(lambda: insert(session, b"bytes", id=file_id))[0] == 409
    assert refused(lambda: in_chunks(session, b"bytes", id=file_id).execute())[0] == 409
    assert get(session, file_id)["title"] == "first"


def test_of_eight_threads_that_insert_one_id_one_wins(laptop: Connection, world: Scene) -> None:
    ids = reserved(laptop, 5)
    clients = [world.connect(f"session-{index}") for index in range(8)]
    together = threading.Barrier(len(clients))
    statuses: list[list[int]] = [[] for _ in ids]

    def race(index: int) -> None:
        for number, file_id in enumerate(ids):
            request = clients[index].service.files().insert(body={"id": file_id, "title": str(index)})
            together.wait(10)
            try:
                request.execute(http=clients[index].new_http())
                statuses[number].append(200)
            except Exception as exc:
                statuses[number].append(int(exc.resp.status))  # type: ignore[attr-defined]

    threads = [threading.Thread(target=race, args=(index,)) for index in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(one) for one in statuses] == [[200] + [409] * 7] * len(ids)
    assert len(world.owner.files()) == len(ids)


def test_an_id_nobody_reserved_is_refused(laptop: Connection) -> None:
    assert refused(lambda: insert(laptop, id="0123456789")) == (400, "invalid")


def test_an_id_reserved_for_one_person_is_refused_to_another(laptop: Connection, world: Scene) -> None:
    eve = world.connect("eve", user=world.emulator.user("eve@example.com"))
    [file_id] = reserved(laptop)
    assert refused(lambda: insert(eve, id=file_id))[0] == 400


def test_a_reserved_id_can_be_made_to_expire() -> None:
    with scene(Choices(reserved_ttl_s=60.0)) as world:
        laptop = world.connect("laptop")
        early, late = reserved(laptop, 2)
        insert(laptop, id=early)
        world.emulator.time.advance(61)
        assert refused(lambda: insert(laptop, id=late))[0] == 400


@pytest.mark.parametrize("free", [True, False])
def test_whether_a_deleted_id_can_be_used_again_is_a_choice(free: bool) -> None:
    with scene(Choices(deleted_ids_are_free=free)) as world:
        laptop = world.connect("laptop")
        [file_id] = reserved(laptop)
        insert(laptop, id=file_id)
        laptop.service.files().delete(fileId=file_id).execute()
        if free:
            assert insert(laptop, id=file_id)["id"] == file_id
        else:
            assert refused(lambda: insert(laptop, id=file_id))[0] == 409


def test_an_id_stays_taken_while_its_file_is_in_the_bin(laptop: Connection) -> None:
    [file_id] = reserved(laptop)
    insert(laptop, id=file_id)
    laptop.service.files().trash(fileId=file_id).execute()
    assert refused(lambda: insert(laptop, id=file_id))[0] == 409


@pytest.mark.parametrize("count", [0, 1001])
def test_ids_are_reserved_by_the_thousand_at_most(laptop: Connection, count: int) -> None:
    assert refused(lambda: reserved(laptop, count))[0] == 400
    assert len(set(reserved(laptop, 1000))) == 1000


def test_a_stale_etag_changes_nothing(laptop: Connection, session: Connection, world: Scene) -> None:
    file = insert(laptop, b"one", title="notes")
    get(session, file["id"])
    insert_again = session.service.files().patch(fileId=file["id"], body={"title": "theirs"})
    insert_again.headers["If-Match"] = file["etag"]
    assert insert_again.execute()["title"] == "theirs"

    files = laptop.service.files()
    for late in (
        files.patch(fileId=file["id"], body={"title": "ours"}),
        files.update(fileId=file["id"], body={"title": "ours"}),
        files.update(fileId=file["id"], media_body=in_chunks(laptop, b"two").resumable),
        files.delete(fileId=file["id"]),
    ):
        late.headers["If-Match"] = file["etag"]
        assert refused(late.execute) == (412, "conditionNotMet")
    assert world.owner.file(file["id"]).title == "theirs"
    assert world.owner.read(file["id"]) == b"one"


def test_the_etag_of_an_answer_is_also_its_header(laptop: Connection) -> None:
    file = insert(laptop, title="notes")
    headers, _ = laptop.auth.http.request(f"{laptop.service._baseUrl}files/{file['id']}")
    assert headers["etag"] == file["etag"]


def test_only_the_fields_that_were_asked_for_are_sent(laptop: Connection) -> None:
    file_id = insert(laptop, title="notes")["id"]
    assert get(laptop, file_id, fields="id,parents/isRoot,labels(trashed)") == {
        "id": file_id,
        "parents": [{"isRoot": True}],
        "labels": {"trashed": False},
    }
    assert set(get(laptop, file_id, fields="*")) == set(get(laptop, file_id))
    assert refused(lambda: get(laptop, file_id, fields="id,(")) == (400, "invalid")


def test_a_file_lies_in_one_folder_that_exists(laptop: Connection) -> None:
    folder = insert_folder(laptop, "queue")
    inside = insert(laptop, title="inside", parents=[{"id": folder}])
    assert inside["parents"] == [{"kind": "drive#parentReference", "id": folder, "isRoot": False}]
    assert refused(lambda: insert(laptop, parents=[{"id": "nowhere"}])) == (404, "notFound")
    assert refused(lambda: insert(laptop, parents=[{"id": inside["id"]}])) == (403, "parentNotAFolder")
    assert refused(lambda: insert(laptop, parents=[{"id": folder}, {"id": "root"}]))[0] == 400
    moved = laptop.service.files().patch(fileId=inside["id"], addParents="root", removeParents=folder).execute()
    assert moved["parents"][0]["isRoot"]


def test_a_folder_goes_with_all_that_is_in_it(laptop: Connection, world: Scene) -> None:
    folder = insert_folder(laptop, "queue")
    inside = insert(laptop, title="inside", parents=[{"id": folder}])["id"]
    laptop.service.files().trash(fileId=folder).execute()
    assert get(laptop, inside)["labels"]["trashed"]
    assert not get(laptop, inside)["explicitlyTrashed"]
    assert titles(laptop) == set()
    laptop.service.files().delete(fileId=folder).execute()
    assert refused(lambda: get(laptop, inside))[0] == 404


def test_a_folder_can_be_made_only_once_too(laptop: Connection) -> None:
    [file_id] = reserved(laptop)
    insert(laptop, id=file_id, mimeType=FOLDER)
    assert refused(lambda: insert(laptop, id=file_id, mimeType=FOLDER))[0] == 409


def test_a_patch_moves_the_modified_date_unless_it_sets_it(laptop: Connection, world: Scene) -> None:
    file = insert(laptop, title="notes")
    world.emulator.time.advance(3600)
    beat = laptop.service.files().patch(fileId=file["id"], body={"description": "alive"}).execute()
    assert beat["modifiedDate"] > file["modifiedDate"]
    assert beat["createdDate"] == file["createdDate"]
    body = {"modifiedDate": "2020-01-01T00:00:00.000Z"}
    back = laptop.service.files().patch(fileId=file["id"], body=body, setModifiedDate=True).execute()
    assert back["modifiedDate"] == body["modifiedDate"]
    touched = laptop.service.files().touch(fileId=file["id"]).execute()
    assert touched["modifiedDate"] >= beat["modifiedDate"]
    assert int(touched["version"]) == 4


def test_properties_are_merged_by_key_and_removed_by_null(laptop: Connection) -> None:
    file = insert(laptop, properties=[{"key": "a", "value": "1"}, {"key": "b", "value": "2", "visibility": "PUBLIC"}])
    body = {"properties": [{"key": "a", "value": None}, {"key": "c", "value": "3"}]}
    changed = laptop.service.files().patch(fileId=file["id"], body=body).execute()
    assert {(one["key"], one["value"], one["visibility"]) for one in changed["properties"]} == {
        ("b", "2", "PUBLIC"),
        ("c", "3", "PRIVATE"),
    }


def test_properties_are_few_and_short(laptop: Connection) -> None:
    fits = [{"key": "k" * 24, "value": "v" * 100}]
    insert(laptop, properties=fits)
    assert refused(lambda: insert(laptop, properties=[{"key": "k" * 24, "value": "ü" * 51}]))[0] == 400
    many = [{"key": f"k{index}", "value": ""} for index in range(31)]
    insert(laptop, properties=many[:30])
    assert refused(lambda: insert(laptop, properties=many))[0] == 400


def test_pydrive2_says_409_when_an_id_is_taken(laptop: Connection) -> None:
    [file_id] = reserved(laptop)
    for attempt in range(2):
        file = laptop.drive.CreateFile({"id": file_id, "title": "slot"})
        if attempt == 0:
            file._FilesInsert()
            continue
        with pytest.raises(ApiRequestError) as caught:
            file._FilesInsert()
        assert caught.value.error["code"] == 409


def test_what_the_emulator_does_not_have_is_said(laptop: Connection) -> None:
    file_id = insert(laptop, title="notes")["id"]
    assert refused(lambda: laptop.service.files().copy(fileId=file_id, body={}).execute())[0] == 404
