"""`store usage|gc|verify`, and the forecast of `enqueue` and `doctor`, as a person and a script see them."""

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from qcqueue.app.gc import GRACE_S
from qcqueue.cli.main import run
from qcqueue.stores.base import Blob, Listed
from qcqueue.stores.folder import FolderStore
from qcqueue.text.humanize import HOUR_S
from tests.app.saved import Worker, age, file_of, has, stored
from tests.cli import queues
from tests.cli.on_drive import Laptop, a_laptop
from tests.cli.queues import JOB, STUDY, House, a_job, put


class Person:
    """Types commands in a house."""

    def __init__(self, house: House, said: pytest.CaptureFixture[str]) -> None:
        self.house = house
        self._said = said

    def types(self, line: str, *, code: int = 0) -> tuple[str, str]:
        self._said.readouterr()
        found = run(line.split())
        out, err = self._said.readouterr()
        assert found == code, out + err
        return out, err

    def reads(self, line: str, *, code: int = 0) -> dict[str, Any]:
        """Return the one document of a command, which says nothing else."""
        out, err = self.types(f"{line} --json", code=code)
        assert (out.count("\n"), err) == (1, "")
        found: dict[str, Any] = json.loads(out)
        assert found["schema_version"] == 1
        return found


@pytest.fixture
def ada(empty_house: House, capfd: pytest.CaptureFixture[str]) -> Person:
    put(empty_house.queue, a_job("a"), a_job("b"))
    return Person(empty_house, capfd)


@pytest.fixture
def left(ada: Person) -> Blob:
    """What a dead session left, an hour ago and more, beside a save."""
    worker = Worker.on(ada.house.queue, "tiny/a")
    worker.save()
    left = worker.put("half a save")
    worker.dies()
    age(ada.house.queue, 2 * HOUR_S)
    return left


def test_usage_says_what_the_bytes_are_for(ada: Person, left: Blob) -> None:
    out, err = ada.types("store usage")
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split() == ["KIND", "FILES", "SIZE"]
    assert [line.split()[0] for line in lines[1:5]] == ["states", "datasets", "database", "clean-up"]
    assert " free" in lines[5]
    assert "tiny/a" in out
    assert out.endswith("next: qcqueue store gc\n")


def test_usage_as_json_adds_up(ada: Person, left: Blob) -> None:
    found = ada.reads("store usage")
    assert found["bytes"] == sum(kind["bytes"] for kind in found["kinds"])
    assert {kind["kind"]: kind["files"] for kind in found["kinds"]} == {
        "states": 2, "datasets": 1, "database": 1, "clean-up": 1,
    }  # fmt: skip
    assert [job["job"] for job in found["jobs"]] == ["tiny/a"]
    assert found["free_bytes"] > 0


@pytest.mark.parametrize("typed", ["store gc", "store gc --dry-run", "store gc --dry-run --yes"])
def test_gc_shows_its_plan_and_deletes_nothing(ada: Person, left: Blob, typed: str) -> None:
    before = ada.house.fingerprint()
    out, _ = ada.types(typed)
    assert left.sha256[:12] in out
    assert "its attempt has ended" in out
    assert f"to delete: 1 file, {left.size_bytes} B" in out
    assert "stays: 3 files needed" in out
    assert out.endswith("nothing was deleted\nnext: qcqueue store gc --yes\n")
    assert ada.house.fingerprint() == before


def test_gc_deletes_its_plan_when_told_to(ada: Person, left: Blob) -> None:
    out, _ = ada.types("store gc --yes")
    assert out.endswith(f"deleted: 1 file, {left.size_bytes} B\n")
    assert not has(ada.house.queue, left)
    assert ada.types("store gc --yes")[0].startswith("nothing to clean up\n")
    assert ada.types("store verify")[0].endswith("read and whole\n")


def test_gc_as_json_is_one_document(ada: Person, left: Blob) -> None:
    plan = ada.reads("store gc")
    assert (plan["dry_run"], plan["deleted"]) == (True, 0)
    assert [(one["sha256"], one["place"]) for one in plan["delete"]] == [(left.sha256, left.place)]
    assert has(ada.house.queue, left)
    done = ada.reads("store gc --yes")
    assert (done["dry_run"], done["deleted"], done["deleted_bytes"]) == (False, 1, left.size_bytes)
    assert ada.reads("store gc --yes")["delete"] == []


def test_of_many_files_the_largest_are_shown(ada: Person) -> None:
    for number in range(30):
        stored(ada.house.queue, f"{number} " + "x" * number)
    age(ada.house.queue, 2 * GRACE_S)
    out, _ = ada.types("store gc")
    assert "... and 10 more files" in out
    assert "to delete: 30 files" in out
    assert "nobody has named it for a week" in out


