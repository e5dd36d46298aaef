"""Asking again: how often, after how long, and what is said in the end, over real HTTP and a patient clock."""

import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httplib2
import pytest

from qcqueue.errors import OutcomeUnknown, SignInFailed, StoreAway, StoreBusy, StoreDenied, StoreError, StoreFull
from qcqueue.stores.drive.caller import LONGEST_PAUSE_S, QUICK, STEADY, RetryLimits
from qcqueue.stores.drive.files import DriveFiles, NewFile
from tests.stores_drive.queues import MB, PATIENT, Queue, failed, file_of
from tests.support.drive.accounts import CANARY
from tests.support.drive.faults import DriveFault

ONCE = RetryLimits(tries=1, tries_away=1, timeout_s=5.0, lag_s=0.0)
LOST = (DriveFault.DROP_BEFORE, DriveFault.SERVER_ERROR, DriveFault.SERVER_ERROR_HTML, DriveFault.RATE_LIMITED)
DONE = (DriveFault.DROP_AFTER, DriveFault.SERVER_ERROR_AFTER, DriveFault.RATE_LIMITED_AFTER, DriveFault.CUT_ANSWER)


@pytest.fixture(autouse=True)
def _no_secret_is_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    out, err = capfd.readouterr()
    assert CANARY not in caplog.text + out + err


def new_file(drive: Queue, files: DriveFiles, data: bytes = b"") -> NewFile:
    return NewFile(id=files.reserve(), title="a file", parent=drive.home.sessions, data=data)


@pytest.mark.parametrize("fault", [*LOST, *DONE, DriveFault.TOO_MANY, DriveFault.UNAUTHORIZED])
def test_a_change_is_asked_again_until_it_is_known(drive: Queue, fault: DriveFault) -> None:
    files = drive.files("session")
    new = new_file(drive, files)
    drive.emulator.faults.script(fault, operation="files.insert", times=2, quiet=False)
    files.insert(new)
    assert drive.owner.file(new.id).title == "a file"
    assert sum(change.file_id == new.id for change in drive.owner.changes()) == 1


@pytest.mark.parametrize("fault", [*LOST, DriveFault.DROP_AFTER, DriveFault.CUT_ANSWER, DriveFault.TOO_MANY])
def test_a_read_that_never_succeeds_is_busy_or_unknown_and_changes_nothing(drive: Queue, fault: DriveFault) -> None:
    files = drive.files("session", patience=QUICK)
    drive.emulator.faults.script(fault, operation="files.get", times=100, quiet=False)
    error = failed(lambda: files.get(drive.home.folder))
    assert isinstance(error, StoreBusy)
    assert error.hint
    assert drive.asked() == ["files.get"] * QUICK.tries


def test_pauses_grow_with_chance_in_them_up_to_a_limit(drive: Queue) -> None:
    files = drive.files("session", patience=RetryLimits(tries=10, tries_away=1, timeout_s=5.0, lag_s=0.0))
    drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation="about.get", times=100)
    failed(files.about)
    slept_s = drive.clock.slept_s
    assert len(slept_s) == 9
    for number, pause_s in enumerate(slept_s):
        grown_s = min(0.5 * 2**number, LONGEST_PAUSE_S)
        assert 0.75 * grown_s <= pause_s <= 1.25 * grown_s
    assert len({round(pause_s / 0.5 / 2**number, 6) for number, pause_s in enumerate(slept_s[:6])}) > 1


