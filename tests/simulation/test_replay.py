"""A seed is the whole world: the same one gives the same events, here, again, and in another process."""

import functools
import hashlib
import os
import subprocess
import sys

import pytest

from tests.support.options import draw_options
from tests.support.simulate import live, main

SEEDS = (3, 17)


@functools.cache
def known_events_of(seed: int) -> str:
    """Return what `events_of` does, from one life of that world."""
    return events_of(seed)


def events_of(seed: int) -> str:
    return hashlib.sha256("\n".join(live(seed).log).encode()).hexdigest()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_events(seed: int) -> None:
    assert events_of(seed) == known_events_of(seed)


def test_another_seed_gives_another_world() -> None:
    assert draw_options(3) != draw_options(17)
    assert known_events_of(3) != known_events_of(17)


@pytest.mark.parametrize("hash_seed", ["0", "1", pytest.param("4294967295", marks=pytest.mark.long)])
def test_a_world_does_not_depend_on_the_process_that_lives_it(hash_seed: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"from tests.simulation.test_replay import events_of; print(events_of({SEEDS[0]}))"],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == known_events_of(SEEDS[0])


def test_the_command_replays_one_world_with_its_options_and_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3"]) == 0

    story = capsys.readouterr().out
    assert "options of world 3:" in story
    assert "calm from here" in story
    assert "world 3 is sound" in story


def test_the_command_counts_worlds_and_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3..4"]) == 0

    story = capsys.readouterr().out
    assert "others ran within a step" in story
    assert "2 worlds are sound" in story
