"""A laptop with Windows and a queue on Google Drive: what each command answers, and that none needs what is not there.

The laptop is a process in which much is as on Windows (`tests.support.windows_like`); the machines that work on its
queue are as ever.
"""

import ast
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from qcqueue.app.context import open_context
from qcqueue.app.settings import load_settings
from qcqueue.clock import SystemClock
from qcqueue.exports.weights import read_weights
from qcqueue.stores.files import INCOMING
from qcqueue.stores.scratch import LOCKED
from tests.app.trained import Run
from tests.support import forks
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.windows_like import Typed, answers, program, unlike_windows
from tests.test_structure import MODULES, imported_on_import

LIMIT_S = 240.0
STUDY = """
study = "small"
dataset = "noise"
[defaults]
epochs = 2
batch_size = 8
image_size = [32, 32]
weights = "none"
[[job]]
model = "Toy"
[[job]]
model = "VGG16"
"""
BEFORE = (
    "",
    "login --client client.json",
    "init --store gdrive:new",
    "new tiny --out tiny.toml",
    "data add scans --name noise --image-size 32x32 --split 3,3,3",
    "data list",
    *(["data sample --images 30"] if importlib.util.find_spec("skimage") else []),
    "enqueue study.toml",
    "hold vgg16",
    "release vgg16",
    "move toy first",
    "",
    "status",
    "status --json",
    "plan",
    "notebook --from-index",
    "doctor",
)
AFTER = (
    "status --json",
    "show toy",
    "log toy",
    "why vgg16",
    "report",
    "report",
    "fetch vgg16 --format safetensors",
    "store verify",
    "store gc --yes",
    "remove toy --yes",
    "doctor",
)
REFUSED = {
    "work": "qcqueue: qcqueue work does not run on Windows itself",
    "demo --fast": "qcqueue: qcqueue demo does not run on Windows itself",
    "drill study.toml": "qcqueue: qcqueue drill does not run on Windows itself",
    "init --store folder:queue": "qcqueue: a queue in a folder, such as folder:queue, cannot be kept on Windows itself",
    "init --store shared:queue": "qcqueue: a queue in a folder, such as shared:queue, cannot be kept on Windows itself",
}

# What a program or a notebook on a laptop asks for by functions of `qcqueue`.
FROM_PYTHON = ("qcqueue.notebook.report", "qcqueue.notebook.calls")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("windows")


