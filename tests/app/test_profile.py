"""Whose limits count: what a person names, what the queue's sessions said, what can be found out."""

from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.profile import profile_and_why, profile_here
from qcqueue.app.settings import Settings
from qcqueue.errors import SpecInvalid, UnknownName
from qcqueue.queue.sessions import SessionLine


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=f"folder:{tmp_path}", cache=tmp_path, source="--store", config=tmp_path)


def a_session(profile: str) -> SessionLine:
    return SessionLine(
        id=f"of {profile}",
        host="h",
        processor="p",
        started_at_s=0.0,
        ended_at_s=1.0,
        seen_at_s=None,
        ended_how="left",
        seconds={},
        attempts=(),
        profile=profile,
    )


def test_a_machine_has_the_profile_that_its_environment_tells(settings: Settings) -> None:
    assert profile_here(settings, {"COLAB_RELEASE_TAG": "r1"}).name == "colab-free"
    assert profile_here(settings, {"SLURM_JOB_ID": "7"}).name == "slurm"
    assert profile_here(settings, {}).name == "local"


def test_what_a_person_names_wins_everywhere(settings: Settings) -> None:
    named = replace(settings, profile="colab-paid")
    assert profile_here(named, {"COLAB_RELEASE_TAG": "r1"}).name == "colab-paid"
    assert profile_and_why(named, [a_session("kaggle")])[0].name == "colab-paid"
    with pytest.raises(UnknownName, match="did you mean kaggle"):
        profile_here(replace(settings, profile="kagle"), {})


def test_whoever_asks_from_elsewhere_goes_by_the_newest_session_whose_profile_is_known(settings: Settings) -> None:
    sessions = [a_session("kaggle"), a_session("colab-free"), a_session(""), a_session("of-a-lab")]
    assert profile_and_why(settings, sessions)[0].name == "colab-free"
    assert profile_and_why(settings, [a_session("of-a-lab")])[0].name == "local"
    assert profile_and_why(replace(settings, store="gdrive:abcdefghijk"), [])[0].name == "colab-free"


def test_a_file_of_ones_own_corrects_a_figure_and_is_refused_as_a_whole(settings: Settings) -> None:
    own = settings.config / "profiles.toml"
    own.write_text("[colab-free.session]\nlow_hours = 2\nlikely_hours = 3\nhigh_hours = 4\n")
    session = profile_here(settings, {"COLAB_RELEASE_TAG": "r1"}).session
    assert session is not None
    assert (session.p50_s, str(session.basis)) == (3 * 3600, "you said")
    own.write_text("[colab-free.session]\nlikely_hours = -3\nlick = 4\n")
    with pytest.raises(SpecInvalid) as refused:
        profile_here(settings, {"COLAB_RELEASE_TAG": "r1"})
    assert len(refused.value.problems) >= 2
