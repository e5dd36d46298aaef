"""Signals to a session at work: what each says, what it asks of the session, and when one leaves at once."""

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from qcqueue.app.work import checked_limits, stopping_on_signals
from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import SettingInvalid
from qcqueue.worker.budget import Limits


class Asked(SimpleNamespace):
    """A session as a signal sees it."""

    def __init__(self) -> None:
        super().__init__(stopping=False, ending=None, reasons=[], why=None)

    def ask_to_stop(self, reason: SessionEnd, *, why: str | None = None) -> None:
        self.stopping, self.why = True, why
        self.reasons.append(reason)


@pytest.fixture
def session() -> Any:
    return Asked()


@pytest.fixture
def said(session: Any) -> Iterator[list[str]]:
    lines: list[str] = []
    with stopping_on_signals(session, lines.append, again="Ctrl-C again"):
        yield lines


def test_the_first_interrupt_says_that_another_leaves_at_once(session: Any, said: list[str]) -> None:
    signal.raise_signal(signal.SIGINT)
    assert said == ["saving and leaving; Ctrl-C again leaves at once"]
    assert session.reasons == [SessionEnd.ASKED]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_after_a_limit_the_first_interrupt_asks_and_only_the_second_leaves(session: Any, said: list[str]) -> None:
    session.ask_to_stop(SessionEnd.LIMIT)
    signal.raise_signal(signal.SIGINT)
    assert said == ["saving and leaving already; Ctrl-C again leaves at once"]
    assert session.reasons == [SessionEnd.LIMIT, SessionEnd.ASKED]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_system_that_ends_it_twice_is_no_interrupt(session: Any, said: list[str]) -> None:
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert session.reasons == [SessionEnd.LIMIT, SessionEnd.LIMIT, SessionEnd.ASKED]


def test_it_tells_whether_a_person_interrupted(session: Any) -> None:
    with stopping_on_signals(session, lambda line: None, again="again") as was_interrupted:
        signal.raise_signal(signal.SIGTERM)
        assert not was_interrupted()
        signal.raise_signal(signal.SIGINT)
        assert was_interrupted()


NO_LIMITS: dict[str, Any] = {"max_minutes": None, "promised_minutes": None, "max_epochs": None, "jobs": None}


def test_none_is_no_limit() -> None:
    assert checked_limits(**NO_LIMITS) == Limits(jobs=None)


@pytest.mark.parametrize(
    ("limits", "words", "hint"),
    [
        ({"max_minutes": 0.0}, "--max-minutes, or max_minutes in a notebook, is 0 and not", "--max-minutes 110"),
        ({"promised_minutes": -1.0}, "--promised-minutes, or promised_minutes in a notebook, is -1", "=250"),
        ({"max_epochs": 0}, "--max-epochs, or max_epochs in a notebook, is 0 and not at least 1", "max_epochs=1"),
        ({"jobs": -1}, "--jobs, or jobs in a notebook, is -1 and not at least 1", "--jobs 1"),
    ],
)
def test_a_limit_that_allows_nothing_is_named_as_flag_and_keyword(limits: Any, words: str, hint: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        checked_limits(**{**NO_LIMITS, **limits})
    assert words in str(caught.value)
    assert hint in str(caught.value.hint)
