"""Nothing that stands in a queue gives orders to the terminal of whoever looks at it, or looks like a line of ours."""

import ast
import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

import qcqueue.cli
from qcqueue.cli.main import run
from qcqueue.text.suggest import printable, visible
from tests.cli.queues import House

ORDERS = (
    "\x1b[2J\x1b[H",
    "\x1b]0;a title\x07",
    "\x9b31m",
    "\r\nqcqueue: all is well",
    "\x1b[8m",
    "\u202ekcab",
    "\x7f\x08\x08",
    "[bold red]markup[/]",
)
ALL = "".join(ORDERS)

# Free text of people and machines, each with a command that shows it.
COLUMNS = (
    ("jobs", "failure_message", "show tiny/failed"),
    ("jobs", "failure_message", ""),
    ("jobs", "failure_message", "why tiny/failed"),
    ("attempts", "reason", "show tiny/done"),
    ("attempts", "reason", "why tiny/failed"),
    ("history", "why", "log tiny/done"),
    ("history", "who", "log tiny/done"),
    ("history", "what", "log tiny/done"),
    ("history", "why", "log tiny/done --json"),
    ("sessions", "ended_how", "quota"),
    ("sessions", "profile", "quota"),
    ("sessions", "profile", "plan"),
)


@pytest.mark.parametrize("is_coloured", [False, True])
@pytest.mark.parametrize(("table", "column", "typed"), COLUMNS)
def test_what_stands_in_the_queue_is_shown_and_not_obeyed(
    table: str,
    column: str,
    typed: str,
    is_coloured: bool,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if is_coloured:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = ?", (ALL,))
    assert run(typed.split()) in (0, 2)
    said = capsys.readouterr()
    text = (said.out + said.err).replace("\x1b[1m", "").replace("\x1b[0m", "")
    for code in range(31, 37):
        text = text.replace(f"\x1b[{code}m", "")
    assert all(char.isprintable() or char == "\n" for char in text)
    assert not any(line.startswith("qcqueue: all is well") for line in text.splitlines())


def test_a_dataset_with_a_strange_class_is_shown_and_not_obeyed(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        (summary,) = connection.execute("SELECT summary FROM datasets").fetchone()
        strange = json.loads(summary) | {"classes": [ALL, "b", "c"], "note": ALL, "source": ALL}
        connection.execute("UPDATE datasets SET summary = ?", (json.dumps(strange),))
    for typed in ("data list", "data show qc-tiny", "data list --json"):
        assert run(typed.split()) == 0
        said = capsys.readouterr()
        assert all(char.isprintable() or char == "\n" for char in said.out + said.err)


def test_json_for_a_script_says_the_same_with_escapes(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        connection.execute("UPDATE history SET why = ?", (ALL,))
    assert run(["log", "tiny/done", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.removesuffix("\n").isprintable()
    assert json.loads(out)["history"][0]["why"] == ALL


def test_our_own_lines_and_colours_stay() -> None:
    screen = "\x1b[1mhead\x1b[0m\n\x1b[31mfailed\x1b[0m  é 中"
    assert visible(screen) == screen
    for order in ORDERS:
        assert visible(order).replace("\n", "").isprintable()
        assert printable(order).isprintable()


def test_no_command_prints_past_what_makes_text_visible() -> None:
    """`shared` has the ways to print, `main` the one for errors; others clear the screen, or hand over a secret."""
    found = set()
    for path in Path(qcqueue.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.echo", "typer.secho", "print"):
                found.add((path.name, ast.unparse(node.args[0])))
    assert {(name, said) for name, said in found if name not in ("shared.py", "main.py")} == {
        ("look.py", "CLEAR"),
        ("account.py", "token.to_json()"),
    }
