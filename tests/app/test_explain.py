"""`why`: for every state and every way an attempt can end, at most three sentences and something to type."""

import re
from typing import Any

import pytest

from qcqueue.app.explain import Answer, explain
from qcqueue.app.workplace import Workplace
from qcqueue.core.outcomes import REMEDIES, Cause
from qcqueue.core.states import State
from qcqueue.queue.overview import job_lines
from qcqueue.queue.queries import job_detail
from qcqueue.queue.sessions import SessionAttempt, SessionLine
from tests.cli.queues import (
    House,
    a_job,
    apply,
    fail,
    finish,
    interrupt,
    note_time,
    one_of_each,
    put,
    stop,
    take,
    train,
)

NAME = "tiny/vgg16"


def asked(place: Workplace, name: str = NAME) -> Answer:
    with place.read() as tx:
        return explain(job_detail(tx, name), job_lines(tx), now_s=place.clock.now_s() + 300)


def sentences(text: str) -> int:
    """Count sentences: a full stop that ends the text or stands before a new word. Those in numbers do not count."""
    return len(re.findall(r"\.(?= [A-Z0-9]|$)", text))


def queued(house: House, **changes: Any) -> Workplace:
    place = house.queue
    put(place, a_job("vgg16", **changes))
    return place


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained_in_three_sentences_at_most(state: State, house: House) -> None:
    one_of_each(house.queue)
    answer = asked(house.queue, f"tiny/{state}")
    assert answer.why.startswith(f"tiny/{state} ")
    assert answer.why.endswith(".")
    assert 1 <= sentences(answer.why) <= 3
    assert "\n" not in answer.why + answer.hint
    assert answer.hint


def test_a_new_job_waits_for_its_turn(house: House) -> None:
    place = queued(house)
    put(place, a_job("second"), a_job("third"))
    assert asked(place).why == (
        f"{NAME} waits for a session; it is the next one a session will take. None of its 3 epochs is trained yet."
    )
    assert "1 job will be taken before it" in asked(place, "tiny/second").why
    assert "2 jobs will be taken before it" in asked(place, "tiny/third").why
    assert asked(place).hint == "qcqueue work"


