"""Commands on a queue of the format before: a session that lives is not ended by one, unless a person wants it now."""

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import save

from qcqueue.cli.main import run
from qcqueue.database.schema import FORMAT
from qcqueue.errors import StoreAway
from qcqueue.stores.folder import FolderStore
from tests.app.saved import age, stored
from tests.app.trained import Run
from tests.cli.queues import AT_WORK, DATASET, JOB, STUDY, House, a_job, put
from tests.cli.test_commands import COMMANDS
from tests.database.golden import lower
from tests.datasets.pictures import folder_of, three_classes

Answer = Callable[..., tuple[int, str, str]]

REFUSED = r"a session of an older qcqueue works on this queue \(5e55a0a0a0a0 on colab-7, heard of \d s ago\)"
NEW = STUDY + JOB + 'name = "new"\nweights = "w.safetensors"\n'
WRITES = (
    "enqueue new.toml",
    "data sample --images 60 --name practice",
    "data add pictures --name scans",
    "hold queued",
    "release held",
    "cancel queued",
    "retry failed",
    "move queued first",
    "remove failed --yes",
    "store gc --yes",
)
LOOKS = (
    "",
    "status",
    "status --json",
    "show running",
    "show done --json",
    "log running",
    "why running",
    "why failed",
    "plan",
    "quota",
    "data list",
    f"data show {DATASET}",
    "simulate study.toml",
    "store usage",
    "store usage --json",
    "store gc",
    "report --out report",
    "export tensorboard --out events",
)


@pytest.fixture
def answer(capfd: pytest.CaptureFixture[str]) -> Answer:
    """Run a command; return its exit code and what it says on both."""

    def ask(typed: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(typed.split())
        return (code, *capfd.readouterr())

    return ask


@pytest.fixture
def older(house: House) -> House:
    """A house with a job in every state, one of them with a session at work, as the qcqueue before left it."""
    folder_of(house.folder / "pictures", three_classes())
    house.write("w.safetensors", save({"kernel": np.zeros(3, np.float32)}))
    house.write("new.toml", NEW)
    house.write("study.toml", STUDY + JOB)
    stored(house.queue, "what nobody has named")
    age(house.queue, 30 * 86400)
    house.queue.store.beat(AT_WORK)
    lower(house.database)
    return house


def format_stored(house: House) -> int:
    with contextlib.closing(sqlite3.connect(house.database)) as connection:
        return int(connection.execute("SELECT format FROM meta").fetchone()[0])


@pytest.mark.parametrize("typed", WRITES)
def test_a_command_that_would_write_is_refused_and_leaves_everything_as_it_is(
    older: House, answer: Answer, typed: str
) -> None:
    before = older.fingerprint()
    for way in (typed, f"{typed} --dry-run" if "gc" not in typed else typed):
        code, out, err = answer(way)
        assert code == 6, out + err
        said, following = err.splitlines()
        assert re.fullmatch(f"qcqueue: {REFUSED}, and would end with unsaved work", said)
        assert (
            following == "next: wait until it has left, or type the same command with --now (in a notebook: now=True)"
        )
    assert older.fingerprint() == before


@pytest.mark.parametrize("typed", WRITES)
def test_with_now_it_works_and_says_once_what_that_means(older: House, answer: Answer, typed: str) -> None:
    code, out, err = answer(f"{typed} --now")
    assert code == 0, out + err
    if typed == "store gc --yes":  # what nobody has named stands nowhere in the database
        assert (format_stored(older), err) == (FORMAT - 1, "")
        return
    assert format_stored(older) == FORMAT
    (said,) = err.splitlines()
    assert said.startswith(f"the queue was raised to format {FORMAT}, which an older qcqueue cannot read; ")
    assert answer("release queued" if typed == "hold queued" else "hold held")[2].count("raised") == 0


def test_a_session_of_today_does_not_come_where_an_older_one_works(older: House, answer: Answer) -> None:
    before = older.fingerprint()
    code, _, err = answer("work")
    assert code == 6
    assert re.search(REFUSED, err)
    assert older.fingerprint() == before


@pytest.mark.parametrize("typed", LOOKS)
def test_whoever_only_looks_is_answered_and_changes_nothing(older: House, answer: Answer, typed: str) -> None:
    before = older.database.read_bytes()
    code, out, err = answer(typed)
    assert code == 0, out + err
    assert "raised" not in err
    assert older.database.read_bytes() == before


def test_what_is_damaged_is_named_as_on_a_queue_of_today(older: House, answer: Answer) -> None:
    before = older.fingerprint()
    assert answer("store verify")[0] == 5  # nobody stored what the rows of these tests name
    assert "cannot be had" in answer("fetch done")[2]
    assert older.fingerprint() == before


def test_trained_weights_are_fetched_while_the_older_session_lives(empty_house: House, answer: Answer) -> None:
    put(empty_house.queue, a_job("vgg16", epochs=4))
    training = Run.of(empty_house.queue, "tiny/vgg16").epoch(loss=0.5).epoch(loss=0.9)
    empty_house.queue.store.beat(training.held.session_id)
    lower(empty_house.database)
    before = empty_house.database.read_bytes()
    assert answer("hold vgg16")[0] == 6
    assert answer("store verify")[0] == 0
    code, out, _ = answer("fetch vgg16 --out here --format safetensors")
    assert (code, out.splitlines()[0]) == (0, "written: here/vgg16.safetensors")
    assert empty_house.database.read_bytes() == before


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("hold nobody", 2),
        ("release queued", 2),
        (f"data add pictures --name {DATASET}", 2),
        ("data add pictures --name scans", 0),
        ("enqueue new.toml --set epochs=0", 2),
        ("enqueue study.toml", 0),
        ("store gc --dry-run --yes", 0),
        ("init", 0),
    ],
)
def test_what_would_change_nothing_on_any_queue_is_not_refused(
    house: House, answer: Answer, typed: str, code: int
) -> None:
    folder_of(house.folder / "pictures", three_classes())
    house.write("new.toml", NEW)
    house.write("study.toml", STUDY + JOB)
    assert answer("data add pictures --name scans")[0] == 0
    assert answer("enqueue study.toml")[0] == 0
    lower(house.database)
    before = house.fingerprint()
    found, out, err = answer(typed)
    assert found == code, out + err
    assert house.fingerprint() == before


