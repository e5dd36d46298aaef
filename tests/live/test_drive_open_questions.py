"""What nobody documents about Google Drive, asked of the real one: numbers in comments are those of our list.

Asserted is only what qcqueue depends on; the rest is reported. Everything lies in one folder that is deleted at the
end. CONTRIBUTING.md says how to run this in an hour; the normal suite runs it against the emulator, to test the tests.
An address of an upload is a key to the account, so that no assertion names one.
"""

import io
import os
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from googleapiclient.http import MediaInMemoryUpload

from qcqueue.clock import SystemClock
from qcqueue.stores.drive.files import NewFile
from qcqueue.stores.drive.uploads import Source, send
from qcqueue.text.humanize import DAY_S, HOUR_S, duration, size
from tests.live.accounts import (
    MAIN,
    OTHER_ACCOUNT,
    OTHER_PROJECT,
    TV,
    Account,
    Notes,
    account,
    answer_of_a_person,
    fingerprint,
    tidy,
)

if not os.environ.get(MAIN):
    pytest.skip("asks the real Google Drive; CONTRIBUTING.md says how", allow_module_level=True)

pytestmark = pytest.mark.live

SAMPLES = int(os.environ.get("QCQUEUE_LIVE_SAMPLES", "200"))
LARGE_BYTES = int(os.environ.get("QCQUEUE_LIVE_MB", "100")) << 20
TAKEN = 409
MB, PIECE_BYTES = 1 << 20, 256 << 10
LISTED_WITHIN_S = 300.0
HEARTBEAT_OFF_S = 30.0

Finding = Callable[[str], None]


# 1 and 2: of all who insert one id, exactly one succeeds


@pytest.mark.parametrize(("how", "data"), [("metadata alone", b""), ("multipart", b"some bytes"), ("a folder", None)])
def test_an_id_is_inserted_once(how: str, data: bytes | None, main: Account, folder: str, finding: Finding) -> None:
    file_id = main.files.reserve()
    assert main.insert(folder, "first", data, file_id=file_id)
    assert main.insert(folder, "second", data, file_id=file_id) is None
    finding(f"{how}: the second insert is told {TAKEN}")


def test_an_upload_in_chunks_of_an_id_that_is_taken_is_told_so(main: Account, folder: str, finding: Finding) -> None:
    taken = main.insert(folder, "first", b"some bytes")
    assert taken
    session = main.files.begin(_new(taken.id, folder), MB)
    if session is None:
        finding(f"{TAKEN} comes when the upload begins")
        return
    status = main.put(session, bytes(MB), 0, MB).status
    assert status == TAKEN
    finding(f"{TAKEN} comes with the last chunk")


def test_of_two_uploads_in_chunks_of_one_id_one_ends(main: Account, folder: str, finding: Finding) -> None:
    file_id = main.files.reserve()
    sessions = [main.files.begin(_new(file_id, folder), MB) for _ in range(2)]
    begun = [session is not None for session in sessions]
    assert begun == [True, True]
    statuses = [main.put(str(session), bytes(MB), 0, MB).status for session in sessions]
    assert statuses in ([200, TAKEN], [201, TAKEN])
    finding(f"both begin, and end with {statuses}")


def test_an_id_stays_taken_in_the_bin(main: Account, folder: str, finding: Finding) -> None:
    made = main.insert(folder, "first")
    assert made
    main.ask(lambda: main.service.files().trash(fileId=made.id, fields="id"))
    assert main.insert(folder, "second", file_id=made.id) is None
    found = main.files.find(made.id)
    assert found
    assert found.was_trashed
    finding(f"a second insert is told {TAKEN}, and the file can still be read by its id")


def test_an_id_after_its_file_was_deleted_for_good(main: Account, folder: str, finding: Finding) -> None:
    made = main.insert(folder, "first")
    assert made
    main.files.delete(made.id)
    again = main.status_of(lambda: main.service.files().insert(body=_new(made.id, folder).body, fields="id"))
    finding(f"a second insert is told {again}")


# 3: whose id it is


def test_an_id_that_the_laptop_reserved_is_inserted_by_colab(
    main: Account, tv: Account, folder: str, finding: Finding
) -> None:
    assert tv.insert(folder, "by the other client", file_id=main.files.reserve())
    assert main.insert(folder, "by the first client", file_id=tv.files.reserve())
    finding("another client of the same project inserts it, in both directions")


def test_an_id_in_the_hands_of_another_project(main: Account, finding: Finding) -> None:
    with tidy(OTHER_PROJECT) as other:
        finding(f"another project of the same account is told {other.insert_outside(main.files.reserve())}")


