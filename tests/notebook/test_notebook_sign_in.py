"""Who a notebook works for: a token that is given, one in Colab's secrets, or a person who types a code elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.settings import Settings
from qcqueue.errors import SignInFailed
from qcqueue.notebook.sign_in import signed_in
from qcqueue.providers.colab import Colab
from tests.notebook.paper import Paper
from tests.providers.homes import KaggleHome
from tests.stores_drive.people import Desk, desk
from tests.support.drive.accounts import CANARY

COLAB = {"COLAB_RELEASE_TAG": "release-colab-stub"}
KAGGLE = COLAB | {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}


class Typist(Paper):
    """A screen whose reader types the code at once, on the page that is shown."""

    def __init__(self, ada: Desk) -> None:
        super().__init__()
        self._ada = ada

    def ask(self, *lines: str) -> None:
        super().ask(*lines)
        for line in lines:
            self._ada.emulator.signing_in.approve(line.split(" type ")[1].split()[0], self._ada.ada)


@pytest.fixture
def ada() -> Iterator[Desk]:
    with desk() as found:
        yield found


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What Colab keeps for this notebook."""
    kept: dict[str, str] = {}
    monkeypatch.setattr(Colab, "secret", lambda self, name, *, say: kept.get(name))
    return kept


@pytest.fixture
def settings(tmp_path: Path, ada: Desk) -> Settings:
    return Settings(
        store="gdrive:1AbC", cache=tmp_path, source="--store", config=tmp_path / "config", drive_endpoint=ada.url
    )


def with_client(ada: Desk) -> dict[str, str]:
    inner = {"client_id": ada.tv.client_id, "client_secret": ada.tv.client_secret}
    return COLAB | {"QCQUEUE_CLIENT": json.dumps({"installed": inner})}


def test_a_secret_of_colab_signs_in_without_a_word(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    secrets["QCQUEUE_TOKEN"] = "the token"
    paper = Paper()
    assert signed_in(settings, COLAB, paper, ada.clock).token == "the token"
    assert paper.lines == []


def test_a_token_that_is_given_goes_before_a_secret(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    secrets["QCQUEUE_TOKEN"] = "another"
    assert signed_in(replace(settings, token="given"), COLAB, Paper(), ada.clock).token == "given"


def test_secrets_are_asked_for_on_colab_only(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    secrets["QCQUEUE_TOKEN"] = "the token"
    with pytest.raises(SignInFailed):
        signed_in(settings, {}, Paper(), ada.clock)


def test_a_store_that_is_no_drive_needs_no_sign_in(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    here = replace(settings, store="shared:/data/queue")
    assert signed_in(here, COLAB, Paper(), ada.clock) is here


def test_who_signed_in_on_this_machine_is_not_asked(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    settings.config.mkdir()
    (settings.config / "drive-token.json").touch(mode=0o600)
    assert signed_in(settings, {}, Paper(), ada.clock) is settings


def test_without_a_secret_the_person_is_shown_a_page_and_a_code(
    settings: Settings, secrets: dict[str, str], ada: Desk
) -> None:
    screen = Typist(ada)
    found = signed_in(settings, with_client(ada), screen, ada.clock)
    assert json.loads(found.token or "")["account"] == "ada@example.com"
    (shown,) = screen.lines
    assert shown.startswith(f"open {ada.url}/device and type ")
    assert CANARY not in shown
    assert CANARY not in repr(found)


def test_without_secret_and_client_it_names_both_ways(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    with pytest.raises(SignInFailed) as caught:
        signed_in(settings, COLAB, Paper(), ada.clock)
    assert "qcqueue colab-token" in str(caught.value.hint)
    assert "its line into Colab's secret QCQUEUE_TOKEN (the key at the left)" in str(caught.value.hint)
    assert "qcqueue notebook --with-client" in str(caught.value.hint)


def test_a_secret_of_kaggle_signs_in_and_is_shown_nowhere(
    settings: Settings, ada: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    KaggleHome(monkeypatch).keep("QCQUEUE_TOKEN", CANARY)
    paper = Paper()
    found = signed_in(settings, KAGGLE, paper, ada.clock)
    assert found.token == CANARY
    assert CANARY not in " ".join((repr(found), *paper.lines, *capfd.readouterr()))


def test_without_a_secret_of_kaggle_its_place_is_named_as_kaggle_does(
    settings: Settings, ada: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    KaggleHome(monkeypatch)
    with pytest.raises(SignInFailed) as caught:
        signed_in(settings, KAGGLE, Paper(), ada.clock)
    assert "Kaggle's secret QCQUEUE_TOKEN (Add-ons > Secrets in the editor" in str(caught.value.hint)
    assert "key at the left" not in str(caught.value.hint)


def test_where_no_secrets_are_kept_none_is_advised(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    with pytest.raises(SignInFailed) as caught:
        signed_in(settings, {}, Paper(), ada.clock)
    assert str(caught.value.hint).startswith("open the notebook that qcqueue notebook --with-client writes")
    assert str(caught.value.hint).endswith("with QCQUEUE_TOKEN, the line of qcqueue colab-token, in the environment")


def test_a_program_without_a_reader_is_not_asked(settings: Settings, secrets: dict[str, str], ada: Desk) -> None:
    paper = Paper()
    paper.has_reader = False
    assert signed_in(settings, with_client(ada), paper, ada.clock).token is None
    assert paper.lines == []
