"""What is still to be done, what epochs have taken, and what sessions foresaw, read from a queue with a past."""

from dataclasses import replace

import pytest
from sqlalchemy import event

from qcqueue.core.states import State
from qcqueue.queue.attempts import finish, stop
from qcqueue.queue.claim import begin_session, candidates, end_session
from qcqueue.queue.controls import move
from qcqueue.queue.forecasts import ForecastLine, forecast_lines, note_forecasts
from qcqueue.queue.pending import PendingJob, epochs_seen, jobs_ahead
from tests.queue.desk import PREDICTIONS, SUMMARY, TIMING, Desk, result, spec


def ahead(desk: Desk) -> dict[str, PendingJob]:
    return {job.name.removeprefix("study/"): job for job in desk.ask(jobs_ahead)}


def test_what_is_queued_or_running_is_ahead_in_the_order_of_the_queue(desk: Desk) -> None:
    desk.enqueue("a", "b", "c", "d")
    desk.control("hold", "c")
    desk.train(desk.must_claim("s1", job="b"), 0.5, 0.4)
    jobs = ahead(desk)
    assert {name: job.state for name, job in jobs.items()} == {
        "a": State.QUEUED,
        "b": State.RUNNING,
        "d": State.QUEUED,
    }
    assert [(job.epochs_done, job.epochs_left) for job in jobs.values()] == [(0, 5), (2, 3), (0, 5)]
    assert {job.train_images for job in jobs.values()} == {SUMMARY.train}
    assert [job.processor for job in jobs.values()] == [None, "p", None]


def test_a_job_waits_for_each_session_that_took_another(desk: Desk) -> None:
    desk.enqueue("a", "b")
    for session in ("s1", "s2", "s2"):
        desk.do(stop, desk.must_claim(session, job="b"), why="its limit")
    assert (ahead(desk)["a"].sessions_waited, ahead(desk)["b"].sessions_waited) == (2, 0)
    desk.do(stop, desk.must_claim("s3", job="a"), why="its limit")
    assert (ahead(desk)["a"].sessions_waited, ahead(desk)["b"].sessions_waited) == (0, 1)


def test_a_place_that_a_person_gave_is_remembered(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.do(move, "b", "first", None, who="user")
    assert {name: job.was_moved for name, job in ahead(desk).items()} == {"b": True, "a": False}


def test_epochs_are_seen_by_job_and_processor_without_compiling(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.train(desk.must_claim("s1", job="a"), 0.5, 0.4)
    desk.train(desk.must_claim("s2", job="b"), 0.5)
    seen = {it.job_name: it for it in desk.ask(epochs_seen)}
    assert {name: it.count for name, it in seen.items()} == {"study/a": 2, "study/b": 1}
    took_s = TIMING.train_s - (TIMING.first_step_s or 0.0) + TIMING.val_s
    assert seen["study/a"].mean_s == pytest.approx(took_s)
    one = seen["study/a"]
    height, width = spec("a").image_size
    assert (one.model, one.pixels, one.train_images) == (spec("a").model, height * width, SUMMARY.train)


def a_forecast(session: str, study: str | None, *, made_at_s: float = 10.0) -> ForecastLine:
    return ForecastLine(session_id=session, study=study, made_at_s=made_at_s, low_s=20.0, likely_s=30.0, high_s=40.0)


def test_a_forecast_of_a_study_has_come_when_its_last_job_is_done(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.database.transact(lambda tx: note_forecasts(tx, [a_forecast("s1", "study")]))
    for job in ("a", "b"):
        (line,) = desk.ask(forecast_lines)
        assert line == a_forecast("s1", "study")
        held = desk.must_claim("s1", job=job)
        desk.train(held, 0.5)
        desk.do(finish, held, result(1), PREDICTIONS)
    (line,) = desk.ask(forecast_lines)
    assert line == replace(a_forecast("s1", "study"), came_at_s=desk.now_s)


def test_a_forecast_of_a_sessions_end_has_come_when_it_vanished_and_not_when_it_left(desk: Desk) -> None:
    desk.enqueue("a", "b")
    for session in ("s1", "s2"):
        desk.do(begin_session, session, machine="m", host="h", processor="p")
    desk.database.transact(lambda tx: note_forecasts(tx, [a_forecast("s1", None), a_forecast("s2", None)]))
    desk.must_claim("s1", job="a")
    desk.must_claim("s2", job="b", gone={("study/a", 1): "no heartbeat"})
    desk.do(end_session, "s2", how="left")
    vanished, left = desk.ask(forecast_lines)
    assert (left.came_at_s, left.not_before_s) == (None, desk.now_s)
    assert vanished.not_before_s is None


@pytest.mark.parametrize("desk", ["in a file"], indirect=True)
def test_no_job_has_all_epochs_of_the_queue_searched(desk: Desk) -> None:
    """With 90,000 epochs that took a minute."""
    statements: list[str] = []
    with desk.database.read() as tx:
        event.listen(tx, "before_cursor_execute", lambda c, cursor, statement, *rest: statements.append(statement))
        jobs_ahead(tx)
        candidates(tx)
        plans = [
            [row.detail for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {it}", ("queued",) * it.count("?"))]
            for it in [*statements]
            if "FROM jobs" in it
        ]
    assert len(plans) == 2
    assert [line for plan in plans for line in plan if line.startswith("SCAN epochs")] == []
