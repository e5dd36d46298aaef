"""Conventions no tool checks: the drawn error tree, and where settings of tools live."""

import tomllib
from pathlib import Path

import pytest

from qcqueue import errors
from qcqueue.errors import QcqueueError

ROOT = Path(__file__).parents[1]


def below(kind: type[QcqueueError]) -> list[type[QcqueueError]]:
    """Return the classes right below one; those a test defines elsewhere are no part of the tree."""
    return [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]


def walk(kind: type[QcqueueError]) -> list[type[QcqueueError]]:
    return [kind, *(one for child in below(kind) for one in walk(child))]


def drawn(kind: type[QcqueueError], stem: str = "", branch: str = "") -> list[str]:
    """Draw the tree as the docstring of `qcqueue.errors` does: an exit code stands where a class sets its own."""
    line = f"{stem}{branch}{kind.__name__}"
    lines = [f"{line:<57}exit {kind.exit_code}" if "exit_code" in vars(kind) else line]
    stem += {"": "", "├── ": "│   ", "└── ": "    "}[branch]
    children = below(kind)
    for child in children:
        lines += drawn(child, stem, "└── " if child is children[-1] else "├── ")
    return lines


def test_the_drawn_error_tree_is_the_tree() -> None:
    lines = [line.removeprefix("    ") for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    assert lines == drawn(QcqueueError)


@pytest.mark.parametrize("kind", walk(QcqueueError))
def test_every_error_has_a_sentence_of_its_own(kind: type[QcqueueError]) -> None:
    sentence = vars(kind).get("__doc__") or ""
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_every_error_has_an_exit_code_of_the_contract() -> None:
    assert {kind.exit_code for kind in walk(QcqueueError)} == {1, 2, 3, 4, 5, 6}


def test_pyproject_holds_the_build_system_and_ruff_and_nothing_else() -> None:
    # One [tool.pytest] table there would silently switch off the section in setup.cfg.
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(tables) == {"build-system", "tool"}
    assert set(tables["tool"]) == {"ruff"}
