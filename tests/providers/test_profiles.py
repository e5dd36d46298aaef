"""Every profile of the folder is a good one and knows its machines; a person's own file may hold anything."""

import configparser
import json
from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.errors import SpecInvalid, UnknownName
from qcqueue.providers import registry
from qcqueue.providers.base import Allowance, Confidence, Profile, Rule
from qcqueue.providers.profile_file import read_profile, read_rule
from qcqueue.providers.registry import detect, names, profile, read_own

HOUR_S = 3600.0
FILE = "mine.toml"

# Nothing in their machines tells them from another: one must be named, the other is what is left.
UNDETECTED = {"colab-paid", "local"}

COLAB = {"COLAB_RELEASE_TAG": "release-colab-20260819", "COLAB_GPU": "1"}
KAGGLE = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}
SLURM = {"SLURM_JOB_ID": "4711"}


def text_of(name: str) -> str:
    return resources.files(registry.__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")


def spread(low_h: float, likely_h: float, high_h: float, basis: Basis = Basis.PROFILE) -> Quantiles:
    return Quantiles(p10_s=low_h * HOUR_S, p50_s=likely_h * HOUR_S, p90_s=high_h * HOUR_S, basis=basis)


def told_of(text: str) -> Mapping[str, Profile] | tuple[str, ...]:
    """Return the profiles of a person's own file, or all that is wrong with it."""
    try:
        return read_own(text, FILE)
    except SpecInvalid as refused:
        return refused.problems


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(SpecInvalid) as caught:
        read_own(text, FILE)
    return caught.value.problems


# What holds for every file, one more included.


@pytest.mark.parametrize("name", names())
def test_a_shipped_profile_reads_and_is_called_as_its_file(name: str) -> None:
    found = profile(name)
    assert found.name == name
    assert found.title != name


@pytest.mark.parametrize("name", names())
def test_every_figure_says_where_it_comes_from_and_since_when(name: str) -> None:
    found = profile(name)
    for figure in found.figures:
        assert figure.said
        assert figure.source
        assert isinstance(figure.confidence, Confidence)
        assert figure.checked is not None
        assert figure.checked >= date(2026, 1, 1)
        assert figure.basis is Basis.PROFILE
    told = {"session": found.session, "ceiling": found.ceiling_s, "window": found.window, "cool_off": found.cool_off}
    assert [figure.name for figure in found.figures] == [key for key, value in told.items() if value is not None]


@pytest.mark.parametrize("name", names())
def test_a_machine_that_fits_the_rule_of_a_profile_is_known_by_it(name: str) -> None:
    rule = read_rule(text_of(name))
    assert (rule is None) == (name in UNDETECTED)
    if rule is not None:
        assert detect(dict.fromkeys(rule.environment, "1"), rule.user or "ada") == name


@pytest.mark.parametrize("name", names())
def test_every_file_is_part_of_what_is_installed(name: str) -> None:
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    patterns = settings["options.package_data"][str(registry.__package__)].split()
    assert any(fnmatch(f"{name}.toml", pattern) for pattern in patterns)


# What the files say.


def test_six_providers_are_known() -> None:
    assert names() == ("colab-free", "colab-paid", "kaggle", "local", "slurm", "studio-lab")


def test_free_colab_publishes_no_window_and_sends_one_away_for_about_a_day() -> None:
    found = profile("colab-free")
    assert found.session == spread(1, 2, 5)
    assert found.ceiling_s == 12 * HOUR_S
    assert found.window is None
    assert found.cool_off == spread(12, 22, 48)
    ceiling, session = found.figure("ceiling"), found.figure("session")
    assert ceiling is not None
    assert ceiling.confidence is Confidence.PUBLISHED
    assert session is not None
    assert session.confidence is Confidence.REPORTED
    assert session.said == "1 to 5 h, likely 2 h"


def test_kaggle_counts_hours_of_a_week_and_studio_lab_those_of_a_day() -> None:
    week = Allowance(allowed_s=30 * HOUR_S, period_s=168 * HOUR_S, basis=Basis.PROFILE)
    day = Allowance(allowed_s=4 * HOUR_S, period_s=24 * HOUR_S, basis=Basis.PROFILE)
    assert profile("kaggle").window == week
    assert profile("studio-lab").window == day
    assert profile("studio-lab").ceiling_s == 4 * HOUR_S


def test_a_machine_of_ones_own_has_no_limits_at_all() -> None:
    found = profile("local")
    assert found == Profile(name="local", title=found.title, note=found.note)
    assert found.figure("session") is None


# Where one is.


@pytest.mark.parametrize(
    ("environ", "user", "name"),
    [
        ({}, "ada", "local"),
        ({"HOME": "/root", "COLAB_GPU": "1"}, "root", "local"),
        (COLAB, "root", "colab-free"),
        ({"COLAB_RELEASE_TAG": ""}, "root", "colab-free"),
        (KAGGLE, "root", "kaggle"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, "root", "kaggle"),
        # Kaggle's image is made from Colab's.
        ({**COLAB, **KAGGLE}, "root", "kaggle"),
        (SLURM, "ada", "slurm"),
        ({"SLURM_JOB_NAME": "x"}, "ada", "local"),
        ({}, "studio-lab-user", "studio-lab"),
        ({}, "studio-lab-user2", "local"),
        ({}, "", "local"),
    ],
)
def test_a_machine_is_known_by_its_variables_or_its_user(environ: dict[str, str], user: str, name: str) -> None:
    assert detect(environ, user) == name


def test_paid_colab_is_never_detected_and_can_be_named() -> None:
    assert detect(COLAB, "root") == "colab-free"
    assert profile("colab-paid").ceiling_s == 24 * HOUR_S


@given(st.dictionaries(st.sampled_from([*COLAB, *KAGGLE, *SLURM, "PATH"]), st.text()), st.text())
def test_whatever_a_machine_is_there_is_a_profile_for_it(environ: dict[str, str], user: str) -> None:
    assert profile(detect(environ, user)).title


def test_all_that_a_rule_asks_for_must_hold() -> None:
    rule = Rule(environment=("A", "B"), environment_unset=("C",), user="ada")
    assert rule.fits({"A": "", "B": "", "D": ""}, "ada")
    assert not rule.fits({"A": ""}, "ada")
    assert not rule.fits({"A": "", "B": "", "C": ""}, "ada")
    assert not rule.fits({"A": "", "B": ""}, "bob")


# A profile by its name.


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("colab_free", "; did you mean colab-free?"), ("Kaggle", "; did you mean kaggle?"), ("../../setup", ""), ("", "")],
)
def test_an_unknown_name_is_refused_with_those_there_are_and_the_nearest(asked: str, meant: str) -> None:
    with pytest.raises(UnknownName) as caught:
        profile(asked)
    allowed = "it can be colab-free, colab-paid, kaggle, local, slurm, studio-lab"
    assert str(caught.value) == f'there is no profile "{asked}"; {allowed}{meant}'


