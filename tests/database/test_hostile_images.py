"""Images and bodies made to hurt: each is refused with exit 5 and one sentence, in little time and memory.

Each stands in a `shared:` store as the newest version, sealed with its right digest, because whoever can write into a
store can do that too; or in a `folder:` store as the file itself. A process of its own looks where memory is what it is
about, so that what was taken is what the look alone took.
"""

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qcqueue.app.context import create_queue, create_store
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.clock import RandomIds
from qcqueue.database.chain import Chain
from qcqueue.database.schema import FORMAT
from qcqueue.database.version import Version
from qcqueue.stores.folder_slots import FolderSlots

CPU_S_MAX = 2.0
MEMORY_BYTES_MAX = 300 << 20
PAGE = 4096
MUCH = 300 << 20

# Of a child, `wait4` tells as its memory also what its parent had when it was made.
LOOK_AND_TELL = """
import sys
from qcqueue.cli.main import run
code = run(["status"])
with open("/proc/self/status") as status:
    (kb,) = (line.split()[1] for line in status if line.startswith("VmHWM"))
with open(sys.argv[1], "w") as told:
    told.write(kb)
sys.exit(code)
"""

HEAD = b'{"trail":["first"]}\n'
MAGIC = b"SQLite format 3\0"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        yield connection


