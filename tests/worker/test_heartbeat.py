"""A heart that beats when it is due, for itself and for the dead session whose work is being saved."""

from typing import Any

import pytest

from qcqueue.errors import StoreBusy
from qcqueue.worker.heartbeat import Heartbeat


class Beats:
    """A store that only hears hearts, unless it is busy."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.is_busy = False

    def beat(self, name: str) -> None:
        if self.is_busy:
            raise StoreBusy
        self.heard.append(name)


@pytest.fixture
def store() -> Any:
    return Beats()


@pytest.fixture
def heartbeat(store: Any) -> Heartbeat:
    heartbeat = Heartbeat(store, every_s=10.0)
    heartbeat.names.append("own")
    return heartbeat


def test_it_beats_at_once_and_then_when_it_is_due(heartbeat: Heartbeat, store: Beats) -> None:
    assert [at_s for at_s in range(25) if heartbeat.beat_if_due(float(at_s))] == [0, 10, 20]
    assert store.heard == ["own"] * 3


def test_a_beat_that_failed_is_not_tried_again_before_the_next_is_due(heartbeat: Heartbeat, store: Beats) -> None:
    store.is_busy = True
    with pytest.raises(StoreBusy):
        heartbeat.beat_if_due(0.0)
    store.is_busy = False
    assert not heartbeat.beat_if_due(9.0)
    assert heartbeat.beat_if_due(10.0)


def test_it_beats_for_a_dead_session_for_as_long_as_its_work_is_saved(heartbeat: Heartbeat, store: Beats) -> None:
    with heartbeat.also("dead"):
        heartbeat.beat(0.0)
    heartbeat.beat(10.0)
    assert store.heard == ["dead", "own", "dead", "own"]


def test_where_that_cannot_be_heard_it_beats_for_itself_alone(heartbeat: Heartbeat, store: Beats) -> None:
    store.is_busy = True
    with pytest.raises(StoreBusy), heartbeat.also("dead"):
        pass
    assert heartbeat.names == ["own"]
