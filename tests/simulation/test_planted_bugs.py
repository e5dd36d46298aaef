"""The simulation finds what it is for: every planted bug, in worlds that are sound without it."""

import functools
from typing import Any

import pytest

from qcqueue.queue import attempts
from tests.simulation.planted import BUGS, FIRST_SEED, Bug, share_packs
from tests.support.simulate import WorldFailed, live

A_PACK_IS_REFUSED = 10_012
"""The first world, from `FIRST_SEED` on, in which a pack is retired while another job wants to share it."""

SHARING_WORLDS, SHARING_WORLDS_OF_A_LONG_RUN, SHARING_WORLDS_MOST = 2, 24, 300


@pytest.mark.parametrize("bug", BUGS, ids=[bug.plant.__name__ for bug in BUGS])
def test_a_planted_bug_is_found_in_a_world_that_is_sound_without_it(bug: Bug) -> None:
    found_in = next((seed for seed in bug.worlds() if fails(seed, bug)), None)

    assert found_in is not None
    live_without_a_bug(found_in, shares_packs=bug.shares_packs)


def fails(seed: int, bug: Bug) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        if bug.shares_packs:
            share_packs(patch)
        bug.plant(patch)
        try:
            live(seed)
        except WorldFailed:
            return True
    return False


@functools.cache
def live_without_a_bug(seed: int, *, shares_packs: bool) -> int:
    """Live a world as it is, once for all bugs; return how many commits were refused because a pack was gone."""
    commit, refused = attempts.commit_progress, 0

    def counted(*arguments: Any, **others: Any) -> Any:
        nonlocal refused
        committed = commit(*arguments, **others)
        refused += bool(committed.missing)
        return committed

    with pytest.MonkeyPatch.context() as patch:
        if shares_packs:
            share_packs(patch)
        patch.setattr(attempts, "commit_progress", counted)
        live(seed)
    return refused


def test_worlds_whose_jobs_share_packs_are_sound_without_a_bug(pytestconfig: pytest.Config) -> None:
    least = SHARING_WORLDS_OF_A_LONG_RUN if pytestconfig.getoption("--long") else SHARING_WORLDS
    refused = live_without_a_bug(A_PACK_IS_REFUSED, shares_packs=True)
    for number in range(SHARING_WORLDS_MOST):
        refused += live_without_a_bug(FIRST_SEED + number, shares_packs=True)
        if refused and number >= least:
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
