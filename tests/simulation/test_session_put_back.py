"""An older copy of the store is put back behind a session's back: it leaves in words, and keeps what is unsaved."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.core.outcomes import Outcome, SessionEnd
from qcqueue.database.local import LocalDatabase
from qcqueue.errors import StorePutBack
from tests.simulation.colab import Colab
from tests.support.options import JobPlan
from tests.support.sim_session import Life
from tests.support.simulate import MEMORY

HERE = 1
TWO = [JobPlan(epochs=epochs, step_count=2, early_stopping=0, needs_gpu=False) for epochs in (2, 1)]
SAID = "the store shows version 40, and not version 43"


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def session_until(colab: Colab, patch: pytest.MonkeyPatch, step: int) -> Life:
    """Let a session live whose store is put back before one of its steps."""

    def refuse(*_: object, **__: object) -> None:
        raise StorePutBack(SAID, hint="qcqueue store adopt")

    def meddle(_: Life, number: int) -> None:
        if number == step:
            patch.setattr(LocalDatabase, "transact", refuse)
            patch.setattr(LocalDatabase, "read", refuse)

    return colab.session(machine=HERE, before_step=meddle)


@pytest.mark.parametrize("step", [1, 5, 9, 14, 20, 30, 45])
def test_a_session_leaves_what_it_cannot_save_for_whoever_puts_the_newer_one_back(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    colab = Colab(root / "colab", TWO)
    with monkeypatch.context() as patch:
        life = session_until(colab, patch, step)
        assert life.session.ending is SessionEnd.PUT_BACK
        assert life.trainer.exit_code() is not None
        said = [line for line in colab.said if line.startswith(SAID)]
        kept = (
            "what was not saved stays on this machine"
            if life.session.has_unsaved
            else "nothing unsaved is left on this machine"
        )
        assert said == [f"{SAID}; {kept}. To go on with the older copy, and give up what is newer: qcqueue store adopt"]
    colab.session(machine=HERE)
    for job in ("job-1", "job-2"):
        detail = colab.of(job)
        assert detail.line.state == "done"
        assert {line.outcome for line in detail.attempts} <= {Outcome.FINISHED, Outcome.INTERRUPTED}
    assert not life.session.has_unsaved


def test_a_session_that_has_not_come_yet_is_refused_as_any_reader(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colab = Colab(root / "colab", TWO)
    with pytest.raises(StorePutBack), monkeypatch.context() as patch:
        session_until(colab, patch, 0)
