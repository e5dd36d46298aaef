"""Somebody who has installed the core and nothing else, and types nothing but what the last answer's `next:` says."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qcqueue.cli.main import run
from tests.support import core_install, forks

MOST_COMMANDS = 25
LIMIT_S = 120.0
WORK = ["work"]


def first_choice(said: str) -> str:
    """Return the first thing that the one `next:` line of an answer says; who is told nothing asks the one screen."""
    hints = [line.removeprefix("next: ") for line in said.splitlines() if line.startswith("next: ")]
    assert len(hints) <= 1
    return "".join(hints).partition(", or ")[0].partition(", for ")[0] or "qcqueue"


def followed(begin: list[str], types: Callable[[list[str]], str], *, until: Callable[[str], bool]) -> list[list[str]]:
    """Type what is hinted at until a hint is the one that is wanted; return all that was typed."""
    typed = [begin]
    for _ in range(MOST_COMMANDS):
        said = types(typed[-1])
        step = first_choice(said)
        if until(step):
            return typed
        program, *arguments = shlex.split(step)
        assert program == "qcqueue", f"qcqueue {' '.join(typed[-1])} leads to nothing that can be typed:\n{said}"
        typed.append(arguments)
    raise AssertionError(f"{MOST_COMMANDS} commands lead nowhere: {typed}")


def test_a_newcomer_with_the_core_install_comes_to_a_finished_study_and_its_report(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QCQUEUE_", "XDG_"))}
    environment |= {"QCQUEUE_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    here = tmp_path / "here"
    here.mkdir()

    def done(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        return forks.run(arguments, folder=here, environment=environment, limit_s=LIMIT_S, first=core_install.PRETEND)

    def types(arguments: list[str]) -> str:
        answer = done(arguments)
        assert answer.returncode in (0, 2), answer.stderr
        return answer.stdout + answer.stderr

    typed = followed([], types, until=lambda step: step == "open it in a browser")
    assert typed[-1] == ["report"]
    assert (here / "report" / "report.html").is_file()
    jobs = json.loads(done(["status", "--json"]).stdout)["jobs"]
    assert [job["state"] for job in jobs] == ["done"] * 3
    assert typed.count(WORK) == len(jobs)


@pytest.mark.parametrize("has_queue", [False, True])
@pytest.mark.parametrize(
    "begin",
    [
        *("status", "work", "plan", "quota", "data list", "show vgg16", "why vgg16", "cancel vgg16", "remove tiny/"),
        *("enqueue jobs/tiny.toml", "new six-models --out six.toml", "fetch vgg16", "export tensorboard"),
        *("simulate tiny.toml", "drill tiny.toml", "store usage", "store gc", "store verify", "init"),
    ],
)
def test_wherever_a_newcomer_begins_hints_lead_to_jobs_that_this_machine_can_train(
    begin: str, has_queue: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "meta_path", core_install.finders())
    for name in filter(core_install.is_of_an_extra, [*sys.modules]):
        monkeypatch.delitem(sys.modules, name)

    def types(arguments: list[str]) -> str:
        code = run(arguments)
        said = "".join(capfd.readouterr())
        assert code in (0, 2, 4, 7), said
        assert code in (0, 4) or "next: " in said
        return said

    if has_queue:
        types(["init"])

    followed(begin.split(), types, until=lambda step: step == "qcqueue work")
    assert run(["status", "--json"]) == 0
    assert {job["model"] for job in json.loads(capfd.readouterr().out)["jobs"]} == {"Toy"}