@pytest.fixture(scope="module")
def answered(place: Path) -> Iterator[list[Typed]]:
    """All that a person types on such a laptop, before and after others have worked on its queue."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("QCQUEUE_", "XDG_"))}
    for number in range(9):
        image = place / "scans" / ("fair", "good", "reject")[number % 3] / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number * 20, 90, 90)).save(image)
    (place / "study.toml").write_text(STUDY)
    with DriveEmulator(SystemClock()) as emulator:
        app, ada = App(name="qcqueue"), emulator.user("ada@example.com")
        made = emulator.new_client(app)
        about = {"client_id": made.client_id, "client_secret": made.client_secret}
        desktop = {"installed": about | {"redirect_uris": ["http://localhost"]}}
        (place / "client.json").touch(mode=0o600)
        (place / "client.json").write_text(json.dumps(desktop))
        bare["QCQUEUE_DRIVE_ENDPOINT"] = f"{emulator.url}/"
        laptop = bare | {"LOCALAPPDATA": str(place / "AppData")}
        found = typed([*BEFORE, *REFUSED], place, laptop)
        grant = emulator.sign_in("colab", ada, app)
        colab = bare | {"QCQUEUE_CACHE": str(place / "colab"), "QCQUEUE_TOKEN": json.dumps(grant.stored(emulator.url))}
        worked = forks.run(["work"], folder=place, environment=colab, limit_s=LIMIT_S)
        assert worked.returncode == 0, worked.stderr
        Run.of(open_context(load_settings(folder=place, environment=colab)), "small/vgg16").epoch().epoch().finish()
        yield found + typed([*AFTER], place, laptop)


def typed(lines: list[str], folder: Path, environment: dict[str, str]) -> list[Typed]:
    done = forks.run([], folder=folder, environment=environment, limit_s=LIMIT_S, first=program(lines))
    assert done.returncode == 0, done.stderr
    return answers(done.stdout)


def test_every_command_of_a_laptop_works(answered: Sequence[Typed]) -> None:
    failed = [(it.line, it.code, it.err) for it in answered if it.code and it.line not in REFUSED]
    assert failed == []
    assert {it.line for it in answered} == {*BEFORE, *AFTER, *REFUSED}


def test_a_newcomer_is_told_what_works_here(answered: Sequence[Typed]) -> None:
    first, *_ = answered
    assert "qcqueue init --store gdrive:new" in first.out
    assert "demo" not in first.out
    assert "qcqueue work" not in first.out


def test_nobody_is_told_to_work_where_that_is_refused(answered: Sequence[Typed]) -> None:
    told = {it.line: [line for line in (it.out + it.err).splitlines() if line.startswith("next: ")] for it in answered}
    assert [line for line, hints in told.items() if "next: qcqueue work" in hints] == []
    assert told["enqueue study.toml"] == ["next: qcqueue notebook"]


def test_what_was_worked_on_elsewhere_is_reported_and_fetched(answered: Sequence[Typed], place: Path) -> None:
    (status,) = (json.loads(it.out) for it in answered[len(BEFORE) :] if it.line == "status --json")
    assert [(job["name"], job["state"], job["epochs_done"]) for job in status["jobs"]] == [
        ("small/toy", "done", 2),
        ("small/vgg16", "done", 2),
    ]
    assert "small/toy" in (place / "report" / "report.html").read_text(encoding="utf-8")
    assert read_weights(place / "vgg16.safetensors").epoch == 1


@pytest.mark.parametrize("line", REFUSED)
def test_what_windows_cannot_do_is_one_sentence_and_a_way_to_do_it(line: str, answered: Sequence[Typed]) -> None:
    (it,) = (it for it in answered if it.line == line)
    sentence, hint = it.err.splitlines()
    assert (it.code, it.out, sentence) == (2, "", REFUSED[line])
    assert "in WSL" in hint


def test_what_is_kept_lies_where_windows_keeps_it_and_nothing_is_left_over(
    answered: Sequence[Typed], place: Path
) -> None:
    assert (place / "AppData" / "qcqueue" / "drive-token.json").is_file()
    assert (place / "AppData" / "qcqueue" / "Cache" / "queues").is_dir()
    made = [path for top in ("AppData", "report") for path in (place / top).rglob("*")] + [*place.iterdir()]
    assert [path.name for path in made if path.name.startswith((".", INCOMING)) or path.suffix == LOCKED] == []


def imported_by(*modules: str) -> frozenset[str]:
    """Return what is imported with some modules, before any function of theirs is called."""
    found, left = set[str](), [*modules]
    while left:
        found.add(module := left.pop())
        left.extend(imported_on_import(module) - found)
    return frozenset(found)


def test_a_laptop_imports_no_module_that_needs_what_windows_lacks(answered: Sequence[Typed]) -> None:
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
    lacking = {name: found for name, tree in trees.items() if (found := unlike_windows(tree))}
    assert {"qcqueue.worker.session_locks", "qcqueue.worker.process", "qcqueue.drill.kill_points"} <= lacking.keys()
    imported = imported_by(*FROM_PYTHON).union(*(it.imported for it in answered))
    assert {name: found for name, found in lacking.items() if name in imported} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import fcntl", ["import fcntl"]),
        ("def lock():\n    from pwd import getpwuid", ["from pwd import getpwuid"]),
        ("flags = os.O_RDONLY | os.O_NOFOLLOW", ["os.O_NOFOLLOW"]),
        ("os.killpg(1, signal.SIGKILL)", ["os.killpg", "signal.SIGKILL"]),
        ("path.symlink_to(target)", [".symlink_to"]),
        ("if sys.platform == 'win32':\n    pass\nelse:\n    import fcntl", []),
        ("if sys.platform != 'win32':\n    import fcntl\nimport pwd", ["import pwd"]),
        ("def sync():\n    if sys.platform == 'win32':\n        return\n    os.sync()", []),
        ("own = sys.platform != 'win32' and os.getuid() == 0", []),
        ("own = sys.platform == 'win32' or os.getuid() == 0", []),
        ("threads = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1", []),
        ("own = os.getuid() == 0 and sys.platform != 'win32'", ["os.getuid"]),
    ],
)
def test_what_windows_lacks_is_seen_but_for_what_cannot_run_there(code: str, found: list[str]) -> None:
    assert unlike_windows(ast.parse(code)) == found
