"""Five hundred worlds, each with its own trouble, and nothing wrong in any of them."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from qcqueue.testing.chance import Fault
from qcqueue.testing.invariants import INVARIANTS
from qcqueue.testing.simulate import live

CHUNKS = 20
WORLDS_A_CHUNK = 25

# Worlds that once failed, with what was wrong.
ONCE_FAILED: dict[int, str] = {}


@pytest.fixture(scope="session")
def counts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share, for what struck in which chunk."""
    base = tmp_path_factory.getbasetemp()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = base.parent / f"worlds-{run}" if run else base / "worlds"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_wrong_happens_in_any_world(chunk: int, counts_folder: Path) -> None:
    live_chunk(chunk, counts_folder)


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_world_that_once_failed_is_sound(seed: int) -> None:
    live(seed)


def test_every_kind_of_fault_struck_and_every_invariant_was_judged(counts_folder: Path) -> None:
    counts = sum((live_chunk(chunk, counts_folder) for chunk in range(CHUNKS)), Counter[str]())

    assert [kind for kind in Fault if not counts[kind]] == []
    assert [judge.__name__ for judge in INVARIANTS if counts[judge.__name__] < 10_000] == []


def live_chunk(chunk: int, folder: Path) -> Counter[str]:
    """Live the worlds of one chunk, unless another process of this run has; return what was counted."""
    path = folder / f"{chunk}.json"
    if not path.exists():
        counts = Counter[str]()
        for seed in range(chunk * WORLDS_A_CHUNK, (chunk + 1) * WORLDS_A_CHUNK):
            report = live(seed)
            counts.update({str(kind): hits for kind, hits in report.hits.items()} | dict(report.checked))
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(counts))
        unfinished.replace(path)
    return Counter(json.loads(path.read_text()))
