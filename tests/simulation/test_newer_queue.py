"""A newer qcqueue raises the queue behind a session's back, before any of its steps: it leaves, and loses nothing."""

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from qcqueue.conformance.clocks import DAY_ZERO_S
from qcqueue.core.outcomes import Outcome, SessionEnd
from qcqueue.database.schema import FORMAT
from qcqueue.errors import NewerQueue
from qcqueue.spool.files import record_in
from qcqueue.spool.reader import Spool
from qcqueue.stores.base import LeaseRules
from tests.simulation.colab import Colab
from tests.support.options import JobPlan
from tests.support.sim_session import Life
from tests.support.simulate import MEMORY

HERE = 1
TWO = [JobPlan(epochs=epochs, step_count=2, early_stopping=0, needs_gpu=False) for epochs in (2, 1)]
SENTENCE = re.compile(
    rf"the queue was raised to format {FORMAT + 1} by a newer qcqueue; "
    r"(everything is saved|what was not saved waits on this machine): "
    r"pip install --upgrade qcqueue, then qcqueue work"
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory where the machine has one: many small worlds write many small files."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def set_format(colab: Colab, number: int) -> None:
    with contextlib.closing(sqlite3.connect(colab.database.path)) as connection, connection:
        connection.execute("UPDATE meta SET format = ?", (number,))


def raised_at(colab: Colab, step: int) -> Callable[[Life, int], None]:
    return lambda _, number: set_format(colab, FORMAT + 1) if number == step else None


def left_behind(root: Path) -> tuple[str, tuple[int, int]] | None:
    """Return of which job a spool of this machine holds a whole state, and how far that is."""
    for folder in (root / f"cache-{HERE}" / "spool").glob("*"):
        spool = Spool(folder)
        order = spool.order.read()
        records = [record_in(entry.path) for entry in spool.waiting() if entry.kind == "state"]
        if order and records:
            return order.spec.full_name, max((it.epochs_done, it.partial.steps_done) for it in records)
    return None


def steps_that_differ(folder: Path) -> list[int]:
    """Return the steps of an undisturbed session before which something has just changed."""
    colab, seen = Colab(folder, TWO), list[object]()
    colab.session(
        machine=HERE, before_step=lambda life, _: seen.append((life.trainer.exit_code(), life.session.view()))
    )
    changed = {number for number, (before, now) in enumerate(pairwise(seen), 1) if before != now}
    return sorted({1, 2, 3, 4, *changed, len(seen) - 1})


def test_before_whatever_step_it_leaves_with_one_sentence_and_the_next_session_here_goes_on(root: Path) -> None:
    steps, kept, endings = steps_that_differ(root / "whole"), 0, set[SessionEnd | None]()
    assert len(steps) > 15
    for step in steps:
        colab = Colab(root / f"raised-{step}", TWO)
        life = colab.session(machine=HERE, before_step=raised_at(colab, step))
        endings.add(life.session.ending)
        said = [line for line in colab.said if SENTENCE.fullmatch(line)]
        assert len(said) == (life.session.ending is SessionEnd.NEWER_QUEUE), (step, colab.said)
        assert life.trainer.exit_code() is not None
        assert life.session.has_unsaved == ("waits on this machine" in "".join(said)), step
        left = left_behind(root / f"raised-{step}")

        set_format(colab, FORMAT)  # whoever upgrades knows the format again
        goes_on(colab, life, step)
        if left:
            kept += 1
            job, point = left
            saved = {(it.epochs_done, it.steps_done) for it in colab.of(job).checkpoints if it.attempt == 1}
            assert max(saved) >= point, "in the name of the session that left it, so that nobody trains it again"
    assert endings == {
        SessionEnd.NEWER_QUEUE,
        SessionEnd.FINISHED,
    }  # what was raised after the last save is not even noticed
    assert kept > 10


def goes_on(colab: Colab, life: Life, step: int) -> None:
    """Let another session on the same machine finish everything."""
    colab.session(machine=HERE)
    for job in ("job-1", "job-2"):
        detail = colab.of(job)
        assert detail.line.state == "done", (step, colab.said)
        assert [row.metrics.epoch for row in detail.official_epochs()] == list(range(1, detail.line.epochs + 1))
        assert {line.outcome for line in detail.attempts} <= {Outcome.FINISHED, Outcome.INTERRUPTED}
    assert "cannot be read" not in "".join(colab.said)
    assert not life.session.has_unsaved


def test_a_session_that_has_not_come_yet_is_refused_as_any_reader(root: Path) -> None:
    colab = Colab(root / "colab", TWO)
    with pytest.raises(NewerQueue):
        colab.session(before_step=raised_at(colab, 0))


def test_a_person_who_interrupts_meanwhile_does_not_change_how_it_ends(root: Path) -> None:
    colab = Colab(root / "colab", TWO)
    raised = raised_at(colab, 40)

    def meddle(life: Life, number: int) -> None:
        raised(life, number)
        if number == 42:
            life.ask_to_stop()

    life = colab.session(machine=HERE, before_step=meddle)
    assert life.session.ending is SessionEnd.NEWER_QUEUE
    assert any(map(SENTENCE.fullmatch, colab.said))


def test_its_heart_beats_until_the_trainer_has_saved(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colab, beats = Colab(root / "colab", TWO), root / "colab" / "store" / "heartbeats"
    raised, ages = raised_at(colab, 20), list[float]()

    def slow(life: Life, number: int) -> None:
        raised(life, number)
        if number == 20:
            monkeypatch.setattr(life.trainer, "advance", lambda: 1.0)  # its step takes for ever
        if number >= 20 and life.trainer.exit_code() is None:
            ages.append(colab.time.now_s + DAY_ZERO_S - (beats / life.id).stat().st_mtime)

    life = colab.session(machine=HERE, before_step=slow, taken_after_s=400.0)
    assert life.session.ending is None
    assert len(ages) > 1000
    assert max(ages) < LeaseRules().ttl_s
