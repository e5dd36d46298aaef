"""`why`: for every state, and every way into it, at most three sentences that are true and something to type."""

import re
from dataclasses import replace
from typing import Any

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.app.explain import Answer, explain
from qcqueue.app.queue_summary import QueueView, see
from qcqueue.app.settings import Settings
from qcqueue.core.failure_policy import Hold, Tried, remedy
from qcqueue.core.outcomes import Cause, Trouble, advice_on
from qcqueue.core.records import Rehearsal
from qcqueue.core.states import State
from qcqueue.core.step_choice import StepChoice, StepTrial
from qcqueue.planning.stopping_rule import Unit, judge
from qcqueue.planning.survival import learnt_life
from qcqueue.queue import attempts
from qcqueue.queue.controls import move
from qcqueue.queue.job_detail import job_detail
from tests.cli.queues import (
    House,
    a_job,
    apply,
    attend,
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
HOUR_S, DAY_S = 3600.0, 86_400.0


def looked_at(place: QueueContext, *, later_s: float = 300.0, profile: str = "local") -> QueueView:
    settings = Settings(store=None, cache=place.cache, source="a test", config=place.cache, profile=profile)
    seen = see(place, settings)
    return replace(seen, stats=replace(seen.stats, now_s=seen.stats.now_s + later_s))


def asked(place: QueueContext, name: str = NAME, *, later_s: float = 300.0, profile: str = "local") -> Answer:
    """Ask, and hold the answer against what every answer must be."""
    with place.read() as tx:
        detail = job_detail(tx, name)
    answer = explain(detail, looked_at(place, later_s=later_s, profile=profile))
    assert answer.why.startswith(f"{name} ")
    assert answer.why.endswith(".")
    assert 1 <= sentences(answer.why) <= 3, answer.why
    assert "\n" not in answer.why + answer.hint
    assert answer.hint
    return answer


def sentences(text: str) -> int:
    """Count sentences: a full stop that ends the text or stands before a new word. Those in numbers do not count."""
    return len(re.findall(r"\.(?= [A-Z0-9]|$)", text))


def queued(house: House, **changes: Any) -> QueueContext:
    place = house.queue
    put(place, a_job("vgg16", **changes))
    return place


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State, house: House) -> None:
    one_of_each(house.queue)
    asked(house.queue, f"tiny/{state}")


# It waits: for its turn, by the reasons of the policy.


def test_a_new_job_is_the_next_because_it_is_the_shortest(house: House) -> None:
    assert asked(queued(house)) == Answer(
        why=f"{NAME} waits for a session; it is the next one a session will take: the shortest, about 2.6 s left. "
        "None of its 3 epochs is trained yet.",
        hint="qcqueue work",
    )


def test_a_longer_job_waits_for_the_shorter_ones_wherever_they_stand(house: House) -> None:
    place = queued(house, epochs=100)
    put(place, a_job("short", seed=2))
    assert f"{NAME} waits for a session; 1 job will be taken before it, tiny/short: the shortest" in asked(place).why
    put(place, a_job("shorter", epochs=1, seed=3))
    assert "2 jobs will be taken before it, first tiny/shorter: the shortest, about 859 ms left." in asked(place).why


def test_a_job_waits_for_what_is_begun_even_where_that_is_longer(house: House) -> None:
    place = queued(house)
    put(place, a_job("long", epochs=90, seed=2))
    held = take(place, "tiny/long")
    train(place, held, 1)
    stop(place, held)
    assert "1 job will be taken before it, tiny/long: begun, about " in asked(place).why


def test_a_job_that_a_person_moved_says_so(house: House) -> None:
    place = queued(house, epochs=100)
    put(place, a_job("short", seed=2))
    place.transact(lambda tx: move(tx, NAME, "first", None, who="ada@laptop", now_s=place.clock.now_s()))
    assert "it is the next one a session will take: a person moved it to this place." in asked(place).why
    assert f"1 job will be taken before it, {NAME}: a person moved it" in asked(place, "tiny/short").why


