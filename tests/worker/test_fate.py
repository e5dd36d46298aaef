"""What an end means: final or worth another try, where else a job may go, and which of two endings is the worse."""

import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from qcqueue.core.outcomes import Cause
from qcqueue.core.words import DAY_S
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.testing.specs import a_spec
from qcqueue.worker.fate import fatal, studies_foreseen, tried, worse_of
from qcqueue.worker.machine import Machine
from qcqueue.worker.view import Ending

MACHINE = Machine(id="m", host="h", processor="Tesla T4", has_gpu=True, threads=2, cpu="Xeon")


@pytest.mark.parametrize(
    ("exit_code", "ran_out_of_memory", "deaths", "cause"),
    [
        (1, False, 1, Cause.CODE_ERROR),
        (-signal.SIGKILL, True, 1, Cause.OUT_OF_MEMORY),
        (-signal.SIGSEGV, True, 1, None),
        (-signal.SIGKILL, False, 2, None),
        (-signal.SIGKILL, False, 3, Cause.CODE_ERROR),
    ],
)
def test_an_unexplained_end_is_final_where_another_would_be_the_same(
    exit_code: int, ran_out_of_memory: bool, deaths: int, cause: Cause | None
) -> None:
    failure = fatal(exit_code, "KeyError: 'x'", ran_out_of_memory=ran_out_of_memory, deaths=deaths)
    assert (failure and failure.cause) == cause


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
    assert worse_of(None, Ending.NEAR_END) is Ending.NEAR_END
    assert worse_of(Ending.NEAR_END, Ending.JOB_FAILED) is Ending.JOB_FAILED
    assert worse_of(Ending.JOB_FAILED, Ending.JOB_HELD) is Ending.JOB_FAILED


def test_studies_are_foreseen_in_words_and_the_sessions_own_end_is_not() -> None:
    june_s = 1780315200.0  # noon of 1 June 2026, UTC
    own = ForecastLine(session_id="s", study=None, made_at_s=june_s, low_s=june_s, likely_s=june_s, high_s=june_s)
    six = replace(own, study="six", low_s=june_s + 20 * DAY_S, likely_s=june_s + 21 * DAY_S, high_s=june_s + 25 * DAY_S)
    assert list(studies_foreseen([own, six])) == ["six is likely done by 22 Jun, 21 Jun to 26 Jun"]
