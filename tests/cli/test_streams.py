"""Whatever a command writes to: another encoding, a full disk, a reader that has gone, nothing at all.

Each is a process of its own, because it is about its file descriptors. Nothing is a bug of ours, and nothing is lost.
"""

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from qcqueue.cli import streams
from qcqueue.cli.main import run
from tests.cli.queues import House

STRANGE = ("плохо", "хорошо", "🙂 ok")
ENCODINGS = (
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "koi8-r"},
    {"PYTHONIOENCODING": "cp1252:replace"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "nowhere.KOI8-R", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
)


@pytest.fixture
def strange(house: House) -> House:
    """A queue with a dataset whose classes few encodings have."""

    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        (summary,) = connection.execute("SELECT summary FROM datasets").fetchone()
        connection.execute("UPDATE datasets SET summary = ?", (json.dumps(json.loads(summary) | {"classes": STRANGE}),))
    return house


def types(
    line: str, *, shell: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Type a command in a shell, with what stands after it there."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m qcqueue {line} {shell}', sys.executable],
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"bug of qcqueue" not in done.stderr
    return done


@pytest.mark.parametrize("environment", ENCODINGS[1::2], ids=lambda it: " ".join(it.values()))
def test_a_script_reads_json_under_any_encoding(environment: dict[str, str], strange: House) -> None:
    done = types("data show qc-tiny --json", environment=environment)
    assert done.returncode == 0
    assert json.loads(done.stdout.decode("utf-8"))["classes"] == list(STRANGE)


@pytest.mark.parametrize("environment", ENCODINGS[::2], ids=lambda it: " ".join(it.values()))
def test_a_person_reads_a_table_under_any_encoding(environment: dict[str, str], strange: House) -> None:
    encoding = environment.get("PYTHONIOENCODING", "latin-1").partition(":")[0]
    done = types("data list", environment=environment)
    head, row, *_ = done.stdout.decode(encoding).splitlines()
    assert done.returncode == 0
    split = head.index("SPLIT")
    assert row[split - 1 : split + 1].strip().isdigit()  # its columns stand where they should
    assert (STRANGE[0] if encoding == "koi8-r" else r"\u043f\u043b\u043e\u0445\u043e") in row


def test_a_bar_is_drawn_with_what_there_is(house: House) -> None:
    plain = types("status", environment={"PYTHONIOENCODING": "ascii"}).stdout.decode("ascii")
    assert "####" in plain
    assert "████" in types("status", environment={"PYTHONIOENCODING": "utf-8"}).stdout.decode()


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "data list --json",
        "--help",
        *(pytest.param(it, marks=pytest.mark.long) for it in ("show done", "work -h")),
    ],
)
def test_a_full_output_is_said_to_be_full_and_the_cache_is_not(line: str, house: House) -> None:
    done = types(line, shell=">/dev/full")
    assert done.returncode == 4
    assert done.stderr.decode().splitlines() == [
        "qcqueue: there is no room left where the output goes: No space left on device",
        "next: make room there, or send it elsewhere; then the same again",
    ]


def test_an_output_that_cannot_be_written_is_told_so(house: House) -> None:
    done = types("status", shell="1</dev/null")
    assert (done.returncode, done.stderr.count(b"\n")) == (4, 2)
    assert b"the output is lost: Bad file descriptor" in done.stderr


@pytest.mark.parametrize(
    "shell",
    [
        *("<&- >&- 2>&-", ">&- 2>/dev/full"),
        *(pytest.param(it, marks=pytest.mark.long) for it in (">&-", "2>&-", "2>/dev/full")),
    ],
)
@pytest.mark.parametrize(("line", "code"), [("status", 0), ("hold queued", 0), ("status --store nowhere", 2)])
def test_a_stream_that_is_closed_changes_no_exit_code(line: str, code: int, shell: str, house: House) -> None:
    assert types(line, shell=shell).returncode == code


@pytest.mark.parametrize("line", ["hold queued", "store verify"])
def test_what_is_closed_is_never_a_file_of_the_queue(line: str, house: House) -> None:
    """A file that was opened as number 1 or 2 would be written into by whoever prints."""
    types(line, shell="<&- >&- 2>&-")
    with contextlib.closing(sqlite3.connect(house.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert run(["status", "--json"]) == 0


@pytest.mark.parametrize("line", ["status", "data list", "--help"])
def test_a_reader_that_has_gone_is_nobody_to_tell(line: str, house: House) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "qcqueue", *line.split()], stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_is_slow_gets_everything(house: House) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    program = "import sys\nfrom qcqueue.cli import streams\nstreams.settle()\nsys.stdout.write('x' * 300_000)\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        received = 0
        while chunk := os.read(reading, 1000):
            received += len(chunk)
        assert process.stderr is not None
        assert (process.stderr.read(), received) == (b"", 300_000)
    os.close(reading)


class WindowsConsole(io.RawIOBase):
    """What Python writes to on Windows: no file, and every letter arrives whatever the code page is."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        self.written += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def test_a_console_of_windows_gets_every_letter_through_python(monkeypatch: pytest.MonkeyPatch) -> None:
    console = WindowsConsole()
    stream = io.TextIOWrapper(io.BufferedWriter(console), encoding="utf-8", line_buffering=False)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    streams.settle()
    print(STRANGE[0], "\ud800")
    assert sys.stdout is stream
    assert console.written.decode() == f"{STRANGE[0]} \\ud800\n"


def test_what_is_sent_to_a_file_on_windows_is_in_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    path = tmp_path / "said.txt"
    with path.open("w", encoding="cp1252") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        streams.settle()
        with sys.stdout as settled:
            print(STRANGE[0], file=settled)
    assert path.read_text(encoding="utf-8") == f"{STRANGE[0]}\n"


def test_a_folder_that_was_removed_under_the_shell_is_said_to_be_gone(house: House) -> None:
    gone = Path("gone")
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", 'cd gone && rmdir ../gone && "$0" -m qcqueue status', sys.executable],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "qcqueue: the folder that this shell is in is not there any more",
        "next: cd to another folder",
    ]
