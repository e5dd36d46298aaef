"""Figures are true to their numbers, one column wide, whole in every format, and a new one is one file and one row."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import qcqueue.reports.figures
from qcqueue.reports.figures import accuracy_intervals, confusion, correlation, pairs, registry, reliability
from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section
from qcqueue.reports.figures.marks import spread
from qcqueue.reports.figures.picture import Picture, pictures_of, standalone
from qcqueue.reports.figures.printed import PDF, as_pdf, printed
from qcqueue.reports.figures.registry import FIGURES, figures_of
from qcqueue.reports.figures.sheet import WIDTH_MM, Sheet, fitted, styled, width_of
from qcqueue.reports.page.page import report_page
from qcqueue.reports.palette import LIGHT
from qcqueue.reports.quantities.findings import Findings, findings_of
from qcqueue.reports.tables.catalogue import tables_of
from tests.browser.pages import answered
from tests.reports.studies import a_job, a_spec, epochs_of, the_study

A_POINT_MM = 25.4 / 72


@cache
def findings() -> Findings:
    return findings_of(answered())


@cache
def drawn() -> dict[str, Picture]:
    return {it.figure.name: it for it in pictures_of(figures_of(findings()))}


def a_dummy(found: Findings) -> Iterator[ReportFigure]:
    yield ReportFigure(
        name="dummy",
        section=Section.TIMES,
        title="A dummy",
        caption="Two points.",
        alt="It rises.",
        notes=(),
        draw=_two,
    )


def _two() -> Sheet:
    sheet = Sheet(40)
    sheet.axes(10, 4, 60, 25).plot([0, 1], [0, 1], color=LIGHT["ink"])
    return sheet


def test_a_new_figure_is_one_file_and_one_row_and_stands_numbered_in_page_and_files() -> None:
    figures = figures_of(findings(), [*FIGURES, a_dummy])
    [dummy] = [it for it in figures if it.name == "dummy"]
    assert dummy.number == len(figures)
    page = report_page(findings(), tables_of(findings()), pictures_of([dummy]))
    assert f"Figure {dummy.number}. A dummy" in page
    assert 'href="#figure-dummy"' in page
    assert set(printed([dummy])) == {"dummy.png", PDF}


def test_every_module_that_yields_figures_has_its_row() -> None:
    folder = Path(qcqueue.reports.figures.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "\ndef figures(" in path.read_text(encoding="utf-8")}
    assert {row.__module__.rpartition(".")[2] for row in FIGURES} == files
    assert len(files) == len(registry.FIGURES) == 18


def test_names_are_unique_and_numbers_count_up() -> None:
    figures = figures_of(findings())
    assert len({it.name for it in figures}) == len(figures)
    assert [it.number for it in figures] == [*range(1, len(figures) + 1)]
    assert all(it.title and it.caption and it.alt for it in figures)


def test_every_figure_is_one_column_wide_and_no_colour_is_without_a_name() -> None:
    for name, picture in drawn().items():
        width = float(re.findall(r'viewBox="0 0 ([0-9.]+)', picture.svg)[0])
        assert width * A_POINT_MM == pytest.approx(WIDTH_MM, abs=0.01), name
        assert re.findall(r'style="[^"]*#[0-9a-f]{3,}', picture.svg) == [], name
        assert "var(" not in re.sub(r"<text.*?</text>", "", standalone(picture)), name


def test_a_figure_alone_says_what_it_shows() -> None:
    svg = standalone(drawn()["pairs"])
    assert svg.startswith("<?xml")
    assert 'role="img"' in svg
    assert 'aria-labelledby="pairs-title pairs-desc"' in svg
    assert drawn()["pairs"].figure.title in svg


def test_accuracies_stand_with_their_intervals_in_the_words_of_the_figure() -> None:
    for it in findings().comparisons["test", "best"].accuracies:
        said = f"{100 * it.value:.1f} ({100 * it.interval.low:.1f} to {100 * it.interval.high:.1f})"
        assert f">{said}<" in drawn()["accuracy-intervals"].svg


def test_error_bars_and_curves_are_where_their_numbers_are() -> None:
    [figure] = accuracy_intervals.figures(findings())
    with styled():
        axes = figure.draw().figure.axes[0]
    ends = sorted(float(x) for bars in axes.collections for x, _ in np.concatenate(bars.get_segments()))  # type: ignore[attr-defined]
    known = [findings().comparisons[split, "best"].accuracies for split in ("validation", "test")]
    assert ends == pytest.approx(sorted(e for it in known for one in it for e in (one.interval.low, one.interval.high)))
    curves = next(it for it in figures_of(findings()) if it.name == "accuracy-by-epoch")
    with styled():
        lines = curves.draw().figure.axes[0].lines
    for line, model in zip([it for it in lines if it.get_linestyle() != "None"], findings().models, strict=True):
        assert np.asarray(line.get_ydata()).tolist() == [row.val_accuracy for row in model.curve]
        assert line.get_color() == LIGHT[f"model-{findings().models.index(model)}"]


def test_matrices_hold_every_cell() -> None:
    for figure in (*confusion.figures(findings()), *pairs.figures(findings()), *correlation.figures(findings())):
        assert figure.name in drawn()
    words = re.findall(r">([0-9,]+)<", drawn()["confusion"].svg)
    counts = [
        f"{it:,}" for m in findings().models if m.result for row in m.result.best.test.confusion_matrix for it in row
    ]
    assert [it for it in words if it in counts].count(counts[0]) >= counts.count(counts[0])
    for row in findings().correlation.rows:
        for cell in row:
            if cell.coefficient is not None:
                assert f"{cell.coefficient:+.2f}".replace("-", "−") in drawn()["correlation"].svg


def test_the_best_epoch_is_ringed_and_seams_are_drawn() -> None:
    study = the_study([a_job(a_spec(), epochs_of(40, cuts=(11, 30)))])
    [figure] = [it for it in figures_of(findings_of(study)) if it.name == "model-01-curves"]
    with styled():
        axes = figure.draw().figure.axes[0]
    ring = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    model = findings_of(study).models[0]
    assert [float(np.asarray(it.get_xdata())[0]) for it in ring] == [model.best_epoch]
    seams = {float(np.asarray(it.get_xdata())[0]) for it in axes.lines if len(set(np.asarray(it.get_xdata()))) == 1}
    assert {11.5, 30.5} <= seams
    assert "takes over" in next(pictures_of([figure])).svg


def test_what_is_not_finite_breaks_a_curve() -> None:
    epochs = list(epochs_of(9))
    epochs[4] = replace(epochs[4], metrics=replace(epochs[4].metrics, val_loss=math.inf, loss=math.nan))
    for picture in pictures_of(figures_of(findings_of(the_study([a_job(a_spec(), epochs)])))):
        assert "nan" not in picture.svg.replace("nance", ""), picture.figure.name


def test_calibration_that_means_nothing_says_so() -> None:
    model = findings().models[0]
    assert model.result
    matrix = tuple((sum(row), 0, 0) for row in model.result.best.test.confusion_matrix)
    constant = replace(model.result.best.test, confusion_matrix=matrix)
    result = replace(model.result, best=replace(model.result.best, test=constant))
    changed = replace(findings(), models=(replace(model, result=result), *findings().models[1:]))
    [figure] = reliability.figures(changed)
    assert f"It means nothing for {model.label}" in figure.caption
    assert "one class only" in next(pictures_of([figure])).svg


def test_many_models_are_small_multiples_and_no_figure_each() -> None:
    jobs = [a_job(a_spec("VGG16", name=f"vgg-{at}"), epochs_of(4, seed=at % 5)) for at in range(MOST_ALONE + 10)]
    names = [it.name for it in figures_of(findings_of(the_study(jobs)))]
    assert [name for name in names if name.startswith("model-")] == []
    assert {"models-accuracy-1", "models-accuracy-2", "models-loss-1"} <= {*names}


def test_a_pdf_has_a_page_for_each_with_fonts_that_journals_take() -> None:
    few = [it.figure for it in drawn().values()][:4]
    *_, (_, pdf) = as_pdf(few)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == len(few)
    assert b"/Type3" not in pdf
    assert b"/CreationDate" not in pdf


def test_names_are_set_apart_and_cut_to_their_room() -> None:
    placed = spread([5.0, 5.0, 5.1, 9.0], gap=3, low=0, high=20)
    assert all(b - a >= 3 - 1e-9 for a, b in pairwise(placed))
    for name in ("W" * 300, "a\nb\x00c", "", "InceptionResNetV2 with a long tail"):
        short = fitted(name, 20)
        assert width_of(short) <= 20
        assert not re.search(r"[\x00-\x1f]", short)
