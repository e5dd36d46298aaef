"""What an end means: final or worth another try, where else a job may go, and which of two endings is the worse."""

import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from qcqueue.core.outcomes import SessionEnd, Trouble, worse_of
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.spool.files import FAILED
from qcqueue.text.humanize import DAY_S
from qcqueue.worker.committer import Saved
from qcqueue.worker.machine import Machine
from qcqueue.worker.progress_text import left_unsaved, studies_foreseen
from qcqueue.worker.trainer_exit import MOST_DEATHS, tried, why_not_again
from tests.support.specs import a_spec

MACHINE = Machine(id="m", host="h", processor="Tesla T4", has_gpu=True, threads=2, cpu="Xeon")


@pytest.mark.parametrize(
    ("exit_code", "has_begun", "ran_out_of_memory", "deaths", "trouble"),
    [
        (1, True, False, 1, Trouble.UNEXPLAINED),
        (120, True, True, 1, Trouble.UNEXPLAINED),
        (1, False, False, 1, Trouble.LIBRARIES),  # it never came to look at the job
        (FAILED, True, False, 1, Trouble.DISK),  # it could not even write down why
        (-signal.SIGKILL, True, True, 1, Trouble.MEMORY),
        (-signal.SIGSEGV, True, True, 1, None),
        (-signal.SIGSEGV, False, False, 2, None),
        (-signal.SIGKILL, True, False, 2, None),
        (-signal.SIGKILL, True, False, MOST_DEATHS, Trouble.UNEXPLAINED),
        (-signal.SIGSEGV, True, False, MOST_DEATHS, Trouble.UNEXPLAINED),
        (-signal.SIGSEGV, False, False, MOST_DEATHS, Trouble.LIBRARIES),  # it never came to look at the job
        (-signal.SIGKILL, False, False, MOST_DEATHS, Trouble.LIBRARIES),
        (-signal.SIGILL, True, False, MOST_DEATHS, Trouble.LIBRARIES),  # built for another processor
        (-signal.SIGBUS, True, False, MOST_DEATHS, Trouble.DISK),  # a page of the dataset that cannot be read
        (-signal.SIGBUS, True, False, 1, None),
    ],
)
def test_an_end_without_a_word_is_a_trouble_or_worth_another_try_and_never_the_jobs_alone(
    exit_code: int, has_begun: bool, ran_out_of_memory: bool, deaths: int, trouble: Trouble | None
) -> None:
    failure = why_not_again(
        exit_code, "KeyError: 'x'", has_begun=has_begun, ran_out_of_memory=ran_out_of_memory, deaths=deaths
    )
    assert (failure and failure.cause) == trouble


@pytest.mark.parametrize(
    ("saved", "epochs_done", "steps_done", "what"),
    [
        (11, 14, 0, "epochs 12 to 14 of s/j"),
        (11, 13, 5, "epochs 12 to 14 of s/j"),
        (None, 1, 0, "epoch 1 of s/j"),
        (3, 3, 7, "epoch 4 of s/j"),
        (3, 3, 0, "the end of epoch 3 of s/j"),
    ],
)
def test_what_lies_on_a_machine_alone_is_named(saved: int | None, epochs_done: int, steps_done: int, what: str) -> None:
    written: Any = SimpleNamespace(epochs_done=epochs_done, partial=SimpleNamespace(steps_done=steps_done))
    stored = None if saved is None else Saved(epochs_done=saved, steps_done=0, at_s=0.0)
    assert left_unsaved("s/j", stored, written) == what
    assert left_unsaved("s/j", stored, None) == "the final evaluation of s/j"


def a_claim(**changes: Any) -> Any:
    return SimpleNamespace(spec=a_spec(**changes), checkpoints=())


def test_a_cpu_is_offered_only_where_the_gpu_is_ones_own_and_the_run_may_go_on_there() -> None:
    free: dict[str, bool] = {"on_cpu": False, "is_lent": False, "has_saved": True}
    assert tried(a_claim(), MACHINE, **free).cpu == "Xeon"
    assert tried(a_claim(), MACHINE, **{**free, "is_lent": True}).cpu is None
    assert tried(a_claim(lineage="same"), MACHINE, **free).cpu is None
    assert tried(a_claim(lineage="same"), MACHINE, **{**free, "has_saved": False}).cpu == "Xeon"
    on_cpu = tried(a_claim(), MACHINE, **{**free, "on_cpu": True})
    assert (on_cpu.processor, on_cpu.on_gpu, on_cpu.cpu) == ("Xeon", False, None)


def test_a_failed_job_is_worse_than_one_that_was_let_go() -> None:
    assert worse_of(None, None) is None
    assert worse_of(None, SessionEnd.NEAR_END) is SessionEnd.NEAR_END
    assert worse_of(SessionEnd.NEAR_END, SessionEnd.JOB_FAILED) is SessionEnd.JOB_FAILED
    assert worse_of(SessionEnd.JOB_FAILED, SessionEnd.JOB_HELD) is SessionEnd.JOB_FAILED


JUNE_S = 1780315200.0  # noon of 1 June 2026, UTC
OWN = ForecastLine(session_id="s", study=None, made_at_s=JUNE_S, low_s=JUNE_S, likely_s=JUNE_S, high_s=JUNE_S)


def test_studies_are_foreseen_in_words_and_the_sessions_own_end_is_not() -> None:
    six = replace(OWN, study="six", low_s=JUNE_S + 20 * DAY_S, likely_s=JUNE_S + 21 * DAY_S, high_s=JUNE_S + 25 * DAY_S)
    assert list(studies_foreseen([OWN, six])) == ["six is likely done by 22 Jun, 21 Jun to 26 Jun"]


def test_a_range_of_one_day_is_no_range_and_of_what_is_about_to_be_done_nothing_is_said() -> None:
    day_s = JUNE_S + 21 * DAY_S
    sure = replace(OWN, study="six", low_s=day_s, likely_s=day_s, high_s=day_s)
    soon = replace(OWN, study="tiny", low_s=JUNE_S + 60, likely_s=JUNE_S + 299, high_s=JUNE_S + 400)
    assert list(studies_foreseen([sure, soon])) == ["six is likely done by 22 Jun"]