def sql(*statements: str) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        with opened(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return spoil


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"


def many_tables(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN")
        made = (
            "SELECT 'table', 't' || n, 't' || n, rootpage, 'CREATE TABLE t' || n || '(x)' FROM sqlite_schema, numbered"
        )
        numbered = "WITH RECURSIVE numbered(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbered LIMIT 100000)"
        connection.execute(f"{numbered} INSERT INTO sqlite_schema {made} WHERE name = 't'")
        connection.execute("COMMIT")


def pages_in_a_fan(path: Path) -> None:
    """Let a table be 12 levels of pages, each of which names the next a hundred times over: 10^24 rows in 50 kB."""
    with opened(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sessions'").fetchone()
        connection.execute(
            "INSERT INTO sessions (id, machine, host, processor, started_at_s) VALUES ('s', 'm', 'h', 'p', 1.7e9)"
        )
    image = bytearray(path.read_bytes())
    leaf, first = bytes(image[(root - 1) * PAGE : root * PAGE]), len(image) // PAGE + 1
    levels = 12
    image += b"".join(_fan(first + level + 1) for level in range(levels)) + leaf
    image[(root - 1) * PAGE : root * PAGE] = _fan(first)
    image[28:32] = (len(image) // PAGE).to_bytes(4, "big")
    path.write_bytes(image)


def _fan(child: int) -> bytes:
    """Return an inner page of a table whose children are all the same page."""
    cell = child.to_bytes(4, "big") + b"\x7f"
    cells = 100
    begin = PAGE - cells * len(cell)
    pointers = b"".join((begin + index * len(cell)).to_bytes(2, "big") for index in range(cells))
    header = b"\x05\0\0" + cells.to_bytes(2, "big") + begin.to_bytes(2, "big") + b"\0" + child.to_bytes(4, "big")
    return (header + pointers).ljust(begin, b"\0") + cell * cells


IMAGES: dict[str, Callable[[Path], object]] = {
    "a view without an end for a table": sql("DROP TABLE numbers", f"CREATE VIEW numbers AS {ENDLESS} x, x FROM n"),
    "a view without an end for the format": sql("DROP TABLE meta", f"CREATE VIEW meta AS {ENDLESS} x AS format FROM n"),
    "a view beside the tables": sql(f"CREATE VIEW more AS {ENDLESS} x FROM n"),
    "a trigger": sql("CREATE TRIGGER t AFTER INSERT ON history BEGIN DELETE FROM jobs; END"),
    "a column that computes": sql("ALTER TABLE jobs ADD COLUMN c AS (randomblob(1000000000))"),
    "a column more": sql("ALTER TABLE jobs ADD COLUMN c INTEGER DEFAULT 0"),
    "a table more": sql("CREATE TABLE more (x)"),
    "a table more that is large": sql("CREATE TABLE more (x)", "INSERT INTO more VALUES (zeroblob(100000000))"),
    "a table less": sql("DROP TABLE history"),
    "an index that computes": sql("CREATE INDEX i ON jobs (hex(zeroblob(100000)))"),
    "an index less": sql("DROP INDEX one_live_attempt_a_job"),
    "a virtual table": sql("CREATE VIRTUAL TABLE v USING fts5(x)"),
    "another check": sql(
        "UPDATE sqlite_schema SET sql = replace(sql, 'highest >= 1', 'highest >= length(zeroblob(1000000000))')"
    ),
    "a hundred thousand tables": many_tables,
    "pages that are named again and again": pages_in_a_fan,
    "two formats": sql("INSERT INTO meta VALUES (1)"),
    "no format": sql("DELETE FROM meta"),
    "a format of long ago": sql("UPDATE meta SET format = -1"),
    "text that is not UTF-8": sql(
        "INSERT INTO jobs (name, study, model, epochs, spec, spec_sha256, dataset_sha256, position, state, "
        "enqueued_at_s, updated_at_s) VALUES (CAST(x'ff' AS TEXT), 's', 'm', 1, '{}', 'a', 'b', 1, 'queued', 1, 1)"
    ),
    "a cell of a hundred megabytes": sql(
        "INSERT INTO sessions (id, machine, host, processor, started_at_s, seconds) "
        "VALUES ('s', 'm', 'h', 'p', 1, CAST(zeroblob(100000000) AS TEXT))"
    ),
}

BODIES: dict[str, Callable[[], bytes]] = {
    "hundreds of megabytes of zeros": lambda: packed(HEAD, MUCH),
    "hundreds of megabytes that begin as SQLite": lambda: packed(HEAD + header(1 << 18), MUCH),
    "more than it says": lambda: packed(HEAD + header(1), MUCH),
    "less than it says": lambda: packed(HEAD + header(20_000), PAGE),
    "as much as there can be, and nothing in it": lambda: packed(HEAD + header(28_000), 28_000 * PAGE - 100),
    "no line at its beginning": lambda: packed(b"x", MUCH),
    "a line that is nested deeply": lambda: packed(b'{"trail":' + b"[" * 60_000 + b"\n" + header(1), PAGE),
    "a line with half a letter": lambda: packed(b'{"trail":["\\ud800"]}\n' + header(1), PAGE - 100),
    "a line with a number without end": lambda: packed(b'{"trail":[' + b"9" * 60_000 + b"]}\n" + header(1), PAGE),
    "no trail": lambda: packed(b"[]\n" + header(1), PAGE - 100),
    "what is not packed": lambda: b"SQLite format 3\0" * 1000,
    "what is packed and cut": lambda: packed(HEAD + header(3), 3 * PAGE)[:-20],
}


def header(pages: int) -> bytes:
    """Return the first hundred bytes of a SQLite file of so many pages."""
    return (
        (MAGIC + PAGE.to_bytes(2, "big") + b"\1\1\0\x40\x20\x20").ljust(28, b"\0").ljust(24, b"\0")
        + pages.to_bytes(4, "big")
        + bytes(68)
    )


def packed(begin: bytes, zeros: int) -> bytes:
    packing = zlib.compressobj(1)
    pieces = [packing.compress(begin)]
    piece = bytes(1 << 20)
    while zeros > 0:
        pieces.append(packing.compress(piece[:zeros]))
        zeros -= len(piece)
    return b"".join([*pieces, packing.flush()])


MUCH_UNPACKED = {
    "hundreds of megabytes of zeros",
    "hundreds of megabytes that begin as SQLite",
    "more than it says",
    "as much as there can be, and nothing in it",
    "no line at its beginning",
}

LARGE = {"a table more that is large", "a hundred thousand tables", "a cell of a hundred megabytes"}


@pytest.mark.parametrize("said", IMAGES)
def test_a_file_that_is_none_of_ours_is_refused(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create_store(tmp_path)
    IMAGES[said](tmp_path / "queue.sqlite")
    before = (tmp_path / "queue.sqlite").read_bytes()
    if said in LARGE:
        refused_alone(f"folder:{tmp_path}", tmp_path / "cache")
    else:
        refused(f"folder:{tmp_path}", tmp_path / "cache", monkeypatch, capsys)
    assert (tmp_path / "queue.sqlite").read_bytes() == before


@pytest.mark.parametrize("said", ["a view beside the tables", "pages that are named again and again", "a trigger"])
def test_a_version_that_is_none_of_ours_is_refused(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create_store(tmp_path / "local")
    IMAGES[said](tmp_path / "local" / "queue.sqlite")
    image = (tmp_path / "local" / "queue.sqlite").read_bytes()
    put_as_head(tmp_path / "store", zlib.compress(HEAD + image))
    refused(f"shared:{tmp_path / 'store'}", tmp_path / "cache", monkeypatch, capsys)


@pytest.mark.parametrize("said", BODIES)
def test_a_body_that_cannot_be_unpacked_is_refused(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = BODIES[said]()
    put_as_head(tmp_path / "store", body)
    if said in MUCH_UNPACKED:
        refused_alone(f"shared:{tmp_path / 'store'}", tmp_path / "cache")
    else:
        refused(f"shared:{tmp_path / 'store'}", tmp_path / "cache", monkeypatch, capsys)


def put_as_head(folder: Path, body: bytes) -> None:
    """Let a shared store have a second version with this body, and everything else as it should be."""
    cache = folder.parent / "another cache"
    create_queue(load_settings(store=f"shared:{folder}", environment={"QCQUEUE_CACHE": str(cache)}))
    slots = FolderSlots(folder, RandomIds())
    first = Chain(slots, RandomIds(), author="").head(None)
    version = Version(
        slot=first.next,
        number=2,
        next="nobody-has-it",
        sha256=hashlib.sha256(body).hexdigest(),
        before=first.digest,
        author="mallory",
        nonce="n",
        format=FORMAT,
    )
    slots.create(version.slot, body, version.facts)


def refused(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Look at a queue, and see how that ends and how long it takes."""
    monkeypatch.chdir(cache.parent)
    monkeypatch.setenv("QCQUEUE_CACHE", str(cache))
    begun_s = time.process_time()
    code = run(["status", "--store", url])
    took_s = time.process_time() - begun_s
    said = capsys.readouterr()
    check(code, said.out + said.err)
    assert took_s < CPU_S_MAX


def refused_alone(url: str, cache: Path) -> None:
    """Look at a queue in a process of its own, and see how it ends and what that takes."""
    looking = subprocess.Popen(
        [sys.executable, "-c", LOOK_AND_TELL, str(told := cache.parent / "memory")],
        env={**os.environ, "QCQUEUE_CACHE": str(cache), "QCQUEUE_STORE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cache.parent,
    )
    assert looking.stdout is not None
    with looking.stdout:
        said = looking.stdout.read().decode()
    _, status, used = os.wait4(looking.pid, 0)
    looking.returncode = os.waitstatus_to_exitcode(status)
    check(looking.returncode, said)
    assert used.ru_utime + used.ru_stime < CPU_S_MAX
    assert int(told.read_text()) * 1024 < MEMORY_BYTES_MAX


def check(code: int, said: str) -> None:
    first, *rest = said.splitlines()
    assert (code, len(rest)) in ((5, 0), (5, 1)), said
    assert first.startswith("qcqueue: ")
    assert all(line.startswith("next: ") for line in rest)
