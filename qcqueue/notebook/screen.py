"""Where the worker cell is shown: one block of a notebook that is updated in place, or plain lines.

A notebook is recognised by IPython being there with a kernel behind it, never by an import that failed. The block
is sent at most once a second and only when it changed, so that the output stays small however long a session is.
"""

import sys
from typing import TYPE_CHECKING, Any, Protocol

from qcqueue.clock import Clock
from qcqueue.notebook.block import BlockContent, html_of, text_of
from qcqueue.text.suggest import visible
from qcqueue.worker.machine import Machine
from qcqueue.worker.view import View

if TYPE_CHECKING:
    # Whoever shows a report, on Windows too, does without what runs a session.
    from qcqueue.worker.session import Session

EVERY_S = 1.0
NEWS = 6


class Screen(Protocol):
    """What the cell shows itself on."""

    @property
    def has_reader(self) -> bool:
        """Whether a person reads it, so that an error is shown here and need not be raised."""
        ...

    def begin(self, store: str, machine: Machine) -> None:
        """The session is about to start on this machine."""

    def say(self, line: str) -> None:
        """Something happened."""

    def show(self, session: "Session") -> None:
        """This is how the session stands; called after every step."""

    def refresh(self) -> None:
        """Show what was said last, where several sessions are at work and only speak; called at least once a second."""

    def ask(self, *lines: str) -> None:
        """A person is asked to do this now; without lines the question is over."""

    def close(self, *lines: str) -> None:
        """The session has ended, and this is what is left to say."""


def screen_here(clock: Clock) -> Screen:
    """Return the screen of the place this process runs in."""
    display = display_here()
    return BlockScreen(display, clock) if display else LineScreen()


def display_here() -> Any | None:
    """Return the module `IPython.display` where this process is the kernel of a notebook, else None."""
    # Whoever has a kernel has imported IPython; nobody else needs it.
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return ipython.display if getattr(shell, "kernel", None) else None


class LineScreen:
    """Plain lines on standard output, for a program and a terminal."""

    has_reader = False

    def begin(self, store: str, machine: Machine) -> None:
        self.say(f"{store} on {machine.processor}")

    def say(self, line: str) -> None:
        print(visible(line), flush=True)

    def show(self, session: "Session") -> None:
        """Lines tell what happened; where it stands in between is not worth one."""

    def refresh(self) -> None:
        """A line is shown when it is said."""

    def ask(self, *lines: str) -> None:
        for line in lines:
            self.say(line)

    def close(self, *lines: str) -> None:
        self.ask(*lines)


class BlockScreen:
    """One block of output. display is the module `IPython.display`."""

    has_reader = True

    def __init__(self, display: Any, clock: Clock) -> None:
        self._display = display
        self._clock = clock
        self._handle: Any = None
        self._sent = ""
        self._due_s = clock.monotonic_s()
        self._store = "no queue is open yet"
        self._machine: Machine | None = None
        self._view: View | None = None
        self._news: tuple[str, ...] = ()
        self._urgent: tuple[str, ...] = ()
        self._closing: tuple[str, ...] = ()

    def begin(self, store: str, machine: Machine) -> None:
        self._store, self._machine = store, machine
        self._draw()

    def say(self, line: str) -> None:
        if line not in self._news[-1:]:  # what is tried again and again is said once
            self._news = (*self._news, line)[-NEWS:]
        self._draw_if_due()

    def show(self, session: "Session") -> None:
        if self._clock.monotonic_s() >= self._due_s:
            self._view = session.view()
            self._draw()

    def refresh(self) -> None:
        self._draw_if_due()

    def ask(self, *lines: str) -> None:
        self._urgent = lines
        self._draw()

    def close(self, *lines: str) -> None:
        self._view, self._urgent, self._closing = None, (), lines
        self._draw()

    def _draw_if_due(self) -> None:
        if self._clock.monotonic_s() >= self._due_s:
            self._draw()

    def _draw(self) -> None:
        self._due_s = self._clock.monotonic_s() + EVERY_S
        picture = BlockContent(
            store=self._store,
            machine=self._machine,
            view=self._view,
            news=self._news,
            urgent=self._urgent,
            closing=self._closing,
            now_s=self._clock.now_s(),
        )
        text = text_of(picture)
        if text == self._sent:
            return
        self._sent = text
        content = {"text/html": html_of(picture), "text/plain": text}
        if self._handle is None:
            self._handle = self._display.display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
