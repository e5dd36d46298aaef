"""The studies whose reports are opened in a browser: nothing, one epoch, six models, twelve, and names that attack."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from qcqueue.core.states import State
from qcqueue.datasets.format import Dataset
from qcqueue.queue.sessions import accounts_of
from qcqueue.reports.study import ReportInput
from tests.reports.hostile import MARKUP, a_hostile_study
from tests.reports.pages import page_of
from tests.reports.quantities.answers import SHA256, an_answered_job, an_answered_study, some_answers, some_images
from tests.reports.studies import SIX, a_dataset, a_job, a_proof, a_spec, epochs_of, some_sessions, the_study

TWELVE = (*SIX, "MobileNetV3Large", "EfficientNetB0", "NASNetMobile", "ConvNeXtTiny", "RegNetX032", "ResNet152V2")
SCENES = 24


def unfinished() -> ReportInput:
    """Six models, each in another state, with all that a report can hold beside them."""
    sessions = tuple(some_sessions())
    return the_study(datasets=(a_dataset(),), proofs=(a_proof(),), sessions=sessions, accounts=accounts_of(sessions))


def finished() -> ReportInput:
    jobs = [a_job(a_spec(model), epochs_of(100, cuts=(17, 41, 42, 80), seed=at)) for at, model in enumerate(SIX)]
    return the_study(jobs, datasets=(a_dataset(),))


def one_epoch() -> ReportInput:
    return the_study([a_job(a_spec(epochs=1), epochs_of(1))], datasets=(a_dataset(),))


def half_failed() -> ReportInput:
    return the_study(
        [
            a_job(a_spec("Xception"), epochs_of(3, cuts=(1,)), state=State.RUNNING),
            a_job(a_spec("VGG16"), epochs_of(7, seed=3), state=State.FAILED),
        ]
    )


def large() -> ReportInput:
    """Twelve models of 300 epochs, cut eleven times each, whose answers on photographs are all there."""
    images, cuts = photographs(validation=550, test=486), range(25, 300, 25)
    specs = [a_spec(model, epochs=300) for model in TWELVE]
    answers = {it.full_name: some_answers(images, seed=at, skill=1 + at / 10) for at, it in enumerate(specs)}
    details = []
    for it in specs:
        answered = an_answered_job(it.model, images, answers[it.full_name], epochs=300)
        cut = a_job(it, epochs_of(300, cuts=cuts, seed=len(it.model) % 4))
        details.append(replace(cut, result=answered.result))
    sessions = tuple(some_sessions())
    return the_study(
        details,
        answers=answers,
        images={SHA256: images},
        datasets=(a_dataset(),),
        sessions=sessions,
        accounts=accounts_of(sessions),
    )


def photographs(*, validation: int, test: int, side: int = 96) -> Dataset:
    """Return images with as much in them as in photographs: soft blobs of colour under the grain of a camera."""
    images = some_images(validation=validation, test=test)
    y, x = np.mgrid[0:side, 0:side] / side
    inks = np.arange(3)
    # A sine far out is as good as chance.
    grain = np.sin(np.arange(side * side * 3) * 12.9898).reshape(side, side, 3) * 43758.5453 % 1 - 0.5
    scenes = []
    for number in range(SCENES):
        waves = [
            np.sin(5 * one * x[..., None] + 3 * two * y[..., None] + number * (one + two) + inks)
            for one, two in ((1, 2), (-2, 1), (3, -1), (0.5, 4))
        ]
        scenes.append(np.clip(128 + 22 * sum(waves) + 60 * grain, 0, 255).astype(np.uint8))
    # The camera moves a little from one image of a scene to the next, so that no two are the same.
    shown = np.array([np.roll(scenes[at % SCENES], at, axis=(0, 1)) for at in range(len(images.names))])
    return replace(images, images=shown, summary=replace(images.summary, image_size=(side, side)))


def answered() -> ReportInput:
    """Six finished models whose answers are all there, so that every section has something to show."""
    sessions = tuple(some_sessions())
    study = an_answered_study(SIX, dataset=some_images(validation=183, test=162), epochs=20)
    return replace(study, datasets=(a_dataset(),), sessions=sessions, accounts=accounts_of(sessions))


STUDIES: dict[str, Callable[[], ReportInput]] = {
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
    return page_of(STUDIES[study](), with_figures=True)


def a_file(page: str, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path
