"""One look at a queue: who holds a GPU really, what comes next, and that all who ask are told the same."""

from dataclasses import replace

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.app.queue_summary import QueueView, label, luck, next_gpu, ranked, see, summary_of
from qcqueue.app.settings import Settings
from qcqueue.core.quantiles import Basis
from qcqueue.errors import StoreAway
from qcqueue.queue.forecasts import ForecastLine, newest_forecasts, note_forecasts
from tests.cli.queues import House, a_job, apply, attend, put, train

HOUR_S, DAY_S = 3600.0, 86_400.0


@pytest.fixture
def place(house: House) -> QueueContext:
    put(house.queue, a_job("vgg16"), a_job("long", epochs=50, seed=2))
    return house.queue


def looked_at(place: QueueContext, profile: str = "colab-free") -> QueueView:
    return see(place, Settings(store=None, cache=place.cache, source="a test", config=place.cache, profile=profile))


def test_a_session_that_is_silent_and_has_no_heartbeat_is_over_since_it_was_heard_of(place: QueueContext) -> None:
    held = attend(place, "tiny/vgg16", 1, ago_s=5 * HOUR_S, heard_s=2 * HOUR_S)
    seen = looked_at(place)
    assert seen.gone == {held.session_id: pytest.approx(place.clock.now_s() - 3 * HOUR_S, abs=60)}
    assert seen.stats.at_work is None
    assert seen.stats.quota.used_s == pytest.approx(2 * HOUR_S, abs=60)
    assert next_gpu(seen.stats) is not None
    assert summary_of(seen).adrift == {"tiny/vgg16"}


def test_a_session_whose_heart_beats_is_at_work_however_long_it_has_saved_nothing(place: QueueContext) -> None:
    held = attend(place, "tiny/vgg16", 1, ago_s=5 * HOUR_S, heard_s=2 * HOUR_S)
    place.store.beat(held.session_id)
    seen = looked_at(place)
    assert seen.gone == {}
    assert seen.stats.at_work
    assert summary_of(seen).held_by == held.session_id


def test_a_store_that_does_not_answer_has_not_said_that_anybody_is_gone(
    place: QueueContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend(place, "tiny/vgg16", 1, ago_s=5 * HOUR_S, heard_s=2 * HOUR_S)

    def away(name: str) -> float | None:
        raise StoreAway

    monkeypatch.setattr(place.store, "heartbeat_age_s", away)
    assert looked_at(place).gone == {}


def test_what_is_held_is_not_what_comes_next(place: QueueContext) -> None:
    assert [choice.job.name for choice in ranked(looked_at(place))] == ["tiny/vgg16", "tiny/long"]
    attend(place, "tiny/vgg16", 1, ago_s=60.0)
    assert [choice.job.name for choice in ranked(looked_at(place))] == ["tiny/long"]


def test_the_next_gpu_comes_after_the_likely_end_of_the_session_that_holds_one(place: QueueContext) -> None:
    attend(place, "tiny/vgg16", 1, ago_s=HOUR_S)
    stats = looked_at(place).stats
    left, window, away = stats.left, next_gpu(stats), stats.quota.cool_off
    assert left
    assert window
    assert away
    assert window.p50_s - stats.now_s == pytest.approx(left.quantile(0.5, HOUR_S) + away.p50_s, rel=0.01)
    assert looked_at(place, "local").stats.quota.cool_off is None
    assert next_gpu(looked_at(place, "local").stats) is None


def test_a_promise_ends_the_session_at_work_and_no_other(place: QueueContext) -> None:
    now_s = place.clock.now_s()
    attend(place, "tiny/vgg16", 1, ago_s=HOUR_S, promised_until_s=now_s + 600)
    stats = looked_at(place).stats
    assert stats.left
    assert stats.left.basis is Basis.SAID
    assert stats.left.quantile(1, HOUR_S) <= 700
    assert stats.life(has_gpu=True).quantile(0.9) > 2 * HOUR_S


def test_the_luck_of_a_queue_is_the_same_until_something_in_it_changes(place: QueueContext) -> None:
    seen = looked_at(place)
    later = replace(seen.stats, now_s=seen.stats.now_s + 60)
    assert luck(seen.stats).random() == luck(later).random()
    held = attend(place, "tiny/vgg16", ago_s=60.0)
    assert luck(looked_at(place).stats).random() != luck(seen.stats).random()
    before = luck(looked_at(place).stats).random()
    train(place, held, 1)
    assert luck(looked_at(place).stats).random() != before


def test_labels_name_each_basis_once_and_in_one_order() -> None:
    assert label(Basis.HISTORY) == "your history"
    assert label(Basis.HISTORY, Basis.PROFILE, Basis.HISTORY) == "profile and your history"
    assert label(Basis.SAID, Basis.HISTORY, Basis.PROFILE) == "profile, your history and you said"


def test_the_newest_forecast_of_each_study_that_is_not_done_is_told(place: QueueContext) -> None:
    put(place, a_job("other", study="other", seed=5))
    held = attend(place, "tiny/vgg16", ago_s=HOUR_S, held_s=60.0)

    def note(study: str | None, likely_s: float) -> None:
        line = ForecastLine(
            session_id=held.session_id,
            study=study,
            made_at_s=20.0 - likely_s,
            low_s=likely_s,
            likely_s=likely_s,
            high_s=likely_s,
        )
        for _ in range(2):  # who is not told of the first time writes it again
            place.transact(lambda tx: note_forecasts(tx, [line]))

    def newest() -> dict[str | None, float]:
        with place.read() as tx:
            return {line.study: line.likely_s for line in newest_forecasts(tx)}

    assert newest() == {}
    for study, likely_s in (("tiny", 9.0), (None, 1.0), ("other", 5.0), ("tiny", 7.0)):
        note(study, likely_s)
    assert newest() == {"other": 5.0, "tiny": 7.0}
    apply(place, "other/other", "cancel")
    assert newest() == {"tiny": 7.0}
