"""A laptop with Windows and a queue in a bucket: every command works, and nothing is imported that could not run."""

import ast
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from qcqueue.app.context import open_context
from qcqueue.app.settings import load_settings
from qcqueue.exports.weights import read_weights
from tests.app.trained import Run
from tests.end_to_end import test_windows_laptop as on_drive
from tests.support import forks
from tests.support.servers.running import bucket_server, shared_bucket
from tests.support.windows_like import Typed, unlike_windows
from tests.test_structure import MODULES

pytestmark = pytest.mark.servers

OF_DRIVE = ("login --client client.json", "init --store gdrive:new")


@pytest.fixture(scope="module", params=["s3", "az"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"windows-{request.param}")
    (folder / "scheme").write_text(request.param)
    return folder


@pytest.fixture(scope="module")
def answered(place: Path) -> list[Typed]:
    """All that a person types on such a laptop, before and after others have worked on its queue."""
    server = bucket_server((place / "scheme").read_text())
    init = f"init --store {server.scheme}://{shared_bucket(server.scheme)}/lab/queue"
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("QCQUEUE_", "XDG_"))}
    bare |= server.environment
    for number in range(9):
        image = place / "scans" / ("fair", "good", "reject")[number % 3] / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number * 20, 90, 90)).save(image)
    (place / "study.toml").write_text(on_drive.STUDY)
    laptop = bare | {"LOCALAPPDATA": str(place / "AppData")}
    before = [line for line in on_drive.BEFORE if line not in OF_DRIVE]
    found = on_drive.typed([init, *before], place, laptop)
    elsewhere = bare | {"QCQUEUE_CACHE": str(place / "elsewhere")}
    worked = forks.run(["work"], folder=place, environment=elsewhere, limit_s=on_drive.LIMIT_S)
    assert worked.returncode == 0, worked.stderr
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        settings = load_settings(folder=place, environment=elsewhere)
        Run.of(open_context(settings), "small/vgg16").epoch().epoch().finish()
    return found + on_drive.typed([*on_drive.AFTER], place, laptop)


def test_every_command_of_a_laptop_works_over_a_bucket(answered: Sequence[Typed]) -> None:
    assert [(it.line, it.code, it.err) for it in answered if it.code] == []
    typed = {*on_drive.BEFORE, *on_drive.AFTER} - {*OF_DRIVE}
    assert {it.line for it in answered if not it.line.startswith("init ")} == typed


def test_what_was_worked_on_elsewhere_is_reported_and_fetched(answered: Sequence[Typed], place: Path) -> None:
    *_, status = (json.loads(it.out) for it in answered if it.line == "status --json")
    assert [(job["name"], job["state"], job["epochs_done"]) for job in status["jobs"]] == [
        ("small/toy", "done", 2),
        ("small/vgg16", "done", 2),
    ]
    assert read_weights(place / "vgg16.safetensors").epoch == 1


def test_a_laptop_with_a_bucket_imports_no_module_that_needs_what_windows_lacks(answered: Sequence[Typed]) -> None:
    imported = frozenset[str]().union(*(it.imported for it in answered))
    of_stores = [name for name in imported if name.startswith("qcqueue.stores.")]
    assert "qcqueue.stores.objects.bucket" in of_stores
    trees = {name: ast.parse(MODULES[name].read_text(encoding="utf-8")) for name in of_stores}
    assert {name: found for name, tree in trees.items() if (found := unlike_windows(tree))} == {}
