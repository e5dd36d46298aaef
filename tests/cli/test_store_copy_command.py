"""`store copy` as a person and a script type it; how commands answer from a queue that was moved."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qcqueue.cli.main import run
from tests.app.saved import Worker
from tests.cli.queues import House, a_job, put

Said = tuple[str, str]
Types = Callable[..., Said]


@pytest.fixture
def types(capfd: pytest.CaptureFixture[str]) -> Types:
    def type_(line: str, *, code: int = 0) -> Said:
        capfd.readouterr()
        found = run(line.split())
        said = capfd.readouterr()
        assert found == code, said.out + said.err
        return said.out, said.err

    return type_


@pytest.fixture
def home(empty_house: House) -> House:
    put(empty_house.queue, a_job("a"))
    worker = Worker.on(empty_house.queue, "tiny/a")
    worker.save()
    worker.dies()
    return empty_house


def test_a_rehearsal_says_how_much_and_how_long(home: House, types: Types) -> None:
    before = home.fingerprint()
    out, _ = types("store copy folder:queue shared:disk --dry-run")
    assert out.splitlines()[0].startswith("would be moved: 1 job, 3 files, ")
    assert out.splitlines()[1].startswith("to be copied: 3 files, ")
    assert ", about " in out
    assert out.endswith("next: the same command without --dry-run\n")
    assert home.fingerprint() == before


def test_a_move_says_where_the_queue_is_and_what_to_type(home: House, types: Types) -> None:
    out, _ = types("store copy folder:queue shared:disk")
    assert out.splitlines() == [
        out.splitlines()[0],
        f"the queue is in shared:{home.folder}/disk; folder:{home.store} refuses, and says so",
        f"written: {home.folder}/qcqueue.toml",
        "next: qcqueue status",
    ]
    assert out.startswith("moved: 1 job, 3 files, ")
    assert "tiny/a" in types("status")[0]
    assert types("store copy folder:queue shared:disk")[0].startswith("moved: 1 job"), "typed again it says the same"


@pytest.mark.parametrize(
    "line",
    [
        *("", "status", "show a", "log a", "why a", "plan", "quota", "data list", "hold a", "work", "report"),
        *("store usage", "store verify", "store gc", "remove a --yes", "retry a"),
    ],
)
def test_every_command_on_the_old_home_names_the_new_one(line: str, home: House, types: Types) -> None:
    types("store copy folder:queue shared:disk")
    out, err = types(f"--store folder:queue {line}".strip() if line else "--store folder:queue", code=6)
    sentence, hint = err.splitlines()[-2:]
    assert sentence == f"qcqueue: the queue of folder:{home.store} was moved to shared:{home.folder}/disk"
    assert hint == f"next: qcqueue status --store shared:{home.folder}/disk"
    assert "tiny/a" not in out


def test_the_doctor_names_the_new_home_too(home: House, types: Types) -> None:
    types("store copy folder:queue shared:disk")
    assert f"was moved to shared:{home.folder}/disk" in types("doctor --store folder:queue", code=6)[0]


def test_where_the_settings_file_does_not_name_it_the_next_command_does(
    home: House, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCQUEUE_STORE", "folder:queue")
    out, _ = types("store copy folder:queue shared:disk")
    assert out.endswith(f"next: qcqueue status --store shared:{home.folder}/disk\n")


def test_a_script_reads_one_document(home: House, types: Types) -> None:
    plan = json.loads(types("store copy folder:queue shared:disk --dry-run --json")[0])
    assert (plan["schema_version"], plan["moved"], plan["jobs"], plan["left_files"]) == (1, False, 1, 3)
    assert plan["seconds"] > 0
    done = json.loads(types("store copy folder:queue shared:disk --json")[0])
    assert (done["moved"], done["dry_run"], done["undo"]) == (True, False, False)
    assert (done["source"], done["target"]) == (f"folder:{home.store}", f"shared:{home.folder}/disk")
    assert done["bytes"] == plan["bytes"] == plan["left_bytes"]
    back = json.loads(types("store copy folder:queue shared:disk --undo --json")[0])
    assert (back["undo"], back["target"]) == (True, f"folder:{home.store}")


def test_it_is_taken_back_with_one_word(home: House, types: Types) -> None:
    types("store copy folder:queue shared:disk")
    out, _ = types("store copy folder:queue shared:disk --undo")
    assert f"the queue is in folder:{home.store}; shared:{home.folder}/disk refuses, and says so" in out
    assert "tiny/a" in types("status")[0]
    assert "was moved to folder:" in types("status --store shared:disk", code=6)[1]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("store copy folder:queue folder:queue", 2, "A and B are both"),
        ("store copy folder:nowhere shared:disk", 4, "there is no queue in"),
        ("store copy folder:queue", 2, "missing argument"),
        ("store copy queue shared:disk", 2, "the store 'queue' (from A) is none of"),
        ("store copy folder:queue disk", 2, "the store 'disk' (from B) is none of"),
        ("store copy folder:queue shared:disk --undo", 2, "was not moved, so there is nothing to undo"),
        ("store copy folder:queue shared:queue", 2, "A and B are both"),
    ],
)
def test_what_cannot_be_copied_is_told_and_changes_nothing(
    line: str, code: int, said: str, home: House, types: Types
) -> None:
    before = home.fingerprint()
    _, err = types(line, code=code)
    assert said in err.replace("Missing", "missing")
    assert err.splitlines()[-1].startswith("next: ")
    assert home.fingerprint() == before


def test_a_notebook_cell_that_names_the_old_home_names_the_new_one(home: House, types: Types) -> None:
    import qcqueue
    from qcqueue.errors import QueueMoved

    types("store copy folder:queue shared:disk")
    with pytest.raises(QueueMoved, match="was moved to shared:"):
        qcqueue.work("folder:queue")
    assert Path("disk").is_dir()


def test_what_was_never_moved_is_not_taken_back_and_is_where_it_was(home: House, types: Types) -> None:
    _, err = types("store copy folder:queue shared:disk --undo", code=2)
    assert err.splitlines()[-1] == f"next: qcqueue status --store folder:{home.store}"
    assert not Path("disk").exists()
