"""A machine that knows no home of its user, or a home that cannot be used: one sentence, or an answer; no traceback."""

import os
import pwd
from pathlib import Path

import pytest

from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.errors import SettingInvalid
from qcqueue.stores.drive.sign_in import token_path
from tests.cli.queues import House

COMMANDS = (
    *("", "status", "show done", "log done", "why done", "plan", "quota", "simulate", "data list", "doctor", "work"),
    *("hold queued", "retry failed", "init", "init --store shared:lab", "notebook", "report", "fetch done"),
    *("store usage", "store verify", "enqueue study.toml", "data sample --images 60", "export tensorboard"),
)


@pytest.fixture
def homeless(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A user of whom the system knows nothing but a number, as in many containers."""

    def unknown(number: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "USER", "LOGNAME", "USERNAME", "LNAME", "QCQUEUE_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    house.write("study.toml", 'study = "s"\ndataset = "qc-tiny"\n[[job]]\nmodel = "VGG16"\nweights = "none"\n')
    return house


@pytest.mark.parametrize("line", COMMANDS)
def test_without_a_home_it_says_what_to_set(line: str, homeless: House, capfd: pytest.CaptureFixture[str]) -> None:
    before = homeless.fingerprint()
    assert run(line.split()) == 2
    out, err = capfd.readouterr()
    said = out if line == "doctor" else err
    assert said.count("\n") == 2
    assert "this user has no home folder to keep the cache in" in said
    assert "next: set QCQUEUE_CACHE to a folder that is only on this machine" in said
    assert homeless.fingerprint() == before


@pytest.mark.parametrize("line", ["status", "show done", "doctor", "hold queued", "data list", "enqueue study.toml"])
def test_with_a_cache_no_home_is_needed(
    line: str, homeless: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QCQUEUE_CACHE", str(homeless.cache))
    assert run(line.split()) == 0, capfd.readouterr().err


def test_a_sign_in_of_a_user_without_a_home_is_kept_in_the_cache(
    homeless: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCQUEUE_CACHE", str(homeless.cache))
    assert token_path(load_settings().access()).parent == homeless.cache


@pytest.mark.parametrize("line", ["-h", "work -h", "--version"])
def test_help_needs_no_home(line: str, homeless: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 0


@pytest.mark.parametrize("home", ["", "relative/folder", "."])
def test_a_home_that_is_none_counts_as_none(home: str, homeless: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    with pytest.raises(SettingInvalid, match="no home folder"):
        load_settings()


def test_the_system_is_asked_where_the_environment_is_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    for environment in ({}, {"HOME": ""}, {"XDG_CACHE_HOME": "relative", "XDG_CONFIG_HOME": "~/.config"}):
        settings = load_settings(folder=tmp_path, environment=environment)
        assert settings.cache.is_relative_to(home)
        assert settings.config.is_relative_to(home)


@pytest.mark.parametrize("line", ["work", "data add pictures --name more", "status --store shared:lab"])
@pytest.mark.parametrize("home", ["/dev/null", "/proc/nowhere"])
def test_a_home_that_cannot_be_written_is_told_with_what_to_set(
    line: str, home: str, house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("QCQUEUE_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    code = run(line.split())
    err = capfd.readouterr().err
    assert code in (2, 4)
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("next: ")


def test_a_user_whom_nobody_knows_in_a_path_of_the_settings(
    house: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("qcqueue.toml", 'store = "folder:~nobody7/queue"\n')
    assert run(["status"]) == 2
    assert "the home of an unknown user" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["ada\nqcqueue: all is well", "\udcff\udcfe", "\x1b[2J"])
def test_a_user_with_an_odd_name_can_change_the_queue(
    name: str, house: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", name)
    assert run(["hold", "queued"]) == 0
    assert run(["log", "queued"]) == 0
    assert "all is well" not in [line.partition(": ")[2] for line in capfd.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", ["\udcff", "two\nlines", "zero\u200bwidth"])
def test_a_folder_whose_name_no_setting_can_hold_gets_no_queue(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / name
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    assert run(["init"]) == 2
    sentence, hint = capfd.readouterr().err.splitlines()
    assert "holds an invisible character" in sentence
    assert hint.startswith("next: ")
    assert list(here.iterdir()) == []
