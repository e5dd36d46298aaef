"""The studies whose reports are opened in a browser: nothing, one epoch, six models, twelve, and names that attack."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from qcqueue.core.states import State
from qcqueue.queue.accounts import accounts_of
from qcqueue.reports.study import Study
from tests.reports.hostile import MARKUP, a_hostile_study
from tests.reports.pages import page_of
from tests.reports.quantities.answers import an_answered_study, some_images
from tests.reports.studies import SIX, a_dataset, a_job, a_proof, a_spec, epochs_of, some_sessions, the_study

TWELVE = (*SIX, "MobileNetV3Large", "EfficientNetB0", "NASNetMobile", "ConvNeXtTiny", "RegNetX032", "ResNet152V2")


def unfinished() -> Study:
    """Six models, each in another state, with all that a report can hold beside them."""
    sessions = tuple(some_sessions())
    return the_study(datasets=(a_dataset(),), proofs=(a_proof(),), sessions=sessions, accounts=accounts_of(sessions))


def finished() -> Study:
    jobs = [a_job(a_spec(model), epochs_of(100, cuts=(17, 41, 42, 80), seed=at)) for at, model in enumerate(SIX)]
    return the_study(jobs, datasets=(a_dataset(),))


def one_epoch() -> Study:
    return the_study([a_job(a_spec(epochs=1), epochs_of(1))], datasets=(a_dataset(),))


def half_failed() -> Study:
    return the_study(
        [
            a_job(a_spec("Xception"), epochs_of(3, cuts=(1,)), state=State.RUNNING),
            a_job(a_spec("VGG16"), epochs_of(7, seed=3), state=State.FAILED),
        ]
    )


def large() -> Study:
    cuts = range(25, 300, 25)
    return the_study(
        [a_job(a_spec(it, epochs=300), epochs_of(300, cuts=cuts, seed=at % 6)) for at, it in enumerate(TWELVE)]
    )


def answered() -> Study:
    """Six finished models whose answers are all there, so that every section has something to show."""
    sessions = tuple(some_sessions())
    study = an_answered_study(SIX, dataset=some_images(validation=183, test=162), epochs=20)
    return replace(study, datasets=(a_dataset(),), sessions=sessions, accounts=accounts_of(sessions))


STUDIES: dict[str, Callable[[], Study]] = {
    "empty": lambda: the_study([]),
    "one epoch": one_epoch,
    "unfinished": unfinished,
    "finished": finished,
    "answered": answered,
    "half failed": half_failed,
    "12 x 300": large,
    "hostile": lambda: a_hostile_study("".join(MARKUP)),
    "long names": lambda: a_hostile_study("W" * 300),
}


@cache
def page_called(study: str) -> str:
    """Return the page of one of `STUDIES`."""
    return page_of(STUDIES[study]())


def a_file(page: str, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path