def test_a_job_that_was_cut_waits_and_has_lost_no_retry(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    interrupt(place, held, "no heartbeat for 130 s")
    assert asked(place).why.endswith(
        "Attempt 1 was interrupted (no heartbeat for 130 s), which costs no retry. 1 of 3 epochs are saved; it saves "
        "after every epoch: an epoch takes 32.8 s, what a save costs is not measured yet, and sessions are assumed to "
        "live about 2 h 00 min."
    )


def test_a_job_whose_session_reached_its_limit_waits(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1, 2)
    stop(place, held, "reached its limit")
    why = asked(place).why
    assert (
        "Attempt 1 ended: reached its limit. 2 of 3 epochs are saved; it saves after every 3 epochs, every 1 min" in why
    )
    assert "a save stops training for 500 ms and has not reached the store yet" in why
    assert sentences(why) == 3


def test_a_running_job_says_how_often_it_saves_with_the_numbers_its_session_measured(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    pace = {"epoch_s": 600.0, "stall_s": 0.5, "lag_s": 65.0, "steps": 69}
    note_time(place, held, attempt={"train": 1.0}, session={"boot": 1.0}, pace=pace)
    why = asked(place).why
    assert why.endswith(
        "1 of 3 epochs are saved; it saves 7 times an epoch, every 1 min 26 s: an epoch takes 10 min 00 s, a save "
        "stops training for 500 ms and reaches the store 1 min 05 s later, and sessions are assumed to live about "
        "2 h 00 min."
    )
    assert sentences(why) == 3


def test_how_long_sessions_live_is_what_those_that_were_taken_have_shown(house: House) -> None:
    place = queued(house)
    train(place, take(place, NAME), 1)
    taken = SessionLine(
        id="s",
        host="h",
        processor="p",
        started_at_s=0.0,
        ended_at_s=None,
        seen_at_s=5400.0,
        ended_how=None,
        seconds={},
        attempts=(SessionAttempt(job_name=NAME, number=1, started_at_s=1.0, ended_at_s=9.0, seconds={}),),
    )
    with place.read() as tx:
        answer = explain(job_detail(tx, NAME), job_lines(tx), [taken], now_s=place.clock.now_s())
    assert "sessions live about 1 h 30 min" in answer.why


def test_a_running_job_names_who_has_it_and_since_when(house: House) -> None:
    place = queued(house)
    take(place, NAME, session="5e55a0a0a0a0")
    why = asked(place).why
    assert f"{NAME} is held by session 5e55a0a0a0a0 on colab-7, attempt 1, begun 5 min ago." in why
    assert asked(place).hint == f"qcqueue status, or qcqueue log {NAME}"


@pytest.mark.parametrize(("action", "state", "remedy"), [("hold", "held", "release"), ("cancel", "cancelled", "retry")])
def test_what_a_person_did_names_the_person_and_the_way_back(
    action: str, state: str, remedy: str, house: House
) -> None:
    place = queued(house)
    apply(place, NAME, action)
    assert asked(place) == Answer(
        why=f"{NAME} is {state}: {state} by ada@laptop, was queued. None of its 3 epochs is trained yet.",
        hint=f"qcqueue {remedy} {NAME}",
    )


def test_a_running_job_that_is_held_keeps_what_is_saved(house: House) -> None:
    place = queued(house)
    train(place, take(place, NAME), 1)
    apply(place, NAME, "hold")
    assert "held by ada@laptop, was running. 1 of 3 epochs are saved." in asked(place).why


@pytest.mark.parametrize("cause", Cause)
def test_every_failure_names_its_cause_and_its_remedy(cause: Cause, house: House) -> None:
    place = queued(house)
    fail(place, take(place, NAME), cause, "something is wrong with it")
    answer = asked(place)
    assert answer.why.startswith(f"{NAME} failed, {cause.replace('_', ' ')}: something is wrong with it.")
    assert sentences(answer.why) <= 3
    assert answer.hint == REMEDIES[cause].replace("JOB", NAME)
    assert "JOB" not in answer.hint


def test_a_failed_job_that_is_retried_waits_again(house: House) -> None:
    place = queued(house)
    fail(place, take(place, NAME), Cause.OUT_OF_MEMORY, "no memory is left")
    apply(place, NAME, "retry")
    assert "Attempt 1 ended: no memory is left." in asked(place).why
    assert sentences(asked(place).why) <= 3


def test_a_finished_job_says_how_good_it_is(house: House) -> None:
    place = queued(house)
    first = take(place, NAME)
    train(place, first, 1)
    interrupt(place, first)
    second = take(place, NAME)
    finish(place, second, train(place, second, 2, 3))
    assert asked(place) == Answer(
        why=f"{NAME} is done after 3 epochs, in 2 attempts with 1 interruption. "
        "Best epoch 3: validation accuracy 66.7%, test accuracy 66.7%.",
        hint="qcqueue report",
    )


def test_a_job_that_stopped_early_says_so(house: House) -> None:
    place = queued(house, early_stopping=1)
    held = take(place, NAME)
    finish(place, held, train(place, held, 1, 2))
    assert "is done after 2 epochs by early stopping, in 1 attempt" in asked(place).why


@pytest.mark.parametrize(
    ("lineage", "where"),
    [
        ("same", "a a processor"),
        ("refuse", "a machine exactly like that of before (a processor, TensorFlow 2.20 and Keras 3.13)"),
    ],
)
def test_a_job_that_waits_for_a_machine_says_which_and_how_to_stop_waiting(
    lineage: str, where: str, house: House
) -> None:
    place = queued(house, lineage=lineage)
    assert asked(place).hint == "qcqueue work"
    held = take(place, NAME)
    train(place, held, 1)
    stop(place, held, 'its spec says lineage = "refuse", and this machine has Keras 3.14 instead of 3.13')
    answer = asked(place)
    assert answer.why.startswith(
        f"{NAME} waits for a session on {where}; it is the next one a session will take. Attempt 1 ended: its spec "
        'says lineage = "refuse", and this machine has Keras 3.14 instead of 3.13. 1 of 3 epochs are saved; it saves '
    )
    assert sentences(answer.why) == 3
    assert answer.hint == (
        f'qcqueue work, there; or qcqueue cancel {NAME}, and enqueue it under another name with lineage = "any"'
    )


def test_a_job_that_may_go_on_anywhere_waits_for_any_session(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    stop(place, held)
    assert asked(place).why.startswith(f"{NAME} waits for a session; ")
    assert asked(place).hint == "qcqueue work"
