"""What a report is made of is read from the queue and its store; what cannot be had is named, and the rest goes on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcqueue.app.context import QueueContext
from qcqueue.app.report import ReportScope, newest_s, read_study, report_on, reports_on
from qcqueue.clock import SystemClock
from qcqueue.errors import StoreAway, UnknownName
from qcqueue.queue.job_detail import job_detail
from qcqueue.stores.base import Blob, Moved, silently
from tests.app.trained import Run
from tests.cli.queues import House, an_empty_house, one_of_each, put
from tests.cli.queues import a_job as a_spec_of
from tests.reports.pages import draw_small
from tests.reports.test_write import contents


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_small(monkeypatch)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = an_empty_house(tmp_path / "house")
    one_of_each(made.queue)
    return made


def quietly(text: str) -> None:
    """Nobody reads along."""


def test_what_the_store_does_not_have_is_named_and_the_report_goes_on(house: House, tmp_path: Path) -> None:
    study = read_study(house.queue)
    assert study.answers == {}
    assert study.unread == ("Nothing can be said of the predictions of tiny/done: the store does not have them.",)
    written = report_on(house.queue, folder=tmp_path / "report", certificates=[], narrate=quietly)
    page = written.page.read_text(encoding="utf-8")
    assert "What is missing" in page
    assert "the predictions of tiny/done" in page


def test_a_store_that_is_away_is_asked_once_and_costs_what_lies_in_it_and_not_the_report(house: House) -> None:
    asked = []

    class Away:
        """A store nobody reaches."""

        url = house.queue.store.url

        def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
            asked.append(blob)
            raise StoreAway("Google Drive does not answer")

    place = replace(house.queue, store=Away())  # type: ignore[arg-type]
    study = read_study(place)
    assert len(study.details) > 1
    assert len(study.unread) == 2, "the predictions and the images of the job that is done"
    assert all("the store does not answer" in sentence for sentence in study.unread)
    assert len(asked) == 1


def test_what_has_to_be_fetched_is_said_beforehand(house: House) -> None:
    said: list[str] = []
    read_study(house.queue, narrate=said.append)
    assert any(line.startswith("fetching the predictions of tiny/done") for line in said)


def test_a_report_is_as_of_the_newest_thing_in_it_whenever_it_is_written(house: House) -> None:
    study = read_study(house.queue)
    assert study.as_of_s == newest_s(study.details, study.datasets, study.sessions)
    assert 0 < study.as_of_s <= SystemClock().now_s()
    with house.queue.read() as tx:
        done = job_detail(tx, "tiny/done")
    assert study.as_of_s >= max(line.at_s for line in done.history)
    assert newest_s((), (), ()) == 0.0


def test_reading_twice_gives_the_same_files(house: House, tmp_path: Path) -> None:
    def written(place: QueueContext) -> dict[str, bytes]:
        page = report_on(place, folder=tmp_path / "report", certificates=[], narrate=quietly).page
        return contents(page.parent)

    first = written(house.queue)
    assert written(house.queue) == first


def test_an_empty_queue_has_a_report_that_says_what_to_type_next(tmp_path: Path) -> None:
    house = an_empty_house(tmp_path / "house")
    page = report_on(house.queue, folder=tmp_path / "report", certificates=[], narrate=quietly).page
    assert "qcqueue new six-models" in page.read_text(encoding="utf-8")


def test_answers_and_images_are_read_once_for_all_jobs(house: House) -> None:
    study = read_study(house.queue)
    assert all(isinstance(values, np.ndarray) for answers in study.answers.values() for values in answers.values())
    assert set(study.images) <= {detail.dataset_sha256 for detail in study.details}


def test_a_report_on_some_jobs_holds_these_and_the_sessions_that_worked_on_them(house: House) -> None:
    study = read_study(house.queue, scope=ReportScope(jobs=("done",)))
    assert [detail.line.name for detail in study.details] == ["tiny/done"]
    assert {it.job_name for session in study.sessions for it in session.attempts} == {"tiny/done"}
    whole = read_study(house.queue, scope=ReportScope(jobs=("tiny/",)))
    assert whole.details == read_study(house.queue).details
    with pytest.raises(UnknownName, match="there is no study 'tyni'"):
        read_study(house.queue, scope=ReportScope(jobs=("tyni/",)))


class Interrupted(Exception):
    """Somebody has pressed Ctrl-C."""


def test_a_watched_report_is_written_again_as_epochs_come_and_only_then(tmp_path: Path) -> None:
    house = an_empty_house(tmp_path / "house")
    put(house.queue, a_spec_of("vgg16"))
    run = Run.of(house.queue, "tiny/vgg16").epoch()
    meanwhile: Iterator[Callable[[], object]] = iter([run.epoch, lambda: None, run.epoch, lambda: None])

    class Meanwhile(SystemClock):
        """While nobody looks, an epoch is trained, or nothing is."""

        def sleep(self, seconds: float) -> None:
            happen = next(meanwhile, None)
            if happen is None:
                raise Interrupted
            happen()

    place, said = replace(house.queue, clock=Meanwhile()), list[str]()

    def watch() -> None:
        for written in reports_on(place, folder=tmp_path / "report", certificates=[], narrate=quietly, every_s=10.0):
            said.append(written.page.read_text(encoding="utf-8"))

    with pytest.raises(Interrupted):
        watch()
    saved = [page.partition("<dt>Epochs saved</dt><dd>")[2].partition("</dd>")[0] for page in said]
    assert saved == ["1 of 3", "2 of 3", "3 of 3"]
