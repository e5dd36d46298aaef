"""What a query finds, page by page, and what is no query."""

import pytest

from tests.support.drive import queries
from tests.support.drive.client import Connection
from tests.support.drive.exchange import Refusal
from tests.support_drive.scenes import Scene, insert, insert_folder, refused, titles


@pytest.fixture
def filled(laptop: Connection, world: Scene) -> Connection:
    """Four files: version 1, Version 2 in a folder, a picture, and one in the bin."""
    folder = insert_folder(laptop, "queue")
    insert(laptop, title="version 1", properties=[{"key": "number", "value": "1"}])
    world.emulator.time.advance(3600)
    public = [{"key": "number", "value": "2", "visibility": "PUBLIC"}]
    insert(laptop, title="Version 2", parents=[{"id": folder}], properties=public)
    insert(laptop, title="it's a \\ picture", mimeType="image/png")
    binned = insert(laptop, title="binned")
    laptop.service.files().trash(fileId=binned["id"]).execute()
    return laptop


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"queue", "version 1", "Version 2", "it's a \\ picture", "binned"}),
        ("trashed=true", {"binned"}),
        ("trashed != true and mimeType='image/png'", {"it's a \\ picture"}),
        ("title = 'VERSION 1'", {"version 1"}),
        ("title contains 'vers'", {"version 1", "Version 2"}),
        ("title contains 'ersion'", set()),
        ("title contains '2'", {"Version 2"}),
        (r"title='it\'s a \\ picture'", {"it's a \\ picture"}),
        ("mimeType contains 'image/'", {"it's a \\ picture"}),
        ("'root' in parents and trashed=false and not title='queue'", {"version 1", "it's a \\ picture"}),
        ("(title='version 1' or title='version 2')and trashed=false", {"version 1", "Version 2"}),
        ("title='version 1' or title='version 2' and trashed=true", {"version 1"}),
        ("not (trashed=true or title != 'queue')", {"queue"}),
        ("properties has { key='number' and value='1' and visibility='PRIVATE' }", {"version 1"}),
        ("properties has {key='number' and value='2' and visibility='PUBLIC'}", {"Version 2"}),
        ("properties has {key='number' and value='2'}", set()),
        ("modifiedDate > '2020-01-01T00:00:00'", {"queue", "version 1", "Version 2", "it's a \\ picture", "binned"}),
        ("modifiedDate <= '2020-01-01T00:00:00+02:00'", set()),
    ],
)
def test_a_query_finds_what_it_says(filled: Connection, query: str, found: set[str]) -> None:
    assert titles(filled, query) == found


def test_a_folder_lists_what_is_in_it(filled: Connection) -> None:
    [folder] = filled.service.files().list(q="title='queue'").execute()["items"]
    assert titles(filled, f"'{folder['id']}' in parents") == {"Version 2"}


def test_a_later_date_finds_later_files(filled: Connection) -> None:
    [first] = filled.service.files().list(q="title='version 1'").execute()["items"]
    found = titles(filled, f"modifiedDate > '{first['modifiedDate']}' and trashed = false")
    assert found == {"Version 2", "it's a \\ picture"}


@pytest.mark.parametrize(
    "query",
    [
        "name = 'x'",
        "title = x",
        "title ~ 'x'",
        "title > 'x'",
        "title = 'x",
        "title = 'x' and",
        "title = 'x' title = 'y'",
        "(trashed = true",
        "trashed = 'true'",
        "trashed > true",
        "modifiedDate > 'yesterday'",
        "modifiedDate contains '2020'",
        "properties has { key='k' }",
        "properties has { key='k' and value='v' and colour='red' }",
        "'x' in owners",
    ],
)
def test_what_is_not_in_the_grammar_is_refused(query: str) -> None:
    with pytest.raises(Refusal):
        queries.parse(query)


def test_a_refused_query_says_so_to_the_client(laptop: Connection) -> None:
    assert refused(lambda: titles(laptop, "name = 'x'")) == (400, "invalid")


def test_only_26_letters_of_a_beginning_count(laptop: Connection) -> None:
    insert(laptop, title="a" * 26 + "b")
    assert titles(laptop, f"title contains '{'a' * 26}c'") == {"a" * 26 + "b"}


def test_a_list_comes_in_pages(laptop: Connection) -> None:
    for index in range(5):
        insert(laptop, title=str(index))
    pages = laptop.drive.ListFile({"q": "trashed=false", "maxResults": 2, "orderBy": "title desc"})
    assert [[one["title"] for one in page] for page in pages] == [["4", "3"], ["2", "1"], ["0"]]


def test_a_page_of_another_query_is_refused(laptop: Connection) -> None:
    insert(laptop, title="a")
    insert(laptop, title="b")
    token = laptop.service.files().list(q="trashed=false", maxResults=1).execute()["nextPageToken"]
    assert refused(lambda: laptop.service.files().list(q="", pageToken=token).execute())[0] == 400
    assert refused(lambda: laptop.service.files().list(q="", pageToken="nonsense").execute())[0] == 400


def test_a_file_that_moves_between_two_pages_is_seen_twice(laptop: Connection, world: Scene) -> None:
    for index in range(3):
        insert(laptop, title=str(index))
        world.emulator.time.advance(1)
    first = laptop.service.files().list(maxResults=2).execute()
    insert(laptop, title="new")
    second = laptop.service.files().list(maxResults=2, pageToken=first["nextPageToken"]).execute()
    assert [one["title"] for one in first["items"] + second["items"]] == ["2", "1", "1", "0"]


@pytest.mark.parametrize("how", [{"maxResults": 1001}, {"orderBy": "colour"}])
def test_a_list_that_cannot_be_is_refused(laptop: Connection, how: dict[str, object]) -> None:
    assert refused(lambda: laptop.service.files().list(**how).execute())[0] == 400


def test_a_query_too_long_for_an_address_comes_as_a_post(laptop: Connection, world: Scene) -> None:
    insert(laptop, title="wanted")
    query = " or ".join([f"title = '{index:030d}'" for index in range(100)] + ["title = 'wanted'"])
    assert titles(laptop, query) == {"wanted"}
    assert world.emulator.count("files.list") == 1


def test_titles_are_no_keys(laptop: Connection, world: Scene) -> None:
    file_id = insert(laptop, b"same", title="twice")["id"]
    world.owner.duplicate(file_id)
    assert len(laptop.service.files().list(q="title='twice'").execute()["items"]) == 2
