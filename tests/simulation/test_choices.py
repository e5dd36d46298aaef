"""Which job a session takes, when it leaves one alone, and what it leaves behind for those who plan."""

from pathlib import Path

import pytest

from qcqueue.conformance.clocks import DAY_ZERO_S
from qcqueue.core.obstacles import Lack, Obstacle
from qcqueue.core.outcomes import Outcome, SessionEnd, Trouble
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.providers.base import Profile
from qcqueue.queue.controls import move
from qcqueue.queue.forecasts import forecast_lines
from qcqueue.queue.sessions import session_lines
from qcqueue.worker.budget import Limits
from qcqueue.worker.job_choice import NO_ROOM
from tests.simulation.colab import Colab
from tests.support.chance import Fault
from tests.support.options import JobPlan


def a_job(epochs: int, *, step_count: int = 2, needs_gpu: bool = False) -> JobPlan:
    return JobPlan(epochs=epochs, step_count=step_count, early_stopping=0, needs_gpu=needs_gpu)


def lent(*, likely_s: float, high_s: float | None = None) -> Profile:
    """A provider whose sessions live about so long, and that gives no GPU for a while afterwards."""
    known = Quantiles(p10_s=likely_s, p50_s=likely_s, p90_s=high_s or likely_s, basis=Basis.PROFILE)
    return Profile(name="lent", title="lends GPUs", session=known, cool_off=known)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "colab"


def taken(colab: Colab) -> list[str]:
    """Return the jobs that were taken, in order."""
    return [
        line.split()[1].removeprefix("world/").removesuffix(":") for line in colab.said if line.startswith("takes ")
    ]


def test_what_is_begun_goes_on_and_then_the_shortest_comes_first(root: Path) -> None:
    colab = Colab(root, [a_job(3), a_job(5), a_job(2)])
    colab.database.transact(lambda tx: move(tx, "job-2", "first", None, who="person", now_s=0.0))
    colab.session(limits=Limits(max_epochs=1, jobs=None))
    assert taken(colab) == ["job-2"]  # a person wanted it first
    colab.session()
    assert taken(colab)[1:] == ["job-2", "job-3", "job-1"]
    assert {line.state for line in colab.lines().values()} == {"done"}


def test_a_session_says_why_it_takes_a_job_and_how_it_knows_what_is_left(root: Path) -> None:
    colab = Colab(root, [a_job(3)])
    colab.session(limits=Limits(max_epochs=1, jobs=None))
    colab.session()
    first, second = (line for line in colab.said if line.startswith("takes "))
    assert first.startswith("takes world/job-1: the shortest, about ")
    assert first.endswith("parameters on Tesla T4)")
    assert second.startswith("takes world/job-1: begun, about ")
    assert second.endswith("left (measured)")
    why = [line.why for line in colab.detail.history if line.what == "claimed"]
    assert [it.partition(",")[0] for it in why] == ["the shortest", "begun"]


def test_near_its_likely_end_a_session_lets_its_job_go_and_begins_none_that_would_not_be_saved(root: Path) -> None:
    colab = Colab(root, [a_job(4, step_count=200), a_job(1)])
    colab.database.transact(lambda tx: move(tx, "job-1", "first", None, who="person", now_s=0.0))
    life = colab.session(profile=lent(likely_s=400.0))
    assert life.session.ending is SessionEnd.NEAR_END
    assert taken(colab) == ["job-1"]
    assert life.session.obstacles["world/job-2"] == NO_ROOM  # its epochs are believed to take as long
    assert {line.state for line in colab.lines().values()} == {"queued"}
    (attempt,) = colab.of("job-1").attempts
    assert attempt.outcome is Outcome.STOPPED
    assert "is not worth going on" in str(attempt.reason).lower()
    assert "(profile)" in str(attempt.reason)
    assert attempt.seconds.get("lost", 0.0) == pytest.approx(0.0, abs=1.0)  # what it had trained was saved


def test_one_job_a_session_leaves_and_gives_the_machine_back(root: Path) -> None:
    colab = Colab(root, [a_job(4, step_count=200), a_job(1)])
    colab.database.transact(lambda tx: move(tx, "job-1", "first", None, who="person", now_s=0.0))
    life = colab.session(profile=lent(likely_s=400.0), limits=Limits())
    assert life.session.ending is SessionEnd.NEAR_END
    assert taken(colab) == ["job-1"]


