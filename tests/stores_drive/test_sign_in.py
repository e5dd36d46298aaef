"""Which sign-in a machine uses, where it may come from, and who is never given it."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest

import qcqueue
from qcqueue.app.settings import Settings, load_settings
from qcqueue.errors import SettingInvalid, SignInFailed
from qcqueue.spool.weights import WantedWeights
from qcqueue.stores.base import Access
from qcqueue.stores.drive.sign_in import drive_token, token_path
from qcqueue.stores.drive.token import FILE_SCOPE, GOOGLE_TOKEN_URI, Token, write_token
from qcqueue.worker.process import TrainerProcess

SECRET = "1//for-nobody"
TOKEN = Token(
    client_id="ada.apps.example",
    client_secret="secret",
    refresh_token=SECRET,
    token_uri=GOOGLE_TOKEN_URI,
    scopes=(FILE_SCOPE,),
    granted_at_s=None,
    account=None,
)
OF_COLAB = dataclasses.replace(TOKEN, refresh_token="1//of-colab")


def settings(tmp_path: Path, **environment: str) -> Settings:
    return load_settings(folder=tmp_path, environment={"XDG_CONFIG_HOME": str(tmp_path / "config"), **environment})


def access(tmp_path: Path, **environment: str) -> Access:
    return settings(tmp_path, **environment).access()


def test_a_machine_that_signed_in_uses_what_it_kept(tmp_path: Path) -> None:
    here = access(tmp_path)
    write_token(token_path(here), TOKEN)
    assert drive_token(here) == TOKEN


def test_a_token_given_directly_goes_first_and_is_never_written(tmp_path: Path) -> None:
    here = access(tmp_path, QCQUEUE_TOKEN=f" {OF_COLAB.to_json()}\n")
    assert drive_token(here) == OF_COLAB
    assert list(tmp_path.iterdir()) == []
    write_token(token_path(here), TOKEN)
    assert drive_token(here) == OF_COLAB


def test_settings_show_no_token(tmp_path: Path) -> None:
    here = settings(tmp_path, QCQUEUE_TOKEN=TOKEN.to_json())
    assert here.token
    assert SECRET not in f"{here!r} {here.access()!r}"


def test_who_is_not_signed_in_is_told_how(tmp_path: Path) -> None:
    for here in (access(tmp_path), access(tmp_path, QCQUEUE_TOKEN="  ")):
        with pytest.raises(SignInFailed, match="nobody is signed in") as caught:
            drive_token(here)
        assert caught.value.hint == "qcqueue login"


def test_a_command_to_sign_in_is_told_without_a_file_that_may_not_be_there() -> None:
    said = re.compile(r"qcqueue (login|colab-token) --client (?!FILE)")
    package = Path(str(qcqueue.__file__)).parent
    sources = [
        path for folder in ("app", "cli", "notebook", "stores") for path in sorted((package / folder).rglob("*.py"))
    ]
    assert sources
    assert [path.name for path in sources if said.search(path.read_text())] == []


def test_a_token_that_is_none_is_refused_by_where_it_came_from(tmp_path: Path) -> None:
    with pytest.raises(SignInFailed, match=r"^QCQUEUE_TOKEN does not hold") as caught:
        drive_token(access(tmp_path, QCQUEUE_TOKEN=SECRET))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("root", ["http://127.0.0.1:8000", "http://localhost:65535"])
def test_an_emulator_on_this_machine_can_stand_in_for_google(root: str, tmp_path: Path) -> None:
    for written in (root, f"{root}/"):
        assert settings(tmp_path, QCQUEUE_DRIVE_ENDPOINT=written).drive_endpoint == root
    assert settings(tmp_path).drive_endpoint is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "https://127.0.0.1:8000/",
        "http://127.0.0.1:8000@thief.example/",
        "http://127.0.0.1.thief.example:8000/",
        "http://thief.example:8000/",
        "http://127.0.0.1:8000/path",
        "http://127.0.0.1:8000/?query",
        "http://127.0.0.1:8000\n",
        "127.0.0.1:8000",
    ],
)
def test_no_other_address_can(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="QCQUEUE_DRIVE_ENDPOINT"):
        settings(tmp_path, QCQUEUE_DRIVE_ENDPOINT=url)


def test_a_trainer_is_not_given_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = tmp_path / "python"
    shell.write_text('#!/bin/sh\nenv | grep "^QCQUEUE_TOKEN=" || echo "no token here, in ${HERE}"\nexit 1\n')
    shell.chmod(0o755)
    monkeypatch.setenv("QCQUEUE_TOKEN", SECRET)
    monkeypatch.setenv("HERE", "Rome")
    monkeypatch.setattr(sys, "executable", str(shell))
    (tmp_path / "spool").mkdir()
    trainer = TrainerProcess(tmp_path)
    trainer.start(tmp_path / "spool")
    assert trainer._process
    trainer._process.communicate()
    assert (tmp_path / "spool" / "trainer.log").read_text() == "no token here, in Rome\n"
    trainer.get_ready()
    assert trainer._ready
    trainer._ready.wait()
    answer = trainer.check_weights(WantedWeights(model="VGG16", image_size=(32, 32)))
    assert answer is not None
    assert str(answer.obstacle).endswith(": no token here, in Rome")
