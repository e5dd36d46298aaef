"""Which GPUs of its machine a process may use, known without TensorFlow, and what the one it computes on is called."""

from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.worker import machine
from qcqueue.worker.machine import this_machine, visible_gpus


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs of different make."""
    for place, model in (("0000:00:04.0", "Tesla T4"), ("0000:00:05.0", "NVIDIA L4")):
        (tmp_path / "gpus" / place).mkdir(parents=True)
        (tmp_path / "gpus" / place / "information").write_text(f"Model: \t\t {model}\nIRQ: 33\n")
    monkeypatch.setattr(machine, "CARDS", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "gpus"


@pytest.mark.parametrize(
    ("chosen", "usable"),
    [
        (None, ("0", "1")),
        ("1", ("1",)),
        ("1, 0", ("1", "0")),
        ("0,0", ("0",)),
        ("0,-1,1", ("0",)),
        ("2,0", ()),
        ("", ()),
        ("-1", ()),
        ("GPU-8932f937,GPU-1a2b", ("GPU-8932f937", "GPU-1a2b")),
        ("²", ()),
    ],
)
def test_a_person_may_have_chosen_some_as_cuda_reads_it(
    cards: Path, chosen: str | None, usable: tuple[str, ...]
) -> None:
    assert visible_gpus({} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}) == usable


def test_without_a_driver_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CARDS", tmp_path / "nothing")
    assert visible_gpus({}) == visible_gpus({"CUDA_VISIBLE_DEVICES": "0"}) == ()


def test_a_session_on_the_second_gpu_is_not_taken_for_one_on_the_first(
    cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert this_machine(tmp_path, RandomIds()).processor == "Tesla T4"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert this_machine(tmp_path, RandomIds()).processor == "NVIDIA L4"


def test_whoever_hides_all_gpus_has_none(cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not this_machine(tmp_path, RandomIds()).has_gpu
