"""Words stand inside of their figure and none on another, whatever models are called and however many there are."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from qcqueue.reports.figures.figure import MOST_ALONE
from qcqueue.reports.figures.registry import figures_of
from qcqueue.reports.figures.sheet import WIDTH_MM, Sheet, styled
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from tests.browser.pages import STUDIES
from tests.reports.quantities.answers import SHA256, an_answered_job, some_answers, some_images
from tests.reports.studies import a_spec, the_study

LESS_THAN_SEEN = 0.6
POINTS_A_MM = 72 / 25.4

Box = tuple[float, float, float, float]


def many() -> ReportInput:
    """More models than a figure names, all answered."""
    images = some_images()
    names = [f"{'a-name-that-is-long-' if at % 3 else ''}{at}" for at in range(MOST_ALONE + 10)]
    answers = {
        a_spec(name=name).full_name: some_answers(images, seed=at, skill=1 + at / 10) for at, name in enumerate(names)
    }
    details = [
        an_answered_job("VGG16", images, answers[a_spec(name=name).full_name], name=name, epochs=9) for name in names
    ]
    return the_study(details, answers=answers, images={SHA256: images})


@cache
def drawn(study: str) -> tuple[tuple[str, Sheet], ...]:
    """Each figure of a study: of those of single models the first."""
    figures = figures_of(findings_of(many() if study == "many" else STUDIES[study]()))
    with styled():
        return tuple((it.name, it.draw()) for it in figures if it.job is None or "-01-" in it.name)


def words_on(sheet: Sheet) -> list[tuple[str, Box]]:
    """Every line of words that is drawn and its box in points, from the left and from below.

    Of an axis, matplotlib also knows labels that lie beyond its ends, and draws none of them.
    """
    sheet.figure.set_dpi(300)  # as in print: fewer dots round the widths of letters up
    with styled():
        sheet.figure.draw_without_rendering()
        beyond = {label for axes in sheet.figure.axes for label in _beyond(axes)}
        found = [it for it in sheet.figure.findobj(Text) if it.get_text().strip()]
        boxes = [(it.get_text(), it.get_window_extent()) for it in found if it.get_visible() and it not in beyond]
    scale = 72 / sheet.figure.dpi
    return [(text, (box.x0 * scale, box.y0 * scale, box.x1 * scale, box.y1 * scale)) for text, box in boxes]


def _beyond(axes: Axes) -> Iterator[Text]:
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)


LONG = [pytest.param(study, marks=pytest.mark.long) for study in ("one epoch", "12 x 300", "hostile")]


@pytest.mark.parametrize("study", ["half failed", "answered", "many", "long names", *LONG])
def test_no_word_runs_out_of_its_figure_or_lies_on_another(study: str) -> None:
    assert drawn(study)
    for name, sheet in drawn(study):
        right, top = WIDTH_MM * POINTS_A_MM, sheet.height_mm * POINTS_A_MM
        words = words_on(sheet)
        out = [text for text, (x0, y0, x1, y1) in words if min(x0, y0, right - x1, top - y1) < -LESS_THAN_SEEN]
        assert out == [], name
        assert [(one, other) for (one, box), (other, its) in combinations(words, 2) if _overlap(box, its)] == [], name


def _overlap(one: Box, other: Box) -> bool:
    """Say whether two boxes share more than the air above and below letters."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide > LESS_THAN_SEEN and high > 2.0