def test_a_listing_cannot_give_orders_to_the_terminal(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "\x1b[2J\r\n" * 50
    lies = [Listed(blob=Blob(sha256=evil, size_bytes=1, place="p"), owner=evil, age_s=1e12)]
    monkeypatch.setattr(FolderStore, "list_blobs", lambda store: lies)
    out, _ = ada.types("store gc")
    assert "\x1b" not in out
    assert "\r" not in out
    assert ada.reads("store gc")["delete"][0]["owner"] == evil
    assert ada.reads("store gc --yes")["deleted"] == 1  # there is no such file, which is fine


def test_verify_says_how_much_was_read(ada: Person, left: Blob) -> None:
    assert ada.types("store verify")[0].startswith("1 version of the queue and 3 files, ")
    assert ada.types("store verify --quick")[0].endswith("counted\n")


def test_verify_names_what_is_damaged_and_ends_with_five(ada: Person) -> None:
    worker = Worker.on(ada.house.queue, "tiny/a")
    worker.save(loss=1.0)
    worker.save(loss=2.0)
    file_of(ada.house.queue, worker.saves[0][0]).write_bytes(b"?")
    out, _ = ada.types("store verify", code=5)
    assert f"damaged  state {worker.saves[0][0].sha256[:12]}: " in out
    assert "costs: the newest save of tiny/a; it would go on from epoch 1\n" in out
    assert out.endswith("1 thing damaged\n")
    (fault,) = ada.reads("store verify", code=5)["faults"]
    assert (fault["kind"], fault["jobs"]) == ("state", ["tiny/a"])


ROTTEN = [
    (
        "UPDATE epochs SET val_loss = val_loss + 1",
        "epoch 1 of tiny/a, attempt 1",
        "row 1 of the table epochs does not hold what was written",
        "its figures cannot be trusted",
    ),
    (
        "UPDATE checkpoints SET epochs_done = 7",
        "the save after epoch 7 of tiny/a, attempt 1",
        "row 1 of the table checkpoints does not hold what was written",
        "a run that goes on from it may go wrong; its files are checked apart",
    ),
    (
        "UPDATE attempts SET reason = 'nobody knows'",
        "attempt 1 on tiny/a",
        "row 1 of the table attempts does not hold what was written",
        "how it ended, and what its time went into, cannot be trusted",
    ),
    (
        "UPDATE history SET who = CAST(x'1b5b324aff' AS TEXT) WHERE id = 1",
        "a line in the history of the queue",
        "row 1 of the table history cannot be read: who is no text",
        "whatever reads it fails",
    ),
    (
        "UPDATE jobs SET spec = '{' WHERE name = 'tiny/b'",
        "a row of the table jobs",
        "row 2 of the table jobs cannot be read: spec is not the document it should be",
        "whatever reads it fails",
    ),
]


@pytest.mark.parametrize(("statement", "what", "why", "costs"), ROTTEN)
def test_verify_names_a_row_that_rotted(
    ada: Person, left: Blob, statement: str, what: str, why: str, costs: str
) -> None:
    assert ada.reads("store verify")["rows"] > 5
    with contextlib.closing(sqlite3.connect(ada.house.database)) as connection, connection:
        connection.execute(statement)
    out, _ = ada.types("store verify", code=5)
    assert f"damaged  {what}: {why}\n  costs: {costs}\n" in out
    assert "Traceback" not in out
    (fault,) = ada.reads("store verify", code=5)["faults"]
    assert (fault["what"], fault["kind"], fault["why"], fault["costs"]) == (what, "row", why, costs)


def test_verify_counts_the_rows_that_an_older_qcqueue_wrote_and_calls_nothing_damaged(ada: Person, left: Blob) -> None:
    with contextlib.closing(sqlite3.connect(ada.house.database)) as connection, connection:
        rows = sum(
            connection.execute(f"UPDATE {table} SET digest = NULL").rowcount
            for table in ("attempts", "epochs", "checkpoints", "history")
        )
    out, _ = ada.types("store verify")
    assert out.splitlines()[-1] == f"not covered: {rows} rows of an older qcqueue, without a digest"
    found = ada.reads("store verify")
    assert (found["rows"], found["rows_not_covered"], found["faults"]) == (0, rows, [])


def test_verify_says_how_a_dataset_is_mended(ada: Person) -> None:
    for path in (ada.house.store / "blobs").iterdir():
        path.unlink()
    out, _ = ada.types("store verify --quick", code=5)
    assert f"next: qcqueue data add PATH --name {queues.DATASET}\n" in out


@pytest.mark.parametrize("typed", ["store usage", "store gc --yes", "store verify"])
def test_without_a_queue_there_is_nothing_to_look_after(ada: Person, typed: str) -> None:
    assert "next: qcqueue init" in ada.types(f"{typed} --store folder:elsewhere", code=4)[1]


@pytest.mark.parametrize("typed", ["store -h", "store gc -h", "store usage -h", "store verify -h"])
def test_every_command_has_help(ada: Person, typed: str) -> None:
    assert "Usage: qcqueue store" in ada.types(typed)[0]


@pytest.mark.parametrize("typed", ["store usage", "store gc", "store verify"])
def test_looking_after_a_store_needs_nothing_that_trains(ada: Person, typed: str) -> None:
    before = set(sys.modules)
    ada.types(typed)
    assert not {"tensorflow", "keras", "google"} & {name.partition(".")[0] for name in set(sys.modules) - before}


# The forecast


def leave_free(patch: pytest.MonkeyPatch, free_bytes: int) -> None:
    patch.setattr("qcqueue.stores.folder_backend.free_bytes", lambda folder: free_bytes)


SIX = STUDY.replace("[defaults]", "[defaults]\nimage_size = [75, 75]") + "".join(
    f'[[job]]\nmodel = "{name}"\n' for name in ("VGG16", "Xception", "DenseNet121")
)


def test_enqueue_says_what_will_not_fit_and_enqueues_it(
    empty_house: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(empty_house, capfd)
    empty_house.write("study.toml", SIX)
    leave_free(monkeypatch, 1_000_000_000)
    out, err = person.types("enqueue study.toml")
    assert "3 new jobs" in out
    assert err == (
        f"the 3 jobs of tiny need about 1.2 GB in folder:{empty_house.store}, and 1.0 GB are free; "
        'they will stop when it is full: free some, or use trainable = "head"\n'
    )
    assert json.loads(person.types("enqueue study.toml --json")[0])["known"] != []


def test_a_rehearsed_enqueue_says_it_too(
    empty_house: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_house.write("study.toml", STUDY + JOB)
    leave_free(monkeypatch, 1000)
    err = Person(empty_house, capfd).types("enqueue study.toml --dry-run")[1]
    assert err.startswith("the job of tiny needs about ")
    assert "it will stop when it is full" in err


def test_enqueue_says_nothing_where_all_fits(empty_house: House, capfd: pytest.CaptureFixture[str]) -> None:
    empty_house.write("study.toml", STUDY + JOB + 'trainable = "head"\n')
    assert Person(empty_house, capfd).types("enqueue study.toml")[1] == ""


def finding(person: Person) -> dict[str, Any] | None:
    found = person.reads("doctor")["findings"]
    return next((one for one in found if one["what"] == "forecast"), None)


def test_the_doctor_forecasts(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    found = finding(ada)
    assert found
    assert found["verdict"] == "ok"
    assert found["says"].startswith("the 2 jobs of tiny will take about 830 MB more, and ")
    Usage = type("Usage", (), {"free": 500_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    found = finding(ada)
    assert found
    assert (found["verdict"], found["hint"]) == ("warning", 'free some, or use trainable = "head"')


def test_the_doctor_of_an_empty_queue_forecasts_nothing(empty_house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert finding(Person(empty_house, capfd)) is None


def test_what_is_done_or_given_up_needs_no_room(ada: Person) -> None:
    ada.types("cancel a")
    found = finding(ada)
    assert found
    assert found["says"].startswith("the job of tiny will take about 417 MB more")
    ada.types("cancel b")
    assert finding(ada) is None


# Google Drive


@pytest.fixture
def laptop(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        laptop.sign_in()
        laptop.make_queue()
        laptop.types("data sample --name qc-tiny --images 30")
        (laptop.folder / "study.toml").write_text(SIX)
        yield laptop


def test_on_drive_the_free_space_costs_one_request(laptop: Laptop) -> None:
    laptop.emulator.log.clear()
    assert laptop.types("enqueue study.toml")[1] == ""
    asked = [one.operation for one in laptop.emulator.log]
    assert sum("about" in one for one in asked) == 1, asked


def test_on_drive_a_full_one_is_told_of_before_anything_runs(laptop: Laptop) -> None:
    laptop.emulator.owner(laptop.ada).leave_free(100_000_000)
    err = laptop.types("enqueue study.toml")[1]
    assert "need about 1.2 GB in gdrive:" in err
    assert "100 MB are free" in err
    out, _ = laptop.types("doctor")
    assert "warning  forecast" in out


def test_on_drive_the_store_is_looked_after_too(laptop: Laptop) -> None:
    assert "datasets" in laptop.types("store usage")[0]
    assert laptop.types("store gc --yes")[0].startswith("nothing to clean up\n")
    assert laptop.types("store verify")[0].endswith("read and whole\n")