def test_an_id_in_the_hands_of_another_account(main: Account, finding: Finding) -> None:
    with tidy(OTHER_ACCOUNT) as other:
        finding(f"another account is told {other.insert_outside(main.files.reserve())}")


# 4: how long an id stays reserved


@pytest.mark.parametrize("age_s", [HOUR_S, DAY_S, 30 * DAY_S])
def test_an_id_can_be_inserted_long_after_it_was_reserved(
    age_s: float, main: Account, folder: str, finding: Finding
) -> None:
    notes, what = Notes(), f"an id of {fingerprint(main.token)}, for {duration(age_s)}"
    reserved_s = notes.age_s(what)
    if reserved_s is None:
        notes.write(what, main.files.reserve())
        pytest.skip(f"an id was reserved and written down; run this again in {duration(age_s)}")
    if reserved_s < age_s:
        pytest.skip(f"the id is {duration(reserved_s)} old; run this again in {duration(age_s - reserved_s)}")
    assert main.insert(folder, "reserved long ago", file_id=notes.value(what))
    notes.forget(what)
    finding(f"after {duration(reserved_s)} it is inserted as if it were new")


# 5: how late others see what was made


def test_how_late_a_new_file_is_seen(main: Account, folder: str, finding: Finding) -> None:
    clock, other = SystemClock(), account(TV if os.environ.get(TV) else MAIN)
    start = main.ask(lambda: main.service.changes().getStartPageToken())["startPageToken"]
    made_at_s: dict[str, float] = {}
    by_id_s: list[float] = []
    listed_s: dict[str, float] = {}
    changed_s: dict[str, float] = {}

    def look() -> None:
        shown = (_listed(other, folder), listed_s), (_changed(other, start), changed_s)
        for ids, seen_s in shown:
            for file_id in ids & set(made_at_s):
                seen_s.setdefault(file_id, clock.monotonic_s() - made_at_s[file_id])

    for number in range(SAMPLES):
        made = main.insert(folder, f"sample {number}", b"some bytes")
        assert made
        made_at_s[made.id] = clock.monotonic_s()
        assert other.files.find(made.id), "a file that was made is seen by its id within a minute"
        by_id_s.append(clock.monotonic_s() - made_at_s[made.id])
        look()
    deadline_s = clock.monotonic_s() + LISTED_WITHIN_S
    while min(len(listed_s), len(changed_s)) < SAMPLES and clock.monotonic_s() < deadline_s:
        clock.sleep(1)
        look()
    finding(
        f"of {SAMPLES}: by id {_spread(by_id_s)}; in a listing {_spread(listed_s.values())}; "
        f"among the changes {_spread(changed_s.values())}"
    )


# 6: compare-and-swap by etag, which would be plan B


def test_a_stale_etag(main: Account, folder: str, finding: Finding) -> None:
    made = main.insert(folder, "etag", b"some bytes")
    assert made
    files = main.service.files
    etag = main.ask(lambda: files().get(fileId=made.id, fields="etag"))["etag"]
    main.ask(lambda: files().patch(fileId=made.id, body={"title": "changed"}, fields="id"))

    def told(make: Callable[[], Any]) -> int:
        def stale() -> Any:
            request = make()
            request.headers["If-Match"] = etag
            return request

        return main.status_of(stale)

    patch = told(lambda: files().patch(fileId=made.id, body={"title": "again"}, fields="id"))
    upload = told(lambda: files().update(fileId=made.id, media_body=_media(b"other bytes"), fields="id"))
    delete = told(lambda: files().delete(fileId=made.id))
    finding(f"patch is told {patch}, upload {upload}, delete {delete}")


# 7: what counts against the quota


def test_what_overwriting_emptying_the_bin_and_deleting_do_to_the_quota(
    main: Account, folder: str, finding: Finding
) -> None:
    said, before = [], main.used_bytes()

    def note(what: str) -> None:
        said.append(f"{what} {size(max(0, main.used_bytes() - before))}")

    made = send(main.files, _new(main.files.reserve(), folder), Source.of(io.BytesIO(os.urandom(LARGE_BYTES))))
    assert made
    note("made")
    for _ in range(4):
        media = _media(os.urandom(LARGE_BYTES), resumable=True)
        main.service.files().update(fileId=made.id, media_body=media, fields="id").execute(num_retries=3)
    note("overwritten four times")
    main.files.empty(made.id)
    note("emptied")
    binned = send(main.files, _new(main.files.reserve(), folder), Source.of(io.BytesIO(os.urandom(LARGE_BYTES))))
    assert binned
    main.ask(lambda: main.service.files().trash(fileId=binned.id, fields="id"))
    note("another one in the bin")
    main.files.delete(binned.id)
    note("deleted for good")
    finding(f"{size(LARGE_BYTES)} each: {', '.join(said)}")


