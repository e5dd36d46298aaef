"""A ledger adds up to the time held whatever is done to it, and the closed form says what the tables say."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.goodput import (
    Part,
    add,
    best_interval_s,
    expected_goodput,
    goodput_of,
    rename,
    total,
    with_rest,
)

TWO_HOURS_S = 7200.0
DAY_S = 86_400.0

seconds = st.floats(min_value=0, max_value=DAY_S)
parts = st.sampled_from(list(Part))
ledgers = st.dictionaries(st.sampled_from([part.value for part in Part]), seconds)


def a_session() -> dict[str, float]:
    return {"boot": 20.0, "import": 10.0, "train": 60.0, "validate": 6.0, "upload_tail": 4.0}


def test_there_are_sixteen_parts_in_the_order_of_a_sessions_life() -> None:
    assert [part.label for part in Part] == [
        "boot",
        "install",
        "import",
        "download",
        "data",
        "restore",
        "compile",
        "train",
        "validate",
        "stall",
        "contention",
        "upload tail",
        "lost",
        "redone",
        "idle",
        "release",
    ]


def test_every_part_has_one_sentence() -> None:
    for part in Part:
        assert part.meaning.endswith(".")
        assert ". " not in part.meaning


def test_training_and_validation_are_of_use() -> None:
    assert [part for part in Part if part.is_of_use] == [Part.TRAIN, Part.VALIDATE]


def test_goodput_is_what_was_of_use_of_what_was_held() -> None:
    goodput = goodput_of([a_session(), {"train": 34.0, "lost": 66.0}])
    assert goodput.held_s == 200.0
    assert goodput.productive_s == 100.0
    assert goodput.goodput == 0.5


def test_without_held_time_there_is_no_goodput() -> None:
    goodput = goodput_of([])
    assert goodput.goodput is None
    assert set(goodput.seconds.values()) == {0.0}
    assert {share for _, share in goodput.shares()} == {0.0}


def test_all_parts_are_in_the_json_in_their_order_with_names_a_program_can_use() -> None:
    found = json.loads(json.dumps(goodput_of([a_session()]).to_json()))
    assert (found["held_s"], found["goodput"]) == (100.0, 0.66)
    assert list(found["seconds"]) == [part.value for part in Part]
    assert found["seconds"]["upload_tail"] == 4.0
    assert found["seconds"]["idle"] == 0.0


@given(st.lists(ledgers, max_size=4))
def test_shares_add_up_to_all_of_it(found: list[dict[str, float]]) -> None:
    goodput = goodput_of(found)
    assert goodput.held_s == pytest.approx(sum(total(ledger) for ledger in found))
    assert [part for part, _ in goodput.shares()] == list(Part)
    if goodput.held_s > 1e-9:
        assert math.fsum(share for _, share in goodput.shares()) == pytest.approx(1.0)


@given(ledgers, ledgers, ledgers)
def test_it_does_not_matter_in_which_order_ledgers_are_added(
    one: dict[str, float], two: dict[str, float], three: dict[str, float]
) -> None:
    assert add(one, two, three) == add(three, one, two)
    assert add(add(one, two), three) == pytest.approx(add(one, add(two, three)))


@given(ledgers, parts, parts, st.one_of(seconds, st.just(math.inf)))
def test_renaming_moves_seconds_and_makes_none(
    ledger: dict[str, float], source: Part, target: Part, wish: float
) -> None:
    before = dict(ledger)
    renamed = rename(ledger, source, target, wish)
    assert ledger == before
    assert total(renamed) == pytest.approx(total(ledger))
    assert min(renamed.values()) >= 0
    if source is not target:
        moved = min(wish, ledger.get(source, 0.0))
        assert renamed[target] == pytest.approx(ledger.get(target, 0.0) + moved)


def test_what_was_trained_and_never_saved_is_lost() -> None:
    ledger = rename(a_session(), Part.TRAIN, Part.LOST, 25.0)
    assert (ledger["train"], ledger["lost"]) == (35.0, 25.0)


def test_no_more_is_lost_than_was_trained() -> None:
    ledger = rename(a_session(), Part.TRAIN, Part.LOST, 1000.0)
    assert (ledger["train"], ledger["lost"]) == (0.0, 60.0)


@given(ledgers, parts, seconds)
def test_the_rest_makes_a_ledger_add_up(ledger: dict[str, float], name: Part, rest_s: float) -> None:
    held_s = total(ledger) + rest_s
    assert total(with_rest(ledger, held_s, name)) == pytest.approx(held_s)


def test_the_seconds_to_the_last_sign_of_life_are_lost() -> None:
    ledger = with_rest(a_session(), 130.0, Part.LOST)
    assert ledger["lost"] == 30.0
    assert goodput_of([ledger]).goodput == pytest.approx(66 / 130)


def test_a_ledger_of_more_than_was_held_is_refused() -> None:
    with pytest.raises(AssertionError, match="two parts"):
        with_rest(a_session(), 99.0, Part.IDLE)


def test_a_rounding_is_no_reason_to_refuse_a_ledger() -> None:
    assert with_rest(a_session(), 99.995, Part.IDLE) == {**a_session(), "idle": 0.0}


def test_a_name_that_is_no_part_is_refused() -> None:
    with pytest.raises(ValueError, match="coffee"):
        add({"coffee": 1.0})


# The table of the closed form for sessions of two hours: stall, lag, then goodput in percent by seconds to start.
# Monte Carlo gave the table; the formula agrees with it to a tenth of a point.
TABLE = [
    (0.05, 0.5, {0: 99.6, 30: 99.2, 90: 98.4}),
    (0.2, 8.0, {0: 99.2, 30: 98.7, 90: 97.9}),
    (0.5, 11.0, {0: 98.7, 30: 98.3, 90: 97.5}),
    (0.5, 26.0, {0: 98.5, 30: 98.1, 90: 97.3}),
    (0.5, 65.0, {0: 97.9, 30: 97.5, 90: 96.7}),
]
SYNCHRONOUS = [(0.05, 0.5, 89, 98.8), (0.2, 8.0, 338, 95.3), (0.5, 10.83, 396, 94.5), (0.5, 26.0, 600, 91.7)]


@pytest.mark.parametrize(("stall_s", "lag_s", "percents"), TABLE)
def test_it_says_what_the_table_says(stall_s: float, lag_s: float, percents: dict[int, float]) -> None:
    interval_s = best_interval_s(TWO_HOURS_S, stall_s)
    for start_s, percent in percents.items():
        found = expected_goodput(
            mean_session_s=TWO_HOURS_S, interval_s=interval_s, stall_s=stall_s, lag_s=lag_s, start_s=start_s
        )
        assert 100 * found == pytest.approx(percent, abs=0.1)


@pytest.mark.parametrize(("copy_s", "upload_s", "interval_s", "percent"), SYNCHRONOUS)
def test_who_saves_synchronously_stalls_for_copy_and_upload(
    copy_s: float, upload_s: float, interval_s: float, percent: float
) -> None:
    stall_s = copy_s + upload_s
    best_s = best_interval_s(TWO_HOURS_S, stall_s)
    assert best_s == pytest.approx(interval_s, abs=1)
    found = expected_goodput(mean_session_s=TWO_HOURS_S, interval_s=best_s, stall_s=stall_s, lag_s=0, start_s=0)
    assert 100 * found == pytest.approx(percent, abs=0.1)


@given(st.floats(min_value=60, max_value=DAY_S), st.floats(min_value=1e-6, max_value=1e5))
def test_the_best_interval_solves_its_equation(mean_session_s: float, stall_s: float) -> None:
    x, stall = best_interval_s(mean_session_s, stall_s) / mean_session_s, stall_s / mean_session_s
    # x = 1 + W0(-exp(-1 - stall)) says that (x - 1) exp(x - 1) is the argument of W0.
    assert 0 < x < 1 or stall > 30
    assert (x - 1) * math.exp(x - 1) == pytest.approx(-math.exp(-1 - stall), rel=1e-9, abs=1e-15)


@given(st.floats(min_value=600, max_value=DAY_S), st.floats(min_value=0.01, max_value=60), st.floats(0.1, 10))
def test_no_other_interval_expects_more(mean_session_s: float, stall_s: float, factor: float) -> None:
    best_s = best_interval_s(mean_session_s, stall_s)

    def expected(interval_s: float) -> float:
        return expected_goodput(
            mean_session_s=mean_session_s, interval_s=interval_s, stall_s=stall_s, lag_s=8, start_s=30
        )

    assert expected(factor * best_s) <= expected(best_s) + 1e-12


@pytest.mark.parametrize("stall_s", [1e-9, 0.001, 0.1, 1.0])
def test_where_a_stall_is_short_the_best_interval_is_that_of_young_and_daly(stall_s: float) -> None:
    assert best_interval_s(TWO_HOURS_S, stall_s) == pytest.approx(math.sqrt(2 * stall_s * TWO_HOURS_S), rel=0.01)


def test_a_save_that_costs_nothing_is_made_all_the_time() -> None:
    assert best_interval_s(TWO_HOURS_S, 0.0) == 0.0


def test_an_interval_far_longer_than_a_session_expects_nothing() -> None:
    found = expected_goodput(mean_session_s=60, interval_s=1e7, stall_s=1, lag_s=8, start_s=30)
    assert found == 0.0
