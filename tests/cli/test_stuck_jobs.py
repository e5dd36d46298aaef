"""What was found to keep jobs from running is told by `work`, `status`, the one screen, `why`, `plan` and `doctor`."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from qcqueue.app import work as working
from qcqueue.core.obstacles import Lack, Obstacle
from qcqueue.core.outcomes import SessionEnd
from qcqueue.queue.claim import begin_session
from qcqueue.queue.obstacles import note_obstacles
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from tests.cli.queues import STUDY, House, a_job, put, take, train
from tests.worker.machines import Machine, finishes

Answer = Callable[..., str]
NAMES = ("vgg16", "xception", "resnet", "inception", "densenet", "six")
AWAY = "the ImageNet weights of VGG16 could not be downloaded (the network is away): connect this machine. Then go on"
STUCK = r"tiny/vgg16 and 5 more could not run on lab-3 \(since today \d\d:\d\d\): no ImageNet weights"


@pytest.fixture
def six(empty_house: House) -> House:
    """A queue of six jobs that a session on lab-3 could not start."""
    place = empty_house.queue
    put(place, *(a_job(name, weights="imagenet", seed=seed) for seed, name in enumerate(NAMES, 1)))
    met(empty_house, *NAMES)
    return empty_house


def met(house: House, *names: str, lack: Lack = Lack.WEIGHTS, says: str = AWAY, host: str = "lab-3") -> None:
    now_s = house.queue.clock.now_s()
    found = {f"tiny/{name}": Obstacle(says, lack) for name in names}
    house.queue.transact(
        lambda tx: begin_session(tx, f"s-{host}", machine=host, host=host, processor="a CPU", now_s=now_s)
    )
    house.queue.transact(lambda tx: note_obstacles(tx, f"s-{host}", found, now_s=now_s))


def test_status_names_the_obstacle_and_since_when_in_one_line(six: House, answer: Answer) -> None:
    said = answer("status")
    assert re.search(f"^{STUCK}\\.$", said, re.M)
    assert said.count("ImageNet") == 1


def test_status_as_json_has_it_with_each_job(six: House, answer: Answer) -> None:
    apart: dict[str, Any] = json.loads(answer("status --json"))
    obstacles = [job["obstacle"] for job in apart["jobs"]]
    assert len(obstacles) == 6
    assert obstacles[0] == {
        "kind": "weights",
        "says": AWAY,
        "since": obstacles[0]["since"],
        "session": "s-lab-3",
        "host": "lab-3",
    }


def test_the_one_screen_names_it_and_leads_to_what_helps(six: House, answer: Answer) -> None:
    said = answer("")
    assert re.search(f"^{STUCK}\\.$", said, re.M)
    assert said.splitlines()[-1] == "next: qcqueue why tiny/vgg16"


def test_why_names_it_in_a_sentence_and_says_what_helps(six: House, answer: Answer) -> None:
    said = answer("why tiny/vgg16")
    assert re.search(
        r" It could not run on lab-3 \(since today \d\d:\d\d\): the ImageNet weights of VGG16 could not be downloaded "
        r"\(the network is away\): connect this machine; Then go on\. None of its 3 epochs is trained yet\.\n",
        said,
    )
    assert said.splitlines()[-1] == f"next: {Lack.WEIGHTS.advice}"


def test_the_forecast_says_what_its_dates_assume(six: House, answer: Answer) -> None:
    assert re.search(f"^{STUCK} \\(your history\\); the dates assume that this is mended\\.$", answer("plan"), re.M)
    assert answer("plan").splitlines()[-1] == "next: qcqueue why tiny/vgg16"
    found = json.loads(answer("plan --json"))
    assert [it["job"] for it in found["obstacles"]] == [f"tiny/{name}" for name in NAMES]


def test_doctor_warns_of_it(six: House, answer: Answer) -> None:
    said = answer("doctor")
    assert re.search(f"jobs +{STUCK}", said)
    assert Lack.WEIGHTS.advice in said


def test_the_story_of_the_job_tells_it(six: House, answer: Answer) -> None:
    assert re.search(r"waits for weights +s-lab-3 +the ImageNet weights of VGG16", answer("log tiny/vgg16"))


def test_two_machines_are_two_lines(six: House, answer: Answer) -> None:
    met(six, "six", lack=Lack.GPU, says="there is none", host="laptop")
    said = answer("status")
    assert re.search(r"^tiny/vgg16 and 4 more could not run on lab-3 .*: no ImageNet weights\.$", said, re.M)
    assert re.search(r"^tiny/six could not run on laptop .*: no GPU\.$", said, re.M)


def test_of_a_job_that_is_taken_nothing_of_it_is_said(six: House, answer: Answer) -> None:
    held = take(six.queue, "tiny/vgg16")
    assert "tiny/xception and 4 more could not run" in answer("status")
    train(six.queue, held, 1)
    assert "could not run" not in answer("why tiny/vgg16")
    assert answer("").splitlines()[-1] == "next: qcqueue status --watch"


def test_with_a_weights_file_given_a_job_has_no_obstacle_and_is_trained(six: House, answer: Answer) -> None:
    six.write("mine.safetensors", save({"kernel": np.ones((3, 2), np.float32)}))
    six.write("study.toml", f'{STUDY}[[job]]\nmodel = "VGG16"\n'.replace('"none"', '"mine.safetensors"'))
    answer("enqueue study.toml --replace")
    assert "tiny/xception and 4 more could not run" in answer("status")
    offline = Machine(house=six, name="lab-3")
    session = offline.session(finishes(), limits=Limits(jobs=1))
    session = Session(session.id, replace(session.deps, check_weights=never_found), session.budget.limits)
    assert offline.run(session).ending is SessionEnd.FINISHED
    assert "tiny/vgg16 is done" in answer("why tiny/vgg16")


def never_found(wanted: WantedWeights) -> FoundWeights:
    return FoundWeights(obstacle=AWAY)


def test_a_story_that_somebody_else_wrote_names_no_unknown_obstacle(six: House, answer: Answer) -> None:
    six.queue.transact(
        lambda tx: tx.exec_driver_sql("UPDATE history SET what = 'waits for a miracle' WHERE what LIKE 'waits for%'")
    )
    assert "could not run" not in answer("status")


def test_work_says_one_sentence_and_ends_with_8_and_the_next_look_is_told(
    empty_house: House, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "can_train", lambda: False)
    put(empty_house.queue, *(a_job(name, seed=seed) for seed, name in enumerate(NAMES, 1)))
    ended, hint = answer("work", code=8).splitlines()
    assert ended.endswith(
        ": no job can start here: 6 wait for TensorFlow, which is not installed here (tiny/vgg16 and 5 more)"
    )
    assert hint == f"next: {Lack.LIBRARIES.advice}"
    assert "tiny/vgg16 and 5 more could not run on " in answer("status")
    apart = json.loads(answer("work --json", code=8))
    assert apart["ending"] == "cannot_start"
    assert apart["why"].startswith("no job can start here: 6 wait for TensorFlow")
