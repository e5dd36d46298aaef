"""Conventions no tool checks: the drawn error tree, where settings of tools live, what a module may not import."""

import ast
import configparser
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue import errors
from qcqueue.errors import QcqueueError

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "qcqueue").rglob("*.py"))
ONLY_FOR_THE_CLOCK = {"time", "random", "uuid", "secrets"}
NOT_FOR_LAPTOPS = {"tensorflow", "tensorflow-cpu", "keras", "scikit-learn", "scikit-image", "matplotlib", "pydrive2"}


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


def setup_cfg() -> configparser.ConfigParser:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return settings


def required(text: str) -> set[str]:
    """Return the names of the packages in a list of requirements."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0].lower() for line in lines}


def test_a_laptop_installs_nothing_that_only_training_and_reports_need() -> None:
    core = required(setup_cfg()["options"]["install_requires"])
    assert {"sqlalchemy", "typer"} <= core
    assert core & NOT_FOR_LAPTOPS == set()


def test_what_trains_is_in_the_extra_for_training() -> None:
    extras = setup_cfg()["options.extras_require"]
    assert {"tensorflow", "keras", "scikit-learn"} <= required(extras["train"])
    assert {"tensorflow-cpu", "keras", "scikit-learn"} <= required(extras["train-cpu"])


def test_warnings_fail_the_suite() -> None:
    assert setup_cfg()["tool:pytest"]["filterwarnings"].split() == ["error"]


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the first word of everything a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).partition(".")[0]


def importing(names: set[str]) -> set[str]:
    """Return our modules that import something of these names."""
    return {
        str(path.relative_to(ROOT))
        for path in MODULES
        if names & set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    }


def test_only_the_clock_knows_time_and_chance() -> None:
    assert importing(ONLY_FOR_THE_CLOCK) == {"qcqueue/clock.py"}


def test_one_module_reads_what_people_write() -> None:
    assert importing({"tomllib"}) == {"qcqueue/text/toml.py"}


def test_statistics_come_through_one_module_each() -> None:
    assert importing({"scipy"}) == {"qcqueue/reports/quantities/stats.py"}
    assert importing({"sklearn"}) == {"qcqueue/reports/quantities/scikit_learn.py"}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if (tree := ast.parse(path.read_text(encoding="utf-8"))).body and not ast.get_docstring(tree)
    ]
    assert silent == []


def test_no_two_test_files_have_one_name() -> None:
    times = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, number in times.items() if number > 1] == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    somebodys = re.compile(r"/(?:home|Users)/(?!ada\b)\w+|/work/\w+")
    found = [
        str(path.relative_to(ROOT))
        for folder in ("qcqueue", "tests", "scripts", "jobs")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix in ("", ".py", ".toml") and somebodys.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
