"""Worlds, each with its own trouble, and nothing wrong in any of them: 38, and with --long three hundred."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.support.chance import Fault
from tests.support.invariants import INVARIANTS
from tests.support.simulate import live

CHUNKS, CHUNKS_OF_A_LONG_RUN = 2, 25
WORLDS_A_CHUNK = 12
JUDGED_A_CHUNK = 480

# Worlds that fail when one of these, each once true of the real code, is put back.
ONCE_FAILED = {
    500: "the state of a former best epoch was removed while the state before the newest still needed it",
    502: "a store that was busy while a claimed job was prepared ended the session with the job in its hands",
    504: "a session took the end of its own finished attempt for a lost lease while its trainer was leaving",
    505: "asked to stop while it looked at the queue, a session never told its trainer",
    509: "a resumed trainer validated a finished epoch again, and its second official row was refused",
    511: "a copy of the dataset that was damaged in the cache was trained on",
    524: "a store that was busy at the goodbye left a session stepping without an attempt",
    578: "asked to stop between the claim and the first file of the spool, a session raised",
    11: "two sessions of one machine saved what a dead one had left, and each removed the other's files",
    104: "a session that was killed between a commit and the removal of its entries had them committed twice",
    147: "a failure whose answer was lost was taken for a lost lease",
    254: "a job whose failure was not known to be recorded was prepared once more",
    2021: "a session that was not told of its claim took itself for dead, and made its own heart be forgotten",
    660: "each retry of a busy commit counted the same death of the trainer again, and failed the job for good",
}


@pytest.fixture(scope="session")
def counts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share, for what struck in which world."""
    base = tmp_path_factory.getbasetemp()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = base.parent / f"worlds-{run}" if run else base / "worlds"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chunks(pytestconfig: pytest.Config) -> range:
    return chunks_of(pytestconfig)


def chunks_of(config: pytest.Config) -> range:
    return range(CHUNKS_OF_A_LONG_RUN if config.getoption("--long") else CHUNKS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chunk" in metafunc.fixturenames:
        metafunc.parametrize("chunk", chunks_of(metafunc.config))


def test_nothing_wrong_happens_in_any_world(chunk: int, counts_folder: Path) -> None:
    for seed in seeds_of(chunk):
        lived(seed, counts_folder)


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_world_that_once_failed_is_sound(seed: int, counts_folder: Path) -> None:
    lived(seed, counts_folder)


def test_every_kind_of_fault_struck_and_every_invariant_was_judged(chunks: range, counts_folder: Path) -> None:
    seeds = [*ONCE_FAILED, *(seed for chunk in chunks for seed in seeds_of(chunk))]
    counts = sum((lived(seed, counts_folder) for seed in seeds), Counter[str]())
    for chunk in range(len(chunks), CHUNKS_OF_A_LONG_RUN):  # what is rare may want more worlds than these
        if all(counts[kind] for kind in Fault):
            break
        counts += sum((lived(seed, counts_folder) for seed in seeds_of(chunk)), Counter[str]())

    assert [kind for kind in Fault if not counts[kind]] == []
    assert [judge.__name__ for judge in INVARIANTS if counts[judge.__name__] < JUDGED_A_CHUNK * len(chunks)] == []


def seeds_of(chunk: int) -> range:
    return range(chunk * WORLDS_A_CHUNK, (chunk + 1) * WORLDS_A_CHUNK)


def lived(seed: int, folder: Path) -> Counter[str]:
    """Live a world, unless another process of this run has; return what was counted."""
    path = folder / f"{seed}.json"
    if not path.exists():
        report = live(seed)
        counts = {str(kind): hits for kind, hits in report.hits.items()} | dict(report.checked)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(counts))
        unfinished.replace(path)
    return Counter(json.loads(path.read_text()))
