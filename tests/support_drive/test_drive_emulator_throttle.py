"""A throttled emulator: bodies take their time both ways, on the clock it was given."""

import threading

import pytest

from qcqueue.clock import SystemClock
from tests.support.drive.accounts import App
from tests.support.drive.client import Connection
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.throttle import Throttle
from tests.support_drive.scenes import in_chunks, insert

A_SECOND_BYTES = 1 << 20


class SleepingClock:
    """A clock whose time passes only while somebody sleeps; `slept_s` is how long that was."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self._wall = SystemClock()
        self._guard = threading.Lock()

    def now_s(self) -> float:
        return self._wall.now_s()

    def monotonic_s(self) -> float:
        return self.slept_s

    def sleep(self, seconds: float) -> None:
        with self._guard:
            self.slept_s += seconds


def test_bytes_take_their_time_and_wait_for_those_before_them() -> None:
    clock = SleepingClock()
    line = Throttle(clock, 100.0)
    line.let_pass(50)
    assert clock.slept_s == pytest.approx(0.5)
    line.let_pass(25)
    assert clock.slept_s == pytest.approx(0.75)


def test_those_who_come_at_once_share_the_line() -> None:
    waits_s: list[float] = []

    class StandingClock(SleepingClock):
        def sleep(self, seconds: float) -> None:
            waits_s.append(seconds)

    line = Throttle(StandingClock(), 100.0)
    line.let_pass(50)
    line.let_pass(50)
    assert waits_s == pytest.approx([0.5, 1.0])


def test_an_idle_line_saves_nothing_up() -> None:
    clock = SleepingClock()
    line = Throttle(clock, 100.0)
    line.let_pass(100)
    clock.sleep(60.0)
    line.let_pass(100)
    assert clock.slept_s == pytest.approx(62.0)


def test_a_line_without_a_limit_never_waits() -> None:
    clock = SleepingClock()
    line = Throttle(clock, None)
    line.let_pass(1 << 40)
    assert clock.slept_s == 0.0
    assert line.piece_bytes is None


@pytest.mark.parametrize("resumable", [False, True])
def test_an_upload_and_a_download_last_as_long_as_their_bytes(resumable: bool) -> None:
    data, clock = bytes(3 * A_SECOND_BYTES), SleepingClock()
    with DriveEmulator(clock, bytes_a_second=A_SECOND_BYTES) as emulator:
        grant = emulator.sign_in("laptop", emulator.user("ada@example.com"), App(name="qcqueue"))
        with Connection(emulator.url, grant) as laptop:
            made = in_chunks(laptop, data, A_SECOND_BYTES).execute() if resumable else insert(laptop, data)
            # What goes along, headers of parts and metadata, is a few hundred bytes.
            assert clock.slept_s == pytest.approx(3.0, abs=0.01)
            before_s = clock.slept_s
            assert laptop.service.files().get_media(fileId=made["id"]).execute() == data
            assert clock.slept_s - before_s == pytest.approx(3.0, abs=0.01)


def test_without_a_limit_the_emulator_never_sleeps() -> None:
    clock = SleepingClock()
    with DriveEmulator(clock) as emulator:
        grant = emulator.sign_in("laptop", emulator.user("ada@example.com"), App(name="qcqueue"))
        with Connection(emulator.url, grant) as laptop:
            insert(laptop, bytes(A_SECOND_BYTES))
    assert clock.slept_s == 0.0
