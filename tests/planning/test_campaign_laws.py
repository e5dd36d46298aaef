"""A law is the same luck for the same seed, its mean is what it says, and a stranger's trace is a law or an error."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.errors import UserError
from qcqueue.planning.campaigns.laws import LAWS, SHARE_OFF, Law, Window, of_life, seen_as
from qcqueue.planning.campaigns.trace import MOST_ROWS, law_of_trace
from qcqueue.planning.survival import Lifetime, learnt_life
from qcqueue.text.humanize import DAY_S, HOUR_S

WEEK_S = 7 * DAY_S
SHARES_OFF = {"days-off": SHARE_OFF, "spells-off": SHARE_OFF}

cells = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**15), 10**15).map(str),
    st.floats().map(str),
    st.sampled_from(["begins_s", "held_s", "1e400", "2026-11-23T10:00:00", "2026-11-23 10:00+02:00", '"', "#", ""]),
)


def windows(law: Law, number: int, seed: int = 1) -> list[Window]:
    return list(islice(law.windows(seeded(f"{law.name}/{seed}")), number))


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
@given(seed=st.integers(0, 10**6))
def test_windows_come_in_their_order_never_overlap_and_are_the_same_for_the_same_seed(law: Law, seed: int) -> None:
    drawn = windows(law, 50, seed)
    assert drawn == windows(law, 50, seed)
    assert all(this.begins_s + this.held_s <= after.begins_s for this, after in pairwise(drawn))
    assert all(window.held_s >= 0 and window.promised_s in (None, window.held_s) for window in drawn)


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
def test_sessions_live_as_long_on_average_as_the_law_says(law: Law) -> None:
    drawn = windows(law, 9000)
    assert sum(window.held_s for window in drawn) / len(drawn) == pytest.approx(law.mean_s, rel=0.04)
    assert drawn[-1].begins_s / (len(drawn) - 1) == pytest.approx(law.every_s, rel=0.03)
    if law.life:  # what somebody knows who has seen a hundred
        assert law.life.mean_s == pytest.approx(law.mean_s, rel=0.35)


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
def test_an_end_that_is_announced_is_all_that_is_known_beforehand(law: Law) -> None:
    assert law.is_certain == all(window.promised_s is not None for window in windows(law, 20))
    if law.is_certain:
        assert windows(law, 20, seed=1) == windows(law, 20, seed=2)


@pytest.mark.parametrize(("name", "share"), SHARES_OFF.items())
def test_a_fifth_of_all_days_has_no_gpu(name: str, share: float) -> None:
    last = windows(LAWS[name], 8000)[-1]
    assert 8000 / (last.begins_s / DAY_S + 1) == pytest.approx(1 - share, rel=0.02)


def test_days_off_come_in_spells_only_where_they_should() -> None:
    def spells(name: str) -> float:
        gaps = [after.begins_s - this.begins_s for this, after in pairwise(windows(LAWS[name], 8000))]
        off = [round(gap_s / DAY_S) - 1 for gap_s in gaps if gap_s > DAY_S]
        return sum(off) / len(off)

    assert spells("days-off") == pytest.approx(1.25, rel=0.05)
    assert spells("spells-off") == pytest.approx(2.5, rel=0.05)


def test_kaggle_gives_thirty_hours_a_week() -> None:
    weeks = windows(LAWS["kaggle"], 9)
    for week in range(3):
        these = [window for window in weeks if week * WEEK_S <= window.begins_s < (week + 1) * WEEK_S]
        assert sum(window.held_s for window in these) == 30 * HOUR_S


def test_ones_own_history_is_a_law_as_well() -> None:
    lives = [Lifetime(held_s=hours * HOUR_S, was_taken=True) for hours in (1, 2, 2, 3, 5)]
    law = of_life(learnt_life(lives, profile=None), name="history", says="as they were")
    drawn = windows(law, 4000)
    assert sum(window.held_s for window in drawn) / len(drawn) == pytest.approx(law.mean_s, rel=0.05)
    assert law.mean_s == pytest.approx(2.6 * HOUR_S, rel=0.2)


def test_whoever_has_seen_sessions_end_at_one_age_expects_the_next_to_end_there() -> None:
    assert seen_as([3600.0] * 10).quantile(0.5) == pytest.approx(3600.0, rel=0.01)


# Traces.


@pytest.mark.parametrize(
    "text",
    [
        "begins_s,held_s\n0,7200\n86400,3600.5\n",
        "0,7200\n86400,3600.5",
        "# mine\n\nbegins_s, held_s\n1e9, 7200\n\n1000086400,3600.5\n",
        "2026-11-23T10:00:00,7200\n2026-11-24T10:00:00+00:00,3600.5\n",
        '"0","7200"\r\n"86400","3600.5"\r\n',
    ],
)
def test_a_trace_is_read_in_seconds_or_dates_with_and_without_names(text: str) -> None:
    law = law_of_trace(text, file="mine.csv")
    assert law.mean_s == pytest.approx(5400.25)
    assert law.life is not None
    drawn = windows(law, 3)
    assert sorted({window.held_s for window in drawn}) == [3600.5, 7200]
    assert drawn[0].begins_s == 0


def test_a_trace_begins_at_any_of_its_sessions_and_goes_on_with_the_first() -> None:
    law = law_of_trace("0,100\n1000,200\n5000,300\n", file="x")
    begun = {windows(law, 1, seed)[0].held_s for seed in range(30)}
    assert begun == {100, 200, 300}
    held = [window.held_s for window in windows(law, 7)]
    assert held in [[*row, *row, row[0]] for row in ([100, 200, 300], [200, 300, 100], [300, 100, 200])]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**5)), min_size=1, max_size=9), st.integers(0, 99))
def test_a_trace_never_overlaps_with_itself(rows: list[tuple[int, int]], seed: int) -> None:
    text, begins_s = "", 0
    for wait_s, held_s in rows:
        text += f"{begins_s + wait_s},{held_s}\n"
        begins_s += wait_s + held_s
    drawn = windows(law_of_trace(text, file="x"), 40, seed)
    assert all(this.begins_s + this.held_s <= after.begins_s + 1e-6 for this, after in pairwise(drawn))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.csv holds no session"),
        ("begins_s,held_s\n", "x.csv holds no session"),
        ("0,7200\nbegins_s,held_s\n", "x.csv:2: 'begins_s' is neither seconds nor a date and time"),
        ("0;7200\n", "x.csv:1: 1 column instead of two"),
        ("0,7200,3\n", "x.csv:1: 3 columns instead of two"),
        ("0,two hours\n", "x.csv:1: 'two hours' is not a number of seconds"),
        ("0,nan\n", "x.csv:1: 'nan' is not a number of seconds"),
        ("0,1e999\n", "x.csv:1: '1e999' is not a number of seconds"),
        ("1e999,1\n", "x.csv:1: '1e999' is not a moment in seconds"),
        ("1e15,1\n", "x.csv:1: '1e15' is not a moment in seconds"),
        ("0,-1\n", "x.csv:1: held_s -1 is less than nothing"),
        ("0,7200\n7199,5\n", "x.csv:2: it begins before the session above has ended"),
        ("0,1e9\n", "x.csv:1: it ends more than 20 years after the first began"),
        ("0,0\n5,0\n", "x.csv: its sessions were held for less than a second on average"),
        ('0,"7200\n', "x.csv:1: not CSV: unexpected end of data"),
        ("0," + "7" * 200_000, "x.csv:1: not CSV: field larger than field limit (131072)"),
        ("0,1\n" * 1 + "".join(f"{2 * row},1\n" for row in range(1, MOST_ROWS + 1)), f"x.csv:{MOST_ROWS + 1}: more"),
    ],
    ids=range(17),
)
def test_a_trace_that_is_none_gets_one_sentence_that_names_the_line(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        law_of_trace(text, file="x.csv")
    assert str(caught.value).startswith(said)
    assert caught.value.hint


@given(st.lists(st.lists(cells, max_size=4).map(",".join), max_size=6).map("\n".join))
def test_whatever_a_file_holds_it_is_a_law_or_one_printable_sentence(text: str) -> None:
    try:
        law = law_of_trace(text, file="x.csv")
    except UserError as exc:
        said = str(exc)
    else:
        said = law.says
        assert all(window.held_s >= 0 for window in windows(law, 5))
    assert said.isprintable()
