"""The password of a queue's server in a notebook: a secret of its provider, where nothing else has one."""

from pathlib import Path
from typing import cast

import pytest

from qcqueue.app.settings import Settings, load_settings
from qcqueue.clock import SystemClock
from qcqueue.notebook import sign_in
from qcqueue.notebook.screen import Screen

URL = "postgresql://ada@db.lab/queue"


class AProvider:
    """A place that keeps secrets."""

    secret_help = "its secret {name}"

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets, self.asked = secrets, list[str]()

    def secret(self, name: str, *, say: object) -> str | None:
        self.asked.append(name)
        return self.secrets.get(name)


class AScreen:
    has_reader = True

    def say(self, line: str) -> None: ...


def signed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: AProvider, environment: dict[str, str]
) -> Settings:
    monkeypatch.setattr(sign_in, "provider_here", lambda environment: provider)
    settings = load_settings(store="shared:/disk", folder=tmp_path, environment=environment)
    return sign_in.signed_in(settings, environment, cast(Screen, AScreen()), SystemClock())


def test_the_password_is_asked_of_the_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = AProvider({"PGPASSWORD": "hush"})
    settings = signed_in(tmp_path, monkeypatch, provider, {"QCQUEUE_DATABASE": URL})
    assert settings.database
    assert (settings.database.password, settings.database.url) == ("hush", URL)


@pytest.mark.parametrize(
    "environment",
    [{}, {"QCQUEUE_DATABASE": URL, "PGPASSWORD": "set"}, {"QCQUEUE_DATABASE": URL.replace("@", ":in-it@")}],
)
def test_nobody_is_asked_where_none_is_needed_or_one_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    provider = AProvider({"PGPASSWORD": "hush"})
    signed_in(tmp_path, monkeypatch, provider, environment)
    assert provider.asked == []