@pytest.mark.parametrize("likely_s", [30.0, 70.0, 100.0, 400.0])
def test_a_session_that_outlives_its_start_and_one_epoch_saves_something(root: Path, likely_s: float) -> None:
    colab = Colab(root, [a_job(4, step_count=20)])
    colab.session(profile=lent(likely_s=likely_s), taken_after_s=60.0)
    assert colab.lines()["job-1"].epochs_done >= 1


def test_a_promise_is_a_deadline_and_is_written_down(root: Path) -> None:
    colab = Colab(root, [a_job(40, step_count=20)])
    began_s = colab.time.now_s
    life = colab.session(limits=Limits(promised_minutes=2.0, jobs=None))
    assert life.session.ending is SessionEnd.LIMIT
    assert colab.time.now_s <= began_s + 125.0
    with colab.database.read() as tx:
        (line,) = session_lines(tx)
    assert line.promised_until_s == pytest.approx(DAY_ZERO_S + began_s + 120.0, abs=2.0)
    assert (line.profile, line.has_gpu) == ("local", True)


def test_a_session_foresees_its_own_end_where_its_provider_takes_machines_away(root: Path) -> None:
    colab = Colab(root, [a_job(2)])
    began_s = colab.time.now_s
    colab.session(profile=lent(likely_s=500.0, high_s=900.0), limits=Limits(max_epochs=1, jobs=None))
    with colab.database.read() as tx:
        (line,) = forecast_lines(tx)
    assert (line.session_id, line.study, line.came_at_s) == ("s1", None, None)
    assert line.not_before_s is not None  # it left by itself
    assert line.low_s - began_s == pytest.approx(DAY_ZERO_S + 500, abs=3)
    assert line.high_s - began_s == pytest.approx(DAY_ZERO_S + 900, abs=3)
    colab.session()
    with colab.database.read() as tx:
        assert len(forecast_lines(tx)) == 1


def test_a_job_that_wants_more_memory_twice_is_held_and_the_lent_gpu_goes_on_with_the_next(root: Path) -> None:
    colab = Colab(root, [a_job(1), a_job(2)])
    life = colab.session(profile=lent(likely_s=9000.0), rates={Fault.TRAINER_OUT_OF_MEMORY: 1.0})
    assert life.session.ending is SessionEnd.CANNOT_START
    assert {line.state for line in colab.lines().values()} == {"queued"}
    assert [attempt.trouble for attempt in colab.detail.attempts] == [Trouble.MEMORY]

    life = colab.session(profile=lent(likely_s=9000.0), rates={Fault.TRAINER_OUT_OF_MEMORY: 1.0})
    assert life.session.ending is SessionEnd.JOB_HELD
    assert taken(colab) == ["job-1", "job-2", "job-1", "job-2"]
    assert {line.state for line in colab.lines().values()} == {"held"}
    held = colab.detail.history[-1]
    assert held.what == "held"
    assert "a smaller batch_size" in held.why
    assert "release it for a session" in held.why
    assert [attempt.outcome for attempt in colab.detail.attempts] == [Outcome.INTERRUPTED, Outcome.STOPPED]


def test_a_session_without_a_gpu_says_that_there_is_nothing_for_it(root: Path) -> None:
    colab = Colab(root, [a_job(1, needs_gpu=True)])
    life = colab.session("a CPU", has_gpu=False)
    assert life.session.ending is SessionEnd.CANNOT_START
    missing = Obstacle('its spec says device = "gpu" and this machine has none', Lack.GPU)
    assert life.session.obstacles == {"world/job-1": missing}
    assert life.trainer.lives == 0


def test_a_session_without_a_gpu_takes_what_may_run_there_and_states_how_long_that_is(root: Path) -> None:
    colab = Colab(root, [a_job(1, needs_gpu=True), a_job(1)])
    colab.session("a CPU", has_gpu=False)
    assert taken(colab) == ["job-2"]
    (line,) = (line for line in colab.said if line.startswith("takes "))
    assert line.endswith("parameters on a CPU, and this is a CPU)")