def test_a_name_of_ones_own_file_is_known_with_it_only() -> None:
    own = '[lab-gpu]\ntitle = "The GPU of the lab"\n'
    assert profile("lab-gpu", own).title == "The GPU of the lab"
    with pytest.raises(UnknownName, match="studio-lab, lab-gpu; did you mean lab-gpu"):
        profile("lab-gpus", own)
    with pytest.raises(UnknownName):
        profile("lab-gpu")


def test_what_is_wrong_with_ones_own_file_is_said_whichever_profile_is_asked_for() -> None:
    with pytest.raises(SpecInvalid, match=r"there\.toml:1: x: found 1"):
        profile("local", "x = 1", file_name="there.toml")


# A person's own file.


def test_a_figure_of_ones_own_takes_the_place_of_the_shipped_one_and_the_rest_stays() -> None:
    own = "[colab-free.session]\nlow_hours = 1.5\nlikely_hours = 2\nhigh_hours = 2.5\n"
    shipped, found = profile("colab-free"), profile("colab-free", own)
    assert found.session == spread(1.5, 2, 2.5, Basis.SAID)
    assert (found.ceiling_s, found.cool_off, found.title) == (shipped.ceiling_s, shipped.cool_off, shipped.title)
    assert [figure.name for figure in found.figures] == ["session", "ceiling", "cool_off"]
    figure = found.figure("session")
    assert figure is not None
    assert (figure.said, figure.source, figure.basis) == ("1.5 to 2.5 h, likely 2 h", "your file", Basis.SAID)
    assert figure.checked is None
    assert figure.confidence is None
    assert found.figure("ceiling") == shipped.figure("ceiling")