def test_a_wish_of_googles_to_wait_is_met(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.faults.script(DriveFault.TOO_MANY, operation="about.get", retry_after_s=90)
    files.about()
    assert drive.clock.slept_s == [90.0]


def test_a_wish_to_wait_is_forgotten_with_the_next_answer(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.faults.script(DriveFault.TOO_MANY, operation="about.get", retry_after_s=90)
    drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation="about.get")
    files.about()
    assert drive.clock.slept_s[0] == 90.0
    assert drive.clock.slept_s[1] < 2.0


def test_a_change_whose_answers_are_all_lost_is_unknown(drive: Queue) -> None:
    files = drive.files("session", patience=QUICK)
    new = new_file(drive, files)
    drive.emulator.faults.script(DriveFault.SERVER_ERROR, operation="files.insert", times=100)
    assert isinstance(failed(lambda: files.insert(new)), OutcomeUnknown)


@pytest.mark.parametrize("then", [DriveFault.FORBIDDEN, DriveFault.FULL])
@pytest.mark.parametrize("lost", DONE)
def test_a_definite_refusal_after_a_lost_answer_is_unknown(drive: Queue, lost: DriveFault, then: DriveFault) -> None:
    files = drive.files("session")
    new = new_file(drive, files)
    drive.emulator.faults.script(lost, operation="files.insert", quiet=False)
    drive.emulator.faults.script(then, operation="files.insert")
    error = failed(lambda: files.insert(new))
    assert isinstance(error, OutcomeUnknown)
    assert "may have done" in str(error)
    assert drive.has(new.id)


def test_a_folder_that_is_gone_after_a_lost_answer_is_unknown(drive: Queue) -> None:
    files = drive.files("session")
    new = new_file(drive, files)
    drive.emulator.faults.script(DriveFault.DROP_BEFORE, operation="files.insert", quiet=False)
    drive.owner.delete(drive.home.sessions)
    assert isinstance(failed(lambda: files.insert(new)), OutcomeUnknown)


@pytest.mark.parametrize(
    ("fault", "error"), [(DriveFault.FORBIDDEN, StoreDenied), (DriveFault.FULL, StoreFull), (DriveFault.TOO_MANY, None)]
)
def test_a_definite_refusal_alone_is_what_it_is(
    drive: Queue, fault: DriveFault, error: type[StoreError] | None
) -> None:
    files = drive.files("session", patience=ONCE)
    new = new_file(drive, files)
    drive.emulator.faults.script(fault, operation="files.insert")
    assert type(failed(lambda: files.insert(new))) is (error or OutcomeUnknown)


def test_a_read_is_never_unknown_for_a_refusal_after_a_lost_answer(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="about.get", quiet=False)
    drive.emulator.faults.script(DriveFault.FORBIDDEN, operation="about.get")
    assert type(failed(files.about)) is StoreDenied


def test_who_cannot_reach_google_gives_up_at_once_if_quick(drive: Queue) -> None:
    files = drive.files("laptop", patience=QUICK)
    with nobody_listens() as away:
        files.caller._endpoint = away
        error = failed(files.about)
    assert isinstance(error, StoreAway)
    assert error.exit_code == 4
    assert "connection" in (error.hint or "")
    assert drive.clock.slept_s == []


def test_who_is_steady_asks_some_times_more(drive: Queue) -> None:
    files = drive.files("session", patience=STEADY)
    with nobody_listens() as away:
        files.caller._endpoint = away
        assert isinstance(failed(files.about), StoreAway)
    assert len(drive.clock.slept_s) == STEADY.tries_away - 1


def test_an_answer_that_was_lost_before_google_was_away_stays_unknown(
    drive: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httplib2 connects again on its own; that this fails must not hide that a request had left."""
    files = drive.files("session", patience=QUICK)
    new = new_file(drive, files)
    files.about()  # so that a connection is open
    drive.emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert", quiet=True)

    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        assert isinstance(failed(lambda: files.insert(new)), OutcomeUnknown)
    assert drive.has(new.id)


def test_a_connection_that_stalls_is_cut_and_another_one_asked(drive: Queue) -> None:
    files = drive.files("session", patience=RetryLimits(tries=3, tries_away=1, timeout_s=0.2, lag_s=0.0))
    new = new_file(drive, files)
    drive.emulator.faults.script(DriveFault.STALL, operation="files.insert")
    assert files.insert(new) is None  # taken: the first one was carried out
    assert drive.has(new.id)


def test_an_answer_that_comes_too_late_finds_nobody_listening(drive: Queue) -> None:
    """httplib2 keeps the connection, and would take the answer for that of the next request."""
    files = drive.files("session", patience=RetryLimits(tries=1, tries_away=1, timeout_s=0.2, lag_s=0.0))
    files.about()
    drive.emulator.faults.script(DriveFault.STALL, operation="about.get")
    failed(files.about)
    assert not files.caller._connected().http.connections


@pytest.mark.parametrize("lag_s", [1.0, 30.0])
def test_a_young_id_is_waited_for(drive: Queue, lag_s: float) -> None:
    files = drive.files("session")
    new = new_file(drive, files)
    files.insert(new)
    drive.emulator.id_lag_s["session"] = lag_s
    assert files.get(new.id) is None
    assert files.find(new.id)
    assert lag_s <= sum(drive.clock.slept_s) <= 2 * PATIENT.lag_s


def test_the_wait_for_an_id_begins_when_it_is_missed_and_not_before(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.faults.script(DriveFault.TOO_MANY, operation="files.get", retry_after_s=90)
    drive.emulator.faults.script(DriveFault.LATE_ID, operation="files.get")
    assert files.find(drive.home.folder)


def test_an_id_that_stays_away_is_believed_to_be_gone(drive: Queue) -> None:
    files = drive.files("session")
    assert files.find("nobody-made-this") is None
    assert PATIENT.lag_s <= sum(drive.clock.slept_s) <= 2 * PATIENT.lag_s


def test_a_young_folder_is_waited_for_by_what_goes_into_it(drive: Queue) -> None:
    files = drive.files("session")
    folder = NewFile(id=files.reserve(), title="young", parent=drive.home.folder, data=None)
    files.insert(folder)
    drive.emulator.id_lag_s["session"] = 10.0
    assert files.insert(NewFile(id=files.reserve(), title="child", parent=folder.id))


def test_the_date_of_an_answer_is_googles_and_is_noted(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.time.advance(-3 * 3600)
    files.about()
    assert files.caller.date_s == pytest.approx(drive.emulator.time.now_s(), abs=1.0)


def test_a_date_that_is_none_is_ignored(drive: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    files = drive.files("session")
    files.about()
    before_s = files.caller.date_s
    for odd in ("", "soon", "Tue, 99 Nov 2026"):
        monkeypatch.setattr(drive.emulator.time, "http_date", lambda odd=odd: odd)
        files.about()
        assert files.caller.date_s == before_s


def test_an_expired_access_token_is_renewed_unseen(drive: Queue) -> None:
    files = drive.files("session")
    files.about()
    drive.emulator.time.advance(2 * 3600)
    files.about()
    assert drive.clock.slept_s == []


def test_a_revoked_sign_in_is_refused_without_waiting(drive: Queue) -> None:
    files = drive.files("session")
    files.about()
    drive.emulator.revoke(drive.app, drive.ada)
    error = failed(files.about)
    assert isinstance(error, SignInFailed)
    assert "qcqueue login" in (error.hint or "")
    assert drive.clock.slept_s == []


def test_an_access_token_that_is_never_accepted_is_given_up_soon(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.faults.script(DriveFault.UNAUTHORIZED, operation="about.get", times=100)
    assert isinstance(failed(files.about), SignInFailed)
    assert len(drive.asked()) == 6


@pytest.mark.parametrize("fault", [DriveFault.DROP_BEFORE, DriveFault.REFRESH_REFUSED])
def test_a_sign_in_that_got_no_answer_is_not_one_that_was_refused(drive: Queue, fault: DriveFault) -> None:
    files = drive.files("session", patience=QUICK)
    drive.emulator.faults.script(fault, operation="oauth.token", quiet=False)
    if fault is DriveFault.REFRESH_REFUSED:
        assert isinstance(failed(files.about), SignInFailed)
    else:
        assert files.about().account == "ada@example.com"


def test_a_sign_in_answered_by_a_page_in_html_is_tried_again(drive: Queue) -> None:
    files = drive.files("session", patience=QUICK)
    drive.emulator.faults.script(DriveFault.SERVER_ERROR_HTML, operation="oauth.token", status=502)
    assert files.about().account == "ada@example.com"


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"id": 1}', b'{"ids": []}'])
@pytest.mark.parametrize("ask", ["about", "reserve", "get", "insert", "list"])
def test_a_success_that_is_not_drives_is_no_answer(
    drive: Queue, monkeypatch: pytest.MonkeyPatch, ask: str, body: bytes
) -> None:
    files = drive.files("session", patience=QUICK)
    new = new_file(drive, files)
    files.reserve()
    files._reserved.clear()
    connection = files.caller._connected()
    answer = (answer_of(200), body)
    monkeypatch.setattr(connection.http, "request", lambda *_, **__: answer)
    questions: dict[str, Callable[[], object]] = {
        "about": files.about,
        "reserve": files.reserve,
        "get": lambda: files.get(new.id),
        "insert": lambda: files.insert(new),
        "list": lambda: list(files.list("trashed=false", most=5)),
    }
    if ask == "list" and body in (b"{}", b'{"id": 1}', b'{"ids": []}'):
        assert questions[ask]() == []  # which is how an empty page looks
        return
    assert isinstance(failed(questions[ask]), OutcomeUnknown)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b'{"error": "x"}', b'{"error": {"errors": []}}', b'{"error": 3}', b"\xff"]
)
def test_a_403_of_any_form_is_a_sentence_and_says_nothing_on_the_screen(
    drive: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    files = drive.files("session", patience=QUICK)
    connection = files.caller._connected()
    monkeypatch.setattr(connection.http, "request", lambda *_, **__: (answer_of(403), body))
    caplog.clear()
    assert isinstance(failed(files.about), StoreDenied)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


IN_AN_UPLOAD = (
    *LOST,
    *DONE,
    DriveFault.STALL,
    DriveFault.FORBIDDEN,
    DriveFault.FULL,
    DriveFault.UNAUTHORIZED,
    DriveFault.SESSION_LOST,
    DriveFault.SESSION_GONE,
    DriveFault.SHORT_308,
)


@pytest.mark.parametrize("fault", IN_AN_UPLOAD)
def test_no_address_of_an_upload_is_in_any_traceback(drive: Queue, tmp_path: Path, fault: DriveFault) -> None:
    machine = drive.machine(tmp_path, patience=QUICK)
    for operation in ("upload.chunk", "upload.status"):
        drive.emulator.faults.script(fault, operation=operation, times=100, for_s=0.0, quiet=False, keep_bytes=0)
    error = failed(lambda: machine.store.put(file_of(tmp_path, 5 * MB)))
    assert CANARY not in "".join(traceback.format_exception(error))
    assert error.__cause__ is None


def test_a_sign_in_that_is_refused_leaves_no_word_of_it_in_a_traceback(drive: Queue) -> None:
    files = drive.files("session")
    drive.emulator.revoke(drive.app, drive.ada)
    error = failed(files.about)
    assert "invalid_grant" not in "".join(traceback.format_exception(error))


# What a test does to the network.


def answer_of(status: int) -> httplib2.Response:
    return httplib2.Response({"status": str(status)})


@contextmanager
def nobody_listens() -> Iterator[str]:
    """Yield an address that is taken and where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
