"""A queue opened on this machine: rehearsals change nothing, and making a queue twice makes it once."""

from pathlib import Path

import pytest

from qcqueue.app.context import create_store, open_context, rehearse
from qcqueue.app.datasets import keep
from qcqueue.app.settings import Settings
from qcqueue.core.states import State
from qcqueue.errors import IllegalTransition, NameTaken, SettingInvalid, StoreMissing
from qcqueue.queue.controls import control
from qcqueue.queue.job_lines import job_lines
from qcqueue.stores.folder import file_name
from tests.cli.queues import DATASET, House, a_job, put
from tests.engines.worlds import a_dataset


def test_a_rehearsal_returns_the_result_and_rolls_back(house: House) -> None:
    place = house.queue
    put(place, a_job("vgg16"))
    before = house.fingerprint()
    assert rehearse(place.database, lambda tx: control(tx, "vgg16", "hold", who="ada", now_s=1.0)) == (
        "tiny/vgg16",
        State.HELD,
    )
    assert house.fingerprint() == before
    with place.read() as tx:
        assert [line.state for line in job_lines(tx)] == [State.QUEUED]


def test_a_rehearsal_can_return_nothing(house: House) -> None:
    assert rehearse(house.queue.database, lambda tx: None) is None


def test_a_rehearsal_refuses_what_the_act_would(house: House) -> None:
    place = house.queue
    put(place, a_job("vgg16"))
    before = house.fingerprint()
    with pytest.raises(IllegalTransition):
        place.transact(lambda tx: control(tx, "vgg16", "release", who="ada", now_s=1.0), dry_run=True)
    assert house.fingerprint() == before


def test_the_act_after_the_rehearsal_is_the_same(house: House) -> None:
    place = house.queue
    put(place, a_job("vgg16"))
    rehearsed, done = (
        place.transact(lambda tx: control(tx, "vgg16", "hold", who="ada", now_s=1.0), dry_run=dry_run)
        for dry_run in (True, False)
    )
    assert rehearsed == done


def test_other_images_under_a_name_that_is_taken_are_not_even_stored(house: House) -> None:
    before = house.fingerprint()
    with pytest.raises(NameTaken):
        keep(house.queue, DATASET, a_dataset(), dry_run=False)
    assert house.fingerprint() == before


def test_the_same_images_under_the_same_name_are_no_news(house: House) -> None:
    line, is_new = keep(house.queue, "noise", a_dataset(), dry_run=False)
    assert is_new
    assert keep(house.queue, "noise", a_dataset(), dry_run=False) == (line, False)


def test_the_same_images_again_mend_what_the_store_has_damaged(house: House) -> None:
    line, _ = keep(house.queue, "noise", a_dataset(), dry_run=False)
    (house.store / "blobs" / file_name(line.blob)).write_bytes(b"rot")
    mended, is_new = keep(house.queue, "noise", a_dataset(), dry_run=False)
    assert not is_new
    assert (mended.blob.sha256, mended.blob.place) != (line.blob.sha256, line.blob.place)
    house.queue.store.fetch(mended.blob, house.folder / "images")


def test_making_a_queue_twice_makes_it_once(tmp_path: Path) -> None:
    house = House(folder=tmp_path)
    assert create_store(house.store)
    put_nothing = house.fingerprint()
    assert not create_store(house.store)
    assert house.fingerprint() == put_nothing


def test_opening_a_queue_touches_no_file(tmp_path: Path) -> None:
    folder, cache, config = (tmp_path / name for name in ("queue", "cache", "config"))
    place = open_context(Settings(store=f"folder:{folder}", cache=cache, config=config, source="--store"))
    assert place.store.url == f"folder:{tmp_path}/queue"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreMissing), place.read():
        pass
    assert list(tmp_path.iterdir()) == []


def test_settings_without_a_store_open_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="no store is named") as refused:
        open_context(Settings(store=None, cache=tmp_path, config=tmp_path, source="nowhere"))
    assert refused.value.hint == "qcqueue init"
