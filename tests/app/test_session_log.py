"""The log of a session: lines of JSON without secrets, in a file that stays small, for the last ten, come what may."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app import session_log
from qcqueue.app.session_log import KEPT, log_behind, logging_to, newest_log
from qcqueue.clock import SystemClock
from qcqueue.worker.session_locks import SESSIONS, SessionLocks

log = logging.getLogger("qcqueue.worker.anything")


def lines(path: Path | None) -> list[dict[str, Any]]:
    assert path is not None
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_when_who_what_and_the_facts(tmp_path: Path) -> None:
    with logging_to(tmp_path, "s1", SystemClock()) as path:
        log.info("copy not written", extra={"action": "copy_not_written", "size_bytes": 7})
        log.warning("plain")
    assert path == tmp_path / "logs" / "s1.jsonl"
    first, second = lines(path)
    assert list(first) == ["at_s", "session", "action", "message", "facts"]
    assert (first["session"], first["action"], first["facts"]) == ("s1", "copy_not_written", {"size_bytes": 7})
    assert (second["action"], second["facts"]) == ("qcqueue.worker.anything", {"level": "warning"})
    assert path.stat().st_mode & 0o077 == 0
    assert newest_log(tmp_path) == path


def test_a_secret_is_in_no_message_fact_or_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCQUEUE_TOKEN", "1//a-secret-token-of-mine")

    def refused() -> None:
        log.info("refused 1//a-secret-token-of-mine", extra={"action": "a", "said": "1//a-secret-token-of-mine"})
        raise KeyError("1//a-secret-token-of-mine", str(Path.home() / "mine"))

    with pytest.raises(KeyError), logging_to(tmp_path, "s1", SystemClock()):
        refused()
    text = (tmp_path / "logs" / "s1.jsonl").read_text()
    assert "session_failed" in text
    assert "a-secret-token-of-mine" not in text
    assert str(Path.home() / "mine") not in text


def test_an_error_knows_the_log_that_tells_of_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError) as caught, logging_to(tmp_path, "s1", SystemClock()):
        raise KeyError("oh")
    assert log_behind(caught.value) == str(tmp_path / "logs" / "s1.jsonl")
    assert log_behind(KeyError("of another command")) is None


def test_it_stops_with_one_last_line_where_it_has_become_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_log, "MOST_BYTES", 20_000)
    with logging_to(tmp_path, "s1", SystemClock()) as path:
        for _ in range(1000):
            log.info("x" * 100)
    assert path is not None
    assert path.stat().st_size <= 20_000
    assert [line["action"] for line in lines(path)].count("log_full") == 1
    assert lines(path)[-1]["action"] == "log_full"


def test_the_last_ten_are_kept_and_those_of_live_sessions(tmp_path: Path) -> None:
    locks = SessionLocks(tmp_path / SESSIONS)
    locks.announce("s0")
    for number in range(15):
        with logging_to(tmp_path, f"s{number}", SystemClock()) as path:
            log.info("hello")
        assert path is not None
        os.utime(path, (number, number))
    (tmp_path / "logs" / "mine.txt").write_text("mine")
    kept = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert kept == sorted(["mine.txt", "s0.jsonl", *(f"s{number}.jsonl" for number in range(15 - KEPT, 15))])
    locks.let_go()


def test_a_full_disk_and_a_folder_that_cannot_be_made_cost_the_log_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").write_text("a file")
    with logging_to(tmp_path, "s1", SystemClock()) as path:
        log.info("hello")
    assert path is None
    handler = session_log._SessionLog(Path("/dev/full"), "s1", SystemClock())
    handler.begin()
    handler.emit(logging.makeLogRecord({"msg": "no room"}))
    handler.close()


def test_what_was_set_up_before_is_as_it_was(tmp_path: Path) -> None:
    ours = logging.getLogger("qcqueue")
    before = (ours.level, ours.propagate, list(ours.handlers))
    with logging_to(tmp_path, "s1", SystemClock()):
        assert not ours.propagate
    assert (ours.level, ours.propagate, list(ours.handlers)) == before