def test_a_profile_of_ones_own_may_say_as_much_as_a_shipped_one() -> None:
    own = """
    [lab-gpu]
    title = "The GPU of the lab"
    note = "Ask Grace."
    [lab-gpu.window]
    allowed_hours = 10
    period_hours = 168
    source = "the list on the door"
    checked = 2026-11-20
    confidence = "published"
    [lab-gpu.cool_off]
    low_hours = 0
    likely_hours = 0
    high_hours = 0
    """
    found = read_own(own, FILE)["lab-gpu"]
    assert found.window == Allowance(allowed_s=10 * HOUR_S, period_s=168 * HOUR_S, basis=Basis.SAID)
    assert found.cool_off == spread(0, 0, 0, Basis.SAID)
    assert (found.session, found.ceiling_s) == (None, None)
    window, cool_off = found.figures
    assert (window.said, window.source) == ("10 h in any 168 h", "the list on the door")
    assert (window.checked, window.confidence) == (date(2026, 11, 20), Confidence.PUBLISHED)
    assert cool_off.said == "0 h"


def test_only_what_is_named_comes_back_from_ones_own_file() -> None:
    assert read_own("", FILE) == {}
    assert set(read_own("[kaggle.ceiling]\nhours = 9\n[x]\ntitle = 'X'\n", FILE)) == {"kaggle", "x"}


