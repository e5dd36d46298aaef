"""The block is one output, sent at most once a second and only when it says something new."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from qcqueue.clock import SystemClock
from qcqueue.notebook.screen import NEWS, BlockScreen, LineScreen, screen_here
from tests.notebook.views import TESLA, a_view, progress


class Display:
    """Takes the place of `IPython.display` and keeps what was sent."""

    def __init__(self) -> None:
        self.made = 0
        self.sent: list[dict[str, str]] = []

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> "Display":
        self.made += 1
        self.update(content, raw=raw)
        return self

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        self.sent.append(content)

    @property
    def text(self) -> str:
        return self.sent[-1]["text/plain"]


class HandClock(SystemClock):
    """Time moves when the test says so."""

    seconds = 100.0

    def monotonic_s(self) -> float:
        return self.seconds


class Working:
    """A session that takes one step whenever it is looked at."""

    def __init__(self) -> None:
        self.step = 0

    def view(self) -> Any:
        self.step += 1
        return a_view(progress=progress(step=self.step))


@pytest.fixture
def display() -> Display:
    return Display()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def screen(display: Display, clock: HandClock) -> BlockScreen:
    screen = BlockScreen(display, clock)
    screen.begin("gdrive:1AbC", TESLA)
    return screen


def test_it_is_one_output_updated_once_a_second(screen: BlockScreen, display: Display, clock: HandClock) -> None:
    session: Any = Working()
    for _ in range(40):
        clock.seconds += 0.125
        screen.show(session)
    assert display.made == 1
    assert len(display.sent) == 1 + 5
    assert session.step == 5  # the session is not even asked in between


def test_what_has_not_changed_is_not_sent_again(screen: BlockScreen, display: Display, clock: HandClock) -> None:
    for _ in range(5):
        clock.seconds += 2
        screen.say("saving waits 5 s: the disk is away")
    assert len(display.sent) == 2


def test_only_the_last_news_stay(screen: BlockScreen, display: Display) -> None:
    for number in range(20):
        screen.say(f"epoch {number} is saved")
    screen.close("the end")
    assert display.text.count("is saved") == NEWS
    assert "epoch 19 is saved" in display.text


def test_what_a_person_is_asked_is_shown_at_once_and_goes_away(screen: BlockScreen, display: Display) -> None:
    screen.ask("open the page and type the code")
    assert "open the page" in display.text
    screen.ask()
    assert "open the page" not in display.text


def test_a_program_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen = screen_here(SystemClock())
    assert isinstance(screen, LineScreen)
    screen.begin("folder:/data/queue", TESLA)
    screen.close("the end", "next: come again")
    assert capsys.readouterr().out == "folder:/data/queue on Tesla T4\nthe end\nnext: come again\n"


@pytest.mark.parametrize(("shell", "kind"), [(None, LineScreen), ("terminal", LineScreen), ("kernel", BlockScreen)])
def test_only_a_kernel_shows_blocks(shell: str | None, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    shells = {None: None, "terminal": SimpleNamespace(), "kernel": SimpleNamespace(kernel=object())}
    ipython = SimpleNamespace(get_ipython=lambda: shells[shell], display=Display())
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(screen_here(SystemClock()), kind)
