"""What everybody in the table of providers owes, as a test class that runs over it: a new one is tested by its row.

Whoever runs it gives in a fixture `home` the place where the provider of the fixture `name` is at home: how its secrets
are kept there, and how its calls fail. Always true: nothing here asks a real provider for anything.
"""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Protocol

import pytest

from qcqueue.providers.base import Provider, Rule
from qcqueue.providers.registry import PROVIDERS, detect, names, profile, provider, rule

SECRET = "a value that is shown to nobody"
BROKEN = ("", "soon", "-1", "0", "nan", "inf", "1e999", "9" * 400, "\x00")


class Home(Protocol):
    """What a process finds on a machine of a provider. Only asked where the provider keeps secrets, or takes back."""

    def keep(self, name: str, value: str) -> None:
        """Keep a secret."""
        ...

    def fail(self, problem: Exception) -> None:
        """Have every call of the provider raise this from now on."""
        ...


class ProviderContract:
    """Everything `providers.base` promises of a provider with code. `name` is its row in the table."""

    @pytest.fixture(params=PROVIDERS)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def member(self, name: str) -> Provider:
        return provider(name)

    def test_it_is_the_provider_of_a_profile_that_is_detected(self, name: str) -> None:
        known_by = rule(name)
        assert known_by is not None
        assert detect(*a_machine(known_by)) == name
        assert profile(name).title != name

    def test_a_secret_is_returned_and_shown_nowhere(
        self, member: Provider, home: Home, capfd: pytest.CaptureFixture[str]
    ) -> None:
        said: list[str] = []
        if not member.secret_help:
            assert member.secret("QCQUEUE_TOKEN", say=said.append) is None
            return
        assert "QCQUEUE_TOKEN" in member.secret_help.format(name="QCQUEUE_TOKEN")
        home.keep("QCQUEUE_TOKEN", SECRET)
        assert member.secret("QCQUEUE_TOKEN", say=said.append) == SECRET
        assert member.secret("ANOTHER", say=said.append) is None
        assert (said, *capfd.readouterr()) == ([], "", "")

    def test_whatever_fails_is_one_sentence_at_most_and_shows_no_secret(
        self, member: Provider, home: Home, capfd: pytest.CaptureFixture[str]
    ) -> None:
        said: list[str] = []
        if member.secret_help:
            home.keep("QCQUEUE_TOKEN", SECRET)
            home.fail(RuntimeError(SECRET))
        assert member.secret("QCQUEUE_TOKEN", say=said.append) is None
        assert len(said) <= 1
        assert SECRET not in " ".join((*said, *capfd.readouterr()))

    def test_a_machine_that_cannot_go_back_is_not_said_to_have_gone(self, member: Provider, home: Home) -> None:
        assert member.can_release == bool(member.release_help)
        if member.can_release:
            assert member.release() is True
            home.fail(RuntimeError("not now"))
        assert member.release() is False

    def test_away_from_home_it_does_nothing(self, member: Provider) -> None:
        assert member.secret("QCQUEUE_TOKEN", say=lambda sentence: None) is None
        assert member.release() is False
        assert member.quota({}) is None

    @pytest.mark.parametrize("value", BROKEN)
    def test_its_end_is_a_moment_or_is_not_known(self, member: Provider, value: str) -> None:
        environments: tuple[Mapping[str, str], ...] = ({}, _Everything(value))
        for environ in environments:
            for at_s in (member.deadline_s(environ), member.began_at_s(environ)):
                assert at_s is None or (math.isfinite(at_s) and at_s > 0)

    def test_no_machine_is_of_two_providers(self) -> None:
        rules = {name: known_by for name in names() if (known_by := rule(name))}
        for (name, known_by), (other, others) in combinations(rules.items(), 2):
            assert not others.fits(*a_machine(known_by)), f"a machine of {name} is taken for one of {other}"
            assert not known_by.fits(*a_machine(others)), f"a machine of {other} is taken for one of {name}"

    def test_to_know_all_limits_imports_no_provider(self) -> None:
        members = {row.partition(":")[0] for row in PROVIDERS.values()}
        program = (
            "import sys; from qcqueue.providers.registry import detect, names, profile\n"
            "detect({}, ''); [profile(name) for name in names()]\n"
            f"print({members!r} & {{*sys.modules}})"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def a_machine(known_by: Rule) -> tuple[dict[str, str], str]:
    """Return the variables and the user of a machine that has what a rule asks for, and no more."""
    return dict.fromkeys(known_by.environment, "1"), known_by.user or "ada"


class _Everything(Mapping[str, str]):
    """An environment in which each variable that is asked for has the same value."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __getitem__(self, name: str) -> str:
        return self._value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