def test_a_job_that_has_waited_for_ten_sessions_goes_before_shorter_ones(house: House) -> None:
    place = queued(house, epochs=100)
    others = [f"other-{number}" for number in range(10)]
    put(place, *(a_job(name, epochs=1, seed=number) for number, name in enumerate(others, start=2)))
    for name in others[:9]:
        attend(place, f"tiny/{name}", ago_s=-1.0, held_s=1.0)
    assert "10 jobs will be taken before it, first tiny/" in asked(place).why
    attend(place, f"tiny/{others[9]}", ago_s=-1.0, held_s=1.0)
    assert "it is the next one a session will take: it has waited for 10 sessions." in asked(place).why


def test_a_job_goes_first_where_its_deadline_would_be_missed_in_its_turn(house: House) -> None:
    place = house.queue
    deadline_s = place.clock.now_s() + 400.0
    put(place, a_job("short", epochs=100, seed=2), a_job("vgg16", epochs=110, deadline_s=deadline_s))
    why = asked(place, "tiny/short").why
    assert f"1 job will be taken before it, {NAME}: it would miss its deadline" in why


# It waits: after what has happened to it.


def test_a_job_that_was_cut_waits_and_has_lost_no_retry(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    interrupt(place, held, "no heartbeat for 130 s")
    why = asked(place).why
    assert "the next one a session will take: begun, about 1 min 06 s left. Attempt 1 was interrupted" in why
    assert why.endswith(
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


def test_a_job_that_was_left_near_the_end_of_a_session_says_with_which_numbers(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    life = learnt_life([], profile=None).promised(3600.0)
    verdict = judge(Unit(train_s=500.0, stall_s=1.0, lag_s=9.0), life, age_s=3300.0, has_saved=True)
    assert not verdict.is_worth_it
    stop(place, held, verdict.reason)
    why = asked(place).why
    assert "Attempt 1 ended: it is not worth going on: the next save is safe in 8 min 30 s, and 55 min 00 s old" in why
    assert sentences(why) == 3


def test_an_error_of_many_sentences_is_one_of_ours(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    interrupt(place, held, "The trainer vanished. Its last words:\nKilled. Nobody knows why. 3 times.")
    assert "(The trainer vanished; Its last words: Killed; Nobody knows why; 3 times), which" in asked(place).why


def test_a_failed_job_that_is_retried_waits_again(house: House) -> None:
    place = queued(house)
    fail(place, take(place, NAME), Cause.OUT_OF_MEMORY, "no memory is left")
    apply(place, NAME, "retry")
    assert "Attempt 1 ended: no memory is left." in asked(place).why


# It waits: for a machine.


@pytest.mark.parametrize(
    ("lineage", "where"),
    [
        ("same", "a Tesla T4"),
        ("refuse", "a machine exactly like that of before (Tesla T4, TensorFlow 2.20 and Keras 3.13)"),
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
    assert answer.why.startswith(f"{NAME} waits for a session on {where}; it is the next one a session will take: ")
    assert "Keras 3.14 instead of 3.13. 1 of 3 epochs are saved; it saves " in answer.why
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


def test_a_job_for_a_cpu_says_why_any_session_will_do(house: House) -> None:
    answer = asked(queued(house, device="cpu"), profile="colab-free")
    assert 'waits for a session, with a GPU or without, because its spec says device = "cpu"; ' in answer.why
    assert answer.hint == "qcqueue work"


@pytest.mark.parametrize(("device", "what"), [("any", "a session"), ("gpu", "a session with a GPU")])
def test_while_the_gpu_is_away_a_job_says_when_it_is_likely_to_return(device: str, what: str, house: House) -> None:
    place = queued(house, device=device)
    attend(place, NAME, 1, ago_s=3 * HOUR_S, held_s=2 * HOUR_S)
    answer = asked(place, profile="colab-free")
    assert f"{NAME} waits for {what}, and a GPU is likely to be had again t" in answer.why
    assert " (profile); it is the next one a session will take: begun" in answer.why
    assert answer.hint == "qcqueue quota, and qcqueue work once a GPU is to be had"


def test_once_the_gpu_is_back_nothing_is_said_of_it(house: House) -> None:
    place = queued(house)
    attend(place, NAME, 1, ago_s=6 * DAY_S, held_s=2 * HOUR_S)
    answer = asked(place, profile="colab-free")
    assert f"{NAME} waits for a session; " in answer.why
    assert answer.hint == "qcqueue work"


@pytest.mark.parametrize(("sessions", "which"), [(1, "the last session"), (2, "the last 2 sessions")])
def test_a_job_that_must_have_a_gpu_says_that_the_last_sessions_had_none(
    sessions: int, which: str, house: House
) -> None:
    place = queued(house, device="gpu")
    put(place, *(a_job(f"other-{number}", seed=number) for number in range(2, 5)))
    attend(place, "tiny/other-2", ago_s=9 * HOUR_S, held_s=60.0)
    for number in range(sessions):
        attend(place, f"tiny/other-{number + 3}", ago_s=(4 - number) * HOUR_S, held_s=60.0, has_gpu=False)
    answer = asked(place, profile="colab-free")
    assert f"{NAME} waits for a session with a GPU, which {which} had not; " in answer.why
    assert (
        answer.hint == "qcqueue work, on a machine with a GPU; on Colab choose it under Runtime > Change runtime type"
    )


# It waits: and somebody wants it by a day.


def test_a_deadline_that_will_likely_be_missed_is_said_with_the_likely_date(house: House) -> None:
    place = house.queue
    put(place, a_job("vgg16", epochs=1_000_000, deadline_s=place.clock.now_s() + 2 * DAY_S))
    answer = asked(place, profile="colab-free")
    assert "None of its 1,000,000 epochs is trained yet, and it will likely miss its deadline, " in answer.why
    assert " (you said): it is likely done by " in answer.why
    assert answer.hint == f"qcqueue move {NAME} first, or qcqueue plan"


def test_a_deadline_that_has_passed_is_said_to_have(house: House) -> None:
    place = house.queue
    put(place, a_job("vgg16", deadline_s=place.clock.now_s() - DAY_S))
    assert "and its deadline has passed, " in asked(place).why


def test_a_deadline_that_will_likely_be_met_is_not_spoken_of(house: House) -> None:
    place = house.queue
    put(place, a_job("vgg16", deadline_s=place.clock.now_s() + 90 * DAY_S))
    assert "deadline" not in asked(place).why
    assert asked(place).hint == "qcqueue work"


# It runs.


def test_a_running_job_names_who_has_it_and_what_an_interruption_would_cost_now(house: House) -> None:
    place = queued(house)
    take(place, NAME, session="5e55a0a0a0a0")
    assert asked(place) == Answer(
        why=f"{NAME} is held by session 5e55a0a0a0a0 on colab-7, attempt 1, begun 5 min ago. If that session vanishes, "
        "the job is claimed again by the next one. Nothing of it is saved yet: an interruption now starts it from the "
        "beginning.",
        hint=f"qcqueue status, or qcqueue log {NAME}",
    )


def test_a_running_job_says_how_often_it_saves_with_the_numbers_its_session_measured(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    pace = {"epoch_s": 600.0, "stall_s": 0.5, "lag_s": 65.0, "steps": 69}
    note_time(place, held, attempt={"train": 1.0}, session={"boot": 1.0}, pace=pace)
    assert asked(place).why.endswith(
        "1 of 3 epochs are saved; it saves 7 times an epoch, every 1 min 26 s: an epoch takes 10 min 00 s, a save "
        "stops training for 500 ms and reaches the store 1 min 05 s later, and sessions are assumed to live about "
        "2 h 00 min."
    )


def test_how_long_sessions_live_is_what_those_that_were_taken_have_shown(house: House) -> None:
    place = queued(house)
    attend(place, NAME, 1, ago_s=9 * HOUR_S, held_s=1.5 * HOUR_S)
    assert "sessions live about 1 h 30 min" in asked(place).why


def test_a_running_job_whose_session_is_silent_is_taken_over_by_the_next(house: House) -> None:
    place = queued(house)
    attend(place, NAME, 1, ago_s=5 * HOUR_S, heard_s=HOUR_S)
    answer = asked(place, later_s=0.0)
    assert "Nothing has been heard of that session for 4 h 00 min, so the next one takes it over." in answer.why
    assert answer.hint == "qcqueue work"


def test_what_a_silent_session_holds_counts_among_what_is_taken_next(house: House) -> None:
    place = queued(house)
    put(place, a_job("long", epochs=50, seed=2))
    attend(place, "tiny/long", 1, ago_s=5 * HOUR_S, heard_s=HOUR_S)
    assert "1 job will be taken before it, tiny/long: begun" in asked(place, profile="colab-free").why


# It is held or cancelled.


@pytest.mark.parametrize(("action", "state", "remedy"), [("hold", "held", "release"), ("cancel", "cancelled", "retry")])
def test_what_a_person_did_names_the_person_and_the_way_back(
    action: str, state: str, remedy: str, house: House
) -> None:
    place = queued(house)
    apply(place, NAME, action)
    before = asked(place)
    assert before == Answer(
        why=f"{NAME} is {state}: {state} by ada@laptop, was queued. None of its 3 epochs is trained yet.",
        hint=f"qcqueue {remedy} {NAME}",
    )
    place.transact(lambda tx: move(tx, NAME, "last", None, who="ben@laptop", now_s=place.clock.now_s()))
    assert asked(place) == before


def test_a_running_job_that_is_held_keeps_what_is_saved(house: House) -> None:
    place = queued(house)
    train(place, take(place, NAME), 1)
    apply(place, NAME, "hold")
    assert "held by ada@laptop, was running. 1 of 3 epochs are saved." in asked(place).why


@pytest.mark.parametrize(
    ("cause", "message", "told"),
    [
        (
            Cause.DETERMINISM_REFUSED,
            "the same steps ended differently on Tesla T4",
            "the same steps ended differently on",
        ),
        (
            Cause.OUT_OF_MEMORY,
            "no memory is left. Allocator: 3 MB. Try less",
            "no memory is left; Allocator: 3 MB; Try",
        ),
    ],
)
def test_a_job_that_a_session_holds_says_what_was_in_the_way_and_what_can_be_chosen(
    cause: Cause, message: str, told: str, house: House
) -> None:
    place = queued(house)
    held = take(place, NAME, session="5e55a0a0a0a0")
    train(place, held, 1)
    tried = Tried(processor="Tesla T4", on_gpu=True, begun_on=None, cpu=None)
    found = remedy(cause, message, held.spec, tried)
    assert isinstance(found, Hold)
    place.transact(lambda tx: attempts.hold(tx, held, why=found.why, now_s=place.clock.now_s()))
    answer = asked(place)
    assert answer.why.startswith(f"{NAME} is held by session 5e55a0a0a0a0: {told}")
    assert ". Choose: release it for a session " in answer.why
    assert answer.why.endswith(". 1 of 3 epochs are saved.")
    assert answer.hint == f"qcqueue release {NAME}, or qcqueue cancel {NAME}"


# It has ended.


@pytest.mark.parametrize("cause", Cause)
def test_every_failure_names_its_cause_and_its_remedy(cause: Cause, house: House) -> None:
    place = queued(house)
    fail(place, take(place, NAME), cause, "something is wrong with it. Very wrong. And long.")
    answer = asked(place)
    assert answer.why.startswith(
        f"{NAME} failed, {cause.replace('_', ' ')}: something is wrong with it; Very wrong; And long. None of its "
    )
    assert answer.hint == cause.remedy.replace("JOB", NAME)
    assert "JOB" not in answer.hint


def test_a_finished_job_says_how_good_it_is(house: House) -> None:
    place = queued(house)
    first = take(place, NAME)
    train(place, first, 1)
    interrupt(place, first)
    second = take(place, NAME)
    finish(place, second, train(place, second, 2, 3))
    assert asked(place) == Answer(
        why=f"{NAME} is done after 3 epochs, in 2 attempts with 1 interruption. "
        "Best epoch 3: validation accuracy 66.7 %, test accuracy 66.7 %.",
        hint="qcqueue report",
    )


def test_a_job_that_stopped_early_says_so(house: House) -> None:
    place = queued(house, early_stopping=1)
    held = take(place, NAME)
    finish(place, held, train(place, held, 1, 2))
    assert "is done after 2 epochs by early stopping, in 1 attempt" in asked(place).why


def test_a_job_that_was_allowed_to_be_inexact_says_so_when_it_is_done(house: House) -> None:
    place = queued(house, determinism="relaxed")
    held = take(place, NAME)
    finish(place, held, train(place, held, 1, 2, 3))
    assert asked(place).why.endswith(' The same job may end with other bits: its spec says determinism = "relaxed".')


def test_a_job_of_several_lineages_says_on_what_it_was_trained(house: House) -> None:
    place = queued(house)
    first = take(place, NAME)
    train(place, first, 1, processor="Tesla T4")
    interrupt(place, first)
    second = take(place, NAME)
    finish(place, second, train(place, second, 2, 3, processor="NVIDIA L4", lineage=2))
    assert asked(place).why.endswith("other bits: it has 2 lineages, on Tesla T4 then NVIDIA L4.")


def test_a_rehearsal_that_was_not_exact_is_told_as_long_as_it_matters(house: House) -> None:
    place = queued(house, determinism="relaxed")
    held = take(place, NAME)
    train(place, held, 1)
    differs = Rehearsal(processor="Tesla T4", differs="2 of 9 values differed", seconds=3.0)
    note_time(place, held, attempt={}, session={}, rehearsal=differs)
    told = "its resume rehearsed on Tesla T4: not exact, 2 of 9 values differed."
    assert asked(place).why.endswith(told)
    stop(place, held)
    assert asked(place).why.endswith(told)
    last = take(place, NAME)
    finish(place, last, train(place, last, 2, 3))
    assert asked(place).why.endswith(told)


def test_a_rehearsal_that_was_exact_is_nothing_to_speak_of(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    train(place, held, 1)
    note_time(place, held, attempt={}, session={}, rehearsal=Rehearsal(processor="p", differs="", seconds=3.0))
    assert "rehears" not in asked(place).why


@pytest.mark.parametrize("trouble", Trouble)
def test_a_job_that_a_machine_or_the_store_sent_back_says_whose_trouble_it_was(house: House, trouble: Trouble) -> None:
    place = queued(house)
    held = take(place, NAME)
    why = "no room is left. Really. None"
    place.transact(lambda tx: attempts.interrupt(tx, held, why=why, trouble=trouble, now_s=place.clock.now_s()))
    answer = asked(place)
    assert f"Attempt 1 ended because of {trouble.on('colab-7')}, " in answer.why
    assert ": no room is left; R" in answer.why
    assert ("no failure of the job" in answer.why) == (trouble is not Trouble.UNEXPLAINED)
    assert answer.hint == advice_on(trouble, job=NAME, machine="colab-7")


def test_after_a_better_attempt_no_trouble_of_before_is_told(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    place.transact(lambda tx: attempts.interrupt(tx, held, why="x", trouble=Trouble.DISK, now_s=place.clock.now_s()))
    stop(place, take(place, NAME))
    assert "because of" not in asked(place).why


def test_why_says_how_steps_are_computed_and_what_determinism_costs(house: House) -> None:
    place = queued(house)
    held = take(place, NAME)
    assert asked(place).step is None
    trials = (
        StepTrial(candidate="graph", compile_s=2.0, step_s=0.15, determinism_factor=1.25),
        StepTrial(candidate="xla", reason="TensorFlow has no deterministic gradient of max pooling there"),
    )
    choice = StepChoice(step="graph", origin="measured", trials=trials, seconds=30.0)
    note_time(place, held, attempt={}, session={}, step_choice=choice)
    assert asked(place).step == (
        "its steps: step graph, measured in 30.0 s; "
        "xla fell out: TensorFlow has no deterministic gradient of max pooling there; determinism costs 1.25 x, "
        'which determinism = "relaxed" saves'
    )
