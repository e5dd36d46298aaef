"""The pictures of how good models are: a bound is drawn and told as one, and what nobody could read is left out."""

import pytest

from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.figures.judgement import MOST_PAIRED, judgement_pictures
from qcqueue.reports.quantities.comparison import CHANCE
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from tests.reports.charts.parsed import parse, words_of
from tests.reports.quantities.answers import SHA256, an_answered_job, an_answered_study, some_answers, some_images
from tests.reports.studies import a_spec, the_study

ALWAYS_RIGHT, ALWAYS_WRONG = 99.0, -99.0


def pictures(study: ReportInput) -> dict[str, Picture]:
    return {picture.key: picture for picture in judgement_pictures(findings_of(study))}


def a_study_of(*skills: float) -> ReportInput:
    """Models of one architecture with so much skill, on the same 55 and 49 images."""
    images = some_images()
    specs = [a_spec(name=f"model-{place}") for place in range(len(skills))]
    answers = {
        spec.full_name: some_answers(images, seed=place, skill=skill)
        for place, (spec, skill) in enumerate(zip(specs, skills, strict=True))
    }
    details = [an_answered_job("VGG16", images, answers[spec.full_name], name=spec.name) for spec in specs]
    return the_study(details, answers=answers, images={SHA256: images})


def said_in(picture: Picture) -> list[str]:
    return [word.text for word in words_of(parse(picture))]


@pytest.mark.parametrize(
    ("skill", "said"), [(ALWAYS_RIGHT, "100.0 (92.7 to 100.0)"), (ALWAYS_WRONG, "0.0 (0.0 to 7.3)")]
)
def test_a_model_that_is_always_right_or_wrong_has_an_interval_too(skill: float, said: str) -> None:
    picture = pictures(a_study_of(skill))["accuracy-intervals"]
    assert said in said_in(picture)
    assert "95 % interval" in said_in(picture)


def test_a_pair_bears_its_difference_with_its_sign_and_its_p() -> None:
    picture = pictures(a_study_of(ALWAYS_RIGHT, ALWAYS_WRONG))["pairs"]
    said = said_in(picture)
    assert [word for word in said if word.endswith("100.0")] == ["+100.0", "\u2212100.0"]
    assert said.count("p < 0.001") == 2
    assert f"1 of 1 pairs differ by more than luck would (p below {CHANCE:g} after" in picture.svg


@pytest.mark.parametrize(("models", "is_there"), [(MOST_PAIRED, True), (MOST_PAIRED + 1, False)])
def test_a_matrix_of_more_pairs_than_anybody_could_read_is_left_out(models: int, is_there: bool) -> None:
    found = pictures(a_study_of(*(1.0 + place / 20 for place in range(models))))
    assert ("pairs" in found) is is_there
    assert "accuracy-intervals" in found


def test_a_study_without_answers_has_no_picture_of_them() -> None:
    assert pictures(the_study()) == {}
    assert {"accuracy-intervals", "pairs", "reliability", "severity"} == set(pictures(an_answered_study()))
