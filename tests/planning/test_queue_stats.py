"""What the queue and its past tell of the days to come: which machine, how long, and what cannot be told."""

from dataclasses import replace

import pytest

from qcqueue.clock import seeded
from qcqueue.core.states import State
from qcqueue.planning.estimates import Processor
from qcqueue.planning.queue_stats import A_CPU, QueueStats
from qcqueue.providers.registry import profile
from qcqueue.queue.pending import EpochsSeen, PendingJob
from qcqueue.queue.sessions import SessionAttempt, SessionLine
from tests.support.specs import a_spec

T4 = Processor(name="Tesla T4", is_gpu=True)


def a_session(processor: str, *, has_gpu: bool | None, profile: str = "", began_s: float = 0.0) -> SessionLine:
    return SessionLine(
        id=f"{processor} {began_s}",
        host="h",
        processor=processor,
        started_at_s=began_s,
        ended_at_s=began_s + 60,
        seen_at_s=None,
        ended_how="left",
        seconds={},
        attempts=(),
        profile=profile,
        has_gpu=has_gpu,
    )


def a_job(name: str, **changes: object) -> PendingJob:
    spec = a_spec(study=name.partition("/")[0], name=name.partition("/")[2], **changes)
    return PendingJob(
        name=name,
        spec=spec,
        state=State.QUEUED,
        epochs_done=0,
        train_images=2200,
        processor=None,
        was_moved=False,
        sessions_waited=0,
    )


def an_outlook(
    *jobs: PendingJob, sessions: tuple[SessionLine, ...] = (), epochs: tuple[EpochsSeen, ...] = (), name: str = "local"
) -> QueueStats:
    return QueueStats(profile=profile(name), ahead=jobs, epochs=epochs, sessions=sessions, now_s=1000.0)


@pytest.mark.parametrize(
    ("name", "sessions", "expected"),
    [
        ("colab-free", (), T4),
        ("colab-free", (a_session("NVIDIA L4", has_gpu=True),), Processor(name="NVIDIA L4", is_gpu=True)),
        ("colab-free", (a_session("NVIDIA L4", has_gpu=True), a_session("Xeon", has_gpu=False)), None),
        ("colab-free", (a_session("Xeon", has_gpu=False),), T4),
        ("colab-free", (a_session("Tesla P100", has_gpu=True, profile="kaggle"),), T4),
        ("local", (), A_CPU),
        ("local", (a_session("Ryzen", has_gpu=False),), Processor(name="Ryzen", is_gpu=False)),
        ("local", (a_session("RTX", has_gpu=True),), Processor(name="RTX", is_gpu=True)),
    ],
)
def test_the_next_session_computes_on_what_the_last_of_its_kind_did(
    name: str, sessions: tuple[SessionLine, ...], expected: Processor | None
) -> None:
    found = an_outlook(sessions=sessions, name=name).processor
    assert found == (expected or Processor(name="NVIDIA L4", is_gpu=True))


def test_a_job_for_a_cpu_takes_as_long_as_on_a_cpu_in_a_session_with_a_gpu_too() -> None:
    stats = an_outlook(a_job("s/any"), a_job("s/cpu", device="cpu"), name="colab-free")
    any_s, cpu_s = (work.epoch_s for work in stats.works(T4))
    assert cpu_s == pytest.approx(14 * any_s)
    assert [work.epoch_s for work in stats.works(A_CPU)] == pytest.approx([cpu_s, cpu_s])


def test_the_cpu_that_was_measured_on_is_the_one_to_expect() -> None:
    seen = EpochsSeen(
        job_name="s/cpu",
        model="VGG16",
        processor="Xeon",
        on_gpu=False,
        train_images=2200,
        pixels=5625,
        trainable="all",
        count=3,
        mean_s=77.0,
    )
    stats = an_outlook(a_job("s/cpu", device="cpu"), epochs=(seen,), name="colab-free")
    assert stats.cpu == Processor(name="Xeon", is_gpu=False)
    assert [work.epoch_s for work in stats.works(T4)] == [77.0]


def test_a_campaign_knows_what_is_begun_moved_running_or_all_but_done() -> None:
    begun = replace(a_job("s/begun"), epochs_done=30, processor="Tesla T4")
    running = replace(a_job("s/running"), state=State.RUNNING)
    trained = replace(a_job("s/trained"), epochs_done=100, processor="Tesla T4")
    moved = replace(a_job("s/moved"), was_moved=True)
    works = {work.name: work for work in an_outlook(begun, running, trained, moved, a_job("s/new")).works(T4)}
    assert {name for name, work in works.items() if work.begun} == {"s/begun", "s/running", "s/trained"}
    assert {name for name, work in works.items() if work.pinned} == {"s/moved"}
    assert works["s/begun"].epochs == 70
    assert works["s/trained"].epochs == 1, "its evaluation is left"


def test_nothing_is_said_of_a_study_with_a_job_of_unknown_length() -> None:
    stats = an_outlook(a_job("one/a"), a_job("one/b", model="Unheard"), a_job("two/a", seed=2), name="colab-free")
    found = stats.forecast(T4, jobs=1, rng=seeded(1), worlds=5)
    assert found.all is None
    assert set(found.studies) == {"two"}
    assert set(found.jobs) == {"one/a", "two/a"}