def test_a_shipped_session_gives_way_to_a_lower_ceiling_of_ones_own() -> None:
    found = profile("colab-free", "[colab-free.ceiling]\nhours = 1.5\n")
    assert found.session == spread(1, 1.5, 1.5)
    figure = found.figure("session")
    assert figure is not None
    assert figure.said == "1 to 1.5 h, likely 1.5 h"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = 'x'", '1: title: found "x", allowed are tables such as [colab-free.session]'),
        ("[[kaggle]]", "1: kaggle: found a list of 1, allowed are tables such as [colab-free.session]"),
        (
            "[colab-fre.ceiling]\nhours = 1",
            "1: colab-fre: found a profile that is not known, allowed are colab-free, colab-paid, kaggle, local, "
            "slurm, studio-lab, and new ones that have a title; did you mean colab-free?",
        ),
        (
            "['Lab GPU']\ntitle = 'x'",
            '1: Lab GPU: found "Lab GPU", allowed are 1 to 64 of a-z, 0-9 and -, and no - in front; '
            'did you mean "lab-gpu"?',
        ),
        (
            "[kaggle.sesion]\nlow_hours = 1",
            "1: kaggle.sesion: found an unknown key, allowed are title, note, session, ceiling, window, cool_off; "
            "did you mean session?",
        ),
        (
            "[local.detect]\nuser = 'ada'",
            "1: local.detect: found an unknown key, allowed are title, note, session, ceiling, window, cool_off",
        ),
        (
            "[kaggle]\nsession = 9",
            "2: kaggle.session: found 9, allowed is a table [kaggle.session] of low_hours, likely_hours, high_hours, "
            "source, checked, confidence",
        ),
        (
            "[kaggle.ceiling]\nhours = 9\nhour = 9",
            "3: kaggle.ceiling.hour: found an unknown key, allowed are hours, source, checked, confidence; "
            "did you mean hours?",
        ),
        ("[kaggle.ceiling]", "1: kaggle.ceiling.hours: found nothing, allowed is a line hours = ..."),
        (
            "[kaggle.ceiling]\nhours = -9",
            "2: kaggle.ceiling.hours: found -9, allowed is a number of hours from 0.01 up to 8784",
        ),
        (
            "[kaggle.ceiling]\nhours = 0",
            "2: kaggle.ceiling.hours: found 0, allowed is a number of hours from 0.01 up to 8784",
        ),
        (
            "[kaggle.ceiling]\nhours = nan",
            "2: kaggle.ceiling.hours: found nan, which is not a finite number, allowed is a number of hours "
            "from 0.01 up to 8784",
        ),
        (
            "[kaggle.ceiling]\nhours = inf",
            "2: kaggle.ceiling.hours: found inf, which is not a finite number, allowed is a number of hours "
            "from 0.01 up to 8784",
        ),
        (
            "[kaggle.ceiling]\nhours = true",
            "2: kaggle.ceiling.hours: found true, allowed is a number of hours from 0.01 up to 8784",
        ),
        (
            "[kaggle.ceiling]\nhours = '9'",
            '2: kaggle.ceiling.hours: found "9", allowed is a number of hours from 0.01 up to 8784, without quotes',
        ),
        pytest.param(
            f"[kaggle.ceiling]\nhours = 0x{'f' * 5000}",
            "2: kaggle.ceiling.hours: found a number of more than 64 bits, allowed is a number of hours "
            "from 0.01 up to 8784",
            id="an endless number",
        ),
        (
            "[kaggle.cool_off]\nlow_hours = -1\nlikely_hours = 2\nhigh_hours = 3",
            "2: kaggle.cool_off.low_hours: found -1, allowed is a number of hours from 0 up to 8784",
        ),
        (
            "[kaggle.session]\nlow_hours = 3\nlikely_hours = 2\nhigh_hours = 5",
            "2: kaggle.session.low_hours: found 3, allowed is up to likely_hours, which is 2",
        ),
        (
            "[kaggle.session]\nlow_hours = 1\nlikely_hours = 6\nhigh_hours = 5",
            "3: kaggle.session.likely_hours: found 6, allowed is up to high_hours, which is 5",
        ),
        (
            "[kaggle.session]\nlow_hours = 1\nlikely_hours = 6\nhigh_hours = 13",
            "4: kaggle.session.high_hours: found 13, allowed is up to the ceiling, which is 12",
        ),
        (
            "[kaggle.window]\nallowed_hours = 200\nperiod_hours = 168",
            "2: kaggle.window.allowed_hours: found 200, allowed is up to period_hours, which is 168",
        ),
        (
            "[kaggle.ceiling]\nhours = 9\nchecked = '2026-11-23'",
            '3: kaggle.ceiling.checked: found "2026-11-23", allowed is a day such as 2026-11-23, without quotes',
        ),
        (
            "[kaggle.ceiling]\nhours = 9\nchecked = 2026-11-23T10:00:00",
            "3: kaggle.ceiling.checked: found the date or time 2026-11-23T10:00:00, "
            "allowed is a day such as 2026-11-23, without quotes",
        ),
        (
            "[kaggle.ceiling]\nhours = 9\nconfidence = 'reportet'",
            '3: kaggle.ceiling.confidence: found "reportet", allowed is one of "published", "reported", "assumed"; '
            'did you mean "reported"?',
        ),
        (
            "[kaggle.ceiling]\nhours = 9\nsource = 3",
            "3: kaggle.ceiling.source: found 3, allowed is text in quotes, of one line and up to 200 characters",
        ),
        (
            "[kaggle]\nnote = 'a\\u001b[31mb'".replace("'", '"'),
            '2: kaggle.note: found "a\\x1b[31mb", allowed is text in quotes, of one line and up to 200 characters',
        ),
        (
            "[kaggle]\ntitle = ' '",
            '2: kaggle.title: found " ", allowed is text in quotes, of one line and up to 200 characters',
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_what_is_allowed(text: str, problem: str) -> None:
    assert problems_of(text) == (f"{FILE}:{problem}",)


@pytest.mark.parametrize(
    "text",
    [
        "[kaggle.ceiling]\nchecked = 2026-13-40",
        "[kaggle.ceiling",
        "hours 9",
        "[kaggle.ceiling]\nhours = 9\nhours = 10",
        "[" * 10_000,
        f"{'a.' * 10_000}b = 1",
        "x" * (1 << 21),
        "\ud800",
        "\x00",
    ],
)
def test_what_is_no_toml_is_refused_in_one_sentence(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(f"{FILE}:")
    assert problem.isprintable()


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines() -> None:
    text = (
        "[kaggle.ceiling]\nhours = -1\n[local.ceiling]\nhour = 1\n[slurm.session]\nlow_hours = 1\nlikely_hours = nan\n"
    )
    found = [problem.split(": found")[0] for problem in problems_of(text)]
    assert found == [
        "mine.toml:2: kaggle.ceiling.hours",
        "mine.toml:3: local.ceiling.hours",
        "mine.toml:4: local.ceiling.hour",
        "mine.toml:5: slurm.session.high_hours",
        "mine.toml:7: slurm.session.likely_hours",
    ]


def test_a_file_with_no_end_of_mistakes_is_answered_with_the_first_hundred() -> None:
    problems = problems_of("\n".join(f"x{number} = 1" for number in range(250)))
    assert len(problems) == 101
    assert problems[-1] == "... and 150 more"


@given(st.text())
def test_any_text_at_all_is_read_or_refused_in_printable_sentences(text: str) -> None:
    told = told_of(text)
    if isinstance(told, tuple):
        assert told
        assert all(problem.isprintable() for problem in told)


KEYS = ("low_hours", "likely_hours", "high_hours", "hours", "allowed_hours", "period_hours", "source", "checked", "x")
VALUES = st.one_of(
    st.floats().map(lambda number: "nan" if number != number else repr(number)),
    st.integers(-3, 30).map(str),
    st.booleans().map(lambda truth: str(truth).lower()),
    st.text(st.characters(codec="ascii"), max_size=9).map(json.dumps),
    st.dates().map(date.isoformat),
)


@given(
    st.dictionaries(
        st.sampled_from(
            [f"{name}.{figure}" for name in names() for figure in ("session", "ceiling", "window", "cool_off")]
        ),
        st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
        max_size=4,
    )
)
def test_whatever_figures_a_file_gives_a_profile_stays_one_that_can_be_or_is_refused(
    tables: dict[str, dict[str, str]],
) -> None:
    lines = [
        f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for table, keys in tables.items()
    ]
    told = told_of("".join(lines))
    if isinstance(told, tuple):
        assert all(problem.startswith(f"{FILE}:") for problem in told)
    else:
        assert set(told) == {table.partition(".")[0] for table in tables}


# A provider's file is held to the same.


def test_a_file_of_ours_must_say_where_each_figure_comes_from() -> None:
    text = "title = 'X'\n[ceiling]\nhours = 1\n[detect]\nuser = 3\nvariable = 'X'\n"
    with pytest.raises(SpecInvalid) as caught:
        read_profile(text, file="x.toml", name="x")
    assert [problem.split(": found")[0] for problem in caught.value.problems] == [
        "x.toml:2: ceiling.source",
        "x.toml:2: ceiling.checked",
        "x.toml:2: ceiling.confidence",
        "x.toml:5: detect.user",
        "x.toml:6: detect.variable",
    ]


def test_a_file_of_ours_needs_a_title() -> None:
    with pytest.raises(SpecInvalid, match="title: found nothing"):
        read_profile("", file="x.toml", name="x")


def test_what_a_provider_demands_is_so_or_not_and_nobody_corrects_it() -> None:
    with pytest.raises(SpecInvalid, match="own_work_only: found 1, allowed is true or false, without quotes"):
        read_profile("title = 'X'\nown_work_only = 1", file="x.toml", name="x")
    with pytest.raises(SpecInvalid, match="own_work_only"):
        profile("kaggle", "[kaggle]\nown_work_only = false\n")


def test_variables_of_a_rule_are_names() -> None:
    with pytest.raises(SpecInvalid, match=r'found \["a b"\], allowed is a list of variables'):
        read_profile("title = 'X'\n[detect]\nenvironment = ['a b']", file="x.toml", name="x")
