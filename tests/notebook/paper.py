"""A screen for tests."""

from qcqueue.worker.machine import Machine
from qcqueue.worker.session import Session


class Paper:
    """A screen that keeps all it was told."""

    has_reader = True

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, store: str, machine: Machine) -> None:
        self.say(store)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, session: Session) -> None:
        pass

    def refresh(self) -> None:
        pass

    def ask(self, *lines: str) -> None:
        self.lines += lines

    def close(self, *lines: str) -> None:
        self.lines += lines
