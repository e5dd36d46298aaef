"""A queue is moved behind the back of a session that was asleep: it leaves at once, in words, and keeps what it has."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.core.outcomes import Outcome, SessionEnd
from qcqueue.database.local import LocalDatabase
from qcqueue.errors import QueueMoved
from tests.simulation.colab import Colab
from tests.support.options import JobPlan
from tests.support.sim_session import Life
from tests.support.simulate import MEMORY

HERE = 1
TWO = [JobPlan(epochs=epochs, step_count=2, early_stopping=0, needs_gpu=False) for epochs in (2, 1)]
SAID, HINT = "the queue of folder:a was moved to folder:b", "qcqueue status --store folder:b"


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("step", [1, 5, 9, 14, 20, 30, 45])
def test_a_session_leaves_what_it_cannot_save_for_one_in_the_new_home(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    colab = Colab(root / "colab", TWO)

    def refuse(*_: object, **__: object) -> None:
        raise QueueMoved(SAID, hint=HINT)

    with monkeypatch.context() as patch:

        def move(_: Life, number: int) -> None:
            if number == step:
                patch.setattr(LocalDatabase, "transact", refuse)
                patch.setattr(LocalDatabase, "read", refuse)

        life = colab.session(machine=HERE, before_step=move)
        assert life.session.ending is SessionEnd.MOVED
        assert life.trainer.exit_code() is not None
        kept = "what was not saved waits on this machine" if life.session.has_unsaved else "everything is saved"
        assert [line for line in colab.said if line.startswith(SAID)] == [f"{SAID}; {kept}: {HINT}"]
    # What was the old home answers as the new one would: the same rows, on the same machine.
    colab.session(machine=HERE)
    for job in ("job-1", "job-2"):
        detail = colab.of(job)
        assert detail.line.state == "done"
        assert {line.outcome for line in detail.attempts} <= {Outcome.FINISHED, Outcome.INTERRUPTED}
    assert not life.session.has_unsaved
