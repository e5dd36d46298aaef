"""The simulation finds what it is for: every planted bug within its number of worlds."""

from typing import Any

import pytest

from qcqueue.queue import attempts
from qcqueue.testing.simulate import WorldFailed, live
from tests.simulation.planted import BUGS, Bug, share_packs

FIRST_SEED = 10_000
"""Not among the worlds of the everyday run, so that both mean something."""

SHARING_WORLDS, SHARING_WORLDS_MOST = 60, 300


@pytest.mark.parametrize("bug", BUGS, ids=[bug.plant.__name__ for bug in BUGS])
def test_a_planted_bug_is_found(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)

    assert any(fails(seed) for seed in range(FIRST_SEED, FIRST_SEED + bug.found_within))


def fails(seed: int) -> bool:
    try:
        live(seed)
    except WorldFailed:
        return True
    return False


def test_worlds_whose_jobs_share_packs_are_sound_without_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    share_packs(monkeypatch)
    commit, refused = attempts.commit_progress, 0

    def counted(*arguments: Any, **others: Any) -> Any:
        nonlocal refused
        committed = commit(*arguments, **others)
        refused += bool(committed.missing)
        return committed

    monkeypatch.setattr(attempts, "commit_progress", counted)
    for number in range(SHARING_WORLDS_MOST):
        live(FIRST_SEED + number)
        if refused and number >= SHARING_WORLDS:
            break
    assert refused > 0, "no pack was retired while another job wanted to share it"


def test_a_failing_world_prints_its_seed_its_options_and_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    next(bug for bug in BUGS if bug.plant.__name__ == "say_done_too_soon").plant(monkeypatch)

    with pytest.raises(WorldFailed) as failure:
        live(FIRST_SEED)

    story = str(failure.value)
    assert f"world {FIRST_SEED}: done_means_evaluated" in story
    assert "begins on machine-" in story
    assert "lease: " in story
    assert "store busy: 0." in story
    assert story.endswith(f"scripts/simulate --seed {FIRST_SEED}")
