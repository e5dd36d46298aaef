"""A stranger's trace is a law, or one sentence that names what is wrong with it."""

from itertools import islice, pairwise
from pathlib import Path

import pytest
from campaigns.trace import MOST_ROWS, law_of_trace, read_trace
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.errors import UserError
from qcqueue.planning.laws import Law
from qcqueue.planning.windows import Window

cells = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**15), 10**15).map(str),
    st.floats().map(str),
    st.sampled_from(["begins_s", "held_s", "1e400", "2026-11-23T10:00:00", "2026-11-23 10:00+02:00", '"', "#", ""]),
)


def windows(law: Law, number: int, seed: int = 1) -> list[Window]:
    return list(islice(law.windows(seeded(f"{law.name}/{seed}")), number))


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


def test_a_trace_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("\ufeffbegins_s,held_s\n0,7200\n90000,3600\n", encoding="utf-8")
    assert read_trace(file).says == f"the 2 sessions of {file}, from any of them on, again and again"


def test_a_file_that_is_no_trace_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"\xe9,1\n")
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(9 << 20)
    for name, said in (
        ("none.csv", "cannot be read: No such file or directory"),
        ("latin.csv", "is not a text file in UTF-8 (byte 0)"),
        ("huge.csv", "is larger than it can be (8 MB), and no trace"),
    ):
        with pytest.raises(UserError) as caught:
            read_trace(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name} {said}"
        assert caught.value.hint
