"""The last words of a session: how it ended, what is left, what to do."""

import pytest

from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.states import State
from qcqueue.notebook import block
from qcqueue.notebook.block import ClosingFacts
from qcqueue.providers.base import BareMachine, Provider
from qcqueue.providers.colab import Colab
from qcqueue.providers.kaggle import Kaggle


def left(*states: State, reasons: tuple[str, ...] = (), gpu_help: str | None = None) -> ClosingFacts:
    return ClosingFacts(states=states, reasons=reasons, gpu_help=gpu_help)


def closing(ending: SessionEnd, left: ClosingFacts | None, *, has_trained: bool = True) -> tuple[str, ...]:
    return block.closing(ending, left, has_trained=has_trained)


@pytest.mark.parametrize("ending", [SessionEnd.LIMIT, SessionEnd.ASKED, SessionEnd.NEAR_END, SessionEnd.WITHDRAWN])
def test_a_session_that_trained_nothing_says_so_and_claims_no_save(ending: SessionEnd) -> None:
    said, *_ = closing(ending, left(State.QUEUED), has_trained=False)
    assert said.endswith("; nothing was trained")
    assert closing(ending, left(State.QUEUED))[0].endswith("; everything is saved")


def test_it_says_how_many_jobs_remain_and_to_come_again() -> None:
    said = closing(SessionEnd.FINISHED, left(State.DONE, State.QUEUED, State.RUNNING))
    assert said == (
        "the session finished its jobs; everything is saved",
        "2 jobs remain; next: run this cell again",
    )


def test_one_job_remains_in_the_singular() -> None:
    assert "1 job remains; next: run this cell again" in closing(SessionEnd.LIMIT, left(State.QUEUED))


def test_after_the_last_job_comes_the_report() -> None:
    assert closing(SessionEnd.FINISHED, left(State.DONE))[-1] == "no job waits; on your laptop: qcqueue report"


def test_an_empty_queue_wants_jobs() -> None:
    said = closing(SessionEnd.NOTHING_TO_DO, left())
    assert said[-1] == "the queue is empty; on your laptop: qcqueue enqueue FILE"


def test_where_nothing_can_run_here_each_reason_is_given() -> None:
    facts = left(State.QUEUED, reasons=("a cannot run here: no GPU",), gpu_help=Colab().gpu_help)
    assert closing(SessionEnd.NOTHING_TO_DO, facts)[1:] == (
        "a cannot run here: no GPU",
        "next: choose a GPU under Runtime > Change runtime type, and run this cell again",
    )


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Kaggle(), "choose GPU T4 x2 under Session options > Accelerator"),
        (BareMachine({}), "use a machine with a GPU"),
        (BareMachine({"VSCODE_PID": "17"}), "choose a kernel on a machine with a GPU, under Select Kernel"),
        (
            BareMachine({"PAPERSPACE_NOTEBOOK_REPO_ID": "r7"}),
            "stop this notebook and start it on a machine with a GPU",
        ),
    ],
)
def test_each_place_has_its_own_way_to_a_gpu(place: Provider, words: str) -> None:
    said = closing(SessionEnd.NOTHING_TO_DO, left(State.QUEUED, gpu_help=place.gpu_help))
    assert said[-1] == f"next: {words}, and run this cell again"


def test_a_failed_job_is_named_with_the_command_that_tells_why() -> None:
    said = closing(SessionEnd.JOB_FAILED, left(State.FAILED, State.QUEUED))
    assert "1 job failed; on your laptop: qcqueue status, then qcqueue why JOB" in said


@pytest.mark.parametrize("ending", SessionEnd)
def test_every_ending_has_words_even_where_the_queue_cannot_be_read(ending: SessionEnd) -> None:
    how, following = closing(ending, None)
    assert how
    assert following.endswith("run this cell again")
    assert ("with qcqueue notebook" in following) == (ending is SessionEnd.NEWER_QUEUE)
