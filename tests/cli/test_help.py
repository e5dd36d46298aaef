"""What `--help` says on terminals of every width: commands in groups, sentences whole."""

from typing import Any

import pytest
import typer.main

from qcqueue.cli import panels
from qcqueue.cli.main import application, run
from qcqueue.cli.panels import PANELS, first_sentence

ROOT: Any = typer.main.get_command(application())
GROUPS = {"": ROOT, **{name: it for name, it in ROOT.commands.items() if hasattr(it, "commands")}}
WIDTHS = (40, 60, 80, 200)


def helped(path: str, capfd: pytest.CaptureFixture[str]) -> str:
    assert run([*path.split(), "--help"]) == 0
    return capfd.readouterr().out


def test_every_command_stands_in_one_group() -> None:
    listed = [name for names in PANELS.values() for name in names]
    assert sorted(listed) == sorted(ROOT.commands)


def test_what_holds_commands_of_its_own_is_known_before_any_is_imported() -> None:
    assert {name for name in GROUPS if name} == panels.GROUPS


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("path", GROUPS)
def test_a_list_of_commands_says_each_first_sentence_whole(
    path: str, columns: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    words = " ".join(helped(path, capfd).split())
    for name, command in GROUPS[path].commands.items():
        assert f" {name} {first_sentence(command)}" in words
    assert "..." not in words.replace("[ARGS]...", "")


@pytest.mark.parametrize("columns", WIDTHS[1:])
@pytest.mark.parametrize("path", ["", *ROOT.commands, "data add", "store gc"])
def test_no_line_of_help_is_wider_than_the_terminal(
    path: str, columns: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert [line for line in helped(path, capfd).splitlines() if len(line) > columns] == []


def test_the_groups_stand_in_the_order_in_which_a_newcomer_needs_them(capfd: pytest.CaptureFixture[str]) -> None:
    said = helped("", capfd)
    assert [line[:-1] for line in said.splitlines() if line[:-1] in PANELS] == list(PANELS)
