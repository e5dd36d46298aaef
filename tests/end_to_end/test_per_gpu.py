"""`work --per-gpu`: real sessions side by side, one a GPU; they are told apart, stopped together, and end as one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qcqueue.app import per_gpu
from qcqueue.app.per_gpu import environment_of as environment_on
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.notebook.per_gpu import visit_each
from qcqueue.notebook.screen import LineScreen
from qcqueue.worker import machine
from qcqueue.worker.budget import Limits
from tests.cli.queues import House
from tests.end_to_end.machines import (
    STUDY,
    Worker,
    a_house,
    children,
    environment_of,
    is_alive,
    job,
    kill_group,
    started,
    wait_until,
)

pytestmark = pytest.mark.racing

TWO = '[[job]]\nmodel = "Toy"\n[[job]]\nname = "second"\nmodel = "Toy"\nseed = 2\n'
LONG = '[[job]]\nmodel = "Toy"\nepochs = 500\n[[job]]\nname = "second"\nmodel = "Toy"\nepochs = 500\nseed = 2\n'


ROOT = Path(__file__).parents[2]


def a_machine(folder: Path, gpus: int = 2) -> Path:
    for number in range(gpus):
        (folder / f"0000:00:0{number}.0").mkdir(parents=True)
        (folder / f"0000:00:0{number}.0" / "information").write_text("Model: Tesla T4\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A queue of two jobs, on a machine with two GPUs."""
    house = a_house(tmp_path, STUDY + TWO)
    monkeypatch.setattr(machine, "CARDS", a_machine(tmp_path / "gpus"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(house.cache))
    monkeypatch.setenv("PYTHONPATH", os.fspath(ROOT))
    monkeypatch.chdir(house.folder)
    return house


@contextmanager
def on_two_gpus(house: House) -> Iterator[Worker]:
    """Start it in a process of its own."""
    first = f"import pathlib, qcqueue.worker.machine as m; m.CARDS = pathlib.Path({str(house.folder / 'gpus')!r})"
    log = house.folder / "work.log"
    with log.open("wb") as file:
        process = started(
            ["work", "--per-gpu"], folder=house.folder, environment=environment_of(house), said=file, first=first
        )
    try:
        yield Worker(process=process, log=log)
    finally:
        kill_group(process)


def enqueue_long_ones(house: House) -> None:
    house.write("study.toml", STUDY.replace("small", "long") + LONG)
    run(["cancel", "small/"])
    run(["enqueue", "study.toml"])


def both_have_saved(house: House) -> bool:
    return all(job(house, f"long/{name}")["epochs_done"] > 0 for name in ("toy", "second"))


NAMES = ("small/toy", "small/second")


def test_each_gpu_has_a_session_and_a_cache_and_their_lines_are_told_apart(
    here: House, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["work", "--per-gpu"]) == 0
    told = capfd.readouterr()
    assert [job(here, name)["state"] for name in NAMES] == ["done", "done"]
    for gpu in "01":
        assert f"gpu {gpu}: session " in told.out
        assert f"gpu {gpu}: takes small/" in told.err
    ids = {(here.cache / f"gpu-{gpu}" / "machine").read_text() for gpu in "01"}
    assert len(ids) == 2
    assert run(["work", "--per-gpu", "--json"]) == 7
    told = json.loads(capfd.readouterr().out)
    assert [(it["gpu"], it["exit_code"], it["ending"]) for it in told["sessions"]] == [
        ("0", 7, "nothing_to_do"),
        ("1", 7, "nothing_to_do"),
    ]


def test_with_one_gpu_it_is_a_session_like_any_other(
    here: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert run(["work", "--per-gpu", "--json"]) == 0
    assert "session" in json.loads(capfd.readouterr().out)
    assert (here.cache / "machine").exists()
    assert not (here.cache / "gpu-1").exists()


def test_what_is_wrong_with_its_flags_is_said_once(here: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["work", "--per-gpu", "--jobs", "0"]) == 2
    assert "gpu 0" not in capfd.readouterr().err


@pytest.mark.parametrize(("ask", "code"), [("interrupt", 130), pytest.param("terminate", 20, marks=pytest.mark.long)])
def test_who_is_asked_to_leave_asks_all_of_them_and_everything_is_saved(here: House, ask: str, code: int) -> None:
    enqueue_long_ones(here)
    with on_two_gpus(here) as worker:
        wait_until(lambda: both_have_saved(here))
        getattr(worker, ask)()
        assert worker.ended() == code
    for name in ("toy", "second"):
        assert [it["outcome"] for it in job(here, f"long/{name}")["segments"]] == ["stopped"]


def test_when_it_is_killed_its_sessions_save_and_leave(here: House) -> None:
    enqueue_long_ones(here)
    with on_two_gpus(here) as worker:
        wait_until(lambda: both_have_saved(here))
        sessions = children(worker.process.pid)
        assert len(sessions) == 2
        os.kill(worker.process.pid, 9)
        wait_until(lambda: not any(map(is_alive, sessions)))
    for name in ("toy", "second"):
        assert [it["outcome"] for it in job(here, f"long/{name}")["segments"]] == ["stopped"]


@pytest.fixture
def killed_on_gpu_0(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = "import os\nif os.environ['CUDA_VISIBLE_DEVICES'] == '0':\n    os.kill(os.getpid(), 9)\n"
    monkeypatch.setattr(per_gpu, "PROGRAM", first + per_gpu.PROGRAM)


@pytest.mark.usefixtures("killed_on_gpu_0")
def test_a_session_that_was_killed_is_named_with_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["work", "--per-gpu"]) == 4
    told = capfd.readouterr()
    assert "gpu 0: its session was killed by SIGKILL; next: qcqueue work\n" in told.err
    assert "gpu 1: session " in told.out
    assert run(["work", "--per-gpu", "--json"]) == 4
    one, other = json.loads(capfd.readouterr().out)["sessions"]
    assert one == {"gpu": "0", "exit_code": 4, "why": "its session was killed by SIGKILL"}
    assert other["ending"] == "finished"


@pytest.mark.usefixtures("killed_on_gpu_0")
def test_the_cell_of_a_notebook_names_it_too(capfd: pytest.CaptureFixture[str]) -> None:
    assert visit_each(["0", "1"], load_settings(), Limits(), LineScreen(), now=False) == "exit code 4"
    said = capfd.readouterr().out
    assert "gpu 0: its session was killed by SIGKILL" in said
    assert "next: run this cell again" in said


def test_a_persons_own_numbers_of_gpus_stay_as_they_count_them(here: House) -> None:
    settings = load_settings()
    assert environment_on("1", settings, {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "CUDA_DEVICE_ORDER" not in environment_on("1", settings, {"CUDA_VISIBLE_DEVICES": "1,0"})
    assert environment_on("MIG-1/2", settings, {})["QCQUEUE_CACHE"].endswith("/gpu-MIG-1-2")
