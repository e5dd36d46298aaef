"""The words a person reads: every unit, and the values at which one unit gives way to the next."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from qcqueue.text.humanize import ago, by, count, date, duration, iso, listed, moment, size

NOON_S = datetime(2025, 11, 21, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.048, "48 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (3.2, "3.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (65, "1 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (86_369, "23 h 59 min"),
        (86_371, "1 day"),
        (3 * 86_400 + 4 * 3600, "3 days 4 h"),
        (-3.2, "−3.2 s"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9951, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (84_000_000, "84 MB"),
        (1_600_000_000, "1.6 GB"),
        (2_500_000_000_000, "2.5 TB"),
        (1_234_000_000_000_000_000, "1,234 PB"),
    ],
)
def test_size(size_bytes: int, said: str) -> None:
    assert size(size_bytes) == said


@pytest.mark.parametrize(
    ("gap_s", "said"),
    [
        (0, "just now"),
        (59, "just now"),
        (-59, "just now"),
        (60, "1 min ago"),
        (119, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 day ago"),
        (5 * 86_400, "5 days ago"),
        (-180, "in 3 min"),
    ],
)
def test_ago(gap_s: float, said: str) -> None:
    assert ago(NOON_S - gap_s, NOON_S) == said


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (1200, "today 12:20"),
        (1321, "today 12:20"),
        (1351, "today 12:25"),
        (7200, "today 14:00"),
        (3 * 3600 + 1000, "today 15:30"),
        (12 * 3600 - 1, "tomorrow 00:00"),
        (86_400, "tomorrow 12:00"),
        (86_400 + 1860, "tomorrow 13:00"),
        (35.4 * 3600, "tomorrow 23:00"),
        (36 * 3600 - 1, "23 Nov"),
        (36 * 3600, "23 Nov"),
        (50 * 86_400, "10 Jan 2026"),
    ],
)
def test_what_is_far_ahead_is_foreseen_to_the_day_only(ahead_s: float, said: str) -> None:
    assert by(NOON_S + ahead_s, NOON_S, UTC) == said


def test_what_has_passed_is_known_to_the_minute() -> None:
    assert by(NOON_S - 3 * 3600 - 120, NOON_S, UTC) == "today 08:58"
    assert by(NOON_S - 86_400 + 420, NOON_S, UTC) == "yesterday 12:07"


def test_a_moment_is_rounded_by_the_clock_on_the_wall_in_a_zone_of_half_an_hour() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert by(NOON_S + 86_400 + 1200, NOON_S, zone) == "tomorrow 18:00"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2025, 11, 21, 11, 59, 30, tzinfo=UTC), "just now"),
        (datetime(2025, 11, 21, 11, 57, tzinfo=UTC), "3 min ago"),
        (datetime(2025, 11, 21, 9, 5, tzinfo=UTC), "today 09:05"),
        (datetime(2025, 11, 21, 14, 5, tzinfo=UTC), "today 14:05"),
        (datetime(2025, 11, 20, 23, 10, tzinfo=UTC), "yesterday 23:10"),
        (datetime(2025, 11, 22, 8, 0, tzinfo=UTC), "tomorrow 08:00"),
        (datetime(2025, 11, 19, 14, 5, tzinfo=UTC), "19 Nov 14:05"),
        (datetime(2024, 11, 19, 14, 5, tzinfo=UTC), "19 Nov 2024 14:05"),
    ],
)
def test_moment(at: datetime, said: str) -> None:
    assert moment(at.timestamp(), NOON_S, UTC) == said


def test_the_zone_decides_which_day_it_was() -> None:
    at_s = datetime(2025, 11, 20, 23, 10, tzinfo=UTC).timestamp()
    assert moment(at_s, NOON_S, UTC) == "yesterday 23:10"
    assert moment(at_s, NOON_S, timezone(timedelta(hours=2))) == "today 01:10"


def test_a_date_does_not_depend_on_today() -> None:
    assert date(NOON_S, UTC) == "21 Nov 2025 12:00"


@pytest.mark.parametrize(
    ("at_s", "said"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (NOON_S + 0.25, "2025-11-21T12:00:00.250Z"),
        (NOON_S + 0.9999, "2025-11-21T12:00:01.000Z"),
    ],
)
def test_iso(at_s: float, said: str) -> None:
    assert iso(at_s) == said
    assert datetime.fromisoformat(said).timestamp() == pytest.approx(at_s, abs=0.001)


@pytest.mark.parametrize(
    ("number", "noun", "plural", "said"),
    [
        (0, "epoch", None, "0 epochs"),
        (1, "epoch", None, "1 epoch"),
        (3, "epoch", None, "3 epochs"),
        (2200, "image", None, "2,200 images"),
        (2, "class", "classes", "2 classes"),
    ],
)
def test_count(number: int, noun: str, plural: str | None, said: str) -> None:
    assert count(number, noun, plural) == said


@pytest.mark.parametrize(
    ("items", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listed(items: list[str], said: str) -> None:
    assert listed(items) == said


def test_listed_with_another_last_word() -> None:
    assert listed(["a", "b"], last="or") == "a or b"


def test_importing_it_brings_nothing_heavy() -> None:
    loaded = "import sys; import qcqueue.text.humanize; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "sqlalchemy", "typer", "rich", "locale", "zoneinfo"} & set(modules)