def at_work(**seconds: float) -> SessionLine:
    """A session of this machine that has trained, and what its time went into."""
    attempt = SessionAttempt(job_name="s/a", number=1, started_at_s=1.0, ended_at_s=50.0, seconds=seconds)
    return replace(a_session("Ryzen", has_gpu=False), attempts=(attempt,), seconds={"boot": 4.0})


def test_a_forecast_counts_the_start_and_the_compiling_of_every_session_and_the_way_of_its_saves() -> None:
    measured = {"import": 6.0, "data": 2.0, "compile": 40.0, "train": 100.0}
    stats = an_outlook(a_job("s/a", epochs=10), a_job("s/b", epochs=10), sessions=(at_work(**measured),))
    assert stats.start.seconds == 4.0 + 6.0 + 2.0 + 40.0
    works, costs = stats.works(stats.processor), stats.costs()
    found = stats.forecast(stats.processor, jobs=1, rng=seeded(1))
    assert found.all
    trained_s = sum(work.left_s for work in works)
    assert found.all.p50_s == pytest.approx(trained_s + 2 * (costs.start_s + costs.lag_s), rel=0.01)


def test_a_forecast_of_a_machine_that_nobody_takes_away_is_a_range_too() -> None:
    stats = an_outlook(a_job("s/a", epochs=10), sessions=(at_work(compile=40.0, train=100.0),))
    found = stats.forecast(stats.processor, jobs=1, rng=seeded(1))
    assert found.all
    assert found.all.p10_s < 0.7 * found.all.p50_s < 0.7 * 0.7 * found.all.p90_s


def test_what_is_measured_is_foreseen_more_sharply_than_what_is_estimated() -> None:
    seen = EpochsSeen(
        job_name="s/a",
        model="VGG16",
        processor="Ryzen",
        on_gpu=False,
        train_images=2200,
        pixels=5625,
        trainable="all",
        count=3,
        mean_s=77.0,
    )
    spans = []
    for epochs in ((), (seen,)):
        stats = an_outlook(a_job("s/a"), sessions=(at_work(compile=40.0, train=100.0),), epochs=epochs)
        found = stats.forecast(stats.processor, jobs=1, rng=seeded(1)).all
        assert found
        spans.append(found.p90_s / found.p10_s)
    assert spans[1] < 2 < spans[0]


def test_nothing_is_foreseen_of_a_job_for_a_gpu_where_sessions_come_without() -> None:
    jobs = a_job("one/gpu", device="gpu"), a_job("two/any", seed=2)
    came = an_outlook(*jobs, sessions=(a_session("Ryzen", has_gpu=False),))
    found = came.forecast(came.processor, jobs=1, rng=seeded(1), worlds=5)
    assert (found.all, set(found.studies), set(found.jobs)) == (None, {"two"}, {"two/any"})
    nobody_yet = an_outlook(*jobs)
    assert nobody_yet.forecast(nobody_yet.processor, jobs=1, rng=seeded(1), worlds=5).all


def test_a_study_of_minutes_is_mostly_assumed_until_starts_are_measured() -> None:
    toy = a_job("s/a", epochs=1)
    assert an_outlook(replace(toy, train_images=65)).is_mostly_assumed("s", A_CPU)
    assert not an_outlook(a_job("s/a", epochs=100)).is_mostly_assumed("s", A_CPU)


def vanished(machine: str, began_s: float, *, held_s: float = 50.0) -> SessionLine:
    line = a_session("Tesla T4", has_gpu=True, profile="colab-free", began_s=began_s)
    attempt = SessionAttempt(job_name="s/a", number=1, started_at_s=began_s, ended_at_s=began_s + held_s, seconds={})
    seen = {"seen_at_s": began_s + held_s, "attempts": (attempt,), "machine": machine}
    return replace(line, ended_at_s=None, ended_how=None, **seen)  # type: ignore[arg-type]


def test_a_machine_that_was_seen_again_was_not_taken_away() -> None:
    crashed, taken = vanished("a", 0.0), vanished("b", 100.0)
    again = replace(a_session("Tesla T4", has_gpu=True, profile="colab-free", began_s=60.0), machine="a")
    stats = an_outlook(sessions=(crashed, again, taken), name="colab-free")
    once = an_outlook(sessions=(taken,), name="colab-free")
    assert stats.quota.cool_off == once.quota.cool_off
    assert stats.life(has_gpu=True).seen == 3


def test_a_session_that_left_when_its_promised_time_was_up_was_taken_away() -> None:
    left = replace(a_session("Tesla T4", has_gpu=True, profile="colab-free"), ended_how="reached its limit")
    assert an_outlook(sessions=(left,), name="colab-free").quota.returns_at_s is None
    promised = replace(left, promised_until_s=60.0)
    assert an_outlook(sessions=(promised,), name="colab-free").quota.returns_at_s is not None


def test_epochs_of_before_sessions_told_of_gpus_count_as_what_computed_them() -> None:
    seen = EpochsSeen(
        job_name="s/a",
        model="VGG16",
        processor="Tesla T4",
        on_gpu=True,
        train_images=2200,
        pixels=5625,
        trainable="all",
        count=3,
        mean_s=15.0,
    )
    stats = an_outlook(a_job("s/a"), epochs=(seen,), sessions=(a_session("Tesla T4", has_gpu=None),))
    assert [work.epoch_s for work in stats.works(T4)] == [15.0]
