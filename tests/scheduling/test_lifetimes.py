"""How long sessions live: those that left by themselves would have lived on."""

from qcqueue.scheduling.lifetimes import Lifetime, mean_life_s


def test_nothing_is_known_until_a_session_was_taken() -> None:
    assert mean_life_s([]) is None
    assert mean_life_s([Lifetime(held_s=7200.0, was_taken=False)]) is None


def test_where_all_were_taken_it_is_their_mean() -> None:
    assert mean_life_s([Lifetime(held_s=3600.0, was_taken=True), Lifetime(held_s=7200.0, was_taken=True)]) == 5400.0


def test_who_left_by_itself_counts_with_its_time_and_not_as_an_end() -> None:
    lives = [Lifetime(held_s=3600.0, was_taken=True), Lifetime(held_s=1800.0, was_taken=False)]
    assert mean_life_s(lives) == 5400.0