@pytest.mark.parametrize("why", ["said goodbye", "lease over", "process gone"])
def test_once_the_older_session_has_ended_the_first_change_raises_the_queue(
    older: House, answer: Answer, why: str
) -> None:
    if why == "said goodbye":
        with contextlib.closing(sqlite3.connect(older.database)) as connection, connection:
            connection.execute("UPDATE sessions SET ended_at_s = 1")
    elif why == "lease over":
        os.utime(older.store / "heartbeats" / AT_WORK, (0, 0))
    else:
        older.write(f"cache/sessions/{AT_WORK}", "its lock is free")
    code, _, err = answer("hold queued")
    assert (code, format_stored(older)) == (0, FORMAT)
    assert err == f"the queue was raised to format {FORMAT}, which an older qcqueue cannot read\n"


def test_where_the_store_does_not_tell_it_is_refused_unless_now(
    older: House, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(store: FolderStore, name: str) -> float:
        raise StoreAway("the disk does not answer")

    monkeypatch.setattr(FolderStore, "heartbeat_age_s", away)
    code, _, err = answer("hold queued")
    assert code == 6
    assert "cannot be known: the disk does not answer" in err
    assert format_stored(older) == FORMAT - 1
    assert answer("hold queued --now")[0] == 0


def test_now_is_an_option_of_whatever_changes_a_queue_and_of_nothing_else() -> None:
    have = {path for path, command in COMMANDS.items() if any("--now" in it.opts for it in command.params)}
    assert have == {
        "enqueue", "extend", "data sample", "data add", "data remove", "hold", "release", "cancel", "retry", "move",
        "remove", "store gc", "store adopt", "store set", "work",
    }  # fmt: skip
