"""How long sessions live: those that left by themselves would have lived on."""

from qcqueue.planning.survival import Ends, Lifetime, ends_by_age, mean_life_s


def test_nothing_is_known_until_a_session_was_taken() -> None:
    assert mean_life_s([]) is None
    assert mean_life_s([Lifetime(held_s=7200.0, was_taken=False)]) is None


def test_where_all_were_taken_it_is_their_mean() -> None:
    assert mean_life_s([Lifetime(held_s=3600.0, was_taken=True), Lifetime(held_s=7200.0, was_taken=True)]) == 5400.0


def test_who_left_by_itself_counts_with_its_time_and_not_as_an_end() -> None:
    lives = [Lifetime(held_s=3600.0, was_taken=True), Lifetime(held_s=1800.0, was_taken=False)]
    assert mean_life_s(lives) == 5400.0


def test_at_each_age_it_is_counted_who_reached_it_and_how_they_ended() -> None:
    lives = [
        Lifetime(held_s=60.0, was_taken=True),
        Lifetime(held_s=20.0, was_taken=False),
        Lifetime(held_s=60.0, was_taken=False),
        Lifetime(held_s=60.0, was_taken=True),
        Lifetime(held_s=90.0, was_taken=True),
    ]
    assert ends_by_age(lives) == (
        Ends(age_s=20.0, reached=5, taken=0, left=1),
        Ends(age_s=60.0, reached=4, taken=2, left=1),
        Ends(age_s=90.0, reached=1, taken=1, left=0),
    )
    assert ends_by_age([]) == ()
