"""What the program tells a person to type next can be typed: in its source, and, by `conftest`, in every test here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import qcqueue
from tests.cli.hints import ROOT, DeadEnd, check, check_form, commands_in, hints_in

PACKAGE = Path(qcqueue.__file__).parent


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts below a node, with XX for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) else "XX" for part in parts)  # type: ignore[misc]
        case _:
            for child in ast.iter_child_nodes(node):
                yield from texts(child)


def hints_of(node: ast.AST) -> Iterator[str]:
    """Yield what is handed over as a hint, is said as one, or begins as only a command does."""
    if isinstance(node, ast.keyword) and node.arg == "hint":
        yield from texts(node.value)
    elif isinstance(node, ast.Constant | ast.JoinedStr):
        for text in texts(node):
            yield from hints_in(text)
            if text.partition(" ")[0] == "qcqueue" and text.split()[1:2] and text.split()[1] in ROOT.commands:
                yield text
    else:
        for child in ast.iter_child_nodes(node):
            yield from hints_of(child)


@pytest.mark.parametrize("package", sorted({it.name for it in PACKAGE.iterdir() if (it / "__init__.py").exists()}))
def test_every_hint_in_the_source_names_commands_and_options_that_there_are(package: str) -> None:
    dead = []
    for path in sorted((PACKAGE / package).rglob("*.py")):
        for hint in hints_of(ast.parse(path.read_text(encoding="utf-8"))):
            try:
                list(commands_in(hint))
                check_form(hint)
            except DeadEnd as exc:
                dead.append(f"{path.relative_to(PACKAGE)}: {exc}")
    assert dead == []


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        ("qcqueue", [[]]),
        ("qcqueue status", [["status"]]),
        ("qcqueue status, then qcqueue why JOB", [["status"], ["why", "JOB"]]),
        ("look with qcqueue status before trying again", [["status"]]),
        ("begin another: qcqueue init --store folder:ANOTHER-PLACE", [["init", "--store"]]),
        ('pip install "qcqueue[train]"', []),
        ("--images 9", []),
        ("qcqueue data -h", [["data", "-h"]]),
        ("qcqueue work --jobs N", [["work", "--jobs"]]),
        ("qcqueue enqueue queue/STUDY.toml", [["enqueue", "queue/STUDY.toml"]]),
    ],
)
def test_a_hint_that_leads_somewhere_is_read_as_a_person_reads_it(
    hint: str, words: list[list[str]], tmp_path: Path
) -> None:
    assert [typed[:2] for typed in commands_in(hint)] == words
    check(hint, here=tmp_path)


@pytest.mark.parametrize(
    "hint",
    [
        *(
            "qcqueue enqeue FILE",
            "qcqueue store",
            "qcqueue move JOB",
            "qcqueue status --jsno",
            "qcqueue quota JOB --hard",
        ),
        *("qcqueue enqueue jobs/tiny.toml", "--imges 9", "mv 'a b", "first: qcqueue data list --all"),
    ],
)
def test_a_hint_to_nothing_is_found(hint: str, tmp_path: Path) -> None:
    with pytest.raises(DeadEnd):
        check(hint, here=tmp_path)
