"""How a queue stands is read in one look: jobs, where the time went, what was foreseen, and what surely died here."""

from qcqueue.app.status import status_of
from qcqueue.core.states import State
from tests.cli.queues import House, a_job, put, take, train

SESSION = "5e55a0a0a0a0"


def test_a_queue_is_seen_whole_in_one_look(house: House) -> None:
    put(house.queue, a_job("running"), a_job("queued"))
    train(house.queue, take(house.queue, "tiny/running", session=SESSION), 1)
    status = status_of(house.queue)
    assert [(line.name, line.state) for line in status.lines] == [
        ("tiny/running", State.RUNNING),
        ("tiny/queued", State.QUEUED),
    ]
    assert (status.accounts.whole.held_s, status.foreseen) == (0.0, ())


def test_a_job_whose_session_died_on_this_machine_is_shown_as_free(house: House) -> None:
    put(house.queue, a_job("running"))
    take(house.queue, "tiny/running", session=SESSION)
    house.write(f"cache/sessions/{SESSION}", "its lock is free")
    (line,) = status_of(house.queue).lines
    assert (line.state, line.left_by) == (State.QUEUED, SESSION)