# 8 and 9: sign-ins


def test_the_laptop_and_colab_see_each_others_files(main: Account, tv: Account, folder: str, finding: Finding) -> None:
    for maker, other in ((main, tv), (tv, main)):
        made = maker.insert(folder, "whose is this", b"some bytes")
        assert made
        assert other.files.find(made.id)
        assert other.files.read(made.id, 0, 100) == b"some bytes"
    finding("both see and read them")


def test_a_sign_in_is_still_good_on_its_eighth_day(main: Account, finding: Finding) -> None:
    notes, what = Notes(), f"first use of {fingerprint(main.token)}"
    age_s = notes.age_s(what)
    if age_s is None:
        notes.write(what, "")
        pytest.skip("its first use was written down; run this again in 8 days with the same sign-in")
    if age_s < 8 * DAY_S:
        pytest.skip(f"it has been in use for {duration(age_s)}; run this again on the eighth day")
    finding(f"after {duration(age_s)} it is good for {main.files.about().account}")


def test_a_person_signs_in_by_code_from_colab(finding: Finding) -> None:
    what_to_do = "qcqueue notebook --client tv.json, run it in Colab without the secret, type the code it shows"
    finding(answer_of_a_person("QCQUEUE_LIVE_CODE_IN_COLAB", what_to_do))


# 10: an upload outlives the machine that began it


def test_an_upload_goes_on_from_another_machine(main: Account, folder: str, finding: Finding) -> None:
    data, file_id = os.urandom(4 * PIECE_BYTES), main.files.reserve()
    first = account(MAIN)
    session = str(first.files.begin(_new(file_id, folder), len(data)))
    second = account(MAIN)
    answers = [first.put(session, data[:PIECE_BYTES], 0, len(data)), second.put(session, b"", 0, len(data))]
    has_bytes = int(str(answers[-1].headers.get("range", "bytes=0--1")).removeprefix("bytes=0-")) + 1
    answers.append(second.put(session, data[has_bytes:], has_bytes, len(data)))
    statuses = [answer.status for answer in answers]
    assert statuses in ([308, 308, 200], [308, 308, 201])
    assert second.files.read(file_id, 0, len(data)) == data
    finding(f"it goes on behind {has_bytes} of {PIECE_BYTES} bytes that the first machine had sent")


# 11: whose clock it is


def test_a_file_made_with_a_date_of_its_own(main: Account, folder: str, finding: Finding) -> None:
    body = _new(main.files.reserve(), folder).body | {"createdDate": "2001-02-03T04:05:06.000Z"}
    made = main.ask(lambda: main.service.files().insert(body=body, fields="createdDate"))
    finding(f"asked for 2001-02-03, it was created {made['createdDate']}")


def test_a_heartbeat_has_the_time_of_googles_answer(main: Account, folder: str, finding: Finding) -> None:
    made = main.insert(folder, "heartbeat")
    assert made
    assert main.files.touch(made.id)
    found = main.files.find(made.id)
    assert found
    off_s = main.files.caller.date_s - found.modified_s
    assert abs(off_s) < HEARTBEAT_OFF_S
    finding(f"its age is {off_s:.1f} s by the Date of the next answer")


# 12: the mount


def test_what_a_mounted_drive_and_the_api_see_of_each_other(finding: Finding) -> None:
    what_to_do = (
        "in Colab, mount Drive, look for the folder of a queue, put a file into it, and look for it with "
        "qcqueue's own sign-in"
    )
    finding(answer_of_a_person("QCQUEUE_LIVE_MOUNT", what_to_do))


def _new(file_id: str, folder: str) -> NewFile:
    return NewFile(id=file_id, title="live test", parent=folder)


def _media(data: bytes, *, resumable: bool = False) -> Any:
    return MediaInMemoryUpload(data, resumable=resumable)


def _listed(other: Account, folder: str) -> set[str]:
    return {file.id for file in other.files.list(f"'{folder}' in parents and trashed=false", most=10 * SAMPLES + 100)}


def _changed(other: Account, start: str) -> set[str]:
    """Return the ids of all that changed since, as far as it is shown."""
    ids: set[str] = set()
    token: str | None = start
    while token:
        asked = {"pageToken": token, "maxResults": 1000}
        page = other.ask(lambda asked=asked: other.service.changes().list(**asked))  # type: ignore[misc]
        ids |= {str(one["fileId"]) for one in page["items"]}
        token = page.get("nextPageToken")
    return ids


def _spread(seconds: Iterable[float]) -> str:
    found = sorted(seconds)
    if not found:
        return "none was seen"
    return f"{len(found)} within {duration(found[-1])}, half within {duration(statistics.median(found))}"
