"""No child process gets the sign-in to Google Drive, unless it has business with Drive."""

import ast
import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import qcqueue
from qcqueue.datasets import groups
from qcqueue.engines.keras_tf import hdf5_walk
from qcqueue.errors import QcqueueError
from qcqueue.reports.figures import printed

PACKAGE = Path(qcqueue.__file__).parent
STARTS = ("subprocess.run", "subprocess.Popen", "subprocess.check_output", "subprocess.check_call", "os.execv")


def test_every_child_is_given_an_environment() -> None:
    """What is not given is inherited, with the token in it."""
    found = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTS:
                found += 1
                assert any(keyword.arg == "env" for keyword in node.keywords), f"{path}:{node.lineno}"
    assert found >= 4


@pytest.mark.parametrize(
    "begin",
    [
        lambda: list(printed._elsewhere(printed.as_png, ())),
        lambda: groups._matched(["a-1"], "(a)"),
        lambda: hdf5_walk.flaw_inside(Path("nowhere.h5")),
    ],
    ids=["figures", "groups", "weights"],
)
def test_a_child_does_not_inherit_the_token(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    def watched(*_: object, env: dict[str, str], **__: object) -> None:
        seen.append(env)
        raise subprocess.TimeoutExpired("", 1)

    monkeypatch.setenv("QCQUEUE_TOKEN", "a secret of nobody")
    monkeypatch.setenv("QCQUEUE_CLIENT", "another")
    monkeypatch.setattr(subprocess, "run", watched)
    monkeypatch.setattr(subprocess, "Popen", watched)
    with contextlib.suppress(subprocess.TimeoutExpired, QcqueueError):  # what it says is not asked here
        begin()
    assert seen
    assert not any("QCQUEUE_TOKEN" in environment or "QCQUEUE_CLIENT" in environment for environment in seen)
    assert all(environment.get("PATH") == os.environ["PATH"] for environment in seen)
