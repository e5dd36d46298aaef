"""What is said of a session at work is true to the step."""

from typing import Any

import pytest

from qcqueue.core.phases import Phase
from qcqueue.errors import StoreBusy
from qcqueue.spool.files import TrainerProgress
from qcqueue.worker.progress_text import at_risk, point, waiting
from tests.notebook.views import a_view, progress, saved


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({}, "34 steps, about 20.2 s"),
        ({"epoch_s": None}, "34 steps"),
        ({"progress": progress(step=1), "epoch_s": None}, "1 step"),
        ({"saved": saved(2, 30)}, "4 steps, about 2.4 s"),
        ({"saved": saved(1), "epoch_s": None}, "1 epoch and 34 steps"),
        ({"saved": None, "epoch_s": None}, "2 epochs and 34 steps"),
        ({"progress": progress(step=69), "saved": saved(2, 69)}, "nothing"),
        ({"progress": progress("saving", step=69), "epoch_s": None}, "1 epoch"),
        ({"progress": progress("compiling", step=1)}, "nothing"),
        ({"progress": progress("validating", step=69), "saved": saved(2, 69)}, "the validation that is running"),
        (
            {"progress": progress("validating", step=69), "epoch_s": None},
            "1 epoch and the validation that is running",
        ),
        (
            {"progress": TrainerProgress(phase=Phase.EVALUATING, epoch=100, epochs=100), "saved": saved(100)},
            "the final evaluation",
        ),
        (
            {"progress": TrainerProgress(phase=Phase.EVALUATING, epoch=100, epochs=100), "saved": saved(98)},
            "2 epochs and the final evaluation",
        ),
        ({"progress": TrainerProgress(phase=Phase.BUILDING)}, "nothing"),
        ({"progress": None}, "nothing"),
    ],
)
def test_what_a_cut_would_lose_is_what_is_trained_and_not_saved(changes: dict[str, Any], lost: str) -> None:
    assert at_risk(a_view(**changes)) == lost


@pytest.mark.parametrize(
    ("epochs_done", "steps_done", "words"),
    [(3, 0, "epoch 3"), (3, 12, "epoch 3 and 12 steps"), (0, 1, "1 step"), (0, 0, "the beginning")],
)
def test_a_point_of_a_run_is_named_by_epochs_and_steps(epochs_done: int, steps_done: int, words: str) -> None:
    assert point(epochs_done, steps_done) == words


def test_every_phase_has_words() -> None:
    assert all(phase.label for phase in Phase)


def test_why_saving_waits_names_what_to_do() -> None:
    full = StoreBusy("Drive is full", hint="make room at drive.google.com")
    assert waiting(a_view(waiting_for=full)) == "Drive is full; make room at drive.google.com"
    assert waiting(a_view()) is None
