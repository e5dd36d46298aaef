"""What the pages say can be followed: links lead somewhere, commands exist, studies are read, Python compiles."""

import ast
import importlib.util
import re
import stat
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main

from qcqueue.catalog.models import MODELS
from qcqueue.cli.main import application
from qcqueue.core.study import parse_study
from qcqueue.providers.registry import read_own
from tests.docs.pages import NAMES, PAGES, ROOT, anchors, blocks, links, prose, typed

README_LETTERS = 7000
PICTURES_BYTES = 150_000
BY_HISTORY = "CHANGELOG.md"
"""Tells of commands as they were."""

of_every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def lead_nowhere(page: Path) -> list[str]:
    missing = []
    for link in links(text_of(page)):
        if link.startswith("https://"):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(text_of(target))):
            missing.append(link)
    return missing


@of_every_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert lead_nowhere(page) == []


@pytest.mark.parametrize("link", ["nowhere.md", "docs/limits.md#nothing", "#nothing", "http://example.org"])
def test_a_link_that_leads_nowhere_is_noticed(link: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n[Read on]({link}), or [here](#a-page).\n")
    assert lead_nowhere(page) == [link]


def parsed(words: Sequence[str]) -> None:
    """Let the command line of today read what is typed, and run nothing. Raises: an error of click."""
    command, path, left = typer.main.get_command(application()), "qcqueue", list(words)
    while hasattr(command, "commands"):
        if not left or left[0].startswith("-"):
            return  # `qcqueue` alone, with `-h` or `--version`, or a group that is named
        assert left[0] in command.commands, f"{path} has no command {left[0]}"
        command, path, left = command.commands[left[0]], f"{path} {left[0]}", left[1:]
    if not left and any(it.required for it in command.params):
        return  # named in a sentence, not typed
    command.make_context(path, [word for word in left if word not in ("-h", "--help")])


@of_every_page
def test_every_command_is_one_of_today(page: Path) -> None:
    if page.name != BY_HISTORY:
        for words in typed(text_of(page)):
            parsed(words)


@pytest.mark.parametrize(
    "line", ["qcqueue wrok", "qcqueue work --max-minuets 5", "qcqueue store tidy", "qcqueue show a b"]
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    (words,) = typed(f"```console\n$ {line}    # train\n```\n")
    with pytest.raises(Exception, match=r"(?i)no such|no command|unexpected"):
        parsed(words)


def test_commands_are_found_wherever_they_stand() -> None:
    block = '```console\n$ pip install x && qcqueue init\n$ export A="$(qcqueue status --json)"\n```\n'
    assert list(typed(f"{block}Type `qcqueue why a`.\n")) == [["init"], ["status", "--json"], ["why", "a"]]


@of_every_page
def test_every_script_that_is_named_can_be_run(page: Path) -> None:
    for name in re.findall(r"(?<![\w/])(?:\./)?scripts/([a-z_]+)\b(?![.\w])", text_of(page)):
        assert (ROOT / "scripts" / name).stat().st_mode & stat.S_IXUSR, name


@of_every_page
def test_every_file_of_ours_that_is_named_in_code_exists(page: Path) -> None:
    if page.name != BY_HISTORY:
        named = re.findall(r"`((?:qcqueue|tests|jobs|scripts|docs)/[\w./-]+)`", prose(text_of(page)))
        assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_module_of_the_design_exists() -> None:
    named = re.findall(
        r"`([a-z_]+/(?:[a-z_0-9]+/)*(?:[a-z_0-9]+\.py)?)`", text_of(ROOT / "docs/design/architecture.md")
    )
    assert len(named) > 30
    assert [it for it in named if not (ROOT / "qcqueue" / it).exists() and not (ROOT / it).exists() and "/" in it] == []


@of_every_page
def test_every_study_is_accepted_and_every_other_toml_is_read(page: Path) -> None:
    for block in blocks(text_of(page)):
        if block.language != "toml":
            continue
        if "[[job]]" in block.text:
            assert parse_study(block.text, file="study.toml").jobs
        elif ".session]" in block.text:
            assert read_own(block.text, "profiles.toml")
        else:
            tomllib.loads(block.text)


def test_the_commented_lines_of_the_study_are_keys_too() -> None:
    (study,) = (it.text for it in blocks(text_of(ROOT / "docs/study-files.md")) if "# deadline" in it.text)
    (job,) = parse_study(study.replace("# deadline", "deadline"), file="study.toml").jobs
    assert job.model == "Xception"


@of_every_page
def test_all_python_compiles(page: Path) -> None:
    for block in blocks(text_of(page)):
        if block.language == "python":
            ast.parse(block.text)


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    assert len(text_of(ROOT / "README.md")) <= README_LETTERS
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert {path.suffix for path in pictures} == {".svg", ".png"}
    assert sum(path.stat().st_size for path in pictures) < PICTURES_BYTES


def script(name: str) -> Any:
    """Return a module of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_on_study_files_names_every_model_and_no_other() -> None:
    page = text_of(ROOT / "docs" / "study-files.md").partition("\n## Models\n")[2].partition("\n## ")[0]
    lines = [line.removeprefix("- ").split(", ") for line in page.splitlines() if line.startswith("- ")]
    assert sorted(name for line in lines for name in line) == sorted(MODELS)


def test_the_page_of_commands_is_what_the_command_line_says() -> None:
    module = script("command_page")
    assert text_of(module.PAGE) == module.command_page(), "type scripts/docs"


def test_the_page_of_studies_has_every_key_with_its_default_and_what_the_spec_says_of_it() -> None:
    module = script("study_page")
    page = text_of(module.PAGE)
    assert page == module.study_page(page), "type scripts/docs"


def test_every_page_is_listed_for_readers() -> None:
    listed = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in links(text_of(ROOT / "docs/README.md"))}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - {ROOT / "docs/README.md"} <= listed


def test_no_page_names_a_place_on_somebodys_machine() -> None:
    somebodys = re.compile(r"/(?:home|Users)/\w+|/work/\w+|/tmp/\w+")
    assert [name for name, page in zip(NAMES, PAGES, strict=True) if somebodys.search(text_of(page))] == []


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    released = re.findall(r"^## \[(\d[\d.]*)\] - (\d{4}-\d\d-\d\d)$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert released == sorted(released, key=lambda it: [int(part) for part in it[0].split(".")], reverse=True)
    version, day = released[0]
    assert f"\nversion = {version}\n" in text_of(ROOT / "setup.cfg")
    assert f"\nversion: {version}\ndate-released: {day}\n" in text_of(ROOT / "CITATION.cff")
